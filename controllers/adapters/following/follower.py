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

from controllers.adapters.following.backlog import backlog_of
from controllers.adapters.following.hands import Hands
from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Ask, Contract, Held, Moves, Placed, decide
from controllers.adapters.following.placements import Sending
from controllers.adapters.following.power import idle_mw, job_mw, power_mw
from controllers.adapters.following.settings import FollowSettings, PowerModel
from controllers.adapters.following.trace import Trace, read_trace, write_trace
from controllers.bus.base import Bus
from controllers.client import SchedulerClient
from controllers.edge.edge import Timepiece
from vpp.errors import SchedulerError
from vpp.units import KW_PER_MW, s_to_h
from vpp.wire.messages import AcceptedInterval, BacklogAnswer, ComputeShift

__all__ = ["Follower", "FollowerCounters"]

log = logging.getLogger(__name__)

_UNDO_S: Final = 10.0
_END_S: Final = 2.0
#: Of an answer.
_NOTE_MAX: Final = 400


@dataclass(slots=True)
class FollowerCounters:
    """What it did since it began."""

    looks: int = 0
    failed: int = 0
    paused: int = 0
    resumed: int = 0
    sent: int = 0
    brought_back: int = 0
    revisions: int = 0


class Follower:
    """The adapter's own loop; `run` belongs to whoever started it.

    Args:
        settings: How the cluster is set up.
        hands: Its scheduler's own means.
        bus: Towards the park.
        clock: For stamps.
    """

    def __init__(self, settings: FollowSettings, hands: Hands, bus: Bus, clock: Timepiece) -> None:
        self._settings, self._hands, self._clock = settings, hands, clock
        self._contract = Contract(settings.rules, settings.power, settings.margin_frac)
        self._wake = asyncio.Event()
        self._client = SchedulerClient(
            bus,
            settings.park,
            settings.cluster,
            clock,
            fallback_cap_mw=settings.fallback_cap_mw,
            on_shift=self._on_shift,
            on_refused=self._on_refused,
        )
        self._held = Held()
        self._watchdog: asyncio.subprocess.Process | None = None
        self._answered, self._sending = 0, Sending()
        self._reported_s = -math.inf
        self.counters = FollowerCounters()

    def _on_shift(self, shift: ComputeShift) -> None:
        self.counters.revisions += 1
        self._wake.set()

    def _on_refused(self, answer: BacklogAnswer) -> None:
        for why in answer.reasons:
            log.warning("follower.refused cluster=%s item=%d where=%s rule=%s", answer.cluster, why.item, why.where, why.rule)

    async def run(self) -> None:
        """Follows until cancelled, then gives back all it holds.

        Raises:
            SchedulerError: What an earlier adapter held cannot be read.
        """
        trace = read_trace(self._settings.trace_path)
        self._held = trace.held if trace is not None else Held()
        async with self._hands.open(self._wake), self._minded():
            while True:
                self._wake.clear()
                try:
                    await self._look()
                except SchedulerError as error:
                    # The park keeps its signal, the scheduler comes back: the next look begins with what is true then.
                    self.counters.failed += 1
                    log.warning("follower.failed cluster=%s error=%s", self._settings.cluster, error)
                # `wait_for` of Python 3.11 may lose a cancellation that comes together with the event; a timeout does not.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.period_s):
                        await self._wake.wait()

    @contextlib.asynccontextmanager
    async def _minded(self) -> AsyncIterator[None]:
        """With a watchdog beside it; at the end everything is given back, by the watchdog if the scheduler does not answer."""
        await self._watched()
        try:
            yield
        finally:
            try:
                async with asyncio.timeout(_UNDO_S):
                    await self._hands.give_back(self._held)
                self._write(Held(), 0.0)
            except (SchedulerError, TimeoutError) as error:
                log.warning("follower.left_to_watchdog cluster=%s error=%s", self._settings.cluster, error)
                with contextlib.suppress(SchedulerError):
                    self._write(self._held, 0.0)
            # The watchdog sees that nobody holds its pipe, and ends when nothing is held.
            if self._watchdog is not None and self._watchdog.stdin is not None:
                self._watchdog.stdin.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_END_S):
                        await self._watchdog.wait()

    async def _watched(self) -> None:
        if self._watchdog is not None and self._watchdog.returncode is None:
            return
        module, *words = self._hands.watchdog()
        self._watchdog = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            str(self._settings.trace_path),
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
            SchedulerError: The scheduler does not answer, or what is to be held cannot be written down.
        """
        await self._watched()
        self._write(self._held, self._settings.lease_s)
        self.counters.looks += 1
        queue = await self._hands.queue()
        self._held = self._hands.true(self._held, queue)
        ask = self._ask()
        shift = self._client.shift
        send = self._to_send(shift, queue, ask)
        going = frozenset(one.job_id for one in send)
        here = replace(queue, jobs=tuple(job for job in queue.jobs if job.job_id not in going))
        back = tuple(p for p in sorted(self._held.placed, key=lambda p: p.job_id) if p.until <= ask.now or not self._follows())
        moves = replace(decide(here, self._contract, self._held, ask), send=send, bring_back=back)
        await self._carry_out(moves, queue)
        self._report(queue, moves, shift)
        intervals = shift.intervals if shift is not None and self._follows() else ()
        await self._hands.look_ahead(intervals, queue, self._clock.now())

    def _ask(self) -> Ask:
        """What the signal asks for now; when the park has been silent for a lease, what was contracted for that."""
        client, now = self._client, self._clock.now()
        hold = timedelta(seconds=self._settings.lease_s)
        interval, cap_mw = client.interval_now(), client.cap_now_mw()
        if not self._follows():
            return Ask(now, self._settings.fallback_cap_mw, math.inf, hold)
        return Ask(now, cap_mw, interval.target_mw if interval is not None else math.inf, hold)

    def _to_send(self, shift: ComputeShift | None, queue: Queue, ask: Ask) -> tuple[Placed, ...]:
        if shift is None or not self._follows():
            return ()
        hands, contract = self._hands, self._contract
        return self._sending.next_jobs(
            shift, queue, ask.now, lambda asked, jobs: hands.sent(asked, jobs, contract, ask), self._settings.power
        )

    def _follows(self) -> bool:
        """Whether the signal counts: it is young, or an event lasts, whose cap outlives the controller."""
        shift, now = self._client.shift, self._clock.now()
        if shift is None:
            return False
        in_event = shift.event is not None and shift.event.start <= now < shift.event.end
        return in_event or now < shift.valid_until + timedelta(seconds=self._settings.lease_s)

    async def _carry_out(self, moves: Moves, queue: Queue) -> None:
        meant = self._hands.meant(self._held, moves)
        if meant != self._held:
            self._write(meant, self._settings.lease_s)
        self._held = meant
        self._held = await self._hands.carry_out(moves, queue, meant)
        self.counters.paused += len(moves.pause)
        self.counters.resumed += len(moves.resume)
        self.counters.sent += len(moves.send)
        self.counters.brought_back += len(moves.bring_back)
        if moves.send or moves.bring_back:
            log.info(
                "follower.placed kind=%s cluster=%s sent=%d brought_back=%d",
                *(self._hands.kind, self._settings.cluster, len(moves.send), len(moves.bring_back)),
            )
        if moves.pause or moves.resume or moves.close or moves.open:
            counts = (len(moves.pause), len(moves.resume), len(moves.close), len(moves.open))
            log.info(
                "follower.moved kind=%s cluster=%s pause=%d resume=%d close=%d open=%d power_mw=%.3f short_mw=%.3f",
                *(self._hands.kind, self._settings.cluster, *counts),
                *(moves.power_mw, moves.short_mw),
            )

    def _report(self, queue: Queue, moves: Moves, shift: ComputeShift | None) -> None:
        """Power as it is after the moves; the backlog now and then; the answer once for each revision."""
        idle = idle_mw(queue, self._settings.power)
        # What may not wait, so that the park promises nothing of it to the grid.
        firm = max(_least_mw(queue, self._contract) - idle, 0.0)
        state = {"paused_jobs": float(len(self._held.paused)), "waiting_jobs": float(_waiting(queue))}
        state |= {"idle_mw": idle, "firm_mw": firm, "fast_band_mw": 0.0}
        self._client.report_power(moves.power_mw + self._lingering_mw(queue, moves), state=state)
        if time.monotonic() - self._reported_s >= self._settings.backlog_s:
            self._reported_s = time.monotonic()
            items = backlog_of(queue, self._settings.rules, self._settings.power, self._clock.now(), self._hands.home)
            self._client.report_backlog(items, fast_band_mw=self._settings.fast_band_mw)
        if shift is not None and shift.revision != self._answered:
            self._answered = shift.revision
            self._answer(shift, queue, moves)

    def _lingering_mw(self, queue: Queue, moves: Moves) -> float:
        """What was told to stop and still draws power. [MW]."""
        power, told = self._settings.power, frozenset(moves.pause) if self._hands.lingers else frozenset()
        gpus_mw = queue.lingering_gpus * power.gpu_kw * power.pue / KW_PER_MW
        return gpus_mw + sum(job_mw(job, power) for job in queue.jobs if job.job_id in told)

    def _answer(self, shift: ComputeShift, queue: Queue, moves: Moves) -> None:
        floor_mw = _least_mw(queue, self._contract)
        instead = tuple(
            AcceptedInterval(start=i.start, end=i.end, power_mw=floor_mw) for i in shift.intervals if i.cap_mw < floor_mw - 1e-6
        )
        placed = _placements_note(shift, queue, moves, self._settings.power)
        if not instead:
            self._client.respond(shift.revision, "all", note=placed)
            return
        note = f"work that is never touched takes {floor_mw:.3f} MW with the idle nodes"
        if moves.short_mw > 0.0:
            note += f"; now {moves.short_mw:.3f} MW above the cap"
        note = f"{note}; {placed}" if placed else note
        self._client.respond(shift.revision, "part", instead=instead, note=note[:_NOTE_MAX])


def _least_mw(queue: Queue, contract: Contract) -> float:
    """With everything paused that may be."""
    paused = [job.job_id for job in queue.running() if contract.rule(job).may_pause and job_mw(job, contract.power) > 0.0]
    return max(power_mw(queue, contract.power, paused), idle_mw(queue, contract.power))


def _placements_note(shift: ComputeShift, queue: Queue, moves: Moves, model: PowerModel) -> str:
    """What of the placements is carried out: who sends does it, and who takes only waits."""
    asked_mwh = sum(one.energy_mwh for one in shift.placements if one.direction == "send")
    if asked_mwh <= 0.0:
        return ""
    going = frozenset(one.job_id for one in moves.send)
    sent_mwh = sum(job_mw(job, model) * s_to_h(job.left_s) for job in queue.jobs if job.job_id in going)
    return f"placements: {sent_mwh:.3f} of {asked_mwh:.3f} MWh sent in {len(going)} jobs"


def _waiting(queue: Queue) -> int:
    return sum(job.state == "pending" for job in queue.jobs)
