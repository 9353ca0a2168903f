"""The park as it is answered: areas, connections and assets with their nameplates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from pydantic import TypeAdapter

from controllers.api.limits import plate_band_mw
from vpp.park import Asset, Connection, Park
from vpp.park.rating import rating

__all__ = ["AreaFacts", "AssetFacts", "AssetList", "ConnectionFacts", "ParkFacts", "asset_facts", "park_facts"]


class AreaFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A supply area."""

    id: str
    name: str
    name_zh: str
    assets: tuple[str, ...]
    connections: tuple[str, ...]


class ConnectionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A connection; import flows into `area`."""

    id: str
    area: str
    to: str
    name: str
    name_zh: str
    import_limit_mw: float
    export_limit_mw: float
    tariff: str | None


class ParkFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the park is."""

    id: str
    name: str
    name_zh: str
    at: date
    time_zone: str
    latitude_deg: float
    longitude_deg: float
    areas: tuple[AreaFacts, ...]
    connections: tuple[ConnectionFacts, ...]
    assets: int


class AssetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One asset with its nameplate.

    Args:
        id: Its identity.
        kind: As in the park file.
        role: What it is to the balance: wind, solar, thermal, storage, flexible_load, base_load.
        area: Where it stands.
        buses: Where it is connected.
        name: English.
        name_zh: Chinese.
        power_mw: Rated, or the mean of a base load. [MW]
        energy_mwh: What a store holds. [MWh]
        low_mw: Least power a pin may ask for. [MW, positive when consuming]
        high_mw: Most. [MW]
        in_service_from: First day.
        in_service_until: Last day, if one is known.
        plate: Every key of the nameplate, with its unit in the name.
        assumed: Keys of the plate whose value is an assumption.
    """

    id: str
    kind: str
    role: str
    area: str
    buses: tuple[str, ...]
    name: str
    name_zh: str
    power_mw: float
    energy_mwh: float | None
    low_mw: float
    high_mw: float
    in_service_from: date
    in_service_until: date | None
    plate: dict[str, Any]
    assumed: tuple[str, ...]


class AssetList(msgspec.Struct, frozen=True, kw_only=True):
    """Every asset."""

    assets: tuple[AssetFacts, ...]


def park_facts(park: Park) -> ParkFacts:
    """The park without its assets."""
    return ParkFacts(
        id=park.id,
        name=park.name,
        name_zh=park.site.name_zh,
        at=park.at,
        time_zone=park.site.time_zone,
        latitude_deg=park.site.latitude_deg,
        longitude_deg=park.site.longitude_deg,
        areas=tuple(
            AreaFacts(
                id=area.id,
                name=area.name,
                name_zh=area.name_zh,
                assets=tuple(a.id for a in park.assets_of(area=area.id)),
                connections=tuple(c.id for c in park.connections_of(area.id)),
            )
            for area in park.areas
        ),
        connections=tuple(_connection(c) for c in park.connections),
        assets=len(park.assets),
    )


def asset_facts(park: Park, asset: Asset) -> AssetFacts:
    """One asset."""
    size = rating(asset)
    low_mw, high_mw = plate_band_mw(asset)
    plate: Mapping[str, Any] = TypeAdapter(type(asset.plate)).dump_python(asset.plate, mode="json")
    marks = {key: known.mark for (owner, key), known in park.provenance.items() if owner == asset.id}
    return AssetFacts(
        id=asset.id,
        kind=asset.kind,
        role=size.role,
        area=asset.area,
        buses=tuple(asset.buses),
        name=asset.name,
        name_zh=asset.name_zh,
        power_mw=size.power_mw,
        energy_mwh=size.energy_mwh,
        low_mw=low_mw,
        high_mw=high_mw,
        in_service_from=asset.in_service_from,
        in_service_until=asset.in_service_until,
        plate=dict(plate),
        assumed=tuple(sorted(key for key in plate if marks.get(key) == "assumption")),
    )


def _connection(c: Connection) -> ConnectionFacts:
    return ConnectionFacts(
        id=c.id,
        area=c.area,
        to=c.to,
        name=c.name,
        name_zh=c.name_zh,
        import_limit_mw=c.import_limit_mw,
        export_limit_mw=c.export_limit_mw,
        tariff=c.tariff,
    )
