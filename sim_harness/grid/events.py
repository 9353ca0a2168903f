"""What the grid does and asks for in a scenario: written by people, checked as a whole; times count from the scenario's start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.timegrid import require_utc
from vpp.units import HOURS_PER_DAY

__all__ = ["CALLS", "CONFIDENCE", "EventKind", "ScenarioEvent", "parse_events"]

EventKind: TypeAlias = Literal[
    "peak", "valley", "import_limit", "export_limit", "export_ban", "emergency", "unit_trip", "line_outage"
]
#: Kinds that the grid asks of the park, against those that simply happen.
CALLS: Final = frozenset({"peak", "valley", "import_limit", "export_limit", "export_ban", "emergency"})
#: How surely a call is to be kept that says nothing of it, as on the wire.
CONFIDENCE: Final = 0.99
#: Kinds that may be called as a change against what the connection would draw without the call.
_BY_CHANGE: Final = frozenset({"peak", "valley", "emergency"})
#: Kinds that may be called at the meter of one computing cluster.
_AT_A_METER: Final = frozenset({"peak", "import_limit", "emergency"})
#: A unit that trips is spoken of for this long; its power is lost for good and replaced by others. [h]
_TRIP_H: Final = 0.25

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Written(BaseModel):
    """One event as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=100)]
    kind: EventKind
    connection: str | None = None
    asset: str | None = None
    line: str | None = None
    start_h: Annotated[Finite, Field(ge=0)]
    duration_h: Annotated[Finite, Field(gt=0)] | None = None
    notice_h: Annotated[Finite, Field(ge=0)] = 0.0
    target_mw: Finite | None = None
    change_mw: Annotated[Finite, Field(gt=0)] | None = None
    lost_mw: Annotated[Finite, Field(gt=0)] | None = None
    circuits: Annotated[int, Field(ge=1)] = 1
    priority: Annotated[int, Field(ge=0)] = 0
    confidence: Annotated[Finite, Field(ge=0.5, le=0.999)] = CONFIDENCE
    cancel_h: Annotated[Finite, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioEvent:
    """One event of a scenario; its times are hours after the scenario's start.

    Args:
        event_id: The grid's name of it.
        kind: What is asked, or what happens.
        connection: Where it is called; None for what happens elsewhere in the grid.
        asset: The computing cluster at whose own meter it is called, behind that connection; None for the connection's meter.
        line: The line that fails.
        start_h: When it begins. [h]
        duration_h: How long it lasts. [h]
        notice_h: How long before its start the grid speaks of it. [h]
        target_mw: Import that the connection is to keep: at most for peak, import limit and emergency, at least for valley and
            export limit (negative allows export). None if `change_mw` says it. [MW]
        change_mw: Less import (peak, emergency) or more (valley) than without the call, never negative. [MW]
        lost_mw: Generation that trips. [MW]
        circuits: How many circuits of the line fail.
        priority: The lower goes first.
        confidence: How surely it is to be kept.
        cancel_h: When the grid takes it back; None for never. [h]
    """

    event_id: str
    kind: EventKind
    connection: ConnectionId | None = None
    asset: AssetId | None = None
    line: str | None = None
    start_h: float
    duration_h: float
    notice_h: float = 0.0
    target_mw: float | None = None
    change_mw: float | None = None
    lost_mw: float = 0.0
    circuits: int = 1
    priority: int = 0
    confidence: float = CONFIDENCE
    cancel_h: float | None = None

    @property
    def is_call(self) -> bool:
        """Whether the park is asked for something."""
        return self.kind in CALLS

    @property
    def end_h(self) -> float:
        """When it is over, or taken back before. [h]."""
        end_h = self.start_h + self.duration_h
        return end_h if self.cancel_h is None else max(self.start_h, min(end_h, self.cancel_h))

    def start(self, run_start: datetime) -> datetime:
        """When it begins (UTC)."""
        return require_utc(run_start, "run_start") + timedelta(hours=self.start_h)

    def end(self, run_start: datetime) -> datetime:
        """When it is planned to end (UTC)."""
        return require_utc(run_start, "run_start") + timedelta(hours=self.start_h + self.duration_h)

    def issued_at(self, run_start: datetime) -> datetime:
        """When the grid first speaks of it: what was known before the run is known when it begins (UTC)."""
        return require_utc(run_start, "run_start") + timedelta(hours=max(0.0, self.start_h - self.notice_h))

    def holds(self, run_start: datetime, at: datetime) -> bool:
        """Whether it is going on at an instant."""
        return self.start_h <= (at - run_start) / timedelta(hours=1) < self.end_h


def parse_events(file: str, raw: Any, park: Park, days: float) -> tuple[tuple[ScenarioEvent, ...], list[str]]:
    """The events of a scenario, and one line for each fault.

    Args:
        file: Named in every fault.
        raw: What stands under `events`: a list of mappings.
        park: Whose connections and lines may be named.
        days: Length of the scenario.
    """
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return (), [f"{file}: events: holds {type(raw).__name__}; write a list of events, each with id, kind and start_h"]
    events: list[ScenarioEvent] = []
    faults: list[str] = []
    for i, one in enumerate(raw):
        where = f"{file}: events[{i}]"
        try:
            written = _Written.model_validate(one)
        except ValidationError as error:
            faults += [_line(where, fault) for fault in error.errors()]
            continue
        where = f"{where} ({written.id})"
        found = list(_faults(where, written, park, days))
        if any(event.event_id == written.id for event in events):
            found.append(f"{where}: id: {written.id!r} is taken; every event needs an id of its own")
        faults += found
        if not found:
            events.append(_event(written))
    return tuple(events), faults


def _event(written: _Written) -> ScenarioEvent:
    target_mw = 0.0 if written.kind == "export_ban" else written.target_mw
    return ScenarioEvent(
        event_id=written.id,
        kind=written.kind,
        connection=None if written.connection is None else ConnectionId(written.connection),
        asset=None if written.asset is None else AssetId(written.asset),
        line=written.line,
        start_h=written.start_h,
        duration_h=_TRIP_H if written.duration_h is None else written.duration_h,
        notice_h=written.notice_h,
        target_mw=target_mw,
        change_mw=written.change_mw,
        lost_mw=written.lost_mw or 0.0,
        circuits=written.circuits,
        priority=written.priority,
        confidence=written.confidence,
        cancel_h=written.cancel_h,
    )


def _line(where: str, fault: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{where}: {key}: unknown key; known are {', '.join(_Written.model_fields)}"
        case "missing":
            return f"{where}: {key}: missing; every event needs it"
        case "literal_error":
            return f"{where}: {key}: {fault['input']!r}: is none of {', '.join(get_args(EventKind))}"
        case "model_type" | "model_attributes_type":
            return f"{where}: {fault['input']!r}: an event is a mapping of keys to values"
        case _:
            return f"{where}: {key}: {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _faults(where: str, written: _Written, park: Park, days: float) -> Iterator[str]:
    """What the fields of one event break between them."""
    run_h = days * HOURS_PER_DAY
    end_h = written.start_h + (written.duration_h or 0.0)
    if written.start_h >= run_h:
        yield f"{where}: start_h: {written.start_h:g}: the run is over after {run_h:g} h"
    elif end_h > run_h:
        yield f"{where}: duration_h: {written.duration_h:g}: ends {end_h:g} h after the start, the run after {run_h:g} h"
    if written.duration_h is None and written.kind != "unit_trip":
        yield f"{where}: duration_h: missing; a {written.kind} needs it"
    if written.cancel_h is not None and not written.start_h - written.notice_h <= written.cancel_h < end_h:
        yield f"{where}: cancel_h: {written.cancel_h:g}: must lie between its notice and its end"
    if written.cancel_h is not None and written.kind not in CALLS:
        yield f"{where}: cancel_h: a {written.kind} cannot be taken back; only calls can"
    yield from _place_faults(where, written, park)
    yield from _size_faults(where, written)


def _place_faults(where: str, written: _Written, park: Park) -> Iterator[str]:
    connections = {str(c.id): c for c in park.connections}
    lines = {str(line.id): line for line in park.network.lines}
    if written.kind in CALLS and written.connection is None:
        yield f"{where}: connection: missing; a {written.kind} is called on a connection"
    if written.kind == "line_outage" and written.line is None:
        yield f"{where}: line: missing; a line_outage names the line"
    if written.connection is not None and written.connection not in connections:
        yield f"{where}: connection: {written.connection!r}: no such connection; known are {', '.join(connections) or 'none'}"
    yield from _meter_faults(where, written, park)
    if written.line is None:
        return
    line = lines.get(written.line)
    if line is None:
        yield f"{where}: line: {written.line!r}: no such line; known are {', '.join(lines) or 'none'}"
    elif not line.closed:
        yield f"{where}: line: {written.line!r}: is open on {park.at} and cannot fail"
    elif written.circuits > line.circuits:
        yield f"{where}: circuits: {written.circuits}: {written.line} has {line.circuits}"


def _meter_faults(where: str, written: _Written, park: Park) -> Iterator[str]:
    if written.asset is None:
        return
    clusters = [str(asset.id) for asset in park.assets_of("compute")]
    if written.asset not in clusters:
        yield f"{where}: asset: {written.asset!r}: is no computing cluster; known are {', '.join(clusters) or 'none'}"
    elif written.kind not in _AT_A_METER or written.target_mw is None:
        yield f"{where}: asset: at a cluster's own meter a {' or '.join(sorted(_AT_A_METER))} is called, by target_mw"


def _size_faults(where: str, written: _Written) -> Iterator[str]:
    kind = written.kind
    given = [name for name in ("target_mw", "change_mw") if getattr(written, name) is not None]
    if kind == "unit_trip":
        if written.lost_mw is None:
            yield f"{where}: lost_mw: missing; say how much generation trips"
    elif written.lost_mw is not None:
        yield f"{where}: lost_mw: a {kind} loses no generation; only a unit_trip does"
    if kind in CALLS and kind != "export_ban" and len(given) != 1:
        may = "target_mw or change_mw" if kind in _BY_CHANGE else "target_mw"
        yield f"{where}: {' and '.join(given) or 'target_mw'}: a {kind} needs {may}, exactly one"
    elif "change_mw" in given and kind not in _BY_CHANGE:
        yield f"{where}: change_mw: a {kind} is called by target_mw"
    elif given and kind not in CALLS or kind == "export_ban" and written.target_mw not in (None, 0.0):
        yield f"{where}: {given[0]}: a {kind} takes none"
    if kind == "export_limit" and written.target_mw is not None and written.target_mw > 0.0:
        yield f"{where}: target_mw: {written.target_mw:g}: an export_limit is the least import, 0 or negative"
    if kind == "import_limit" and written.target_mw is not None and written.target_mw < 0.0:
        yield f"{where}: target_mw: {written.target_mw:g}: an import_limit must not be negative"
