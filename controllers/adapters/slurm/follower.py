"""One cluster follows the park: look at the queue, decide, carry it out, say so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from controllers.adapters.slurm.ahead import reservations_of
from controllers.adapters.slurm.backlog import backlog_of
from controllers.adapters.slurm.jobs import Queue
from controllers.adapters.slurm.moves import Ask, Contract, Held, Moves, decide
from controllers.adapters.slurm.power import idle_mw, job_mw, power_mw
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm
from controllers.adapters.slurm.trace import Trace, read_trace, undo, write_trace
from controllers.bus.base import Bus
from controllers.client import SchedulerClient
from controllers.edge.edge import Timepiece
from vpp.errors import SchedulerError
from vpp.wire.messages import AcceptedInterval, ComputeShift

__all__ = ["Follower", "FollowerCounters"]

log = logging.getLogger(__name__)

_UNDO_S: Final = 10.0


@dataclass(slots=True)
class FollowerCounters:
    """What it did since it began."""

    looks: int = 0
    failed: int = 0
    paused: int = 0
    resumed: int = 0
    revisions: int = 0


class Follower:
    """The adapter's own loop; `run` belongs to whoever started it.

    Args:
        settings: How the cluster is set up.
        slurm: Its Slurm.
        bus: Towards the park.
        clock: For stamps.
    """

    def __init__(self, settings: SlurmSettings, slurm: Slurm, bus: Bus, clock: Timepiece) -> None:
        self._settings, self._slurm, self._clock = settings, slurm, clock
        self._contract = Contract(settings.partitions, settings.power, settings.margin_frac)
        self._wake = asyncio.Event()
        self._client = SchedulerClient(
            bus, settings.park, settings.cluster, clock, fallback_cap_mw=settings.fallback_cap_mw, on_shift=self._on_shift
        )
        self._held = Held()
        self._watchdog: asyncio.subprocess.Process | None = None
        self._answered = 0
        self._reported_s = -math.inf
        self.counters = FollowerCounters()

    def _on_shift(self, shift: ComputeShift) -> None:
        self.counters.revisions += 1
        self._wake.set()

    async def run(self) -> None:
        """Follows until cancelled, then gives back all it holds.

        Raises:
            SchedulerError: What an earlier adapter held cannot be read.
        """
        trace = read_trace(self._settings.trace_path)
        self._held = trace.held if trace is not None else Held()
        async with self._minded():
            while True:
                self._wake.clear()
                try:
                    await self._look()
                except SchedulerError as error:
                    # The park keeps its signal, Slurm comes back: the next look begins with what is true then.
                    self.counters.failed += 1
                    log.warning("slurm.failed cluster=%s error=%s", self._settings.cluster, error)
                # `wait_for` of Python 3.11 may lose a cancellation that comes together with the event; a timeout does not.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.period_s):
                        await self._wake.wait()

    @contextlib.asynccontextmanager
    async def _minded(self) -> AsyncIterator[None]:
        """With a watchdog beside it; at the end everything is given back, by the watchdog if Slurm does not answer."""
        await self._watched()
        try:
            yield
        finally:
            try:
                async with asyncio.timeout(_UNDO_S):
                    await undo(self._slurm, self._held)
                self._write(Held(), 0.0)
            except (SchedulerError, TimeoutError) as error:
                log.warning("slurm.left_to_watchdog cluster=%s error=%s", self._settings.cluster, error)
                with contextlib.suppress(SchedulerError):
                    self._write(self._held, 0.0)
            # The watchdog sees that nobody holds its pipe, and ends when nothing is held.
            if self._watchdog is not None and self._watchdog.stdin is not None:
                self._watchdog.stdin.close()

    async def _watched(self) -> None:
        if self._watchdog is not None and self._watchdog.returncode is None:
            return
        words = [str(self._settings.trace_path), *([self._settings.slurm_conf] if self._settings.slurm_conf else [])]
        self._watchdog = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "controllers.adapters.slurm.watchdog",
            *words,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._write(self._held, self._settings.lease_s)

    def _write(self, held: Held, lease_s: float) -> None:
        pid = self._watchdog.pid if self._watchdog is not None else 0
        write_trace(self._settings.trace_path, Trace(held, time.monotonic() + lease_s, pid))

    async def _look(self) -> None:
        """One turn.

        Raises:
            SchedulerError: Slurm does not answer, or what is to be held cannot be written down.
        """
        await self._watched()
        self._write(self._held, self._settings.lease_s)
        self.counters.looks += 1
        queue = await self._slurm.queue()
        self._held = _true(self._held, queue)
        ask = self._ask()
        moves = decide(queue, self._contract, self._held, ask)
        await self._carry_out(moves)
        self._report(queue, moves)
        await self._reserve(queue)

    def _ask(self) -> Ask:
        """What the signal asks for now; when the park has been silent for a lease, what was contracted for that."""
        client, now = self._client, self._clock.now()
        hold = timedelta(seconds=self._settings.lease_s)
        interval, cap_mw = client.interval_now(), client.cap_now_mw()
        if not self._follows():
            return Ask(now, self._settings.fallback_cap_mw, math.inf, hold)
        return Ask(now, cap_mw, interval.target_mw if interval is not None else math.inf, hold)

    def _follows(self) -> bool:
        """Whether the signal counts: it is young, or an event lasts, whose cap outlives the controller."""
        shift, now = self._client.shift, self._clock.now()
        if shift is None:
            return False
        in_event = shift.event is not None and shift.event.start <= now < shift.event.end
        return in_event or now < shift.valid_until + timedelta(seconds=self._settings.lease_s)

    async def _carry_out(self, moves: Moves) -> None:
        held, slurm = self._held, self._slurm
        meant = Held(
            held.paused | frozenset(moves.pause), held.closed | frozenset(moves.close), held.put_off | frozenset(moves.put_off)
        )
        if meant != held:
            self._write(meant, self._settings.lease_s)
        self._held = meant
        await slurm.close(moves.close)
        await slurm.pause(moves.pause)
        if moves.until is not None:
            await slurm.put_off(moves.put_off, moves.until)
        await slurm.resume(moves.resume)
        await slurm.let_start(moves.let_start)
        await slurm.open(moves.open)
        self._held = Held(
            meant.paused - frozenset(moves.resume),
            meant.closed - frozenset(moves.open),
            meant.put_off - frozenset(moves.let_start),
        )
        self.counters.paused += len(moves.pause)
        self.counters.resumed += len(moves.resume)
        if moves.pause or moves.resume or moves.close or moves.open:
            log.info(
                "slurm.moved cluster=%s pause=%d resume=%d close=%d open=%d power_mw=%.3f short_mw=%.3f",
                *(self._settings.cluster, len(moves.pause), len(moves.resume), len(moves.close), len(moves.open)),
                *(moves.power_mw, moves.short_mw),
            )

    def _report(self, queue: Queue, moves: Moves) -> None:
        """Power as it is after the moves; the backlog now and then; the answer once for each revision."""
        state = {"paused_jobs": float(len(self._held.paused)), "waiting_jobs": float(_waiting(queue))}
        self._client.report_power(moves.power_mw, state=state)
        if time.monotonic() - self._reported_s >= self._settings.backlog_s:
            self._reported_s = time.monotonic()
            items = backlog_of(queue, self._settings.partitions, self._settings.power, self._clock.now())
            self._client.report_backlog(items, fast_band_mw=self._settings.fast_band_mw)
        shift = self._client.shift
        if shift is not None and shift.revision != self._answered:
            self._answered = shift.revision
            self._answer(shift, queue, moves)

    def _answer(self, shift: ComputeShift, queue: Queue, moves: Moves) -> None:
        floor_mw = _least_mw(queue, self._contract)
        instead = tuple(
            AcceptedInterval(start=i.start, end=i.end, power_mw=floor_mw) for i in shift.intervals if i.cap_mw < floor_mw - 1e-6
        )
        if not instead:
            self._client.respond(shift.revision, "all")
            return
        note = f"work that is never touched takes {floor_mw:.3f} MW with the idle nodes"
        if moves.short_mw > 0.0:
            note += f"; now {moves.short_mw:.3f} MW above the cap"
        self._client.respond(shift.revision, "part", instead=instead, note=note)

    async def _reserve(self, queue: Queue) -> None:
        """What is reserved becomes what the signal asks for; names say all there is to say of a reservation."""
        settings, shift = self._settings, self._client.shift
        if settings.ahead == "off":
            return
        intervals = shift.intervals if shift is not None and self._follows() else ()
        wanted = {r.name: r for r in reservations_of(intervals, queue, settings.power, settings.ahead, self._clock.now())}
        there = await self._slurm.reservations()
        running = {name for name in there if not _begins_after(name, self._clock.now().strftime("%Y%m%d%H%M"))}
        await self._slurm.unreserve(sorted(there - set(wanted) - (running if intervals else set())))
        for name in sorted(set(wanted) - there):
            await self._slurm.reserve(wanted[name], settings.ahead, settings.power.licence)


def _true(held: Held, queue: Queue) -> Held:
    """Without jobs that have ended or were let go by somebody else."""
    state = {job.job_id: job.state for job in queue.jobs}
    return replace(
        held,
        paused=frozenset(i for i in held.paused if state.get(i) == "suspended"),
        put_off=frozenset(i for i in held.put_off if state.get(i) == "pending"),
    )


def _least_mw(queue: Queue, contract: Contract) -> float:
    """With everything paused that may be."""
    paused = [job.job_id for job in queue.running() if contract.rule(job).may_pause and job_mw(job, contract.power) > 0.0]
    return max(power_mw(queue, contract.power, paused), idle_mw(queue, contract.power))


def _waiting(queue: Queue) -> int:
    return sum(job.state == "pending" for job in queue.jobs)


def _begins_after(name: str, minute: str) -> bool:
    return name.split("_")[1] > minute
