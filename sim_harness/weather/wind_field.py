"""Generated wind: speeds that neighbours share, the farms' power from them, and runs that miss them.

Everything here is made up; its size is the usual one. Gaussian latents (a synoptic part that the park shares,
each farm's own synoptic and mesoscale parts, a diurnal and a seasonal wave) become Weibull speeds, and speeds become power
on a farm curve. A run is the true wind plus an error in each component that grows with the lead time, lasts for hours and
is partly common to the farms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from forecasting.known import WIND_FEATURES
from sim_harness.weather.fine import unit_ar1
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["WindField", "blow", "farm_power_frac", "forecast_runs"]

#: Weibull wind at 100 m on the plateau north of the Yan mountains.
WEIBULL_SHAPE: Final = 2.1
WEIBULL_SCALE_M_S: Final = 8.3
#: Share of the latent's variance and memory [h]: shared synoptic, own synoptic, own mesoscale.
SHARED_PART: Final = (0.60, 30.0)
OWN_PARTS: Final = ((0.30, 18.0), (0.10, 4.0))
DIURNAL_SIGMA: Final = 0.25
SEASONAL_SIGMA: Final = 0.20
#: It blows mostly from the north-west, that is to 135 degrees; the veer has a spread and a memory.
MEAN_HEADING_DEG: Final = 135.0
VEER_DEG: Final = 55.0
VEER_MEMORY_H: Final = 30.0
#: Farm power curve (logistic): speed of half power and its width; nothing turns below the cut-in speed.
HALF_POWER_M_S: Final = 8.4
CURVE_WIDTH_M_S: Final = 1.35
CUT_IN_M_S: Final = 2.8
#: Error of a run in each component: at issue, for each further hour, memory over lead, share common to the farms.
ERROR_M_S: Final = 1.0
ERROR_GROWTH_M_S_PER_H: Final = 0.018
ERROR_MEMORY_H: Final = 9.0
ERROR_SHARED_FRAC: Final = 0.6
#: Wind at 10 m over wind at 100 m (power law with exponent 0.15), and the run's own error in it.
SHEAR_FRAC: Final = 10.0**-0.15
SHEAR_ERROR_M_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class WindField:
    """True wind at the farms.

    Args:
        u_m_s: To the east at 100 m on the hours, shape (F, T).
        v_m_s: To the north at 100 m on the hours, shape (F, T).
    """

    u_m_s: FloatArray
    v_m_s: FloatArray


def blow(farms: int, hour_of_day: FloatArray, year_frac: FloatArray, rng: np.random.Generator) -> WindField:
    """True wind at `farms` places on the hours.

    Args:
        farms: How many places.
        hour_of_day: Local hour 0..24, shape (T,).
        year_frac: Part of the year that has passed (0..1), shape (T,).
        rng: Source of the wind.
    """
    shape = (farms, hour_of_day.size)
    share, memory_h = SHARED_PART
    latent = share**0.5 * unit_ar1(rng.standard_normal(hour_of_day.size), memory_h) + np.zeros(shape)
    for share, memory_h in OWN_PARTS:
        latent = latent + share**0.5 * unit_ar1(rng.standard_normal(shape), memory_h)
    # Strongest in the afternoon and in spring (mid-April), as in the Mongolian plateau's climate.
    latent = latent + DIURNAL_SIGMA * np.cos(2 * np.pi * (hour_of_day - 15.0) / HOURS_PER_DAY)
    latent = latent + SEASONAL_SIGMA * np.cos(2 * np.pi * (year_frac - 0.29))
    spread = (1.0 + DIURNAL_SIGMA**2 / 2 + SEASONAL_SIGMA**2 / 2) ** 0.5
    speed = WEIBULL_SCALE_M_S * (-np.log(ndtr(-latent / spread))) ** (1.0 / WEIBULL_SHAPE)
    veer = unit_ar1(rng.standard_normal(hour_of_day.size), VEER_MEMORY_H)
    heading = np.deg2rad(MEAN_HEADING_DEG + VEER_DEG * veer)
    return WindField(speed * np.sin(heading), speed * np.cos(heading))


def farm_power_frac(speed_m_s: FloatArray) -> FloatArray:
    """Farm power as a share of capacity, from wind at 100 m, same shape."""
    power = 1.0 / (1.0 + np.exp(-(speed_m_s - HALF_POWER_M_S) / CURVE_WIDTH_M_S))
    return np.where(speed_m_s < CUT_IN_M_S, 0.0, power)


def forecast_runs(field: WindField, days: int, leads: int, rng: np.random.Generator) -> FloatArray:
    """Daily runs of all farms with hourly leads 1..`leads`.

    Args:
        field: True wind on the hours from the first run's start, to the last run's last lead.
        days: How many runs.
        leads: How many hours each.
        rng: Source of the errors.

    Returns:
        `WIND_FEATURES` of each farm, run and lead, shape (F, days, leads, 4).
    """
    farms = field.u_m_s.shape[0]
    hour = int(HOURS_PER_DAY) * np.arange(days)[:, None] + np.arange(1, leads + 1)
    growth = ERROR_M_S + ERROR_GROWTH_M_S_PER_H * np.arange(1, leads + 1)
    runs = np.empty((farms, days, leads, len(WIND_FEATURES)))
    for component, truth in enumerate((field.u_m_s, field.v_m_s)):
        shared = unit_ar1(rng.standard_normal((days, leads)), ERROR_MEMORY_H)
        own = unit_ar1(rng.standard_normal((farms, days, leads)), ERROR_MEMORY_H)
        error = growth * (ERROR_SHARED_FRAC**0.5 * shared + (1.0 - ERROR_SHARED_FRAC) ** 0.5 * own)
        high = truth[:, hour] + error
        runs[..., 2 + component] = high
        runs[..., component] = SHEAR_FRAC * high + SHEAR_ERROR_M_S * rng.standard_normal(high.shape)
    return runs
