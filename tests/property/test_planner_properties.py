"""What holds for every plan, whatever the wind, the stores and the work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.planner import EndValues, Problem, Result, WorkItem, solve
from controllers.planner.blocks.compute import tube_mwh
from tests import builders
from tests.builders_control import (
    H2,
    ISLAND_BATTERY,
    MORNING,
    NH3,
    PARK_BATTERY,
    QUARTER,
    hourly,
    problem_of,
    terms_of,
    with_plate,
)
from tests.world_builders import BASE, WIND, asset, connection
from vpp.ids import AreaId, AssetId
from vpp.timegrid import TimeGrid

N = 24
SHARE = st.floats(0.0, 1.0)
ITEMS = st.lists(
    st.builds(
        lambda energy, release, slack: WorkItem("slack_6h", energy, release, release + slack),
        st.floats(0.01, 50.0),
        st.floats(-3.0, 8.0),
        st.floats(0.0, 9.0),
    ),
    max_size=20,
)


@given(ITEMS)
def test_latest_work_is_never_above_earliest_and_neither_falls(items: list[WorkItem]) -> None:
    latest, earliest = tube_mwh(items, TimeGrid.regular(MORNING, QUARTER, N))
    assert np.all(latest <= earliest + 1e-9)
    assert np.all(latest >= 0.0)
    assert np.all(np.diff(latest) >= -1e-9)
    assert np.all(np.diff(earliest) >= -1e-9)


@given(ITEMS)
def test_all_work_that_had_a_whole_interval_is_due_by_the_edge_before_its_deadline(items: list[WorkItem]) -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, N)
    latest, _ = tube_mwh(items, grid)
    for t, end_h in enumerate(grid.offset_h + grid.step_h):
        owed = sum(i.energy_mwh for i in items if i.deadline_h < end_h + 0.25 - 1e-6 and i.release_h < end_h - 1e-6)
        if t < N - 1:
            assert latest[t] >= owed - 1e-9


@given(ITEMS, st.integers(0, 20))
def test_more_work_never_lowers_a_tube(items: list[WorkItem], first: int) -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, N)
    fewer, more = tube_mwh(items[:first], grid), tube_mwh(items, grid)
    assert np.all(fewer[0] <= more[0] + 1e-9)
    assert np.all(fewer[1] <= more[1] + 1e-9)


def twice_the_energy(problem: Problem, battery: AssetId) -> Problem:
    """Twice the battery's room above the same least level, with the same energy in it."""
    plate = problem.park.asset(battery).plate
    soc = problem.states[battery]["soc_frac"]
    larger = with_plate(problem, battery, energy_mwh=2.0 * plate.energy_mwh, soc_min_frac=0.5 * plate.soc_min_frac)
    return replace(larger, states={**larger.states, battery: {**larger.states[battery], "soc_frac": 0.5 * soc}})


@settings(max_examples=12, deadline=None)
@given(wind_frac=SHARE, soc_frac=st.floats(0.05, 0.95), battery=st.sampled_from([ISLAND_BATTERY, PARK_BATTERY]))
def test_a_battery_of_twice_the_energy_never_raises_the_relaxed_cost(wind_frac: float, soc_frac: float, battery: AssetId) -> None:
    problem = problem_of(N, wind_frac=wind_frac, states={battery: {"soc_frac": soc_frac}})
    before = solve(problem).bound_cny
    assert solve(twice_the_energy(problem, battery)).bound_cny <= before + 1e-6 * abs(before)


@settings(max_examples=12, deadline=None)
@given(wind_frac=SHARE, more=st.floats(0.0, 0.5))
def test_more_wind_never_costs_more_than_curtailing_it(wind_frac: float, more: float) -> None:
    # Curtailment is priced in the plan, so that unused wind may raise its cost by that price at most, a tenth more if soon.
    less, ample = problem_of(N, wind_frac=wind_frac), problem_of(N, wind_frac=min(1.0, wind_frac + more))
    extra_mwh = sum(((ample.available_mw[i] - less.available_mw[i]) * 0.25).sum() for i in less.available_mw)
    before = solve(less).bound_cny
    assert solve(ample).bound_cny <= before + 1.1 * 50.0 * extra_mwh + 1e-6 * abs(before)


@settings(max_examples=25, deadline=None)
@given(
    wind_frac=SHARE,
    soc_frac=SHARE,
    stacks=st.tuples(st.integers(0, 130), st.integers(0, 130)),
    tank_frac=SHARE,
    rate_frac=SHARE,
    n=st.integers(2, 16),
)
def test_every_moment_has_a_plan_that_balances_with_what_it_names_as_unmet(
    wind_frac: float, soc_frac: float, stacks: tuple[int, int], tank_frac: float, rate_frac: float, n: int
) -> None:
    states = {
        ISLAND_BATTERY: {"soc_frac": soc_frac},
        H2: {"stacks_on": float(stacks[0]), "stacks_standby": float(min(stacks[1], 130 - stacks[0]))},
        NH3: {"buffer_kg": tank_frac * 120_000.0, "rate_t_per_h": rate_frac * 45.0},
    }
    problem = problem_of(n, wind_frac=wind_frac, states=states)
    plan = solve(problem)
    assert plan.status == "optimal"
    for area in problem.park.area_ids:
        drawn = sum(plan.assets[a.id].power_mw.sum() for a in problem.park.assets if a.area == area)
        crossed = sum((plan.import_mw[c.id] - plan.export_mw[c.id]).sum() for c in problem.park.connections_of(area))
        named = {u.what: u.amount for u in plan.unmet if u.where == area}
        missing = (named.get("unserved_mwh", 0.0) - named.get("surplus_mwh", 0.0)) / 0.25
        assert abs(drawn - crossed - missing) <= 2e-3


HOURS = 6
AREA, LOAD, BESS, FARM = AreaId("a"), AssetId("base.a"), AssetId("bess.a"), AssetId("wind.a")
LINE = connection("grid.a", "a")
HOURLY_PRICES = st.lists(st.floats(-50.0, 1_500.0), min_size=HOURS, max_size=HOURS)


def simple(prices: list[float], wind_mw: float, peak_mw: float, end: float, scale: float = 1.0) -> Problem:
    """Wind, a load and a battery behind a connection that can be too narrow; all prices times `scale`."""
    store = builders.battery(soc_min_frac=0.0, soc_max_frac=1.0, wear_cny_per_mwh=60.0 * scale, auxiliary_frac=0.0)
    terms = terms_of(
        [scale * price for price in prices],
        export_cny_per_mwh=np.full(HOURS, scale * -60.0),
        import_limit_mw=np.full(HOURS, 90.0),
        export_limit_mw=np.full(HOURS, 20.0),
        demand_cny_per_mw=scale * 1_000.0,
        peak_so_far_mw=peak_mw,
    )
    return hourly(
        [asset(LOAD, "base_load", BASE, AREA), asset(BESS, "battery", store, AREA), asset(FARM, "wind", WIND, AREA)],
        {LINE: terms},
        available_mw={FARM: np.full(HOURS, wind_mw)},
        load_mw={LOAD: np.full(HOURS, 100.0)},
        states={BESS: {"soc_frac": 0.5}},
        end_values=EndValues({AREA: scale * end}, 0.0, 0.0),
        curtail_cny_per_mwh=scale * 50.0,
        unserved_cny_per_mwh=scale * 10_000.0,
    )


def cost_of(problem: Problem, plan: Result) -> float:
    """What the schedules cost, item by item; the end's worth is a quarter of the store at each of four falling prices."""
    terms, store = problem.connections[LINE.id], problem.park.asset(BESS).plate
    bought, sold = plan.import_mw[LINE.id], plan.export_mw[LINE.id]
    energy = (bought * terms.import_cny_per_mwh - sold * terms.export_cny_per_mwh).sum()
    peak = terms.demand_cny_per_mw * max(0.0, bought.max() - terms.peak_so_far_mw)
    wear = store.wear_cny_per_mwh * plan.assets[BESS].quantities["discharge_mw"].sum()
    # A tenth dearer at the start than at the end, by hour.
    sooner = 1.0 + 0.1 * (1.0 - np.arange(1, HOURS + 1) / HOURS)
    curtailed = problem.curtail_cny_per_mwh * (sooner * (problem.available_mw[FARM] + plan.assets[FARM].power_mw)).sum()
    broken = problem.unserved_cny_per_mwh * sum(unmet.amount for unmet in plan.unmet)
    each = max(0.0, problem.end_values.energy_cny_per_mwh[AREA] - store.wear_cny_per_mwh) * np.sqrt(store.round_trip_frac)
    part = store.energy_mwh / 4.0
    left = plan.assets[BESS].quantities["stored_mwh"][-1]
    kept = sum(share * each * np.clip(left - k * part, 0.0, part) for k, share in enumerate((1.0, 0.92, 0.84, 0.76)))
    return float(energy + peak + wear + curtailed + broken - kept)


@settings(max_examples=25, deadline=None)
@given(HOURLY_PRICES, st.floats(0.0, 250.0), st.floats(0.0, 90.0), st.floats(0.0, 900.0))
def test_a_plans_objective_is_what_its_schedules_cost(prices: list[float], wind_mw: float, peak_mw: float, end: float) -> None:
    problem = simple(prices, wind_mw, peak_mw, end)
    plan = solve(problem)
    assert plan.objective_cny == pytest.approx(cost_of(problem, plan), rel=1e-6, abs=1.0)


@settings(max_examples=15, deadline=None)
@given(HOURLY_PRICES, st.floats(0.0, 250.0), st.floats(0.0, 90.0), st.floats(0.0, 900.0))
def test_prices_twice_as_high_cost_twice_as_much(prices: list[float], wind_mw: float, peak_mw: float, end: float) -> None:
    once, twice = (solve(simple(prices, wind_mw, peak_mw, end, scale)).objective_cny for scale in (1.0, 2.0))
    assert twice == pytest.approx(2.0 * once, rel=1e-6, abs=1.0)


@settings(max_examples=25, deadline=None)
@given(HOURLY_PRICES, st.floats(0.0, 250.0), st.floats(0.0, 900.0))
def test_a_battery_never_charges_while_it_discharges(prices: list[float], wind_mw: float, end: float) -> None:
    quantities = solve(simple(prices, wind_mw, 90.0, end)).assets[BESS].quantities
    assert np.minimum(quantities["charge_mw"], quantities["discharge_mw"]).max() < 1e-6
