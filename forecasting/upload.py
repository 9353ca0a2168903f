"""The file a station sends to dispatch: 96 points of the coming day, by 09:00 park time.

Source:
    North China rules of 2019 for forecasts of wind and PV stations, the default of `seeds/` (DESIGN, section 11): 15-min points,
    day-ahead forecast by 09:00.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from forecasting.forecast import Forecast
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["DUE", "PARK_ZONE", "POINTS", "DayAhead", "day_ahead_grid", "day_ahead_of", "upload_csv"]

PARK_ZONE: Final = ZoneInfo("Asia/Shanghai")
POINTS: Final = 96
STEP: Final = timedelta(days=1) / POINTS
#: Later than this, park time, it does not count any more.
DUE: Final = time(9, 0)


@dataclass(frozen=True, slots=True)
class DayAhead:
    """One station's coming day.

    Args:
        asset_id: The station.
        capacity_mw: Running capacity.
        grid: The 96 quarter hours of the day, park time.
        power_mw: Expected available power, shape (96,).
        low_mw: 5 % quantile, shape (96,).
        high_mw: 95 % quantile, shape (96,).
        issued_at: When it was known (UTC).
        quality: Of the forecast behind it.
    """

    asset_id: AssetId
    capacity_mw: float
    grid: TimeGrid
    power_mw: FloatArray
    low_mw: FloatArray
    high_mw: FloatArray
    issued_at: datetime
    quality: str

    @property
    def in_time(self) -> bool:
        """Whether it was made by 09:00 of the day before, park time."""
        day = self.grid.start.astimezone(PARK_ZONE).date()
        due = datetime.combine(day - timedelta(days=1), DUE, PARK_ZONE)
        return self.issued_at <= due


def day_ahead_grid(at: datetime) -> TimeGrid:
    """The quarter hours of the park's next calendar day after an instant (UTC)."""
    day = at.astimezone(PARK_ZONE).date() + timedelta(days=1)
    start = datetime.combine(day, time(0), PARK_ZONE).astimezone(at.tzinfo)
    return TimeGrid.regular(start, STEP, POINTS)


def day_ahead_of(forecast: Forecast, asset_id: AssetId, capacity_mw: float, day: TimeGrid) -> DayAhead:
    """One station's day out of a forecast that reaches over it.

    Args:
        forecast: With 5 and 95 % among its levels.
        asset_id: The station.
        capacity_mw: Running capacity. [MW]
        day: From `day_ahead_grid`.

    Raises:
        ForecastError: The forecast ends before the day does, or begins after it.
    """
    if forecast.grid.start > day.start or forecast.grid.end < day.end:
        raise ForecastError(
            f"upload of {asset_id}: the forecast reaches {forecast.grid.start}..{forecast.grid.end}, "
            f"the day is {day.start}..{day.end}; ask for a longer horizon"
        )
    edges = np.array([to_stamp(edge) for edge in forecast.grid.edges])
    middles = np.array([to_stamp(edge + STEP / 2) for edge in day.starts])
    # A coarse interval stands for each of its quarter hours.
    t = np.searchsorted(edges, middles, side="right") - 1
    row = forecast.row(asset_id)
    return DayAhead(
        asset_id,
        capacity_mw,
        day,
        forecast.mean_frac[row, t] * capacity_mw,
        forecast.quantile_frac[row, t, 0] * capacity_mw,
        forecast.quantile_frac[row, t, -1] * capacity_mw,
        forecast.issued_at,
        forecast.quality[row],
    )


def upload_csv(days: tuple[DayAhead, ...]) -> str:
    """The file: one row for each station and point, park time, MW with three digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["station", "date", "point", "start", "end", "power_mw", "low_mw", "high_mw", "capacity_mw", "issued_at"])
    for day in days:
        issued = day.issued_at.astimezone(PARK_ZONE).isoformat(timespec="minutes")
        for point in range(POINTS):
            start, end = (day.grid.edges[point + i].astimezone(PARK_ZONE) for i in (0, 1))
            values = (f"{max(float(one[point]), 0.0) + 0.0:.3f}" for one in (day.power_mw, day.low_mw, day.high_mw))
            clock = (f"{start:%H:%M}", "24:00" if point == POINTS - 1 else f"{end:%H:%M}")
            writer.writerow([day.asset_id, f"{start:%Y-%m-%d}", point + 1, *clock, *values, f"{day.capacity_mw:g}", issued])
    return out.getvalue()
