"""Calls drawn by chance: kind, notice, length and size against what was offered; and faults beside them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.flexibility.window import Window, direction_of
from sim_harness.faults import FaultEntry
from sim_harness.grid.events import CONFIDENCE, EventKind, ScenarioEvent
from vpp.ids import ConnectionId
from vpp.park import Park
from vpp.units import HOURS_PER_DAY

__all__ = ["FAULTS", "Drawn", "days_for", "draw_calls", "sized"]

#: Kinds and how often each is drawn. A limit on export is a call to absorb: on a connection that imports it would ask nothing.
_KINDS: Final[tuple[tuple[EventKind, float], ...]] = (
    ("peak", 0.45),
    ("valley", 0.25),
    ("import_limit", 0.15),
    ("emergency", 0.15),
)
#: Notice: at once, or by the logarithm between five minutes and a day.
_AT_ONCE: Final = 0.25
_NOTICE_H: Final = (1.0 / 12.0, 24.0)
_LENGTHS_MIN: Final = (15, 30, 60, 120, 240)
#: Between the end of a call and the start of the next: what is taken back has two hours.
_GAP_H: Final = (2.5, 5.0)
#: The first call comes when a day has been seen.
_FIRST_H: Final = 3.0
#: Size as a share of what was offered at the confidence that is asked: from well inside to beyond.
_SIZE_FRAC: Final = (0.2, 1.5)
#: A call on a connection that offers nothing asks for this all the same. [MW]
_ANYWAY_MW: Final = (5.0, 60.0)
_LEAST_OFFER_MW: Final = 2.0
_MINUTES_PER_H: Final = 60.0
#: A run ends this long after the last call, at a whole quarter of a day. [h]
_AFTER_H, _QUARTER_DAY_H = 3.0, 6.0
#: Faults of an ordinary bad day, by rate; made up, as all rates of the fault injector are.
FAULTS: Final = (
    FaultEntry(kind="lost", rate_per_day=2.0, share_frac=0.3),
    FaultEntry(kind="late", rate_per_day=2.0, share_frac=0.3, delay_s=20.0),
    FaultEntry(kind="silent_device", rate_per_day=1.0),
    FaultEntry(kind="refused_command", rate_per_day=1.0),
    FaultEntry(kind="plant_trip", rate_per_day=1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A call whose size is not settled yet.

    Args:
        event_id: Its name.
        kind: What is asked.
        connection: Where.
        start_h: After the run's start. [h]
        duration_h: How long. [h]
        notice_h: How long before it is spoken of. [h]
        size_frac: Of what is offered at its confidence.
        anyway_mw: Asked where nothing is offered. [MW]
        confidence: How surely it is to be kept.
    """

    event_id: str
    kind: EventKind
    connection: ConnectionId
    start_h: float
    duration_h: float
    notice_h: float
    size_frac: float
    anyway_mw: float
    confidence: float = CONFIDENCE

    def window(self, run_start: datetime) -> Window:
        """Its span and which way it asks."""
        start = run_start + timedelta(hours=self.start_h)
        return Window(direction_of(self.kind), start, start + timedelta(hours=self.duration_h))

    def issued_at(self, run_start: datetime) -> datetime:
        """When the grid first speaks of it."""
        return run_start + timedelta(hours=max(0.0, self.start_h - self.notice_h))

    def event(self, target_mw: float) -> ScenarioEvent:
        """The call, its target settled."""
        return ScenarioEvent(
            event_id=self.event_id, kind=self.kind, connection=self.connection, start_h=self.start_h,
            duration_h=self.duration_h, notice_h=min(self.notice_h, self.start_h), target_mw=target_mw,
            confidence=self.confidence,
        )  # fmt: skip


def draw_calls(park: Park, events: int, seed: int, confidence: float = CONFIDENCE) -> tuple[Drawn, ...]:
    """Calls one after another, with room for what is taken back between them; the same seed draws the same.

    Args:
        park: Whose connections to the grid are called, each as likely.
        events: How many.
        seed: Of chance.
        confidence: How surely each of them is to be kept.
    """
    rng = np.random.default_rng([seed, 0xCA11])
    connections = [c.id for c in park.connections if c.is_grid]
    kinds, weights = zip(*_KINDS, strict=True)
    found: list[Drawn] = []
    at_h = _FIRST_H
    for number in range(events):
        start_h = _minute(at_h + float(rng.uniform(*_GAP_H)))
        length_h = float(rng.choice(_LENGTHS_MIN)) / _MINUTES_PER_H
        at_once = bool(rng.random() < _AT_ONCE)
        notice_h = float(np.exp(rng.uniform(*np.log(_NOTICE_H))))
        found.append(
            Drawn(
                event_id=f"call-{number + 1}",
                kind=kinds[int(rng.choice(len(kinds), p=weights))],
                connection=connections[int(rng.integers(len(connections)))],
                start_h=start_h,
                duration_h=length_h,
                notice_h=0.0 if at_once else _minute(notice_h),
                size_frac=float(rng.uniform(*_SIZE_FRAC)),
                anyway_mw=float(rng.uniform(*_ANYWAY_MW)),
                confidence=confidence,
            )
        )
        at_h = start_h + length_h
    return tuple(found)


def days_for(calls: Sequence[Drawn]) -> float:
    """Quarters of a day that hold all calls and what comes after them."""
    last_h = max(call.start_h + call.duration_h for call in calls)
    return float(np.ceil((last_h + _AFTER_H) / _QUARTER_DAY_H)) * _QUARTER_DAY_H / HOURS_PER_DAY


def sized(park: Park, call: Drawn, expected_mw: float, offered_mw: float) -> ScenarioEvent:
    """The call with its target: a share of the offer away from the import expected without it, inside what the line carries.

    Args:
        park: Whose connection.
        call: Drawn.
        expected_mw: Import expected over its span. [MW]
        offered_mw: What was offered at the call's confidence. [MW]
    """
    connection = park.connection(call.connection)
    size = call.size_frac * offered_mw if offered_mw >= _LEAST_OFFER_MW else call.anyway_mw
    gives = direction_of(call.kind) == "give"
    target = expected_mw - size if gives else expected_mw + size
    low = 0.0 if call.kind == "import_limit" else -connection.export_limit_mw
    return call.event(round(min(max(target, low), connection.import_limit_mw), 1))


def _minute(hours: float) -> float:
    """On whole minutes: control steps divide them."""
    return round(hours * _MINUTES_PER_H) / _MINUTES_PER_H
