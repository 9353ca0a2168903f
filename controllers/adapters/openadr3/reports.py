"""What the park reports on an event: USAGE, BASELINE, OPERATING_STATE and flexibility, out of what the service says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from controllers.api.ledger_facts import EventFacts
from controllers.api.offer import ConnectionOffer
from vpp.units import KW_PER_MW, SECONDS_PER_HOUR

__all__ = ["KNOWN", "Facts", "Sample", "report_body"]

#: Payload types of which the park can say something. The take side has no word in the specification, so it is a private one.
KNOWN: Final = ("OPERATING_STATE", "USAGE", "BASELINE", "LOAD_SHED_DELTA_AVAILABLE", "LOAD_TAKE_DELTA_AVAILABLE")
_UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "OPERATING_STATE": ("", ""),
    "USAGE": ("KWH", "DIRECT_READ"),
    "BASELINE": ("KWH", "ESTIMATED"),
    "LOAD_SHED_DELTA_AVAILABLE": ("KW", "ESTIMATED"),
    "LOAD_TAKE_DELTA_AVAILABLE": ("KW", "ESTIMATED"),
}
_LOWERS: Final = frozenset({"peak", "import_limit", "emergency"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A mean over one interval; None where it was not measured or not planned.

    Args:
        start: Of the interval (UTC).
        step: Its length.
        import_mw: Measured. [MW]
        baseline_mw: Declared before the event was called. [MW]
    """

    start: datetime
    step: timedelta
    import_mw: float | None
    baseline_mw: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one meter under an event.

    Args:
        meter: Of a connection, or of a cluster that is called at its own.
        events: Our calls at it.
        samples: One an interval.
        offer: What it could still give and take; None where nobody knows.
        at: When this was asked (UTC).
    """

    meter: str
    events: tuple[EventFacts, ...]
    samples: tuple[Sample, ...] = ()
    offer: ConnectionOffer | None = None
    at: datetime | None = field(default=None)


def report_body(object_id: str, client_name: str, wanted: Collection[str], facts: Sequence[Facts]) -> dict[str, Any]:
    """A report request of the specification.

    Args:
        object_id: Of the event.
        client_name: Who reports.
        wanted: Payload types; what is not known is left out.
        facts: One a meter.
    """
    types = [kind for kind in KNOWN if kind in wanted]
    return {
        "eventID": object_id,
        "clientName": client_name,
        "reportName": f"park {object_id}"[:128],
        "payloadDescriptors": [_descriptor(kind) for kind in types],
        "resources": [row for one in facts for row in _resources(one, types)],
    }


def _descriptor(kind: str) -> dict[str, Any]:
    units, reading = _UNITS[kind]
    words = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": units, "readingType": reading}
    return {key: value for key, value in words.items() if value}


def _resources(facts: Facts, types: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One for what has been, one for what could be: their intervals differ, so the resource is named twice."""
    energy = [kind for kind in types if kind in ("USAGE", "BASELINE")]
    read: dict[str, Callable[[Sample], float | None]] = {"USAGE": lambda s: s.import_mw, "BASELINE": lambda s: s.baseline_mw}
    intervals = []
    for i, sample in enumerate(facts.samples):
        payloads = [_payload(kind, _kwh(read[kind](sample), sample.step)) for kind in energy]
        if found := [one for one in payloads if one is not None]:
            intervals.append(_interval(i, sample.start, sample.step, found))
    if intervals:
        yield {"resourceName": facts.meter, "intervals": intervals}
    if "OPERATING_STATE" in types and facts.events:
        start, end = min(e.start for e in facts.events), max(e.end for e in facts.events)
        state = {"type": "OPERATING_STATE", "values": [_state(facts.events)]}
        yield {"resourceName": facts.meter, "intervals": [_interval(0, start, end - start, [state])]}
    room = [kind for kind in types if kind.endswith("_DELTA_AVAILABLE")]
    if room and facts.offer is not None and facts.at is not None:
        rows = []
        for i, one in enumerate(facts.offer.horizons):
            value = {"LOAD_SHED_DELTA_AVAILABLE": -one.give_mw, "LOAD_TAKE_DELTA_AVAILABLE": one.take_mw}
            payloads = [_payload(kind, value[kind] * KW_PER_MW) for kind in room]
            length = timedelta(seconds=one.duration_h * SECONDS_PER_HOUR)
            rows.append(_interval(i, facts.at, length, [p for p in payloads if p is not None]))
        if rows:
            yield {"resourceName": facts.meter, "intervals": rows}


def _state(events: Sequence[EventFacts]) -> str:
    running = [e for e in events if e.state == "running"]
    if running:
        return "RUNNING_CURTAILED" if any(e.kind in _LOWERS for e in running) else "RUNNING_HEIGHTENED"
    if all(e.state in ("refused", "cancelled") for e in events):
        return "IDLE_OPTED_OUT" if any(e.state == "refused" for e in events) else "NORMAL"
    return "NORMAL"


def _kwh(power_mw: float | None, step: timedelta) -> float | None:
    return None if power_mw is None else round(power_mw * KW_PER_MW * step.total_seconds() / SECONDS_PER_HOUR, 3)


def _payload(kind: str, value: float | None) -> dict[str, Any] | None:
    return None if value is None else {"type": kind, "values": [value]}


def _interval(i: int, start: datetime, length: timedelta, payloads: list[dict[str, Any]]) -> dict[str, Any]:
    period = {"start": start.isoformat().replace("+00:00", "Z"), "duration": f"PT{length.total_seconds():.0f}S"}
    return {"id": i, "intervalPeriod": period, "payloads": payloads}
