"""Generated wind: what the district, near farms and each farm alone have of it, and what a weather model sees.

A Gaussian latent on the quarter hours is the sum of parts with their own memory and reach: synoptic weather that the district
shares and that travels from group to group, synoptic weather of a group of near farms, their mesoscale, and what each farm has
alone. The sizes are fitted to the ten measured farms (`docs/weather.md`): correlation inside and between groups, memory of
power, ramps, zero hours. Latents become Weibull speeds.

A weather model sees the two synoptic parts, the worse the farther it looks, and none of the mesoscale: instead it has one of
its own. So its error is shared inside a group and hardly between groups, lasts a few hours, and grows with the lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from forecasting.known import WIND_FEATURES
from sim_harness.plants.drift import seeded
from sim_harness.weather.base import STEP
from sim_harness.weather.fine import unit_ar1
from sim_harness.weather.stations import group_of
from vpp.ids import AssetId
from vpp.units import HOURS_PER_DAY, FloatArray, hours

__all__ = ["WindField", "blow", "forecast_runs", "weibull"]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the latent: share of the variance; memory and time over which it is smooth, in hours."""

    share: float
    memory_h: float
    smooth_h: float


DISTRICT: Final = _Part(0.50, 19.0, 3.0)
GROUP: Final = _Part(0.335, 15.0, 2.0)
MESO: Final = _Part(0.055, 2.5, 0.25)
OWN: Final = _Part(0.10, 2.2, 0.25)
#: Squalls and convection come in spells: the mesoscale's size is log-normal with this spread and memory. [-, h]
SPELL_SIGMA: Final = 0.5
SPELL_MEMORY_H: Final = 10.0
#: Weibull shape of wind at 100 m on the plateau north of the Yan mountains.
WEIBULL_SHAPE: Final = 2.15
#: Wind of a weather model is less spread than that of a mast: mean over a cell, so a higher shape.
MODEL_SHAPE: Final = 2.6
#: Spring gales go beyond the Weibull tail: from this latent on, so much more for each sigma (some hours a year above 25 m/s).
GALE_FROM: Final = 2.0
GALE_STRETCH: Final = 0.13
#: Strongest in the afternoon and in spring (mid-April), as in the Mongolian plateau's climate. [latent sigma]
DIURNAL_SIGMA: Final = 0.17
DIURNAL_PEAK_H: Final = 15.0
SEASONAL_SIGMA: Final = 0.17
SEASONAL_PEAK: Final = 0.29
#: It blows mostly from the north-west, that is to 135 degrees; the veer has a spread and a memory.
MEAN_HEADING_DEG: Final = 135.0
VEER_DEG: Final = 55.0
VEER_MEMORY_H: Final = 30.0
HEADING_ERROR_DEG: Final = 12.0
#: Fronts need up to so long from one end of the district to the other.
LONGEST_LAG_H: Final = 2.5
#: Correlation of what a run says of a synoptic part with the truth: at issue, and e-folding of what is lost. [h]
RHO_AT_ISSUE: Final = 0.998
RHO_MEMORY_H: Final = 190.0
GROUP_RHO_AT_ISSUE: Final = 0.985
GROUP_RHO_MEMORY_H: Final = 62.0
#: What a run knows is lost slowly at first and faster later: exponent of the lead.
RHO_POWER: Final = 1.4
#: Memory of a run's error over its leads, and the part of its variance that all runs for an hour have in common.
ERROR_MEMORY_H: Final = 9.0
STUBBORN_FRAC: Final = 0.7
#: The model's own mesoscale in place of the true one.
MODEL_MESO: Final = _Part(0.02, 3.0, 0.5)
#: Wind at 10 m over wind at 100 m (power law with exponent 0.15), and the run's own error in it.
SHEAR_FRAC: Final = 10.0**-0.15
SHEAR_ERROR_M_S: Final = 0.4
PER_HOUR: Final = round(1.0 / hours(STEP))


@dataclass(frozen=True, slots=True)
class WindField:
    """True wind of some farms on the quarter hours, and the parts of it that runs are made of.

    Args:
        latent: Standard normal but for season and hour, by farm, shape (T,).
        heading_deg: Where it blows to, by group, shape (T,).
        wave: Season and hour of day in the latent, shape (T,).
        district: The district's part as each group meets it, unit variance, shape (T,).
        group: The group's synoptic part, unit variance, shape (T,).
    """

    latent: Mapping[AssetId, FloatArray]
    heading_deg: Mapping[str, FloatArray]
    wave: FloatArray
    district: Mapping[str, FloatArray]
    group: Mapping[str, FloatArray]

    @property
    def spread(self) -> float:
        """Standard deviation of the latent with its waves."""
        return float((1.0 + DIURNAL_SIGMA**2 / 2 + SEASONAL_SIGMA**2 / 2) ** 0.5)


def blow(farms: Iterable[AssetId], hour_of_day: FloatArray, year_frac: FloatArray, seed: int) -> WindField:
    """Wind at the farms; every part has a random stream of its own, so that a farm more changes no other one.

    Args:
        farms: Whose.
        hour_of_day: Local hour 0..24 of each quarter hour, shape (T,).
        year_frac: Part of the year that has passed (0..1), shape (T,).
        seed: Source of the wind.
    """
    ids, n = tuple(farms), hour_of_day.size
    pad = round(LONGEST_LAG_H * PER_HOUR)
    wave = DIURNAL_SIGMA * np.cos(2 * np.pi * (hour_of_day - DIURNAL_PEAK_H) / HOURS_PER_DAY)
    wave = wave + SEASONAL_SIGMA * np.cos(2 * np.pi * (year_frac - SEASONAL_PEAK))
    district = _latent(seeded(seed, "wind.district"), n + pad, DISTRICT)
    veer = unit_ar1(seeded(seed, "wind.veer").standard_normal(n), VEER_MEMORY_H * PER_HOUR)
    district_of: dict[str, FloatArray] = {}
    group_of_: dict[str, FloatArray] = {}
    meso: dict[str, FloatArray] = {}
    heading: dict[str, FloatArray] = {}
    for name in sorted({group_of(farm) for farm in ids}):
        lag = int(seeded(0, f"{name}.lag").integers(pad + 1))  # a place does not move with the seed
        district_of[name] = district[pad - lag : pad - lag + n]
        group_of_[name] = _latent(seeded(seed, f"{name}.synoptic"), n, GROUP)
        meso[name] = _latent(seeded(seed, f"{name}.meso"), n, MESO) * _spells(seeded(seed, f"{name}.spells"), n)
        turn = unit_ar1(seeded(seed, f"{name}.veer").standard_normal(n), VEER_MEMORY_H * PER_HOUR)
        heading[name] = MEAN_HEADING_DEG + VEER_DEG * (0.9 * veer + 0.19**0.5 * turn)
    latent: dict[AssetId, FloatArray] = {}
    for farm in ids:
        name = group_of(farm)
        own = _latent(seeded(seed, f"{farm}.own"), n, OWN) * _spells(seeded(seed, f"{farm}.spells"), n)
        latent[farm] = wave + DISTRICT.share**0.5 * district_of[name] + GROUP.share**0.5 * group_of_[name]
        latent[farm] = latent[farm] + MESO.share**0.5 * meso[name] + OWN.share**0.5 * own
    return WindField(latent, heading, wave, district_of, group_of_)


def weibull(latent: FloatArray, shape: float = WEIBULL_SHAPE) -> FloatArray:
    """Weibull speeds of unit scale with the rank of a standard normal, gales above it stretched, same shape."""
    speed = (-np.log(np.maximum(ndtr(-latent), 1e-300))) ** (1.0 / shape)
    return np.asarray(speed * (1.0 + GALE_STRETCH * np.maximum(latent - GALE_FROM, 0.0)), dtype=np.float64)


def forecast_runs(field: WindField, group: str, scale_m_s: float, seed: int, leads: int) -> FloatArray:
    """Daily runs for one group with hourly leads 1..`leads`, as long as the field reaches.

    Args:
        field: True wind from the first run's start.
        group: Whose cell of the weather model.
        scale_m_s: Weibull scale of the model's wind at 100 m. [m/s]
        seed: Source of the errors.
        leads: How many hours each.

    Returns:
        `WIND_FEATURES` by run and lead, shape (R, leads, 4).
    """
    n = field.wave.size // PER_HOUR
    days = (n - leads - 1) // int(HOURS_PER_DAY) + 1
    hour = int(HOURS_PER_DAY) * np.arange(days)[:, None] + np.arange(1, leads + 1)
    lead = np.arange(1.0, leads + 1.0)
    parts = (
        (DISTRICT.share, field.district[group], "wind.district", RHO_AT_ISSUE * np.exp(-((lead / RHO_MEMORY_H) ** RHO_POWER))),
        (GROUP.share, field.group[group], group, GROUP_RHO_AT_ISSUE * np.exp(-((lead / GROUP_RHO_MEMORY_H) ** RHO_POWER))),
    )
    seen = field.wave[::PER_HOUR][hour]
    for share, truth, name, rho in parts:
        noise = _error(seed, f"{name}.error", hour, n)
        seen = seen + share**0.5 * (rho * truth[::PER_HOUR][hour] + (1.0 - rho**2) ** 0.5 * noise)
    own = _latent(seeded(seed, f"{group}.model"), n * PER_HOUR, MODEL_MESO)[::PER_HOUR]
    seen = seen + MODEL_MESO.share**0.5 * own[hour]
    variance = sum(share for share, *_ in parts) + MODEL_MESO.share + field.spread**2 - 1.0
    speed = scale_m_s * weibull(seen / variance**0.5, MODEL_SHAPE)
    growth = HEADING_ERROR_DEG * (1.0 + lead / HOURS_PER_DAY) ** 0.5
    heading = field.heading_deg[group][::PER_HOUR][hour] + growth * _error(seed, f"{group}.turn", hour, n)
    east, north = np.sin(np.deg2rad(heading)), np.cos(np.deg2rad(heading))
    runs = np.empty((*hour.shape, len(WIND_FEATURES)))
    runs[..., 2], runs[..., 3] = speed * east, speed * north
    rough = seeded(seed, f"{group}.shear").standard_normal((days, leads, 2))
    runs[..., :2] = SHEAR_FRAC * runs[..., 2:] + SHEAR_ERROR_M_S * unit_ar1(np.moveaxis(rough, 2, 1), 3.0).swapaxes(1, 2)
    return runs


def _error(seed: int, name: str, hour: np.ndarray, n: int) -> FloatArray:
    """Unit error of runs: one part belongs to the hour whichever run says it, the other to the run."""
    stubborn = unit_ar1(seeded(seed, f"{name}.stubborn").standard_normal(n), ERROR_MEMORY_H)[hour]
    own = unit_ar1(seeded(seed, f"{name}.run").standard_normal(hour.shape), ERROR_MEMORY_H)
    return np.asarray(STUBBORN_FRAC**0.5 * stubborn + (1.0 - STUBBORN_FRAC) ** 0.5 * own, dtype=np.float64)


def _spells(rng: np.random.Generator, n: int) -> FloatArray:
    """Size of the mesoscale over time, of unit mean square."""
    drift = unit_ar1(rng.standard_normal(n), SPELL_MEMORY_H * PER_HOUR)
    return np.asarray(np.exp(SPELL_SIGMA * drift - SPELL_SIGMA**2), dtype=np.float64)


def _latent(rng: np.random.Generator, n: int, part: _Part) -> FloatArray:
    """Noise of unit variance with a memory, smooth over shorter times; from the first step."""
    # Its import takes longer than everything else here; a service that starts does not wait for it.
    from scipy.signal import lfilter

    x = unit_ar1(rng.standard_normal(n), part.memory_h * PER_HOUR)
    r, a = np.exp(-1.0 / (part.memory_h * PER_HOUR)), np.exp(-1.0 / (part.smooth_h * PER_HOUR))
    variance = (1.0 - a) / (1.0 + a) * (1.0 + a * r) / (1.0 - a * r)
    y = lfilter([1.0 - a], [1.0, -a], x, zi=np.array([a * x[0]]))[0]
    return np.asarray(y / variance**0.5, dtype=np.float64)
