"""Generated sky: sun and clear sky from pvlib, and clouds in regimes that come and go.

Four regimes (clear, thin cloud, broken cloud, overcast) follow each other as neighbours; within each the clear-sky index has its
own mean, spread and flicker. The whole district lives in one regime; of the flicker each station has a part of its own. Stays and
spreads are fitted to the measured station (`docs/weather.md`): distribution of the index, its steps over 15 min, 1 h and 4 h,
and the memory from hours to days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from sim_harness.plants.drift import seeded
from sim_harness.weather.base import SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG, STEP
from sim_harness.weather.fine import unit_ar1
from vpp.series import StampArray
from vpp.units import FloatArray, IntArray, hours

__all__ = ["ClearSky", "clear_sky", "cloud_index", "district_index", "regimes"]

ALTITUDE_M: Final = 600.0
#: Turbidity of dry continental air (Linke), pvlib's `ineichen`.
LINKE_TURBIDITY: Final = 3.0
#: Clear, thin, broken, overcast: mean stay [h], clear-sky index, its slow spread within the stay, its flicker.
STAY_H: Final = (9.5, 4.5, 3.0, 5.0)
INDEX: Final = (0.98, 0.90, 0.70, 0.45)
SLOW_SPREAD: Final = (0.02, 0.055, 0.12, 0.14)
FLICKER: Final = (0.003, 0.025, 0.19, 0.06)
SLOW_MEMORY_H: Final = 5.0
FLICKER_MEMORY_H: Final = 0.45
#: A regime gives way to the next within about this time. [h]
BLEND_H: Final = 1.0
#: Chance that the next regime is the next cloudier one.
DARKER_FRAC: Final = (1.0, 0.5, 0.5, 0.0)
#: How much of the flicker a station shares with the others (variance), tens of kilometres away.
SHARED_FRAC: Final = 0.25
LOWEST_INDEX: Final = 0.03
HIGHEST_INDEX: Final = 1.12
PER_HOUR: Final = round(1.0 / hours(STEP))


@dataclass(frozen=True, slots=True)
class ClearSky:
    """Sun and clear sky at the middles of steps, shapes (T,), zero at night.

    Args:
        zenith_deg: Apparent, from the vertical. [deg]
        azimuth_deg: From north over east. [deg]
        ghi_w_m2: Global horizontal irradiance without clouds. [W/m2]
        day_of_year: 1..366.
    """

    zenith_deg: FloatArray
    azimuth_deg: FloatArray
    ghi_w_m2: FloatArray
    day_of_year: IntArray


def clear_sky(middle: StampArray) -> ClearSky:
    """The sun over the park at some instants (UTC), shape (T,).

    Source:
        pvlib: solar position by its `ephemeris` (0.01 deg), clear sky by P. Ineichen and R. Perez, Solar Energy 73(3), 2002.
    """
    times = pd.DatetimeIndex(middle, tz="UTC")
    sun = pvlib.solarposition.get_solarposition(times, SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG, method="ephemeris")
    zenith = sun["apparent_zenith"].to_numpy(dtype=np.float64)
    up = zenith < 89.0
    ghi = np.zeros(zenith.size)
    mass = pvlib.atmosphere.get_relative_airmass(zenith[up])
    absolute = pvlib.atmosphere.get_absolute_airmass(mass, pvlib.atmosphere.alt2pres(ALTITUDE_M))
    day_of_year = times.day_of_year.to_numpy()
    extra = pvlib.irradiance.get_extra_radiation(day_of_year[up])
    ghi[up] = pvlib.clearsky.ineichen(zenith[up], absolute, LINKE_TURBIDITY, ALTITUDE_M, extra)["ghi"]
    azimuth = sun["azimuth"].to_numpy(dtype=np.float64)
    return ClearSky(zenith, azimuth, np.nan_to_num(ghi), np.asarray(day_of_year, dtype=np.int64))


def regimes(n: int, seed: int) -> IntArray:
    """The district's cloud regime in each quarter hour, 0 clear .. 3 overcast, shape (n,)."""
    rng = seeded(seed, "sky.regime")
    regime = np.empty(n, dtype=np.int64)
    now, at = int(rng.integers(len(STAY_H))), 0
    while at < n:
        stay = 1 + int(rng.exponential(STAY_H[now]) * PER_HOUR)
        regime[at : at + stay] = now
        at += stay
        now += 1 if rng.random() < DARKER_FRAC[now] else -1
    return regime


def district_index(regime: IntArray, seed: int) -> FloatArray:
    """Clear-sky index of the district's sky without flicker, as weather and air see it, shape (T,)."""
    slow = unit_ar1(seeded(seed, "sky.slow").standard_normal(regime.size), SLOW_MEMORY_H * PER_HOUR)
    return np.asarray(_blend(np.array(INDEX)[regime]) + _blend(np.array(SLOW_SPREAD)[regime]) * slow, dtype=np.float64)


def cloud_index(regime: IntArray, district: FloatArray, station: str, seed: int) -> FloatArray:
    """Clear-sky index over one station: the district's, and flicker of which a part is its own, shape (T,)."""
    memory = FLICKER_MEMORY_H * PER_HOUR
    shared = unit_ar1(seeded(seed, "sky.flicker").standard_normal(regime.size), memory)
    own = unit_ar1(seeded(seed, f"{station}.flicker").standard_normal(regime.size), memory)
    flicker = SHARED_FRAC**0.5 * shared + (1.0 - SHARED_FRAC) ** 0.5 * own
    index = district + _blend(np.array(FLICKER)[regime]) * flicker
    return np.asarray(np.clip(index, LOWEST_INDEX, HIGHEST_INDEX), dtype=np.float64)


def _blend(value: FloatArray) -> FloatArray:
    """Steps made into slopes: mean over the last `BLEND_H`."""
    width = max(1, round(BLEND_H * PER_HOUR))
    padded = np.concatenate((np.full(width - 1, value[0]), value))
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")
