"""Weather runs that do not come or are badly wrong, at the forecasters' door to what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from forecasting.known import KnownDoor, WeatherRuns
from sim_harness.faults.schedule import Window
from vpp.ids import AssetId
from vpp.series import Series, to_stamp

__all__ = ["FaultyDoor"]


@dataclass(frozen=True, slots=True)
class FaultyDoor:
    """A door behind which some weather runs are missing and some wrong; meters are as they are.

    Args:
        door: The sound one.
        windows: Faults of forecasts: they befall the runs that are received while they hold.
    """

    door: KnownDoor
    windows: Sequence[Window]

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """As the sound door."""
        return self.door.power(farm_id, known_at=known_at, start=start, end=end)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """The runs less those that never came; the wind of wrong ones is multiplied, with every component."""
        runs = self.door.weather_runs(farm_id, known_at=known_at)
        for window in self.windows:
            if window.target not in ("", farm_id) or window.start > known_at or not runs.n:
                continue
            hit = (runs.received_at >= to_stamp(window.start)) & (runs.received_at < to_stamp(window.end))
            if not np.any(hit):
                continue
            if window.kind == "forecast_missing":
                runs = WeatherRuns(runs.issued_at[~hit], runs.received_at[~hit], runs.lead_h, runs.features, runs.value[~hit])
            elif window.kind == "forecast_wrong":
                scale = np.where(hit, window.entry.number("factor"), 1.0)[:, None, None]
                runs = replace(runs, value=runs.value * scale)
        return runs
