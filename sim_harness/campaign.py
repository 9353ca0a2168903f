"""A campaign of calls: each drawn by chance, run in one world with its twin, judged against what could have been held.

The twin runs first, uncalled: at the moment at which each call would be spoken of, the offer for its span is made there, and its
size drawn against it. What could be held by whoever knows the future comes from the same program on the true course of wind, sun,
loads and work: a bound of the plan's model, not of the world's machines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from controllers.flexibility.assess import ALWAYS_TAKEN, Verdict
from controllers.flexibility.correction import Correction, Replay, learnt
from controllers.flexibility.hold import Course, held
from controllers.flexibility.offer import Plan, expected_mw
from controllers.flexibility.sure import CONFIDENCES, Spread, sure_level_mw
from controllers.flexibility.window import DURATIONS, Direction, Window
from controllers.loops.offers import OfferDesk
from controllers.loops.plan import Made
from controllers.loops.worker import InlineWorker
from controllers.planner.problem import Problem
from controllers.service import Controller
from sim_harness.campaign_draw import FAULTS, Drawn, days_for, draw_calls, sized
from sim_harness.campaign_score import Delivery, Judged, Kept, Promise, campaign_facts, delivery_of
from sim_harness.clock import SimClock
from sim_harness.clusters.source import jobs_of
from sim_harness.faults import Injector
from sim_harness.grid.events import CONFIDENCE, ScenarioEvent
from sim_harness.oracle import true_future
from sim_harness.oracle_sight import Oracle
from sim_harness.run import Policy, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.site import farms_of
from sim_harness.weather.source import open_weather
from vpp.errors import PlanError, ScenarioError
from vpp.events import Event
from vpp.ids import ConnectionId
from vpp.park import Park
from vpp.timegrid import TimeGrid, floor_to
from vpp.units import FloatArray, h_to_s

__all__ = ["Campaign", "CampaignOptions", "Offered", "run_campaign"]

#: The true course is known so far behind the run's end: plans begin until then.
_BEYOND: Final = timedelta(days=3)
#: Offers beside those of the calls that are checked at each of them, drawn by chance.
_MORE_OFFERS: Final = 3
_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class CampaignOptions:
    """How a campaign is run.

    Args:
        events: Calls.
        seed: Of calls, world and faults.
        taught: Correction of the offers.
        data_dir: Measured series; None to generate weather.
        faults: Whether things go wrong in the world.
        learn_only: Make the twin run and its offers, and call nothing; several parts begin half-way between those of a campaign.
        progress: Told the share that is done, and what is done now.
        cache_dir: Where trained models are kept.
        policy: Who controls; it must plan.
        parts: Worlds that the calls are shared out to, begun evenly over the scenario's days.
        jobs: Processes that parts run in, where there are several.
        in_each: Called first in each of these, as to set what is logged there.
        confidence: How surely each call is to be kept.
    """

    events: int
    seed: int
    taught: Correction = field(default_factory=Correction)
    data_dir: Path | None = None
    faults: bool = True
    learn_only: bool = False
    progress: Callable[[float, str], None] | None = None
    cache_dir: Path = Path("out/models")
    policy: Policy = "mpc"
    parts: int = 1
    jobs: int = 1
    in_each: Callable[[], None] | None = None
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was found.

    Args:
        facts: As `--json` writes them.
        offers: What was offered and what could be held: what a correction is learnt from.
    """

    facts: dict[str, Any]
    offers: tuple[Offered, ...]

    @property
    def replays(self) -> tuple[Replay, ...]:
        """What a correction is learnt from."""
        return tuple(Replay(one.spread, one.true_level_mw) for one in self.offers)

    def correction(self, learnt_from: str) -> Correction:
        """What these replays teach."""
        return learnt(self.replays, learnt_from)


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer for one span, made in the twin run.

    Args:
        spread: Levels of the courses.
        expected_mw: Import without a call, mean over courses and span. [MW]
        true_level_mw: What could be held in the true course. [MW]
        lead_h: From the offer to the span. [h]
        change_mw: By how much import could be changed in each course against what it would have been there, shape (S,). [MW]
        true_change_mw: The same in the true course. [MW]
    """

    spread: Spread
    expected_mw: float
    true_level_mw: float
    lead_h: float
    change_mw: FloatArray
    true_change_mw: float

    def kept(self, taught: Correction) -> Kept:
        """Whether it would have been kept, by confidence."""
        gives, found = self.spread.direction == "give", []
        for confidence in CONFIDENCES:
            level = sure_level_mw(self.spread, confidence, taught.of(self.spread, confidence))
            found.append(self.true_level_mw <= level if gives else self.true_level_mw >= level)
        return Kept(self.spread.direction, self.lead_h, tuple(bool(one) for one in found))

    def power_mw(self, taught: Correction, confidence: float) -> float:
        """Offered at a confidence."""
        level = sure_level_mw(self.spread, confidence, taught.of(self.spread, confidence))
        return max(0.0, self.expected_mw - level if self.spread.direction == "give" else level - self.expected_mw)


@dataclass(slots=True)
class _Truth:
    """Who knows what could be held."""

    park: Park
    oracle: Oracle

    def course(self, problem: Problem, connection: ConnectionId, windows: Sequence[Window]) -> Course:
        """The true course from a problem's states on."""
        seen = self.oracle.forecast(problem.grid)
        available = {i: seen.mean_frac[seen.row(i)] * self.park.asset(i).plate.capacity_mw for i in seen.asset_ids}
        known = self.oracle.corrected(problem)
        # What can be held is no question of what import costs: a highest import is paid for here as in the offer.
        terms = {c: replace(one, near_steps=problem.connections[c].near_steps) for c, one in known.connections.items()}
        return held(replace(known, connections=terms), (connection,), available, windows)


@dataclass(frozen=True, slots=True)
class _Found:
    """Of one part of a campaign."""

    days: float
    offered: tuple[Offered, ...]
    judged: Mapping[str, Judged] = field(default_factory=dict)
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    limit_violation_s: float = 0.0


def run_campaign(scenario: Scenario, options: CampaignOptions) -> Campaign:
    """Runs it, in parts that begin evenly over the scenario's days; the parts are worlds of their own.

    Raises:
        ScenarioError: The scenario is not in order, or its park has no connection to the grid.
    """
    began_s = perf_counter()
    park = load_park_of(scenario)
    if not any(c.is_grid for c in park.connections):
        raise ScenarioError([f"{scenario.name}: {park.id} has no connection to the grid: nobody can call it"])
    found = list(_parts(scenario, options))
    checked = [one for part in found for one in part.offered]
    facts = campaign_facts(
        {name: one for part in found for name, one in part.judged.items()},
        {name: one for part in found for name, one in part.deliveries.items()},
        [row for part in found for row in part.rows],
        [one.kept(options.taught) for one in checked],
    )
    faults: Counter[str] = Counter()
    for part in found:
        faults.update(part.faults)
    head = {"scenario": scenario.name, "seed": options.seed, "days": sum(part.days for part in found), "parts": len(found)}
    head |= {"control_step_s": scenario.control_step_s, "faults_drawn": options.faults, "confidence": options.confidence}
    head |= {"learnt_from": options.taught.learnt_from}
    tail = {"faults": dict(faults), "limit_violation_s": sum(part.limit_violation_s for part in found)}
    return Campaign({**head, **facts, **tail, "wall_s": perf_counter() - began_s}, tuple(checked))


def _parts(scenario: Scenario, options: CampaignOptions) -> Iterator[_Found]:
    """Each part's findings, in order of their begin."""
    count = min(options.parts, options.events)
    sizes = [len(share) for share in np.array_split(np.arange(options.events), count)]
    apart = timedelta(days=float(int(scenario.days / count)))
    # What is learnt and what is judged by it are other days, where the parts are as many.
    first = scenario.start + (timedelta(days=apart.days // 2) if options.learn_only else timedelta(0))
    asked = [
        (
            replace(scenario, start=first + k * apart),
            replace(options, events=size, progress=None, in_each=None),
            f"{k + 1}.",
        )
        for k, size in enumerate(sizes)
    ]
    if count == 1:
        yield _run_part(scenario, options, "")
        return
    with ProcessPoolExecutor(min(options.jobs, count), mp_context=get_context("spawn"), initializer=options.in_each) as pool:
        running = [pool.submit(_run_part, *one) for one in asked]
        try:
            for done, future in enumerate(running):
                yield future.result()
                if options.progress is not None:
                    options.progress((done + 1) / count, f"{done + 1} of {count} parts")
        finally:
            for future in running:
                future.cancel()


def _run_part(scenario: Scenario, options: CampaignOptions, prefix: str) -> _Found:
    park = load_park_of(scenario)
    seed = options.seed if not prefix else int(np.random.SeedSequence([options.seed, int(prefix[:-1])]).generate_state(1)[0])
    options = replace(options, seed=seed)
    drawn = draw_calls(park, options.events, seed, options.confidence)
    calls = tuple(replace(call, event_id=prefix + call.event_id) for call in drawn)
    world = replace(
        scenario.with_options(days_for(calls), seed),
        events=(),
        faults=(*scenario.faults, *FAULTS) if options.faults else scenario.faults,
        history_days=0,
        strata=None,
    )
    truth = _truth(park, world, options.data_dir)
    placeholders = tuple(call.event(0.0) for call in calls)
    run = RunOptions(options.policy, options.data_dir, cache_dir=options.cache_dir, watch=placeholders)
    offered: dict[str, list[Offered]] = {}
    share = 1.0 if options.learn_only else 0.5
    twin_options = replace(run, prepare=lambda c: _offer_in(c, calls, truth, options, offered, world.start))
    twin = run_scenario(world, replace(twin_options, progress=_part(options, 0.0, share, "the twin, uncalled")))
    checked = tuple(one for found in offered.values() for one in found)
    if options.learn_only:
        return _Found(world.days, checked)
    events = tuple(
        sized(park, call, own[0].expected_mw, own[0].power_mw(options.taught, call.confidence))
        for call in calls
        if (own := offered.get(call.event_id))
    )
    judged: dict[str, Judged] = {}
    verdicts: dict[str, Verdict] = {}
    called_options = replace(run, prepare=lambda c: _judge_in(c, truth, options, judged, verdicts))
    called = run_scenario(
        replace(world, events=events), replace(called_options, progress=_part(options, share, 1.0 - share, "the run, called"))
    )
    deliveries = {
        event.event_id: delivery_of(
            event.connection or ConnectionId(""),
            (event.start(world.start), event.end(world.start)),
            _promise(event, judged[event.event_id]),
            (called.trace, twin.trace),
        )
        for event in events
        if event.event_id in judged and judged[event.event_id].outcome != "refused"
    }
    rows = tuple(_row(event, world.start, verdicts.get(event.event_id)) for event in events)
    violation_s = float(called.to_json()["limit_violation_s"])
    return _Found(world.days, checked, judged, deliveries, rows, dict(called.faults), violation_s)


def _truth(park: Park, world: Scenario, data_dir: Path | None) -> _Truth:
    found = world.weather_from(data_dir)
    weather = open_weather(found, farms_of(park), seed=world.seed, start=world.start, end=world.end)
    faults = Injector(world.faults_in(park), park.id, world.seed, SimClock(world.start))
    return _Truth(park, Oracle(park, true_future(park, world, weather, jobs_of(park, world, data_dir), faults, _BEYOND)))


def _offer_in(  # noqa: PLR0913  what a twin run is asked stands in all of them
    controller: Controller,
    calls: Sequence[Drawn],
    truth: _Truth,
    options: CampaignOptions,
    offered: dict[str, list[Offered]],
    run_start: datetime,
) -> None:
    """Has a controller make the offer for each call's span at the plan in whose quarter it would be spoken of."""
    desk = controller.offer(InlineWorker(), options.taught)
    if desk is None or controller.planner is None:
        raise PlanError("campaign: the policy plans nothing, so it offers nothing")
    rng = np.random.default_rng([options.seed, 0x0FFE])

    def look(made: Made) -> None:
        at = made.problem.grid.start
        for call in calls:
            if call.event_id not in offered and floor_to(call.issued_at(run_start), _QUARTER) == at:
                offered[call.event_id] = _offers(desk, truth, call, (at, call.window(run_start)), rng)

    controller.planner.on_made = look


def _offers(
    desk: OfferDesk, truth: _Truth, call: Drawn, spans: tuple[datetime, Window], rng: np.random.Generator
) -> list[Offered]:
    at, window = spans
    plan = desk.plan_at(at)
    windows = [window, *(_other(at, rng) for _ in range(_MORE_OFFERS))]
    courses = [held(plan.problem, (call.connection,), course, windows) for course in plan.courses]
    true = truth.course(plan.problem, call.connection, windows)
    limit_mw = truth.park.connection(call.connection).import_limit_mw
    grid, found = plan.problem.grid, []
    for w, one in enumerate(windows):
        changes = [_change_mw(course, one, w, grid) for course in (*courses, true)]
        found.append(
            Offered(
                Spread(one.direction, np.array([course.level_mw[w] for course in courses]), limit_mw),
                expected_mw(courses, one, grid),
                float(true.level_mw[w]),
                (one.start - at) / timedelta(hours=1),
                np.array(changes[:-1]),
                changes[-1],
            )
        )
    return found


def _change_mw(course: Course, window: Window, w: int, grid: TimeGrid) -> float:
    """How far the level of a course lies from its own import without a call. [MW]."""
    without_mw = expected_mw([course], window, grid)
    return (without_mw - float(course.level_mw[w])) * (1.0 if window.direction == "give" else -1.0)


def _other(at: datetime, rng: np.random.Generator) -> Window:
    """Any start within a day, any length, either way."""
    way: Direction = "give" if rng.random() < 0.5 else "take"
    start = floor_to(at, _QUARTER) + int(rng.integers(0, 97)) * _QUARTER
    return Window(way, start, start + DURATIONS[int(rng.integers(len(DURATIONS)))])


def _judge_in(
    controller: Controller, truth: _Truth, options: CampaignOptions, judged: dict[str, Judged], verdicts: dict[str, Verdict]
) -> None:
    """Has a controller judge every call, and notes what could have been said by whoever knows the future."""
    desk = controller.offer(InlineWorker(), options.taught)
    if desk is None:
        raise PlanError("campaign: the policy plans nothing, so it judges nothing")

    def note(event: Event, plan: Plan, verdict: Verdict) -> None:
        """Beside what was said of a call: what could have been held of it in the true course, and was accepted. [MW]."""
        window = Window(_way(event), max(event.start, plan.problem.grid.start), event.end)
        true = truth.course(plan.problem, event.connection, [window])
        expected, level = expected_mw([true], window, plan.problem.grid), float(true.level_mw[0])
        sign = 1.0 if window.direction == "give" else -1.0
        asked = max(0.0, sign * (expected - event.target_mw))
        promised = verdict.level_mw if verdict.outcome == "part" else event.target_mw
        perfect = min(asked, max(0.0, sign * (expected - level)))
        accepted = 0.0 if verdict.outcome == "refused" else min(perfect, max(0.0, sign * (expected - promised)))
        verdicts[event.event_id] = verdict
        judged[event.event_id] = Judged(
            outcome=verdict.outcome,
            held_mw=promised,
            asked_mw=verdict.asked_mw,
            accepted_mw=verdict.accepted_mw,
            response_s=verdict.response_s,
            asked_true_mw=asked,
            perfect_mw=perfect,
            accepted_true_mw=accepted,
        )

    desk.on_verdict = note


def _way(event: Event) -> Direction:
    return "take" if event.is_floor else "give"


def _promise(event: ScenarioEvent, judged: Judged) -> Promise:
    sign = -1.0 if event.kind in ("valley", "export_limit") else 1.0
    return Promise(sign, judged.held_mw, judged.response_s, h_to_s(event.notice_h))


def _row(event: ScenarioEvent, run_start: datetime, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "kind": event.kind,
        "always_taken": event.kind in ALWAYS_TAKEN,
        "connection": event.connection,
        "start": event.start(run_start).isoformat(),
        "duration_h": event.duration_h,
        "notice_h": round(event.notice_h, 3),
        "target_mw": event.target_mw,
        "reason": None if verdict is None else verdict.reason.text,
    }


def _part(options: CampaignOptions, begin: float, length: float, what: str) -> Callable[[float], None] | None:
    tell = options.progress
    return None if tell is None else lambda done: tell(begin + length * done, what)
