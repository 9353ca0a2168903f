"""Where energy and what it cost came from: one rule for origins, carbon and money.

In each interval an area is one pool. Own generation, discharge and imports go in; whatever leaves (loads, charging, export)
carries the pool's mix and its mean price. A neighbour receives the mix of the sender's pool of the same interval, all pools of an
interval being solved together. A store keeps the mix it was charged with; what it held at the start is of unknown origin. Its
losses keep their share of the mix and are nobody's use, while the money that went in all comes out again: what is discharged
carries the price of what was lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp.units import FloatArray, IntArray

__all__ = ["Flow", "FlowInput", "Stores", "flow"]

_ROUND_TRIP: Final = 1e-12
_NOTHING_MWH: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """S stores over T intervals.

    Args:
        area: Index of each store's area, shape (S,).
        energy_mwh: At its meter, positive when charged, shape (S, T). [MWh]
        before_mwh: Content when the interval begins, shape (S, T). [MWh]
        after_mwh: Content when it ends, shape (S, T). [MWh]
    """

    area: IntArray
    energy_mwh: FloatArray
    before_mwh: FloatArray
    after_mwh: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowInput:
    """What goes into the pools of Z areas, by O origins and K accounts of money (or mass).

    Args:
        supply_mwh: All of it, discharge and imports included, shape (Z, T). [MWh]
        origin_mwh: Generation and grid imports, by origin, shape (Z, T, O). [MWh]
        charged_cny: What these cost, shape (Z, T, K). [CNY, or t of CO2]
        between_mwh: What an area (first axis) takes from another (second), shape (Z, Z, T). [MWh]
        stores: Their meters and contents.
    """

    supply_mwh: FloatArray
    origin_mwh: FloatArray
    charged_cny: FloatArray
    between_mwh: FloatArray
    stores: Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The mix of every pool and what stores gave back.

    Args:
        direct_frac: Share of each origin that came straight, shape (Z, T, O).
        stored_frac: Share of each origin that came through a store, shape (Z, T, O); both together are 1 where anything went in.
        price_cny_per_mwh: What a MWh of the pool carries on each account, shape (Z, T, K). [CNY/MWh, or t/MWh]
        given_mwh: Discharge by origin of what had been charged, shape (S, T, O). [MWh]
        given_cny: What it carried, shape (S, T, K). [CNY, or t]
    """

    direct_frac: FloatArray
    stored_frac: FloatArray
    price_cny_per_mwh: FloatArray
    given_mwh: FloatArray
    given_cny: FloatArray


def flow(told: FlowInput, unknown: int) -> Flow:
    """Follow everything through pools and stores.

    Args:
        told: What went in.
        unknown: Index of the origin of what a store held at the start.
    """
    zones, n, origins = told.origin_mwh.shape
    width = 2 * origins + told.charged_cny.shape[2]
    own: FloatArray = np.zeros((n, zones, width))
    own[:, :, :origins] = told.origin_mwh.transpose(1, 0, 2)
    own[:, :, 2 * origins :] = told.charged_cny.transpose(1, 0, 2)
    # An area that nothing goes into has no mix; what is less than a milliwatt-hour is nothing.
    supply = np.where(told.supply_mwh > _NOTHING_MWH, told.supply_mwh, 1.0).T[:, :, np.newaxis]
    own /= supply
    inverse = _inverse(told.between_mwh.transpose(2, 0, 1) / supply)
    if told.stores.area.size:
        pools, given = _with_stores(own, inverse, supply, told.stores, (origins, unknown))
    else:
        pools, given = inverse @ own, np.zeros((n, 0, origins + told.charged_cny.shape[2]))
    pools, given = pools.transpose(1, 0, 2), given.transpose(1, 0, 2)
    return Flow(
        direct_frac=pools[:, :, :origins],
        stored_frac=pools[:, :, origins : 2 * origins],
        price_cny_per_mwh=pools[:, :, 2 * origins :],
        given_mwh=given[:, :, :origins],
        given_cny=given[:, :, origins:],
    )


def _inverse(taken_frac: FloatArray) -> FloatArray:
    """Of the balance `x = own + sum of taken x`, interval by interval, shape (T, Z, Z)."""
    balance: FloatArray = np.eye(taken_frac.shape[1]) - taken_frac
    try:
        inverse = np.linalg.inv(balance)
    except np.linalg.LinAlgError:
        # Energy that only goes round between two areas has no origin; a tiny term makes it nothing instead of a singular matrix.
        inverse = np.linalg.inv(balance + _ROUND_TRIP * np.eye(taken_frac.shape[1]))
    return inverse.astype(np.float64)


def _with_stores(
    own: FloatArray, inverse: FloatArray, supply: FloatArray, stores: Stores, layout: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Pools, shape (T, Z, 2 O + K), and what stores gave, shape (T, S, O + K); step by step, because a store remembers."""
    origins, unknown = layout
    n, zones, width = own.shape
    count = stores.area.size
    homes: FloatArray = np.zeros((zones, count))
    homes[stores.area, np.arange(count)] = 1.0
    discharged, charged, keep, gain, release = (part.T[:, :, np.newaxis] for part in _moves(stores))
    pools = np.empty_like(own)
    given: FloatArray = np.empty((n, count, width - origins))
    share: FloatArray = np.zeros((count, origins))
    share[:, unknown] = 1.0
    held: FloatArray = np.zeros((count, width - 2 * origins))
    for t in range(n):
        given[t, :, :origins] = share * discharged[t]
        given[t, :, origins:] = held * release[t]
        own[t, :, origins:] += homes @ given[t] / supply[t]
        pools[t] = inverse[t] @ own[t]
        here = pools[t][stores.area]
        share = keep[t] * share + gain[t] * (here[:, :origins] + here[:, origins : 2 * origins])
        held = held - given[t, :, origins:] + charged[t] * here[:, 2 * origins :]
    return pools, given


def _moves(stores: Stores) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Discharge, charge, weights of the old and the added content, and the share of money released; shape (S, T) each."""
    before, after = stores.before_mwh, stores.after_mwh
    added = np.maximum(after - before, 0.0)
    # A content that rises while nothing is charged is an estimate that was put right, and of no other origin.
    fills = (added > 0.0) & (stores.energy_mwh > 0.0)
    keep = np.where(fills, np.maximum(before, 0.0) / np.where(fills & (after > 0.0), after, 1.0), 1.0)
    keep = np.where(fills & (after <= 0.0), 0.0, keep)
    gain = 1.0 - keep
    filled = np.where(before > 0.0, before, 1.0)
    gone = np.where(before > 0.0, np.clip((before - after) / filled, 0.0, 1.0), 1.0)
    release = np.where(stores.energy_mwh < 0.0, gone, 0.0)
    return np.maximum(-stores.energy_mwh, 0.0), np.maximum(stores.energy_mwh, 0.0), keep, gain, release
