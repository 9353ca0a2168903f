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

__all__ = ["QUARTER", "SettleStore", "registers_of", "run_settle"]

log = structlog.get_logger(__name__)

QUARTER: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
#: What is buffered at an edge during a short outage still comes into its quarter.
_LATE: Final = timedelta(minutes=5)
#: Quarters that are looked at again when the service begins: what was read before a kill is settled after it.
_BACK: Final = 4
_OF_ASSETS: Final = ("power_mw", "available_mw", "soc_frac")
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

    def set_event_state(self, number: int, state: str, reason: str, at: datetime) -> None:
        """What the controller makes of it."""
        ...


def registers_of(store: SettleStore, park: Park, start: datetime) -> Sequence[RegisterRow]:
    """The registers of one quarter that are not there yet: means of minutes, and which share of the minutes was measured.

    From its first register on, a store keeps a series by itself.

    Args:
        store: Where readings are.
        park: Whose assets and connections.
        start: Of the quarter.
    """
    wanted = {(str(a.id), quantity) for a in park.assets for quantity in _OF_ASSETS}
    wanted |= {(str(c.id), quantity) for c in park.connections for quantity in _OF_CONNECTIONS}
    there = {(row.subject, row.quantity) for row in store.registers(start, start + QUARTER)}
    heard = {key for key, row in store.latest().items() if row.measured_at >= start}
    found = []
    for subject, quantity in sorted((wanted & heard) - there):
        _, minutes = store.series(subject, quantity, start, start + QUARTER, _MINUTE)
        told = np.isfinite(minutes)
        if told.any():
            mean, share = float(np.mean(minutes[told])), float(np.mean(told))
            found.append(RegisterRow(subject=subject, quantity=quantity, start=start, mean=mean, measured_share=share))
    return found


def _settle(store: SettleStore, park: Park, quarters: Sequence[datetime], at: datetime) -> int:
    """In a thread: registers of some quarters, then events whose quarters are all there."""
    rows = [row for start in quarters for row in registers_of(store, park, start)]
    store.write_registers(rows)
    settled_until = quarters[-1] + QUARTER if quarters else at
    for event in store.events(at - timedelta(days=2), None):
        if event.state == "delivered" and event.end <= settled_until:
            store.set_event_state(event.number, "settled", f"{event.reason}; registers are there", at)
    return len(rows)


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
            rows = await asyncio.to_thread(_settle, store, park, quarters, at)
        except StoreError as error:
            trouble("settle.failed", f"registers cannot be written: {error}")
            continue
        done = newest
        log.info("settled", until=(newest + QUARTER).isoformat(), registers=rows)
