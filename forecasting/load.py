"""Inflexible load: the profile of its week, and what a model may know beside it.

The profile is the mean of the same quarter hour of the same weekday over the last weeks. It is what the trees add to, the rival
that they have to beat, and what is told of a load that they know too little of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from forecasting.features import (
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
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["LOAD_COLUMNS", "LOAD_RECENT", "PROFILE_COLUMN", "Meters", "load_features", "profile_forecast"]

WEEKS: Final = 6
DAYS_PER_WEEK: Final = 7
STEPS_PER_WEEK: Final = DAYS_PER_WEEK * STEPS_PER_DAY
#: The profile's misses of these last days give the spread.
RESIDUAL_DAYS: Final = 14
#: All that a feature looks back at; the profile's spread takes what there is of it.
LOAD_RECENT: Final = timedelta(weeks=WEEKS + 1, days=2)
#: Whims are forgotten within hours: the profile's neighbours, so many quarters to either side, say the same and err less.
AROUND: Final = 2
#: Park time; China has one zone and no summer time.
TO_LOCAL: Final = np.timedelta64(8, "h").astype("timedelta64[us]")
#: The first day of numpy's calendar was a Thursday.
FIRST_WEEKDAY: Final = 3

#: No level and no season: a model that knows them learns days by heart, and the profile has both.
LOAD_COLUMNS: Final = (
    "farm", "profile_frac", "smooth_frac", "yesterday_frac", "days_frac", "last_miss_frac", "miss_1h_frac", "miss_24h_frac",
    "miss_7d_frac", "horizon_h", "hour", "weekday", "holiday", "run_temperature_c",
)  # fmt: skip
PROFILE_COLUMN: Final = LOAD_COLUMNS.index("profile_frac")


@dataclass(frozen=True, slots=True)
class Meters:
    """What M loads drew, on one clock: all are looked at in one stroke, which is what makes a park's forecast quick.

    Args:
        value: Shares of reference power, NaN where not metered, at least one load and one row, shape (M, T).
        known: How many quarter hours from the first are known of each load at each of N origins, shape (M, N).
        position: Index of each row's interval, shape (N,).
        fresh: Whether the last of the known ones ended within the hour, shape (M, N).
    """

    value: FloatArray
    known: IntArray
    position: IntArray
    fresh: BoolArray

    @classmethod
    def of(cls, histories: Sequence[PowerHistory], rows: Rows) -> Meters:
        """The meters of some loads, as some origins know them."""
        told = [one for one in histories if one.value.size]
        start = min((one.start for one in told), default=np.datetime64("1970-01-01", "us"))
        size = max((int((one.start - start) // STEP_US) + one.value.size for one in told), default=0)
        value = np.full((len(histories), size), np.nan)
        known = np.zeros((len(histories), rows.origin.size), dtype=np.int64)
        for row, one in enumerate(histories):
            if one.value.size:
                first = int((one.start - start) // STEP_US)
                value[row, first : first + one.value.size] = one.value
                known[row] = one.known_count(rows.origin) + first
        position = np.asarray((rows.middle - start) // STEP_US, dtype=np.int64)
        fresh = (rows.origin - (start + known * STEP_US)) <= ONE_HOUR
        return cls(value, known, position, fresh)

    def profile(self) -> FloatArray:
        """Mean of the same quarter hours that are known: weekly, in the first week daily; NaN without any, shape (M, N)."""
        return _profile(self.value, np.broadcast_to(self.position, self.known.shape), self.known)

    def missed(self, low: int, high: int) -> FloatArray:
        """By how much the profile of then missed each of some past readings, shape (M, high - low)."""
        position = np.broadcast_to(np.arange(low, high), (self.value.shape[0], max(high - low, 0)))
        return _at(self.value, position) - _profile(self.value, position, position)


def load_features(rows: Rows, codes: Sequence[int], meters: Meters, runs: Sequence[WeatherRuns]) -> FloatArray:
    """Features of some loads, `LOAD_COLUMNS`, shape (M, N, C); NaN where a measurement or the run is missing.

    Args:
        rows: N origins and intervals.
        codes: The loads' numbers in the model, M of them.
        meters: What they drew.
        runs: Weather runs of their places; the air's temperature is taken where they have it.
    """
    shape = meters.known.shape
    smooth, settled = _smoothed(meters.value), meters.known - AROUND
    position = np.broadcast_to(meters.position, shape)
    local = rows.middle + TO_LOCAL
    day = local.astype("datetime64[D]")
    columns = (
        np.array(codes, dtype=np.float64)[:, None],
        meters.profile(),
        _mean_back(smooth, position, settled, STEPS_PER_WEEK, WEEKS),
        _mean_back(smooth, position, settled, STEPS_PER_DAY, 1),
        _mean_back(smooth, position, settled, STEPS_PER_DAY, DAYS_PER_WEEK),
        *_misses(meters),
        rows.horizon_h,
        np.asarray((local - day) / ONE_HOUR, dtype=np.float64),
        (day.astype(np.int64) + FIRST_WEEKDAY) % DAYS_PER_WEEK,
        is_holiday(local).astype(np.float64),
        np.stack([run_column(one, newest_run(one, rows.origin), rows.middle, TEMPERATURE) for one in runs]),
    )
    return np.stack([np.broadcast_to(column, shape) for column in columns], axis=-1)


def profile_forecast(history: PowerHistory, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """The week's profile with the spread of what it missed in the last days; NaN where it says nothing.

    Args:
        history: What the load drew.
        rows: Intervals of one origin.

    Returns:
        Quantiles at `MODEL_LEVELS`, shape (T, Q), and means, shape (T,), shares from 0 to 1.
    """
    meters = Meters.of((history,), rows)
    mean, last = meters.profile()[0], int(meters.known.max(initial=0))
    missed = meters.missed(max(0, last - RESIDUAL_DAYS * STEPS_PER_DAY), last)[0]
    missed = missed[~np.isnan(missed)]
    spread = np.quantile(missed, MODEL_LEVELS) if missed.size else np.zeros(len(MODEL_LEVELS))
    return np.clip(np.sort(mean[:, None] + spread, axis=1), 0.0, 1.0), np.clip(mean, 0.0, 1.0)


def _profile(value: FloatArray, position: IntArray, known: IntArray) -> FloatArray:
    weekly = _mean_back(value, position, known, STEPS_PER_WEEK, WEEKS)
    if not np.isnan(weekly).any():
        return weekly
    return np.where(np.isnan(weekly), _mean_back(value, position, known, STEPS_PER_DAY, DAYS_PER_WEEK), weekly)


def _mean_back(value: FloatArray, position: IntArray, known: IntArray, every: int, times: int) -> FloatArray:
    """Mean over the last `times` known steps that lie whole multiples of `every` before each position, shapes (M, N)."""
    first = np.maximum(1, -(-(position - known + 1) // every))
    total, count = np.zeros(position.shape), np.zeros(position.shape)
    for k in range(times):
        back = _at(value, position - every * (first + k))
        told = ~np.isnan(back)
        total += np.where(told, back, 0.0)
        count += told
    mean: FloatArray = np.divide(total, count, out=np.full(position.shape, np.nan), where=count > 0)
    return mean


def _at(value: FloatArray, position: IntArray) -> FloatArray:
    """Values by index, NaN outside the record, shapes (M, N)."""
    size = value.shape[1]
    if size == 0:
        return np.full(position.shape, np.nan)
    inside = (position >= 0) & (position < size)
    flat = np.where(inside, position, 0) + size * np.arange(value.shape[0])[:, None]
    return np.where(inside, value.ravel()[flat], np.nan)


def _mean_before(value: FloatArray, end: IntArray, n: int) -> FloatArray:
    """Mean over the `n` steps before each index, NaN where none of them was metered, shapes (M, N)."""
    told = ~np.isnan(value)
    none = np.zeros((value.shape[0], 1))
    total = np.concatenate((none, np.cumsum(np.where(told, value, 0.0), axis=1)), axis=1)
    count = np.concatenate((none, np.cumsum(told, axis=1)), axis=1)
    high, low = np.clip(end, 0, value.shape[1]), np.clip(end - n, 0, value.shape[1])
    seen = np.take_along_axis(count, high, 1) - np.take_along_axis(count, low, 1)
    inside = np.take_along_axis(total, high, 1) - np.take_along_axis(total, low, 1)
    mean: FloatArray = np.divide(inside, seen, out=np.full(end.shape, np.nan), where=seen > 0)
    return mean


def _smoothed(value: FloatArray) -> FloatArray:
    """Means over neighbouring quarters; each knows as many quarters behind it."""
    width = 2 * AROUND + 1
    told = ~np.isnan(value)
    around = ((0, 0), (AROUND + 1, AROUND))
    total, count = (np.cumsum(np.pad(one, around), axis=1) for one in (np.where(told, value, 0.0), told.astype(np.float64)))
    seen = count[:, width:] - count[:, :-width]
    inside = total[:, width:] - total[:, :-width]
    mean: FloatArray = np.divide(inside, seen, out=np.full(value.shape, np.nan), where=seen > 0)
    return mean


def _misses(meters: Meters) -> tuple[FloatArray, ...]:
    """By how much the profile of then missed the last reading and the last hour, day and week; NaN if old, shapes (M, N)."""
    low, high = max(0, int(meters.known.min(initial=meters.value.shape[1])) - STEPS_PER_WEEK), int(meters.known.max(initial=0))
    missed, end = meters.missed(low, high), meters.known - low
    spans = (STEPS_PER_H, STEPS_PER_DAY, STEPS_PER_WEEK)
    told = (_at(missed, end - 1), *(_mean_before(missed, end, steps) for steps in spans))
    return tuple(np.where(meters.fresh, one, np.nan) for one in told)
