"""The same two stages as one linear model, every scenario with columns of its own: exact, and slow beyond a few scenarios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import bmat, csc_matrix

from controllers.planner.model import LinearModel
from controllers.planner.stochastic.split import TwoStage
from vpp.units import IntArray

__all__ = ["extensive_form"]


def extensive_form(problem: TwoStage, without: IntArray | None = None) -> LinearModel:
    """One model whose optimum is the two-stage problem's, for the mean of the scenarios.

    Args:
        problem: The cut model.
        without: Columns of the whole model that are held at zero, as ways out that a specification does not know.
    """
    model, told = problem.model, problem.scenarios
    if without is not None:
        high = model.high.copy()
        high[without] = 0.0
        model = replace(model, high=high)
    by_row = model.matrix.tocsr()
    here, later = problem.columns, problem.later_columns
    own = by_row[problem.rows][:, here]
    linking, recourse = by_row[problem.later_rows][:, here], by_row[problem.later_rows][:, later]
    each = [told.one(model, s) for s in range(told.count)]
    blocks = [[own, *[None] * told.count]]
    for s in range(told.count):
        blocks.append([linking, *[recourse if k == s else None for k in range(told.count)]])
    weighed = [chance * one.cost[later] for chance, one in zip(told.probability, each, strict=True)]
    return LinearModel(
        cost=np.concatenate([model.cost[here], *weighed]),
        low=np.concatenate([model.low[here], *[one.low[later] for one in each]]),
        high=np.concatenate([model.high[here], *[one.high[later] for one in each]]),
        integer=np.concatenate([model.integer[here], *[model.integer[later] for _ in each]]),
        row_low=np.concatenate([model.row_low[problem.rows], *[one.row_low[problem.later_rows] for one in each]]),
        row_high=np.concatenate([model.row_high[problem.rows], *[one.row_high[problem.later_rows] for one in each]]),
        matrix=csc_matrix(bmat(blocks, format="csc")),
        offset_cny=float(told.probability @ told.offset_cny),
    )
