"""The farms' series as both weathers keep them: quarter-hour means for all time, ten-second values a day at a time.

A year run looks only at the quarter hours. A run at ten seconds asks for one row of all farms at an instant: the day it lies
in is made once and kept. A day's values come from the quarter hours around it and from noise that is drawn by seed, farm and
calendar day, so that they are the same whatever was asked before and however long the run is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from sim_harness.plants.drift import seeded
from sim_harness.weather.base import STEP
from sim_harness.weather.fine import TURBULENCE_TIME, shape_steps, unit_ar1
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series, StampArray, to_stamp
from vpp.units import BoolArray, FloatArray

__all__ = ["SHORTEST_STEP", "FarmSeries", "FarmTable", "to_utc"]

METER_NAME: Final = "available_frac"
#: Resolution of the truth; the world's control step.
SHORTEST_STEP: Final = timedelta(seconds=10)
SHORTEST_STEP_S: Final = SHORTEST_STEP.total_seconds()
STEP_S: Final = STEP.total_seconds()
RATIO: Final = STEP // SHORTEST_STEP
DAY: Final = timedelta(days=1)
QUARTERS: Final = DAY // STEP
FINE_PER_DAY: Final = DAY // SHORTEST_STEP
#: Noise of a day begins so long before it, which the filter forgets to e^-10.
RUN_UP: Final = TURBULENCE_TIME * 10 // SHORTEST_STEP
#: Days kept: a run walks forward, a report may look back over midnight.
KEPT_DAYS: Final = 3


def to_utc(stamp: np.datetime64) -> datetime:
    """A zone-less stamp of ours as an aware UTC instant.

    >>> to_utc(np.datetime64("2030-10-01T00:00", "us")).isoformat()
    '2030-10-01T00:00:00+00:00'
    """
    at: datetime = stamp.astype("datetime64[us]").item()
    return at.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FarmSeries:
    """One farm's truth in quarter hours.

    Args:
        start: Start of the first (UTC), on a quarter hour.
        mean_frac: Mean available power (0..1), shape (T,).
        spread_frac: Spread of the ten-second values within each quarter, shape (T,).
        running_frac: Share of the farm that is not out of service, shape (T,).
        unmetered: Quarters that the meter did not record, shape (T,).
    """

    start: datetime
    mean_frac: FloatArray
    spread_frac: FloatArray
    running_frac: FloatArray
    unmetered: BoolArray


@dataclass(slots=True)
class _Day:
    """Ten-second values of a day, shape (F, 8640), and the same as rows of plain floats."""

    value: FloatArray
    rows: list[list[float]]
    sums: FloatArray


class FarmTable:
    """Available power of all farms, asked by instant, by mean over intervals, or as the meters recorded it.

    Args:
        series: By farm, in the order of rows.
        seed: Of what is made up within the quarter hour.
        start: First instant that may be asked for, if later than what every farm has (UTC).
        end: First instant that may not, if earlier (UTC).
    """

    def __init__(
        self, series: Mapping[AssetId, FarmSeries], seed: int, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        self.ids = tuple(series)
        self._seed = seed
        self._row_of = {farm: row for row, farm in enumerate(self.ids)}
        common = max(one.start for one in series.values())
        ends = min(one.start + STEP * one.mean_frac.size for one in series.values())
        self.start = common if start is None else max(common, start)
        self.end = ends if end is None else min(ends, end)
        first = min(one.start for one in series.values())
        self._origin = first.replace(hour=0, minute=0, second=0, microsecond=0)
        last = max(one.start + STEP * one.mean_frac.size for one in series.values())
        n = -(-(last - self._origin) // DAY) * QUARTERS
        # Meters tell of the time that may be asked for; where nothing bounds it, of all that each farm has.
        told_from = first if start is None else max(start, self._origin)
        self._told = slice((told_from - self._origin) // STEP, n if end is None else -(-(end - self._origin) // STEP))
        self._mean, self._spread = np.full((len(series), n), np.nan), np.zeros((len(series), n))
        self._running = np.ones((len(series), n))
        self._unmetered = np.zeros((len(series), n), dtype=np.bool_)
        self._span: list[tuple[int, int]] = []
        for row, one in enumerate(series.values()):
            low = (one.start - self._origin) // STEP
            span = slice(low, low + one.mean_frac.size)
            self._mean[row, span], self._spread[row, span] = one.mean_frac, one.spread_frac
            self._running[row, span], self._unmetered[row, span] = one.running_frac, one.unmetered
            self._span.append((span.start, span.stop))
        filled = np.nan_to_num(self._mean)
        self._sums = np.concatenate((np.zeros((len(series), 1)), np.cumsum(filled, axis=1)), axis=1)
        self._days: dict[int, _Day] = {}

    def row(self, at: datetime, dt_s: float) -> list[float]:
        """Mean of every farm over `[at, at + dt_s)`, in the order of `ids`; at most ten seconds are held as they are.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        offset = at - self._origin
        if not self.start <= at < self.end:
            raise self._out_of_bounds(self.ids[0], at)
        if dt_s <= SHORTEST_STEP_S:
            index = offset // SHORTEST_STEP
            return self._day(index // FINE_PER_DAY).rows[index % FINE_PER_DAY]
        quarter, rest = divmod(offset, STEP)
        if dt_s == STEP_S and not rest:
            quarterly: list[float] = self._mean[:, quarter].tolist()
            return quarterly
        return [float(mean) for mean in self.means(self.ids, at, timedelta(seconds=dt_s), 1)[:, 0]]

    def running(self, at: datetime) -> list[float]:
        """Share of every farm that is in service, in the order of `ids`."""
        values: list[float] = self._running[:, (at - self._origin) // STEP].tolist()
        return values

    def at(self, farm_id: AssetId, at: datetime) -> float:
        """Available power at an instant (0..1)."""
        row = self._known(farm_id)
        if not self.start <= at < self.end:
            raise self._out_of_bounds(farm_id, at)
        return self.row(at, 0.0)[row]

    def means(self, farm_ids: Sequence[AssetId], start: datetime, step: timedelta, n: int) -> FloatArray:
        """Mean available power over `n` intervals, shape (F, n)."""
        rows = [self._known(farm_id) for farm_id in farm_ids]
        end = start + step * n
        if farm_ids and (start < self.start or end > self.end):
            raise self._out_of_bounds(farm_ids[0], start if start < self.start else end)
        offset, width = (start - self._origin) / STEP, step / STEP
        if offset.is_integer() and width.is_integer():
            edge = int(offset) + int(width) * np.arange(n + 1)
            total = self._sums[rows][:, edge]
        else:
            total = np.stack([self._total(offset + width * i, rows) for i in range(n + 1)], axis=1)
        return np.asarray(np.clip(np.diff(total, axis=1) / width, 0.0, 1.0), dtype=np.float64)

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """The meter's record for whole quarter hours inside `[start, end)`; empty for an unknown farm."""
        row = self._row_of.get(farm_id)
        if row is None:
            empty = np.array([], dtype="datetime64[us]")
            return Series(METER_NAME, empty, empty, np.array([]))
        first, last = self._span[row]
        first, last = max(first, self._told.start), min(last, self._told.stop)
        low = max(first, -(-(start - self._origin) // STEP))
        high = max(low, min(last, (end - self._origin) // STEP))
        measured_at: StampArray = to_stamp(self._origin) + np.arange(low, high) * np.timedelta64(STEP)
        value = np.where(self._unmetered[row, low:high], np.nan, self._mean[row, low:high])
        return Series(METER_NAME, measured_at, measured_at + np.timedelta64(STEP), value)

    def _total(self, position: float, rows: list[int]) -> FloatArray:
        """Sum of power from the origin to a position in quarters, shape (F,)."""
        quarter = int(position)
        total = self._sums[rows, quarter]
        if position > quarter:
            day, begun = self._day(quarter // QUARTERS), (quarter % QUARTERS) * RATIO
            inside = (position - quarter) * RATIO
            whole = int(inside)
            total = total + (day.sums[rows, begun + whole] - day.sums[rows, begun]) / RATIO
            total = total + (inside - whole) * day.value[rows, begun + min(whole, RATIO - 1)] / RATIO
        return np.asarray(total, dtype=np.float64)

    def _day(self, day: int) -> _Day:
        found = self._days.get(day)
        if found is None:
            while len(self._days) >= KEPT_DAYS:
                del self._days[next(iter(self._days))]
            found = self._days[day] = self._make(day)
        return found

    def _make(self, day: int) -> _Day:
        low, high = day * QUARTERS, (day + 1) * QUARTERS
        mean = np.nan_to_num(self._mean[:, low:high])
        before = np.nan_to_num(self._mean[:, max(low - 1, 0)])
        after = np.nan_to_num(self._mean[:, min(high, self._mean.shape[1] - 1)])
        padded = np.concatenate((before[:, None], mean, after[:, None]), axis=1)
        date = self._origin.toordinal() + day
        noise = np.concatenate([self._white(date - 1)[:, -RUN_UP:], self._white(date)], axis=1)
        ripple = unit_ar1(noise, TURBULENCE_TIME / SHORTEST_STEP)[:, RUN_UP:]
        value = shape_steps(padded, self._spread[:, low:high], ripple, RATIO)
        sums = np.concatenate((np.zeros((len(self.ids), 1)), np.cumsum(value, axis=1)), axis=1)
        return _Day(value, value.T.tolist(), sums)

    def _white(self, date: int) -> FloatArray:
        """White noise of every farm over a calendar day, the same whoever asks first."""
        return np.stack([seeded(self._seed, f"{farm}.{date}.fine").standard_normal(FINE_PER_DAY) for farm in self.ids])

    def _known(self, farm_id: AssetId) -> int:
        row = self._row_of.get(farm_id)
        if row is None:
            raise ScenarioError([f"weather: no farm {farm_id}; it knows {', '.join(sorted(self._row_of))}"])
        return row

    def _out_of_bounds(self, farm_id: AssetId, at: datetime) -> ScenarioError:
        return ScenarioError([f"weather of {farm_id}: {at} is outside [{self.start}, {self.end})"])
