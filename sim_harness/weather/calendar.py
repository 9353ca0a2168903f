"""From the calendar of the measured data to the calendar of the park.

Wind (GEFCom2014, Australia). Stamps end their hour and are taken as UTC, so the interval starts one hour before its
stamp. The farms' local solar time is about UTC+10, the park's about UTC+8 (118.9 deg E); keeping the local solar
hour means that the park's UTC is the data's UTC plus 2 h. The southern summer becomes the northern one by turning the
calendar by 26 weeks, and the rest of the way to the park's year goes by whole weeks too, so that a Sunday stays a
Sunday (up to the 2 h). The reporting months 2013-04..06 land in the last quarter of the target year: for 2030 the
shift is 913 weeks + 2 h, 2012-01-01 00:00 becomes 2029-07-01 02:00 UTC and the data end at 2030-12-30 02:00 UTC.

Sun (State Grid site 1, about 98-100 deg E). Stamps are Asia/Shanghai wall clock, read as interval starts (the paper does
not say; an error of at most 15 min). The power centroid lies at 13:36 on that clock, true solar noon of the park at
about 12:05, so the series is moved 90 min earlier. The calendar date is kept and only the year changes: for 2030, 2019
becomes 2029 and 2020 becomes 2030; the 29th of February is dropped where the park's year has none. The sun does not know
weekdays, so nothing is lost by not keeping them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from vpp.series import StampArray
from vpp.units import BoolArray, FloatArray

__all__ = ["PARK_UTC_OFFSET", "SolarCalendar", "WindCalendar", "hour_of_day", "year_frac"]

WIND_REPORTING_YEAR: Final = 2013
SOLAR_LAST_YEAR: Final = 2020
#: Australian local solar time to that of the park, on the UTC clock.
SOLAR_TIME_SHIFT: Final = timedelta(hours=2)
HOUR_ENDING: Final = timedelta(hours=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
HALF_YEAR_WEEKS: Final = 26
DAYS_PER_YEAR: Final = 365.2425
DAYS_PER_WEEK: Final = 7
#: Site 1's late sun brought to the park's solar noon.
LATE_SUN: Final = timedelta(minutes=90)
#: Asia/Shanghai is UTC+8 all year since 1991.
PARK_UTC_OFFSET: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class WindCalendar:
    """Wind data time to park time.

    Args:
        target_year: Park year whose last quarter holds the reporting months.
    """

    target_year: int

    @property
    def weeks(self) -> int:
        """Whole weeks between data and park, the half year included.

        >>> WindCalendar(2030).weeks, WindCalendar(2026).weeks
        (913, 704)
        """
        years = self.target_year - WIND_REPORTING_YEAR
        return HALF_YEAR_WEEKS + int(years * DAYS_PER_YEAR // DAYS_PER_WEEK)

    @property
    def shift(self) -> timedelta:
        """What is added to an instant of the data's UTC to give the park's UTC."""
        return timedelta(weeks=self.weeks) + SOLAR_TIME_SHIFT

    def interval_starts(self, hour_ending: StampArray) -> StampArray:
        """Park UTC start of the hours that end at the data's stamps.

        >>> WindCalendar(2030).interval_starts(np.array(["2013-04-02T01:00"], dtype="datetime64[us]"))[0].item().isoformat()
        '2030-10-01T02:00:00'
        """
        return hour_ending - np.timedelta64(HOUR_ENDING) + np.timedelta64(self.shift)

    def instants(self, stamps: StampArray) -> StampArray:
        """Park UTC of instants, such as the valid times of the weather runs."""
        return stamps + np.timedelta64(self.shift)


@dataclass(frozen=True, slots=True)
class SolarCalendar:
    """Solar data time (Asia/Shanghai wall clock, late sun) to park time.

    Args:
        target_year: Park year that 2020's data become.
    """

    target_year: int

    def interval_starts(self, wall_clock: StampArray) -> tuple[StampArray, BoolArray]:
        """Park UTC of each stamp, and which stamps have a day in the park's year.

        >>> starts, kept = SolarCalendar(2030).interval_starts(
        ...     np.array(["2020-06-21T13:30", "2020-02-29T13:30"], dtype="datetime64[us]"))
        >>> starts[0].item().isoformat(), kept.tolist()
        ('2030-06-21T04:00:00', [True, False])
        """
        moved = wall_clock - np.timedelta64(LATE_SUN)
        month = moved.astype("datetime64[M]")
        target_month = (month.astype("datetime64[Y]") + (self.target_year - SOLAR_LAST_YEAR)).astype("datetime64[M]")
        target_month = target_month + (month - month.astype("datetime64[Y]").astype("datetime64[M]"))
        local = target_month.astype("datetime64[us]") + (moved - month.astype("datetime64[us]"))
        return local - np.timedelta64(PARK_UTC_OFFSET), local.astype("datetime64[M]") == target_month


def hour_of_day(stamps: StampArray) -> FloatArray:
    """Park hour 0..24 of UTC stamps, same shape."""
    local = stamps + np.timedelta64(PARK_UTC_OFFSET)
    return np.asarray((local - local.astype("datetime64[D]")) / np.timedelta64(HOUR), dtype=np.float64)


def year_frac(stamps: StampArray) -> FloatArray:
    """Part of the year that has passed (0..1), same shape."""
    since = (stamps - stamps.astype("datetime64[Y]")) / np.timedelta64(DAY)
    return np.asarray(since / DAYS_PER_YEAR, dtype=np.float64)
