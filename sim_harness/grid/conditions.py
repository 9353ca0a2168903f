"""What events make of the connections: limits in force, circuits out of service, and the calls that the park is told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from sim_harness.grid.balance import Branch, BranchLimits, Topology
from sim_harness.grid.events import CONFIDENCE, ScenarioEvent
from sim_harness.grid.network import Outages
from vpp.ids import AssetId, ConnectionId
from vpp.park.schema import Line, Park

__all__ = ["Call", "CallKind", "limits_of", "line_calls", "lines_of", "outages_of"]

#: What a circuit may carry of its rating as active power: the study's 305 MVA twice are 580 MW.
_ACTIVE_FRAC: Final = 0.95

CallKind: TypeAlias = Literal["peak", "valley", "import_limit", "export_limit", "emergency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the grid asks of a connection, its target settled.

    Args:
        event_id: The grid's name of it.
        kind: What is asked.
        connection: Where.
        target_mw: Import that the connection is to keep: at least for valley and export limit, else at most. [MW]
        asset: At whose own meter the target counts, if not at the connection's.
        change_mw: The change against what the connection would draw, where it was called so. [MW]
        start: From when (UTC).
        end: Until when (UTC).
        issued_at: When the grid first spoke of it (UTC).
        priority: The lower goes first.
        confidence: How surely it is to be kept.
        revision: Counts up with each change.
        cancelled: Whether it was taken back.
    """

    event_id: str
    kind: CallKind
    connection: ConnectionId
    target_mw: float
    change_mw: float | None
    start: datetime
    end: datetime
    issued_at: datetime
    priority: int = 0
    revision: int = 1
    cancelled: bool = False
    asset: AssetId | None = None
    confidence: float = CONFIDENCE

    def revoked(self) -> Call:
        """The same call, taken back."""
        return replace(self, revision=self.revision + 1, cancelled=True)


def call_of(event: ScenarioEvent, run_start: datetime, expected_mw: float) -> Call:
    """The call of an event; a change becomes a target against the import that is expected without it."""
    kind: CallKind = "export_limit" if event.kind == "export_ban" else event.kind  # type: ignore[assignment]  # is_call
    change = event.change_mw
    target = event.target_mw if change is None else expected_mw + (change if kind == "valley" else -change)
    return Call(
        event_id=event.event_id,
        kind=kind,
        connection=event.connection or ConnectionId(""),
        target_mw=0.0 if target is None else target,
        change_mw=change,
        start=event.start(run_start),
        end=event.end(run_start),
        issued_at=event.issued_at(run_start),
        priority=event.priority,
        asset=event.asset,
        confidence=event.confidence,
    )


def lines_of(park: Park, branch: Branch) -> tuple[Line, ...]:
    """Closed lines that carry a connection: between its two areas, or from the main grid's bus."""
    connection, network = branch.connection, park.network
    area_of = {bus.id: str(bus.area) for bus in network.buses}
    if connection.is_grid:
        main = network.basis.main_bus
        return tuple(line for line in network.lines if line.closed and main in (line.from_bus, line.to_bus))
    ends = {str(connection.area), connection.to}
    return tuple(line for line in network.lines if line.closed and {area_of[line.from_bus], area_of[line.to_bus]} == ends)


def outages_of(events: Iterable[ScenarioEvent]) -> Outages:
    """Circuits that events take out of service together, by line."""
    out: dict[str, int] = {}
    for event in events:
        if event.kind == "line_outage" and event.line is not None:
            out[event.line] = out.get(event.line, 0) + event.circuits
    return frozenset(out.items())


def limits_of(park: Park, topology: Topology, calls: Iterable[Call], outages: Outages) -> BranchLimits:
    """Limits of every branch under the calls and outages in force.

    Calls that set a limit (import limit, emergency, export limit) bind as one; a peak or a valley is a service, not a limit.
    """
    imports, exports = list(topology.limits.import_mw), list(topology.limits.export_mw)
    opened: set[int] = set()
    place = {branch.connection.id: k for k, branch in enumerate(topology.branches)}
    out = dict(outages)
    for k, branch in enumerate(topology.branches):
        lines = lines_of(park, branch)
        if not any(str(line.id) in out for line in lines):
            continue
        left = _left_mw(lines, out)
        imports[k], exports[k] = min(imports[k], left), min(exports[k], left)
        if left <= 0.0:
            opened.add(k)
    for call in calls:
        if call.connection not in place or call.asset is not None:
            continue
        k = place[call.connection]
        if call.kind in ("import_limit", "emergency"):
            imports[k] = min(imports[k], max(call.target_mw, 0.0))
        elif call.kind == "export_limit":
            exports[k] = min(exports[k], max(-call.target_mw, 0.0))
    return BranchLimits(tuple(imports), tuple(exports), frozenset(opened))


def line_calls(park: Park, topology: Topology, event: ScenarioEvent, run_start: datetime) -> Iterator[Call]:
    """What a control room tells the park when a line fails: the limits that the connection keeps as long as it is out."""
    before, after = topology.limits, limits_of(park, topology, (), outages_of((event,)))
    for k, branch in enumerate(topology.branches):
        told: tuple[tuple[CallKind, float, bool], ...] = (
            ("import_limit", after.import_mw[k], after.import_mw[k] < before.import_mw[k]),
            ("export_limit", -after.export_mw[k], after.export_mw[k] < before.export_mw[k]),
        )
        for kind, target_mw, lowered in told:
            if lowered:
                yield Call(
                    event_id=f"{event.event_id}.{kind}",
                    kind=kind,
                    connection=branch.connection.id,
                    target_mw=target_mw,
                    change_mw=None,
                    start=event.start(run_start),
                    end=event.end(run_start),
                    # Nobody knows of a failure before it happens; planned work is spoken of.
                    issued_at=run_start + timedelta(hours=max(0.0, event.start_h - event.notice_h)),
                    priority=event.priority,
                )


def _left_mw(lines: Iterable[Line], out: Mapping[str, int]) -> float:
    return sum(max(0, line.circuits - out.get(str(line.id), 0)) * line.mva_each * _ACTIVE_FRAC for line in lines)
