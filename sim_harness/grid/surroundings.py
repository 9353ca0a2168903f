"""The grid around the park while a run goes on: frequency, limits in force, calls, and power flows where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from sim_harness.grid.balance import BranchLimits, Topology, Verdict
from sim_harness.grid.conditions import Call, call_of, limits_of, line_calls, outages_of
from sim_harness.grid.events import ScenarioEvent
from sim_harness.grid.frequency import NOMINAL_HZ, GridFrequency
from sim_harness.grid.network import NetworkFlow, NetworkModel, Outages
from sim_harness.grid.prices import SpotMarket
from sim_harness.plants.base import Plant
from vpp.ids import AreaId, BusId, ConnectionId
from vpp.park.schema import Bus, Connection, Park
from vpp.timegrid import floor_to
from vpp.units import s_to_h

__all__ = ["GridConditions", "NetworkRecord", "PowerFlow", "Surroundings"]

#: When AC power flows are made: never but at events, or also at the end of every 15-min register.
PowerFlow: TypeAlias = Literal["off", "registers"]
_REGISTER: Final = timedelta(minutes=15)
#: Import expected by a connection, over a span: what a change is counted against.
Expected: TypeAlias = Callable[[ConnectionId, datetime, datetime], float]


@dataclass(frozen=True, slots=True)
class GridConditions:
    """What a scenario says of the grid.

    Args:
        events: In any order.
        seed: Of the frequency's background and of the meters; None for neither.
        power_flow: See `PowerFlow`.
        market: Spot prices; None where the tariff has the hours' prices.
    """

    events: tuple[ScenarioEvent, ...] = ()
    seed: int | None = None
    power_flow: PowerFlow = "off"
    market: SpotMarket | None = None


@dataclass(slots=True)
class NetworkRecord:
    """The worst that the power flows of a run have seen.

    Args:
        flows: How many there were.
        collapsed: How many of them found no voltage at all.
        highest_loading_frac: By line and transformer.
        lowest_pu: By bus.
        highest_pu: By bus.
        losses_mwh: Of the registers that had a power flow, each taken for its whole 15 min. [MWh]
    """

    flows: int = 0
    collapsed: int = 0
    highest_loading_frac: dict[str, float] = field(default_factory=dict)
    lowest_pu: dict[BusId, float] = field(default_factory=dict)
    highest_pu: dict[BusId, float] = field(default_factory=dict)
    losses_mwh: float = 0.0

    def add(self, flow: NetworkFlow | None, length_h: float) -> None:
        """Book one power flow that stands for `length_h` hours."""
        self.flows += 1
        if flow is None:
            self.collapsed += 1
            return
        for name, frac in flow.loading_frac.items():
            self.highest_loading_frac[name] = max(self.highest_loading_frac.get(name, 0.0), frac)
        for bus, pu in flow.voltage_pu.items():
            self.lowest_pu[bus] = min(self.lowest_pu.get(bus, pu), pu)
            self.highest_pu[bus] = max(self.highest_pu.get(bus, pu), pu)
        self.losses_mwh += flow.losses_mw * length_h


class Surroundings:
    """Told at the begin and at the end of every step; answers what plants, meters and gateway ask in between.

    Args:
        park: As of the run's day.
        topology: Its trees.
        start: First instant (UTC).
        conditions: See `GridConditions`.
        expected: What a connection is expected to import.
    """

    def __init__(self, park: Park, topology: Topology, start: datetime, conditions: GridConditions, expected: Expected) -> None:
        self.frequency = GridFrequency(seed=conditions.seed)
        self.limits: BranchLimits = topology.limits
        self.network = NetworkModel(park)
        self.flow: NetworkFlow | None = None
        self.record = NetworkRecord()
        self._park, self._topology, self._start, self._conditions = park, topology, start, conditions
        self._expected = expected
        self._calls: dict[str, Call] = {}
        self._known: set[str] = set()
        self._outages: Outages = frozenset()
        #: Spot prices; None where the tariff has the hours' prices.
        self.market = conditions.market
        self._grid = tuple(k for k, branch in enumerate(topology.branches) if branch.connection.is_grid)
        self._islands = self._island_areas()
        self._bus = {c.id: _meter_bus(park, c) for c in park.connections}
        self._instants = _instants(conditions.events, start)
        self._next = 0
        self._flow_due = False

    def begin(self, at: datetime) -> bool:
        """Let happen what is due; true if limits have changed."""
        if self._next >= len(self._instants) or at < self._instants[self._next]:
            return False
        while self._next < len(self._instants) and self._instants[self._next] <= at:
            self._next += 1
        events, start = self._conditions.events, self._start
        for event in events:
            self._speak_of(event, at)
        holding = [event for event in events if event.holds(start, at)]
        self._outages = outages_of(holding)
        in_force = [c for c in self._calls.values() if c.start <= at < c.end and not c.cancelled]
        before, self.limits = self.limits, limits_of(self._park, self._topology, in_force, self._outages)
        self._islands = self._island_areas()
        self._flow_due = self.network.exists
        return self.limits != before

    def settle(self, at: datetime, dt_s: float, verdict: Verdict, plants: Sequence[Plant]) -> None:
        """The step has passed: frequency moves, and the network is looked at where that is due."""
        drawn_mw = 0.0
        for k in self._grid:
            drawn_mw += verdict.import_mw[k]
        self.frequency.step(dt_s, drawn_mw)
        if self._flow_due or self._conditions.power_flow == "registers":
            end = at + timedelta(seconds=dt_s)
            closes = self._conditions.power_flow == "registers" and floor_to(end, _REGISTER) == end
            if self._flow_due or closes:
                self.look(end, plants, s_to_h(_REGISTER.total_seconds()) if closes else 0.0)

    def look(self, at: datetime, plants: Sequence[Plant], length_h: float = 0.0) -> NetworkFlow | None:
        """An AC power flow of what plants draw now; None where the park has no network or it found no voltage."""
        self._flow_due = False
        if not self.network.exists:
            return None
        flow = self.network.flow({plant.asset_id: plant.power_mw for plant in plants}, at, self._outages)
        self.record.add(flow, length_h)
        self.flow = flow
        return flow

    def frequency_hz(self, area: AreaId | None = None) -> float:
        """Of the main grid, or of an area: an island's storage holds it at its nominal value. [Hz]."""
        return NOMINAL_HZ if area in self._islands else self.frequency.frequency_hz

    @property
    def islands(self) -> frozenset[AreaId]:
        """Areas that are not tied to the main grid now."""
        return self._islands

    def voltage_kv(self, connection: ConnectionId) -> float | None:
        """At a connection's meter: by the last power flow, nominal before there is one; None without a network. [kV]."""
        bus = self._bus.get(connection)
        if bus is None:
            return None
        pu = 1.0 if self.flow is None else self.flow.voltage_pu.get(bus.id, 0.0)
        return bus.kv * pu

    def calls(self, at: datetime) -> tuple[Call, ...]:
        """Calls that the grid has spoken of and that are not over."""
        return tuple(call for call in self._calls.values() if at < call.end)

    def _speak_of(self, event: ScenarioEvent, at: datetime) -> None:
        """Issue, revoke or let happen one event, if it is time."""
        start = self._start
        if event.kind == "unit_trip":
            if event.start(start) <= at and event.event_id not in self._known:
                self._known.add(event.event_id)
                self.frequency.lose(event.lost_mw)
            return
        if event.event_id not in self._known and event.issued_at(start) <= at:
            self._known.add(event.event_id)
            for call in self._calls_of(event):
                self._calls[call.event_id] = call
        said = self._calls.get(event.event_id)
        if event.cancel_h is None or said is None or said.cancelled:
            return
        if start + timedelta(hours=event.cancel_h) <= at:
            self._calls[event.event_id] = said.revoked()

    def _calls_of(self, event: ScenarioEvent) -> tuple[Call, ...]:
        if event.kind == "line_outage":
            return tuple(line_calls(self._park, self._topology, event, self._start))
        connection = event.connection or ConnectionId("")
        expected = 0.0
        if event.change_mw is not None:
            expected = self._expected(connection, event.start(self._start), event.end(self._start))
        return (call_of(event, self._start, expected),)

    def _island_areas(self) -> frozenset[AreaId]:
        areas = self._topology.areas
        cut = [self._topology.branches[k].below for k in self.limits.open]
        return frozenset(areas[z] for group in (*self._topology.islands, *cut) for z in group)


def _instants(events: Sequence[ScenarioEvent], start: datetime) -> tuple[datetime, ...]:
    """When something changes, in order."""
    found: set[datetime] = set()
    for event in events:
        found |= {event.issued_at(start), event.start(start), event.end(start), start + timedelta(hours=event.end_h)}
        if event.cancel_h is not None:
            found.add(start + timedelta(hours=event.cancel_h))
    return tuple(sorted(found))


def _meter_bus(park: Park, connection: Connection) -> Bus | None:
    """Where a connection is metered: at its own area's end of the line that carries it, else at the area's highest voltage."""
    buses: Mapping[BusId, Bus] = {bus.id: bus for bus in park.network.buses}
    main = park.network.basis.main_bus
    for line in park.network.lines:
        ends = (buses[line.from_bus], buses[line.to_bus])
        if not line.closed:
            continue
        if connection.is_grid and main in (ends[0].id, ends[1].id):
            return ends[1] if ends[0].id == main else ends[0]
        if not connection.is_grid and {str(end.area) for end in ends} == {str(connection.area), connection.to}:
            return next(end for end in ends if end.area == connection.area)
    return max((bus for bus in buses.values() if bus.area == connection.area), key=lambda bus: bus.kv, default=None)
