"""From a plan to what dispatch follows now."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from controllers.dispatch.guidance import Guidance
from controllers.planner import Result, solve
from controllers.planner.guide import guidance_of
from forecasting.forecast import Forecast
from tests.builders_control import (
    AIDC,
    BASE,
    CAST,
    GRID,
    H2,
    ISLAND_BATTERY,
    MORNING,
    NH3,
    PARK_BATTERY,
    QUARTER,
    forecast_of,
    problem_of,
)
from vpp.errors import TimeGridError
from vpp.ids import PlanId

N = 48
PROBLEM = problem_of(N)
FORECAST = forecast_of(N)
PLAN_ID = PlanId("plan-1")


@pytest.fixture(scope="module")
def plan() -> Result:
    return solve(PROBLEM)


@pytest.fixture(scope="module")
def guidances(plan: Result) -> tuple[Guidance, ...]:
    return tuple(guidance_of(PLAN_ID, PROBLEM, plan, FORECAST, at) for at in plan.grid.starts)


def test_a_store_never_discharges_at_a_price_at_which_it_charges(guidances: tuple[Guidance, ...]) -> None:
    worths = [g.stores[i] for g in guidances for i in (ISLAND_BATTERY, PARK_BATTERY)]
    assert all(w.charge_below_cny_per_mwh <= w.discharge_above_cny_per_mwh for w in worths)
    assert max(w.charge_below_cny_per_mwh for w in worths) > 0.0


def test_between_the_worths_of_a_battery_lie_its_losses_and_its_wear(guidances: tuple[Guidance, ...]) -> None:
    plate = PROBLEM.park.asset(PARK_BATTERY).plate
    worth = guidances[0].stores[PARK_BATTERY]
    expected = worth.charge_below_cny_per_mwh / plate.round_trip_frac + plate.wear_cny_per_mwh
    assert worth.discharge_above_cny_per_mwh == pytest.approx(expected)


def test_a_battery_that_the_plan_charges_has_a_worth_above_the_area_price(plan: Result, guidances: tuple[Guidance, ...]) -> None:
    charging = np.flatnonzero(plan.assets[PARK_BATTERY].quantities["charge_mw"] > 1e-3)
    assert charging.size > 0
    price = plan.area_price_cny_per_mwh[PROBLEM.park.asset(PARK_BATTERY).area]
    for t in charging:
        assert guidances[t].stores[PARK_BATTERY].charge_below_cny_per_mwh >= price[t] - 1e-6


def test_the_plans_own_powers_are_handed_on(plan: Result, guidances: tuple[Guidance, ...]) -> None:
    for t, guidance in enumerate(guidances):
        assert guidance.stores[PARK_BATTERY].planned_mw == plan.assets[PARK_BATTERY].power_mw[t]
        assert guidance.stacks[H2].planned_mw == plan.assets[H2].power_mw[t]
        assert guidance.held_mw[NH3] == plan.assets[NH3].power_mw[t]


def test_a_shift_asks_for_no_less_than_its_floor_and_no_more_than_its_cap(guidances: tuple[Guidance, ...]) -> None:
    for shift in (g.shifts[AIDC] for g in guidances):
        for floor, target, cap in zip(shift.floor_mw, shift.target_mw, shift.cap_mw, strict=True):
            assert 0.0 <= floor <= target <= cap


def test_a_shift_has_one_edge_more_than_intervals_and_starts_now(guidances: tuple[Guidance, ...]) -> None:
    for t, guidance in enumerate(guidances):
        shift = guidance.shifts[AIDC]
        assert len(shift.edges) == len(shift.target_mw) + 1 == N - t + 1
        assert shift.edges[0] == MORNING + t * QUARTER


def test_confidence_and_green_share_are_shares(guidances: tuple[Guidance, ...]) -> None:
    for shift in (g.shifts[AIDC] for g in guidances):
        assert all(0.0 <= share <= 1.0 for share in (*shift.confidence_frac, *shift.green_share_frac))


def test_an_island_is_green_and_free_of_carbon(guidances: tuple[Guidance, ...]) -> None:
    shift = guidances[0].shifts[AIDC]
    assert shift.green_share_frac == (1.0,) * N
    assert shift.carbon_kg_per_mwh == (0.0,) * N


def confidence_of(certain_frac: float) -> tuple[float, ...]:
    """Confidence of a plan on wind whose lower quantiles are that share of its mean."""
    sharp = FORECAST.mean_frac[:, :, np.newaxis] * np.linspace(certain_frac, 2.0 - certain_frac, 7)
    forecast = Forecast(
        FORECAST.grid, FORECAST.quantile_levels, FORECAST.asset_ids, sharp, FORECAST.mean_frac, MORNING, FORECAST.quality
    )
    return guidance_of(PLAN_ID, PROBLEM, solve(PROBLEM), forecast, MORNING).shifts[AIDC].confidence_frac


def test_a_plan_that_uses_the_mean_is_as_sure_as_the_middle_of_the_forecast() -> None:
    used = -solve(PROBLEM).assets[PROBLEM.park.assets_of("wind")[0].id].power_mw
    full = np.isclose(used, PROBLEM.available_mw[PROBLEM.park.assets_of("wind")[0].id])
    assert full[0]
    assert confidence_of(0.7)[0] == pytest.approx(0.5, abs=0.05)


def test_a_plan_that_counts_on_no_generation_is_sure_of_it() -> None:
    problem, forecast = problem_of(8, wind_frac=0.0), forecast_of(8, wind_frac=0.0)
    shift = guidance_of(PLAN_ID, problem, solve(problem), forecast, MORNING).shifts[AIDC]
    assert shift.confidence_frac == (1.0,) * 8


def test_stack_orders_are_the_plans_whole_counts(plan: Result, guidances: tuple[Guidance, ...]) -> None:
    for t, guidance in enumerate(guidances):
        order = guidance.stacks[H2]
        assert order.on == pytest.approx(plan.assets[H2].quantities["stacks_on"][t])
        assert order.standby == pytest.approx(plan.assets[H2].quantities["stacks_standby"][t])
        assert order.hydrogen_cny_per_kg > 0.0


def test_ordered_heats_are_those_the_plan_still_has_ahead(plan: Result, guidances: tuple[Guidance, ...]) -> None:
    starts = plan.assets[CAST].quantities["heat_starts"]
    for t, guidance in enumerate(guidances):
        ordered = guidance.heats[CAST].starts
        assert sum(count for _, count in ordered) == pytest.approx(starts[t:].sum())
        assert all(start >= MORNING + t * QUARTER for start, _ in ordered)
    assert guidances[0].heats[CAST].starts


def test_import_below_the_months_peak_is_free_of_the_demand_charge(guidances: tuple[Guidance, ...], plan: Result) -> None:
    free = guidances[0].connections[GRID].free_import_mw
    assert free >= 120.0
    assert free >= plan.import_mw[GRID].max()


def test_a_tail_begins_when_the_running_interval_ends(plan: Result) -> None:
    at = MORNING + timedelta(minutes=5)
    tail = guidance_of(PLAN_ID, PROBLEM, plan, FORECAST, at).tails[BASE]
    assert [point.at for point in tail] == [MORNING + k * QUARTER for k in (1, 2, 3)]
    assert [point.power_mw for point in tail] == plan.assets[BASE].power_mw[1:4].tolist()


def test_the_last_interval_of_a_plan_has_no_tail(guidances: tuple[Guidance, ...]) -> None:
    assert guidances[-1].tails[BASE] == ()


def test_an_instant_outside_the_plan_is_refused(plan: Result) -> None:
    with pytest.raises(TimeGridError, match="outside"):
        guidance_of(PLAN_ID, PROBLEM, plan, FORECAST, plan.grid.end)
