"""Problem to result: build, solve the relaxation with whole heats, round the counts, fix, solve again for prices.

Budgets are counts of nodes, so that a run repeats to the bit; the wall-clock limit is a guard that should never fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np

from controllers.planner.blocks import BLOCKS
from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.blocks.connection import PlannedArea, PlannedConnection, add_connection, close_area
from controllers.planner.model import LinearModel, ModelBuilder
from controllers.planner.problem import Problem
from controllers.planner.result import AssetSchedule, PlanStatus, Result, Unmet
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["SolveSettings", "solve"]

#: A count this far above a whole number is rounded up; any monotone rule keeps "on" below "warm before".
ROUND_UP_ABOVE = 0.3
#: Below this an unmet amount is rounding of the solver, not a promise broken.
UNMET_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class SolveSettings:
    """How long to look for a better plan."""

    gap_frac: float = 2e-3
    max_nodes: int = 200
    guard_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Blueprint:
    model: LinearModel
    planned: tuple[Planned, ...]
    connections: tuple[PlannedConnection, ...]
    areas: tuple[PlannedArea, ...]


def solve(problem: Problem, settings: SolveSettings | None = None) -> Result:
    """The best plan found within the budget.

    Raises:
        PlanError: An asset's kind has no block, so the park cannot be planned as a whole.
    """
    settings = settings or SolveSettings()
    blueprint = _draw(problem)
    model = blueprint.model
    solver = _hand_over(model, settings)
    solver.run()
    status = _status(solver)
    if status == "none":
        return Result(problem.grid, "none", np.inf, -np.inf, {}, {}, {}, {}, ())
    bound = float(solver.getInfo().mip_dual_bound)
    first = np.array(solver.getSolution().col_value)
    if not np.isfinite(bound):
        bound = float(solver.getInfo().objective_function_value)
    low, high = _fix_counts(blueprint, first)
    columns = np.flatnonzero((low != model.low) | (high != model.high) | model.integer)
    solver.changeColsIntegrality(
        len(columns), columns.astype(np.int32), np.array([highspy.HighsVarType.kContinuous] * len(columns))
    )
    solver.changeColsBounds(len(columns), columns.astype(np.int32), low[columns], high[columns])
    solver.run()
    if _status(solver) == "none":
        raise PlanError("the plan with rounded counts has no answer although every balance is elastic; the model is at fault")
    return _read(problem, blueprint, solver, bound=bound, status=status)


def _draw(problem: Problem) -> _Blueprint:
    ctx = BuildContext(problem, ModelBuilder())
    unknown = sorted({a.kind for a in problem.park.assets} - set(BLOCKS))
    if unknown:
        raise PlanError(f"no planner block for kind {', '.join(unknown)}; add it to controllers.planner.blocks.BLOCKS")
    # The loop that drains a hydrogen node comes after everything that fills it.
    ordered = sorted(problem.park.assets, key=lambda a: a.kind == "ammonia_loop")
    planned = tuple(BLOCKS[asset.kind](ctx, asset) for asset in ordered)
    connections = tuple(add_connection(ctx, c) for c in problem.park.connections)
    areas = tuple(close_area(ctx, area) for area in problem.park.area_ids)
    return _Blueprint(ctx.builder.build(), planned, connections, areas)


def _hand_over(model: LinearModel, settings: SolveSettings) -> highspy.Highs:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = model.matrix.shape[1], model.matrix.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.low, model.high
    lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
    lp.offset_ = model.offset_cny
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = model.matrix.indptr
    lp.a_matrix_.index_ = model.matrix.indices
    lp.a_matrix_.value_ = model.matrix.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(whole)] for whole in model.integer]
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # the bindings carry no types
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    solver.setOptionValue("mip_rel_gap", settings.gap_frac)
    solver.setOptionValue("mip_max_nodes", settings.max_nodes)
    solver.setOptionValue("time_limit", settings.guard_s)
    if solver.passModel(lp) == highspy.HighsStatus.kError:
        raise PlanError("the solver refused the model: a bound or coefficient is not a number")
    return solver


def _status(solver: highspy.Highs) -> PlanStatus:
    if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
        return "optimal"
    has_answer = solver.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return "incumbent" if has_answer else "none"


def _fix_counts(blueprint: _Blueprint, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds that hold every whole number where the relaxation, rounded, left it."""
    low, high = blueprint.model.low.copy(), blueprint.model.high.copy()
    whole = blueprint.model.integer
    low[whole] = high[whole] = np.round(x[whole])
    for planned in blueprint.planned:
        running: FloatArray | None = None
        before = np.zeros(0)
        for name in planned.whole:
            # Counts nest (on inside warm): their running sum is rounded, so that each stays inside the next.
            columns = planned.quantities[name]
            summed = x[columns] if running is None else running + x[columns]
            rounded = np.ceil(summed - ROUND_UP_ABOVE)
            fixed = rounded - (before if running is not None else 0.0)
            low[columns] = high[columns] = np.maximum(fixed, 0.0)
            running, before = summed, rounded
    return low, high


def _read(problem: Problem, blueprint: _Blueprint, solver: highspy.Highs, *, bound: float, status: PlanStatus) -> Result:
    solution = solver.getSolution()
    x, dual = np.array(solution.col_value), np.array(solution.row_dual)
    h = problem.grid.step_h
    assets = {p.asset_id: _schedule(p, x, dual, problem.grid.n) for p in blueprint.planned}
    return Result(
        grid=problem.grid,
        status=status,
        objective_cny=float(solver.getInfo().objective_function_value),
        bound_cny=bound,
        assets=assets,
        area_price_cny_per_mwh={a.area: -dual[a.rows] / h for a in blueprint.areas},
        import_mw={c.connection_id: x[c.imported] for c in blueprint.connections},
        export_mw={c.connection_id: x[c.exported] for c in blueprint.connections},
        unmet=_unmet(blueprint, x, h),
    )


def _schedule(planned: Planned, x: FloatArray, dual: FloatArray, n: int) -> AssetSchedule:
    power = np.zeros(n) if planned.fixed_mw is None else planned.fixed_mw.copy()
    for rows, columns, coefficients in planned.power:
        np.add.at(power, rows, coefficients * x[columns])
    value = None if planned.store_rows is None else -dual[planned.store_rows]
    return AssetSchedule(planned.asset_id, power, {name: x[c] for name, c in planned.quantities.items()}, value)


def _unmet(blueprint: _Blueprint, x: FloatArray, step_h: FloatArray) -> tuple[Unmet, ...]:
    found: list[Unmet] = []
    named: list[tuple[str, str, IntArray]] = [
        (p.asset_id, what, columns) for p in blueprint.planned for what, columns in p.unmet.items()
    ]
    named += [(a.area, "unserved_mwh", a.unserved) for a in blueprint.areas]
    named += [(a.area, "surplus_mwh", a.spilled) for a in blueprint.areas]
    for where, what, columns in named:
        weights: FloatArray | Sequence[float] = step_h if columns.shape == step_h.shape else [1.0]
        amount = float((x[columns] * np.asarray(weights)).sum())
        if amount > UNMET_TOLERANCE:
            found.append(Unmet(where, what, amount))
    return tuple(found)
