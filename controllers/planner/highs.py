"""One linear model in HiGHS: handed over as arrays, solved under a counted budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from controllers.planner.kept import SilentHighs
from controllers.planner.model import LinearModel
from controllers.planner.result import PlanStatus
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Answer", "SolveSettings", "independent_parts", "optimise"]


@dataclass(frozen=True, slots=True)
class SolveSettings:
    """How long to look for a better plan; nodes are counted so that a run repeats to the bit, the clock only guards.

    Args:
        search: `round`: relax, round, fix, two linear programs whatever the park; `tree`: branch and bound on the heats as well.
        gap_frac: A tree search stops when the answer is proven to be this close, as a share of gross cost.
        max_nodes: It stops after so many nodes.
        guard_s: It stops after this time whatever happens; a run in which this fires does not repeat.
        search_s: The same for the tree search alone, which has a plan to fall back on.
        curves: Whether to price every store at several levels as well, which takes some more linear programs.
    """

    search: Literal["round", "tree"] = "round"
    gap_frac: float = 2e-3
    max_nodes: int = 200
    guard_s: float = 60.0
    search_s: float = 60.0
    curves: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the solver found.

    Args:
        status: `none` when it found nothing feasible; then the rest is NaN.
        x: Columns.
        dual: Cost of one more unit on each row's bound.
    """

    status: PlanStatus
    x: FloatArray
    dual: FloatArray
    objective_cny: float
    bound_cny: float


def independent_parts(model: LinearModel) -> list[tuple[IntArray, IntArray]]:
    """Columns and rows of the parts that share nothing: an island is planned apart from the areas on the grid, exactly.

    Columns without a row all count to the first part; rows without a column say nothing and belong to none.
    """
    n_rows, n_columns = model.matrix.shape
    cells = model.matrix.tocoo()
    n = n_rows + n_columns
    graph = coo_matrix((np.ones(cells.nnz), (cells.row, cells.col + n_rows)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    of_row, of_column = label[:n_rows], label[n_rows:].copy()
    used = np.intersect1d(of_row, of_column)
    of_column[~np.isin(of_column, used)] = used[0]
    return [(np.flatnonzero(of_column == part), np.flatnonzero(of_row == part)) for part in used]


def optimise(model: LinearModel, settings: SolveSettings) -> Answer:
    """The best answer within the budget.

    Args:
        model: What to minimise.
        settings: The budget.

    Raises:
        PlanError: A cost, bound or coefficient is not a number, or the solver refuses the model.
    """
    numbers = (model.cost, model.low, model.high, model.row_low, model.row_high, model.matrix.data)
    if any(bool(np.isnan(part).any()) for part in numbers):
        raise PlanError("a cost, bound or coefficient of the model is not a number")
    solver: Any = SilentHighs()
    for option, value in (
        ("threads", 1),
        ("random_seed", 0),
        ("mip_rel_gap", settings.gap_frac),
        ("mip_max_nodes", settings.max_nodes),
        ("time_limit", settings.guard_s),
    ):
        solver.setOptionValue(option, value)
    if solver.passModel(_to_highs(model)) == highspy.HighsStatus.kError:
        raise PlanError("the solver refused the model: its bounds cross or a size is wrong")
    solver.run()
    info, solution = solver.getInfo(), solver.getSolution()
    status: PlanStatus = "optimal"
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        status = "incumbent" if feasible else "none"
    if status == "none":
        nothing = np.full(model.matrix.shape[1], np.nan), np.full(model.matrix.shape[0], np.nan)
        return Answer(status, *nothing, np.nan, np.nan)
    objective = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if bool(model.integer.any()) else objective
    return Answer(status, np.array(solution.col_value), np.array(solution.row_dual), objective, bound)


def _to_highs(model: LinearModel) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = model.matrix.shape[1], model.matrix.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.low, model.high
    lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
    lp.offset_ = model.offset_cny
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = model.matrix.indptr
    lp.a_matrix_.index_ = model.matrix.indices
    lp.a_matrix_.value_ = model.matrix.data
    if model.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(whole)] for whole in model.integer]
    return lp
