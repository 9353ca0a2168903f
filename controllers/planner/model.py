"""A linear model as arrays, handed to HiGHS in one call.

Blocks add columns and rows; a row takes terms as `(rows, columns, coefficients)` triplets, so that a whole horizon is added
at once and no Python loop runs over assets times intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_matrix

from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["LinearModel", "ModelBuilder", "Term", "first_before", "first_since", "lagged", "spread", "term", "total", "window"]

#: Two instants closer than this are one. [h]
_SAME_H = 1e-9

Term: TypeAlias = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Minimise `cost @ x` with `row_low <= matrix @ x <= row_high` and `low <= x <= high`.

    Args:
        item: Which of `items` the cost of each column belongs to, shape (columns,).
        items: Names of cost items.
        offsets_cny: Constant cost by item; their sum is `offset_cny`.
        column_blocks: Columns of each block as it was added, which over a horizon is one for each interval.
        row_blocks: The same for rows.
    """

    cost: FloatArray
    low: FloatArray
    high: FloatArray
    integer: BoolArray
    row_low: FloatArray
    row_high: FloatArray
    matrix: csc_matrix
    offset_cny: float
    item: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    items: tuple[str, ...] = ()
    offsets_cny: Mapping[str, float] = field(default_factory=dict)
    column_blocks: tuple[int, ...] = ()
    row_blocks: tuple[int, ...] = ()

    def cost_items_cny(self, x: FloatArray) -> dict[str, float]:
        """Cost of an answer by item; their sum is its objective."""
        amounts = np.bincount(self.item, weights=self.cost * x, minlength=len(self.items))
        found = dict(self.offsets_cny)
        for name, amount in zip(self.items, amounts.tolist(), strict=True):
            found[name] = found.get(name, 0.0) + amount
        return {name: amount for name, amount in sorted(found.items()) if amount != 0.0}

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
    _item: list[IntArray] = field(default_factory=list)
    _items: dict[str, int] = field(default_factory=dict)
    _offsets: dict[str, float] = field(default_factory=dict)

    @property
    def n_columns(self) -> int:
        """Columns so far."""
        return self._n_columns

    def columns(
        self,
        n: int,
        *,
        low: ArrayLike = 0.0,
        high: ArrayLike = np.inf,
        cost: ArrayLike = 0.0,
        integer: bool = False,
        item: str = "other",
    ) -> IntArray:
        """Adds n columns; returns their indices, shape (n,). Bounds and costs are scalars or shape (n,).

        `item` names what the cost is for, as it stands in the plan's bill.
        """
        self._item.append(np.full(n, self._items.setdefault(item, len(self._items))))
        self._low.append(_full(low, n))
        self._high.append(_full(high, n))
        self._cost.append(_full(cost, n))
        self._integer.append(np.full(n, integer))
        first = self._n_columns
        self._n_columns += n
        return np.arange(first, first + n)

    def offset(self, cny: float, item: str) -> None:
        """Adds a cost that no decision changes."""
        self._offsets[item] = self._offsets.get(item, 0.0) + cny

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
            offset_cny=sum(self._offsets.values()),
            item=np.concatenate(self._item),
            items=tuple(self._items),
            offsets_cny=dict(self._offsets),
            column_blocks=tuple(len(block) for block in self._cost),
            row_blocks=tuple(len(block) for block in self._row_low),
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


def first_since(start_h: FloatArray, span_h: float) -> IntArray:
    """For each interval the first one that began less than a span before it, shape (T,); at most itself."""
    rows = np.arange(start_h.size)
    return np.minimum(np.searchsorted(start_h, start_h - span_h + _SAME_H), rows)


def first_before(start_h: FloatArray, step_h: FloatArray, span_h: float) -> IntArray:
    """For each interval the first one from whose start to its own end no more than a span passes, shape (T,); at most itself."""
    rows = np.arange(start_h.size)
    return np.minimum(np.searchsorted(start_h, start_h + step_h - span_h - _SAME_H), rows)


def spread(columns: IntArray, first: IntArray, coefficient: float = 1.0) -> Term:
    """The sum of columns `first[i]` .. i in row i: a window that may hold another number of intervals in every row."""
    width = np.arange(columns.shape[0]) - first + 1
    row: NDArray[np.int64] = np.repeat(np.arange(columns.shape[0]), width)
    back = np.arange(row.size) - np.repeat(np.cumsum(width) - width, width)
    return row, columns[row - back], np.full(row.size, coefficient)


def total(columns: IntArray, coefficient: ArrayLike = 1.0) -> Term:
    """All columns in one row."""
    n = columns.shape[0]
    return np.zeros(n, dtype=np.int64), columns, _full(coefficient, n)


def _full(value: ArrayLike, n: int) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)).copy()
