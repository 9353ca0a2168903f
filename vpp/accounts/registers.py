"""What the meters said: quarter-hour registers as arrays, a gap being NaN and never zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from vpp.errors import SeriesError
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.rating import rating
from vpp.park.schema import Asset, Park
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray

__all__ = ["MIN_MEASURED_FRAC", "Columns", "RegisterLike", "Registers", "registers_of", "registers_of_columns"]

#: A quarter of which less than this was measured is a gap: its mean stands for too little of it.
MIN_MEASURED_FRAC: Final = 0.5

_POWER: Final = "power_mw"
_AVAILABLE: Final = "available_mw"
_SOC: Final = "soc_frac"
_IMPORT: Final = "import_mw"
_EXPORT: Final = "export_mw"

#: Mean and measured share by subject and quantity, shape (T,) each.
Columns: TypeAlias = Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]


class RegisterLike(Protocol):
    """One kept quarter of an hour of one quantity, as the store hands it out."""

    @property
    def subject(self) -> str:
        """Id of an asset or a connection."""
        ...

    @property
    def quantity(self) -> str:
        """What was measured, with its unit, as in `power_mw`."""
        ...

    @property
    def start(self) -> datetime:
        """Of the quarter (UTC)."""
        ...

    @property
    def mean(self) -> float:
        """Over what was measured of it, in the unit of `quantity`."""
        ...

    @property
    def measured_share(self) -> float:
        """Share of the quarter that was measured, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """Meters of A assets and C connections over T intervals.

    Args:
        park: As of the last day.
        grid: The intervals.
        areas: Ids; energy balances.
        assets: Ids, the rows of arrays (A, T).
        connections: Ids, the rows of arrays (C, T).
        energy_mwh: At each asset's meter, positive when consumed; NaN where it was not measured, shape (A, T). [MWh]
        available_mwh: What a source could have generated; NaN for all others, shape (A, T). [MWh]
        before_mwh: Content of a store when the interval begins; NaN for all others, shape (A, T). [MWh]
        after_mwh: Content when it ends, shape (A, T). [MWh]
        import_mwh: Into the connection's area, never negative; NaN where it was not measured, shape (C, T). [MWh]
        export_mwh: Out of it, never negative, shape (C, T). [MWh]
        asset_measured_frac: Share of each interval that was measured; NaN while an asset was not yet in service, shape (A, T).
        connection_measured_frac: The same of connections, shape (C, T).
        spot_cny_per_mwh: Price of energy at the market, shape (T,); None where the tariff has the hours' prices. [CNY/MWh]
    """

    park: Park
    grid: TimeGrid
    areas: tuple[AreaId, ...]
    assets: tuple[AssetId, ...]
    connections: tuple[ConnectionId, ...]
    energy_mwh: FloatArray
    available_mwh: FloatArray
    before_mwh: FloatArray
    after_mwh: FloatArray
    import_mwh: FloatArray
    export_mwh: FloatArray
    asset_measured_frac: FloatArray
    connection_measured_frac: FloatArray
    spot_cny_per_mwh: FloatArray | None = None

    def __post_init__(self) -> None:
        of_assets = (self.energy_mwh, self.available_mwh, self.before_mwh, self.after_mwh, self.asset_measured_frac)
        of_connections = (self.import_mwh, self.export_mwh, self.connection_measured_frac)
        wanted = [(len(self.assets), self.grid.n)] * len(of_assets) + [(len(self.connections), self.grid.n)] * len(of_connections)
        found = [array.shape for array in (*of_assets, *of_connections)]
        if found != wanted:
            raise SeriesError(f"registers: shapes {found} do not fit {wanted[0]} of assets and {wanted[-1]} of connections")

    def stores(self) -> BoolArray:
        """Which assets hold energy, shape (A,)."""
        known: BoolArray = ~np.all(np.isnan(self.after_mwh), axis=1)
        return known | np.array([rating(self.park.asset(a)).role == "storage" for a in self.assets], dtype=np.bool_)


def registers_of(
    park: Park, grid: TimeGrid, rows: Iterable[RegisterLike], spot_cny_per_mwh: FloatArray | None = None
) -> Registers:
    """The store's rows as arrays; what no row tells is a gap.

    A row of a subject or an instant that is not asked for is left out; of two rows for one quarter the later one in the list
    holds. See `registers_of_columns` for what is read.

    Args:
        park: As of the last day.
        grid: T intervals, each a quarter of an hour.
        rows: In any order.
        spot_cny_per_mwh: Market price, shape (T,), for a spot tariff. [CNY/MWh]
    """
    return registers_of_columns(park, grid, _sort(park, grid, rows), spot_cny_per_mwh)


def registers_of_columns(park: Park, grid: TimeGrid, columns: Columns, spot_cny_per_mwh: FloatArray | None = None) -> Registers:
    """Mean and measured share by subject and quantity as the registers of a park.

    Of an asset `power_mw`, `available_mw` and `soc_frac` are read, of a connection `import_mw` and `export_mw`. A meter that
    counts both directions by itself tells both; where `export_mw` is missing, a negative `import_mw` is export, netted over the
    quarter. A column that is not there is a gap from end to end.

    Args:
        park: As of the last day.
        grid: T intervals.
        columns: By subject and quantity, arrays of shape (T,) each; a mean is NaN where it was not measured.
        spot_cny_per_mwh: Market price, shape (T,), for a spot tariff. [CNY/MWh]
    """
    nothing = np.full(grid.n, np.nan), np.zeros(grid.n)
    step_h = grid.step_h

    def read(ids: Iterable[str], quantity: str, part: int) -> FloatArray:
        return np.array([columns.get((one, quantity), nothing)[part] for one in ids]).reshape(-1, grid.n)

    assets, connections = [asset.id for asset in park.assets], [connection.id for connection in park.connections]
    power_mw = read(assets, _POWER, 0)
    exists = np.array([_in_service(asset, park, grid) for asset in park.assets]).reshape(-1, grid.n)
    net_mwh = read(connections, _IMPORT, 0) * step_h
    back_mwh = read(connections, _EXPORT, 0) * step_h
    soc = read(assets, _SOC, 0)
    levels = np.array([_levels_mwh(a, soc[i], power_mw[i] * step_h) for i, a in enumerate(park.assets)]).reshape(-1, grid.n + 1)
    return Registers(
        park=park,
        grid=grid,
        areas=park.area_ids,
        assets=tuple(assets),
        connections=tuple(connections),
        energy_mwh=np.where(exists, power_mw * step_h, 0.0),
        available_mwh=read(assets, _AVAILABLE, 0) * step_h,
        before_mwh=levels[:, :-1],
        after_mwh=levels[:, 1:],
        import_mwh=np.maximum(net_mwh, 0.0),
        export_mwh=np.where(np.isnan(back_mwh), np.maximum(-net_mwh, 0.0), back_mwh),
        asset_measured_frac=np.where(exists, read(assets, _POWER, 1), np.nan),
        connection_measured_frac=read(connections, _IMPORT, 1),
        spot_cny_per_mwh=spot_cny_per_mwh,
    )


def _sort(park: Park, grid: TimeGrid, rows: Iterable[RegisterLike]) -> Columns:
    """Mean and measured share by subject and quantity, shape (T,) each."""
    at = {start: t for t, start in enumerate(grid.starts)}
    wanted: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    for asset in park.assets:
        for quantity in (_POWER, _AVAILABLE, _SOC):
            wanted[asset.id, quantity] = np.full(grid.n, np.nan), np.zeros(grid.n)
    for connection in park.connections:
        for quantity in (_IMPORT, _EXPORT):
            wanted[connection.id, quantity] = np.full(grid.n, np.nan), np.zeros(grid.n)
    for row in rows:
        kept, t = wanted.get((row.subject, row.quantity)), at.get(row.start)
        if kept is not None and t is not None:
            kept[0][t] = row.mean if row.measured_share >= MIN_MEASURED_FRAC else np.nan
            kept[1][t] = row.measured_share
    return wanted


def _in_service(asset: Asset, park: Park, grid: TimeGrid) -> BoolArray:
    """Whether an asset was there, interval by interval; before its first day it is no gap, it is nothing."""
    first = datetime.combine(asset.in_service_from, time(), park.zone)
    return np.array([start >= first for start in grid.starts], dtype=np.bool_)


def _levels_mwh(asset: Asset, soc_frac: FloatArray, energy_mwh: FloatArray) -> FloatArray:
    """Content of a store at every edge, shape (T + 1,); NaN for what is no store.

    At an edge the content is halfway between the means of the two quarters beside it, exact while power is steady. Where the
    state of charge was not measured, the meter's energy is counted on with the plate's efficiency, half of the loss each way.
    """
    size = rating(asset)
    edges: FloatArray = np.full(energy_mwh.shape[0] + 1, np.nan)
    if size.role != "storage" or size.energy_mwh is None:
        return edges
    mean = soc_frac * size.energy_mwh
    edges[1:-1] = 0.5 * (mean[:-1] + mean[1:])
    edges[0], edges[-1] = (mean[0], mean[-1]) if mean.size else (np.nan, np.nan)
    plate: Any = asset.plate
    one_way_frac = float(np.sqrt(plate.round_trip_frac))
    moved = np.where(energy_mwh > 0.0, energy_mwh * one_way_frac, np.nan_to_num(energy_mwh) / one_way_frac)
    at_mwh = 0.5 * size.energy_mwh
    for t, known in enumerate(np.isnan(edges)):
        if known:
            at_mwh = min(max(at_mwh + (float(np.nan_to_num(moved[t - 1])) if t else 0.0), 0.0), size.energy_mwh)
            edges[t] = at_mwh
        else:
            at_mwh = float(edges[t])
    return edges
