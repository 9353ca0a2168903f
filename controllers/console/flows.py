"""From powers of assets and connections to what feeds an area and what draws from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controllers.console.frame import AreaFlows
from controllers.console.palette import CATEGORIES, GRID, KINDS, LINK, OTHER, SOURCES, STORE
from vpp.ids import AreaId
from vpp.park import Park

__all__ = ["area_flows", "category_of", "green_shares"]


def category_of(kind: str) -> str:
    """The category of an asset's kind; a kind that the screen does not know counts as other."""
    return KINDS.get(kind, ("", OTHER))[1]


def area_flows(park: Park, power_mw: Mapping[str, float], import_mw: Mapping[str, float]) -> tuple[AreaFlows, ...]:
    """The flows of every area.

    Args:
        park: What is in service.
        power_mw: By asset, positive when consuming; an asset without a number is unknown. [MW]
        import_mw: By connection, into its area; likewise. [MW]
    """
    entries: dict[AreaId, list[tuple[str, float | None]]] = {area: [] for area in park.area_ids}
    for asset in park.assets:
        entries[asset.area].append((category_of(asset.kind), power_mw.get(asset.id)))
    for connection in park.connections:
        into_mw = import_mw.get(connection.id)
        entries[connection.area].append((GRID if connection.is_grid else LINK, None if into_mw is None else -into_mw))
        if not connection.is_grid:
            entries[AreaId(connection.to)].append((LINK, into_mw))
    return tuple(_sorted_out(area, entries[area]) for area in park.area_ids)


def _sorted_out(area: AreaId, entries: list[tuple[str, float | None]]) -> AreaFlows:
    """Sums of either direction; a category that is there and rests is there with zero, on its usual side."""
    supply: dict[str, float] = {}
    demand: dict[str, float] = {}
    for category in CATEGORIES:
        known = [mw for name, mw in entries if name == category and mw is not None]
        if known:
            taken, given = sum(max(mw, 0.0) for mw in known), sum(max(-mw, 0.0) for mw in known)
            if given > 0.0 or category in (*SOURCES, STORE, GRID):
                supply[category] = given
            if taken > 0.0 or category not in SOURCES:
                demand[category] = taken
    return AreaFlows(area, supply, demand, frozenset(name for name, mw in entries if mw is None))


def green_shares(park: Park, flows: Sequence[AreaFlows], import_mw: Mapping[str, float]) -> Mapping[AreaId, float | None]:
    """Green share of what sources and connections give each area now; None where they give nothing.

    What a store gives back is left out: it is as green as what it was charged with, which the wire does not say. Power from
    another area is as green as what that area's own sources and grid connections give.
    """
    own = {f.area: _own(park, f, import_mw) for f in flows}
    shares: dict[AreaId, float | None] = {}
    for area, (green, given) in own.items():
        for connection in park.connections_of(area):
            into_mw = import_mw.get(connection.id, 0.0) * (1.0 if connection.area == area else -1.0)
            far_green, far_given = own.get(AreaId(connection.to if connection.area == area else connection.area), (0.0, 0.0))
            if not connection.is_grid and into_mw > 0.0 and far_given > 0.0:
                green += into_mw * far_green / far_given
                given += into_mw
        shares[area] = green / given if given > 0.0 else None
    return shares


def _own(park: Park, flows: AreaFlows, import_mw: Mapping[str, float]) -> tuple[float, float]:
    """Green and whole supply from an area's own sources and the grid, in MW."""
    green = sum(flows.supply_mw.get(category, 0.0) for category in SOURCES)
    given = sum(mw for category, mw in flows.supply_mw.items() if category not in (STORE, LINK))
    for connection in park.connections_of(flows.area):
        if connection.is_grid:
            green += max(import_mw.get(connection.id, 0.0), 0.0) * (connection.green_origin_frac or 0.0)
    return green, given
