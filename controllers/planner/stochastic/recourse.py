"""The second stage: one kept linear program a scenario, asked again and again what a first stage costs it.

A first stage only moves row bounds of the scenario's program, so each is solved from its own last basis; the first time from
that of the mean scenario.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import highspy
import numpy as np

from controllers.planner.kept import SilentHighs
from controllers.planner.model import LinearModel
from controllers.planner.stochastic.split import TwoStage
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Answers", "Evaluation", "Recourse"]

_OPTIMAL: Final = highspy.HighsModelStatus.kOptimal
_COLWISE: Final = int(highspy.MatrixFormat.kColwise)
_MINIMISE: Final = int(highspy.ObjSense.kMinimize)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a first stage costs in each scenario of a share.

    Args:
        which: Their numbers, shape (S,).
        cost_cny: Second-stage cost with the scenario's constant, shape (S,).
        slope: Change of that cost with each link, shape (S, L): with `at` it is a cut that holds for every first stage.
    """

    which: IntArray
    cost_cny: FloatArray
    slope: FloatArray


@dataclass(frozen=True, slots=True)
class Answers:
    """What the scenarios of a share do.

    Args:
        which: Their numbers, shape (S,).
        x: Later columns, shape (S, later columns).
        row_dual: Of later rows, shape (S, later rows).
        column_dual: Of later columns, shape (S, later columns).
    """

    which: IntArray
    x: FloatArray
    row_dual: FloatArray
    column_dual: FloatArray


@dataclass(slots=True)
class _Kept:
    solver: Any
    row_low: FloatArray
    row_high: FloatArray
    offset_cny: float
    solved: bool = False


@dataclass(slots=True)
class Recourse:
    """The programs of some scenarios, in one process.

    Args:
        problem: The cut model.
        which: The scenarios' numbers, shape (S,).
    """

    problem: TwoStage
    which: IntArray
    _kept: list[_Kept] = field(default_factory=list)
    _linked: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def __post_init__(self) -> None:
        self._linked = np.flatnonzero(np.diff(self.problem.links.spread.indptr)).astype(np.int32)
        self._hand_over()

    def retell(self, problem: TwoStage) -> None:
        """Takes other numbers of the same cut; every program keeps its basis."""
        self.problem = problem
        self._hand_over()

    def evaluate(self, linked: FloatArray) -> Evaluation:
        """Solves every scenario for a first stage.

        Args:
            linked: The links' values, shape (L,).

        Raises:
            PlanError: A scenario has no answer: a row lacks its way out.
        """
        spread = self.problem.links.spread
        moved = spread @ linked
        cost, slope = np.empty(self.which.size), np.empty((self.which.size, linked.size))
        basis = self._mean_basis(moved) if any(not kept.solved for kept in self._kept) else None
        for place, kept in enumerate(self._kept):
            duals, cost[place] = self._solve(place, kept, moved, basis)
            slope[place] = -(spread.T @ duals)
        return Evaluation(self.which, cost, slope)

    def answers(self) -> Answers:
        """The last answer of each scenario."""
        solutions = [kept.solver.getSolution() for kept in self._kept]
        shape = (len(solutions), -1)
        x, rows, columns = (
            np.array([getattr(one, name) for one in solutions], dtype=np.float64).reshape(shape)
            for name in ("col_value", "row_dual", "col_dual")
        )
        return Answers(self.which, x, rows, columns)

    def _solve(self, place: int, kept: _Kept, moved: FloatArray, basis: Any) -> tuple[FloatArray, float]:
        solver, linked = kept.solver, self._linked
        solver.changeRowsBounds(
            linked.size, linked, kept.row_low[linked] - moved[linked], kept.row_high[linked] - moved[linked]
        )  # fmt: skip
        if basis is not None and not kept.solved:
            solver.setBasis(basis)
        solver.run()
        if solver.getModelStatus() != _OPTIMAL:
            # A basis carried over can be numerically poor; from nothing there is none.
            solver.clearSolver()
            solver.run()
        if solver.getModelStatus() != _OPTIMAL:
            name = solver.modelStatusToString(solver.getModelStatus())
            raise PlanError(f"scenario {self.which[place]}: the second stage has no answer ({name}); a row lacks its way out")
        kept.solved = True
        solution = solver.getSolution()
        return np.array(solution.row_dual), float(solver.getInfo().objective_function_value) + kept.offset_cny

    def _mean_basis(self, moved: FloatArray) -> Any:
        """Where every scenario starts the first time: measured a quarter faster than from the scenario before it."""
        told = self.problem
        model = later_part(told, told.scenarios.mean(told.model))
        kept = _Kept(_solver_of(model), model.row_low, model.row_high, 0.0)
        self._solve(0, kept, moved, None)
        return kept.solver.getBasis()

    def _hand_over(self) -> None:
        told, fresh = self.problem, not self._kept
        for place, number in enumerate(self.which.tolist()):
            whole = told.scenarios.one(told.model, number)
            model = later_part(told, whole)
            if fresh:
                self._kept.append(_Kept(_solver_of(model), model.row_low, model.row_high, whole.offset_cny))
                continue
            kept = self._kept[place]
            every = np.arange(model.cost.size, dtype=np.int32)
            kept.solver.changeColsBounds(every.size, every, model.low, model.high)
            kept.solver.changeColsCost(every.size, every, model.cost)
            rows = np.arange(model.row_low.size, dtype=np.int32)
            kept.solver.changeRowsBounds(rows.size, rows, model.row_low, model.row_high)
            kept.row_low, kept.row_high, kept.offset_cny = model.row_low, model.row_high, whole.offset_cny


def later_part(problem: TwoStage, model: LinearModel) -> LinearModel:
    """The second stage's program at a first stage of zeros, all columns continuous."""
    return model.part(problem.later_columns, problem.later_rows).relaxed()


def _solver_of(model: LinearModel) -> Any:
    solver: Any = SilentHighs()
    for name, value in (("threads", 1), ("random_seed", 0)):
        solver.setOptionValue(name, value)
    matrix = model.matrix
    status = solver.passModel(
        matrix.shape[1], matrix.shape[0], matrix.nnz, _COLWISE, _MINIMISE, 0.0,
        model.cost, model.low, model.high, model.row_low, model.row_high,
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, np.zeros(matrix.shape[1], dtype=np.int32),
    )  # fmt: skip
    if status == highspy.HighsStatus.kError:
        raise PlanError("the solver refused a scenario: its bounds cross, or a number is not finite")
    return solver
