"""What is wrong with the measured series, as marks beside the values: found, named and counted, never repaired in silence.

The rules below find every case that the data's README names (stuck 0.968 in zone 6, 0.002 in zone 4, the long stops of
zones 8 and 9, the standstill of the PV station on 2019-10-23); the README's cases are the tests.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpp.units import BoolArray, FloatArray, IntArray

__all__ = [
    "Mark",
    "MarkArray",
    "clean_temperature_c",
    "fill_gaps",
    "mark_solar",
    "mark_wind",
    "partly_down_frac",
]

MarkArray = NDArray[np.int8]

#: Equal non-zero readings in a row are a stuck sensor; near zero a farm's resolution repeats itself for hours by nature.
STUCK_STEPS: Final = 6
STUCK_STEPS_NEAR_ZERO: Final = 18
NEAR_ZERO_FRAC: Final = 0.01
#: A standstill of the farm, not a calm: this many hours of zero power with a forecast wind above 8 m/s.
OUTAGE_WIND_M_S: Final = 8.0
OUTAGE_WINDY_STEPS: Final = 6
#: A PV station that stands still under this sun for an hour is out; one that gives half of its usual ratio is derated.
OUTAGE_SUN_W_M2: Final = 300.0
OUTAGE_SUNNY_STEPS: Final = 4
DERATED_SUN_W_M2: Final = 500.0
DERATED_SHARE_FRAC: Final = 0.5
#: A month whose top stays this far under the usual one ran with part of the farm down.
TOP_QUANTILE: Final = 0.995
PARTLY_DOWN_FRAC: Final = 0.86
WEATHER_SENTINEL: Final = -99.0
#: All weather columns frozen for longer than half a day (night included) is a stuck logger.
STUCK_WEATHER_STEPS: Final = 48


class Mark(IntEnum):
    """What a reading is."""

    MEASURED = 0
    MISSING = 1
    STUCK = 2
    OUTAGE = 3
    DERATED = 4


def mark_wind(power_frac: FloatArray, wind_speed_m_s: FloatArray) -> MarkArray:
    """A mark for each hour of one wind farm.

    Args:
        power_frac: Measured power, NaN where null, shape (T,).
        wind_speed_m_s: Forecast speed at 100 m, shape (T,).

    Returns:
        Marks, shape (T,).
    """
    marks = np.where(np.isnan(power_frac), Mark.MISSING, Mark.MEASURED).astype(np.int8)
    starts, lengths = _runs(power_frac)
    value = power_frac[starts]
    needed = np.where(value > NEAR_ZERO_FRAC, STUCK_STEPS, STUCK_STEPS_NEAR_ZERO)
    windy_steps = np.add.reduceat((wind_speed_m_s > OUTAGE_WIND_M_S).astype(np.int64), starts)
    for begin, length, at, long, windy in zip(starts, lengths, value, needed, windy_steps, strict=True):
        if at > 0 and length >= long:
            marks[begin : begin + length] = Mark.STUCK
        elif at == 0 and windy >= OUTAGE_WINDY_STEPS:
            marks[begin : begin + length] = Mark.OUTAGE
    return marks


def partly_down_frac(power_frac: FloatArray, month: IntArray) -> FloatArray:
    """Share of a wind farm that ran, month by month: below 1 where a whole month never came near the usual top.

    Args:
        power_frac: Measured power without gaps, shape (T,).
        month: A number for the calendar month of each hour, shape (T,).

    Returns:
        Share of the usual top, 1 in sound months, shape (T,).
    """
    months, inverse = np.unique(month, return_inverse=True)
    top = np.array([np.quantile(power_frac[inverse == i], TOP_QUANTILE) for i in range(months.size)])
    share = top / float(np.median(top))
    return np.where(share < PARTLY_DOWN_FRAC, share, 1.0)[inverse]


def mark_solar(power_frac: FloatArray, irradiance_w_m2: FloatArray) -> MarkArray:
    """A mark for each step of one PV station; irradiance is in the plane of the array, shapes (T,)."""
    marks = np.where(np.isnan(power_frac), Mark.MISSING, Mark.MEASURED).astype(np.int8)
    sunny = irradiance_w_m2 > DERATED_SUN_W_M2
    ratio = np.divide(power_frac, irradiance_w_m2, out=np.full_like(power_frac, np.nan), where=sunny)
    usual = float(np.nanmedian(ratio)) if bool(sunny.any()) else 0.0
    marks[sunny & (ratio < DERATED_SHARE_FRAC * usual)] = Mark.DERATED
    starts, lengths = _runs(np.where(power_frac > 0, 1.0, 0.0))
    sunny_steps = np.add.reduceat((irradiance_w_m2 > OUTAGE_SUN_W_M2).astype(np.int64), starts)
    for begin, length, sun in zip(starts, lengths, sunny_steps, strict=True):
        if power_frac[begin] == 0 and sun >= OUTAGE_SUNNY_STEPS:
            marks[begin : begin + length] = Mark.OUTAGE
    return marks


def clean_temperature_c(temperature_c: FloatArray, irradiance_w_m2: FloatArray) -> FloatArray:
    """Air temperature with sentinels and the frozen logger bridged by straight lines, shape (T,).

    The logger is frozen where irradiance does not move day and night; temperature alone may well stand still.
    """
    bad = (temperature_c == WEATHER_SENTINEL) | np.isnan(temperature_c)
    starts, lengths = _runs(irradiance_w_m2)
    for begin, length in zip(starts, lengths, strict=True):
        if length >= STUCK_WEATHER_STEPS and irradiance_w_m2[begin] > 0:
            bad[begin : begin + length] = True
    return _bridge(temperature_c, bad)


def fill_gaps(power_frac: FloatArray, marks: MarkArray, stand_in: FloatArray, longest_line: int = 2) -> FloatArray:
    """The series the world runs on where the meter failed; an outage stays, for the farm really stood still.

    Args:
        power_frac: Measured power, shape (T,).
        marks: One each, shape (T,); `MISSING` and `STUCK` are filled.
        stand_in: Mean power of the near farms, NaN where there are none, shape (T,).
        longest_line: Gaps up to this many steps are bridged by a straight line, longer ones by the near farms.

    Returns:
        Power without NaN, shape (T,).
    """
    bad = (marks == Mark.MISSING) | (marks == Mark.STUCK)
    filled = _bridge(power_frac, bad)
    starts, lengths = _runs(bad.astype(np.float64))
    for begin, length in zip(starts, lengths, strict=True):
        span = slice(begin, begin + length)
        if bad[begin] and length > longest_line:
            filled[span] = np.where(np.isnan(stand_in[span]), filled[span], stand_in[span])
    return filled


def _runs(value: FloatArray) -> tuple[IntArray, IntArray]:
    """First index and length of each row of equal values; a NaN is a row of its own."""
    starts = np.concatenate(([0], np.flatnonzero(value[1:] != value[:-1]) + 1)).astype(np.int64)
    return starts, np.diff(np.append(starts, value.size))


def _bridge(value: FloatArray, bad: BoolArray) -> FloatArray:
    """Straight lines over the bad steps."""
    index = np.arange(value.size)
    return np.where(bad, np.interp(index, index[~bad], value[~bad]), value)
