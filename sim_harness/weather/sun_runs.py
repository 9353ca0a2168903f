"""Weather runs for the sun: global irradiance and air temperature, made up from what really came.

No public run for the sun goes with the measured series, so that these are made up for both weathers, and it is said beside every
figure. A run's clear-sky index is the truth's mean over `SEEN_H`, drawn towards the climate as the lead grows, plus an error that
lasts for hours and of which a part belongs to the hour whichever run says it:

    index = mean + rho(lead) * (true - mean) + sqrt(1 - rho(lead)^2) * sd * error

Size: rho makes the error of the hourly irradiance on day 1 about 20 % of its mean by day, growing by a third to day 3, as found
for ECMWF in Europe and the USA (R. Perez et al., "Comparison of numerical weather prediction solar irradiance forecasts in the
US, Canada and Europe", Solar Energy 94, 2013: 17-30 % on day 1). Temperature misses by 1.2 degC at issue and 2.4 on day 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.plants.drift import seeded
from sim_harness.weather.fine import unit_ar1
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray

__all__ = ["SUN_FEATURES", "SunTruth", "sun_runs"]

#: What a run for the sun holds, in this order; instantaneous at the lead. [W/m2, degC]
SUN_FEATURES: Final = ("ghi_w_m2", "temperature_c")
SEEN_H: Final = 3
RHO_AT_ISSUE: Final = 0.86
RHO_LOSS_PER_H: Final = 0.0042
ERROR_MEMORY_H: Final = 7.0
STUBBORN_FRAC: Final = 0.5
TEMPERATURE_ERROR_C: Final = 1.2
TEMPERATURE_GROWTH_C_PER_H: Final = 0.0125
LOWEST_INDEX: Final = 0.05
HIGHEST_INDEX: Final = 1.05


@dataclass(frozen=True, slots=True)
class SunTruth:
    """The true sky on the hours from the first run's start, shapes (T,).

    Args:
        clear_ghi_w_m2: Global irradiance under a clear sky. [W/m2]
        index: Clear-sky index, also by night.
        temperature_c: Air. [degC]
    """

    clear_ghi_w_m2: FloatArray
    index: FloatArray
    temperature_c: FloatArray


def sun_runs(truth: SunTruth, leads: int, seed: int) -> FloatArray:
    """Daily runs with hourly leads 1..`leads`, as long as the truth reaches; hours beyond it are NaN.

    Args:
        truth: What really came.
        leads: How many hours each.
        seed: Source of the errors.

    Returns:
        `SUN_FEATURES` by run and lead, shape (R, leads, 2).
    """
    n = truth.index.size
    days = n // int(HOURS_PER_DAY)
    hour = int(HOURS_PER_DAY) * np.arange(days)[:, None] + np.arange(1, leads + 1)
    held = np.minimum(hour, n - 1)
    lead = np.arange(1.0, leads + 1.0)
    rho = RHO_AT_ISSUE - RHO_LOSS_PER_H * lead
    wide = np.convolve(np.pad(truth.index, SEEN_H // 2, mode="edge"), np.full(SEEN_H, 1.0 / SEEN_H), mode="valid")
    mean, sd = float(truth.index.mean()), float(truth.index.std())
    miss = (1.0 - rho**2) ** 0.5 * sd * _error(seed, "sun.run", held, n)
    index = np.clip(mean + rho * (wide[held] - mean) + miss, LOWEST_INDEX, HIGHEST_INDEX)
    grown = TEMPERATURE_ERROR_C + TEMPERATURE_GROWTH_C_PER_H * lead
    runs = np.empty((*hour.shape, len(SUN_FEATURES)))
    runs[..., 0] = truth.clear_ghi_w_m2[held] * index
    runs[..., 1] = truth.temperature_c[held] + grown * _error(seed, "air.run", held, n)
    runs[hour >= n] = np.nan
    return runs


def _error(seed: int, name: str, hour: IntArray, n: int) -> FloatArray:
    stubborn = unit_ar1(seeded(seed, f"{name}.stubborn").standard_normal(n), ERROR_MEMORY_H)[hour]
    own = unit_ar1(seeded(seed, f"{name}.own").standard_normal(hour.shape), ERROR_MEMORY_H)
    return np.asarray(STUBBORN_FRAC**0.5 * stubborn + (1.0 - STUBBORN_FRAC) ** 0.5 * own, dtype=np.float64)
