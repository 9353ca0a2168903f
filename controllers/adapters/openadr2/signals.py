"""An event of version 3 as one of version 2.0b: which signal carries which payload. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.openadr3.times import duration_of, instant_of
from controllers.adapters.openadr3.words import Event

__all__ = ["Interval", "Signal", "signal_of"]

#: Payload type of version 3: name and type of the signal of version 2.0b.
_SIGNALS: Final = {
    "SIMPLE": ("SIMPLE", "level"),
    "PRICE": ("ELECTRICITY_PRICE", "price"),
    "DISPATCH_SETPOINT": ("LOAD_DISPATCH", "setpoint"),
    "IMPORT_CAPACITY_LIMIT": ("LOAD_CONTROL", "x-loadControlCapacity"),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A value over a span."""

    start: datetime
    duration: timedelta
    value: float


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal with its intervals."""

    name: str
    type: str
    intervals: tuple[Interval, ...]


def signal_of(event: Event, now: datetime) -> Signal | str:
    """The first payload type of an event that version 2.0b has a signal for; a line why there is none.

    Args:
        event: Of version 3.
        now: What "now" stands for (UTC).
    """
    rows = event.intervals or []
    kinds = [payload.type for row in rows for payload in row.payloads if payload.type in _SIGNALS]
    if not kinds:
        return f"none of its payload types is one of {', '.join(_SIGNALS)}"
    default = event.intervalPeriod
    try:
        cursor = None if default is None or default.start is None else instant_of(default.start, now)
        found = []
        for row in rows:
            own = row.intervalPeriod
            cursor = cursor if own is None or own.start is None else instant_of(own.start, now)
            text = (
                (own.duration if own is not None else None)
                or (default.duration if default is not None else None)
                or event.duration
            )
            if cursor is None or text is None or duration_of(text) <= timedelta(0):
                return f"interval {row.id} has no start or no duration"
            values = [p.values[0] for p in row.payloads if p.type == kinds[0] and len(p.values) == 1]
            if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int | float):
                return f"interval {row.id} needs one number of {kinds[0]}"
            found.append(Interval(cursor, duration_of(text), float(values[0])))
            cursor += duration_of(text)
    except (ValueError, OverflowError) as error:
        return str(error)
    return Signal(*_SIGNALS[kinds[0]], tuple(found))
