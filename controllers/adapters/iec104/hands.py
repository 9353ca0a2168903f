"""What a dispatch centre's commands do: set-points and steps become calls at the one door, held, changed and given back there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Final, TypeAlias

import structlog

from controllers.adapters.grid_door import Away, GridCall, GridDoor
from controllers.adapters.iec104.points import PARK
from controllers.adapters.iec104.settings import StationSettings
from controllers.api.ledger_facts import EventFacts
from controllers.api.live_state import LiveState
from controllers.api.offer import Offer
from vpp.events import EventKind

__all__ = ["OVER", "Hands", "share_out"]

log = structlog.get_logger(__name__)

#: Key, connection, kind and target of a call. [MW]
_Wanted: TypeAlias = tuple[str, str, EventKind, float]

PREFIX: Final = "iec104."
OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
_HOUR_H: Final = 1.0
_LONGEST_MIN: Final = 1_440.0


def share_out(
    total_mw: float, imports_mw: Mapping[str, float], give_mw: Mapping[str, float], take_mw: Mapping[str, float]
) -> dict[str, float] | str:
    """A target for the whole park as targets of its connections, in proportion to what each could move; a reason if it cannot be.

    Args:
        total_mw: Import of all connections together. [MW]
        imports_mw: Of each, now. [MW]
        give_mw: By how much each could draw less. [MW]
        take_mw: By how much each could draw more. [MW]

    >>> share_out(70.0, {"a": 60.0, "b": 40.0}, {"a": 40.0, "b": 20.0}, {"a": 0.0, "b": 0.0})
    {'a': 40.0, 'b': 30.0}
    """
    if not imports_mw:
        return "no connection is measured"
    change = total_mw - sum(imports_mw.values())
    room = give_mw if change < 0.0 else take_mw
    whole = sum(room.get(name, 0.0) for name in imports_mw)
    if abs(change) > whole:
        return f"a change of {change:+.1f} MW is more than the {whole:.1f} MW that could be moved for an hour"
    if whole == 0.0:
        return dict(imports_mw)
    return {name: now + change * room.get(name, 0.0) / whole for name, now in imports_mw.items()}


@dataclass(slots=True)
class Hands:
    """Calls of one station.

    Args:
        door: To the service.
        settings: Of the station.
        connections: That it may call.
        live: The park as last heard.
        offer: What could be called, as last heard.
        refused: By subject, whether the last call was refused.
        why: And why.
    """

    door: GridDoor
    settings: StationSettings
    connections: Sequence[str]
    live: LiveState | None = None
    offer: Offer | None = None
    refused: dict[str, bool] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    _held: dict[str, GridCall] = field(default_factory=dict)
    _targets: dict[str, float] = field(default_factory=dict)
    _hold_min: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def remember(self, events: Sequence[EventFacts]) -> None:
        """Takes up what the station before this one had called and is not over."""
        for event in events:
            key = event.event_id.removeprefix(PREFIX).rpartition(".")[0]
            if event.event_id.startswith(PREFIX) and event.state not in OVER and key not in self._held:
                kind: EventKind = event.kind  # type: ignore[assignment]  # the API knows no other
                call = GridCall(event.event_id, event.connection, kind, event.target_mw, event.start, event.end, event.priority)
                self._held[key] = call

    def hear(self, refused: Sequence[EventFacts]) -> None:
        """Calls that the door had taken and the controller then refused are not held any more, and that is told."""
        names = {event.event_id: event for event in refused}
        for key, held in list(self._held.items()):
            event = names.get(held.event_id)
            if event is not None:
                del self._held[key]
                self.refused[event.connection], self.why[event.connection] = True, event.reason

    async def set_target(self, subject: str, value: float, who: str) -> bool:
        """A set-point: followed at once, or kept for the command start."""
        if not isfinite(value):
            return await self._no(subject, f"target {value}: is no number", who)
        self._targets[subject] = value
        if self.settings.setpoint_starts or self._is_held(subject):
            return await self.start(subject, who)
        return self._yes(subject)

    async def set_hold(self, subject: str, value: float, who: str) -> bool:
        """How long the next set-point holds, in minutes."""
        if not isfinite(value) or not 1.0 <= value <= _LONGEST_MIN:
            return await self._no(subject, f"hold of {value:g} min: between 1 and {_LONGEST_MIN:g}", who)
        self._hold_min[subject] = value
        return self._yes(subject)

    async def start(self, subject: str, who: str) -> bool:
        """Holds the last set-point from now on; sent again it holds longer."""
        if subject not in self._targets:
            return await self._no(subject, "start without a set-point", who)
        targets = self._shares(subject, self._targets[subject])
        if isinstance(targets, str):
            return await self._no(subject, targets, who)
        minutes = self._hold_min.get(subject, self.settings.hold_min)
        sides: tuple[tuple[str, EventKind], ...] = (("most", "peak"), ("least", "valley"))
        wanted = [(f"{name}.{side}", name, kind, mw) for name, mw in targets.items() for side, kind in sides]
        fault = await self._call(wanted, minutes, who)
        return self._yes(subject) if fault is None else await self._no(subject, fault, who, noted=True)

    async def stop(self, subject: str, who: str) -> bool:
        """Gives everything back that was called here."""
        wanted = self.connections if subject == PARK else (subject,)
        for key in [key for key in self._held if key.rpartition(".")[0] in wanted]:
            fault = await self._give_back(key, who)
            if fault is not None:
                return await self._no(subject, fault, who, noted=True)
        return self._yes(subject)

    async def emergency(self, subject: str, on: bool, who: str) -> bool:
        """The agreed step, at once and above all else; off ends it."""
        wanted = [c for c in (self.connections if subject == PARK else (subject,)) if c in self.settings.emergency_mw]
        if not wanted:
            return await self._no(subject, "no emergency step is agreed here", who)
        if on:
            steps: list[_Wanted] = [(f"{c}.emergency", c, "emergency", self.settings.emergency_mw[c]) for c in wanted]
            fault = await self._call(steps, self.settings.emergency_min, who)
        else:
            faults = [await self._give_back(f"{c}.emergency", who) for c in wanted]
            fault = next((one for one in faults if one is not None), None)
        return self._yes(subject) if fault is None else await self._no(subject, fault, who, noted=True)

    def _shares(self, subject: str, target_mw: float) -> dict[str, float] | str:
        if subject != PARK:
            return {subject: target_mw}
        if self.live is None or self.offer is None:
            return "what the park could move is not known yet"
        imports = {c.id: c.import_mw for c in self.live.connections if c.id in self.connections and c.import_mw is not None}
        hour = {
            row.connection: next((h for h in row.horizons if h.duration_h == _HOUR_H), None) for row in self.offer.connections
        }
        give = {name: one.give_mw for name, one in hour.items() if one is not None}
        take = {name: one.take_mw for name, one in hour.items() if one is not None}
        return share_out(target_mw, imports, give, take)

    def _is_held(self, subject: str) -> bool:
        wanted = self.connections if subject == PARK else (subject,)
        return any(f"{one}.most" in self._held for one in wanted)

    def _now(self) -> datetime | None:
        return None if self.live is None else self.live.at

    async def _call(self, wanted: Sequence[_Wanted], minutes: float, who: str) -> str | None:
        """All of them or none; a refused change leaves what was held before. The reason, if they are not taken."""
        now = self._now()
        if now is None:
            return "the park's time is not known yet"
        calls: dict[str, GridCall] = {}
        for key, connection, kind, target_mw in wanted:
            before = self._held.get(key)
            alive = before if before is not None and before.end > now else None
            self._count += 1
            # Two calls after one look at the clock are two calls.
            name = f"{PREFIX}{key}.{now:%Y%m%dT%H%M%S}-{self._count}" if alive is None else alive.event_id
            start = now if alive is None else alive.start
            end = now + timedelta(minutes=minutes)
            calls[key] = GridCall(name, connection, kind, target_mw, start, end, 0, "IEC 60870-5-104")
        held = [call.event_id for call in self._held.values()]
        fault = await self.door.call_all(list(calls.values()), who, held)
        if fault is not None:
            return fault.reason
        self._held |= calls
        return None

    async def _give_back(self, key: str, who: str) -> str | None:
        held = self._held.get(key)
        if held is None:
            return None
        answer = await self.door.cancel(held.event_id, who)
        if isinstance(answer, Away):
            return answer.reason
        # What is over or unknown there needs no giving back.
        del self._held[key]
        return None

    def _yes(self, subject: str) -> bool:
        self.refused[subject] = False
        self.why.pop(subject, None)
        return True

    async def _no(self, subject: str, why: str, who: str, *, noted: bool = False) -> bool:
        """A negative confirmation; what the door has not refused itself is written into its audit."""
        self.refused[subject], self.why[subject] = True, why
        log.warning("iec104.refused", subject=subject, who=who, reason=why)
        if not noted:
            await self.door.unreadable(f"{PREFIX}{subject}", why, who)
        return False
