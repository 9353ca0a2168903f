"""Days and months of the park on a time grid: what a person and a tariff call a day."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray

__all__ = ["Days", "days_of", "month_step_frac", "months_of"]

_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Days:
    """The park's days that a grid touches.

    Args:
        days: D of them, in order.
        index: The day of each interval, shape (T,).
    """

    days: tuple[date, ...]
    index: IntArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum of each day over the last axis but for NaN, shape (..., D)."""
        first = np.searchsorted(self.index, np.arange(len(self.days)))
        summed: FloatArray = np.add.reduceat(np.nan_to_num(values), first, axis=-1)
        return summed


def days_of(grid: TimeGrid, zone: ZoneInfo) -> Days:
    """The day of each interval, by its start in park time.

    >>> from datetime import UTC, datetime, timedelta
    >>> grid = TimeGrid.regular(datetime(2030, 9, 30, 15, tzinfo=UTC), timedelta(hours=1), 2)
    >>> days_of(grid, ZoneInfo("Asia/Shanghai")).index.tolist()
    [0, 1]
    """
    local = [start.astimezone(zone).date() for start in grid.starts]
    days = tuple(dict.fromkeys(local))
    at = {day: i for i, day in enumerate(days)}
    return Days(days, np.array([at[day] for day in local], dtype=np.int64))


def months_of(days: Days) -> IntArray:
    """A number for the month of each interval, rising, shape (T,)."""
    numbers = np.array([day.year * _MONTHS + day.month for day in days.days], dtype=np.int64)
    return numbers[days.index]


def month_step_frac(days: Days, step_h: FloatArray) -> FloatArray:
    """Which share of its month each interval is, shape (T,): what is paid by the month is spread by it."""
    lengths_h = np.array([monthrange(day.year, day.month)[1] * HOURS_PER_DAY for day in days.days])
    share: FloatArray = step_h / lengths_h[days.index]
    return share
