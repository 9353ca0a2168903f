"""A park's plan in two stages: commitments, set-points of the next hour and firm computing are shared, the rest answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.planner.blocks.base import Planned
from controllers.planner.draw import Blueprint, draw
from controllers.planner.model import LinearModel
from controllers.planner.problem import Problem
from controllers.planner.rounding import rounded_bounds
from controllers.planner.stochastic.split import Elastic, Scenarios, TwoStage, two_stage, with_elastic
from vpp.errors import PlanError
from vpp.ids import AssetId
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["FIRM_COMPUTE_H", "NEXT_H", "ParkTwoStage", "draw_park"]

#: Set-points of so many hours are shared by all scenarios.
NEXT_H: Final = 1.0
#: A cluster's cap in the next hours may only rise: what it is promised is the same whatever the wind does.
FIRM_COMPUTE_H: Final = 4.0
_FARMS: Final = ("wind", "solar")
#: Calling off a feeder is an emergency: it answers to the weather that comes, and nobody decides it before.
_ANSWERING: Final = (*_FARMS, "feeder")


@dataclass(frozen=True, slots=True)
class ParkTwoStage:
    """The cut model of a park, the blueprint that it was cut from, and where its ways out stand."""

    cut: TwoStage
    blueprint: Blueprint
    elastic: Mapping[str, IntArray]

    def rounded(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold all counts of an answer, rounded."""
        own, model = self.blueprint.model.cost.size, self.cut.model
        low, high = rounded_bounds(self.blueprint, x[:own], model.low[:own], model.high[:own])
        return np.concatenate([low, model.low[own:]]), np.concatenate([high, model.high[own:]])


def draw_park(problem: Problem, available_mw: Mapping[AssetId, FloatArray], like: ParkTwoStage | None = None) -> ParkTwoStage:
    """The two-stage model of a problem.

    Args:
        problem: With the expected available power.
        available_mw: Of each farm in each scenario, equally likely, shape (S, T).
        like: An earlier one; if its matrix is the same, so is its cut, and kept programs only change numbers.

    Raises:
        PlanError: A farm has no scenarios, or they are not on the problem's grid.
    """
    blueprint = draw(problem)
    model, elastic = with_elastic(blueprint.model, _ways_out(problem, blueprint))
    scenarios = _scenarios(problem, blueprint, available_mw)
    if like is not None and _same_matrix(like.cut.model, model):
        return ParkTwoStage(like.cut.retold(scenarios, model), blueprint, elastic)
    return ParkTwoStage(two_stage(model, _shared(problem, blueprint, model), scenarios), blueprint, elastic)


def _scenarios(problem: Problem, blueprint: Blueprint, available_mw: Mapping[AssetId, FloatArray]) -> Scenarios:
    n, price = problem.grid.n, problem.curtail_cny_per_mwh
    columns: list[IntArray] = []
    high: list[FloatArray] = []
    expected = np.zeros(n)
    for planned in blueprint.planned:
        if problem.park.asset(planned.asset_id).kind not in _FARMS:
            continue
        told = available_mw.get(planned.asset_id)
        if told is None or told.ndim != 2 or told.shape[1] != n:
            shape = None if told is None else told.shape
            raise PlanError(f"scenarios of {planned.asset_id}: shape {shape}; one row of {n} intervals a scenario is needed")
        columns.append(planned.quantities["generation_mw"])
        high.append(told)
        expected = expected + problem.available_mw.get(planned.asset_id, np.zeros(n))
    if not columns:
        raise PlanError("scenarios: the park has no wind and no sun; a single plan says all")
    count = high[0].shape[0]
    power = np.concatenate(high, axis=1)
    total = np.sum(high, axis=0)
    # Curtailing is paid by what is available; the model holds that constant for the expected power.
    offset = blueprint.model.offset_cny + price * ((total - expected) @ problem.grid.step_h)
    none = np.zeros(0, dtype=np.int64)
    empty = np.zeros((count, 0))
    return Scenarios(
        np.full(count, 1.0 / count), none, empty, empty, np.concatenate(columns), np.zeros_like(power), power, offset
    )  # fmt: skip


def _shared(problem: Problem, blueprint: Blueprint, model: LinearModel) -> BoolArray:
    """Whole counts over the horizon, powers of the next hour, computing a while longer."""
    powers = np.zeros(model.cost.size, dtype=bool)
    for planned in blueprint.planned:
        kind = problem.park.asset(planned.asset_id).kind
        if kind in _ANSWERING:
            continue
        span_h = FIRM_COMPUTE_H if kind == "compute" else NEXT_H
        powers[_power_columns(planned, problem.grid.offset_h < span_h - 1e-9)] = True
    powers &= ~model.integer
    return model.integer | powers | _beside(model, powers)


def _power_columns(planned: Planned, soon: BoolArray) -> IntArray:
    found = [columns[soon[rows]] for rows, columns, _ in planned.power]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _beside(model: LinearModel, powers: BoolArray) -> BoolArray:
    """What stands alone beside shared powers in a row of theirs, as the part of an excursion: it is decided with them."""
    by_row = model.matrix.tocsr()
    lengths = np.diff(by_row.indptr)
    known = by_row.astype(bool).astype(np.float64) @ powers.astype(np.float64)
    rows = np.flatnonzero((lengths - known == 1.0) & (known > 0.0))
    beside = np.zeros(powers.shape, dtype=bool)
    beside[by_row[rows].indices] = True
    return beside


def _ways_out(problem: Problem, blueprint: Blueprint) -> list[Elastic]:
    """A compressor that must run although its cavern is full, or a turbine although it is empty, may fall short of its minimum.

    All other rows of the second stage have their way out in the park's own model: unserved and surplus energy, hydrogen
    vented and lacking, late work, shortfalls of quotas, ramps taken in haste.
    """
    by_row = blueprint.model.matrix.tocsr()
    found: list[IntArray] = []
    for planned in blueprint.planned:
        if not planned.switches:
            continue
        runs = np.zeros(blueprint.model.cost.size)
        for name in planned.switches:
            runs[planned.quantities[name]] = 1.0
        holds = (by_row.astype(bool).astype(np.float64) @ runs) > 0.0
        powers = np.zeros(runs.shape)
        powers[np.concatenate([columns for _, columns, _ in planned.power])] = 1.0
        powered = (by_row.astype(bool).astype(np.float64) @ powers) > 0.0
        least = (blueprint.model.row_low == 0.0) & np.isinf(blueprint.model.row_high)
        found.append(np.flatnonzero(holds & powered & least))
    rows = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    return [Elastic(rows, 1.0, problem.unserved_cny_per_mwh, "machine_below_minimum_mw")]


def _same_matrix(one: LinearModel, other: LinearModel) -> bool:
    return (
        one.matrix.shape == other.matrix.shape
        and np.array_equal(one.matrix.indices, other.matrix.indices)
        and np.array_equal(one.matrix.data, other.matrix.data)
        and np.array_equal(one.integer, other.integer)
    )
