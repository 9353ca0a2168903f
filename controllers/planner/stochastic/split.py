"""A linear model in two stages: what is decided before the weather is known, and what answers to it.

Columns are shared or they are not; no row is written for it. Three things follow by themselves: a column that an equality ties
to shared columns alone is shared as well (what a store holds after an hour of shared set-points), so is everything that no
scenario touches once the shared columns are fixed (heats made, starts, an area without wind), and a row is of the first stage
if all its columns are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from controllers.planner.model import LinearModel
from vpp.errors import PlanError
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["Elastic", "Links", "Scenarios", "TwoStage", "two_stage", "with_elastic"]

#: Entries of a row as shares of its first one are equal if they differ by less.
_SAME_SHARE: Final = 10


@dataclass(frozen=True, slots=True)
class Scenarios:
    """The numbers in which scenarios differ from one another: bounds of some rows and of some columns.

    Args:
        probability: Of each scenario, sum 1, shape (S,).
        rows: Which rows vary, shape (R,).
        row_low: Shape (S, R).
        row_high: Shape (S, R).
        columns: Which columns vary, shape (C,).
        low: Shape (S, C).
        high: Shape (S, C).
        offset_cny: Constant cost, shape (S,).
    """

    probability: FloatArray
    rows: IntArray
    row_low: FloatArray
    row_high: FloatArray
    columns: IntArray
    low: FloatArray
    high: FloatArray
    offset_cny: FloatArray

    def __post_init__(self) -> None:
        count = self.probability.size
        shapes = {
            "row_low": (self.row_low.shape, (count, self.rows.size)),
            "row_high": (self.row_high.shape, (count, self.rows.size)),
            "low": (self.low.shape, (count, self.columns.size)),
            "high": (self.high.shape, (count, self.columns.size)),
            "offset_cny": (self.offset_cny.shape, (count,)),
        }
        for name, (is_shape, right) in shapes.items():
            if is_shape != right:
                raise PlanError(f"scenarios: {name} has shape {is_shape}; {count} scenarios need {right}")
        if count == 0 or abs(float(self.probability.sum()) - 1.0) > 1e-9 or bool((self.probability < 0.0).any()):
            raise PlanError(f"scenarios: {count} probabilities with sum {self.probability.sum()}; they must be >= 0 and sum to 1")

    @property
    def count(self) -> int:
        """S."""
        return int(self.probability.size)

    @classmethod
    def of_models(cls, models: Sequence[LinearModel], probability: FloatArray | None = None) -> Scenarios:
        """What differs between models of one matrix and one set of costs; equally likely unless said otherwise.

        Raises:
            PlanError: They differ in more than bounds.
        """
        if not models:
            raise PlanError("scenarios: no model was given")
        one = models[0]
        for other in models[1:]:
            if not (
                np.array_equal(other.matrix.data, one.matrix.data) and np.array_equal(other.matrix.indices, one.matrix.indices)
            ):
                raise PlanError("scenarios: the matrices differ; only bounds of rows and columns may")
            if not np.array_equal(other.cost, one.cost):
                raise PlanError("scenarios: the costs differ; only bounds of rows and columns may")
        row_low, row_high, low, high = (
            np.array([getattr(model, name) for model in models]) for name in ("row_low", "row_high", "low", "high")
        )
        rows = np.flatnonzero(((row_low != row_low[0]) | (row_high != row_high[0])).any(axis=0))
        columns = np.flatnonzero(((low != low[0]) | (high != high[0])).any(axis=0))
        count = len(models)
        return cls(
            probability=np.full(count, 1.0 / count) if probability is None else probability,
            rows=rows, row_low=row_low[:, rows], row_high=row_high[:, rows],
            columns=columns, low=low[:, columns], high=high[:, columns],
            offset_cny=np.array([model.offset_cny for model in models]),
        )  # fmt: skip

    def part(self, which: IntArray) -> Scenarios:
        """Some of the scenarios, their probabilities brought to sum 1."""
        weight = self.probability[which]
        return Scenarios(
            weight / weight.sum(), self.rows, self.row_low[which], self.row_high[which],
            self.columns, self.low[which], self.high[which], self.offset_cny[which],
        )  # fmt: skip

    def mean(self, model: LinearModel) -> LinearModel:
        """The model between the mean bounds: its optimum is no dearer than the scenarios' (Jensen)."""
        return self._between(model, self.probability)

    def one(self, model: LinearModel, which: int) -> LinearModel:
        """The model of one scenario."""
        return self._between(model, np.eye(self.count)[which])

    def _between(self, model: LinearModel, weight: FloatArray) -> LinearModel:
        row_low, row_high, low, high = (a.copy() for a in (model.row_low, model.row_high, model.low, model.high))
        for told, where, kept in (
            (row_low, self.rows, self.row_low),
            (row_high, self.rows, self.row_high),
            (low, self.columns, self.low),
            (high, self.columns, self.high),
        ):
            told[where] = _weighed(weight, kept)
        offset = float(weight @ self.offset_cny)
        return replace(model, row_low=row_low, row_high=row_high, low=low, high=high, offset_cny=offset)


def _weighed(weight: FloatArray, kept: FloatArray) -> FloatArray:
    """Weighted rows; an infinite bound stays infinite, and one without weight says nothing."""
    said = weight > 0.0
    found: FloatArray = weight[said] @ kept[said]
    return found


@dataclass(frozen=True, slots=True)
class Elastic:
    """A way out of some rows at a price, so that every scenario has an answer to every first stage.

    Args:
        rows: Rows of the model, each may be given way in.
        coefficient: Of the new column in its row: +1 supplies what the row lacks, -1 takes what it has too much.
        cny: Price of a unit, a scalar or shape (rows,).
        name: What giving way means, as in `shed_mw`.
    """

    rows: IntArray
    coefficient: float
    cny: float | FloatArray
    name: str


def with_elastic(model: LinearModel, ways: Sequence[Elastic]) -> tuple[LinearModel, dict[str, IntArray]]:
    """The model with a column >= 0 for each way out, behind its own columns; and where those stand."""
    count = model.cost.size
    named: dict[str, IntArray] = {}
    cells: list[tuple[IntArray, IntArray, FloatArray]] = []
    costs: list[FloatArray] = []
    for way in ways:
        columns = np.arange(count, count + way.rows.size)
        named[way.name] = np.concatenate([named.get(way.name, columns[:0]), columns])
        cells.append((way.rows, columns - model.cost.size, np.full(way.rows.size, way.coefficient)))
        costs.append(np.broadcast_to(np.asarray(way.cny, dtype=np.float64), (way.rows.size,)).copy())
        count += way.rows.size
    new = count - model.cost.size
    if new == 0:
        return model, named
    rows, columns, values = (np.concatenate(part) for part in zip(*cells, strict=True))
    added = csc_matrix((values, (rows, columns)), shape=(model.matrix.shape[0], new))
    both = model.matrix.indptr, added.indptr[1:] + model.matrix.nnz
    matrix = csc_matrix(
        (
            np.concatenate([model.matrix.data, added.data]),
            np.concatenate([model.matrix.indices, added.indices]),
            np.concatenate(both),
        ),
        shape=(model.matrix.shape[0], count),
    )
    items = (*model.items, "elastic")
    return (
        replace(
            model,
            cost=np.concatenate([model.cost, *costs]),
            low=np.concatenate([model.low, np.zeros(new)]),
            high=np.concatenate([model.high, np.full(new, np.inf)]),
            integer=np.concatenate([model.integer, np.zeros(new, dtype=bool)]),
            matrix=matrix,
            item=np.concatenate([model.item, np.full(new, len(model.items))]),
            items=items,
        ),
        named,
    )


@dataclass(frozen=True, slots=True)
class Links:
    """What the second stage sees of the first: few numbers `v = rows @ y`, each in one or several rows of it.

    Args:
        define: `v` out of the first stage's columns, shape (L, first columns).
        spread: `B y = spread @ v`, shape (later rows, L).
    """

    define: csr_matrix
    spread: csr_matrix

    @property
    def count(self) -> int:
        """L."""
        return int(self.define.shape[0])


@dataclass(frozen=True, slots=True)
class TwoStage:
    """A model cut in two.

    Args:
        model: All of it, ways out included; its own bounds are some scenario's or the mean's.
        scenarios: What varies; only rows and columns of the second stage.
        first: Whether a column is shared by all scenarios, shape (columns,).
        columns: The shared ones' indices, shape (F,).
        rows: Rows that touch shared columns only.
        later_columns: The others.
        later_rows: The others.
        links: How the shared columns enter the later rows.
    """

    model: LinearModel
    scenarios: Scenarios
    first: BoolArray
    columns: IntArray
    rows: IntArray
    later_columns: IntArray
    later_rows: IntArray
    links: Links

    def retold(self, scenarios: Scenarios, model: LinearModel | None = None) -> TwoStage:
        """The same cut with other numbers.

        Args:
            scenarios: The same rows and columns vary.
            model: Other bounds and costs of the same matrix; None for the ones at hand.
        """
        return replace(self, scenarios=scenarios, model=model or self.model)


def two_stage(model: LinearModel, shared: BoolArray, scenarios: Scenarios) -> TwoStage:
    """Cuts a model.

    Args:
        model: With its ways out.
        shared: Columns that are decided before the scenario is known, shape (columns,).
        scenarios: What varies.

    Raises:
        PlanError: A shared column varies, or a row that holds shared columns alone.
    """
    first = _all_shared(model, shared, scenarios)
    by_row = model.matrix.tocsr()
    later = np.asarray(by_row[:, ~first].getnnz(axis=1)) > 0
    if bool(first[scenarios.columns].any()):
        raise PlanError("two stages: a shared column has bounds that differ between scenarios; leave it to the second stage")
    if bool((~later[scenarios.rows]).any()):
        raise PlanError("two stages: a row of shared columns alone differs between scenarios; no first stage could keep it")
    columns, later_rows = np.flatnonzero(first), np.flatnonzero(later)
    links = _links(csr_matrix(by_row[later_rows][:, columns]))
    return TwoStage(
        model, scenarios, first, columns, np.flatnonzero(~later), np.flatnonzero(~first), later_rows, links
    )  # fmt: skip


def _all_shared(model: LinearModel, shared: BoolArray, scenarios: Scenarios) -> BoolArray:
    first = shared.copy()
    varies = np.zeros(model.row_low.shape, dtype=bool)
    varies[scenarios.rows] = True
    free = np.zeros(first.shape, dtype=bool)
    free[scenarios.columns] = True
    by_row = model.matrix.tocsr()
    equal = (model.row_low == model.row_high) & ~varies
    pattern = csr_matrix((np.ones(by_row.nnz), by_row.indices, by_row.indptr), shape=by_row.shape)
    while True:
        unknown = pattern @ (~first).astype(np.float64)
        tied = np.flatnonzero(equal & (unknown == 1.0))
        found = np.unique(by_row[tied].indices)
        found = found[~first[found] & ~free[found]]
        if not found.size:
            break
        first[found] = True
    return _untouched(by_row, first, varies, free)


def _untouched(by_row: csr_matrix, first: BoolArray, varies: BoolArray, free: BoolArray) -> BoolArray:
    """Adds what hangs together with nothing that varies, once the shared columns are fixed."""
    rows, columns = by_row.shape
    cells = coo_matrix(by_row)
    kept = ~first[cells.col]
    graph = coo_matrix((np.ones(int(kept.sum())), (cells.row[kept], cells.col[kept] + rows)), shape=(rows + columns,) * 2)
    parts, label = connected_components(graph, directed=False)
    touched = np.zeros(parts, dtype=bool)
    touched[label[:rows][varies]] = True
    touched[label[rows:][free]] = True
    untouched: BoolArray = ~touched[label[rows:]]
    return first | untouched


def _links(technology: csr_matrix) -> Links:
    """Rows that are multiples of one another share one number."""
    seen: dict[bytes, int] = {}
    kept: list[int] = []
    cells: list[tuple[int, int, float]] = []
    for row in range(technology.shape[0]):
        begin, end = int(technology.indptr[row]), int(technology.indptr[row + 1])
        if begin == end:
            continue
        scale = float(technology.data[begin])
        shares = np.round(technology.data[begin:end] / scale, _SAME_SHARE)
        key = technology.indices[begin:end].tobytes() + shares.tobytes()
        if key not in seen:
            seen[key] = len(kept)
            kept.append(row)
        link = seen[key]
        own = float(technology.data[int(technology.indptr[kept[link]])])
        cells.append((row, link, scale / own))
    rows, columns, values = (np.array(part) for part in zip(*cells, strict=True)) if cells else (np.zeros(0, dtype=int),) * 3
    spread = csr_matrix((values, (rows, columns)), shape=(technology.shape[0], len(kept)))
    return Links(csr_matrix(technology[kept]), spread)
