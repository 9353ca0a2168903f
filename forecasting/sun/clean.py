"""What is wrong with a station's readings: found, marked and counted, never repaired in silence.

The rules know no station by name; the quirks that the data's README lists are their tests. A rule looks only backwards where what
it finds goes into a feature, so that a mark at noon does not tell the afternoon.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.history import STEP
from forecasting.physics import STANDARD_SUN_W_M2
from forecasting.sun.record import OUTAGE_SUN_W_M2, Mark, MarkArray
from vpp.units import HOURS_PER_DAY, BoolArray, FloatArray, IntArray, hours

__all__ = [
    "STEPS_PER_DAY",
    "copied_days",
    "dead_irradiance",
    "frozen",
    "humidity_pct",
    "mark_power",
    "runs_of",
    "temperature_c",
    "usual_yield",
]

STEPS_PER_DAY: Final = round(HOURS_PER_DAY / hours(STEP))
#: A sensor that stands still at the same non-zero reading for half a day, night included, is stuck.
FROZEN_STEPS: Final = STEPS_PER_DAY // 2
#: Two bytes read without their sign: a tenth of a degree or per cent below zero comes out as 2**16 / 10 less a little.
UNSIGNED_WRAP: Final = 6553.6
HUMIDITY_WRAPPED: Final = 6000.0
#: The same with the sign bit taken for a value: -0.1 reads -3276.7.
SIGN_BIT: Final = 3276.8
TEMPERATURE_WRAPPED_C: Final = 3000.0
HUMIDITY_MAX_PCT: Final = 105.0
#: Under this sun the yield of a station is steady enough to be judged.
JUDGED_SUN_W_M2: Final = 500.0
CURTAILED_BELOW_FRAC: Final = 0.5
#: A curtailment ends when the station gives this share of the usual again.
STILL_BELOW_FRAC: Final = 0.6
FAINT_SUN_W_M2: Final = 60.0
OUTAGE_STEPS: Final = 4
#: Days whose yield starts the usual one off.
FIRST_DAYS: Final = 30
#: A working sensor sees at least this on some step of a month in which the station produces.
DEAD_SUN_W_M2: Final = 100.0
PRODUCES_FRAC: Final = 0.3
DEAD_DAYS: Final = 20
#: Calendar years apart, in days; a copied year repeats the calendar, so a leap day shifts it.
YEARS_DAYS: Final = (365, 366)
COPY_SPREAD: Final = 1e-6
COPY_STEPS: Final = 8
COPY_SHARE_FRAC: Final = 0.8


def runs_of(value: FloatArray) -> tuple[IntArray, IntArray]:
    """First index and length of each row of equal values; a NaN is a row of its own."""
    if value.size == 0:
        return np.array([], dtype=np.int64), np.array([], dtype=np.int64)
    starts = np.concatenate(([0], np.flatnonzero(value[1:] != value[:-1]) + 1)).astype(np.int64)
    return starts, np.diff(np.append(starts, value.size)).astype(np.int64)


def frozen(value: FloatArray) -> BoolArray:
    """Where a reading other than zero stood still for half a day or longer, shape (T,)."""
    starts, lengths = runs_of(value)
    stuck = (lengths >= FROZEN_STEPS) & (np.nan_to_num(value[starts]) > 0)
    return np.repeat(stuck, lengths)


def humidity_pct(raw: FloatArray) -> FloatArray:
    """Relative humidity with a small negative reading stored unsigned put right, and nonsense NaN, shape (T,)."""
    right = np.where(raw > HUMIDITY_WRAPPED, np.maximum(raw - UNSIGNED_WRAP, 0.0), raw)
    return np.where((right >= 0) & (right <= HUMIDITY_MAX_PCT), right, np.nan)


def temperature_c(raw: FloatArray) -> FloatArray:
    """Air temperature with a misread sign bit put right, and nonsense NaN, shape (T,)."""
    right = np.where(raw < -TEMPERATURE_WRAPPED_C, -(raw + SIGN_BIT), raw)
    return np.where(np.abs(right) < TEMPERATURE_WRAPPED_C / 10, right, np.nan)


def dead_irradiance(irradiance_w_m2: FloatArray, power_frac: FloatArray) -> BoolArray:
    """Days on which the sensor has seen no sun for weeks while the station produced, spread over their steps, shape (T,)."""
    sun, power = _daily_max(irradiance_w_m2), _daily_max(power_frac)
    working = np.where(power > PRODUCES_FRAC, sun > DEAD_SUN_W_M2, True)
    producing = power > PRODUCES_FRAC
    dead = np.zeros(sun.size, dtype=np.bool_)
    for begin, length in zip(*runs_of(working.astype(np.float64)), strict=True):
        # Cloudy days between dead ones count as working in `working`; a long row of dead days is what matters.
        if not working[begin] and length >= 1:
            window = slice(max(0, begin - DEAD_DAYS), begin + length + DEAD_DAYS)
            seen = sun[window][producing[window]]
            dead[begin : begin + length] = np.mean(seen <= DEAD_SUN_W_M2) > CURTAILED_BELOW_FRAC
    return np.repeat(dead, STEPS_PER_DAY)[: irradiance_w_m2.size]


def copied_days(power_frac: FloatArray) -> BoolArray:
    """Days that repeat the same calendar day of the year before times a constant, spread over their steps, shape (T,)."""
    copied = np.zeros(-(-power_frac.size // STEPS_PER_DAY), dtype=np.bool_)
    for days in YEARS_DAYS:
        lag = days * STEPS_PER_DAY
        if power_frac.size <= lag:
            continue
        before = np.concatenate((np.full(lag, np.nan), power_frac[:-lag]))
        ratio = np.divide(power_frac, before, out=np.full_like(power_frac, np.nan), where=(before > 0) & (power_frac > 0))
        by_day = _by_day(ratio)
        count = (~np.isnan(by_day)).sum(axis=1)
        low, high = np.nanmin(np.nan_to_num(by_day, nan=np.inf), axis=1), np.nanmax(np.nan_to_num(by_day, nan=-np.inf), axis=1)
        copied |= (count >= COPY_STEPS) & (high - low < COPY_SPREAD * np.where(count > 0, high, 1.0))
    found = np.flatnonzero(copied)
    if found.size and found.size > COPY_SHARE_FRAC * (found[-1] - found[0] + 1):
        # A dark day has too few readings to tell; between copied days it is one of them, and so are the hours at the ends.
        copied[found[0] : found[-1] + 1] = True
    return np.repeat(copied, STEPS_PER_DAY)[: power_frac.size]


def usual_yield(power_frac: FloatArray, irradiance_w_m2: FloatArray) -> FloatArray:
    """Share of capacity that one standard sun gave in the median of all earlier days, shape (T,); NaN without any sun."""
    judged = irradiance_w_m2 > JUDGED_SUN_W_M2
    ratio = np.divide(power_frac * STANDARD_SUN_W_M2, irradiance_w_m2, out=np.full_like(power_frac, np.nan), where=judged)
    by_day = _by_day(ratio)
    usual = np.full(by_day.shape[0], np.nan)
    for day in range(by_day.shape[0]):
        # The first days judge each other, there is nothing before them.
        seen = by_day[: max(day, min(FIRST_DAYS, by_day.shape[0]))]
        seen = seen[~np.isnan(seen)]
        usual[day] = np.median(seen) if seen.size else np.nan
    return np.repeat(usual, STEPS_PER_DAY)[: power_frac.size]


def mark_power(power_frac: FloatArray, irradiance_w_m2: FloatArray) -> MarkArray:
    """A mark for each reading.

    Args:
        power_frac: Share of capacity, NaN where missing, shape (T,).
        irradiance_w_m2: In the plane of the modules, NaN where the sensor failed, shape (T,).
    """
    marks = np.where(np.isnan(power_frac), Mark.MISSING, Mark.MEASURED).astype(np.int8)
    usual = usual_yield(power_frac, irradiance_w_m2)
    sunny = irradiance_w_m2 > JUDGED_SUN_W_M2
    weak = power_frac < CURTAILED_BELOW_FRAC * usual * irradiance_w_m2 / STANDARD_SUN_W_M2
    marks[_grown(sunny & weak, irradiance_w_m2, power_frac, usual)] = Mark.CURTAILED
    for begin, length in zip(*runs_of(power_frac), strict=True):
        span = slice(begin, begin + length)
        if power_frac[begin] == 0 and np.nansum(irradiance_w_m2[span] > OUTAGE_SUN_W_M2) >= OUTAGE_STEPS:
            marks[span] = Mark.OUTAGE
    marks[copied_days(power_frac)] = Mark.COPIED
    return marks


def _grown(found: BoolArray, irradiance_w_m2: FloatArray, power_frac: FloatArray, usual: FloatArray) -> BoolArray:
    """Curtailed steps and those right after them that still give far less than usual under a lower sun, shape (T,)."""
    still = (irradiance_w_m2 > FAINT_SUN_W_M2) & (power_frac < STILL_BELOW_FRAC * usual * irradiance_w_m2 / STANDARD_SUN_W_M2)
    grown = found.copy()
    for step in np.flatnonzero(still & ~found):
        grown[step] = step > 0 and grown[step - 1]
    return grown


def _by_day(value: FloatArray) -> FloatArray:
    """Steps in rows of a day, the last row filled up with NaN, shape (days, steps a day)."""
    missing = -value.size % STEPS_PER_DAY
    return np.append(value, np.full(missing, np.nan)).reshape(-1, STEPS_PER_DAY)


def _daily_max(value: FloatArray) -> FloatArray:
    highest: FloatArray = np.nanmax(np.nan_to_num(_by_day(value), nan=0.0), axis=1)
    return highest
