"""A farm's metered past on regular quarter hours, and what of it was known at any origin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from vpp.errors import ForecastError
from vpp.series import Series, StampArray
from vpp.units import FloatArray, IntArray

__all__ = ["STEP", "PowerHistory"]

#: The door's interval.
STEP: Final = timedelta(minutes=15)
STEP_US: Final = np.timedelta64(STEP).astype("timedelta64[us]")


@dataclass(frozen=True, slots=True)
class PowerHistory:
    """Values on quarter hours without holes: a gap is a NaN.

    Args:
        start: Start of the first interval (UTC stamp, microseconds).
        received_at: When each interval and all before it were known, never falling, shape (T,).
        value: Shares of capacity, shape (T,).
    """

    start: np.datetime64
    received_at: StampArray
    value: FloatArray

    @classmethod
    def of(cls, series: Series) -> PowerHistory:
        """The history in a door's series.

        Raises:
            ForecastError: Stamps are off the quarter hours, as after a clock shift of some minutes.
        """
        if series.value.size == 0:
            empty = np.array([], dtype="datetime64[us]")
            return cls(np.datetime64("1970-01-01", "us"), empty, np.array([]))
        start = series.measured_at[0]
        offset = series.measured_at - start
        if bool(np.any(offset % STEP_US)) or bool((start - np.datetime64("1970-01-01", "us")) % STEP_US):
            raise ForecastError(f"{series.name}: stamps from {start} are off the quarter hours; resample where they enter")
        index = (offset // STEP_US).astype(np.int64)
        n = int(index[-1]) + 1
        value = np.full(n, np.nan)
        value[index] = series.value
        received_at = start + np.arange(1, n + 1) * STEP_US
        received_at[index] = np.maximum(received_at[index], series.received_at)
        return cls(start, np.maximum.accumulate(received_at), value)

    @property
    def measured_at(self) -> StampArray:
        """Start of each interval, shape (T,)."""
        return np.asarray(self.start + np.arange(self.value.size) * STEP_US, dtype="datetime64[us]")

    def known_count(self, origin: StampArray) -> IntArray:
        """How many intervals from the first had been received by each origin, shape of `origin`."""
        return np.asarray(np.searchsorted(self.received_at, origin, side="right"), dtype=np.int64)

    def position(self, at: StampArray) -> IntArray:
        """Index of the interval that holds each instant; outside 0..T-1 where there is none."""
        return np.asarray((at - self.start) // STEP_US, dtype=np.int64)

    def at(self, position: IntArray) -> FloatArray:
        """Values by index, NaN outside the record, shape of `position`."""
        if self.value.size == 0:
            return np.full(position.shape, np.nan)
        inside = (position >= 0) & (position < self.value.size)
        return np.where(inside, self.value[np.clip(position, 0, self.value.size - 1)], np.nan)

    def mean_before(self, end: IntArray, n: int) -> FloatArray:
        """Mean over the `n` intervals before each index, NaN where none of them was measured, shape of `end`."""
        return _window(self.value, end, n)

    def last_measured_at(self) -> np.datetime64 | None:
        """End of the last interval with a value, None without any."""
        measured = np.flatnonzero(~np.isnan(self.value))
        return None if measured.size == 0 else self.start + (int(measured[-1]) + 1) * STEP_US


def _window(value: FloatArray, end: IntArray, n: int) -> FloatArray:
    present = ~np.isnan(value)
    total = np.concatenate(([0.0], np.cumsum(np.where(present, value, 0.0))))
    count = np.concatenate(([0], np.cumsum(present)))
    high = np.clip(end, 0, value.size)
    low = np.clip(end - n, 0, value.size)
    seen = count[high] - count[low]
    mean = np.full(end.shape, np.nan)
    np.divide(total[high] - total[low], seen, out=mean, where=seen > 0)
    return mean
