"""A linear model as arrays, handed to HiGHS in one call.

Blocks add columns and rows; a row takes terms as `(rows, columns, coefficients)` triplets, so that a whole horizon is added
at once and no Python loop runs over assets times intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_matrix

from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["LinearModel", "ModelBuilder", "Term", "lagged", "term", "window"]

Term: TypeAlias = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Minimise `cost @ x` with `row_low <= matrix @ x <= row_high` and `low <= x <= high`."""

    cost: FloatArray
    low: FloatArray
    high: FloatArray
    integer: BoolArray
    row_low: FloatArray
    row_high: FloatArray
    matrix: csc_matrix
    offset_cny: float

    def part(self, columns: IntArray, rows: IntArray) -> LinearModel:
        """The model of some columns and the rows they are in; the offset stays with the whole."""
        return LinearModel(
            cost=self.cost[columns],
            low=self.low[columns],
            high=self.high[columns],
            integer=self.integer[columns],
            row_low=self.row_low[rows],
            row_high=self.row_high[rows],
            matrix=csc_matrix(self.matrix[rows][:, columns]),
            offset_cny=0.0,
        )

    def relaxed(self) -> LinearModel:
        """The same model with all columns continuous."""
        return replace(self, integer=np.zeros_like(self.integer))

    def fixed(self, low: FloatArray, high: FloatArray) -> LinearModel:
        """The same model between other bounds, all columns continuous."""
        return replace(self, low=low, high=high, integer=np.zeros_like(self.integer))


@dataclass(slots=True)
class ModelBuilder:
    """Collects columns, rows and triplets; `build` makes the model once."""

    _low: list[FloatArray] = field(default_factory=list)
    _high: list[FloatArray] = field(default_factory=list)
    _cost: list[FloatArray] = field(default_factory=list)
    _integer: list[BoolArray] = field(default_factory=list)
    _row_low: list[FloatArray] = field(default_factory=list)
    _row_high: list[FloatArray] = field(default_factory=list)
    _triplets: list[Term] = field(default_factory=list)
    _n_columns: int = 0
    _n_rows: int = 0
    offset_cny: float = 0.0

    def columns(
        self, n: int, *, low: ArrayLike = 0.0, high: ArrayLike = np.inf, cost: ArrayLike = 0.0, integer: bool = False
    ) -> IntArray:
        """Adds n columns; returns their indices, shape (n,). Bounds and costs are scalars or shape (n,)."""
        self._low.append(_full(low, n))
        self._high.append(_full(high, n))
        self._cost.append(_full(cost, n))
        self._integer.append(np.full(n, integer))
        first = self._n_columns
        self._n_columns += n
        return np.arange(first, first + n)

    def rows(self, n: int, *terms: Term, low: ArrayLike = -np.inf, high: ArrayLike = np.inf) -> IntArray:
        """Adds n rows over the terms (their rows counted from 0); returns the rows' indices, shape (n,)."""
        self._row_low.append(_full(low, n))
        self._row_high.append(_full(high, n))
        first = self._n_rows
        self._n_rows += n
        for rows, columns, coefficients in terms:
            self._triplets.append((rows + first, columns, coefficients))
        return np.arange(first, first + n)

    def build(self) -> LinearModel:
        """The model; terms that meet in one cell are summed."""
        rows, columns, coefficients = (np.concatenate(part) for part in zip(*self._triplets, strict=True))
        matrix = csc_matrix((coefficients, (rows, columns)), shape=(self._n_rows, self._n_columns))
        matrix.sum_duplicates()
        matrix.sort_indices()
        return LinearModel(
            cost=np.concatenate(self._cost),
            low=np.concatenate(self._low),
            high=np.concatenate(self._high),
            integer=np.concatenate(self._integer),
            row_low=np.concatenate(self._row_low),
            row_high=np.concatenate(self._row_high),
            matrix=matrix,
            offset_cny=self.offset_cny,
        )


def term(columns: IntArray, coefficient: ArrayLike = 1.0) -> Term:
    """Column i in row i."""
    n = columns.shape[0]
    return np.arange(n), columns, _full(coefficient, n)


def lagged(columns: IntArray, by: int, coefficient: ArrayLike = 1.0) -> Term:
    """Column i - by in row i; the first `by` rows see nothing (their past is in the row's bounds)."""
    n = columns.shape[0]
    return np.arange(by, n), columns[: max(n - by, 0)], _full(coefficient, n)[by:]


def window(columns: IntArray, steps: int, coefficient: float = 1.0) -> Term:
    """The sum of columns i - steps + 1 .. i in row i."""
    n = columns.shape[0]
    row: NDArray[np.int64] = np.repeat(np.arange(n), steps)
    back = np.tile(np.arange(steps), n)
    keep = row - back >= 0
    return row[keep], columns[(row - back)[keep]], np.full(int(keep.sum()), coefficient)


def _full(value: ArrayLike, n: int) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)).copy()
