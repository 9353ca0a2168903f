"""Least-cost dispatch of an area as an auction with itself: exact, vectorised, explained by one price.

Every machine bids the worth of drawing one more MW, in segments from the bottom of its band: a battery what the energy will be
worth later, an electrolyser what its hydrogen is worth, a connection what import costs and export earns, a wind farm what it
costs to waste. Segments are taken from the dearest down until the area balances; the last one taken sets the price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.units import FloatArray, IntArray

__all__ = ["Bids", "Cleared", "clear"]


@dataclass(frozen=True, slots=True)
class Bids:
    """Segments of every machine.

    Args:
        base_mw: Power at the bottom of each machine's band, positive when consuming, shape (machines,).
        area: Index of each machine's area, shape (machines,).
        owner: Machine of each segment, shape (segments,).
        width_mw: How much more it can draw in the segment, shape (segments,), not negative.
        worth_cny_per_mwh: What drawing it is worth, falling within a machine, shape (segments,).
    """

    base_mw: FloatArray
    area: IntArray
    owner: IntArray
    width_mw: FloatArray
    worth_cny_per_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class Cleared:
    """The dispatch.

    Args:
        power_mw: Of each machine, shape (machines,).
        price_cny_per_mwh: Worth of the last segment taken, by area, shape (areas,); NaN where nothing could move.
        unmet_mw: Demand no segment could take back (positive) or supply none could take (negative), by area, shape (areas,).
    """

    power_mw: FloatArray
    price_cny_per_mwh: FloatArray
    unmet_mw: FloatArray


def clear(bids: Bids, areas: int) -> Cleared:
    """Balances every area to zero at least cost.

    Args:
        bids: See `Bids`.
        areas: Number of areas.
    """
    need = -np.bincount(bids.area, weights=bids.base_mw, minlength=areas)
    segment_area = bids.area[bids.owner]
    order = np.lexsort((-bids.worth_cny_per_mwh, segment_area))
    width, place = bids.width_mw[order], segment_area[order]
    summed = np.cumsum(width)
    per_area = np.bincount(segment_area, weights=bids.width_mw, minlength=areas)
    ahead = summed - width - (np.cumsum(per_area) - per_area)[place]
    taken = np.clip(need[place] - ahead, 0.0, width)

    power = bids.base_mw + np.bincount(bids.owner[order], weights=taken, minlength=bids.base_mw.shape[0])
    price = np.full(areas, np.nan)
    moved = np.flatnonzero(taken > 0)
    # Segments run from dear to cheap, so the last write of an area is its cheapest segment taken.
    price[place[moved]] = bids.worth_cny_per_mwh[order][moved]
    unmet = np.minimum(need, 0.0) * -1.0 - np.maximum(need - per_area, 0.0)
    return Cleared(power, price, unmet)
