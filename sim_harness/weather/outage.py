"""Turbine and inverter groups that are out of service: faults and maintenance, by seed and farm.

A farm is made of groups on feeders of about 25 MW. Each group stands for hours to days some times a year, the whole farm
(transformer, line) about once a year, and now and then a few groups for weeks (a gearbox campaign, a burnt transformer), as the
measured farms do: zones 8 and 9 have stops of 61 and 132 h, zones 2, 7 and 9 whole months at 70-80 %.

Source of the sizes: technical availability of wind farms of 95-98 % (S. Pfaffel et al., "Performance and reliability of wind
turbines: a review", Energies 10(11), 2017); PV stations 98-99 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.known import FarmKind
from sim_harness.plants.drift import seeded
from sim_harness.weather.base import STEP, Farm
from vpp.units import HOURS_PER_DAY, FloatArray, hours

__all__ = ["running_frac"]


@dataclass(frozen=True, slots=True)
class _Cause:
    """Mean time between the ends and the starts of standstills, and their mean length, in hours."""

    up_h: float
    down_h: float


GROUP_MW: Final = 25.0
MOST_GROUPS: Final = 24
GROUP: Final[dict[FarmKind, _Cause]] = {"wind": _Cause(1_400.0, 26.0), "solar": _Cause(4_000.0, 30.0)}
FARM: Final[dict[FarmKind, _Cause]] = {"wind": _Cause(9_000.0, 14.0), "solar": _Cause(12_000.0, 10.0)}
CAMPAIGN: Final[dict[FarmKind, _Cause]] = {"wind": _Cause(12_000.0, 500.0), "solar": _Cause(40_000.0, 300.0)}
#: A campaign takes up to this share of the groups.
CAMPAIGN_FRAC: Final = 0.3
PER_HOUR: Final = 1.0 / hours(STEP)


def running_frac(farm: Farm, n: int, seed: int) -> FloatArray:
    """Share of the farm that is in service in each quarter hour, shape (n,)."""
    groups = int(np.clip(round(farm.capacity_mw / GROUP_MW), 1, MOST_GROUPS))
    running = np.zeros(n)
    for group in range(groups):
        running += _up(seeded(seed, f"{farm.asset_id}.group{group}"), n, GROUP[farm.kind])
    running /= groups
    running *= _up(seeded(seed, f"{farm.asset_id}.whole"), n, FARM[farm.kind])
    rng = seeded(seed, f"{farm.asset_id}.campaign")
    share = CAMPAIGN_FRAC * float(rng.uniform(0.4, 1.0)) if groups > 1 else 0.0
    return np.asarray(running * (1.0 - share * (1.0 - _up(rng, n, CAMPAIGN[farm.kind]))), dtype=np.float64)


def _up(rng: np.random.Generator, n: int, cause: _Cause) -> FloatArray:
    """1 while something runs and 0 while it stands, shape (n,); lengths are exponential, a standstill a quarter or more."""
    change = np.zeros(n + 1)
    at = rng.exponential(cause.up_h) * PER_HOUR
    while at < n:
        back = at + max(1.0, rng.exponential(cause.down_h) * PER_HOUR)
        change[int(at)] -= 1.0
        change[min(n, int(back))] += 1.0
        at = back + max(HOURS_PER_DAY, rng.exponential(cause.up_h)) * PER_HOUR
    return np.asarray(1.0 + np.cumsum(change[:n]), dtype=np.float64)
