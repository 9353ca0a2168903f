"""Many wind farms on one hourly grid: power and weather forecast side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasting.stack.arrays import IntArray
from vpp.errors import ForecastError
from vpp.series import StampArray
from vpp.units import BoolArray, FloatArray

__all__ = ["WIND_COMPONENTS", "WindPanel", "grid_points"]

#: Order of the last axis of `WindPanel.wind_m_s`: eastward and northward wind at 10 m and 100 m.
WIND_COMPONENTS = ("u10", "v10", "u100", "v100")


@dataclass(frozen=True, slots=True, eq=False)
class WindPanel:
    """Power and weather of Z farms over T hours without a gap.

    Args:
        start: Start of each hour (UTC), shape (T,), every hour once, datetime64[us].
        zones: The farms' numbers, Z of them.
        power_frac: Share of installed capacity, NaN where not measured, shape (T, Z).
        wind_m_s: Forecast wind, `WIND_COMPONENTS` on the last axis, no NaN, shape (T, Z, 4).
    """

    start: StampArray
    zones: tuple[int, ...]
    power_frac: FloatArray
    wind_m_s: FloatArray

    def __post_init__(self) -> None:
        hours, zones = self.start.shape[0], len(self.zones)
        if self.power_frac.shape != (hours, zones) or self.wind_m_s.shape != (hours, zones, len(WIND_COMPONENTS)):
            raise ForecastError(
                f"panel: {hours} hours and {zones} zones, but power {self.power_frac.shape} and wind {self.wind_m_s.shape}"
            )
        if hours > 1 and not bool(np.all(np.diff(self.start) == np.timedelta64(1, "h"))):
            raise ForecastError("panel: the hours must follow each other without gap or double")
        if not bool(np.isfinite(self.wind_m_s).all()):
            raise ForecastError("panel: wind must be complete; fill or cut the hours without a forecast")

    def until(self, end: np.datetime64) -> WindPanel:
        """Only the hours that start before `end`: what comes later does not exist for a task."""
        keep = self.start < end
        return WindPanel(self.start[keep], self.zones, self.power_frac[keep], self.wind_m_s[keep])

    def without_power(self, hidden: BoolArray) -> WindPanel:
        """The same panel with power unknown in the hours marked, shape (T,)."""
        power = self.power_frac.copy()
        power[hidden] = np.nan
        return replace(self, power_frac=power)


def grid_points(panel: WindPanel) -> IntArray:
    """Columns of the zones whose weather differs: farms in one cell of the weather model share theirs, shape (G,)."""
    flat = panel.wind_m_s.transpose(1, 0, 2).reshape(len(panel.zones), -1)
    first: list[int] = []
    for zone in range(flat.shape[0]):
        if not any(np.array_equal(flat[zone], flat[seen]) for seen in first):
            first.append(zone)
    return np.array(first, dtype=np.int64)
