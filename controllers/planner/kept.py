"""A model that stays in the solver: rolling it one step changes bounds, right-hand sides and costs, never the matrix."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import highspy
import numpy as np
from numpy.typing import NDArray

from controllers.planner.model import LinearModel
from vpp.errors import PlanError
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray, hours

__all__ = ["KeptModel", "MipLimits", "ModelCache", "Remembered", "SilentHighs", "Solved", "Statuses"]

_COLWISE: Final = int(highspy.MatrixFormat.kColwise)
_MINIMISE: Final = int(highspy.ObjSense.kMinimize)
_PROBE_GUARD_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class MipLimits:
    """When a search for whole numbers stops.

    Args:
        gap_frac: The answer is proven to be this close, relative to its own objective.
        gap_cny: Or this close in money, which means something where income and cost cancel.
        nodes: So many nodes are looked at; counted, so that a run repeats to the bit.
        guard_s: This much time has passed; a run in which it fires does not repeat.
    """

    gap_frac: float = 1e-4
    gap_cny: float = 1e-6
    nodes: int = 2**31 - 1
    guard_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Solved:
    """One answer of the solver.

    Args:
        feasible: Whether there is an answer; without it x and duals are empty.
        proven: Whether it is the best one, to the gap asked for.
        bound_cny: Nothing can cost less.
        x: Columns.
        row_dual: Cost of one more unit on each row's bound; empty after a search for whole numbers.
        column_dual: Reduced cost of each column; empty after a search for whole numbers.
    """

    feasible: bool
    proven: bool
    objective_cny: float
    bound_cny: float
    x: FloatArray
    row_dual: FloatArray = field(default_factory=lambda: np.zeros(0))
    column_dual: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def gap_cny(self) -> float:
        """How far the answer may be from the best."""
        return self.objective_cny - self.bound_cny


@dataclass(frozen=True, slots=True)
class Statuses:
    """A basis: the solver's own status of each column and row, shapes (columns,) and (rows,)."""

    columns: NDArray[np.object_]
    rows: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The basis of the last plan, with the intervals it stands for: the next plan is nearly the same, only later."""

    grid: TimeGrid
    column_blocks: tuple[int, ...]
    row_blocks: tuple[int, ...]
    statuses: Statuses

    def on(self, grid: TimeGrid, model: LinearModel) -> Statuses | None:
        """The basis moved to another grid, interval by interval; None where the model is built of other blocks."""
        if len(model.column_blocks) != len(self.column_blocks) or len(model.row_blocks) != len(self.row_blocks):
            return None
        later_h = hours(grid.start - self.grid.start)
        old = np.clip(np.searchsorted(self.grid.offset_h, grid.offset_h + later_h + 1e-9, side="right") - 1, 0, self.grid.n - 1)
        status = highspy.HighsBasisStatus
        columns = _moved(self.statuses.columns, (self.column_blocks, model.column_blocks), (self.grid.n, old), status.kLower)
        rows = _moved(self.statuses.rows, (self.row_blocks, model.row_blocks), (self.grid.n, old), status.kBasic)
        return Statuses(columns, rows)


def _moved(
    statuses: NDArray[np.object_], blocks: tuple[tuple[int, ...], tuple[int, ...]], intervals: tuple[int, IntArray], new: Any
) -> NDArray[np.object_]:
    """Blocks of one status an interval follow time; others stay, or are new where their size differs."""
    n_old, old = intervals
    found, at = [], 0
    for before, now in zip(*blocks, strict=True):
        block = statuses[at : at + before]
        at += before
        if before == n_old and now == old.size:
            found.append(block[old])
        else:
            found.append(block if before == now else np.full(now, new, dtype=object))
    return np.concatenate(found)


class SilentHighs(highspy.Highs):
    """HiGHS without the greeting that it writes to standard output, where a command writes its JSON."""

    def __init__(self) -> None:
        """Silenced before the bindings switch their callbacks on, which is when it greets."""
        super(highspy.Highs, self).__init__()
        self.setOptionValue("output_flag", False)


class KeptModel:
    """One HiGHS instance and the model it holds; a cache of its worker, never the truth about a plan."""

    def __init__(self, **options: float | str | bool) -> None:
        """An empty solver.

        Args:
            options: HiGHS options besides ours (one thread, fixed seed, silent).
        """
        self._solver: Any = SilentHighs()
        self._set(**{"threads": 1, "random_seed": 0, **options})
        self._model: LinearModel | None = None
        self._basis: Any = None
        self._relaxed_basis: Any = None

    @property
    def model(self) -> LinearModel:
        """What the solver holds.

        Raises:
            PlanError: Nothing was handed over yet.
        """
        if self._model is None:
            raise PlanError("no model was handed to the solver")
        return self._model

    def hand_over(self, model: LinearModel) -> bool:
        """Takes a model; True if the one before had the same matrix, so that only numbers were changed.

        Raises:
            PlanError: A number is missing, or the solver refuses the model.
        """
        before, self._model = self._model, model
        if before is not None and _same_matrix(before, model):
            self._change(before, model)
            return True
        if any(bool(np.isnan(part).any()) for part in (model.cost, model.low, model.high, model.row_low, model.row_high)):
            raise PlanError("a cost or bound of the model is not a number")
        matrix = model.matrix
        status = self._solver.passModel(
            matrix.shape[1], matrix.shape[0], matrix.nnz, _COLWISE, _MINIMISE, model.offset_cny,
            model.cost, model.low, model.high, model.row_low, model.row_high,
            matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, model.integer.astype(np.int32),
        )  # fmt: skip
        if status == highspy.HighsStatus.kError:
            self._model = None
            raise PlanError("the solver refused the model: its bounds cross, or a number is not finite")
        self._basis = self._relaxed_basis = None
        return False

    def relax(self, guard_s: float = 60.0) -> Solved:
        """The linear program, from the basis of the last one that was relaxed: counts held in between would only mislead it."""
        self._basis = self._relaxed_basis or self._basis
        solved = self._linear(guard_s)
        self._relaxed_basis = self._basis
        return solved

    def statuses(self) -> Statuses | None:
        """Which columns and rows were basic in the last relaxed answer; None without one."""
        basis = self._relaxed_basis
        if basis is None:
            return None
        return Statuses(np.array(list(basis.col_status), dtype=object), np.array(list(basis.row_status), dtype=object))

    def start_from(self, statuses: Statuses) -> None:
        """Takes a basis for the next relaxation that may belong to a neighbour: what does not fit is repaired by the solver."""
        basis = highspy.HighsBasis()
        basis.col_status, basis.row_status = statuses.columns.tolist(), statuses.rows.tolist()
        basis.valid = basis.alien = True
        self._relaxed_basis = basis

    def fix(self, low: FloatArray, high: FloatArray, guard_s: float = 60.0) -> Solved:
        """The linear program between other bounds of the columns, from the last basis; the model's own bounds come back."""
        model = self.model
        moved = np.flatnonzero((low != model.low) | (high != model.high)).astype(np.int32)
        self._solver.changeColsBounds(moved.size, moved, low[moved], high[moved])
        solved = self._linear(guard_s)
        self._solver.changeColsBounds(moved.size, moved, model.low[moved], model.high[moved])
        return solved

    def probe(self, row: int, levels: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """The dual of an equality row at other right-hand sides, between given bounds of the columns.

        Args:
            row: The row.
            levels: Its right-hand sides, shape (K,).
            low: Lower bounds of the columns.
            high: Upper bounds.

        Returns:
            Duals, shape (K,); NaN where there is no answer.
        """
        model = self.model
        moved = np.flatnonzero((low != model.low) | (high != model.high)).astype(np.int32)
        self._solver.changeColsBounds(moved.size, moved, low[moved], high[moved])
        found = np.full(levels.shape, np.nan)
        for k, level in enumerate(levels.tolist()):
            self._solver.changeRowBounds(row, level, level)
            solved = self._linear(_PROBE_GUARD_S)
            if solved.feasible:
                found[k] = solved.row_dual[row]
        self._solver.changeRowBounds(row, float(model.row_low[row]), float(model.row_high[row]))
        self._solver.changeColsBounds(moved.size, moved, model.low[moved], model.high[moved])
        return found

    def search(self, limits: MipLimits, start: FloatArray | None = None, high: FloatArray | None = None) -> Solved:
        """Branch and bound on the whole columns.

        Args:
            limits: When to stop.
            start: A point to begin from; its whole columns are enough, the rest is completed.
            high: Narrower upper bounds of the continuous columns; the model's own come back.
        """
        model = self.model
        narrower = np.zeros(0, dtype=np.int32)
        if high is not None:
            narrower = np.flatnonzero((high < model.high) & ~model.integer).astype(np.int32)
            self._solver.changeColsBounds(narrower.size, narrower, model.low[narrower], high[narrower])
        solved = self._search(limits, start)
        self._solver.changeColsBounds(narrower.size, narrower, model.low[narrower], model.high[narrower])
        return solved

    def _search(self, limits: MipLimits, start: FloatArray | None) -> Solved:
        solver = self._solver
        self._set(
            mip_rel_gap=limits.gap_frac,
            mip_abs_gap=limits.gap_cny,
            mip_max_nodes=limits.nodes,
            time_limit=solver.getRunTime() + limits.guard_s,
            solve_relaxation=False,
        )
        solver.clearSolver()
        if start is not None:
            whole = np.flatnonzero(self.model.integer).astype(np.int32)
            solver.setSolution(whole.size, whole, np.round(start[whole]))
        solver.run()
        info, solution = solver.getInfo(), solver.getSolution()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return _nothing(float(info.mip_dual_bound))
        proven = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return Solved(
            True, proven, float(info.objective_function_value), float(info.mip_dual_bound), np.array(solution.col_value)
        )

    def _linear(self, guard_s: float) -> Solved:
        solver = self._solver
        self._set(solve_relaxation=True, time_limit=solver.getRunTime() + guard_s)
        if self._basis is not None:
            solver.setBasis(self._basis)
        solver.run()
        if self._basis is not None and solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            # A neighbour's basis may be one that the solver cannot repair; a plan is not lost for that.
            solver.clearSolver()
            solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            self._basis = None
            return _nothing(-np.inf)
        self._basis = solver.getBasis()
        solution = solver.getSolution()
        objective = float(solver.getInfo().objective_function_value)
        x, row_dual = np.array(solution.col_value), np.array(solution.row_dual)
        return Solved(True, True, objective, objective, x, row_dual, np.array(solution.col_dual))

    def _change(self, before: LinearModel, after: LinearModel) -> None:
        solver = self._solver
        moved = np.flatnonzero((before.low != after.low) | (before.high != after.high)).astype(np.int32)
        if moved.size:
            solver.changeColsBounds(moved.size, moved, after.low[moved], after.high[moved])
        moved = np.flatnonzero((before.row_low != after.row_low) | (before.row_high != after.row_high)).astype(np.int32)
        if moved.size:
            solver.changeRowsBounds(moved.size, moved, after.row_low[moved], after.row_high[moved])
        moved = np.flatnonzero(before.cost != after.cost).astype(np.int32)
        if moved.size:
            solver.changeColsCost(moved.size, moved, after.cost[moved])
        solver.changeObjectiveOffset(after.offset_cny)

    def _set(self, **options: float | int | bool | str) -> None:
        for name, value in options.items():
            self._solver.setOptionValue(name, value)


class ModelCache:
    """Kept models by structure, the least recently used forgotten; it belongs to one worker and to nobody's result."""

    def __init__(self, most: int = 64, **options: float | str | bool) -> None:
        """An empty cache.

        Args:
            most: So many models are kept: one for each phase of the hour and part of the park.
            options: HiGHS options of each.
        """
        self._most, self._options = most, options
        self._kept: OrderedDict[tuple[int, ...], KeptModel] = OrderedDict()
        self.last: Remembered | None = None

    def hold(self, model: LinearModel, place: int = 0) -> KeptModel:
        """The solver that held a model of this structure last, with the new numbers in it; or a new one.

        Args:
            model: What it is to hold.
            place: Which part of a problem it is: parts of equal structure are held side by side.
        """
        shape = model.matrix.shape
        key = (place, shape[0], shape[1], model.matrix.nnz, hash(model.matrix.indices.tobytes()))
        kept = self._kept.pop(key, None) or KeptModel(**self._options)
        kept.hand_over(model)
        self._kept[key] = kept
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return kept


def _same_matrix(a: LinearModel, b: LinearModel) -> bool:
    return (
        a.matrix.shape == b.matrix.shape
        and np.array_equal(a.matrix.indptr, b.matrix.indptr)
        and np.array_equal(a.matrix.indices, b.matrix.indices)
        and np.array_equal(a.matrix.data, b.matrix.data)
        and np.array_equal(a.integer, b.integer)
    )


def _nothing(bound_cny: float) -> Solved:
    return Solved(False, False, np.inf, bound_cny, np.zeros(0))
