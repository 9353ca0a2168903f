"""Generated air at the park: temperature, humidity and snowfall on the hours.

Chifeng's normals (monthly means of -10.3 degC in January to 23.9 degC in July, 370 mm of rain a year, 2-3 mm a month in winter;
China Meteorological Administration, station 54218, 1991-2020, rounded). The size and memory of warm and cold spells, the swing
of the day and how clouds damp it are those of the measured PV station: spells of 2.9 degC over 4 days, 12 degC between night and
noon, correlation 0.45 with clear skies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.plants.drift import seeded
from sim_harness.weather.fine import unit_ar1
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["NORMALS_C", "Air", "level_to_normals", "make_air", "seasonal_c"]

#: Monthly means of air temperature. [degC]
NORMALS_C: Final = (-10.3, -6.0, 1.8, 10.7, 17.3, 21.5, 23.9, 22.3, 16.4, 8.3, -1.6, -8.4)
#: Half the swing of a clear day, how much of it an overcast sky takes, and the hour of the warmest air.
CLEAR_SWING_C: Final = 6.6
CLOUD_DAMPING_FRAC: Final = 0.55
WARMEST_H: Final = 15.5
SPELL_C: Final = 3.3
SPELL_MEMORY_H: Final = 70.0
#: Relative humidity: at the mean dew point's distance, its spread and memory, and what an overcast sky adds.
HUMIDITY_FRAC: Final = 0.50
HUMIDITY_SPREAD: Final = 0.13
HUMIDITY_MEMORY_H: Final = 30.0
HUMIDITY_CLOUD: Final = 0.42
HUMIDITY_PER_C: Final = 0.022
#: Snow falls out of wet overcast air in frost: centimetres an hour, and from which humidity.
SNOW_CM_PER_H: Final = 0.6
SNOWS_FROM_FRAC: Final = 0.93
SNOW_BELOW_C: Final = 1.0
MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Air:
    """Air on the hours, shapes (T,).

    Args:
        temperature_c: Two metres above ground. [degC]
        humidity_frac: Relative humidity (0..1).
        snowfall_cm: Fresh snow in the hour that begins. [cm]
    """

    temperature_c: FloatArray
    humidity_frac: FloatArray
    snowfall_cm: FloatArray


def seasonal_c(year_frac: FloatArray) -> FloatArray:
    """Chifeng's normal temperature over the year, a smooth line through the middles of the months, same shape."""
    middles = (np.arange(-1, MONTHS + 1) + 0.5) / MONTHS
    normals = np.array((NORMALS_C[-1], *NORMALS_C, NORMALS_C[0]))
    return np.asarray(np.interp(year_frac, middles, normals), dtype=np.float64)


def level_to_normals(temperature_c: FloatArray, year_frac: FloatArray) -> FloatArray:
    """A measured series of another place moved to Chifeng's normals; its days and spells are kept, shape (T,)."""
    month = np.minimum((year_frac * MONTHS).astype(np.int64), MONTHS - 1)
    means = np.array([temperature_c[month == m].mean() if bool((month == m).any()) else 0.0 for m in range(MONTHS)])
    shift = np.array(NORMALS_C) - means
    middles = (np.arange(-1, MONTHS + 1) + 0.5) / MONTHS
    return np.asarray(temperature_c + np.interp(year_frac, middles, np.array((shift[-1], *shift, shift[0]))), dtype=np.float64)


def make_air(hour_of_day: FloatArray, year_frac: FloatArray, clear_index: FloatArray, seed: int) -> Air:
    """Air that follows the season, the sun and the clouds.

    Args:
        hour_of_day: Local hour 0..24, shape (T,).
        year_frac: Part of the year that has passed (0..1), shape (T,).
        clear_index: Clear-sky index of the district's sky, shape (T,).
        seed: Of the spells.
    """
    n = hour_of_day.size
    cloud = np.clip(1.0 - clear_index, 0.0, 1.0)
    # Air answers to the sky of the last hours, not of the minute.
    cloud = np.convolve(np.concatenate((np.full(5, cloud[0]), cloud)), np.full(6, 1.0 / 6), mode="valid")
    spell = SPELL_C * unit_ar1(seeded(seed, "air.spell").standard_normal(n), SPELL_MEMORY_H)
    swing = CLEAR_SWING_C * (1.0 - CLOUD_DAMPING_FRAC * cloud)
    day = swing * np.cos(2 * np.pi * (hour_of_day - WARMEST_H) / HOURS_PER_DAY)
    normal = seasonal_c(year_frac)
    temperature = normal + spell + day
    wet = HUMIDITY_SPREAD * unit_ar1(seeded(seed, "air.wet").standard_normal(n), HUMIDITY_MEMORY_H)
    summer = 0.06 * (normal - normal.mean()) / 17.0
    humidity = HUMIDITY_FRAC + summer + wet + HUMIDITY_CLOUD * cloud - HUMIDITY_PER_C * day
    humidity = np.clip(humidity, 0.10, 1.0)
    fall = SNOW_CM_PER_H * np.clip((humidity - SNOWS_FROM_FRAC) / (1.0 - SNOWS_FROM_FRAC), 0.0, 1.0)
    snow = np.where(temperature < SNOW_BELOW_C, fall, 0.0)
    return Air(temperature, humidity, snow)
