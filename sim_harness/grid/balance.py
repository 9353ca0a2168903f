"""How areas hang together, and how power finds its balance in every step.

Connections form trees: each area has at most one towards the grid (or towards another area), and what flows over it is the net of
everything behind it. A tree whose root hangs on the grid lets the grid take the difference; a tree without the grid is an island
and balances to zero in every step, by force if need be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sim_harness.plants.base import Intent, PushOrder
from vpp.errors import ScenarioError
from vpp.ids import AreaId, ConnectionId
from vpp.park.schema import Connection, Park

__all__ = ["AreaBalancer", "Branch", "Topology", "Verdict"]

#: Below this a difference of powers is rounding. [MW]
_NOTHING_MW: Final = 1e-12
#: Who answers in an island, one order after another; base load is shed last.
_ISLAND_ORDERS: Final = (PushOrder.GRID_FORMING, PushOrder.FAST_LOAD, PushOrder.CURTAILMENT, PushOrder.SHEDDING)
#: Who answers to an export limit: the plant controller of the sources first, and at once.
_EXPORT_ORDERS: Final = (PushOrder.CURTAILMENT, PushOrder.GRID_FORMING, PushOrder.FAST_LOAD)


@dataclass(frozen=True, slots=True)
class Branch:
    """A connection in the tree.

    Args:
        connection: As in the park.
        area: Index of the area it feeds.
        parent: Index of the area at its other end, None for the grid.
        below: Indices of the areas behind it, its own included.
    """

    connection: Connection
    area: int
    parent: int | None
    below: frozenset[int]


@dataclass(frozen=True, slots=True)
class Topology:
    """Areas and branches of a park, the deepest branches first.

    Args:
        areas: Ids, in the park's order.
        branches: Connections that can carry anything.
        islands: Groups of areas tied to each other and not to the grid.
    """

    areas: tuple[AreaId, ...]
    branches: tuple[Branch, ...]
    islands: tuple[frozenset[int], ...]

    @classmethod
    def of_park(cls, park: Park) -> Topology:
        """The trees that a park's connections form; one without any limit above zero is an open breaker.

        Raises:
            ScenarioError: Connections make a ring or an area has two; flows would need a power flow to be known.
        """
        index = {area: i for i, area in enumerate(park.area_ids)}
        closed = [c for c in park.connections if c.import_limit_mw > 0 or c.export_limit_mw > 0]
        up: dict[int, Connection] = {}
        for connection in closed:
            area = index[connection.area]
            if area in up:
                raise ScenarioError(
                    [f"{connection.id}: area {connection.area} already has {up[area].id}; the world needs a tree of connections"]
                )
            up[area] = connection
        paths = {area: _path(area, up, index) for area in index.values()}
        branches = [
            Branch(
                connection,
                area,
                None if connection.is_grid else index[AreaId(connection.to)],
                frozenset(other for other, path in paths.items() if area in path),
            )
            for area, connection in up.items()
        ]
        branches.sort(key=lambda branch: -len(paths[branch.area]))
        roots = [area for area in index.values() if area not in up]
        islands = tuple(frozenset(a for a, path in paths.items() if path[-1] == root) for root in roots)
        return cls(park.area_ids, tuple(branches), islands)

    @property
    def connections(self) -> tuple[ConnectionId, ...]:
        """Ids of the branches' connections, in the order of every array of flows."""
        return tuple(branch.connection.id for branch in self.branches)


def _path(area: int, up: dict[int, Connection], index: dict[AreaId, int]) -> list[int]:
    """Areas from here to the root of the tree."""
    path = [area]
    while (connection := up.get(path[-1])) is not None and not connection.is_grid:
        parent = index[AreaId(connection.to)]
        if parent in path:
            raise ScenarioError([f"{connection.id}: connections make a ring through {connection.to}; the world needs a tree"])
        path.append(parent)
    return path


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the balance left everybody with.

    Args:
        power_mw: Of each plant. [MW, positive when consuming]
        import_mw: Over each branch into its area, negative when exporting. [MW]
        unserved_mw: Load shed or blacked out in each area. [MW]
        tripped_mw: Generation cut by force, beyond what its own control could give up, in each area. [MW]
    """

    power_mw: list[float]
    import_mw: list[float]
    unserved_mw: list[float]
    tripped_mw: list[float]


class AreaBalancer:
    """Balances all areas of a topology; one plant has one place in every list.

    Args:
        topology: The trees.
        plant_areas: Index of the area of each plant.
    """

    def __init__(self, topology: Topology, plant_areas: Sequence[int]) -> None:
        self._topology = topology
        self._areas = tuple(plant_areas)
        self._behind = tuple(self._plants_in(branch.below) for branch in topology.branches)
        inner = [tuple(k for k, b in enumerate(topology.branches) if b.area in island) for island in topology.islands]
        self._islands = tuple(
            (self._plants_in(island), branches) for island, branches in zip(topology.islands, inner, strict=True)
        )
        inside = {k for branches in inner for k in branches}
        self._outer = tuple(k for k in range(len(topology.branches)) if k not in inside)

    def balance(self, intents: Sequence[Intent]) -> Verdict:
        """Push plants until every export limit holds and every island is at zero."""
        power = [intent.power_mw for intent in intents]
        self._hold_exports(self._outer, power, intents)
        for plants, branches in self._islands:
            self._balance_island(plants, branches, power, intents)
        flows = [sum(power[i] for i in behind) for behind in self._behind]
        unserved, tripped = [0.0] * len(self._topology.areas), [0.0] * len(self._topology.areas)
        for i, (area, intent) in enumerate(zip(self._areas, intents, strict=True)):
            # Below its low nobody went by his own control; base load does not go down by its own control at all.
            floor_mw = max(0.0, intent.power_mw if intent.order is PushOrder.SHEDDING else min(intent.low_mw, intent.power_mw))
            served_mw = max(0.0, power[i])
            if served_mw < floor_mw - _NOTHING_MW:
                unserved[area] += floor_mw - served_mw
            if power[i] > intent.high_mw + _NOTHING_MW:
                tripped[area] += power[i] - intent.high_mw
        return Verdict(power, flows, unserved, tripped)

    def _plants_in(self, areas: Iterable[int]) -> tuple[int, ...]:
        inside = frozenset(areas)
        return tuple(i for i, area in enumerate(self._areas) if area in inside)

    def _hold_exports(self, branches: Sequence[int], power: list[float], intents: Sequence[Intent]) -> set[int]:
        """Bring every branch's export inside its limit; returns the branches that bind."""
        binding: set[int] = set()
        for k in branches:
            behind = self._behind[k]
            excess = -sum(power[i] for i in behind) - self._topology.branches[k].connection.export_limit_mw
            if excess > _NOTHING_MW:
                left = _push_up(excess, behind, _EXPORT_ORDERS, power, intents)
                if left > _NOTHING_MW:
                    _scale(left, [i for i in behind if power[i] < 0.0], power)
                binding.add(k)
        return binding

    def _balance_island(
        self, plants: Sequence[int], branches: Sequence[int], power: list[float], intents: Sequence[Intent]
    ) -> None:
        """To zero; plants behind a branch that exports all it may are not asked for more."""
        blocked: set[int] = set()
        while True:
            need = sum(power[i] for i in plants)
            if need > 0.0:
                free = [i for i in plants if i not in blocked] if blocked else plants
                left = _push_down(need, free, _ISLAND_ORDERS, power, intents)
                if left > _NOTHING_MW:
                    _scale(left, [i for i in free if power[i] > 0.0], power)
            elif need < 0.0:
                left = _push_up(-need, plants, _ISLAND_ORDERS, power, intents)
                if left > _NOTHING_MW:
                    _scale(left, [i for i in plants if power[i] < 0.0], power)
            binding = self._hold_exports(branches, power, intents)
            if not binding:
                return
            blocked.update(i for k in binding for i in self._behind[k])


def _push_down(
    need_mw: float, plants: Sequence[int], orders: Sequence[PushOrder], power: list[float], intents: Sequence[Intent]
) -> float:
    """Lower power by `need_mw`, in proportion to the room inside an order; returns what is left."""
    for order in orders:
        rooms = [(i, power[i] - intents[i].low_mw) for i in plants if intents[i].order is order]
        need_mw = _share_out(need_mw, rooms, -1.0, power)
        if need_mw <= 0.0:
            break
    return need_mw


def _push_up(
    need_mw: float, plants: Sequence[int], orders: Sequence[PushOrder], power: list[float], intents: Sequence[Intent]
) -> float:
    """Raise power by `need_mw`, in proportion to the room inside an order; returns what is left."""
    for order in orders:
        rooms = [(i, intents[i].high_mw - power[i]) for i in plants if intents[i].order is order]
        need_mw = _share_out(need_mw, rooms, 1.0, power)
        if need_mw <= 0.0:
            break
    return need_mw


def _share_out(need_mw: float, rooms: Sequence[tuple[int, float]], sign: float, power: list[float]) -> float:
    room_mw = sum(room for _, room in rooms if room > 0.0)
    if room_mw <= 0.0:
        return need_mw
    share = min(1.0, need_mw / room_mw)
    for i, room in rooms:
        if room > 0.0:
            power[i] += sign * share * room
    return need_mw - share * room_mw


def _scale(cut_mw: float, plants: Sequence[int], power: list[float]) -> None:
    """Take `cut_mw` from the size of these powers, each by the same factor: a blackout or a trip asks nobody."""
    size_mw = sum(abs(power[i]) for i in plants)
    factor = max(0.0, 1.0 - cut_mw / size_mw) if size_mw > 0.0 else 0.0
    for i in plants:
        power[i] *= factor
