"""What holds for every plan, whatever the wind, the stores and the work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.planner import Problem, WorkItem, solve
from controllers.planner.blocks.compute import tube_mwh
from tests.builders_control import H2, ISLAND_BATTERY, MORNING, NH3, PARK_BATTERY, QUARTER, problem_of, with_plate
from vpp.ids import AssetId
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
    # Curtailment is priced in the plan, so that unused wind may raise its cost by that price at most.
    less, ample = problem_of(N, wind_frac=wind_frac), problem_of(N, wind_frac=min(1.0, wind_frac + more))
    extra_mwh = sum(((ample.available_mw[i] - less.available_mw[i]) * 0.25).sum() for i in less.available_mw)
    before = solve(less).bound_cny
    assert solve(ample).bound_cny <= before + 50.0 * extra_mwh + 1e-6 * abs(before)


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
