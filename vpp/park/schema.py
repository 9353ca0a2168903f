"""What a park consists of: areas, connections, assets, the network between them, as frozen records of one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, NewType
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from vpp.errors import ParkError
from vpp.ids import AreaId, AssetId, BusId, ConnectionId, ParkId
from vpp.park.duties import CoalRate, Contract, EmissionFactor, GridRule, Target
from vpp.park.plates import Count, Fraction, NonNegative, Positive, PositiveFraction
from vpp.park.tariff import Prices, Tariff, TariffId
from vpp.park.yaml_marks import Provenance, Statement

__all__ = [
    "GRID",
    "Area",
    "Asset",
    "Bus",
    "Connection",
    "Line",
    "LineId",
    "Network",
    "NetworkBasis",
    "Park",
    "Site",
    "Transformer",
]

_STRICT: Final = ConfigDict(extra="forbid")

#: The other end of a connection to the public grid.
GRID: Final = "grid"

LineId = NewType("LineId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Which park this is, where it stands, and from when it is described."""

    __pydantic_config__ = _STRICT
    id: ParkId
    name: str
    name_zh: str
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    time_zone: str
    opens: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A supply area (供电区): one energy balance; power leaves and enters only through its connections."""

    __pydantic_config__ = _STRICT
    id: AreaId
    name: str
    name_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where an area meets the grid or another area (联络点). Import flows into `area`, export out of it.

    Args:
        to: Another area's id, or `grid`.
        import_limit_mw: Most that may flow into `area`. [MW]
        export_limit_mw: Most that may flow out of it. [MW]
        tariff: What the flow costs; None between two areas of the park, where it is free.
        contract_demand_mw: Import above this is charged at the tariff's `above_contract_cny_per_mwh`. [MW]
        green_origin_frac: Green share of imported energy by contract; None between areas, where it is the sender's.
    """

    __pydantic_config__ = _STRICT
    id: ConnectionId
    area: AreaId
    to: str
    name: str
    name_zh: str
    tariff: TariffId | None = None
    import_limit_mw: NonNegative
    export_limit_mw: NonNegative
    contract_demand_mw: NonNegative | None = None
    green_origin_frac: Fraction | None = None
    in_service_from: date = date.min
    in_service_until: date | None = None

    @property
    def is_grid(self) -> bool:
        """Whether the public grid is at the other end."""
        return self.to == GRID


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A busbar (母线) of the network."""

    __pydantic_config__ = _STRICT
    id: BusId
    area: AreaId
    name: str
    kv: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line (线路) of one or more equal circuits; an open one carries nothing."""

    __pydantic_config__ = _STRICT
    id: LineId
    from_bus: BusId
    to_bus: BusId
    kv: Positive
    circuits: Count
    mva_each: Positive
    limit_mw: Positive
    km: Positive
    r_ohm_km: NonNegative
    x_ohm_km: Positive
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """One or more equal transformers (变压器) between two busbars; `uk_frac` is the short-circuit voltage."""

    __pydantic_config__ = _STRICT
    id: str
    hv_bus: BusId
    lv_bus: BusId
    units: Count
    mva_each: Positive
    uk_frac: PositiveFraction
    limit_mw: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBasis:
    """Figures of the whole network: losses in the planner's balance, power factor of loads, the bus that is the main grid."""

    __pydantic_config__ = _STRICT
    loss_frac: Fraction
    load_power_factor_frac: PositiveFraction
    main_bus: BusId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The 500/220/66 kV network as it is on one day."""

    basis: NetworkBasis
    buses: tuple[Bus, ...]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A machine, plant or load of the park, with its nameplate as of one day.

    Args:
        buses: Where it is connected; of several, each carries an equal share.
        plate: The record of its kind, a class of `vpp.park.plates` or one registered from outside.
        scenario: The scenario that switches it on; None for what simply exists.
    """

    id: AssetId
    kind: str
    area: AreaId
    buses: tuple[BusId, ...]
    name: str
    name_zh: str
    in_service_from: date
    in_service_until: date | None
    plate: Any  # a kind from outside brings a class that we cannot name here
    scenario: str | None = None

    @property
    def bus(self) -> BusId:
        """The bus, or the first of several."""
        return self.buses[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """A park as it is on one day: only what is in service, each value as of that day.

    Args:
        at: The day.
        provenance: By id and key, as in `("wind.songshan", "capacity_mw")`: mark, source, file and line.
        statements: By id: what the sources say that no model uses.
        not_modelled: What the sources name and we do not model.
        contradictions: Where the sources contradict themselves.
    """

    site: Site
    at: date
    areas: tuple[Area, ...]
    connections: tuple[Connection, ...]
    assets: tuple[Asset, ...]
    network: Network
    tariffs: tuple[Tariff, ...]
    prices: Prices
    contracts: tuple[Contract, ...]
    targets: tuple[Target, ...]
    grid_rules: tuple[GridRule, ...]
    emission_factors: tuple[EmissionFactor, ...]
    coal_rates: tuple[CoalRate, ...]
    not_modelled: tuple[Statement, ...]
    contradictions: tuple[Statement, ...]
    statements: Mapping[str, tuple[Statement, ...]]
    provenance: Mapping[tuple[str, str], Provenance]

    @property
    def id(self) -> ParkId:
        """The park's id, the `{park}` of every topic."""
        return self.site.id

    @property
    def name(self) -> str:
        """Its English name."""
        return self.site.name

    @property
    def zone(self) -> ZoneInfo:
        """Park time, in which people and tariffs read the clock."""
        return ZoneInfo(self.site.time_zone)

    @property
    def area_ids(self) -> tuple[AreaId, ...]:
        """Ids of the supply areas, in the order of the file."""
        return tuple(area.id for area in self.areas)

    def asset(self, asset_id: str) -> Asset:
        """The asset of that id.

        Raises:
            ParkError: Nothing of that id is in service on this day.
        """
        for asset in self.assets:
            if asset.id == asset_id:
                return asset
        raise ParkError([f"{self.id}: no asset {asset_id!r} in service on {self.at}"])

    def assets_of(self, kind: str | None = None, area: str | None = None) -> tuple[Asset, ...]:
        """Assets of a kind, of an area, or of both; all of them without either."""
        return tuple(
            asset for asset in self.assets if (kind is None or asset.kind == kind) and (area is None or asset.area == area)
        )

    def connection(self, connection_id: str) -> Connection:
        """The connection of that id.

        Raises:
            ParkError: None of that id is in service on this day.
        """
        for connection in self.connections:
            if connection.id == connection_id:
                return connection
        raise ParkError([f"{self.id}: no connection {connection_id!r} in service on {self.at}"])

    def connections_of(self, area: str) -> tuple[Connection, ...]:
        """Connections that touch an area at either end; import and export count for `connection.area`."""
        return tuple(connection for connection in self.connections if area in (connection.area, connection.to))

    def tariff(self, tariff_id: str) -> Tariff:
        """The tariff of that id.

        Raises:
            ParkError: None of that id is valid on this day.
        """
        for tariff in self.tariffs:
            if tariff.id == tariff_id:
                return tariff
        raise ParkError([f"{self.id}: no tariff {tariff_id!r} valid on {self.at}"])
