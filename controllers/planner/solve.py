"""Problem to result: build, relax, round the counts, fix, solve again for prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from controllers.planner.blocks import BLOCKS
from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.blocks.connection import PlannedArea, PlannedConnection, add_connection, close_area
from controllers.planner.highs import Answer, SolveSettings, independent_parts, optimise
from controllers.planner.model import LinearModel, ModelBuilder
from controllers.planner.problem import Problem
from controllers.planner.result import AssetSchedule, PlanStatus, Result, Unmet
from vpp.errors import PlanError
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["SolveSettings", "solve"]

#: A count this far above a whole number is rounded up; any monotone rule keeps "on" below "warm before".
ROUND_UP_ABOVE = 0.3
#: A batch starts in the interval in which its cumulative count passes this part of it.
ROUND_BATCH_AT = 0.5
#: Below this an unmet amount is rounding of the solver, not a promise broken.
UNMET_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class _Blueprint:
    model: LinearModel
    planned: tuple[Planned, ...]
    connections: tuple[PlannedConnection, ...]
    areas: tuple[PlannedArea, ...]


def solve(problem: Problem, settings: SolveSettings | None = None) -> Result:
    """The best plan found within the budget.

    Args:
        problem: What is planned.
        settings: The budget.

    Raises:
        PlanError: An asset's kind has no block, so the park cannot be planned as a whole.
    """
    budget = settings or SolveSettings()
    blueprint = _draw(problem)
    model = blueprint.model
    parts = independent_parts(model)
    searched = model if budget.search == "tree" else model.relaxed()
    first = _merge(model, parts, [optimise(searched.part(*part), budget) for part in parts])
    if first.status == "none":
        return Result(problem.grid, "none", np.inf, -np.inf, {}, {}, {}, {}, ())
    fixed = model.fixed(*_fix_counts(blueprint, first.x, searched.integer))
    second = _merge(model, parts, [optimise(fixed.part(*part), budget) for part in parts])
    if second.status == "none":
        raise PlanError("the plan with rounded counts has no answer although every balance is elastic; the model is at fault")
    return _read(problem, blueprint, replace(second, status=first.status, bound_cny=first.bound_cny))


def _merge(model: LinearModel, parts: list[tuple[IntArray, IntArray]], answers: list[Answer]) -> Answer:
    """Answers of the parts as one: as good as the worst of them."""
    x, dual = np.zeros(model.cost.shape), np.zeros(model.row_low.shape)
    for (columns, rows), answer in zip(parts, answers, strict=True):
        x[columns], dual[rows] = answer.x, answer.dual
    found: set[PlanStatus] = {answer.status for answer in answers}
    status: PlanStatus = "none" if "none" in found else "incumbent" if "incumbent" in found else "optimal"
    objective = model.offset_cny + sum(answer.objective_cny for answer in answers)
    bound = model.offset_cny + sum(answer.bound_cny for answer in answers)
    return Answer(status, x, dual, objective, bound)


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


def _fix_counts(blueprint: _Blueprint, x: FloatArray, found_whole: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Bounds that hold every count where the first answer, rounded, left it.

    Args:
        blueprint: The model and how to read it.
        x: The first answer.
        found_whole: Columns that a tree search already made whole.
    """
    low, high = blueprint.model.low.copy(), blueprint.model.high.copy()
    low[found_whole] = high[found_whole] = np.round(x[found_whole])
    for planned in blueprint.planned:
        inner_sum, inner_rounded = np.zeros(0), np.zeros(0)
        for name in planned.nested:
            # Counts nest (on inside warm): their running sum is rounded, so that each stays inside the next.
            columns = planned.quantities[name]
            summed = x[columns] + (inner_sum if inner_sum.size else 0.0)
            rounded = np.ceil(summed - ROUND_UP_ABOVE)
            low[columns] = high[columns] = np.maximum(rounded - (inner_rounded if inner_rounded.size else 0.0), 0.0)
            inner_sum, inner_rounded = summed, rounded
        for name in planned.batches:
            # Batches are rounded on their cumulative sum, so that no more and no fewer are made and none moves far.
            columns = planned.quantities[name]
            made = np.floor(np.cumsum(x[columns]) + ROUND_BATCH_AT)
            low[columns] = high[columns] = np.diff(made, prepend=0.0)
    return low, high


def _read(problem: Problem, blueprint: _Blueprint, answer: Answer) -> Result:
    x, dual = answer.x, answer.dual
    h = problem.grid.step_h
    assets = {p.asset_id: _schedule(p, x, dual, problem.grid.n) for p in blueprint.planned}
    return Result(
        grid=problem.grid,
        status=answer.status,
        objective_cny=answer.objective_cny,
        bound_cny=answer.bound_cny,
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
