"""A whole run: world, wire and controller in lock-step, then the score. The only place that starts a controller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from controllers.bus.base import Bus
from controllers.flexibility.assess import Verdict
from controllers.flexibility.correction import correction_file_of, load_correction
from controllers.loops.forecast import Forecaster
from controllers.loops.plan import PlanGuide
from controllers.loops.worker import InlineWorker
from controllers.planner.effort import Effort, settings_of
from controllers.planner.rule_file import load_thresholds, rule_file_of
from controllers.planner.rules import RuleThresholds
from controllers.service import Controller, ControllerSettings
from forecasting.known import CheckedDoor, FarmSite
from forecasting.load_sites import load_sites
from forecasting.model_store import train_cached
from sim_harness.balance import check_energy, check_money, check_plants
from sim_harness.call_score import CallScore, CallTrace
from sim_harness.clock import SimClock
from sim_harness.clusters.source import job_facts, jobs_of
from sim_harness.faults import Injector
from sim_harness.grid.events import ScenarioEvent
from sim_harness.load_door import LoadDoor
from sim_harness.oracle import true_future
from sim_harness.oracle_bound import lp_bound_cny
from sim_harness.oracle_sight import SEES, Oracle
from sim_harness.report.plan_ear import PlanEar
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.score import Conduct, Score, score
from sim_harness.site import Site, farms_of
from sim_harness.skill import ForecastEar
from sim_harness.truth import Truth
from sim_harness.weather.base import Weather
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import open_weather
from sim_harness.wires import LocalWire, MqttWire, Wiring
from vpp.errors import ScenarioError
from vpp.park import Park
from vpp.units import FloatArray

__all__ = ["POLICIES", "Outcome", "Policy", "RunOptions", "Wire", "advance", "forecaster_of", "make_controller", "run_scenario"]

Policy: TypeAlias = Literal["none", "rules", "dayahead", "mpc", "foresight", "perfect"]
Wire: TypeAlias = Literal["local", "mqtt"]
Progress: TypeAlias = Callable[[float], None]

#: `foresight` is `mpc` with forecasts that cannot err; `perfect` also looks as far as the run goes and knows its bill.
POLICIES: Final[tuple[Policy, ...]] = ("none", "rules", "dayahead", "mpc", "foresight", "perfect")
#: A run gives the solver no time limit that could fire: only counts, so that it repeats to the bit.
_NO_GUARD_S: Final = 3_600.0
_WORLD_FIRST: Final = -1
#: Policies that plan anew when something is asked; the day-ahead plan is held whatever comes.
_PLANS: Final[tuple[Policy, ...]] = ("mpc", "foresight", "perfect")
#: The oracle looks this far behind a run's end: plans begin until then, and a plan of two days may be a little longer.
_BEYOND: Final = timedelta(days=3)
#: Tasks of a controller that wait on the clock.
_LOOPS: Final[dict[Policy, int]] = {"none": 0, "rules": 2, "dayahead": 3, "mpc": 3, "foresight": 3, "perfect": 3}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a scenario is run.

    Args:
        policy: Who controls.
        data_dir: Measured series; None to generate weather.
        wire: In process, or over a real broker that the run starts, with the controller in a process of its own.
        cache_dir: Where trained models are kept.
        progress: Told the share of simulated time that has passed.
        watch: Calls around which import is kept step by step; None for the scenario's own. A twin watches those it is not told.
        thresholds: Of the rules; None for those that are frozen for the park.
        effort: How hard a policy that plans looks for a better plan.
        prepare: Told of the controller before it begins, in process only: for whoever has it do more than a run needs.
        judged: Whether calls are judged by what can be held, as a service does, instead of taken as far as it goes; in process
            only, by a policy that plans.
    """

    policy: Policy
    data_dir: Path | None
    wire: Wire = "local"
    cache_dir: Path = Path("out/models")
    progress: Progress | None = None
    watch: tuple[ScenarioEvent, ...] | None = None
    thresholds: RuleThresholds | None = None
    effort: Effort = "fast"
    prepare: Callable[[Controller], None] | None = None
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: the truth, the score, and how it was made.

    Args:
        truth: Registers and counters of the world.
        score: What they come to.
        conduct: How the run was made.
        faults: How many faults of each kind showed; their sum is `conduct.faults_injected`.
        malformed: Messages that somebody refused to read.
        trace: Import around calls, step by step.
        planned_mw: What the plan in force had for each asset, shape (A, T), NaN where there was none.
        calls: What calls came to, once somebody has compared the run with its twin.
        verdicts: What was promised of each call; empty where none was judged.
    """

    truth: Truth
    score: Score
    conduct: Conduct
    trace: CallTrace
    planned_mw: FloatArray
    faults: Mapping[str, int] = field(default_factory=dict)
    malformed: int = 0
    calls: tuple[CallScore, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The facts as `--json` writes them."""
        return self.score.to_json(self.conduct)


def run_scenario(scenario: Scenario, options: RunOptions) -> Outcome:
    """Runs a scenario to its end and scores it.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
        BalanceError: Energy, hydrogen, work or money does not add up.
    """
    return asyncio.run(_run(scenario, options))


def forecaster_of(
    park: Park,
    weather: Weather,
    scenario: Scenario,
    cache_dir: Path,
    faults: Injector | None = None,
    step_s: float | None = None,
) -> Forecaster:
    """Models trained on what was known when the run begins, behind the door that refuses the future.

    Args:
        park: Whose farms and loads.
        weather: What is known of it.
        scenario: The run.
        cache_dir: Where trained models are kept.
        faults: What goes wrong with weather runs.
        step_s: Of the world; None for the scenario's own. [s]
    """
    site = park.site
    farms = tuple(FarmSite(f.asset_id, f.kind, site.latitude_deg, site.longitude_deg) for f in farms_of(park))
    door = CheckedDoor(LoadDoor(WeatherDoor(weather), park, scenario, step_s or scenario.control_step_s))
    models = train_cached(door, (*farms, *load_sites(park)), known_at=scenario.start, directory=cache_dir)
    # Models are trained on sound history; what goes wrong goes wrong during the run.
    return Forecaster(models, door if faults is None else faults.door(door))


async def _run(scenario: Scenario, options: RunOptions) -> Outcome:
    began_s = time.perf_counter()
    park = load_park_of(scenario)
    weather = _weather(park, scenario, options.data_dir)
    clock = SimClock(scenario.start)
    make: Callable[[Bus, SimClock], tuple[Controller, int]] | None = None
    made: list[Controller] = []
    verdicts: dict[str, Verdict] = {}
    if options.judged:
        options = replace(options, prepare=_judging(scenario, options, verdicts))
    if options.policy != "none":
        make = partial(
            make_controller,
            scenario,
            options.policy,
            options.data_dir,
            options.cache_dir,
            thresholds=options.thresholds,
            effort=options.effort,
        )
        # A controller in a process of its own cannot be asked afterwards.
        make = partial(_kept, made, make, options.prepare) if options.wire == "local" else make
    async with AsyncExitStack() as stack:
        restarts = any(entry.kind == "broker_restart" for entry in scenario.faults)
        wire: Wiring = LocalWire(make, clock, cuttable=restarts) if options.wire == "local" else MqttWire(make, clock)
        await stack.enter_async_context(wire)
        jobs = jobs_of(park, scenario, options.data_dir)
        site = Site(park, scenario, weather, lambda _: wire.world_bus, clock, jobs)
        market = site.world.grid.market = scenario.market(park, options.data_dir)
        ear, plans = ForecastEar(wire.world_bus, park.id), PlanEar(wire.world_bus, park.id)
        trace = CallTrace(scenario.events if options.watch is None else options.watch, scenario.start)
        world = asyncio.ensure_future(advance(site, clock, scenario, wire, trace))
        await wire.start(scenario.start)
        await clock.wait_for_participants(1 + wire.participants)
        await _pass_time(clock, scenario, options, wire.fence)
        world.cancel()
        await asyncio.gather(world, return_exceptions=True)
        await wire.end()
    truth = site.world.truth()
    result = score(truth)
    check_energy(truth)
    check_plants(truth)
    check_money(result.cost_items, result.cost_cny)
    conduct = Conduct(
        scenario=scenario.name,
        seed=scenario.seed,
        policy=options.policy,
        effort=options.effort,
        data="; ".join((*weather.facts, *job_facts(park, scenario, jobs), *(() if market is None else (market.facts,)))),
        wall_s=time.perf_counter() - began_s,
        commands=wire.commands,
        ack_p99_ms=wire.ack_p99_ms,
        forecast=ear.skill(truth),
        faults_injected=site.faults.injected,
        lp_bound_cny=_bound(made, options.policy, truth),
        plans=plans.plans(),
    )
    planned_mw = plans.planned_mw(truth.assets, truth.grid)
    counts = dict(sorted(site.faults.counts.items()))
    return Outcome(truth, result, conduct, trace, planned_mw, counts, wire.malformed, verdicts=verdicts)


def _judging(scenario: Scenario, options: RunOptions, verdicts: dict[str, Verdict]) -> Callable[[Controller], None]:
    """Has a controller judge every call, and plan at once for those that it takes."""
    if options.wire != "local" or options.policy not in _PLANS:
        raise ScenarioError([f"calls are judged in process (--wire local) and by a policy that plans: {', '.join(_PLANS)}"])
    taught, before = load_correction(correction_file_of(scenario.park_path)), options.prepare

    def prepare(controller: Controller) -> None:
        if before is not None:
            before(controller)
        desk = controller.offer(InlineWorker(), taught)
        if desk is not None:
            desk.on_verdict = lambda event, _, verdict: verdicts.update({event.event_id: verdict})

    return prepare


def _kept(
    made: list[Controller],
    make: Callable[[Bus, SimClock], tuple[Controller, int]],
    prepare: Callable[[Controller], None] | None,
    bus: Bus,
    clock: SimClock,
) -> tuple[Controller, int]:
    controller, loops = make(bus, clock)
    made.append(controller)
    if prepare is not None:
        prepare(controller)
    return controller, loops


def _bound(made: Sequence[Controller], policy: Policy, truth: Truth) -> float | None:
    guide = made[0].guide if made and policy == "perfect" else None
    return lp_bound_cny(guide.first, truth) if isinstance(guide, PlanGuide) and guide.first is not None else None


def _weather(park: Park, scenario: Scenario, data_dir: Path | None) -> Weather:
    found = scenario.weather_from(data_dir)
    return open_weather(found, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)


def make_controller(  # noqa: PLR0913  a controller in a process of its own gets all it is made from by name
    scenario: Scenario,
    policy: Policy,
    data_dir: Path | None,
    cache_dir: Path,
    bus: Bus,
    clock: SimClock,
    thresholds: RuleThresholds | None = None,
    effort: Effort = "fast",
) -> tuple[Controller, int]:
    """A policy's controller and how many of its tasks wait on the clock; here or in a process of its own.

    Raises:
        ParkError: The frozen thresholds of the rules are not in order.
        ScenarioError: The scenario, its park or its data are not in order.
    """
    park = load_park_of(scenario)
    settings = ControllerSettings(control=timedelta(seconds=scenario.control_step_s), solve=settings_of(effort, _NO_GUARD_S))
    thresholds = thresholds if thresholds is not None else load_thresholds(rule_file_of(scenario.park_path))
    settings = replace(settings, day_ahead=policy == "dayahead", thresholds=thresholds)
    forecaster = foresight = None
    if policy not in ("none", "rules"):
        weather = _weather(park, scenario, data_dir)
        faults = Injector(scenario.faults_in(park), park.id, scenario.seed, clock)
        if policy in ("foresight", "perfect"):
            future = true_future(park, scenario, weather, jobs_of(park, scenario, data_dir), faults, _BEYOND)
            foresight = Oracle(park, future) if policy == "foresight" else Oracle(park, future, SEES, scenario.end)
        else:
            forecaster = forecaster_of(park, weather, scenario, cache_dir, faults)
    return Controller(park, bus, clock, settings, forecaster, foresight=foresight), _LOOPS[policy]


async def advance(
    site: Site, clock: SimClock, scenario: Scenario, wire: Wiring | None = None, trace: CallTrace | None = None
) -> None:
    """The world's turn at every control step: let the step behind us pass, then report.

    Args:
        site: The world and its mouths.
        clock: Its time.
        scenario: How long a step is.
        wire: Whose broker restarts are carried out.
        trace: Who watches imports around calls.
    """
    before: datetime | None = None
    restarts = site.faults.broker_restarts
    async for at in clock.every(timedelta(seconds=scenario.control_step_s), priority=_WORLD_FIRST):
        if before is not None:
            flows = site.world.step(before, (at - before).total_seconds())
            if trace is not None:
                trace.record(before, flows.dt_s, flows.import_mw, site.world.power_mw)
        if wire is not None:
            await wire.tend_broker(at, wanted_down=any(window.holds(at) for window in restarts))
        site.report(at)
        before = at


async def _pass_time(clock: SimClock, scenario: Scenario, options: RunOptions, fence: Callable[[], Any] | None) -> None:
    """Time in hours, so that somebody can watch; one moment longer than the run, so that its last step passes too."""
    at = scenario.start
    while at < scenario.end:
        at = min(at + timedelta(hours=1), scenario.end)
        until = at if at < scenario.end else at + timedelta(microseconds=1)
        await clock.run_until(until, fence)
        if options.progress is not None:
            options.progress((at - scenario.start) / (scenario.end - scenario.start))
