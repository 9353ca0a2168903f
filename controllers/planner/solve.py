"""Problem to result: build, relax for the bound, round the counts, fix, solve again for prices, search while there is budget."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import highspy
import numpy as np

from controllers.planner.draw import Blueprint, draw
from controllers.planner.highs import SolveSettings, independent_parts
from controllers.planner.kept import KeptModel, MipLimits, ModelCache, Remembered, Solved, Statuses
from controllers.planner.problem import Problem
from controllers.planner.read import nothing_found, read_result
from controllers.planner.result import Result
from controllers.planner.rounding import (
    ROUND_BATCH_AT,
    ROUND_SWITCH_AT,
    Way,
    courses_at_prices,
    in_order,
    netted_ties,
    opposed_pairs,
    rested_below_least,
    rounded_bounds,
    without_opposed,
)
from vpp.errors import PlanError
from vpp.ids import AssetId
from vpp.plan import ValueCurve
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["KeptSolve", "SolveSettings", "curves_between", "solve"]

#: How often an answer is mended in which a store charges and discharges at once, or a poor piece of a curve fills before a good
#: one; each time at least one of them is settled.
MENDS = 8
#: A rounded answer this close to the bound, as a share of gross cost, needs no other rounding.
NEAR_FRAC = 1e-3
#: Levels at which a store is priced, as shares of its room.
CURVE_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(slots=True)
class _Whole:
    """An answer of all parts together, and the bounds it was found between."""

    x: FloatArray
    row_dual: FloatArray
    column_dual: FloatArray
    objective_cny: float
    bound_cny: float
    proven: bool
    low: FloatArray
    high: FloatArray


@dataclass(slots=True)
class _Solver:
    """The parts of one model, each kept in a solver of its own."""

    blueprint: Blueprint
    parts: list[tuple[IntArray, IntArray]]
    kept: list[KeptModel]
    settings: SolveSettings

    @classmethod
    def of(cls, blueprint: Blueprint, settings: SolveSettings, cache: ModelCache) -> _Solver:
        model = blueprint.model
        parts = independent_parts(model)
        kept = [cache.hold(model.part(*part), place) for place, part in enumerate(parts)]
        return cls(blueprint, parts, kept, settings)

    def relax(self, grid: TimeGrid, cache: ModelCache) -> _Whole | None:
        """The linear program of the model's own bounds, from the last plan's basis moved on: nothing can cost less."""
        model = self.blueprint.model
        known = None if cache.last is None else cache.last.on(grid, model)
        if known is not None:
            for (columns, rows), kept in zip(self.parts, self.kept, strict=True):
                kept.start_from(Statuses(known.columns[columns], known.rows[rows]))
        found = self._gather([kept.relax(self.settings.guard_s) for kept in self.kept], model.low, model.high)
        cache.last = self._remembered(grid)
        return found

    def _remembered(self, grid: TimeGrid) -> Remembered | None:
        model = self.blueprint.model
        status = highspy.HighsBasisStatus
        columns = np.full(model.cost.size, status.kLower, dtype=object)
        rows = np.full(model.row_low.size, status.kBasic, dtype=object)
        for (own_columns, own_rows), kept in zip(self.parts, self.kept, strict=True):
            own = kept.statuses()
            if own is None:
                return None
            columns[own_columns], rows[own_rows] = own.columns, own.rows
        return Remembered(grid, model.column_blocks, model.row_blocks, Statuses(columns, rows))

    def fix(self, low: FloatArray, high: FloatArray) -> _Whole | None:
        """The linear program between other bounds."""
        solved = [
            kept.fix(low[columns], high[columns], self.settings.guard_s)
            for (columns, _), kept in zip(self.parts, self.kept, strict=True)
        ]
        return self._gather(solved, low, high)

    def search(self, first: _Whole, bound_cny: float, gap_cny: float) -> _Whole | None:
        """Branch and bound from an answer, in the parts that are not yet near enough to their own bound."""
        solved = []
        for (columns, _), kept in zip(self.parts, self.kept, strict=True):
            limits = MipLimits(0.0, gap_cny / len(self.parts), self.settings.max_nodes, self.settings.search_s)
            solved.append(kept.search(limits, first.x[columns], first.high[columns]))
        return self._gather(solved, first.low, first.high)

    def duals_at(self, row: int, levels: FloatArray, best: _Whole) -> FloatArray:
        """The dual of a row of the whole model at other right-hand sides, the counts of an answer held."""
        for (columns, rows), kept in zip(self.parts, self.kept, strict=True):
            place = int(np.searchsorted(rows, row))
            if place < rows.size and rows[place] == row:
                return kept.probe(place, levels, best.low[columns], best.high[columns])
        return np.full(levels.shape, np.nan)

    def _gather(self, solved: list[Solved], low: FloatArray, high: FloatArray) -> _Whole | None:
        if not all(one.feasible for one in solved):
            return None
        model = self.blueprint.model
        x, column_dual, row_dual = np.zeros(model.cost.shape), np.zeros(model.cost.shape), np.zeros(model.row_low.shape)
        for (columns, rows), one in zip(self.parts, solved, strict=True):
            x[columns] = one.x
            if one.row_dual.size:
                row_dual[rows], column_dual[columns] = one.row_dual, one.column_dual
        objective = model.offset_cny + sum(one.objective_cny for one in solved)
        bound = model.offset_cny + sum(one.bound_cny for one in solved)
        proven = all(one.proven for one in solved)
        return _Whole(x, row_dual, column_dual, objective, bound, proven, low, high)


def solve(
    problem: Problem,
    settings: SolveSettings | None = None,
    cache: ModelCache | None = None,
    report: Callable[[str], None] | None = None,
) -> Result:
    """The best plan found within the budget.

    Args:
        problem: What is planned.
        settings: The budget.
        cache: Models kept from earlier problems of the same structure; the answer is the same without it, to tolerance.
        report: Told of each stage as it is reached: `built`, `bound`, `first` (a whole answer with a proven gap; told again where
            another rounding is cheaper), `rounded` (the best of them), `searched`.

    Raises:
        PlanError: An asset's kind has no block, so the park cannot be planned as a whole.
    """
    budget, tell = settings or SolveSettings(), report or _nobody
    blueprint = draw(problem)
    models = ModelCache() if cache is None else cache
    solver = _Solver.of(blueprint, budget, models)
    tell("built")
    relaxed = solver.relax(problem.grid, models)
    if relaxed is None:
        return nothing_found(problem)
    tell("bound")
    rounded = _rounded(problem, solver, relaxed, tell)
    if rounded is None:
        raise PlanError("the plan with rounded counts has no answer although every balance is elastic; the model is at fault")
    bound = relaxed.bound_cny
    tell("rounded")
    best, source, proven = rounded, "rounded", True
    gap_cny = budget.gap_frac * _gross_cny(blueprint, rounded.x)
    if budget.search == "tree" and rounded.objective_cny - bound > gap_cny:
        found = solver.search(rounded, bound, gap_cny)
        proven = found is not None and found.proven
        if found is not None and found.objective_cny < rounded.objective_cny:
            priced = _priced(solver, found)
            if priced is not None and priced.objective_cny < rounded.objective_cny:
                best, source = priced, "searched"
        # A search in which stores were kept from doing both at once bounds only that branch.
        if found is not None and not _mended(blueprint, rounded):
            bound = max(bound, min(found.bound_cny, best.objective_cny))
        tell("searched")
    curves = _curves(solver, best) if budget.curves else {}
    status = "optimal" if proven else "incumbent"
    answer = replace(best, x=netted_ties(blueprint, best.x), bound_cny=bound)
    result = read_result(problem, blueprint, answer, status=status, source=source)  # type: ignore[arg-type]  # literals above
    return replace(result, curves=curves)


@dataclass(frozen=True, slots=True)
class KeptSolve:
    """`solve` on models kept in the process it runs in; it travels to a worker by its name alone.

    Args:
        name: Whose models they are. Two planners never share any, so that a run repeats to the bit.
    """

    name: int

    @classmethod
    def fresh(cls) -> KeptSolve:
        """One that shares nothing with any before it."""
        return cls(next(_NAMES))

    def __call__(self, problem: Problem, settings: SolveSettings | None = None) -> Result:
        """As `solve`."""
        cache = _CACHES.pop(self.name, None) or ModelCache()
        _CACHES[self.name] = cache
        while len(_CACHES) > CACHES_KEPT:
            _CACHES.popitem(last=False)
        return solve(problem, settings, cache)


#: Planners whose models one process keeps; more are not at work at a time.
CACHES_KEPT = 2
_CACHES: OrderedDict[int, ModelCache] = OrderedDict()
_NAMES = itertools.count()


def _rounded(problem: Problem, solver: _Solver, relaxed: _Whole, tell: Callable[[str], None]) -> _Whole | None:
    """Counts rounded and fixed; then what a store or a curve does wrongly mended. The cheaper of several roundings."""
    blueprint = solver.blueprint
    model, pairs = blueprint.model, opposed_pairs(blueprint)
    shut, _ = without_opposed(pairs, relaxed.x, model.high)
    batched = any(planned.batches for planned in blueprint.planned)
    area_of = {asset.id: asset.area for asset in problem.park.assets}
    courses = courses_at_prices(blueprint, area_of, relaxed.row_dual, problem.grid.step_h)

    def rounded(way: Way) -> tuple[Way, _Whole] | None:
        low, high = rounded_bounds(blueprint, relaxed.x, model.low, shut, way)
        found = _mend(solver, pairs, low, high)
        return None if found is None else (way, found)

    def near() -> bool:
        return best is not None and best[1].objective_cny - relaxed.bound_cny <= NEAR_FRAC * _gross_cny(blueprint, best[1].x)

    best: tuple[Way, _Whole] | None = None
    for way in (Way(courses=courses), *(Way(switch_at) for switch_at in (ROUND_SWITCH_AT if courses else ()))):
        if near():
            break
        best = _cheaper(best, rounded(way))
        tell("first")
    for batch_at in ROUND_BATCH_AT[1:] if batched else ():
        if near():
            break
        best = _cheaper(best, rounded(replace(Way() if best is None else best[0], batch_at=batch_at)))
    return None if best is None else best[1]


def _cheaper(one: tuple[Way, _Whole] | None, other: tuple[Way, _Whole] | None) -> tuple[Way, _Whole] | None:
    if one is None or other is None:
        return one or other
    return other if other[1].objective_cny < one[1].objective_cny else one


def _mend(solver: _Solver, pairs: tuple[IntArray, IntArray], low: FloatArray, high: FloatArray) -> _Whole | None:
    found = solver.fix(low, high)
    for _ in range(MENDS):
        if found is None:
            return None
        high, both = without_opposed(pairs, found.x, high)
        low, high, skipped = in_order(solver.blueprint, found.x, low, high)
        low, high, idle = rested_below_least(solver.blueprint, found.x, low, high)
        if not (both.any() or skipped or idle):
            break
        found = solver.fix(low, high)
    return found


def _priced(solver: _Solver, found: _Whole) -> _Whole | None:
    """The linear program with the counts of a search, for its prices."""
    whole = solver.blueprint.model.integer
    low, high = found.low.copy(), found.high.copy()
    low[whole] = high[whole] = np.round(found.x[whole])
    return _mend(solver, opposed_pairs(solver.blueprint), low, high)


def curves_between(blueprint: Blueprint, low: FloatArray, high: FloatArray, cache: ModelCache) -> dict[AssetId, ValueCurve]:
    """Worth of each store by its level, everything else free between the bounds given: counts held, another weather."""
    solver = _Solver.of(blueprint, SolveSettings(), cache)
    held = solver.fix(low, high)
    return {} if held is None else _curves(solver, held)


def _curves(solver: _Solver, best: _Whole) -> dict[AssetId, ValueCurve]:
    """Worth of one more unit in each store at the first interval, at several levels around the planned one."""
    found: dict[AssetId, ValueCurve] = {}
    for planned in solver.blueprint.planned:
        if planned.room is None or planned.store_rows is None:
            continue
        low, high = planned.room
        levels = low + (high - low) * np.array(CURVE_LEVELS)
        worth = -solver.duals_at(int(planned.store_rows[0]), levels, best)
        if high <= low or np.isnan(worth).any():
            continue
        breaks = 0.5 * (levels[1:] + levels[:-1])
        # A linear program's worth never rises with the level; what does is rounding.
        found[planned.asset_id] = ValueCurve(breaks, np.minimum.accumulate(worth))
    return found


def _mended(blueprint: Blueprint, answer: _Whole) -> bool:
    free = ~blueprint.model.integer
    return bool((answer.high[free] < blueprint.model.high[free]).any())


def _gross_cny(blueprint: Blueprint, x: FloatArray) -> float:
    return sum(max(amount, 0.0) for amount in blueprint.model.cost_items_cny(x).values())


def _nobody(stage: str) -> None:
    del stage
