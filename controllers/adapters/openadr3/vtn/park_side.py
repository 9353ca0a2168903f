"""Behind the park's own program: events become calls at the one door, and what becomes of them becomes reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from controllers.adapters.grid_door import Away, GridCall, GridDoor, Refused
from controllers.adapters.openadr3 import words as w
from controllers.adapters.openadr3.asks import Agreement, Unreadable, read_event
from controllers.adapters.openadr3.follow_up import Look, facts_of, look, planned
from controllers.adapters.openadr3.reports import KNOWN, report_body
from controllers.adapters.openadr3.vtn.book import ObjectBook, Record

__all__ = ["Asked", "ParkSide"]

_WHO: Final = "openadr.vtn"
_OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
#: After its end an event is looked at once more when the last readings are there.
_REST: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an event asks, and what the park had declared before."""

    calls: tuple[GridCall, ...]
    baselines: dict[str, list[tuple[datetime, float]]]


@dataclass(slots=True)
class ParkSide:
    """The park as it stands behind its program.

    Args:
        door: To the service.
        book: For the program of an event.
        agreements: What may be called.
    """

    door: GridDoor
    book: ObjectBook
    agreements: tuple[Agreement, ...]

    async def read(self, record: Record, word: w.Event, who: str) -> Asked | Away | str:
        """The calls of an event; a line why there are none, which is then in the audit too."""
        live = await self.door.live(_WHO)
        if isinstance(live, Refused | Away):
            return Away(live.reason)
        program = self.book.get("PROGRAM", word.programID)
        described = None if program is None else w.Program.model_validate(program.body)
        asked = read_event(f"oadr.{record.id}", word, described, self.agreements, live.at)
        if isinstance(asked, Unreadable):
            await self.door.unreadable(f"oadr.{record.id}", f"{word.eventName or 'event'}: {asked}", who)
            return str(asked)
        plan = await self.door.plan(_WHO)
        spans = {call.meter: (call.start, max(c.end for c in asked.calls)) for call in asked.calls}
        return Asked(asked.calls, {} if isinstance(plan, Refused | Away) else planned(plan, spans))

    async def call(self, record: Record, calls: Sequence[GridCall], before: Sequence[str]) -> tuple[int, str] | None:
        """Makes all calls of an event, or none: status and reason of the first that is not taken.

        Args:
            record: The event.
            calls: What it asks now.
            before: Names of what it asked before; what is not among the calls any more is taken back.
        """
        fault = await self.door.call_all(calls, self._who(record), before)
        if fault is not None:
            return (503, fault.reason) if isinstance(fault, Away) else (400, fault.reason)
        names = {call.event_id for call in calls}
        for name in before:
            if name not in names:
                await self.door.cancel(name, self._who(record))
        return None

    async def withdraw(self, record: Record) -> str | None:
        """Takes all calls of an event back; a reason where the service is away. What is over or unknown needs nothing."""
        for name in record.calls:
            answer = await self.door.cancel(name, self._who(record))
            if isinstance(answer, Away):
                return answer.reason
        return None

    async def look(self) -> Look | None:
        """What the service says now; None where it is away."""
        seen = await look(self.door, _WHO)
        return None if isinstance(seen, Away) else seen

    async def told(self, record: Record, seen: Look) -> tuple[dict[str, Any] | None, bool]:
        """A report on an event, and whether it is the last."""
        found = [seen.events[name] for name in record.calls if name in seen.events]
        if not found:
            return None, True
        wanted = [str(one["payloadType"]) for one in record.body.get("reportDescriptors") or ()] or KNOWN
        facts = await facts_of(self.door, record.calls, record.baselines, seen, _WHO)
        over = all(event.state in _OVER and (event.state != "delivered" or event.end + _REST < seen.at) for event in found)
        return report_body(record.id, "park", wanted, facts), over

    def _who(self, record: Record) -> str:
        return f"openadr.{record.owner}"
