"""Inflexible load: the profile of its week, with the spread of what that profile missed lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.features import STEPS_PER_DAY
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from forecasting.history import PowerHistory
from forecasting.known import KnownDoor
from forecasting.predict import grid_middles
from vpp.ids import AssetId
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["predict_load"]

WEEKS: Final = 6
DAYS_PER_WEEK: Final = 7
STEPS_PER_WEEK: Final = DAYS_PER_WEEK * STEPS_PER_DAY
#: The profile's misses of these last days give the spread.
RESIDUAL_DAYS: Final = 14
STALE_AFTER: Final = timedelta(hours=1)


def predict_load(door: KnownDoor, load_ids: Sequence[AssetId], *, known_at: datetime, grid: TimeGrid) -> Forecast:
    """Forecast loads as shares of whatever reference power the door measures them in (may exceed 1).

    The mean over the same quarter hour of the same weekday of the last weeks, or, in the first week, of the last days.
    A load without any history is flagged `climatology` and spread over 0..1.

    Args:
        door: Metered load behind `power`.
        load_ids: Loads.
        known_at: Now (UTC).
        grid: Intervals ahead.
    """
    middle = grid_middles(grid)
    quantiles: list[FloatArray] = []
    means: list[FloatArray] = []
    qualities: list[Quality] = []
    for load_id in load_ids:
        start = known_at - timedelta(weeks=WEEKS, days=RESIDUAL_DAYS)
        history = PowerHistory.of(door.power(load_id, known_at=known_at, start=start, end=known_at))
        mean = _profile(history, history.position(middle), history.value.size)
        spread = _spread(history)
        quality = _quality(history, known_at)
        if quality == "climatology" or np.isnan(mean).any():
            mean, spread, quality = np.full(middle.shape, 0.5), np.array(QUANTILE_LEVELS) - 0.5, "climatology"
        means.append(mean)
        quantiles.append(np.sort(mean[:, None] + spread, axis=1))
        qualities.append(quality)
    return Forecast(grid, QUANTILE_LEVELS, tuple(load_ids), np.array(quantiles), np.array(means), known_at, tuple(qualities))


def _profile(history: PowerHistory, position: IntArray, known: int) -> FloatArray:
    """Mean of the known same quarter hours, weekly if there are any, else daily, shape of `position`; NaN without."""
    weekly = _mean_back(history, position, known, STEPS_PER_WEEK, WEEKS)
    daily = _mean_back(history, position, known, STEPS_PER_DAY, DAYS_PER_WEEK)
    return np.where(np.isnan(weekly), daily, weekly)


def _mean_back(history: PowerHistory, position: IntArray, known: int, every: int, times: int) -> FloatArray:
    """Mean over the last `times` known steps that lie whole multiples of `every` before each position."""
    first = np.maximum(1, -(-(position - known + 1) // every))
    back = position[:, None] - every * (first[:, None] + np.arange(times))
    value = history.at(back)
    count = (~np.isnan(value)).sum(axis=1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.nansum(value, axis=1), count, out=mean, where=count > 0)
    return mean


def _spread(history: PowerHistory) -> FloatArray:
    """Quantiles of what the profile missed in the last days, shape (Q,); zero where that cannot be known."""
    position = np.arange(max(0, history.value.size - RESIDUAL_DAYS * STEPS_PER_DAY), history.value.size)
    missed = history.at(position) - _profile_before(history, position)
    missed = missed[~np.isnan(missed)]
    return np.quantile(missed, QUANTILE_LEVELS) if missed.size else np.zeros(len(QUANTILE_LEVELS))


def _profile_before(history: PowerHistory, position: IntArray) -> FloatArray:
    weekly = _mean_back(history, position, history.value.size, STEPS_PER_WEEK, WEEKS)
    daily = _mean_back(history, position, history.value.size, STEPS_PER_DAY, 1)
    return np.where(np.isnan(weekly), daily, weekly)


def _quality(history: PowerHistory, known_at: datetime) -> Quality:
    last = history.last_measured_at()
    if last is None:
        return "climatology"
    age: timedelta = _stamp(known_at)[0].item() - last.item()
    return "stale" if age > STALE_AFTER else "fresh"


def _stamp(at: datetime) -> StampArray:
    return np.array([to_stamp(at)])
