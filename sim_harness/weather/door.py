"""The forecasters' door to the world's history: meters and published runs, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from forecasting.known import WeatherRuns
from sim_harness.weather.base import Weather
from vpp.ids import AssetId
from vpp.series import Series

__all__ = ["WeatherDoor"]


@dataclass(frozen=True, slots=True)
class WeatherDoor:
    """A `forecasting.known.KnownDoor` on a weather.

    Args:
        weather: Measured or generated.
    """

    weather: Weather

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """Metered available power in `[start, end)` that had been received by `known_at`."""
        return self.weather.history(farm_id, start, min(end, known_at)).known(known_at)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """The runs published by `known_at`."""
        return self.weather.runs_known(farm_id, known_at)
