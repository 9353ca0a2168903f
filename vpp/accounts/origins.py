"""Origins of energy, the pools of all areas, and the matched green share that follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np

from vpp.accounts.flow import Flow, FlowInput, Stores, flow
from vpp.accounts.registers import Registers
from vpp.ids import AreaId
from vpp.park.rating import rating
from vpp.park.schema import Asset
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["CLEAN", "DIRECT_GREEN", "GREEN", "Origin", "Pools", "Traced", "origin_of", "pools_of", "trace"]

#: A balance that closes to this share of what was metered is closed: the rest is rounding.
_ROUNDING_FRAC: Final = 1e-9


class Origin(IntEnum):
    """Where energy was made; the value is its place in every array of origins."""

    WIND = 0
    SOLAR = 1
    BIOMASS = 2
    THERMAL = 3
    GRID_GREEN = 4
    GRID = 5
    UNKNOWN = 6


#: Counts for the matched green share.
GREEN: Final = (Origin.WIND, Origin.SOLAR, Origin.GRID_GREEN)
#: Green that came from the park's own farms, no certificate involved.
DIRECT_GREEN: Final = (Origin.WIND, Origin.SOLAR)
#: Counts as clean.
CLEAN: Final = (Origin.WIND, Origin.SOLAR, Origin.BIOMASS, Origin.GRID_GREEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What went into and out of Z areas.

    Args:
        area: Index of each asset's area, shape (A,).
        is_store: Which assets hold energy, shape (A,).
        supply_mwh: Everything that went in, shape (Z, T). [MWh]
        origin_mwh: Generation and grid imports by origin, shape (Z, T, O). [MWh]
        between_mwh: What an area (first axis) took from another, shape (Z, Z, T). [MWh]
        unmetered_mwh: What went in and no meter saw leave: losses, and loads whose meter was silent, shape (Z, T). [MWh]
        unexplained_mwh: What left and no meter saw come in; of unknown origin, shape (Z, T). [MWh]
    """

    area: IntArray
    is_store: BoolArray
    supply_mwh: FloatArray
    origin_mwh: FloatArray
    between_mwh: FloatArray
    unmetered_mwh: FloatArray
    unexplained_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class Traced:
    """Pools and what flowed through them.

    Args:
        pools: What went in and out.
        flow: The mix of every pool.
        mix_frac: Both ways together, straight and through stores, shape (Z, T, O).
    """

    pools: Pools
    flow: Flow
    mix_frac: FloatArray

    @property
    def green_frac(self) -> FloatArray:
        """Matched green share of each pool, shape (Z, T); 0 where nothing went in."""
        green: FloatArray = self.mix_frac[:, :, list(GREEN)].sum(axis=2)
        return green


def trace(registers: Registers, charged_cny: FloatArray | None = None, pools: Pools | None = None) -> Traced:
    """Follow the energy of all registers, and what it cost.

    Args:
        registers: The meters.
        charged_cny: What generation and grid imports of each area cost, shape (Z, T, K); None to follow energy alone.
        pools: Of these registers, if they are already there.
    """
    found = pools_of(registers) if pools is None else pools
    rows = np.flatnonzero(found.is_store)
    stores = Stores(
        area=found.area[rows],
        energy_mwh=np.nan_to_num(registers.energy_mwh[rows]),
        before_mwh=np.nan_to_num(registers.before_mwh[rows]),
        after_mwh=np.nan_to_num(registers.after_mwh[rows]),
    )
    nothing = np.zeros((*found.supply_mwh.shape, 0))
    told = FlowInput(
        supply_mwh=found.supply_mwh,
        origin_mwh=found.origin_mwh,
        charged_cny=nothing if charged_cny is None else charged_cny,
        between_mwh=found.between_mwh,
        stores=stores,
    )
    flowed = flow(told, Origin.UNKNOWN)
    return Traced(found, flowed, flowed.direct_frac + flowed.stored_frac)


def origin_of(asset: Asset) -> Origin:
    """Of what an asset generates; what is no source known here is of unknown origin, so never green."""
    match rating(asset).role:
        case "wind":
            return Origin.WIND
        case "solar":
            return Origin.SOLAR
        case "thermal":
            plate: Any = asset.plate
            return Origin.BIOMASS if plate.fuel == "biomass" else Origin.THERMAL
        case _:
            return Origin.UNKNOWN


def pools_of(registers: Registers) -> Pools:
    """Meters as pools; what they do not explain is named, so that each area closes in each interval."""
    park, n = registers.park, registers.grid.n
    index: dict[AreaId, int] = {area: z for z, area in enumerate(registers.areas)}
    assets = [park.asset(asset_id) for asset_id in registers.assets]
    area: IntArray = np.array([index[asset.area] for asset in assets], dtype=np.int64)
    is_store = registers.stores()
    energy = np.nan_to_num(registers.energy_mwh)
    given, zones = np.maximum(-energy, 0.0), len(index)
    supply, leaving = np.zeros((zones, n)), np.zeros((zones, n))
    origin, between = np.zeros((zones, n, len(Origin))), np.zeros((zones, zones, n))
    np.add.at(supply, area, given)
    np.add.at(leaving, area, np.maximum(energy, 0.0))
    for row, asset in enumerate(assets):
        if not is_store[row]:
            origin[area[row], :, origin_of(asset)] += given[row]
    for row, connection_id in enumerate(registers.connections):
        connection = park.connection(connection_id)
        here = index[connection.area]
        imported, exported = np.nan_to_num(registers.import_mwh[row]), np.nan_to_num(registers.export_mwh[row])
        supply[here] += imported
        leaving[here] += exported
        if connection.is_grid:
            green_frac = connection.green_origin_frac or 0.0
            origin[here, :, Origin.GRID_GREEN] += green_frac * imported
            origin[here, :, Origin.GRID] += (1.0 - green_frac) * imported
        else:
            there = index[AreaId(connection.to)]
            between[here, there] += imported
            between[there, here] += exported
            supply[there] += exported
            leaving[there] += imported
    missing = leaving - supply
    missing = np.where(np.abs(missing) > _ROUNDING_FRAC * (leaving + supply), missing, 0.0)
    unexplained, unmetered = np.maximum(missing, 0.0), np.maximum(-missing, 0.0)
    origin[:, :, Origin.UNKNOWN] += unexplained
    return Pools(
        area=area,
        is_store=is_store,
        supply_mwh=supply + unexplained,
        origin_mwh=origin,
        between_mwh=between,
        unmetered_mwh=unmetered,
        unexplained_mwh=unexplained,
    )
