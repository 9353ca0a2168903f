"""Batteries, the hydrogen tank, electrolysers and the ammonia loop in a plan."""

from __future__ import annotations

import numpy as np
import pytest

from controllers.planner import Result, solve
from controllers.planner.blocks.hydrogen import hydrogen_curve
from tests.builders_control import (
    H2,
    ISLAND_BATTERY,
    MORNING,
    NH3,
    PARK_BATTERY,
    problem_of,
    with_terms,
)
from vpp.ids import AssetId
from vpp.park.plates import AmmoniaLoopPlate, BatteryPlate, ElectrolyserPlate
from vpp.units import FloatArray, s_to_h

N = 96
PROBLEM = problem_of(N)
BATTERIES = (ISLAND_BATTERY, PARK_BATTERY)


@pytest.fixture(scope="module")
def plan() -> Result:
    return solve(PROBLEM)


def battery_of(asset_id: AssetId) -> BatteryPlate:
    plate: BatteryPlate = PROBLEM.park.asset(asset_id).plate
    return plate


def electrolyser() -> ElectrolyserPlate:
    plate: ElectrolyserPlate = PROBLEM.park.asset(H2).plate
    return plate


def loop() -> AmmoniaLoopPlate:
    plate: AmmoniaLoopPlate = PROBLEM.park.asset(NH3).plate
    return plate


def made_kg_per_h(plan: Result) -> FloatArray:
    """Production from what the plan says of stacks and power, along the curve of one stack."""
    schedule, plate = plan.assets[H2], electrolyser()
    on, standby = schedule.quantities["stacks_on"], schedule.quantities["stacks_standby"]
    running_mw = schedule.power_mw - standby * plate.standby_frac * plate.stack_mw
    power_mw, kg_per_h = hydrogen_curve(plate)
    each = np.divide(running_mw, on, out=np.zeros_like(on), where=on > 0)
    return np.where(on > 0, on * np.interp(each, power_mw, kg_per_h), 0.0)


@pytest.mark.parametrize("battery", BATTERIES)
def test_a_battery_moves_over_the_day_and_never_charges_while_it_discharges(plan: Result, battery: AssetId) -> None:
    quantities = plan.assets[battery].quantities
    assert quantities["charge_mw"].max() > 1.0
    assert quantities["discharge_mw"].max() > 1.0
    assert np.minimum(quantities["charge_mw"], quantities["discharge_mw"]).max() < 1e-6


def test_a_battery_does_not_burn_energy_when_import_is_paid_for() -> None:
    price = np.where(np.arange(48) % 16 < 8, -50.0, 500.0)
    quantities = solve(with_terms(problem_of(48), import_cny_per_mwh=price)).assets[PARK_BATTERY].quantities
    assert quantities["charge_mw"].max() > 1.0
    assert np.minimum(quantities["charge_mw"], quantities["discharge_mw"]).max() < 1e-6


@pytest.mark.parametrize("battery", BATTERIES)
def test_stored_energy_is_what_was_there_plus_charge_less_discharge_and_losses(plan: Result, battery: AssetId) -> None:
    plate, quantities = battery_of(battery), plan.assets[battery].quantities
    one_way = np.sqrt(plate.round_trip_frac)
    gained = plan.grid.step_h * (one_way * quantities["charge_mw"] - quantities["discharge_mw"] / one_way)
    expected = 0.5 * plate.energy_mwh + np.cumsum(gained)
    np.testing.assert_allclose(quantities["stored_mwh"], expected, atol=1e-6)


@pytest.mark.parametrize("battery", BATTERIES)
def test_stored_energy_stays_in_the_usable_band(plan: Result, battery: AssetId) -> None:
    plate, stored = battery_of(battery), plan.assets[battery].quantities["stored_mwh"]
    assert stored.min() >= plate.soc_min_frac * plate.energy_mwh - 1e-6
    assert stored.max() <= plate.soc_max_frac * plate.energy_mwh + 1e-6


def test_a_battery_reported_below_its_band_comes_back_into_it() -> None:
    problem = problem_of(24, states={PARK_BATTERY: {"soc_frac": 0.02}})
    plan, plate = solve(problem), battery_of(PARK_BATTERY)
    stored = plan.assets[PARK_BATTERY].quantities["stored_mwh"]
    assert plan.status == "optimal"
    assert stored.min() >= 0.02 * plate.energy_mwh - 1e-6
    assert stored[-1] >= plate.soc_min_frac * plate.energy_mwh - 1e-6


def test_battery_power_at_the_meter_includes_its_auxiliaries(plan: Result) -> None:
    plate, schedule = battery_of(PARK_BATTERY), plan.assets[PARK_BATTERY]
    net = schedule.quantities["charge_mw"] - schedule.quantities["discharge_mw"]
    np.testing.assert_allclose(schedule.power_mw, net + plate.auxiliary_frac * plate.power_mw, atol=1e-9)


def test_the_hydrogen_tank_closes_in_kg_on_production_read_back_from_stacks_and_power(plan: Result) -> None:
    quantities = plan.assets[NH3].quantities
    used = quantities["rate_t_per_h"] * loop().hydrogen_kg_per_t + quantities["vented_kg_per_h"]
    expected = 60_000.0 + np.cumsum(plan.grid.step_h * (made_kg_per_h(plan) - used))
    assert not [unmet for unmet in plan.unmet if unmet.where == NH3]
    np.testing.assert_allclose(quantities["buffer_kg"], expected, rtol=1e-6, atol=1e-6)
    assert np.ptp(quantities["buffer_kg"]) > 1_000.0


def test_the_tank_is_never_below_empty_nor_above_full(plan: Result) -> None:
    tank = plan.assets[NH3].quantities["buffer_kg"]
    assert tank.min() >= -1e-6
    assert tank.max() <= loop().buffer_kg + 1e-6


def test_a_starved_ammonia_loop_is_named_with_the_hydrogen_it_lacks() -> None:
    cold = {"stacks_on": 0.0, "stacks_standby": 0.0}
    problem = problem_of(24, wind_frac=0.0, states={H2: cold, NH3: {"buffer_kg": 0.0}, ISLAND_BATTERY: {"soc_frac": 0.05}})
    lacks = {(unmet.where, unmet.what): unmet.amount for unmet in solve(problem).unmet}
    assert lacks[NH3, "hydrogen_kg"] > 1_000.0


def test_the_ammonia_loop_ramps_no_faster_than_its_plate_says(plan: Result) -> None:
    rate = np.append(20.0, plan.assets[NH3].quantities["rate_t_per_h"])
    step = loop().ramp_frac_per_h * loop().loop_t_per_h * plan.grid.step_h
    assert np.all(np.abs(np.diff(rate)) <= step + 1e-6)
    assert np.ptp(rate) > step[0]


def test_the_ammonia_loop_runs_between_30_and_100_percent(plan: Result) -> None:
    rate = plan.assets[NH3].quantities["rate_t_per_h"]
    assert rate.min() >= 0.3 * loop().loop_t_per_h - 1e-6
    assert rate.max() <= loop().loop_t_per_h + 1e-6


def test_a_tripped_loop_is_not_held_at_its_least() -> None:
    problem = problem_of(8, states={NH3: {"rate_t_per_h": 0.0, "tripped": 1.0}})
    rate = solve(problem).assets[NH3].quantities["rate_t_per_h"]
    assert rate[0] <= 0.2 * loop().loop_t_per_h * 0.25 + 1e-6


def test_stacks_are_whole_and_no_more_than_there_are(plan: Result) -> None:
    on, standby = (plan.assets[H2].quantities[name] for name in ("stacks_on", "stacks_standby"))
    np.testing.assert_allclose(on, np.round(on), atol=1e-6)
    np.testing.assert_allclose(standby, np.round(standby), atol=1e-6)
    assert np.all(on + standby <= electrolyser().stacks + 1e-6)
    assert np.ptp(on) >= 1.0


def test_stacks_that_are_on_run_between_least_and_most_load(plan: Result) -> None:
    schedule, plate = plan.assets[H2], electrolyser()
    on, standby = schedule.quantities["stacks_on"], schedule.quantities["stacks_standby"]
    running = schedule.power_mw - standby * plate.standby_frac * plate.stack_mw
    assert np.all(running >= on * plate.min_load_frac * plate.stack_mw - 1e-6)
    assert np.all(running <= on * plate.max_load_frac * plate.stack_mw + 1e-6)


@pytest.mark.parametrize("warm_now", [(0.0, 0.0), (40.0, 10.0), (0.0, 60.0)])
def test_a_stack_is_not_on_before_it_was_warm_for_the_cold_start_time(warm_now: tuple[float, float]) -> None:
    on_now, standby_now = warm_now
    problem = problem_of(48, wind_frac=0.7, states={H2: {"stacks_on": on_now, "stacks_standby": standby_now}})
    quantities = solve(problem).assets[H2].quantities
    lag = round(s_to_h(electrolyser().cold_start_s) / 0.25)
    assert lag == 3
    warm = np.concatenate([np.full(lag, on_now + standby_now), quantities["stacks_on"] + quantities["stacks_standby"]])
    for t, on in enumerate(quantities["stacks_on"]):
        # The stack must have been warm in each of the `lag` intervals before t.
        assert on <= warm[t : t + lag].min() + 1e-6
    assert quantities["stacks_on"].max() > on_now + standby_now


def test_stacks_that_are_warming_up_are_not_counted_as_warm() -> None:
    states = {H2: {"stacks_on": 0.0, "stacks_standby": 0.0, "stacks_starting": 30.0}}
    on = solve(problem_of(24, wind_frac=0.8, states=states)).assets[H2].quantities["stacks_on"]
    assert on[:3].max() < 1e-6
    assert on[3] > 0.0


def test_hydrogen_production_grows_with_power_and_each_mw_more_brings_less() -> None:
    power_mw, kg_per_h = hydrogen_curve(electrolyser())
    slopes = np.diff(kg_per_h) / np.diff(power_mw)
    assert np.all(slopes > 0)
    assert np.all(np.diff(slopes) <= 1e-9)


def test_a_store_is_worth_more_than_nothing_in_every_interval(plan: Result) -> None:
    for asset_id in (*BATTERIES, NH3):
        value = plan.assets[asset_id].store_value
        assert value is not None
        assert value.min() > 0.0


def test_the_plan_starts_where_it_was_asked_to(plan: Result) -> None:
    assert plan.grid.start == MORNING


@pytest.mark.parametrize("wind_frac", [0.5, 0.7, 0.9])
def test_a_quota_of_cold_starts_that_rounding_passes_does_not_leave_the_park_without_a_plan(wind_frac: float) -> None:
    cold = {"stacks_on": 0.0, "stacks_standby": 0.0}
    plan = solve(problem_of(12, wind_frac=wind_frac, states={H2: cold}))
    quota = electrolyser().starts_per_day * electrolyser().stacks * 3.0 / 24.0
    assert plan.status == "optimal"
    assert plan.assets[H2].quantities["cold_starts"].sum() <= quota + 1.0
