"""The farms' fine series and their meters, as both weathers keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from sim_harness.weather.base import STEP
from sim_harness.weather.fine import FineSeries
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series, StampArray, to_stamp
from vpp.units import BoolArray, FloatArray

__all__ = ["FarmTable", "to_utc"]

METER_NAME = "available_frac"


def to_utc(stamp: np.datetime64) -> datetime:
    """A zone-less stamp of ours as an aware UTC instant.

    >>> to_utc(np.datetime64("2030-10-01T00:00", "us")).isoformat()
    '2030-10-01T00:00:00+00:00'
    """
    at: datetime = stamp.astype("datetime64[us]").item()
    return at.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Meter:
    """Quarter-hour means of one farm as recorded: stamps and values, shapes (T,), NaN where the meter failed."""

    measured_at: StampArray
    received_at: StampArray
    value: FloatArray


class FarmTable:
    """Fine series by farm, with what the meters recorded of them.

    Args:
        series: The truth; every series starts on a quarter hour.
        unmetered: True for the quarter hours a meter did not record, shape (T,); farms left out have none.
    """

    def __init__(self, series: Mapping[AssetId, FineSeries], unmetered: Mapping[AssetId, BoolArray]) -> None:
        self._series = dict(series)
        self._meters = {farm: _read_meter(one, unmetered.get(farm)) for farm, one in series.items()}
        self.start = max(one.start for one in self._series.values())
        self.end = min(one.end for one in self._series.values())

    def at(self, farm_id: AssetId, at: datetime) -> float:
        """Available power at an instant (0..1)."""
        series = self._series.get(farm_id)
        if series is None:
            raise self._unknown(farm_id)
        return series.at(at)

    def means(self, farm_ids: Sequence[AssetId], start: datetime, step: timedelta, n: int) -> FloatArray:
        """Mean available power over `n` intervals, shape (F, n)."""
        for farm_id in farm_ids:
            if farm_id not in self._series:
                raise self._unknown(farm_id)
        if not farm_ids:
            return np.empty((0, n))
        return np.stack([self._series[farm_id].means(start, step, n) for farm_id in farm_ids])

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """The meter's record for whole quarter hours inside `[start, end)`; empty for an unknown farm."""
        meter = self._meters.get(farm_id)
        if meter is None:
            empty = np.array([], dtype="datetime64[us]")
            return Series(METER_NAME, empty, empty, np.array([]))
        low = int(np.searchsorted(meter.measured_at, to_stamp(start)))
        high = max(low, int(np.searchsorted(meter.received_at, to_stamp(end), side="right")))
        span = slice(low, high)
        return Series(METER_NAME, meter.measured_at[span], meter.received_at[span], meter.value[span])

    def _unknown(self, farm_id: AssetId) -> ScenarioError:
        return ScenarioError([f"weather: no farm {farm_id}; it knows {', '.join(sorted(self._series))}"])


def _read_meter(series: FineSeries, unmetered: BoolArray | None) -> _Meter:
    n = (series.end - series.start) // STEP
    value = series.means(series.start, STEP, n)
    if unmetered is not None:
        value = np.where(unmetered[:n], np.nan, value)
    measured_at = to_stamp(series.start) + np.arange(n) * np.timedelta64(STEP)
    return _Meter(measured_at, measured_at + np.timedelta64(STEP), value)
