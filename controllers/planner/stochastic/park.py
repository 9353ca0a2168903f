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
from controllers.planner.rounding import ROUND_BATCH_AT, ROUND_SWITCH_AT, Way, rounded_bounds
from controllers.planner.stochastic.split import Scenarios, TwoStage, two_stage
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
    """The cut model of a park, and the blueprint that it was cut from.

    The second stage needs no ways out of its own: the park's model has them, as unserved and surplus energy, hydrogen vented
    and lacking, late work, shortfalls of quotas, ramps taken in haste.
    """

    cut: TwoStage
    blueprint: Blueprint

    def rounded(self, x: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Bounds that hold all counts of an answer, rounded in each of the ways that a single plan tries."""
        model = self.cut.model
        return [
            rounded_bounds(self.blueprint, x, model.low, model.high, Way(switch_at, batch_at))
            for batch_at in ROUND_BATCH_AT
            for switch_at in ROUND_SWITCH_AT
        ]


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
    model = blueprint.model
    scenarios = _scenarios(problem, blueprint, available_mw)
    if like is not None and _same_matrix(like.cut.model, model):
        return ParkTwoStage(like.cut.retold(scenarios, model), blueprint)
    return ParkTwoStage(two_stage(model, _shared(problem, blueprint, model), scenarios), blueprint)


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
    """Whole counts over the horizon, powers of the next hour, computing a while longer.

    The direction of a machine that turns round in minutes is no commitment: beyond the next hour it answers to the weather.
    There it is relaxed, which makes the second stage a little too cheap and the bound no less true.
    """
    powers, answering = (np.zeros(model.cost.size, dtype=bool) for _ in range(2))
    for planned in blueprint.planned:
        kind = problem.park.asset(planned.asset_id).kind
        if kind in _ANSWERING:
            continue
        span_h = FIRM_COMPUTE_H if kind == "compute" else NEXT_H
        soon = problem.grid.offset_h < span_h - 1e-9
        powers[_power_columns(planned, soon)] = True
        for name in planned.switches:
            answering[planned.quantities[name][~soon]] = True
            # A start takes power from its interval: it is decided with the power.
            powers[planned.quantities[f"{name}_starts"][soon]] = True
    powers &= ~model.integer
    return (model.integer & ~answering) | powers | _beside(model, powers)


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


def _same_matrix(one: LinearModel, other: LinearModel) -> bool:
    return (
        one.matrix.shape == other.matrix.shape
        and np.array_equal(one.matrix.indices, other.matrix.indices)
        and np.array_equal(one.matrix.data, other.matrix.data)
        and np.array_equal(one.integer, other.integer)
    )
