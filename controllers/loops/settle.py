"""Every quarter of an hour: what was read becomes registers, from which accounts are made at any time with the same result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import structlog

from controllers.store.rows import EventRow, Reading, RegisterRow
from controllers.supervisor import Trouble
from vpp.errors import StoreError
from vpp.park import Park
from vpp.timegrid import floor_to
from vpp.units import FloatArray

__all__ = ["QUARTER", "SettleStore", "missing_in", "registers_of", "run_settle", "settle"]

log = structlog.get_logger(__name__)

QUARTER: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
#: What is buffered at an edge during a short outage still comes into its quarter.
_LATE: Final = timedelta(minutes=5)
#: Quarters that are looked at again when the service begins: what was read before a kill is settled after it.
_BACK: Final = 4
_AT_A_TIME: Final = 20
_PAUSE_S: Final = 0.02
#: A call that was delivered before an outage is settled after it, if it was no longer ago.
_OPEN_FOR: Final = timedelta(days=31)
#: What users of a load asked for is what its forecast learns from, also while a call takes it from them.
_OF_ASSETS: Final = ("power_mw", "available_mw", "demand_mw", "soc_frac")
_OF_CONNECTIONS: Final = ("import_mw", "export_mw")


class SettleStore(Protocol):
    """The part of the ledger that is needed here."""

    def series(
        self, subject: str, quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[tuple[datetime, ...], FloatArray]:
        """Means over steps; NaN where nothing was measured."""
        ...

    def latest(self) -> Mapping[tuple[str, str], Reading]:
        """The newest of each series."""
        ...

    def registers(self, start: datetime, end: datetime) -> tuple[RegisterRow, ...]:
        """Rows whose quarter begins in the span."""
        ...

    def write_registers(self, rows: Iterable[RegisterRow]) -> None:
        """Of one quarter the last word stands."""
        ...

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span."""
        ...

    def set_event_state(self, number: int, state: str, reason: str, at: datetime, *, seen: EventRow | None = None) -> None:
        """What the controller makes of it."""
        ...


def missing_in(store: SettleStore, park: Park, start: datetime) -> Sequence[tuple[str, str]]:
    """Series that were heard and have no register of a quarter yet; from its first one on, a store keeps a series by itself.

    Args:
        store: Where readings are.
        park: Whose assets and connections.
        start: Of the quarter.
    """
    wanted = {(str(a.id), quantity) for a in park.assets for quantity in _OF_ASSETS}
    wanted |= {(str(c.id), quantity) for c in park.connections for quantity in _OF_CONNECTIONS}
    there = {(row.subject, row.quantity) for row in store.registers(start, start + QUARTER)}
    heard = {key for key, row in store.latest().items() if row.measured_at >= start}
    return sorted((wanted & heard) - there)


def registers_of(store: SettleStore, series: Iterable[tuple[str, str]], start: datetime) -> Sequence[RegisterRow]:
    """Registers of a quarter: means of minutes, and which share of the minutes was measured."""
    found = []
    for subject, quantity in series:
        _, minutes = store.series(subject, quantity, start, start + QUARTER, _MINUTE)
        told = np.isfinite(minutes)
        if told.any():
            mean, share = float(np.mean(minutes[told])), float(np.mean(told))
            found.append(RegisterRow(subject=subject, quantity=quantity, start=start, mean=mean, measured_share=share))
    return found


async def settle(store: SettleStore, park: Park, quarters: Sequence[datetime], at: datetime) -> int:
    """Registers of some quarters, then events whose quarters are all there; in threads, a few series at a time."""
    written = 0
    for start in quarters:
        missing = await asyncio.to_thread(missing_in, store, park, start)
        for first in range(0, len(missing), _AT_A_TIME):
            rows = await asyncio.to_thread(registers_of, store, missing[first : first + _AT_A_TIME], start)
            await asyncio.to_thread(store.write_registers, rows)
            written += len(rows)
            # Dispatch goes first: a thread that never pauses holds it up.
            await asyncio.sleep(_PAUSE_S)
    for event in await asyncio.to_thread(store.events, at - _OPEN_FOR, None):
        if event.state == "delivered" and quarters and event.end <= quarters[-1] + QUARTER:
            reason = f"{event.reason}; registers are there"
            await asyncio.to_thread(store.set_event_state, event.number, "settled", reason, at, seen=event)
    return written


async def run_settle(ticks: AsyncIterator[datetime], store: SettleStore, park: Park, trouble: Trouble) -> None:
    """The loop: each quarter once it is over and stragglers had their time; the last hour again at the beginning."""
    done: datetime | None = None
    async for at in ticks:
        newest = floor_to(at - _LATE, QUARTER) - QUARTER
        if done is not None and newest <= done:
            continue
        first = newest - (_BACK - 1) * QUARTER if done is None else done + QUARTER
        quarters = [first + k * QUARTER for k in range((newest - first) // QUARTER + 1)]
        try:
            rows = await settle(store, park, quarters, at)
        except StoreError as error:
            trouble("settle.failed", f"registers cannot be written: {error}")
            continue
        done = newest
        log.info("settled", until=(newest + QUARTER).isoformat(), registers=rows)
