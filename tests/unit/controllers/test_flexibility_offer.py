"""What can be held over a window, how surely, and what a call gets: on the small park, with the real planner's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from controllers.flexibility.assess import Ask, Verdict, assessed
from controllers.flexibility.correction import Correction, Replay, learnt, load_correction, write_correction
from controllers.flexibility.hold import WORTH_CNY_PER_MWH, Course, held, kept_cost_cny
from controllers.flexibility.offer import Plan, table_of, windows_of
from controllers.flexibility.sure import CONFIDENCES, Spread, sure_level_mw
from controllers.flexibility.window import Direction, Window
from controllers.planner import Problem
from controllers.planner.asks import held_by_events, rebounds_after
from controllers.planner.assemble import assemble
from controllers.planner.blocks.quota import BAND_KINDS, band_limits
from controllers.planner.horizon import planning_grid
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from controllers.planner.stochastic.weather import available_scenarios
from tests.builders_control import BASE, CAST, GRID, MORNING, PARK_BATTERY, forecast_of, problem_of
from vpp.errors import ParkError, PlanError
from vpp.events import Event
from vpp.ids import AssetId
from vpp.park import load
from vpp.units import FloatArray

HOUR = timedelta(hours=1)
SEEDS = Path(__file__).resolve().parents[3] / "seeds"
#: Half a day of quarters: long enough for a call, what is taken back, and the hours behind.
N = 48
PLAIN = Correction(margin_frac=0.0)


@cache
def with_furnaces() -> Problem:
    """An ordinary half day of the small park."""
    return problem_of(N)


@cache
def problem() -> Problem:
    """The same on a day on which its furnaces stand: they would hide what the others can do."""
    return standing(with_furnaces())


def standing(found: Problem) -> Problem:
    nothing = np.zeros(N)
    return replace(found, heats={CAST: replace(found.heats[CAST], earliest=nothing, latest=nothing, running_mw=nothing)})


def course_of(asked: Problem, wind_frac: float = 1.0) -> dict[AssetId, FloatArray]:
    return {i: wind_frac * np.asarray(mw) for i, mw in asked.available_mw.items()}


def window(direction: Direction, after_h: float, length_h: float) -> Window:
    return Window(direction, MORNING + after_h * HOUR, MORNING + (after_h + length_h) * HOUR)


def held_in(windows: Sequence[Window], asked: Problem | None = None, wind_frac: float = 1.0) -> Course:
    found = asked or problem()
    return held(found, (GRID,), course_of(found, wind_frac), windows)


@cache
def plan() -> Plan:
    asked = problem()
    return Plan.of(asked, available_scenarios(asked.park, forecast_of(N), 4))


def call(target_mw: float, start_h: float = 4.0, length_h: float = 1.0, kind: str = "peak", confidence: float = 0.99) -> Verdict:
    way: Direction = "take" if kind in ("valley", "export_limit") else "give"
    return assessed(plan(), Ask(kind, GRID, window(way, start_h, length_h), target_mw, confidence), PLAIN)


def test_more_can_be_held_for_an_hour_than_for_four() -> None:
    lengths = (1.0, 4.0)
    windows = [window("give", 3.0, length) for length in lengths] + [window("take", 3.0, length) for length in lengths]
    course = held_in(windows)
    give, take = course.level_mw[:2], course.level_mw[2:]
    assert np.all(np.diff(give) >= -1e-6)
    assert np.all(np.diff(take) <= 1e-6)
    assert give[0] < course.net_mw[12:16].max()
    assert take[0] > course.net_mw[12:16].min()


def test_a_full_battery_gives_more_than_an_empty_one() -> None:
    levels = []
    for soc_frac in (0.1, 0.9):
        asked = standing(problem_of(N, states={PARK_BATTERY: {"soc_frac": soc_frac}}))
        levels.append(held_in([window("give", 0.0, 1.0)], asked).level_mw[0])
    assert levels[1] < levels[0] - 5.0


def test_furnaces_count_at_full_power_below_a_level_and_not_at_all_above_one() -> None:
    give, take = window("give", 4.0, 1.0), window("take", 4.0, 1.0)
    course, apart = held_in([give, take], with_furnaces()), held_in([give, take])
    plate = problem().park.asset(CAST).plate
    assert course.level_mw[0] == pytest.approx(apart.level_mw[0] + plate.furnaces * plate.melting_mw, abs=3.0)
    assert course.level_mw[1] == pytest.approx(apart.level_mw[1], abs=3.0)


def test_less_wind_leaves_less_to_promise() -> None:
    windy, calm = (held_in([window("give", 4.0, 1.0)], wind_frac=share).level_mw[0] for share in (1.2, 0.4))
    assert calm > windy + 1.0


def test_to_take_more_no_wind_is_wasted() -> None:
    span = window("take", 4.0, 2.0)
    course = held_in([span])
    # Nothing but loads and stores behind this connection takes more: the rise is no more than they can draw.
    rise = course.level_mw[0] - course.net_mw[span.steps(problem().grid)].min()
    moved = {i: mw for i, mw in zip(course.asset_ids, course.power_mw[0].tolist(), strict=True) if abs(mw) > 1e-6}
    assert rise > 1.0
    assert not any(problem().park.asset(i).kind in ("wind", "solar") for i in moved)


def test_what_costs_more_than_its_worth_is_not_offered_and_the_cost_grows_with_what_is_held() -> None:
    span = window("give", 4.0, 1.0)
    course = held_in([span])
    base = course.net_mw[span.steps(problem().grid)].max()
    levels = np.array([[base - share * (base - course.level_mw[0]) for share in (0.0, 0.5, 1.0)]])
    cost = kept_cost_cny(problem(), (GRID,), course_of(problem()), [span], levels)[0]
    assert cost[0] == 0.0
    assert np.all(np.diff(cost) >= -1e-6)
    # Found along two ways, once with the level free and once with it fixed and what is missed paid for.
    assert cost[2] == pytest.approx(course.cost_cny[0], rel=0.1)
    assert cost[2] <= WORTH_CNY_PER_MWH * (base - course.level_mw[0]) * span.hours


def test_what_an_accepted_call_needs_is_not_sold_twice() -> None:
    free = held_in([window("give", 4.0, 2.0)])
    level = float(free.level_mw[0])
    accepted = Event("first", "peak", GRID, level, MORNING + 4 * HOUR, MORNING + 6 * HOUR, MORNING, MORNING)
    asked = problem()
    booked = replace(
        asked,
        held=held_by_events([accepted], asked.grid),
        rebounds=rebounds_after([accepted], asked.grid, {GRID: 60.0}, asked.park),
    )
    # In the same span nothing is left beside it; right after it the battery is as empty as it left it.
    again, later = window("give", 4.0, 2.0), window("give", 6.0, 2.0)
    beside = held_in([again, later], booked)
    apart = held_in([later])
    steps = again.steps(asked.grid)
    assert beside.net_mw[steps].max() == pytest.approx(level, abs=0.1)
    assert beside.net_mw[steps].mean() - beside.level_mw[0] <= 0.5
    assert beside.level_mw[1] >= apart.level_mw[0] - 1e-6


def test_of_the_whole_park_no_feeder_no_slow_unit_and_no_smelter_below_its_band_is_promised() -> None:
    at = datetime(2026, 1, 2, 9, tzinfo=UTC)
    park = load(SEEDS, at=at.date())
    situation = read_situation(park, at, None)
    forecast = Outlook.plain().forecast(park, planning_grid(at), {})
    asked = assemble(park, situation.snapshot, forecast, {})
    meter = [c.id for c in park.connections if c.is_grid]
    course = held(asked, meter, course_of(asked), [Window("give", at + HOUR, at + 2 * HOUR)])
    assert course.level_mw[0] < course.net_mw[4:8].max() - 50.0
    for i, change, before in zip(course.asset_ids, course.power_mw[0], course.before_mw[0], strict=True):
        asset = park.asset(i)
        if asset.kind in ("feeder", "thermal_unit"):
            assert change >= -1e-6, i
        elif asset.kind in BAND_KINDS:
            assert before + change >= min(before, band_limits(asset).low_mw) - 1e-6, i


def test_a_window_beyond_the_plan_is_refused_and_so_is_one_that_runs_backwards() -> None:
    with pytest.raises(PlanError, match="beyond the plan"):
        held_in([window("give", 11.5, 2.0)])
    with pytest.raises(ValueError, match="does not come after"):
        window("give", 3.0, -1.0)


def test_a_target_within_reach_is_accepted_whole_one_beyond_it_in_part_and_one_that_changes_nothing_promises_nothing() -> None:
    within = call(0.0)
    sure = within.level_mw
    whole, part = call(sure + 1.0), call(sure - 20.0)
    assert (whole.outcome, whole.target_mw) == ("accepted", sure + 1.0)
    assert (part.outcome, part.target_mw) == ("part", pytest.approx(sure, abs=0.01))
    assert part.accepted_mw == pytest.approx(part.expected_mw - sure, abs=0.01)
    assert part.accepted_mw < part.asked_mw
    assert part.reason.code == "partly_held"
    nothing = call(part.expected_mw + 30.0)
    assert (nothing.outcome, nothing.asked_mw, nothing.accepted_mw) == ("accepted", 0.0, 0.0)


def test_what_cannot_be_promised_at_all_is_refused_with_the_reason_but_an_emergency_is_taken_as_far_as_it_goes() -> None:
    careful = Correction({"give": (50.0, 50.0, 50.0)}, 0.0)
    ask = Ask("peak", GRID, window("give", 4.0, 1.0), -20.0)
    refused = assessed(plan(), ask, careful)
    assert (refused.outcome, refused.accepted_mw, refused.reason.code) == ("refused", 0.0, "cannot_be_held")
    assert "99 %" in refused.reason.text
    taken = assessed(plan(), replace(ask, kind="emergency"), careful)
    assert (taken.outcome, taken.target_mw) == ("part", -20.0)


def test_less_confidence_promises_more() -> None:
    sure, half = call(-40.0), call(-40.0, confidence=0.5)
    assert half.level_mw < sure.level_mw
    assert half.accepted_mw > sure.accepted_mw


def test_the_offer_has_every_start_and_length_both_ways_and_surer_is_never_more() -> None:
    found = plan()
    asked = tuple(w for w in windows_of(found.problem.grid) if w.hours in (0.25, 1.0) and w.start <= MORNING + 4 * HOUR)
    table = table_of(found, PLAIN, asked)
    [meter] = table.meters
    assert meter.connection == GRID
    assert len(meter.cells) == len(asked) == 2 * 2 * 5
    for cell in meter.cells:
        powers = [promise.power_mw for promise in cell.promises]
        assert [promise.confidence for promise in cell.promises] == list(CONFIDENCES)
        assert powers == sorted(powers, reverse=True)
        for promise in cell.promises:
            assert (promise.cost_cny_per_mwh is None) == (promise.power_mw == 0.0)
            assert promise.cost_cny >= 0.0
    # Batteries answer in seconds; what the first minute brings is no more than what is offered at all.
    assert meter.response_s["give"] is not None
    assert 0.0 < meter.ramp_mw_per_min["give"] <= 300.0


def test_an_offer_over_two_days_covers_a_day_of_starts() -> None:
    windows = windows_of(problem_of(196).grid)
    starts = {w.start for w in windows}
    assert {w.hours for w in windows} == {0.25, 0.5, 1.0, 2.0, 4.0}
    assert max(starts) - min(starts) == timedelta(hours=24)


def test_levels_of_single_courses_become_one_that_so_many_of_them_keep() -> None:
    levels = np.arange(1.0, 20.0)  # 1 .. 19
    give, take = Spread("give", levels, 100.0), Spread("take", levels, 100.0)
    assert [give.raw_mw(c) for c in CONFIDENCES] == [10.0, 18.0, 19.0]
    assert [take.raw_mw(c) for c in CONFIDENCES] == [10.0, 2.0, 1.0]
    assert sure_level_mw(give, 0.5, 1.0) == pytest.approx(10.0 + levels.std())
    assert sure_level_mw(take, 0.5, 1.0) == pytest.approx(10.0 - levels.std())
    with pytest.raises(PlanError, match="confidence"):
        sure_level_mw(give, 1.0)


def test_replays_teach_offers_that_are_kept_as_often_as_they_say() -> None:
    # Courses that are too sure by a factor of two and off by three: what real forecasts are like.
    rng = np.random.default_rng(7)

    def replays(n: int) -> list[Replay]:
        centre = rng.uniform(50.0, 150.0, n)
        return [Replay(Spread("give", c + rng.normal(0.0, 5.0, 16), 300.0), float(c + 3.0 + 10.0 * rng.normal())) for c in centre]

    taught = learnt(replays(2_000), "chance", margin_frac=0.0)
    fresh = replays(2_000)
    for confidence, low, high in ((0.5, 0.46, 0.54), (0.9, 0.88, 0.92), (0.99, 0.98, 1.0)):
        kept = np.mean([r.level_mw <= sure_level_mw(r.spread, confidence, taught.of(r.spread, confidence)) for r in fresh])
        raw = np.mean([r.level_mw <= sure_level_mw(r.spread, confidence) for r in fresh])
        assert low <= kept <= high
        assert raw < low
    assert "take" not in taught.shift


def test_a_correction_is_frozen_with_its_span_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "policies" / "flexibility.yaml"
    assert load_correction(path) == Correction()
    taught = Correction({"give": (0.1, 0.2, 1.5), "take": (-0.1, 0.3, 2.0)}, 0.01, "40 offers of a test")
    write_correction(path, taught)
    assert load_correction(path) == taught
    path.write_text("shift: {give: [1.0, 2.0]}\nmargin_frac: 0\nlearnt_from: nobody\n", encoding="utf-8")
    with pytest.raises(ParkError, match="2 numbers"):
        load_correction(path)


def test_a_course_knows_the_base_load_that_nobody_can_move() -> None:
    course = held_in([window("give", 2.0, 1.0)])
    assert abs(course.power_mw[0][course.asset_ids.index(BASE)]) < 1e-9
    assert course.before_mw[0][course.asset_ids.index(BASE)] > 50.0
