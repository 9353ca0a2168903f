"""Slurm's own means: partitions, suspended jobs, later starts, and reservations that end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Held, Moves
from controllers.adapters.slurm.ahead import reservations_of
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm
from vpp.wire.messages import ShiftInterval

__all__ = ["SlurmHands", "undo"]


@dataclass(frozen=True, slots=True)
class SlurmHands:
    """One Slurm, see `Hands`."""

    settings: SlurmSettings
    slurm: Slurm
    kind: str = "slurm"

    @classmethod
    def of(cls, settings: SlurmSettings) -> SlurmHands:
        """By a file's word."""
        return cls(settings, Slurm(settings.slurm_conf, settings.command_s))

    @property
    def lingers(self) -> bool:
        """A suspended job draws nothing more."""
        return False

    @contextlib.asynccontextmanager
    async def open(self, wake: asyncio.Event) -> AsyncIterator[None]:
        """Its commands need no connection, and Slurm tells nobody when something changes."""
        yield

    async def queue(self) -> Queue:
        """All jobs and nodes."""
        return await self.slurm.queue()

    def true(self, held: Held, queue: Queue) -> Held:
        """Without jobs that have ended or were let go by somebody else."""
        state = {job.job_id: job.state for job in queue.jobs}
        return replace(
            held,
            paused=frozenset(i for i in held.paused if state.get(i) == "suspended"),
            put_off=frozenset(i for i in held.put_off if state.get(i) == "pending"),
        )

    def meant(self, held: Held, moves: Moves) -> Held:
        """All that was held and all that is about to be."""
        return Held(
            held.paused | frozenset(moves.pause), held.closed | frozenset(moves.close), held.put_off | frozenset(moves.put_off)
        )

    async def carry_out(self, moves: Moves, queue: Queue, meant: Held) -> Held:
        """Closes first, opens last."""
        slurm = self.slurm
        await slurm.close(moves.close)
        await slurm.pause(moves.pause)
        if moves.until is not None:
            await slurm.put_off(moves.put_off, moves.until)
        await slurm.resume(moves.resume)
        await slurm.let_start(moves.let_start)
        await slurm.open(moves.open)
        return Held(
            meant.paused - frozenset(moves.resume),
            meant.closed - frozenset(moves.open),
            meant.put_off - frozenset(moves.let_start),
        )

    async def look_ahead(self, intervals: Iterable[ShiftInterval], queue: Queue, now: datetime) -> None:
        """What is reserved becomes what the signal asks for; names say all there is to say of a reservation."""
        settings, asked = self.settings, tuple(intervals)
        if settings.ahead == "off":
            return
        wanted = {r.name: r for r in reservations_of(asked, queue, settings.power, settings.ahead, now)}
        there = await self.slurm.reservations()
        running = {name for name in there if not _begins_after(name, f"{now:%Y%m%d%H%M}")}
        await self.slurm.unreserve(sorted(there - set(wanted) - (running if asked else set())))
        for name in sorted(set(wanted) - there):
            await self.slurm.reserve(wanted[name], settings.ahead, settings.power.licence)

    async def give_back(self, held: Held) -> None:
        """See `undo`."""
        await undo(self.slurm, held)

    def watchdog(self) -> Sequence[str]:
        """It needs Slurm's configuration and nothing else."""
        return ("controllers.adapters.slurm.watchdog", *([self.settings.slurm_conf] if self.settings.slurm_conf else []))


async def undo(slurm: Slurm, held: Held) -> None:
    """Gives everything back: partitions, paused jobs, starts, and all reservations of ours.

    Raises:
        SchedulerError: Slurm does not answer; try again.
    """
    await slurm.open(sorted(held.closed))
    suspended = {job.job_id for job in (await slurm.queue()).jobs if job.state == "suspended"}
    await slurm.resume(sorted(held.paused & suspended))
    await slurm.let_start(sorted(held.put_off))
    await slurm.unreserve(sorted(await slurm.reservations()))


def _begins_after(name: str, minute: str) -> bool:
    return name.split("_")[1] > minute
