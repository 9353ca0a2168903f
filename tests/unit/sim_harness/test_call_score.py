"""Delivery of a call against the twin run, on traces whose answer is counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sim_harness.call_score import CallTrace, score_calls
from sim_harness.grid.events import ScenarioEvent
from sim_harness.plants.base import Intent, PushOrder
from sim_harness.truth import Truth
from sim_harness.world import World
from tests.world_builders import BASE, SteadyWeather, asset, connection, park, stub
from vpp.ids import AssetId, ConnectionId

START = datetime(2026, 5, 31, 16, tzinfo=UTC)
GRID = ConnectionId("grid.hongshan")
STEP_S = 10.0


def call(**more: object) -> ScenarioEvent:
    facts: dict[str, object] = {"kind": "peak", "connection": GRID, "start_h": 1.0, "duration_h": 1.0, "change_mw": 40.0}
    return ScenarioEvent(event_id="peak-1", **{**facts, **more})  # type: ignore[arg-type]


def trace(of: ScenarioEvent, import_mw: object) -> CallTrace:
    """A trace of five hours whose import at each second is what a function says."""
    kept = CallTrace([of], START)
    for i in range(int(5 * 3600 / STEP_S)):
        kept.record(START + timedelta(seconds=i * STEP_S), STEP_S, {GRID: import_mw(i * STEP_S)})  # type: ignore[operator]
    return kept


def scored(of: ScenarioEvent, actual: object, without: object):  # noqa: ANN201  one CallScore
    return score_calls([of], START, [nothing_before()], trace(of, actual), trace(of, without))[0]


def test_a_call_at_an_assets_meter_is_judged_there_whatever_the_connection_imports() -> None:
    load = AssetId("base.hongshan")
    of = call(asset=load, change_mw=None, target_mw=75.0)

    def read(power_mw: float) -> CallTrace:
        kept = CallTrace([of], START)
        for i in range(int(5 * 3600 / STEP_S)):
            kept.record(START + timedelta(seconds=i * STEP_S), STEP_S, {GRID: 9.0 * (i % 7)}, {load: power_mw}.__getitem__)
        return kept

    [found] = score_calls([of], START, [nothing_before()], read(75.0), read(100.0))
    assert (found.asset, found.requested_mw, found.delivered_frac, found.error_std_frac) == (load, 25.0, 1.0, 0.0)


def truth_of_import(levels_mw: list[float]) -> Truth:
    """A run whose only connection imports these levels, one a quarter hour."""
    load = stub("base.hongshan", "hongshan", 0.0, 0.0, 0.0, PushOrder.NEVER)
    place = park([asset("base.hongshan", "base_load", BASE, "hongshan")], [connection(GRID, "hongshan")])
    world = World(place, [load], SteadyWeather(), START)
    for k, level_mw in enumerate(levels_mw):
        load.intent = Intent(level_mw, level_mw, level_mw, PushOrder.NEVER)
        world.step(START + timedelta(minutes=15 * k), 900.0)
    return world.truth()


def nothing_before() -> Truth:
    return truth_of_import([100.0] * 20)


def test_a_response_that_is_full_at_once_is_all_delivered() -> None:
    found = scored(call(), lambda s: 60.0 if 3600 <= s < 7200 else 100.0, lambda s: 100.0)
    assert found.requested_mw == 40.0
    assert found.delivered_mw_mean == pytest.approx(40.0)
    assert found.delivered_frac == pytest.approx(1.0)
    assert found.seconds_to_90pct == STEP_S
    assert found.undershoot_frac == pytest.approx(0.0)
    assert found.recovered is True


def test_too_much_in_one_half_does_not_make_up_for_nothing_in_the_other() -> None:
    found = scored(call(), lambda s: 20.0 if 3600 <= s < 5400 else 100.0, lambda s: 100.0)
    assert found.delivered_mw_mean == pytest.approx(40.0)
    assert found.delivered_frac == pytest.approx(0.5)
    assert found.undershoot_frac == pytest.approx(1.0)


def test_the_ramp_is_timed_to_the_step_that_reached_nine_tenths() -> None:
    # 40 MW over 10 min: 36 MW after 9 min, reached by the step that ends then.
    found = scored(call(), lambda s: 100.0 - 40.0 * min(max(s - 3600 + STEP_S, 0) / 600, 1.0) * (s < 7200), lambda s: 100.0)
    assert found.seconds_to_90pct == pytest.approx(540.0)


def test_a_target_that_the_twin_keeps_anyway_asks_for_nothing() -> None:
    found = scored(call(change_mw=None, target_mw=120.0), lambda s: 100.0, lambda s: 100.0)
    assert found.requested_mw == 0.0
    assert found.delivered_frac is None


def test_a_valley_counts_what_is_drawn_more() -> None:
    found = scored(call(kind="valley"), lambda s: 140.0 if 3600 <= s < 7200 else 100.0, lambda s: 100.0)
    assert found.delivered_frac == pytest.approx(1.0)


def test_what_was_shed_and_comes_back_at_once_is_a_rebound() -> None:
    found = scored(call(), lambda s: 60.0 if 3600 <= s < 7200 else 130.0 if s >= 7200 else 100.0, lambda s: 100.0)
    assert found.rebound_mw == pytest.approx(30.0)
    assert found.recovered is False


def test_without_a_twin_nothing_is_claimed_against_it() -> None:
    of = call()
    found = score_calls([of], START, [nothing_before()], trace(of, lambda s: 60.0), None)[0]
    assert found.delivered_frac is None
    assert found.baseline_delivered_frac is None  # and no day before it either


def test_the_settlement_baseline_is_that_of_the_working_days_before() -> None:
    # A week of 100 MW from Monday on; on the second Monday, one hour after midnight, import falls to 80 MW for an hour.
    levels = [100.0] * 8 * 96
    levels[7 * 96 + 4 : 7 * 96 + 8] = [80.0] * 4
    of = call(start_h=7 * 24 + 1.0)
    found = score_calls([of], START, [truth_of_import(levels)], CallTrace([of], START), None)[0]
    assert found.baseline_delivered_frac == pytest.approx(0.5)
