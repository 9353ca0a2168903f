"""Slurm's own means: partitions, suspended jobs, later starts, and reservations that end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Ask, Contract, Held, Moves, Placed
from controllers.adapters.slurm.ahead import reservations_of
from controllers.adapters.slurm.federation import to_send
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm
from vpp.wire.messages import Placement, ShiftInterval

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

    @property
    def home(self) -> str:
        """As the settings say."""
        return self.settings.slurm_cluster

    def sent(self, asked: Sequence[Placement], queue: Queue, contract: Contract, ask: Ask) -> tuple[Placed, ...]:
        """Jobs that their users let begin at the peer too, see `to_send`."""
        return to_send(asked, queue, contract, ask, self.settings.peers)

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
            # One that still waits here was not sent, or is back; where it is once it has gone, its own cluster knows.
            placed=frozenset(one for one in held.placed if one.job_id not in state),
        )

    def meant(self, held: Held, moves: Moves) -> Held:
        """All that was held and all that is about to be."""
        return Held(
            held.paused | frozenset(moves.pause),
            held.closed | frozenset(moves.close),
            held.put_off | frozenset(moves.put_off),
            held.placed | frozenset(moves.send),
        )

    async def carry_out(self, moves: Moves, queue: Queue, meant: Held) -> Held:
        """Closes first, opens last."""
        slurm = self.slurm
        await slurm.close(moves.close)
        await slurm.pause(moves.pause)
        for target in dict.fromkeys(one.target for one in moves.send):
            going = [one.job_id for one in moves.send if one.target == target]
            await slurm.restrict(going, [target])
            # A start that was put off here would be put off there.
            await slurm.let_start([job_id for job_id in going if job_id in meant.put_off])
        await _bring_back(slurm, moves.bring_back)
        if moves.until is not None:
            await slurm.put_off(moves.put_off, moves.until)
        await slurm.resume(moves.resume)
        await slurm.let_start(moves.let_start)
        await slurm.open(moves.open)
        return Held(
            meant.paused - frozenset(moves.resume),
            meant.closed - frozenset(moves.open),
            meant.put_off - frozenset(moves.let_start) - frozenset(one.job_id for one in moves.send),
            meant.placed - frozenset(moves.bring_back),
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
    """Gives everything back: partitions, paused jobs, starts, jobs placed elsewhere, and all reservations of ours.

    Raises:
        SchedulerError: Slurm does not answer; try again.
    """
    await slurm.open(sorted(held.closed))
    suspended = {job.job_id for job in (await slurm.queue()).jobs if job.state == "suspended"}
    await slurm.resume(sorted(held.paused & suspended))
    await slurm.let_start(sorted(held.put_off))
    await _bring_back(slurm, held.placed)
    await slurm.unreserve(sorted(await slurm.reservations()))


async def _bring_back(slurm: Slurm, placed: Iterable[Placed]) -> None:
    """Jobs may begin again wherever they might before; Slurm refuses it for those that have begun, and that is right."""
    rows = sorted(placed, key=lambda one: one.job_id)
    for before in dict.fromkeys(one.before for one in rows):
        await slurm.restrict([one.job_id for one in rows if one.before == before], before)


def _begins_after(name: str, minute: str) -> bool:
    return name.split("_")[1] > minute
