"""The whole plan: balances, limits, unmet promises, parts, bounds, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controllers.planner import Problem, Result, SolveSettings, solve
from controllers.planner.blocks import BLOCKS
from controllers.planner.blocks.base import BuildContext
from controllers.planner.blocks.connection import add_connection, close_area
from controllers.planner.highs import independent_parts, optimise
from controllers.planner.model import LinearModel, ModelBuilder, lagged, term, window
from tests.builders_control import (
    BASE,
    CAST,
    GRID,
    HONGSHAN,
    ISLAND,
    PARK_BATTERY,
    problem_of,
    with_plate,
    with_terms,
)
from vpp.errors import PlanError
from vpp.ids import AreaId

N = 96
PROBLEM = problem_of(N)


@pytest.fixture(scope="module")
def plan() -> Result:
    return solve(PROBLEM)


def model_of(problem: Problem) -> LinearModel:
    """All blocks of a park as one model."""
    ctx = BuildContext(problem, ModelBuilder())
    for asset in sorted(problem.park.assets, key=lambda a: a.kind == "ammonia_loop"):
        BLOCKS[asset.kind](ctx, asset)
    for connection in problem.park.connections:
        add_connection(ctx, connection)
    for area in problem.park.area_ids:
        close_area(ctx, area)
    return ctx.builder.build()


@pytest.mark.parametrize("area", [ISLAND, HONGSHAN])
def test_what_an_area_draws_is_what_it_imports_less_what_it_exports(plan: Result, area: AreaId) -> None:
    drawn = sum(plan.assets[a.id].power_mw for a in PROBLEM.park.assets if a.area == area)
    crossing = sum((plan.import_mw[c.id] - plan.export_mw[c.id] for c in PROBLEM.park.connections_of(area)), start=np.zeros(N))
    np.testing.assert_allclose(drawn, crossing, atol=1e-6)


def test_a_plan_names_nothing_unmet_where_everything_can_be_met() -> None:
    # Between two tariff hours, or under a demand charge, a heat that is a little late can be worth its price.
    plan = solve(with_terms(PROBLEM, demand_cny_per_mw=0.0, import_cny_per_mwh=np.full(N, 300.0)))
    assert plan.status == "optimal"
    assert plan.unmet == ()


def test_import_and_export_stay_within_the_limits() -> None:
    limit = np.where(np.arange(48) < 24, 150.0, 200.0)
    problem = with_terms(problem_of(48, wind_frac=0.8), import_limit_mw=limit, export_limit_mw=np.full(48, 10.0))
    plan = solve(problem)
    assert np.all(plan.import_mw[GRID] <= limit + 1e-6)
    assert np.all(plan.import_mw[GRID] >= -1e-6)
    assert np.all(plan.export_mw[GRID] <= 10.0 + 1e-6)
    assert plan.import_mw[GRID].max() > 10.0


def test_demand_beyond_the_import_limit_is_named_with_its_area_and_energy() -> None:
    problem = problem_of(24, wind_frac=0.0)
    starved = replace(problem, load_mw={**problem.load_mw, BASE: np.full(24, 500.0)})
    unmet = {(u.where, u.what): u.amount for u in solve(starved).unmet}
    # 500 MW against 300 MW of import and at most the battery's 16.5 MW.
    assert 6.0 * (200.0 - 16.5) < unmet[HONGSHAN, "unserved_mwh"] < 6.0 * 360.0


def test_generation_that_finds_no_place_is_curtailed_and_not_called_a_surplus() -> None:
    plan = solve(problem_of(24, wind_frac=1.0))
    used = -plan.assets[PROBLEM.park.assets_of("wind", ISLAND)[0].id].power_mw
    assert used.min() < 1_100.0 - 1.0
    assert "surplus_mwh" not in {unmet.what for unmet in plan.unmet}


def test_the_month_s_peak_is_not_lifted_where_the_charge_outweighs_the_energy() -> None:
    problem = problem_of(24)
    free = solve(with_terms(problem, demand_cny_per_mw=0.0, peak_so_far_mw=0.0))
    charged = solve(with_terms(problem, demand_cny_per_mw=5_000.0, peak_so_far_mw=0.0))
    assert charged.import_mw[GRID].max() < free.import_mw[GRID].max() - 1.0


def test_the_parts_of_a_park_solved_apart_cost_what_the_whole_costs() -> None:
    model = model_of(problem_of(48)).relaxed()
    settings = SolveSettings()
    parts = independent_parts(model)
    apart = model.offset_cny + sum(optimise(model.part(*part), settings).objective_cny for part in parts)
    assert len(parts) > 1
    assert apart == pytest.approx(optimise(model, settings).objective_cny, rel=1e-6)


def test_every_column_belongs_to_exactly_one_part() -> None:
    model = model_of(problem_of(8))
    columns = np.concatenate([part[0] for part in independent_parts(model)])
    assert np.sort(columns).tolist() == list(range(model.cost.shape[0]))


@pytest.mark.parametrize("search", ["round", "tree"])
def test_no_plan_costs_less_than_its_bound(search: str) -> None:
    plan = solve(problem_of(24), SolveSettings(search="tree" if search == "tree" else "round"))
    assert plan.gap_cny >= -1e-6 * abs(plan.bound_cny)


def test_a_tree_search_is_not_dearer_than_rounding_beyond_its_gap() -> None:
    problem = problem_of(24, states={CAST: {"heats_today": 0.0}})
    rounded, tree = solve(problem), solve(problem, SolveSettings(search="tree"))
    assert tree.status == "optimal"
    assert tree.objective_cny <= rounded.objective_cny + SolveSettings().gap_frac * abs(rounded.objective_cny)


def test_the_same_problem_gives_the_same_plan_to_the_bit(plan: Result) -> None:
    again = solve(PROBLEM)
    assert again.objective_cny == plan.objective_cny
    assert all((again.assets[i].power_mw == plan.assets[i].power_mw).all() for i in plan.assets)


def test_one_more_mwh_costs_what_the_areas_price_says() -> None:
    problem = problem_of(24, wind_frac=0.1)
    plan = solve(problem)
    more = problem.load_mw[BASE].copy()
    more[10] += 0.01
    dearer = solve(replace(problem, load_mw={**problem.load_mw, BASE: more}))
    per_mwh = (dearer.objective_cny - plan.objective_cny) / (0.01 * 0.25)
    assert per_mwh == pytest.approx(plan.area_price_cny_per_mwh[HONGSHAN][10], rel=1e-3)


def test_a_kind_without_a_block_is_refused_by_its_name() -> None:
    park = PROBLEM.park
    strange = replace(park.assets[0], kind="tidal_mill")
    with pytest.raises(PlanError, match="tidal_mill"):
        solve(replace(PROBLEM, park=replace(park, assets=(strange, *park.assets[1:]))))


def changed(**changes: Any) -> None:
    replace(PROBLEM, **changes)


@pytest.mark.parametrize("what", ["available_mw", "load_mw"])
def test_a_row_of_the_wrong_length_is_refused_with_the_assets_name(what: str) -> None:
    rows = dict(getattr(PROBLEM, what))
    asset_id = next(iter(rows))
    rows[asset_id] = rows[asset_id][:-1]
    with pytest.raises(PlanError, match=rf"{what}\[{asset_id}\].*95.*96"):
        changed(**{what: rows})


@pytest.mark.parametrize("what", ["available_mw", "load_mw"])
def test_an_unknown_power_is_refused_and_not_taken_for_nothing(what: str) -> None:
    problem = problem_of(8)
    next(iter(getattr(problem, what).values()))[3] = np.nan
    with pytest.raises(PlanError, match="not a number"):
        solve(problem)


def test_a_model_that_holds_no_number_is_refused() -> None:
    builder = ModelBuilder()
    column = builder.columns(1, cost=np.nan)
    builder.rows(1, term(column), low=0.0)
    with pytest.raises(PlanError, match="not a number"):
        optimise(builder.build(), SolveSettings())


def test_a_model_without_an_answer_says_none() -> None:
    builder = ModelBuilder()
    column = builder.columns(1, high=1.0)
    builder.rows(1, term(column), low=2.0)
    answer = optimise(builder.build(), SolveSettings())
    assert answer.status == "none"
    assert np.isnan(answer.x).all()


def test_terms_that_meet_in_one_cell_are_summed() -> None:
    builder = ModelBuilder()
    columns = builder.columns(3)
    builder.rows(3, term(columns, 2.0), term(columns, 3.0), lagged(columns, 1, -1.0))
    assert builder.build().matrix.toarray().tolist() == [[5, 0, 0], [-1, 5, 0], [0, -1, 5]]


def test_a_lag_longer_than_the_horizon_sees_nothing() -> None:
    builder = ModelBuilder()
    columns = builder.columns(2)
    builder.rows(2, term(columns), lagged(columns, 3))
    assert builder.build().matrix.toarray().tolist() == [[1, 0], [0, 1]]


def test_a_window_reaches_back_over_its_steps_and_not_before_the_first() -> None:
    builder = ModelBuilder()
    columns = builder.columns(4)
    builder.rows(4, window(columns, 2))
    assert builder.build().matrix.toarray().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_dearer_wear_lets_a_battery_rest() -> None:
    quantities = solve(with_plate(problem_of(48), PARK_BATTERY, wear_cny_per_mwh=5_000.0)).assets[PARK_BATTERY].quantities
    assert quantities["discharge_mw"].max() < 1e-6
