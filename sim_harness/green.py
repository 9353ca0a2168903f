"""Where the green power went: attribution of every quarter of an hour.

Rule. In each interval an area is one pool: own generation, discharge and imports go in, and whatever leaves (loads, charging,
export) carries the pool's green share. Own wind and sun are green; imported energy is as green as the connection's contract says
(between areas: as green as the sender's pool in that interval); stored energy keeps the share it was charged with, and what a
store held at the start is of unknown origin, so not green. Export is therefore no own use, and what storage loses is neither
load nor green supply. In an area without storage the matched green energy is then the smaller of generation and load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.truth import Truth
from vpp.ids import AreaId
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["GreenAccount", "attribute"]

GREEN_KINDS: Final = ("wind", "solar")


@dataclass(frozen=True, slots=True)
class GreenAccount:
    """The green share of all that was used.

    Args:
        mix_frac: Of each area's pool, shape (Z, T); 0 where nothing went in.
        load_mwh: Of each asset that is no source and no store, shape (A, T); 0 for the others. [MWh]
        area: Index of each asset's area, shape (A,).
    """

    mix_frac: FloatArray
    load_mwh: FloatArray
    area: IntArray

    def used_mwh(self, rows: BoolArray) -> float:
        """What the loads among these assets used."""
        return float(np.sum(self.load_mwh[rows]))

    def green_mwh(self, rows: BoolArray) -> float:
        """Of it, the green part."""
        return float(np.sum(self.load_mwh[rows] * self.mix_frac[self.area[rows]]))

    def share_frac(self, rows: BoolArray) -> float | None:
        """Green over used; None where nothing was used."""
        used_mwh = self.used_mwh(rows)
        return self.green_mwh(rows) / used_mwh if used_mwh > 0.0 else None


@dataclass(frozen=True, slots=True)
class _Pools:
    """What goes into each area's pool, shape (Z, T) each, and between pools, shape (Z, Z, T): row takes from column."""

    supply_mwh: FloatArray
    green_mwh: FloatArray
    between_mwh: FloatArray


def attribute(truth: Truth) -> GreenAccount:
    """The pools of all areas, interval by interval, because a store remembers."""
    index: dict[AreaId, int] = {area: z for z, area in enumerate(truth.areas)}
    area: IntArray = np.array([index[truth.park.asset(a).area] for a in truth.assets], dtype=np.int64)
    stores = np.flatnonzero(~np.all(np.isnan(truth.stored_mwh), axis=1))
    is_store = np.isin(np.arange(len(truth.assets)), stores)
    taken_mwh = np.maximum(truth.energy_mwh, 0.0)
    pools = _pools(truth, area, index, is_store)
    mix_frac = _mix(truth, pools, area, stores)
    return GreenAccount(mix_frac, np.where(is_store[:, np.newaxis], 0.0, taken_mwh), area)


def _pools(truth: Truth, area: IntArray, index: dict[AreaId, int], is_store: BoolArray) -> _Pools:
    zones, n = len(index), truth.grid.n
    given_mwh = np.maximum(-truth.energy_mwh, 0.0)
    green = np.array([truth.park.asset(a).kind in GREEN_KINDS for a in truth.assets], dtype=np.bool_)
    supply, green_supply, between = np.zeros((zones, n)), np.zeros((zones, n)), np.zeros((zones, zones, n))
    np.add.at(supply, area, given_mwh)
    np.add.at(green_supply, area[green & ~is_store], given_mwh[green & ~is_store])
    for row, connection_id in enumerate(truth.connections):
        connection = truth.park.connection(connection_id)
        here, imported, exported = index[connection.area], truth.import_mwh[row], truth.export_mwh[row]
        supply[here] += imported
        if connection.is_grid:
            green_supply[here] += (connection.green_origin_frac or 0.0) * imported
        else:
            there = index[AreaId(connection.to)]
            between[here, there] += imported
            between[there, here] += exported
            supply[there] += exported
    return _Pools(supply, green_supply, between)


def _mix(truth: Truth, pools: _Pools, area: IntArray, stores: IntArray) -> FloatArray:
    """Green share of each pool, shape (Z, T)."""
    zones, n = pools.supply_mwh.shape
    homes, tied = area[stores], bool(np.any(pools.between_mwh))
    energy, after = truth.energy_mwh[stores], truth.stored_mwh[stores]
    first = [truth.stock_first[truth.assets[a]]["stored_mwh"] for a in stores]
    before = np.column_stack([first, after[:, :-1]]) if len(stores) else after
    charge_frac = np.zeros(len(stores))
    mix: FloatArray = np.zeros((zones, n))
    for t in range(n):
        supply = pools.supply_mwh[:, t]
        green = pools.green_mwh[:, t] + np.bincount(homes, weights=charge_frac * np.maximum(-energy[:, t], 0.0), minlength=zones)
        filled = np.where(supply > 0.0, supply, 1.0)
        if tied:
            mix[:, t] = np.linalg.solve(np.diag(filled) - pools.between_mwh[:, :, t], green)
        else:
            mix[:, t] = green / filled
        added = np.maximum(after[:, t] - before[:, t], 0.0)
        held = np.where(after[:, t] > 0.0, after[:, t], 1.0)
        charge_frac = np.where(added > 0.0, (charge_frac * before[:, t] + mix[homes, t] * added) / held, charge_frac)
    return mix
