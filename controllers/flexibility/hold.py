"""How far net import can be held over a window, in one course of wind and sun: the plan's own model with a level as a variable.

The relaxed plan is solved with import at most (or at least) at a level over the window, and each MWh that the level gives up is
worth `WORTH_CNY_PER_MWH`: so the level goes as far as costs less than that; heats, deadlines, stores, contracts, other calls and
the limit on what is taken back afterwards are all in it. Then it is solved again as a plan that has accepted this level and pays
for every MWh beside it: what it would rather pay for is taken off the level, because a single quarter of an hour may cost more to
keep than it is worth alone. Heats are the exception to the relaxed plan: it lets them flow evenly, while a level has to be held
minute by minute (`batches.py`). Pure; the program stays in the solver from one window to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix, hstack, vstack

from controllers.flexibility.batches import batches_behind
from controllers.flexibility.window import Window
from controllers.planner.asks import REBOUND_CNY_PER_MWH, REBOUND_FRAC, REBOUND_SPAN
from controllers.planner.blocks.quota import BAND_KINDS, band_limits
from controllers.planner.draw import draw
from controllers.planner.highs import independent_parts
from controllers.planner.kept import KeptModel, Solved
from controllers.planner.model import LinearModel, Term
from controllers.planner.problem import Problem
from vpp.errors import PlanError
from vpp.ids import AssetId, ConnectionId
from vpp.units import FloatArray, IntArray

__all__ = ["WORTH_CNY_PER_MWH", "Course", "courses_of", "held", "kept_cost_cny"]

#: What costs more than this, over the whole window, is not offered.
WORTH_CNY_PER_MWH: Final = 3_000.0
#: What missing a MWh costs when a level is tried: less than in a plan (5,000), so that a plan keeps what was kept here.
_MISSED_CNY_PER_MWH: Final = 4_000.0
#: More than any connection carries.
_ANY_MW: Final = 1e5
_TINY_CNY: Final = 1.0
_FARMS: Final = ("wind", "solar")
#: By kind, what is no more of in a window than without a call.
_NOT_PROMISED: Final = {"feeder": "interrupted_mw", "thermal_unit": "power_mw"}


@dataclass(frozen=True, slots=True)
class Course:
    """One course of wind and sun.

    Args:
        net_mw: Net import without any window, shape (T,). [MW]
        level_mw: By window, the level that can be held: least for give, most for take, shape (W,). [MW]
        free_mw: By window, what import keeps to by itself, heats at their worst, shape (W,). [MW]
        cost_cny: By window, what holding it costs more than not holding it, shape (W,). [CNY]
        power_mw: By window, power of each asset in the window's first interval less that without it, shape (W, A). [MW]
        before_mw: Power of each asset in that interval without it, shape (W, A). [MW]
        asset_ids: Whose columns of `power_mw` they are.
    """

    net_mw: FloatArray
    level_mw: FloatArray
    free_mw: FloatArray
    cost_cny: FloatArray
    power_mw: FloatArray
    before_mw: FloatArray
    asset_ids: tuple[AssetId, ...]


class _Program:
    """The model of one problem and one meter, in the solver."""

    def __init__(self, problem: Problem, meter: Sequence[ConnectionId], available_mw: Mapping[AssetId, FloatArray]) -> None:
        self.problem, self.blueprint = problem, draw(problem)
        self._meter = [c for c in self.blueprint.connections if c.connection_id in meter]
        if len(self._meter) != len(meter):
            raise PlanError(f"offer: no connection {', '.join(set(meter) - {c.connection_id for c in self._meter})} in the plan")
        model, n = self.blueprint.model, problem.grid.n
        self.level = model.cost.size
        self.over, self.under = self.level + 1 + np.arange(n), self.level + 1 + n + np.arange(n)
        self.keep = model.row_low.size + np.arange(n)
        self.back = self.keep + n
        self._batches = batches_behind(problem, self.blueprint, meter)
        whole = _with_level(model, self._net_cells(), [b.drawn for b in self._batches], problem.grid.step_h)
        self._set_available(whole, available_mw)
        # An island that the meter's areas share nothing with only costs time.
        self._columns, self._rows = next(part for part in independent_parts(whole) if self.level in part[0])
        self.whole, self._kept = whole, KeptModel()
        self._static = whole.part(self._columns, self._rows).relaxed()

    def _net_cells(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Rows 0..n-1, columns and coefficients of the meter's net import."""
        n = self.problem.grid.n
        rows = np.tile(np.arange(n), 2 * len(self._meter))
        columns = np.concatenate([part for c in self._meter for part in (c.imported, c.exported)])
        return rows, columns, np.tile(np.repeat([1.0, -1.0], n), len(self._meter))

    def _set_available(self, model: LinearModel, available_mw: Mapping[AssetId, FloatArray]) -> None:
        for planned in self.blueprint.planned:
            if planned.asset_id in available_mw:
                model.high[planned.quantities["generation_mw"]] = available_mw[planned.asset_id]

    def solve(self, cost: FloatArray, bounds: tuple[FloatArray, FloatArray], rows: tuple[FloatArray, FloatArray]) -> FloatArray:
        """All columns of the answer between other bounds and at other costs.

        Raises:
            PlanError: There is none, although every balance is elastic.
        """
        part = replace(
            self._static, cost=cost[self._columns],
            low=bounds[0][self._columns], high=bounds[1][self._columns],
            row_low=rows[0][self._rows], row_high=rows[1][self._rows],
        )  # fmt: skip
        self._kept.hand_over(part)
        solved: Solved = self._kept.relax()
        if not solved.feasible:
            raise PlanError("offer: the plan with a held import has no answer although every limit is elastic")
        x = np.zeros(self.whole.cost.size)
        x[self._columns] = solved.x
        return x

    def net_mw(self, x: FloatArray) -> FloatArray:
        """Net import of the meter, shape (T,)."""
        net: FloatArray = np.sum([x[c.imported] - x[c.exported] for c in self._meter], axis=0)
        return net

    def base(self) -> FloatArray:
        """The answer without any window."""
        whole = self.whole
        return self.solve(whole.cost, (whole.low, whole.high), (whole.row_low, whole.row_high))

    def furthest(self, window: Window, base: FloatArray) -> tuple[float, FloatArray]:
        """The level as far as it pays and a plan keeps it, and the answer at it.

        Args:
            window: Which; it lies on the grid.
            base: The answer without it.
        """
        grid = self.problem.grid
        steps, gives = window.steps(grid), window.direction == "give"
        wished = float(self.window(window, base)[self.level])
        x = self.window(window, base, wished, kept=True)
        missed = float(max(x[self.over[steps]].max(), x[self.under[steps]].max()))
        level, free = wished + (missed if gives else -missed), self.free_level_mw(window, base)
        gained = (free - level if gives else level - free) * float(grid.step_h[steps].sum())
        # What has a price of its own, whatever little is held by it, is not offered.
        dear = self.cost_cny(x) - self.cost_cny(base) > WORTH_CNY_PER_MWH * max(gained, 0.0) + _TINY_CNY
        return (free, base) if dear else (level, x)

    def free_level_mw(self, window: Window, base: FloatArray) -> float:
        """What import keeps to by itself, heats at their worst."""
        apart = self.net_mw(base) - sum((b.power_mw(base) for b in self._batches), np.zeros(self.problem.grid.n))
        inside = apart[window.steps(self.problem.grid)]
        if window.direction == "give":
            return float(inside.max()) + sum(b.worst_mw for b in self._batches)
        return float(inside.min())

    def window(self, window: Window, base: FloatArray, no_further_mw: float | None = None, *, kept: bool = False) -> FloatArray:
        """The answer with a window held.

        Args:
            window: Which; it lies on the grid.
            base: The answer without it.
            no_further_mw: A level beyond which nothing is asked; None for as far as it pays. [MW]
            kept: Whether the level stands and missing it costs by the MWh; else the level gives way.
        """
        whole, grid = self.whole, self.problem.grid
        steps, gives = window.steps(grid), window.direction == "give"
        cost, low, high = whole.cost.copy(), whole.low.copy(), whole.high.copy()
        row_low, row_high = whole.row_low.copy(), whole.row_high.copy()
        worth = WORTH_CNY_PER_MWH * float(grid.step_h[steps].sum())
        cost[self.level] = worth if gives else -worth
        running = sum((b.running_mw for b in self._batches), np.zeros(grid.n))
        if gives:
            row_high[self.keep[steps]] = running[steps] - sum(b.worst_mw for b in self._batches)
            self._keep_back(steps, base, low, high)
            before_mw = float(self.net_mw(base)[max(int(steps[0]) - 1, 0)])
            most_mw = REBOUND_FRAC * sum(self.problem.park.connection(c.connection_id).import_limit_mw for c in self._meter)
            row_high[self.back[window.after(grid, REBOUND_SPAN)]] = before_mw + most_mw
        else:
            row_low[self.keep[steps]] = running[steps]
            self._waste_nothing(steps, base, low, high)
        if no_further_mw is not None:
            bound = low if gives else high
            bound[self.level] = no_further_mw
        if kept and no_further_mw is not None:
            low[self.level] = high[self.level] = no_further_mw
            high[(self.over if gives else self.under)[steps]] = np.inf
        return self.solve(cost, (low, high), (row_low, row_high))

    def _keep_back(self, steps: IntArray, base: FloatArray, low: FloatArray, high: FloatArray) -> None:
        """Not promised: customers' feeders, units that take long to come, and what smelters give for minutes below their band."""
        for planned in self.blueprint.planned:
            asset = self.problem.park.asset(planned.asset_id)
            # Units led by steam have no power of their own choice.
            if asset.kind in _NOT_PROMISED and _NOT_PROMISED[asset.kind] in planned.quantities:
                columns = planned.quantities[_NOT_PROMISED[asset.kind]][steps]
                high[columns] = np.minimum(high[columns], base[columns])
            elif asset.kind in BAND_KINDS:
                columns = planned.quantities["power_mw"][steps]
                low[columns] = np.maximum(low[columns], np.minimum(base[columns], band_limits(asset).low_mw))

    def _waste_nothing(self, steps: IntArray, base: FloatArray, low: FloatArray, high: FloatArray) -> None:
        """To take more is to use more: no wind is curtailed for it, nothing vented, and no store turned against itself."""
        for planned in self.blueprint.planned:
            names = planned.quantities
            if self.problem.park.asset(planned.asset_id).kind in _FARMS:
                made = names["generation_mw"][steps]
                low[made] = np.minimum(base[made], high[made])
            if "discharge_mw" in names:
                shut = names["discharge_mw"][steps]
                high[shut] = low[shut]
            if "vented_kg_per_h" in names:
                vented = names["vented_kg_per_h"][steps]
                high[vented] = np.minimum(high[vented], np.maximum(base[vented], 0.0))

    def cost_cny(self, x: FloatArray) -> float:
        """Of an answer, the worth of the level itself and what is missed left out."""
        part = self._columns[(self._columns < self.level) | (self._columns >= self.under[-1] + 1)]
        return float(self.whole.cost[part] @ x[part])

    def power_mw(self, x: FloatArray, step: int) -> FloatArray:
        """Power of each asset in an interval, in the order of the blueprint, shape (A,)."""
        found = np.zeros(len(self.blueprint.planned))
        for i, planned in enumerate(self.blueprint.planned):
            found[i] = 0.0 if planned.fixed_mw is None else planned.fixed_mw[step]
            for rows, columns, coefficients in planned.power:
                here = rows == step
                found[i] += float(x[columns[here]] @ coefficients[here])
        return found


def _with_level(model: LinearModel, net: Term, batches: Sequence[Term], step_h: FloatArray) -> LinearModel:
    """The model with a column for the level, three an interval (missed above, below, taken back too fast), two rows; all idle.

    Rows that hold a level leave heats out; what counts in their place stands in the rows' bounds.
    """
    n, columns = step_h.size, model.cost.size
    beside = 1 + 3 * n
    rows, cells, coefficients = net
    at = np.arange(n)
    left = csc_matrix((coefficients, (rows, cells)), shape=(n, columns))
    some, places = np.ones(n), np.concatenate([np.zeros(n, dtype=int), 1 + at, 1 + n + at])
    level = coo_matrix((np.concatenate([-some, -some, some]), (np.tile(at, 3), places)), shape=(n, beside))
    unburst = left - sum((csc_matrix((mw, (r, c)), shape=(n, columns)) for r, c, mw in batches), csc_matrix((n, columns)))
    back = coo_matrix((-np.ones(n), (at, 1 + 2 * n + at)), shape=(n, beside))
    none = coo_matrix((model.row_low.size, beside))
    matrix = csc_matrix(vstack([hstack([model.matrix, none]), hstack([unburst, level]), hstack([left, back])]))
    matrix.sort_indices()
    open_low, open_high = np.full(2 * n, -np.inf), np.full(2 * n, np.inf)
    return LinearModel(
        cost=np.concatenate([model.cost, [0.0], *[_MISSED_CNY_PER_MWH * step_h] * 2, REBOUND_CNY_PER_MWH * step_h]),
        low=np.concatenate([model.low, [-_ANY_MW], np.zeros(3 * n)]),
        high=np.concatenate([model.high, [_ANY_MW], np.zeros(2 * n), np.full(n, np.inf)]),
        integer=np.concatenate([model.integer, np.zeros(beside, dtype=bool)]),
        row_low=np.concatenate([model.row_low, open_low]),
        row_high=np.concatenate([model.row_high, open_high]),
        matrix=matrix,
        offset_cny=model.offset_cny,
    )


def held(
    problem: Problem, meter: Sequence[ConnectionId], available_mw: Mapping[AssetId, FloatArray], windows: Sequence[Window]
) -> Course:
    """How far import can be held over each of some windows, in one course.

    Args:
        problem: What is known now, other calls in it.
        meter: Connections whose net imports are added up.
        available_mw: Of each farm, shape (T,).
        windows: Each for itself: none knows of the others.

    Raises:
        PlanError: A connection is not in the plan, or a window lies beyond its grid.
    """
    program = _Program(problem, meter, available_mw)
    base = program.base()
    base_cny = program.cost_cny(base)
    level, free, cost = (np.zeros(len(windows)) for _ in range(3))
    power, before = (np.zeros((len(windows), len(program.blueprint.planned))) for _ in range(2))
    known: dict[tuple[str, int, int], int] = {}
    for w, window in enumerate(windows):
        steps = window.steps(problem.grid)
        if not steps.size or window.end > problem.grid.end:
            raise PlanError(f"offer: window until {window.end} reaches beyond the plan, which ends {problem.grid.end}")
        # Far ahead the plan knows whole hours only: a quarter there is an hour.
        key = (window.direction, int(steps[0]), int(steps[-1]))
        free[w] = program.free_level_mw(window, base)
        twin = known.setdefault(key, w)
        if twin != w:
            level[w], cost[w], power[w], before[w] = level[twin], cost[twin], power[twin], before[twin]
            continue
        level[w], x = program.furthest(window, base)
        cost[w] = program.cost_cny(x) - base_cny
        before[w] = program.power_mw(base, int(steps[0]))
        power[w] = program.power_mw(x, int(steps[0])) - before[w]
    ids = tuple(planned.asset_id for planned in program.blueprint.planned)
    return Course(program.net_mw(base), level, free, cost, power, before, ids)


def courses_of(available_mw: Mapping[AssetId, FloatArray]) -> list[dict[AssetId, FloatArray]]:
    """Scenarios of shape (S, T) by farm, as S courses of shape (T,) by farm."""
    count = min((rows.shape[0] for rows in available_mw.values()), default=0)
    return [{asset_id: rows[s] for asset_id, rows in available_mw.items()} for s in range(count)]


def kept_cost_cny(
    problem: Problem,
    meter: Sequence[ConnectionId],
    available_mw: Mapping[AssetId, FloatArray],
    windows: Sequence[Window],
    levels_mw: FloatArray,
) -> FloatArray:
    """What holding given levels costs more than not holding them, in one course, shape of `levels_mw`: (W, K). [CNY].

    A level that cannot be held counts with the furthest that can, at what that costs.
    """
    program = _Program(problem, meter, available_mw)
    base = program.base()
    base_cny, cost = program.cost_cny(base), np.zeros(levels_mw.shape)
    known: dict[tuple[str, int, int, float], float] = {}
    for w, window in enumerate(windows):
        steps, gives = window.steps(problem.grid), window.direction == "give"
        free = program.free_level_mw(window, base)
        for k, level in enumerate(levels_mw[w].tolist()):
            if free <= level if gives else free >= level:
                continue
            key = (window.direction, int(steps[0]), int(steps[-1]), round(level, 6))
            if key not in known:
                known[key] = max(0.0, program.cost_cny(program.window(window, base, level)) - base_cny)
            cost[w, k] = known[key]
    return cost
