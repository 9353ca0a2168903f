"""What people and the grid ask of a plan: events, what follows them, pins, contracts, the plan already published, lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.planner import ComputeNeed, Problem, Result, WorkItem, solve
from controllers.planner.asks import ChangeRule, held_by_events, pins_of, published_on, rebounds_after
from controllers.planner.lines import LineWatch
from controllers.planner.problem import FeedIn, FlowLimit, Held, Pin, Published, Rebound
from tests.builders_control import MORNING, hourly, terms_of
from tests.world_builders import BASE, BATTERY, CLUSTER, WIND, asset, connection
from vpp.events import Event, EventKind, Override, PinPower
from vpp.ids import AreaId, AssetId
from vpp.park import load
from vpp.park.network import sensitivities
from vpp.park.plates import JobClass
from vpp.timegrid import TimeGrid

LINE = connection("grid.a", "a")
LOAD, BESS, FARM = AssetId("base.a"), AssetId("bess.a"), AssetId("wind.a")
HOURS = 6
SEEDS = Path(__file__).resolve().parents[3] / "seeds"
GRID = TimeGrid.regular(MORNING, timedelta(hours=1), HOURS)


def problem(price: float = 300.0, wind_mw: float = 0.0) -> Problem:
    """A load of 50 MW, a battery half full and a wind farm on one connection."""
    return hourly(
        [asset(LOAD, "base_load", BASE, "a"), asset(BESS, "battery", BATTERY, "a"), asset(FARM, "wind", WIND, "a")],
        {LINE: terms_of([price] * HOURS, export_cny_per_mwh=np.full(HOURS, 100.0), export_limit_mw=np.full(HOURS, 80.0))},
        load_mw={LOAD: np.full(HOURS, 50.0)},
        available_mw={FARM: np.full(HOURS, wind_mw)},
        states={BESS: {"soc_frac": 0.5}},
    )


def event(kind: EventKind, target_mw: float, first: float, last: float) -> Event:
    start, end = (MORNING + timedelta(hours=h) for h in (first, last))
    return Event("call", kind, LINE.id, target_mw, start, end, MORNING, MORNING)


def net(plan: Result) -> list[float]:
    return [round(float(mw), 3) for mw in plan.import_mw[LINE.id] - plan.export_mw[LINE.id]]


def missed(plan: Result) -> dict[str, float]:
    return {u.what: u.amount for u in plan.unmet}


def test_a_peak_call_is_a_ceiling_and_a_valley_call_a_floor_where_they_hold() -> None:
    (peak,) = held_by_events([event("peak", 40.0, 1.5, 3.0)], GRID)[LINE.id]
    (valley,) = held_by_events([event("valley", 60.0, 2.0, 3.0)], GRID)[LINE.id]
    assert peak.high_mw.tolist() == [np.inf, 40.0, 40.0, np.inf, np.inf, np.inf]
    assert np.isneginf(peak.low_mw).all()
    assert valley.low_mw.tolist() == [-np.inf, -np.inf, 60.0, -np.inf, -np.inf, -np.inf]


def test_a_call_is_kept_with_what_the_battery_holds() -> None:
    held = held_by_events([event("peak", 40.0, 2.0, 4.0)], GRID)
    plan = solve(replace(problem(), held=held))
    assert max(net(plan)[2:4]) <= 40.0 + 1e-6
    assert missed(plan) == {}


def test_what_a_call_does_not_get_is_named_with_its_amount() -> None:
    held = {LINE.id: (Held("call", np.full(HOURS, -np.inf), np.array([np.inf, 20.0, *[np.inf] * 4]), 5_000.0),)}
    plan = solve(replace(problem(), held=held))
    # 50 MW and auxiliaries, less the rating of the battery.
    short = 50.0 - 20.0 - BATTERY.power_mw + BATTERY.auxiliary_frac * BATTERY.power_mw
    assert missed(plan)["event_above_mwh"] == pytest.approx(short, abs=0.2)
    assert plan.unmet[0].where == "call"
    assert plan.unmet[0].reason


def test_after_a_call_import_stays_near_what_it_was_before() -> None:
    cheap_later = replace(
        problem(),
        connections={LINE.id: terms_of([300.0, 300.0, 900.0, 10.0, 10.0, 300.0])},
        end_values=replace(problem().end_values, energy_cny_per_mwh={AreaId("a"): 500.0}),
    )
    free = solve(cheap_later)
    back = Rebound("call", 1, 0.0, (3, 4), 5.0, 3_000.0)
    limited = solve(replace(cheap_later, rebounds={LINE.id: (back,)}))
    assert net(free)[3] > net(free)[1] + 5.0
    assert max(net(limited)[3:5]) <= net(limited)[1] + 5.0 + 1e-3


def test_a_rebound_limit_holds_for_two_hours_after_a_cut_and_never_after_an_absorption() -> None:
    park = problem().park
    (back,) = rebounds_after([event("peak", 40.0, 1.0, 3.0)], GRID, {}, park)[LINE.id]
    assert (back.before_step, back.steps) == (0, (3, 4))
    assert rebounds_after([event("valley", 40.0, 1.0, 3.0)], GRID, {}, park) == {}


def test_a_pin_holds_an_asset_whatever_the_prices_say() -> None:
    pin = Pin(np.full(HOURS, 2.0), np.full(HOURS, 2.0))
    plan = solve(replace(problem(), pins={BESS: pin}))
    assert plan.assets[BESS].power_mw == pytest.approx(np.full(HOURS, 2.0), abs=1e-6)


def test_an_override_becomes_a_pin_for_its_span() -> None:
    until = MORNING + timedelta(hours=2)
    override = Override(BESS, PinPower(0.0), MORNING, until, "operator", "inspection", MORNING, MORNING)
    pin = pins_of([override], GRID, {})[BESS]
    assert pin.high_mw.tolist() == [0.0, 0.0, *[np.inf] * 4]


def test_generation_beyond_the_contract_is_curtailed_and_not_fed_in() -> None:
    windy = problem(wind_mw=100.0)
    free = solve(windy)
    duty = FeedIn("contract", AreaId("a"), 0.2, each_interval=True, price_cny_per_mwh=600.0)
    kept = solve(replace(windy, feed_in=(duty,)))
    used = -kept.assets[FARM].power_mw
    assert free.export_mw[LINE.id].max() > 20.0
    assert np.all(kept.export_mw[LINE.id] - kept.import_mw[LINE.id] <= 0.2 * used + 1e-3)


def test_a_line_keeps_its_limit_through_its_sensitivities() -> None:
    windy = problem(wind_mw=100.0)
    line = FlowLimit("line", {FARM: 1.0}, 60.0, 3_000.0)
    assert (-solve(replace(windy, flows=(line,))).assets[FARM].power_mw).max() <= 60.0 + 1e-6


def test_a_line_gets_rows_when_a_plan_overloads_it_and_keeps_them() -> None:
    windy = problem(wind_mw=100.0)
    watch = LineWatch((FlowLimit("narrow", {FARM: 1.0}, 60.0, 3_000.0), FlowLimit("wide", {FARM: 1.0}, 500.0, 3_000.0)))
    assert watch.learn(solve(windy).assets)
    assert watch.kept == {"narrow"}
    kept = solve(replace(windy, flows=tuple(limit for limit in watch.limits if limit.name in watch.kept)))
    assert not watch.learn(kept.assets)
    assert watch.kept == {"narrow"}


def test_of_the_parks_branches_only_those_are_watched_that_its_assets_can_overload() -> None:
    park = load(SEEDS, at=date(2030, 10, 1))
    watched = {limit.name for limit in LineWatch.of(park).limits}
    assert watched < set(sensitivities(park).branches)
    # 1,430 MW of wind and a battery of 170 MW stand behind a line of 1,430 MW; 140 MW of wind and sun behind one of 150 MW.
    assert "l.ev_nh" in watched
    assert "l.ef_cd" not in watched


def test_a_park_without_a_main_bus_has_no_lines_to_watch() -> None:
    assert LineWatch.of(problem().park).limits == ()


def test_a_published_plan_is_changed_only_where_it_pays() -> None:
    first = solve(problem())
    said = {BESS: first.assets[BESS].power_mw}
    nearly = replace(problem(), connections={LINE.id: terms_of([300.0, 301.0, 300.0, 302.0, 300.0, 301.0])})
    held = solve(replace(nearly, published=Published(said, 50.0)))
    assert held.assets[BESS].power_mw == pytest.approx(said[BESS], abs=1e-6)


@pytest.mark.parametrize(("later_cny_per_mwh", "flips"), [(298.0, False), (290.0, True)])
def test_a_published_hour_is_given_up_for_a_large_gain_and_not_for_a_small_one(later_cny_per_mwh: float, flips: bool) -> None:
    # Work that does not mind waiting was told the first hour; moving a MWh away and into another hour costs 2 + 2.
    batch = JobClass(name="batch", share_frac=1.0, slack_h=24.0, delay_cny_per_mwh=0.0, miss_cny_per_mwh=20_000.0)
    cluster = asset("compute.a", "compute", replace(CLUSTER, job_classes=(batch,)), "a")
    need = ComputeNeed(np.full(HOURS, 5.0), (WorkItem("batch", 10.0, 0.0, float(HOURS)),), max_mw=40.0)
    told = np.array([15.0, *[5.0] * (HOURS - 1)])
    plan = solve(
        hourly(
            [cluster],
            {LINE: terms_of([300.0, later_cny_per_mwh, *[400.0] * (HOURS - 2)])},
            compute={cluster.id: need},
            published=published_on({cluster.id: told}, GRID, GRID, ChangeRule(cny_per_mwh=2.0)),
        )
    )
    assert bool(plan.assets[cluster.id].power_mw[1] > 14.0) is flips


def test_a_published_plan_counts_for_the_hours_that_it_has_in_common_with_the_next() -> None:
    later = TimeGrid.regular(MORNING + timedelta(hours=1, minutes=30), timedelta(minutes=30), 6)
    known = published_on({BESS: np.arange(6.0)}, GRID, later, ChangeRule(span=timedelta(hours=2)))
    assert known is not None
    assert known.power_mw[BESS].tolist() == pytest.approx([1.0, 2.0, 2.0, 3.0, np.nan, np.nan], nan_ok=True)


def test_a_plan_that_has_ended_or_a_price_of_nothing_binds_nobody() -> None:
    over = TimeGrid.regular(GRID.end, timedelta(hours=1), 2)
    assert published_on({BESS: np.zeros(6)}, GRID, over, ChangeRule()) is None
    assert published_on({BESS: np.zeros(6)}, GRID, GRID, ChangeRule(cny_per_mwh=0.0)) is None


def test_events_change_bounds_only_and_leave_the_matrix_as_it_was() -> None:
    from controllers.planner.draw import draw

    quiet = draw(problem()).model.matrix
    called = draw(
        replace(
            problem(),
            held=held_by_events([event("peak", 40.0, 2.0, 4.0)], GRID),
            rebounds=rebounds_after([event("peak", 40.0, 2.0, 4.0)], GRID, {}, problem().park),
        )
    ).model.matrix
    assert (quiet != called).nnz == 0


def test_a_naive_event_never_gets_so_far() -> None:
    with pytest.raises(Exception, match="UTC"):
        Event("call", "peak", LINE.id, 40.0, datetime(2030, 10, 1), MORNING, MORNING, MORNING)  # noqa: DTZ001  # the point
