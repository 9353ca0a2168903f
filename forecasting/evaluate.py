"""How good models were over a span: what they would have said at each origin against what was metered afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from forecasting.baselines import scale_frac
from forecasting.calibrate import HORIZON_EDGES_H, horizon_group
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.history import PowerHistory
from forecasting.known import KnownDoor
from forecasting.predict import grid_middles, predict
from forecasting.scores import coverage_frac, crps, nrmse_frac, pinball
from forecasting.train import ForecastModels
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["Evaluation", "FarmScore", "evaluate", "means_between", "outcomes_frac"]

STEP: Final = timedelta(minutes=15)
#: Not a divisor of the day: origins walk through the hours.
BETWEEN: Final = timedelta(hours=5)
#: An hour of every horizon up to two days.
GRID: Final = ((STEP, 16), (timedelta(hours=1), 44))
GROUP_NAMES: Final = ("0-1h", "1-4h", "4-12h", "12-24h", "24-48h", "48-72h")


@dataclass(frozen=True, slots=True)
class FarmScore:
    """Scores of one farm over all its outcomes by day (sun) or at all times (wind).

    Args:
        asset_id: The farm.
        pinball: Mean over the published levels, share of capacity.
        crps: Share of capacity.
        nrmse_frac: Of the mean.
        coverage_frac: Of the 90 % interval, by horizon group.
        climatology_pinball: What climatology would have scored.
        count: Outcomes.
    """

    asset_id: AssetId
    pinball: float
    crps: float
    nrmse_frac: float
    coverage_frac: dict[str, float]
    climatology_pinball: float
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of all farms over a span.

    Args:
        start: First origin (UTC).
        end: No outcome is later (UTC).
        farms: One each, of those with an outcome.
    """

    start: datetime
    end: datetime
    farms: tuple[FarmScore, ...]

    @property
    def pinball(self) -> float:
        """Mean over farms, each counting the same."""
        return float(np.mean([farm.pinball for farm in self.farms]))

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        farms = [
            {name: getattr(farm, name) for name in ("asset_id", "pinball", "crps", "nrmse_frac", "coverage_frac", "count")}
            | {"climatology_pinball": farm.climatology_pinball}
            for farm in self.farms
        ]
        return {"start": self.start.isoformat(), "end": self.end.isoformat(), "pinball": self.pinball, "farms": farms}


def evaluate(models: ForecastModels, door: KnownDoor, start: datetime, end: datetime) -> Evaluation:
    """Score models over `[start, end)`.

    Args:
        models: Trained on what was known before `start`, or the scores flatter them.
        door: History up to `end`.
        start: First origin (UTC).
        end: Where outcomes end (UTC).

    Raises:
        ForecastError: No farm has an outcome in the span.
    """
    said: list[Forecast] = []
    at = start
    while at + timedelta(hours=1) < end:
        said.append(predict(models, door, known_at=at, grid=TimeGrid.of_steps(at, GRID)))
        at += BETWEEN
    farms = [_farm(models, number, said, door, end) for number in range(len(models.farms))]
    scored = tuple(farm for farm in farms if farm is not None)
    if not scored:
        raise ForecastError(f"evaluation: no farm has an outcome between {start} and {end}")
    return Evaluation(start, end, scored)


def outcomes_frac(door: KnownDoor, asset_id: AssetId, grid: TimeGrid, known_at: datetime) -> FloatArray:
    """Mean metered power over each interval as known at an instant, NaN where a quarter of it is missing, shape (T,)."""
    history = PowerHistory.of(door.power(asset_id, known_at=known_at, start=grid.start, end=min(grid.end, known_at)))
    edges = np.array([to_stamp(edge) for edge in grid.edges])
    return means_between(history, edges[:-1], edges[1:])


def means_between(history: PowerHistory, start: StampArray, end: StampArray) -> FloatArray:
    """Mean power over each interval, NaN where a quarter hour of it is missing, shape (T,)."""
    first, last = history.position(start), history.position(end)
    steps = np.maximum(last - first, 1)
    known = ~np.isnan(history.value)
    count = np.concatenate(([0], np.cumsum(known)))
    total = np.concatenate(([0.0], np.cumsum(np.where(known, history.value, 0.0))))
    low, high = np.clip(first, 0, history.value.size), np.clip(first + steps, 0, history.value.size)
    whole = (count[high] - count[low] == steps) & (first >= 0)
    return np.where(whole, (total[high] - total[low]) / steps, np.nan)


def _farm(models: ForecastModels, number: int, said: Sequence[Forecast], door: KnownDoor, end: datetime) -> FarmScore | None:
    site = models.farms[number]
    middles = [grid_middles(one.grid) for one in said]
    scales = [scale_frac(site, middle) for middle in middles]
    outcome = np.concatenate(
        [
            np.where(scale > 0, outcomes_frac(door, site.asset_id, one.grid, end), np.nan)
            for one, scale in zip(said, scales, strict=True)
        ]
    )
    if np.isnan(outcome).all():
        return None
    quantile = np.concatenate([one.quantile_frac[number] for one in said])
    mean = np.concatenate([one.mean_frac[number] for one in said])
    usual = np.concatenate(
        [models.climatology[number].at(middle, scale)[0][:, 1:-1] for middle, scale in zip(middles, scales, strict=True)]
    )
    horizon_h = np.concatenate([one.grid.offset_h + one.grid.step_h / 2.0 for one in said])
    group = horizon_group(horizon_h)
    covered = {
        GROUP_NAMES[g]: coverage_frac(outcome[group == g], quantile[group == g, 0], quantile[group == g, -1])
        for g in range(len(HORIZON_EDGES_H) + 1)
        if (~np.isnan(outcome[group == g])).any()
    }
    return FarmScore(
        site.asset_id,
        pinball(outcome, quantile, QUANTILE_LEVELS),
        crps(outcome, quantile, QUANTILE_LEVELS),
        nrmse_frac(outcome, mean),
        covered,
        pinball(outcome, usual, QUANTILE_LEVELS),
        int((~np.isnan(outcome)).sum()),
    )
