"""Generated sun: clear sky and module from pvlib, clouds from regimes that come and go."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from sim_harness.weather.base import SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG, STEP
from sim_harness.weather.fine import unit_ar1
from vpp.series import StampArray
from vpp.units import FloatArray, IntArray, hours

__all__ = ["clear_sky_power_frac", "cloud_index"]

#: Fixed mounting: tilt near the latitude, due south.
TILT_DEG: Final = 38.0
AZIMUTH_DEG: Final = 180.0
ALBEDO_FRAC: Final = 0.2
STANDARD_SUN_W_M2: Final = 1_000.0
#: Loss of crystalline silicon per degree above 25 degC, module heating at full sun, inverter limit as a share of capacity.
TEMPERATURE_LOSS_PER_C: Final = 0.0037
HEATING_C: Final = 28.0
STANDARD_TEMPERATURE_C: Final = 25.0
INVERTER_LIMIT_FRAC: Final = 0.97
#: Regimes clear, broken, overcast: mean stay [h], clear-sky index and its spread. Invented, of the usual size.
STAY_H: Final = (14.0, 8.0, 9.0)
INDEX: Final = (0.98, 0.72, 0.30)
INDEX_SPREAD: Final = (0.02, 0.20, 0.12)
FLICKER_TIME: Final = timedelta(minutes=45)
#: How much of the cloud noise a farm shares with the others (variance).
SHARED_FRAC: Final = 0.7


def clear_sky_power_frac(middle: StampArray, temperature_c: FloatArray) -> FloatArray:
    """Output under a clear sky as a share of capacity at the given instants (UTC), shape (T,).

    Args:
        middle: Instants, shape (T,).
        temperature_c: Air temperature, shape (T,). [degC]
    """
    times = pd.DatetimeIndex(middle, tz="UTC")
    sun = pvlib.solarposition.get_solarposition(times, SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG, method="nrel_numpy")
    ghi = pvlib.clearsky.haurwitz(sun["apparent_zenith"])["ghi"]
    day_of_year = times.day_of_year.to_numpy()  # pvlib would ask pandas for a deprecated name of it
    parts = pvlib.irradiance.erbs(ghi, sun["zenith"], day_of_year)
    plane = pvlib.irradiance.get_total_irradiance(
        TILT_DEG, AZIMUTH_DEG, sun["apparent_zenith"], sun["azimuth"], parts["dni"], ghi, parts["dhi"], albedo=ALBEDO_FRAC
    )["poa_global"]
    sun_frac = np.nan_to_num(plane.to_numpy(dtype=np.float64)) / STANDARD_SUN_W_M2
    module_c = temperature_c + HEATING_C * sun_frac
    power = sun_frac * (1.0 - TEMPERATURE_LOSS_PER_C * (module_c - STANDARD_TEMPERATURE_C))
    return np.asarray(np.clip(power, 0.0, INVERTER_LIMIT_FRAC), dtype=np.float64)


def cloud_index(n: int, farms: int, rng: np.random.Generator) -> FloatArray:
    """Clear-sky index every 15 min: one regime for the whole park, part of the flicker for each farm, shape (F, n)."""
    regime = _regimes(n, rng)
    memory = FLICKER_TIME / STEP
    shared = unit_ar1(rng.standard_normal(n), memory)
    own = unit_ar1(rng.standard_normal((farms, n)), memory)
    flicker = SHARED_FRAC**0.5 * shared + (1.0 - SHARED_FRAC) ** 0.5 * own
    index = np.array(INDEX)[regime] + np.array(INDEX_SPREAD)[regime] * flicker
    return np.asarray(np.clip(index, 0.03, 1.1), dtype=np.float64)


def _regimes(n: int, rng: np.random.Generator) -> IntArray:
    """A row of stays of exponential length, the next regime one of the other two."""
    regime = np.empty(n, dtype=np.int64)
    now, at = int(rng.integers(len(STAY_H))), 0
    while at < n:
        stay = 1 + int(rng.exponential(STAY_H[now] / hours(STEP)))
        regime[at : at + stay] = now
        at += stay
        now = (now + 1 + int(rng.integers(len(STAY_H) - 1))) % len(STAY_H)
    return regime
