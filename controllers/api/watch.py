"""Looks into the ledger now and then for what the controller has changed there, and tells those who follow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from controllers.api.context import Parts
from controllers.api.ledger_facts import AlarmFacts, EventFacts, OverrideFacts
from vpp.errors import VppError

__all__ = ["AskWatch"]

log = structlog.get_logger(__name__)
_EVERY_S: Final = 2.0

Row: TypeAlias = OverrideFacts | EventFacts | AlarmFacts


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What stood no longer does: released, over, or seen and cleared."""

    number: int
    gone: bool = True


class AskWatch:
    """What stood in the ledger at the last look, and the difference to the one before.

    Args:
        parts: Of the application.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[str, dict[int, Row]] = {}
        #: How the controller's loops fare, as it last noted it.
        self.health: dict[str, Any] = {}

    def counts(self) -> dict[str, int]:
        """How many of each stand, as of the last look."""
        return {kind: len(rows) for kind, rows in self._known.items()}

    async def run(self) -> None:
        """Until cancelled; a store that does not answer is asked again."""
        while True:
            try:
                await self.look()
            except VppError as error:
                log.warning("api.watch_failed", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._parts.nudge.wait()
            self._parts.nudge.clear()

    async def look(self) -> None:
        """Once."""
        parts = self._parts
        at = parts.clock.now()
        self._tell("override", await parts.in_thread(parts.ledger.overrides_open, at))
        self._tell("event", await parts.in_thread(parts.ledger.events_open))
        self._tell("alarm", await parts.in_thread(parts.ledger.alarms_open))
        self.health = await parts.in_thread(parts.ledger.controller_health)

    def _tell(self, kind: str, rows: Iterable[Row]) -> None:
        now = {row.number: row for row in rows}
        before = self._known.get(kind)
        self._known[kind] = now
        if before is None:
            return
        for number, row in now.items():
            if before.get(number) != row:
                self._parts.hub.news(kind, _name(row), row)
        for number, row in before.items():
            if number not in now:
                self._parts.hub.news(kind, _name(row), Gone(number=number))


def _name(row: Row) -> str:
    match row:
        case OverrideFacts():
            return row.asset_id
        case EventFacts():
            return row.event_id
        case AlarmFacts():
            return row.key
