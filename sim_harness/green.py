"""Where the green power went: a run's registers under the accounts' own rule (`vpp.accounts.flow`).

Own wind and sun are green; imported energy is as green as the connection's contract says (between areas: as the sender's pool in
that interval); stored energy keeps the share it was charged with, and what a store held at the start is of unknown origin, so not
green. Export is no own use, and what storage loses is neither load nor green supply. In an area without storage the matched green
energy is then the smaller of generation and load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim_harness.truth import Truth
from vpp.accounts import Registers, pools_of, trace
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["GreenAccount", "attribute", "registers_of_truth"]


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


def attribute(truth: Truth, *, through_stores: bool = True) -> GreenAccount:
    """The pools of all areas, interval by interval, because a store remembers.

    Args:
        truth: The run.
        through_stores: Whether what stores give back counts by what they were charged with; else it counts as not green, and only
            what comes straight from wind, sun or a green contract does: the share that is owed to the hour of use alone.
    """
    registers = registers_of_truth(truth)
    pools = pools_of(registers)
    followed = pools if through_stores else replace(pools, is_store=np.zeros_like(pools.is_store))
    traced = trace(registers, pools=followed)
    taken_mwh = np.maximum(truth.energy_mwh, 0.0)
    load_mwh = np.where(pools.is_store[:, np.newaxis], 0.0, taken_mwh)
    return GreenAccount(traced.green_frac, load_mwh, traced.pools.area)


def registers_of_truth(truth: Truth) -> Registers:
    """A run as a site's own meters would have kept it, without a gap."""
    after = truth.stored_mwh
    first = np.array([truth.stock_first.get(a, {}).get("stored_mwh", np.nan) for a in truth.assets])
    before = np.column_stack([first, after[:, :-1]])
    return Registers(
        park=truth.park,
        grid=truth.grid,
        areas=truth.areas,
        assets=truth.assets,
        connections=truth.connections,
        energy_mwh=truth.energy_mwh,
        available_mwh=truth.available_mwh,
        before_mwh=np.where(np.isnan(after), np.nan, before),
        after_mwh=after,
        import_mwh=truth.import_mwh,
        export_mwh=truth.export_mwh,
        asset_measured_frac=np.ones_like(truth.energy_mwh),
        connection_measured_frac=np.ones_like(truth.import_mwh),
        spot_cny_per_mwh=truth.spot_cny_per_mwh,
    )
