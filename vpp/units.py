"""The only place where one unit becomes another; no other file contains 1000, 60 or 3600."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:  # what stands beside a device or a scheduler converts units too, and carries no numpy
    import numpy as np
    from numpy.typing import NDArray

FloatArray: TypeAlias = "NDArray[np.float64]"
IntArray: TypeAlias = "NDArray[np.int64]"
BoolArray: TypeAlias = "NDArray[np.bool_]"

SECONDS_PER_HOUR: Final = 3600.0
SECONDS_PER_MINUTE: Final = 60.0
MINUTES_PER_HOUR: Final = 60.0
MS_PER_S: Final = 1000.0
HOURS_PER_DAY: Final = 24.0
KW_PER_MW: Final = 1000.0
W_PER_MW: Final = 1e6
KG_PER_T: Final = 1000.0
G_PER_KG: Final = 1000.0

#: Density of hydrogen at 0 degC and 101,325 Pa, kg/Nm3 (NIST WebBook, ideal gas at 2.01588 g/mol and 22.414 L/mol).
HYDROGEN_KG_PER_NM3: Final = 2.01588 / 22.413962


def hours(span: timedelta) -> float:
    """Length of a span in hours.

    >>> hours(timedelta(minutes=15))
    0.25
    """
    return span.total_seconds() / SECONDS_PER_HOUR


def s_to_h(seconds: float) -> float:
    """Seconds as hours.

    >>> s_to_h(900.0)
    0.25
    """
    return seconds / SECONDS_PER_HOUR


def h_to_s(length_h: float) -> float:
    """Hours as seconds.

    >>> h_to_s(0.25)
    900.0
    """
    return length_h * SECONDS_PER_HOUR


def kwh_per_nm3_to_mwh_per_kg(kwh_per_nm3: float) -> float:
    """Specific energy of electrolysis, from the trade's kWh/Nm3 to the house's MWh/kg.

    >>> round(kwh_per_nm3_to_mwh_per_kg(5.0), 5)
    0.05559
    """
    return kwh_per_nm3 / HYDROGEN_KG_PER_NM3 / KW_PER_MW
