"""Days on which firms rest although the week says otherwise: the long public holidays of China."""

from __future__ import annotations

from typing import Final

import numpy as np

from vpp.series import StampArray
from vpp.units import BoolArray

__all__ = ["is_holiday"]

#: First day of the lunar year. Source: the Chinese calendar, GB/T 33661-2017.
_SPRING: Final = (
    "2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23",
    "2032-02-11", "2033-01-31", "2034-02-19", "2035-02-08",
)  # fmt: skip
#: From the eve on. Work that is moved to weekends around a holiday is announced year by year, and is not known here.
_SPRING_DAYS: Final = range(-1, 7)
#: New Year's Day, Labour Day, National Day: month, first day and number of days by the rules of the State Council of 2024.
_FIXED: Final = ((1, 1, 1), (5, 1, 2), (10, 1, 3))
_ONE_DAY: Final = np.timedelta64(1, "D")
_SPRING_FESTIVAL: Final = np.array([np.datetime64(day) + n * _ONE_DAY for day in _SPRING for n in _SPRING_DAYS])


def is_holiday(local: StampArray) -> BoolArray:
    """Whether instants lie on a public holiday, shape of `local`; the Spring Festival is known for 2024 to 2035.

    Args:
        local: Instants in park time, without a zone.
    """
    day = local.astype("datetime64[D]")
    found: BoolArray = np.isin(day, _SPRING_FESTIVAL)
    month = day.astype("datetime64[M]")
    number, of_month = month.astype(np.int64) % 12 + 1, (day - month) // _ONE_DAY + 1
    for which, first, days in _FIXED:
        found = found | ((number == which) & (of_month >= first) & (of_month < first + days))
    return found
