"""All assets of a park as columns: one group a kind, each machine with its area, each area with the connections it is behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from vpp.assets import ASSET_KINDS, AssetKind
from vpp.errors import AssetError
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.units import FloatArray, IntArray

__all__ = ["Fleet", "Group", "PlacedAsset"]


class PlacedAsset(Protocol):
    """What a fleet must know of an asset."""

    @property
    def id(self) -> AssetId:
        """Its identity."""
        ...

    @property
    def kind(self) -> str:
        """A name in `ASSET_KINDS`."""
        ...

    @property
    def area(self) -> AreaId:
        """Where it stands."""
        ...

    @property
    def plate(self) -> Any:
        """Its nameplate."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """All machines of one kind.

    Args:
        kind: The kind.
        ids: Identity of each row.
        plate: The kind's plate arrays.
        state: The kind's state arrays.
        area: Index of each row's area in `Fleet.areas`, shape (assets,).
    """

    kind: AssetKind[Any, Any]
    ids: tuple[AssetId, ...]
    plate: Any
    state: Any
    area: IntArray


@dataclass(frozen=True, slots=True)
class Fleet:
    """Groups by kind, and which areas stand behind which connections.

    Args:
        groups: One a kind.
        areas: The order of area rows.
        connections: The order of connection rows.
        membership: 1 where an area is behind a connection, shape (connections, areas); connections may be nested.
    """

    groups: tuple[Group, ...]
    areas: tuple[AreaId, ...]
    connections: tuple[ConnectionId, ...]
    membership: FloatArray

    @classmethod
    def of(cls, assets: Sequence[PlacedAsset], behind: Mapping[ConnectionId, Collection[AreaId]]) -> Fleet:
        """Assets gathered by kind, in their initial states; done once, while states change at every tick.

        Raises:
            AssetError: A kind is not registered.
        """
        named = {area for areas in behind.values() for area in areas}
        areas = tuple(sorted({asset.area for asset in assets} | named))
        row = {area: i for i, area in enumerate(areas)}
        by_kind: dict[str, list[PlacedAsset]] = {}
        for asset in assets:
            if asset.kind not in ASSET_KINDS:
                raise AssetError(f"{asset.id}: kind {asset.kind!r} is not registered; known are {', '.join(sorted(ASSET_KINDS))}")
            by_kind.setdefault(asset.kind, []).append(asset)
        groups = []
        for name, members in by_kind.items():
            kind = ASSET_KINDS[name]
            plate = kind.plate([member.plate for member in members])
            where = np.array([row[member.area] for member in members], dtype=np.int64)
            groups.append(Group(kind, tuple(member.id for member in members), plate, kind.initial(plate), where))
        membership = np.array([[float(area in inside) for area in areas] for inside in behind.values()])
        return cls(tuple(groups), areas, tuple(behind), membership.reshape(len(behind), len(areas)))

    def with_states(self, states: Mapping[str, Any]) -> Fleet:
        """The same fleet with new state arrays for the kinds named."""
        return replace(self, groups=tuple(replace(g, state=states.get(g.kind.name, g.state)) for g in self.groups))
