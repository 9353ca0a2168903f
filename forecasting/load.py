"""Inflexible load: the profile of its week, and what a model may know beside it.

The profile is the mean of the same quarter hour of the same weekday over the last weeks. It is what the trees add to, the rival
that they have to beat, and what is told of a load that they know too little of.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from forecasting.features import (
    DAYS_PER_YEAR,
    ONE_DAY,
    ONE_HOUR,
    STEPS_PER_DAY,
    STEPS_PER_H,
    TEMPERATURE,
    Rows,
    newest_run,
    run_column,
)
from forecasting.forecast import MODEL_LEVELS
from forecasting.history import STEP_US, PowerHistory
from forecasting.holidays import is_holiday
from forecasting.known import WeatherRuns
from vpp.units import FloatArray, IntArray

__all__ = ["LOAD_COLUMNS", "LOAD_RECENT", "load_features", "profile_forecast", "week_profile"]

WEEKS: Final = 6
DAYS_PER_WEEK: Final = 7
STEPS_PER_WEEK: Final = DAYS_PER_WEEK * STEPS_PER_DAY
#: The profile's misses of these last days give the spread.
RESIDUAL_DAYS: Final = 14
#: All that a feature or the profile's spread looks back at, with a week for a grid that ends beyond it.
LOAD_RECENT: Final = timedelta(weeks=WEEKS + 1, days=RESIDUAL_DAYS)
#: Whims are forgotten within hours: the profile's neighbours, so many quarters to either side, say the same and err less.
AROUND: Final = 2
#: Park time; China has one zone and no summer time.
TO_LOCAL: Final = np.timedelta64(8, "h").astype("timedelta64[us]")
#: The first day of numpy's calendar was a Thursday.
FIRST_WEEKDAY: Final = 3

LOAD_COLUMNS: Final = (
    "farm", "profile_frac", "smooth_frac", "yesterday_frac", "days_frac", "level_frac", "last_miss_frac", "miss_1h_frac",
    "miss_24h_frac", "horizon_h", "hour", "weekday", "holiday", "year_sin", "year_cos", "run_temperature_c",
)  # fmt: skip


def load_features(rows: Rows, code: int, history: PowerHistory, runs: WeatherRuns) -> FloatArray:
    """Features of one load, `LOAD_COLUMNS`, shape (N, C); NaN where a measurement or the run is missing.

    Args:
        rows: N origins and intervals.
        code: The load's number in the model.
        history: What it drew, shares of its reference power.
        runs: Weather runs of its place; the air's temperature is taken where they have it.
    """
    known, position = history.known_count(rows.origin), history.position(rows.middle)
    smooth = _smoothed(history)
    settled = known - AROUND
    local = rows.middle + TO_LOCAL
    day = local.astype("datetime64[D]")
    year = 2 * np.pi * ((local - local.astype("datetime64[Y]")) / ONE_DAY) / DAYS_PER_YEAR
    columns = (
        np.full(known.shape, float(code)),
        week_profile(history, position, known),
        _mean_back(smooth, position, settled, STEPS_PER_WEEK, WEEKS),
        _mean_back(smooth, position, settled, STEPS_PER_DAY, 1),
        _mean_back(smooth, position, settled, STEPS_PER_DAY, DAYS_PER_WEEK),
        history.mean_before(known, STEPS_PER_WEEK),
        *_misses(history, known, rows),
        rows.horizon_h,
        np.asarray((local - day) / ONE_HOUR, dtype=np.float64),
        (day.astype(np.int64) + FIRST_WEEKDAY) % DAYS_PER_WEEK,
        is_holiday(local).astype(np.float64),
        np.sin(year),
        np.cos(year),
        run_column(runs, newest_run(runs, rows.origin), rows.middle, TEMPERATURE),
    )
    return np.column_stack(columns)


def week_profile(history: PowerHistory, position: IntArray, known: IntArray) -> FloatArray:
    """Mean of the same quarter hours that are known: weekly, in the first week daily; NaN without any, shape (N,).

    Args:
        history: What the load drew.
        position: Index of each interval asked for, shape (N,).
        known: How many intervals from the first are known, shape (N,).
    """
    weekly = _mean_back(history, position, known, STEPS_PER_WEEK, WEEKS)
    if not np.isnan(weekly).any():
        return weekly
    return np.where(np.isnan(weekly), _mean_back(history, position, known, STEPS_PER_DAY, DAYS_PER_WEEK), weekly)


def profile_forecast(history: PowerHistory, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """The week's profile with the spread of what it missed in the last days; NaN where it says nothing.

    Args:
        history: What the load drew.
        rows: Intervals of one origin.

    Returns:
        Quantiles at `MODEL_LEVELS`, shape (T, Q), and means, shape (T,), shares from 0 to 1.
    """
    known = history.known_count(rows.origin)
    mean = week_profile(history, history.position(rows.middle), known)
    last = int(known.max(initial=0))
    position = np.arange(max(0, last - RESIDUAL_DAYS * STEPS_PER_DAY), last)
    missed = history.at(position) - week_profile(history, position, position)
    missed = missed[~np.isnan(missed)]
    spread = np.quantile(missed, MODEL_LEVELS) if missed.size else np.zeros(len(MODEL_LEVELS))
    return np.clip(np.sort(mean[:, None] + spread, axis=1), 0.0, 1.0), np.clip(mean, 0.0, 1.0)


def _mean_back(history: PowerHistory, position: IntArray, known: IntArray, every: int, times: int) -> FloatArray:
    """Mean over the last `times` known steps that lie whole multiples of `every` before each position."""
    first = np.maximum(1, -(-(position - known + 1) // every))
    value = history.at(position[:, None] - every * (first[:, None] + np.arange(times)))
    told = ~np.isnan(value)
    count = told.sum(axis=1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(told, value, 0.0).sum(axis=1), count, out=mean, where=count > 0)
    return mean


def _smoothed(history: PowerHistory) -> PowerHistory:
    """Means over neighbouring quarters; each knows as many quarters behind it."""
    middle = np.arange(history.value.size)
    return PowerHistory(history.start, history.received_at, history.mean_before(middle + AROUND + 1, 2 * AROUND + 1))


def _misses(history: PowerHistory, known: IntArray, rows: Rows) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By how much the profile of then missed the last reading and the last hour and day; NaN if they are old, shapes (N,)."""
    low = max(0, int(known.min(initial=0)) - STEPS_PER_DAY)
    position = np.arange(low, int(known.max(initial=0)))
    missed = history.at(position) - week_profile(history, position, position)
    recent = PowerHistory(history.start + low * STEP_US, history.received_at[low : low + missed.size], missed)
    fresh = (rows.origin - (history.start + known * STEP_US)) <= ONE_HOUR
    end = known - low
    last, hour, day = recent.at(end - 1), recent.mean_before(end, STEPS_PER_H), recent.mean_before(end, STEPS_PER_DAY)
    return np.where(fresh, last, np.nan), np.where(fresh, hour, np.nan), np.where(fresh, day, np.nan)
