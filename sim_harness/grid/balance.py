"""How areas hang together, and how power finds its balance in every step.

Connections form trees: each area has at most one towards the grid (or towards another area), and what flows over it is the net of
everything behind it. A tree whose root hangs on the grid lets the grid take the difference; a tree without the grid is an island
and balances to zero in every step, by force if need be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sim_harness.plants.base import Intent, PushOrder
from vpp.errors import ScenarioError
from vpp.ids import AreaId, ConnectionId
from vpp.park.schema import Connection, Park

__all__ = ["AreaBalancer", "Branch", "BranchLimits", "Topology", "Verdict"]

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
class BranchLimits:
    """What branches may carry now, in the order of `Topology.branches`.

    Args:
        import_mw: Most into each branch's area; nobody enforces it, breaking it is counted. [MW]
        export_mw: Most out of it; held by the plants behind it, at once. [MW]
        open: Branches that are disconnected: what is behind them is an island for as long.
    """

    import_mw: tuple[float, ...]
    export_mw: tuple[float, ...]
    open: frozenset[int] = frozenset()


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
    def limits(self) -> BranchLimits:
        """What the park's connections may carry when nothing is out of order."""
        return BranchLimits(
            tuple(branch.connection.import_limit_mw for branch in self.branches),
            tuple(branch.connection.export_limit_mw for branch in self.branches),
        )

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


@dataclass(frozen=True, slots=True)
class _Domain:
    """Areas that answer to one condition together: what is behind a branch, or an island.

    Args:
        areas: Indices of areas.
        plants: Indices of all plants in them.
        groups: Plants that are pushed in an order, by order.
    """

    areas: tuple[int, ...]
    plants: tuple[int, ...]
    groups: Mapping[PushOrder, tuple[int, ...]]


@dataclass(slots=True)
class _Step:
    """One step in the making: powers as they are pushed, and what each area draws with them. [MW]."""

    intents: Sequence[Intent]
    areas: tuple[int, ...]
    power: list[float]
    net: list[float]
    moved: set[int] = field(default_factory=set)

    def need(self, domain: _Domain) -> float:
        """What a domain draws."""
        net = self.net
        return sum([net[area] for area in domain.areas])

    def move(self, plant: int, delta_mw: float) -> None:
        """Push a plant."""
        self.power[plant] += delta_mw
        self.net[self.areas[plant]] += delta_mw
        self.moved.add(plant)

    def push(self, need_mw: float, domain: _Domain, orders: Sequence[PushOrder], blocked: Collection[int] = ()) -> float:
        """Raise what a domain draws by `need_mw` (lower it, where negative), in proportion to the room inside an order.

        Returns:
            What of the need's size is left. [MW]
        """
        left_mw, up, power, intents = abs(need_mw), need_mw > 0.0, self.power, self.intents
        for order in orders:
            rooms: list[tuple[int, float]] = []
            room_mw = 0.0
            for plant in domain.groups.get(order, ()):
                room = intents[plant].high_mw - power[plant] if up else power[plant] - intents[plant].low_mw
                if room > 0.0 and plant not in blocked:
                    rooms.append((plant, room))
                    room_mw += room
            if room_mw <= 0.0:
                continue
            share = min(1.0, left_mw / room_mw)
            for plant, room in rooms:
                self.move(plant, share * room if up else -share * room)
            left_mw -= share * room_mw
            if left_mw <= 0.0:
                break
        return left_mw

    def scale(self, cut_mw: float, plants: Sequence[int]) -> None:
        """Take `cut_mw` from the size of these powers, each by the same factor: a blackout or a trip asks nobody."""
        size_mw = sum(abs(self.power[i]) for i in plants)
        share = min(1.0, cut_mw / size_mw) if size_mw > 0.0 else 1.0
        for i in plants:
            self.move(i, -share * self.power[i])


class AreaBalancer:
    """Balances all areas of a topology; one plant has one place in every list.

    Args:
        topology: The trees.
        plant_areas: Index of the area of each plant.
        limits: What branches may carry; the park's own if not given.
    """

    def __init__(self, topology: Topology, plant_areas: Sequence[int], limits: BranchLimits | None = None) -> None:
        self._topology = topology
        self._areas = tuple(plant_areas)
        self.limits = limits or topology.limits
        closed = [k for k in range(len(topology.branches)) if k not in self.limits.open]
        cut_off = {k: self._behind(k) for k in self.limits.open}
        islands = [*(tuple(sorted(island)) for island in topology.islands), *cut_off.values()]
        # A branch inside an island is held while the island finds its balance, any other by itself.
        self._inner = tuple(tuple(k for k in closed if topology.branches[k].area in island) for island in islands)
        inside = {k for branches in self._inner for k in branches}
        self._outer = tuple(k for k in closed if k not in inside)
        self._branch_areas = tuple(self._behind(k) if k in closed else () for k in range(len(topology.branches)))
        self._island_areas = tuple(islands)
        self._orders: list[PushOrder] = []
        self._branches: tuple[_Domain, ...] = ()
        self._islands: tuple[_Domain, ...] = ()

    def under(self, limits: BranchLimits) -> AreaBalancer:
        """The same areas and plants under other limits."""
        return AreaBalancer(self._topology, self._areas, limits)

    def balance(self, intents: Sequence[Intent]) -> Verdict:
        """Push plants until every export limit holds and every island is at zero.

        Every intent lies inside its own bounds: `low_mw <= power_mw <= high_mw`.
        """
        orders = [intent.order for intent in intents]
        if orders != self._orders:
            self._regroup(orders)
        power = [intent.power_mw for intent in intents]
        net = [0.0] * len(self._topology.areas)
        for area, power_mw in zip(self._areas, power, strict=True):
            net[area] += power_mw
        step = _Step(intents, self._areas, power, net)
        self._hold_exports(self._outer, step)
        for island, branches in zip(self._islands, self._inner, strict=True):
            self._balance_island(island, branches, step)
        return self._verdict(step)

    def _behind(self, k: int) -> tuple[int, ...]:
        """Areas behind a branch, less those behind an open branch further down."""
        below = set(self._topology.branches[k].below)
        for other in self.limits.open - {k}:
            if self._topology.branches[other].below < self._topology.branches[k].below:
                below -= self._topology.branches[other].below
        return tuple(sorted(below))

    def _regroup(self, orders: list[PushOrder]) -> None:
        """Who is pushed with whom; rebuilt when a plant changes its order, which is rare."""
        self._orders = orders
        self._branches = tuple(self._domain(areas) for areas in self._branch_areas)
        self._islands = tuple(self._domain(areas) for areas in self._island_areas)

    def _domain(self, areas: Iterable[int]) -> _Domain:
        inside = frozenset(areas)
        plants = tuple(i for i, area in enumerate(self._areas) if area in inside)
        groups = {order: tuple(i for i in plants if self._orders[i] is order) for order in PushOrder}
        return _Domain(tuple(sorted(inside)), plants, {order: group for order, group in groups.items() if group})

    def _hold_exports(self, branches: Sequence[int], step: _Step) -> set[int]:
        """Bring every branch's export inside its limit; returns the branches that bind."""
        binding: set[int] = set()
        for k in branches:
            behind = self._branches[k]
            excess = -step.need(behind) - self.limits.export_mw[k]
            if excess > _NOTHING_MW:
                left = step.push(excess, behind, _EXPORT_ORDERS)
                if left > _NOTHING_MW:
                    step.scale(left, [i for i in behind.plants if step.power[i] < 0.0])
                binding.add(k)
        return binding

    def _balance_island(self, island: _Domain, branches: Sequence[int], step: _Step) -> None:
        """To zero; plants behind a branch that exports all it may are not asked for more."""
        blocked: set[int] = set()
        while True:
            need = step.need(island)
            if need > 0.0:
                left = step.push(-need, island, _ISLAND_ORDERS, blocked)
                if left > _NOTHING_MW:
                    step.scale(left, [i for i in island.plants if step.power[i] > 0.0 and i not in blocked])
            elif need < 0.0:
                left = step.push(-need, island, _ISLAND_ORDERS)
                if left > _NOTHING_MW:
                    step.scale(left, [i for i in island.plants if step.power[i] < 0.0])
            binding = self._hold_exports(branches, step)
            if not binding:
                return
            blocked.update(i for k in binding for i in self._branches[k].plants)

    def _verdict(self, step: _Step) -> Verdict:
        """Flows, and who was pushed beyond what his own control could give."""
        unserved, tripped = [0.0] * len(step.net), [0.0] * len(step.net)
        for i in step.moved:
            intent, power_mw = step.intents[i], step.power[i]
            # Below its low nobody went by his own control; base load does not go down by its own control at all.
            floor_mw = max(0.0, intent.power_mw if intent.order is PushOrder.SHEDDING else intent.low_mw)
            served_mw = max(0.0, power_mw)
            if served_mw < floor_mw - _NOTHING_MW:
                unserved[self._areas[i]] += floor_mw - served_mw
            if power_mw > intent.high_mw + _NOTHING_MW:
                tripped[self._areas[i]] += power_mw - intent.high_mw
        return Verdict(step.power, [step.need(branch) for branch in self._branches], unserved, tripped)
