"""What really happened in a run, frozen: the only thing that balance checks and scores are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sim_harness.plants.base import Balance
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.schema import Connection, Park
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray

__all__ = ["Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Registers of T intervals, counters and stocks.

    Args:
        park: As of the run's day.
        grid: The intervals; the last one is shorter where a run stopped inside it.
        assets: Ids, the rows of every array (A, T).
        connections: Ids, the rows of every array (C, T).
        areas: Ids, the rows of every array (Z, T).
        energy_mwh: At each asset's meter, positive when consumed, shape (A, T). [MWh]
        available_mwh: What each source could have generated, shape (A, T); NaN for all others. [MWh]
        stored_mwh: What each store holds at the interval's end, shape (A, T); NaN for all others. [MWh]
        import_mwh: Into the connection's area, never negative, shape (C, T). [MWh]
        export_mwh: Out of the connection's area, never negative, shape (C, T). [MWh]
        excess_mwh: Of the import, what was above the import limit, shape (C, T). [MWh]
        curtailed_mwh: Available and not generated, shape (Z, T). [MWh]
        unserved_mwh: Load shed or blacked out, shape (Z, T). [MWh]
        limit_violation_s: Time above the import limit, by connection. [s]
        unsafe_s: Time in which load was shed or generation tripped by force anywhere. [s]
        totals: Counters of each plant since the run began.
        stock_first: What each plant held when the run began.
        stock_last: What it holds at the end.
        balances: Conservation laws of each plant.
        spot_cny_per_mwh: What energy came to at the market, shape (T,); None where a tariff has the hours' prices. [CNY/MWh]
        progress: By asset and counter, what each interval added to it, shape (T,).
        levels: By asset and stock, what it held at the interval's end, shape (T,).
    """

    park: Park
    grid: TimeGrid
    assets: tuple[AssetId, ...]
    connections: tuple[ConnectionId, ...]
    areas: tuple[AreaId, ...]
    energy_mwh: FloatArray
    available_mwh: FloatArray
    stored_mwh: FloatArray
    import_mwh: FloatArray
    export_mwh: FloatArray
    excess_mwh: FloatArray
    curtailed_mwh: FloatArray
    unserved_mwh: FloatArray
    limit_violation_s: Mapping[ConnectionId, float]
    unsafe_s: float
    totals: Mapping[AssetId, Mapping[str, float]]
    stock_first: Mapping[AssetId, Mapping[str, float]]
    stock_last: Mapping[AssetId, Mapping[str, float]]
    balances: Mapping[AssetId, tuple[Balance, ...]]
    spot_cny_per_mwh: FloatArray | None = None
    progress: Mapping[tuple[AssetId, str], FloatArray] = field(default_factory=dict)
    levels: Mapping[tuple[AssetId, str], FloatArray] = field(default_factory=dict)

    def rows_of(self, kind: str | None = None, area: str | None = None) -> BoolArray:
        """Which rows of (A, T) arrays are of a kind, in an area, or both."""
        chosen = {asset.id for asset in self.park.assets_of(kind, area)}
        return np.array([asset_id in chosen for asset_id in self.assets], dtype=np.bool_)

    def grid_connections(self) -> tuple[Connection, ...]:
        """Those with the public grid at the other end, in the order of their rows."""
        return tuple(c for c in map(self.park.connection, self.connections) if c.is_grid)

    def total(self, name: str, kind: str | None = None) -> float | None:
        """Sum of a counter over the plants that have it; None if no plant has."""
        found = [
            counters[name]
            for asset_id, counters in self.totals.items()
            if name in counters and (kind is None or self.park.asset(asset_id).kind == kind)
        ]
        return float(sum(found)) if found else None

    def stock_change(self, name: str, kind: str) -> float | None:
        """How much more of a stock the plants of a kind hold than when the run began; None if no plant of it has one."""
        ids = [a.id for a in self.park.assets_of(kind) if name in self.stock_last.get(a.id, {})]
        if not ids:
            return None
        return float(sum(self.stock_last[i][name] - self.stock_first[i][name] for i in ids))
