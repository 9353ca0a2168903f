"""The threshold rules, and what assembling a problem takes from a snapshot."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from controllers.dispatch.guidance import Guidance
from controllers.planner.assemble import assemble
from controllers.planner.expect import firm_compute_mw
from controllers.planner.rule_facts import RuleFacts
from controllers.planner.rules import RuleThresholds, rule_guidance
from forecasting.forecast import Forecast
from tests.builders_control import (
    AIDC,
    CAST,
    GRID,
    H2,
    ISLAND_BATTERY,
    MORNING,
    NH3,
    PARK_BATTERY,
    forecast_of,
    park_of,
    problem_of,
    snapshot_of,
)
from vpp.errors import ForecastError
from vpp.ids import AssetId, PlanId

RULES = RuleThresholds()
LOW = {ISLAND_BATTERY: {"soc_frac": 0.2}}
FULL = {ISLAND_BATTERY: {"soc_frac": 0.9}}


def guidance(*, hour: float = 0.0, wind_frac: float = 0.4, states: dict[AssetId, dict[str, float]] | None = None) -> Guidance:
    """What the rules say at an hour of park time."""
    snapshot = snapshot_of(at=MORNING + timedelta(hours=hour), wind_frac=wind_frac, states=states)
    return rule_guidance(PlanId("rules-1"), park_of(), snapshot, RULES)


def first_heat(hour: float) -> datetime:
    return guidance(hour=hour).heats[CAST].starts[0][0]


@pytest.mark.parametrize("hour", [17.0, 18.5, 21.75])
def test_no_heat_is_ordered_in_dear_hours(hour: float) -> None:
    assert first_heat(hour) == MORNING + timedelta(hours=22)


@pytest.mark.parametrize("hour", [0.0, 9.0, 16.75, 22.0])
def test_heats_are_ordered_at_once_while_energy_is_not_dear(hour: float) -> None:
    assert first_heat(hour) == MORNING + timedelta(hours=hour)


def test_scarce_wind_and_low_batteries_leave_computing_its_firm_work_only() -> None:
    shift = guidance(wind_frac=0.02, states=LOW).shifts[AIDC]
    firm = float(firm_compute_mw(park_of().asset(AIDC).plate, None, np.zeros(1))[0])
    assert shift.target_mw == shift.floor_mw == (firm,) * 2


@pytest.mark.parametrize(("wind_frac", "states"), [(0.5, LOW), (0.02, FULL)])
def test_wind_or_a_full_battery_lets_all_computing_run(wind_frac: float, states: dict[AssetId, dict[str, float]]) -> None:
    shift = guidance(wind_frac=wind_frac, states=states).shifts[AIDC]
    assert shift.target_mw == shift.cap_mw == (40.0, 40.0)


def test_a_shift_by_rules_claims_no_confidence_in_what_comes() -> None:
    assert guidance().shifts[AIDC].confidence_frac == (0.0, 0.0)


def test_the_number_of_stacks_follows_the_surplus() -> None:
    orders = [guidance(wind_frac=wind_frac).stacks[H2] for wind_frac in (0.0, 0.2, 0.4, 0.6, 0.9)]
    counts = [order.on for order in orders]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == 130
    # 440 MW of wind less 43 MW of other loads, at 4 MW a stack.
    assert counts[2] == 99
    assert all(order.on + order.standby <= 130 for order in orders)


def test_a_small_change_of_the_surplus_switches_no_stack() -> None:
    states = {H2: {"stacks_on": 98.0}}
    assert guidance(wind_frac=0.4, states=states).stacks[H2].on == 98


def test_stacks_that_are_no_longer_wanted_stand_by() -> None:
    order = guidance(wind_frac=0.0, states={H2: {"stacks_on": 40.0}}).stacks[H2]
    assert (order.on, order.standby) == (0, 40)


def test_hydrogen_is_worth_more_in_an_empty_tank_than_in_a_full_one() -> None:
    levels = (0.0, 0.9 * 120_000.0, 120_000.0)
    empty, high, full = (guidance(states={NH3: {"buffer_kg": kg}}).stacks[H2].hydrogen_cny_per_kg for kg in levels)
    assert empty == pytest.approx(18.0)
    assert high == pytest.approx(12.0 * (1.5 - 0.9))
    assert full == 0.0


def test_into_a_full_tank_goes_no_more_than_the_loop_takes() -> None:
    states: dict[AssetId, dict[str, float]] = {H2: {"stacks_on": 0.0}, NH3: {"buffer_kg": 0.95 * 120_000.0}}
    full = guidance(wind_frac=0.9, states=states).stacks[H2]
    facts, stacks, loop = RuleFacts(park_of()), park_of().asset(H2), park_of().asset(NH3).plate
    taken_kg_per_h = loop.loop_t_per_h * loop.hydrogen_kg_per_t
    assert full.on == int(taken_kg_per_h / facts.stack_kg_per_h(stacks, RULES.stack_load_frac))


def test_the_ammonia_loop_follows_its_tank_between_least_and_full_load() -> None:
    plate = park_of().asset(NH3).plate
    held = [guidance(states={NH3: {"buffer_kg": kg}}).held_mw[NH3] for kg in (0.0, 45_000.0, 120_000.0)]
    assert held[0] == pytest.approx(plate.own_load_mw * (0.4 + 0.6 * 0.3))
    assert held[0] < held[1] < held[2] == pytest.approx(plate.own_load_mw)


def test_batteries_on_an_island_and_on_the_grid_have_their_own_thresholds() -> None:
    stores = guidance().stores
    assert stores[ISLAND_BATTERY].charge_below_cny_per_mwh == RULES.island_charge_below_cny_per_mwh
    assert stores[PARK_BATTERY].charge_below_cny_per_mwh == RULES.charge_below_cny_per_mwh
    assert all(s.charge_below_cny_per_mwh <= s.discharge_above_cny_per_mwh for s in stores.values())


@pytest.mark.parametrize(("hour", "price"), [(1.0, 260.0), (9.0, 480.0), (18.0, 760.0)])
def test_the_connections_price_is_the_tariffs_of_the_hour(hour: float, price: float) -> None:
    assert guidance(hour=hour).connections[GRID].import_cny_per_mwh == price


def test_a_farm_that_the_forecast_does_not_know_is_refused_by_name() -> None:
    whole = forecast_of(8)
    part = Forecast(
        whole.grid, whole.quantile_levels, whole.asset_ids[1:], whole.quantile_frac[1:], whole.mean_frac[1:], MORNING,
        whole.quality[1:],
    )  # fmt: skip
    with pytest.raises(ForecastError, match=whole.asset_ids[0]):
        assemble(park_of(), snapshot_of(), part, {})


def test_available_power_is_the_forecasts_mean_times_capacity() -> None:
    np.testing.assert_allclose(problem_of(8, wind_frac=0.3).available_mw[AssetId("wind.envision")], 330.0)


def test_batteries_keep_a_reserve_on_islands_only() -> None:
    reserves = problem_of(8).reserves
    assert set(reserves) == {ISLAND_BATTERY, NH3}
    assert 0.05 * 680.0 < reserves[ISLAND_BATTERY].level <= 0.95 * 680.0


def test_a_tank_keeps_a_smaller_reserve_where_a_grid_stands_behind() -> None:
    park, island = park_of(), problem_of(8).reserves[NH3]
    tied = replace(park, connections=tuple(replace(c, area=park.asset(NH3).area) for c in park.connections))
    reserve = assemble(tied, snapshot_of(), forecast_of(8), {}).reserves[NH3]
    assert reserve.level == pytest.approx(0.4 * island.level)


def test_the_import_limit_is_the_lesser_of_the_line_and_the_contract() -> None:
    park = park_of()
    tight = replace(park, connections=tuple(replace(c, contract_demand_mw=180.0) for c in park.connections))
    terms = assemble(tight, snapshot_of(), forecast_of(8), {}).connections[GRID]
    assert terms.import_limit_mw.tolist() == [180.0] * 8


def test_a_days_horizon_carries_a_thirtieth_of_the_demand_charge() -> None:
    assert problem_of(96).connections[GRID].demand_cny_per_mw == pytest.approx(33_000.0 / 30.0)


def test_the_fewest_heats_by_midnight_are_the_days_order() -> None:
    need = problem_of(96, states={CAST: {"heats_today": 10.0}}).heats[CAST]
    assert need.day_ends == (95,)
    assert need.latest[-1] == need.earliest[-1] == 28.0
    assert np.all(np.diff(need.latest) >= 0.0)
    assert np.all(need.latest <= need.earliest)
