"""An OpenADR 3 event as calls on our connections: what each payload type means here, and why something is refused. Pure.

Only the words are translated. Whether a call is too late, too large or too long is said by the same door as for everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from controllers.adapters.grid_door import GridCall
from controllers.adapters.openadr3.times import duration_of, instant_of
from controllers.adapters.openadr3.words import Event, Interval, IntervalPeriod, Program, Values
from vpp.events import EventKind
from vpp.units import KW_PER_MW

__all__ = ["SIGNALS", "Agreement", "Reading", "Signal", "Unreadable", "read_event"]

#: Told to the park, asking for nothing by themselves.
SIGNALS: Final = frozenset({"PRICE", "GHG"})
#: Megawatts in one of them. KW is the specification's; MW is what dispatch centres write.
_MW_IN: Final[Mapping[str, float]] = MappingProxyType({"KW": 1.0 / KW_PER_MW, "MW": 1.0})
_CALLS_MAX: Final = 300
#: Whoever says no priority goes last.
_LAST: Final = 999
_NOTE_MAX: Final = 400
#: A call that runs already is taken from now on; up to this age it is called with its own start.
_JUST_BEGUN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What is agreed with an operator for one connection, or for one cluster's own meter, since some payloads say no power.

    Args:
        connection: Its id, which is also the target that names it.
        asset: A computing cluster behind it that may be called at its own meter; its id is then the target that names it.
        simple_mw: Import to keep at SIMPLE level 1, 2 and 3; levels without one are refused. [MW]
        emergency_mw: Import to keep at ALERT_GRID_EMERGENCY; None: refused. [MW]
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    connection: str
    asset: str | None = None
    simple_mw: Annotated[tuple[float, ...], Field(max_length=3)] = ()
    emergency_mw: float | None = None

    @property
    def meter(self) -> str:
        """Whose reading is called, and the target by which an event names it."""
        return self.asset or self.connection


@dataclass(frozen=True, slots=True)
class Signal:
    """A price or an emission rate over a span; `unit` as it came."""

    type: str
    value: float
    unit: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """What an event says to the park."""

    calls: tuple[GridCall, ...] = ()
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why an event means nothing here, all reasons at once."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class _Span:
    interval: Interval
    start: datetime
    end: datetime
    lap: int


@dataclass(slots=True)
class _Reader:
    """One event being read."""

    name: str
    event: Event
    units: Mapping[str, str]
    note: str
    calls: list[GridCall] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def payload(self, span: _Span, payload: Values, agreed: Sequence[Agreement]) -> None:
        """Sorts one payload into calls, signals or faults; nothing is raised, so that the others of the event count."""
        where = f"interval {span.interval.id}: {payload.type}"
        if payload.type == "ALERT_GRID_EMERGENCY":
            self._agreed(where, span, agreed, "emergency", {a.meter: a.emergency_mw for a in agreed})
            return
        if len(payload.values) != 1 or isinstance(payload.values[0], bool) or not isinstance(payload.values[0], int | float):
            self.faults.append(f"{where}: needs one number, not {payload.values!r:.60}")
            return
        value = float(payload.values[0])
        if payload.type in SIGNALS:
            self.signals.append(Signal(payload.type, value, self.units.get(payload.type, ""), span.start, span.end))
        elif payload.type == "SIMPLE":
            self._simple(where, span, agreed, value)
        elif payload.type in ("IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT"):
            self._power(where, span, agreed, (payload.type, value))
        else:
            self.faults.append(f"{where}: the park does not follow this type")

    def _power(self, where: str, span: _Span, agreed: Sequence[Agreement], said: tuple[str, float]) -> None:
        kind, value = said
        unit = self.units.get(kind, "KW")
        if unit not in _MW_IN:
            self.faults.append(f"{where}: unit {unit!r}; a power is given in KW or MW")
        elif value < 0.0 and kind != "DISPATCH_SETPOINT":
            self.faults.append(f"{where}: {value:g}: a limit is not negative")
        else:
            power_mw = value * _MW_IN[unit]
            for one in agreed:
                if kind == "IMPORT_CAPACITY_LIMIT":
                    self._call(span, one, "import_limit", power_mw)
                elif one.asset is not None:
                    self.faults.append(
                        f"{where}: {one.asset} is called by its most alone: IMPORT_CAPACITY_LIMIT, SIMPLE or an alert"
                    )
                elif kind == "EXPORT_CAPACITY_LIMIT":
                    self._call(span, one, "export_limit", -power_mw)
                else:
                    # A set-point is held from both sides.
                    self._call(span, one, "peak", power_mw, ".most")
                    self._call(span, one, "valley", power_mw, ".least")

    def _simple(self, where: str, span: _Span, agreed: Sequence[Agreement], value: float) -> None:
        if value not in (0.0, 1.0, 2.0, 3.0):
            self.faults.append(f"{where}: {value:g}: a level is 0, 1, 2 or 3")
        elif value > 0.0:
            at = int(value) - 1
            levels = {a.meter: a.simple_mw[at] if at < len(a.simple_mw) else None for a in agreed}
            self._agreed(f"{where} level {at + 1}", span, agreed, "peak", levels)

    def _agreed(  # noqa: PLR0913  what is called, where, and what it is worth there
        self, where: str, span: _Span, agreed: Sequence[Agreement], kind: EventKind, targets_mw: Mapping[str, float | None]
    ) -> None:
        for one in agreed:
            target_mw = targets_mw[one.meter]
            if target_mw is None:
                self.faults.append(f"{where}: no power is agreed for it on {one.meter}")
            else:
                self._call(span, one, kind, target_mw)

    def _call(self, span: _Span, where: Agreement, kind: EventKind, target_mw: float, tail: str = "") -> None:  # noqa: PLR0913
        name = f"{self.name}.{span.interval.id}" + (f".{span.lap}" if span.lap else "") + f".{where.meter}.{kind}"
        priority = _LAST if self.event.priority is None else min(self.event.priority, _LAST)
        asked = where.connection, kind, target_mw, span.start, span.end, priority, self.note, where.asset
        self.calls.append(GridCall(f"{name}{tail}"[:120], *asked))


def read_event(
    name: str, event: Event, program: Program | None, agreements: Sequence[Agreement], now: datetime
) -> Reading | Unreadable:
    """What an event asks of the park.

    Args:
        name: Begins the name of every call; the same event has the same one.
        event: As it came.
        program: It belongs to, for targets and units that the event does not name itself.
        agreements: One for each connection, and each cluster's meter, that may be called this way.
        now: In park time (UTC).
    """
    agreed = _addressed(event, program, agreements)
    if isinstance(agreed, Unreadable):
        return agreed
    try:
        spans = tuple(_spans(event, program, now))
    except ValueError as error:
        return Unreadable((str(error),))
    reader = _Reader(name, event, _units(event, program), (event.eventName or "")[:_NOTE_MAX])
    for span in spans:
        for payload in span.interval.payloads:
            reader.payload(span, payload, agreed)
    if not spans and event.intervals:
        reader.faults.append(f"every interval is past; in the park it is {now.isoformat()}")
    if len(reader.calls) > _CALLS_MAX:
        reader.faults.append(f"{len(reader.calls)} calls in one event; at most {_CALLS_MAX} are taken")
    if reader.faults:
        return Unreadable(tuple(reader.faults))
    return Reading(tuple(reader.calls), tuple(reader.signals))


def _addressed(event: Event, program: Program | None, agreements: Sequence[Agreement]) -> tuple[Agreement, ...] | Unreadable:
    """Connections and meters that the targets name; without targets the only one there is."""
    named = event.targets or (program.targets if program is not None else None) or []
    known = ", ".join(a.meter for a in agreements)
    found = tuple(a for a in agreements if a.meter in named)
    if found:
        return found
    if named:
        return Unreadable((f"targets {', '.join(named)[:80]}: name no connection that may be called; there are {known}",))
    if len(agreements) == 1:
        return tuple(agreements)
    return Unreadable((f"targets: say which connection is meant; there are {known or 'none'}",))


def _units(event: Event, program: Program | None) -> dict[str, str]:
    rows = [*((program.payloadDescriptors if program is not None else None) or []), *(event.payloadDescriptors or [])]
    return {row.payloadType: row.units for row in rows if row.units is not None}


def _spans(event: Event, program: Program | None, now: datetime) -> Iterator[_Span]:
    """Intervals that are not over, each with its start and end; repeated where the event lasts longer than all of them.

    Raises:
        ValueError: A start or a length is missing or makes no sense.
    """
    intervals = event.intervals or []
    if len({interval.id for interval in intervals}) < len(intervals):
        raise ValueError("two intervals have the same id")
    period = event.intervalPeriod or (program.intervalPeriod if program is not None else None)
    cursor = _start(period, now)
    begun = cursor
    until = None if event.duration is None else duration_of(event.duration)
    for lap in range(_CALLS_MAX):
        for interval in intervals:
            own = interval.intervalPeriod
            start = _start(own, now) or cursor
            begun = begun or start
            length = _length(own) or _length(period) or (until if len(intervals) == 1 else None)
            if start is None:
                raise ValueError(f"interval {interval.id}: has no start")
            if length is None or length <= timedelta(0):
                raise ValueError(f"interval {interval.id}: has no duration, or one that is not positive")
            try:
                cursor = start + length
            except OverflowError as error:
                raise ValueError(f"interval {interval.id}: ends beyond the calendar") from error
            if cursor > now:
                yield _Span(interval, now if start < now - _JUST_BEGUN else start, cursor, lap)
        if not until or begun is None or cursor is None or cursor >= begun + until or _all_fixed(intervals):
            return
    raise ValueError(f"duration {event.duration}: the intervals would repeat more than {_CALLS_MAX} times")


def _all_fixed(intervals: Sequence[Interval]) -> bool:
    """Whether every interval says when it is; such intervals do not repeat."""
    return all(i.intervalPeriod is not None and i.intervalPeriod.start is not None for i in intervals)


def _start(period: IntervalPeriod | None, now: datetime) -> datetime | None:
    return None if period is None or period.start is None else instant_of(period.start, now)


def _length(period: IntervalPeriod | None) -> timedelta | None:
    return None if period is None or period.duration is None else duration_of(period.duration)
