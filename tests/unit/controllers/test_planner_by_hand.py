"""Plans small enough to be found with pencil and paper: what moves, when, and what it costs to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controllers.planner import ComputeNeed, EndValues, Problem, Result, WorkItem, solve
from controllers.planner.problem import Reserve
from tests import builders
from tests.builders_control import hourly, terms_of
from tests.world_builders import BASE, CLUSTER, WIND, asset, connection
from vpp.ids import AreaId, AssetId
from vpp.park.plates import FlexibleLoadPlate, JobClass

GRID, LINK = connection("grid.a", "a"), connection("link.b", "a", to="b")
LOAD, BESS, FARM = AssetId("base.a"), AssetId("bess.a"), AssetId("wind.a")
#: One way 0.9; ten MW for two hours; nothing drawn by itself; wear on what it gives.
STORE = builders.battery(
    power_mw=10.0,
    energy_mwh=20.0,
    round_trip_frac=0.81,
    soc_min_frac=0.0,
    soc_max_frac=1.0,
    wear_cny_per_mwh=20.0,
    auxiliary_frac=0.0,
)
WORK = JobClass(name="batch", share_frac=1.0, slack_h=24.0, delay_cny_per_mwh=48.0, miss_cny_per_mwh=20_000.0)
BATCH = replace(CLUSTER, job_classes=(WORK,))


def load(*power_mw: float) -> dict[str, Any]:
    return {"load_mw": {LOAD: np.array(power_mw)}}


def with_store(
    prices: Sequence[float], *, soc_frac: float = 0.0, end: float = 0.0, load_mw: float = 50.0, **terms: Any
) -> Problem:
    """A battery beside a steady load behind a connection that sends nothing out."""
    return hourly(
        [asset(LOAD, "base_load", BASE, "a"), asset(BESS, "battery", STORE, "a")],
        {GRID: terms_of(prices, export_limit_mw=np.zeros(len(prices)), **terms)},
        {"a": end},
        states={BESS: {"soc_frac": soc_frac}},
        **load(*[load_mw] * len(prices)),
    )


def moved(plan: Result) -> list[float]:
    """Power of the battery, rounded for comparison."""
    return [round(float(mw), 6) for mw in plan.assets[BESS].power_mw]


def unmet(plan: Result) -> dict[tuple[str, str], float]:
    return {(u.where, u.what): u.amount for u in plan.unmet}


def test_a_battery_carries_energy_from_cheap_to_dear_hours_and_pays_losses_and_wear() -> None:
    plan = solve(with_store([100.0, 100.0, 500.0, 500.0]))
    # 20 MWh in at 100, 18 MWh stored, 16.2 MWh out at 500 with a wear of 20.
    saved = 16.2 * (500.0 - 20.0) - 20.0 * 100.0
    assert plan.objective_cny == pytest.approx(50.0 * 1_200.0 - saved)
    assert moved(plan)[:2] == [10.0, 10.0]
    assert sum(moved(plan)[2:]) == pytest.approx(-16.2)


@pytest.mark.parametrize(("dear", "moves"), [(140.0, False), (150.0, True)])
def test_a_battery_moves_only_where_the_spread_pays_for_losses_and_wear(dear: float, moves: bool) -> None:
    # Break-even: 0.81 * (dear - 20) = 100, so at 143.46.
    assert (max(moved(solve(with_store([100.0, dear])))) > 1.0) is moves


def test_what_is_stored_is_worth_what_it_will_save() -> None:
    value = solve(with_store([100.0, 500.0], load_mw=8.0, import_limit_mw=np.array([9.0, 1_000.0]))).assets[BESS].store_value
    assert value is not None
    # A MWh stored brings 0.9 MWh at 500, less wear.
    assert value[0] == pytest.approx(0.9 * (500.0 - 20.0))


def test_a_battery_with_nothing_to_gain_after_the_end_is_emptied() -> None:
    plan = solve(with_store([300.0, 300.0], soc_frac=1.0))
    assert plan.assets[BESS].quantities["stored_mwh"][-1] == pytest.approx(0.0, abs=1e-6)


def test_a_battery_keeps_what_is_worth_more_after_the_end() -> None:
    plan = solve(with_store([300.0, 300.0], soc_frac=1.0, end=900.0))
    assert moved(plan) == [0.0, 0.0]


@pytest.mark.parametrize("price", [-50.0, -20.0, 0.0])
def test_a_worn_battery_never_charges_and_discharges_at_once_at_prices_down_to_the_floor(price: float) -> None:
    quantities = solve(with_store([price] * 3, soc_frac=1.0)).assets[BESS].quantities
    assert np.minimum(quantities["charge_mw"], quantities["discharge_mw"]).max() < 1e-6


def test_a_negative_price_fills_the_battery() -> None:
    assert moved(solve(with_store([-50.0, 0.0], end=0.0)))[0] == pytest.approx(10.0)


def test_a_reserve_is_kept_where_going_below_costs_more_than_it_brings() -> None:
    problem = with_store([300.0, 300.0], soc_frac=1.0)
    plan = solve(replace(problem, reserves={BESS: Reserve(level=12.0, price_cny_per_unit_h=1_000.0)}))
    assert plan.assets[BESS].quantities["stored_mwh"][-1] == pytest.approx(12.0)


def test_a_reserve_that_was_already_broken_is_paid_by_depth_and_time() -> None:
    problem = with_store([300.0, 300.0], import_limit_mw=np.full(2, 50.0))
    plan = solve(replace(problem, reserves={BESS: Reserve(level=12.0, price_cny_per_unit_h=10.0)}))
    # Import just carries the load: 12 MWh are missing for two hours.
    assert plan.objective_cny == pytest.approx(50.0 * 600.0 + 12.0 * 10.0 * 2.0)


def steady(*power_mw: float, **terms: Any) -> Problem:
    return hourly([asset(LOAD, "base_load", BASE, "a")], {GRID: terms_of([100.0] * len(power_mw), **terms)}, **load(*power_mw))


def test_a_months_peak_is_paid_once_and_only_above_what_it_was() -> None:
    plan = solve(steady(50.0, 80.0, 80.0, 60.0, demand_cny_per_mw=1_000.0, peak_so_far_mw=60.0))
    assert plan.objective_cny == pytest.approx(270.0 * 100.0 + 20.0 * 1_000.0)


def test_import_below_the_months_peak_costs_its_energy_only() -> None:
    plan = solve(steady(50.0, 55.0, demand_cny_per_mw=1_000.0, peak_so_far_mw=60.0))
    assert plan.objective_cny == pytest.approx(105.0 * 100.0)


def test_a_battery_shaves_the_hour_that_would_lift_the_months_peak() -> None:
    problem = with_store([100.0] * 4, demand_cny_per_mw=5_000.0, peak_so_far_mw=50.0, end=0.0)
    plan = solve(replace(problem, **load(40.0, 58.0, 40.0, 40.0)))
    assert plan.import_mw[GRID.id].max() == pytest.approx(50.0)
    assert moved(plan)[1] == pytest.approx(-8.0)


def test_load_beyond_import_is_unserved_at_its_own_price() -> None:
    plan = solve(steady(50.0, 70.0, import_limit_mw=np.full(2, 60.0)))
    assert unmet(plan) == {("a", "unserved_mwh"): pytest.approx(10.0)}
    assert plan.objective_cny == pytest.approx(110.0 * 100.0 + 10.0 * 10_000.0)
    assert plan.area_price_cny_per_mwh[AreaId("a")] == pytest.approx([100.0, 10_000.0])


def test_wind_serves_load_then_export_and_the_rest_is_curtailed() -> None:
    wind = asset(FARM, "wind", WIND, "a")
    terms = terms_of([400.0], export_cny_per_mwh=np.array([150.0]), export_limit_mw=np.array([30.0]))
    plan = solve(
        hourly([wind, asset(LOAD, "base_load", BASE, "a")], {GRID: terms}, available_mw={FARM: np.array([100.0])}, **load(50.0))
    )
    assert plan.assets[FARM].power_mw == pytest.approx([-80.0])
    assert plan.objective_cny == pytest.approx(-30.0 * 150.0 + 20.0 * 50.0)
    assert plan.area_price_cny_per_mwh[AreaId("a")] == pytest.approx([-50.0])


def test_a_store_is_filled_with_the_first_surplus_and_not_with_a_later_one() -> None:
    problem = with_store([300.0] * 6, load_mw=50.0, end=400.0)
    farm = asset(FARM, "wind", WIND, "a")
    park = replace(problem.park, assets=(*problem.park.assets, farm))
    plan = solve(replace(problem, park=park, available_mw={FARM: np.full(6, 90.0)}))
    # 20 MWh of room, ten MW: 22.2 MWh at the meter fill it.
    assert moved(plan) == pytest.approx([10.0, 10.0, 20.0 / 0.9 - 20.0, 0.0, 0.0, 0.0])


def test_an_area_helps_another_up_to_the_limit_of_their_connection() -> None:
    far_wind = asset("wind.b", "wind", WIND, "b")
    plan = solve(
        hourly(
            [asset(LOAD, "base_load", BASE, "a"), far_wind],
            {GRID: terms_of([500.0]), LINK: terms_of([0.0], import_limit_mw=np.array([20.0]), export_limit_mw=np.array([20.0]))},
            available_mw={far_wind.id: np.array([100.0])},
            **load(50.0),
        )
    )
    assert plan.import_mw[LINK.id] == pytest.approx([20.0])
    assert plan.import_mw[GRID.id] == pytest.approx([30.0])
    assert plan.objective_cny == pytest.approx(30.0 * 500.0 + 80.0 * 50.0)


def cluster_plan(prices: Sequence[float], *items: WorkItem) -> Result:
    cluster = asset("compute.a", "compute", BATCH, "a")
    need = ComputeNeed(np.full(len(prices), 5.0), items, max_mw=40.0)
    # Work that waits beyond the end will cost 300 a MWh there.
    ends = EndValues({}, hydrogen_cny_per_kg=0.0, work_cny_per_mwh=300.0)
    return solve(hourly([cluster], {GRID: terms_of(prices)}, compute={cluster.id: need}, end_values=ends))


def served(plan: Result) -> list[float]:
    return [round(float(mw), 6) for mw in plan.assets[AssetId("compute.a")].quantities["served_mw.batch"]]


def test_work_with_slack_waits_for_the_cheap_hour_and_pays_for_waiting() -> None:
    plan = cluster_plan([500.0, 500.0, 100.0, 100.0], WorkItem("batch", 10.0, 0.0, 4.0))
    assert served(plan) == [0.0, 0.0, 10.0, 0.0]
    # Firm power all along; ten MWh at 100; two hours of waiting at 48 / 24 a MWh and hour.
    assert plan.objective_cny == pytest.approx(5.0 * 1_200.0 + 10.0 * 100.0 + 10.0 * 2.0 * 2.0)


def test_work_does_not_wait_for_a_gain_below_the_price_of_waiting() -> None:
    assert served(cluster_plan([103.0, 102.0, 100.0, 100.0], WorkItem("batch", 10.0, 0.0, 4.0))) == [10.0, 0.0, 0.0, 0.0]


def test_a_deadline_comes_before_a_cheaper_hour() -> None:
    assert served(cluster_plan([500.0, 400.0, 100.0, 100.0], WorkItem("batch", 10.0, 0.0, 2.0))) == [0.0, 10.0, 0.0, 0.0]


def test_work_that_is_due_together_is_begun_early_enough_for_the_meter() -> None:
    plan = cluster_plan([500.0, 400.0, 100.0], WorkItem("batch", 30.0, 0.0, 2.0), WorkItem("batch", 20.0, 0.0, 2.0))
    assert served(plan) == [15.0, 35.0, 0.0]
    assert plan.unmet == ()


@pytest.mark.parametrize(("price", "does"), [(400.0, 0.0), (200.0, 10.0)])
def test_work_due_after_the_end_is_left_only_where_it_will_be_cheaper(price: float, does: float) -> None:
    assert served(cluster_plan([price], WorkItem("batch", 10.0, 0.0, 20.0))) == [does]


def quota_plan(plate: FlexibleLoadPlate, **facts: Any) -> Result:
    return solve(hourly([asset("ccus.a", "flexible_load", plate, "a")], {GRID: terms_of([100.0, 200.0, 300.0, 400.0])}, **facts))


BAND = builders.flexible_load(rated_mw=100.0, min_frac=0.5, max_frac=1.0, quota_frac=0.75, shortfall_cny_per_mwh=1_000.0)


def test_a_quota_is_met_in_the_cheapest_hours_of_the_band() -> None:
    plan = quota_plan(BAND)
    assert plan.assets[AssetId("ccus.a")].power_mw == pytest.approx([100.0, 100.0, 50.0, 50.0])
    assert plan.objective_cny == pytest.approx(100.0 * 300.0 + 50.0 * 700.0)


def test_a_quota_dearer_than_its_shortfall_is_given_up_and_named() -> None:
    plan = quota_plan(replace(BAND, quota_frac=1.0, shortfall_cny_per_mwh=250.0))
    assert plan.assets[AssetId("ccus.a")].power_mw == pytest.approx([100.0, 100.0, 50.0, 50.0])
    assert unmet(plan) == {("ccus.a", "quota_mwh"): pytest.approx(100.0)}


def test_energy_owed_from_before_is_made_up() -> None:
    plan = quota_plan(BAND, states={AssetId("ccus.a"): {"owed_mwh": 40.0}})
    assert plan.assets[AssetId("ccus.a")].power_mw.sum() == pytest.approx(340.0)


def test_a_feeder_is_supplied_until_its_call_is_cheaper_than_the_balance() -> None:
    feeder = asset("feeder.a", "feeder", builders.feeder(power_mw=8.0, call_cny_per_mwh=3_000.0), "a")
    states = {AssetId("feeder.a"): {"demand_mw": 7.0, "calls_left": 3.0, "hours_left_h": 10.0}}
    plan = solve(hourly([feeder], {GRID: terms_of([100.0, 200.0], import_limit_mw=np.array([9.0, 5.0]))}, states=states))
    assert plan.import_mw[GRID.id] == pytest.approx([7.0, 5.0])
    assert plan.objective_cny == pytest.approx(7.0 * 100.0 + 5.0 * 200.0 + 2.0 * 3_000.0)
    assert unmet(plan) == {("feeder.a", "called_mwh"): pytest.approx(2.0)}


def test_a_feeder_without_calls_left_is_never_interrupted() -> None:
    feeder = asset("feeder.a", "feeder", builders.feeder(power_mw=8.0), "a")
    states = {AssetId("feeder.a"): {"demand_mw": 7.0, "calls_left": 0.0}}
    plan = solve(hourly([feeder], {GRID: terms_of([100.0], import_limit_mw=np.array([5.0]))}, states=states))
    assert unmet(plan) == {("a", "unserved_mwh"): pytest.approx(2.0)}


@pytest.mark.parametrize(("price", "burns"), [(300.0, False), (900.0, True)])
def test_a_unit_burns_where_fuel_is_cheaper_than_import(price: float, burns: bool) -> None:
    plate = builders.thermal_unit(
        units=1, unit_mw=10.0, min_load_frac=0.5, fuel_cost_cny_per_mwh=400.0, start_cost_cny=0.0, off_by_default=False,
        heat_led=False, min_on_h=1.0, min_off_h=1.0, ramp_frac_per_min=1.0,
    )  # fmt: skip
    unit = asset("unit.a", "thermal_unit", plate, "a")
    states = {AssetId("unit.a"): {"units_on": 1.0, "power_mw": -5.0}}
    plan = solve(
        hourly([asset(LOAD, "base_load", BASE, "a"), unit], {GRID: terms_of([price, price])}, states=states, **load(20.0, 20.0))
    )
    assert plan.assets[AssetId("unit.a")].power_mw == pytest.approx([-10.0, -10.0] if burns else [0.0, 0.0], abs=1e-6)


def test_district_heat_takes_load_from_the_top_and_adds_it_at_the_bottom() -> None:
    plate = builders.thermal_unit(
        units=1, unit_mw=10.0, min_load_frac=0.5, fuel_cost_cny_per_mwh=400.0, start_cost_cny=0.0, off_by_default=False,
        heat_led=False, min_on_h=24.0, min_off_h=1.0, ramp_frac_per_min=1.0,
    )  # fmt: skip
    unit = asset("unit.a", "thermal_unit", plate, "a")
    told = {"units_on": 1.0, "power_mw": -8.0, "locked_on_h": 24.0, "least_frac": 0.7, "most_frac": 0.9}
    plan = solve(
        hourly(
            [asset(LOAD, "base_load", BASE, "a"), unit],
            {GRID: terms_of([900.0, 100.0])},
            states={AssetId("unit.a"): told},
            **load(20.0, 20.0),
        )
    )
    assert plan.assets[AssetId("unit.a")].power_mw == pytest.approx([-9.0, -7.0], abs=1e-6)


def test_a_unit_held_in_reserve_is_not_started() -> None:
    plate = builders.thermal_unit(off_by_default=True, heat_led=False, fuel_cost_cny_per_mwh=1.0)
    unit = asset("unit.a", "thermal_unit", plate, "a")
    plan = solve(hourly([asset(LOAD, "base_load", BASE, "a"), unit], {GRID: terms_of([500.0])}, **load(20.0)))
    assert plan.assets[AssetId("unit.a")].power_mw == pytest.approx([0.0])
