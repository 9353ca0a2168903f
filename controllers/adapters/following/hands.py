"""What a scheduler must be able to do for the adapter; each kind of scheduler has hands of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Ask, Contract, Held, Moves, Placed
from vpp.wire.messages import Placement, ShiftInterval

__all__ = ["Hands"]


class Hands(Protocol):
    """One scheduler's own means; every call raises `SchedulerError` when the scheduler refuses or does not answer."""

    @property
    def kind(self) -> str:
        """For the log."""
        ...

    @property
    def lingers(self) -> bool:
        """Whether paused work draws power for a while after it was told to stop."""
        ...

    @property
    def home(self) -> str:
        """Its own name in a federation of clusters; empty where there is none."""
        ...

    def sent(self, asked: Sequence[Placement], queue: Queue, contract: Contract, ask: Ask) -> tuple[Placed, ...]:
        """Waiting jobs that placements ask to send, as far as this scheduler can send any."""
        ...

    def open(self, wake: asyncio.Event) -> AbstractAsyncContextManager[None]:
        """Connected inside; sets `wake` when something has changed that is worth a look before the next period."""
        ...

    async def queue(self) -> Queue:
        """All jobs and nodes."""
        ...

    def true(self, held: Held, queue: Queue) -> Held:
        """What is really held: without what has ended, or what somebody else let go."""
        ...

    def meant(self, held: Held, moves: Moves) -> Held:
        """What may be held while and after the moves are carried out; it is written down before."""
        ...

    async def carry_out(self, moves: Moves, queue: Queue, meant: Held) -> Held:
        """Does it; returns what is held then."""
        ...

    async def look_ahead(self, intervals: Iterable[ShiftInterval], queue: Queue, now: datetime) -> None:
        """Writes later caps into the scheduler, as far as it has means that end by themselves."""
        ...

    async def give_back(self, held: Held) -> None:
        """Lets go of all that is held, and of all else that is ours."""
        ...

    def watchdog(self) -> Sequence[str]:
        """Module and words of the process that gives back when the adapter cannot; the trace's path comes after the module."""
        ...
