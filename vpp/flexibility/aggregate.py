"""What all assets can do together, by area and by connection: now, and sustained over horizons.

No loop runs over assets: each kind answers for all of its machines, and the answers are added up by area.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from vpp.errors import AssetError
from vpp.flexibility.fleet import Fleet
from vpp.units import FloatArray, IntArray, hours

__all__ = ["HORIZONS_H", "PREFIXES_H", "Aggregate", "Sums", "aggregate", "sustained"]

#: Horizons a grid operator asks about: 15 min, 1 h, 2 h, 4 h.
HORIZONS_H: Final = np.array([hours(timedelta(minutes=m)) for m in (15, 60, 120, 240)])
#: Where energy is bounded on the way to them. More points make the bound tighter, never wrong, as long as none lies inside a
#: quarter hour: a power counts as kept if each quarter hour's mean is, and a machine that switches has no other mean than that.
PREFIXES_H: Final = np.array([hours(timedelta(minutes=m)) for m in (15, 30, 45, 60, 90, 120, 180, 240)])


@dataclass(frozen=True, slots=True)
class Sums:
    """One row an area, or a connection.

    Args:
        low_mw: Least power over the coming step, shape (rows,). [MW]
        high_mw: Greatest power over the coming step, shape (rows,). [MW]
        sustained_low_mw: No constant power below it can be kept over the horizon, shape (rows, horizons). [MW]
        sustained_high_mw: No constant power above it can be kept, shape (rows, horizons); where it is below
            `sustained_low_mw`, no constant power can be kept at all. [MW]
    """

    low_mw: FloatArray
    high_mw: FloatArray
    sustained_low_mw: FloatArray
    sustained_high_mw: FloatArray


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The flexibility of a fleet; rows in the fleet's order of areas and of connections."""

    horizons_h: FloatArray
    areas: Sums
    connections: Sums


def aggregate(fleet: Fleet, step_h: float, horizons_h: FloatArray = HORIZONS_H, prefixes_h: FloatArray = PREFIXES_H) -> Aggregate:
    """Add up bands and reaches by area and by connection.

    Limits of the connections themselves are not in it: it tells what stands behind them.

    Args:
        fleet: The assets in their present states.
        step_h: Length of the coming step, for the band. [h]
        horizons_h: Increasing, shape (horizons,). [h]
        prefixes_h: Where energy is bounded too, shape (prefixes,). [h]
    """
    tau_h = np.unique(np.concatenate([prefixes_h, horizons_h]))
    n = len(fleet.areas)
    low, high = np.zeros(n), np.zeros(n)
    low_mwh, high_mwh = np.zeros((n, tau_h.size)), np.zeros((n, tau_h.size))
    for group in fleet.groups:  # over kinds, of which there are a few
        band = group.kind.feasible(group.plate, group.state, step_h)
        reach = group.kind.reach(group.plate, group.state, tau_h)
        low += _by_area(band.low_mw, group.area, n)
        high += _by_area(band.high_mw, group.area, n)
        low_mwh += _by_area(reach.low_mwh, group.area, n)
        high_mwh += _by_area(reach.high_mwh, group.area, n)
    behind = fleet.membership
    return Aggregate(
        horizons_h,
        areas=Sums(low, high, *sustained(low_mwh, high_mwh, tau_h, horizons_h)),
        connections=Sums(behind @ low, behind @ high, *sustained(behind @ low_mwh, behind @ high_mwh, tau_h, horizons_h)),
    )


def sustained(
    low_mwh: FloatArray, high_mwh: FloatArray, tau_h: FloatArray, horizons_h: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds on the constant power of a set over each horizon, from the summed reach of its members.

    Proof: let the set keep P in every quarter hour of [0, H] by any schedule of its members. For each tau <= H made of whole
    quarter hours it takes P * tau in [0, tau]; each member takes no more than its own reach there; so P <= sum of reaches / tau,
    and the least such quotient bounds P. The bound is met where all members can follow their outermost schedules at once, as
    stores and queues without starts can (Evans, Tindemans, Angeli 2020, "A graphical measure of aggregate flexibility for
    energy-constrained distributed resources", IEEE Transactions on Smart Grid 11, for discharge).

    Args:
        low_mwh: Least energy by tau, shape (rows, prefixes). [MWh]
        high_mwh: Most energy by tau, shape (rows, prefixes). [MWh]
        tau_h: Increasing, shape (prefixes,); holds every horizon. [h]
        horizons_h: Shape (horizons,). [h]

    Returns:
        Least and greatest power, shape (rows, horizons) each. [MW]

    Raises:
        AssetError: A horizon is not among the prefixes.
    """
    last = np.searchsorted(tau_h, horizons_h)
    if bool(np.any(last >= tau_h.size)) or not bool(np.all(tau_h[last] == horizons_h)):
        raise AssetError(f"horizons {horizons_h} are not among the prefixes {tau_h}")
    low_mw = np.maximum.accumulate(low_mwh / tau_h, axis=1)[:, last]
    high_mw = np.minimum.accumulate(high_mwh / tau_h, axis=1)[:, last]
    return low_mw, high_mw


def _by_area(values: FloatArray, area: IntArray, n: int) -> FloatArray:
    if values.ndim == 1:
        summed: FloatArray = np.bincount(area, weights=values, minlength=n).astype(np.float64)
        return summed
    return np.stack([_by_area(column, area, n) for column in values.T], axis=1)
