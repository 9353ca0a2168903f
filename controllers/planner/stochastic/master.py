"""The first stage's program: its own rows, and what cuts know of the second stage's cost. It stays in the solver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import highspy
import numpy as np
from scipy.sparse import bmat, csc_matrix, csr_matrix, identity

from controllers.planner.kept import SilentHighs
from controllers.planner.stochastic.recourse import Evaluation
from controllers.planner.stochastic.risk import Risk
from controllers.planner.stochastic.split import TwoStage
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Master", "Point"]

#: What the second stage may cost at least before a cut says better. [CNY]
UNKNOWN_CNY: Final = -1e8
#: A slope below this is rounding of the solver. [CNY a unit]
_NO_SLOPE: Final = 1e-9
_COLWISE: Final = int(highspy.MatrixFormat.kColwise)
_MINIMISE: Final = int(highspy.ObjSense.kMinimize)


@dataclass(frozen=True, slots=True)
class Point:
    """A first stage and what the master believes of it.

    Args:
        first: Its columns, shape (F,).
        believed_cny: Cost by the cuts; over all first stages the least of it is a bound.
        row_dual: Of the first stage's rows, shape (rows,); empty where nobody solved for it.
        column_dual: Of its columns, shape (F,); empty where nobody solved for it.
    """

    first: FloatArray
    believed_cny: float
    row_dual: FloatArray = field(default_factory=lambda: np.zeros(0))
    column_dual: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(slots=True)
class Master:
    """`min c'y + risk(theta)` over the first stage's rows and bounds, links, and cuts on `theta`.

    Columns: first stage, links, theta of each scenario, and with a risk weight the value at risk and what lies above it.

    Args:
        problem: The cut model.
        risk: How costs of scenarios are weighed.
    """

    problem: TwoStage
    risk: Risk
    _solver: Any = field(init=False)
    _links: IntArray = field(init=False)
    _theta: IntArray = field(init=False)
    cuts: int = 0

    def __post_init__(self) -> None:
        told, risk = self.problem, self.risk
        first, links, count = told.columns.size, told.links.count, told.scenarios.count
        self._links = np.arange(first, first + links)
        self._theta = np.arange(first + links, first + links + count)
        chance = told.scenarios.probability
        tail = risk.weight > 0.0
        model, whole = told.model, told.model.matrix.tocsr()
        cost = [model.cost[told.columns], np.zeros(links), (1.0 - risk.weight) * chance]
        low = [model.low[told.columns], np.full(links, -np.inf), np.full(count, UNKNOWN_CNY)]
        high = [model.high[told.columns], np.full(links + count, np.inf)]
        blocks: list[list[Any]] = [
            [whole[told.rows][:, told.columns], None, None],
            [told.links.define, -identity(links, format="csr"), csr_matrix((links, count))],
        ]
        row_low, row_high = [model.row_low[told.rows], np.zeros(links)], [model.row_high[told.rows], np.zeros(links)]
        if tail:
            # above_s >= theta_s - value at risk
            cost += [np.array([risk.weight]), risk.weight / (1.0 - risk.level) * chance]
            low += [np.array([-np.inf]), np.zeros(count)]
            high.append(np.full(1 + count, np.inf))
            one = csr_matrix(np.ones((count, 1)))
            blocks = [[*row, None, None] for row in blocks]
            blocks.append([None, None, -identity(count, format="csr"), one, identity(count, format="csr")])
            row_low.append(np.zeros(count))
            row_high.append(np.full(count, np.inf))
        matrix = csc_matrix(bmat(blocks, format="csc"))
        self._solver = _solver_of(
            matrix, np.concatenate(cost), (np.concatenate(low), np.concatenate(high)),
            (np.concatenate(row_low), np.concatenate(row_high)),
        )  # fmt: skip

    def add_cuts(self, evaluation: Evaluation, first: FloatArray) -> None:
        """One cut a scenario: `theta_s >= cost_s + slope_s (v - v^)`."""
        linked = self.problem.links.define @ first
        slope = np.where(np.abs(evaluation.slope) > _NO_SLOPE, evaluation.slope, 0.0)
        known = evaluation.cost_cny - slope @ linked
        count = known.size
        cells = csr_matrix(slope)
        # theta of the scenario stands behind its links in every row.
        begins = cells.indptr[:-1] + np.arange(count)
        columns = np.insert(self._links[cells.indices], cells.indptr[1:], self._theta)
        values = np.insert(-cells.data, cells.indptr[1:], 1.0)
        self._solver.addRows(
            count, known, np.full(count, np.inf), values.size, begins.astype(np.int32), columns.astype(np.int32), values
        )  # fmt: skip
        self.cuts += count

    def solve(self, whole: tuple[FloatArray, FloatArray] | None = None) -> Point | None:
        """The cheapest first stage as far as the cuts know; None where there is none.

        Args:
            whole: Other bounds of the first stage's columns for this once, as of counts that were rounded.
        """
        model, columns = self.problem.model, np.arange(self.problem.columns.size, dtype=np.int32)
        if whole is not None:
            self._solver.changeColsBounds(columns.size, columns, *whole)
        self._solver.run()
        status = self._solver.getModelStatus()
        if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible):
            self._solver.clearSolver()
            self._solver.run()
            status = self._solver.getModelStatus()
        found: Point | None = None
        if status == highspy.HighsModelStatus.kOptimal:
            solution, rows = self._solver.getSolution(), self.problem.rows.size
            found = Point(
                np.array(solution.col_value)[: columns.size], float(self._solver.getInfo().objective_function_value),
                np.array(solution.row_dual)[:rows], np.array(solution.col_dual)[: columns.size],
            )  # fmt: skip
        if whole is not None:
            shared = self.problem.columns
            self._solver.changeColsBounds(columns.size, columns, model.low[shared], model.high[shared])
        return found


def _solver_of(
    matrix: csc_matrix, cost: FloatArray, bounds: tuple[FloatArray, FloatArray], rows: tuple[FloatArray, FloatArray]
) -> Any:
    solver: Any = SilentHighs()
    for name, value in (("threads", 1), ("random_seed", 0)):
        solver.setOptionValue(name, value)
    status = solver.passModel(
        matrix.shape[1], matrix.shape[0], matrix.nnz, _COLWISE, _MINIMISE, 0.0, cost, *bounds, *rows,
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, np.zeros(matrix.shape[1], dtype=np.int32),
    )  # fmt: skip
    if status == highspy.HighsStatus.kError:
        raise PlanError("the solver refused the first stage: its bounds cross, or a number is not finite")
    return solver
