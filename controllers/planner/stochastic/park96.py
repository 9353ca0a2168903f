"""Park-96 in two stages, as its specification defines it: counts for the day and set-points of the first hour are shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.planner.reference import Park96, Profiles, ReferenceModel, Start, build
from controllers.planner.reference.data import STEP_H, STEPS_PER_DAY
from controllers.planner.reference.solve import rounded_bounds
from controllers.planner.stochastic.split import Elastic, Scenarios, TwoStage, two_stage, with_elastic
from vpp.units import FloatArray, IntArray

__all__ = ["HOUR_STEPS", "ReferenceTwoStage", "draw_two_stage", "wind_scenarios", "wind_spread_mw"]

WIND_MW: Final = 1430.0
#: Standard deviation of the forecast's error as a share of the rating: now, and a day ahead.
ERROR_FRAC: Final = (0.03, 0.15)
ERROR_MEMORY_H: Final = 6.0
HOUR_STEPS: Final = 4
LACK_CNY_PER_MWH: Final = 10_000.0
HYDROGEN_CNY_PER_KG: Final = 200.0
AMMONIA_CNY_PER_T: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class ReferenceTwoStage:
    """The cut model, the model it was cut from, and where its ways out stand."""

    problem: TwoStage
    drawn: ReferenceModel
    elastic: dict[str, IntArray]

    def rounded(self, x: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Bounds that hold all counts of an answer, rounded."""
        own = self.drawn.model.cost.size
        low, high = rounded_bounds(self.drawn, x[:own])
        model = self.problem.model
        return [(np.concatenate([low, model.low[own:]]), np.concatenate([high, model.high[own:]]))]


def wind_scenarios(wind_mw: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Wind that the park may have, equally likely: a first-order error that grows with lead time, cut off at 0 and the rating.

    Args:
        wind_mw: The forecast, shape (T,).
        count: S.
        rng: Source of chance.

    Returns:
        Shape (S, T). Cutting off moves the mean off the forecast.
    """
    steps = wind_mw.size
    keep = float(np.exp(-STEP_H / ERROR_MEMORY_H))
    drawn = rng.standard_normal((count, steps))
    score = np.empty_like(drawn)
    score[:, 0] = drawn[:, 0]
    for t in range(1, steps):
        score[:, t] = keep * score[:, t - 1] + np.sqrt(1.0 - keep**2) * drawn[:, t]
    spread = wind_spread_mw(steps)
    return np.clip(wind_mw + spread * score, 0.0, WIND_MW)


def wind_spread_mw(steps: int) -> FloatArray:
    """Standard deviation of the forecast's error before it is cut off, shape (T,)."""
    now, ahead = ERROR_FRAC
    spread: FloatArray = WIND_MW * (now + (ahead - now) * np.arange(steps) / STEPS_PER_DAY)
    return spread


def draw_two_stage(
    park: Park96, profiles: Profiles, wind_mw: FloatArray, start: Start | None = None, committed_steps: int | None = None
) -> ReferenceTwoStage:  # fmt: skip
    """The two-stage model of some winds.

    Args:
        park: Form and size.
        profiles: From the start's step on; their wind is the point forecast and not looked at otherwise.
        wind_mw: Of each scenario, equally likely, shape (S, T).
        start: The state before step 0.
        committed_steps: Counts are shared so long; None for the whole horizon, as when the day is committed ahead. Later ones
            answer to the weather, relaxed.
    """
    drawn = build(park, profiles, start)
    model, elastic = with_elastic(drawn.model, _ways_out(drawn))
    c, n = drawn.columns, profiles.wind_mw.size
    shared = np.zeros(model.cost.size, dtype=bool)
    for columns in (c.on, c.standby, c.started, c.stopped, c.warmed, c.heats):
        shared[columns[:, :committed_steps]] = True
    for columns in (c.above, c.discharge, c.charge, c.served):
        shared[columns[..., :HOUR_STEPS]] = True
    shared[c.rate[:HOUR_STEPS]] = True
    available = wind_mw + profiles.pv_mw
    balance = np.arange(model.row_low.size - n, model.row_low.size)
    needed = model.row_low[balance] + profiles.wind_mw + profiles.pv_mw - available
    count = wind_mw.shape[0]
    scenarios = Scenarios(
        np.full(count, 1.0 / count), balance, needed, needed, c.curtailed, np.zeros_like(available), available, np.zeros(count)
    )
    return ReferenceTwoStage(two_stage(model, shared, scenarios), drawn, elastic)


def _ways_out(drawn: ReferenceModel) -> list[Elastic]:
    """Shed load always and surplus while set-points are shared; hydrogen in and out; and slack where the shared hour ends."""
    model, c = drawn.model, drawn.columns
    n = c.rate.size
    by_row = model.matrix.tocsr()
    balance = _rows_of(by_row.indices.astype(np.int64), by_row.indptr.astype(np.int64), c.bought)
    mwh, kg = STEP_H * LACK_CNY_PER_MWH, HYDROGEN_CNY_PER_KG
    tank, made = _row_of_state(drawn, c.tank), _row_of_state(drawn, c.made)
    after = min(HOUR_STEPS, n - 1)
    done = np.array([_row_of_state(drawn, row)[after] for row in c.done])
    return [
        Elastic(balance, 1.0, mwh, "shed_mw"),
        Elastic(balance[:HOUR_STEPS], -1.0, mwh, "surplus_mw"),
        # What comes into the tank from nowhere lifts its level: the level stands with +1 in its row, the flow with -.
        Elastic(tank, -1.0, kg, "hydrogen_lacking_kg"),
        Elastic(tank, 1.0, kg, "hydrogen_vented_kg"),
        Elastic(_down_ramp(drawn, after), -1.0, mwh, "ramp_mw"),
        Elastic(done, -1.0, LACK_CNY_PER_MWH, "jobs_late_mwh"),
        Elastic(made[after : after + 1], -1.0, AMMONIA_CNY_PER_T, "ammonia_lacking_t"),
    ]


def _row_of_state(drawn: ReferenceModel, columns: IntArray) -> IntArray:
    """The row that carries each state on from the step before, shape (T,): the first one it stands in."""
    matrix = drawn.model.matrix
    return np.array([matrix.indices[matrix.indptr[column]] for column in columns], dtype=np.int64)


def _rows_of(indices: IntArray, indptr: IntArray, columns: IntArray) -> IntArray:
    """Rows that hold the columns, one each."""
    place = {int(column): k for k, column in enumerate(columns)}
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    found = np.full(columns.size, -1, dtype=np.int64)
    for row, column in zip(rows, indices, strict=True):
        if int(column) in place:
            found[place[int(column)]] = row
    return found


def _down_ramp(drawn: ReferenceModel, step: int) -> IntArray:
    """Rows `x3 of the step before <= x1 + x2 + x3`, one a group: they hold x1 of the step with -1 and no x2 of its own sign."""
    matrix, c = drawn.model.matrix.tocsc(), drawn.columns
    found: list[int] = []
    for group in range(drawn.park.groups):
        own = _cells(matrix, int(c.above[0, group, step]))
        before = _cells(matrix, int(c.above[2, group, step - 1]))
        both = [row for row, value in before.items() if value > 0.0 and own.get(row, 0.0) == -1.0]
        found += both
    return np.array(found, dtype=np.int64)


def _cells(matrix: object, column: int) -> dict[int, float]:
    span = slice(matrix.indptr[column], matrix.indptr[column + 1])  # type: ignore[attr-defined]
    return dict(zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True))  # type: ignore[attr-defined]
