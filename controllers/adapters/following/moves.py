"""What to do now so that the cluster keeps its cap: pure, from the queue to a few means that every scheduler has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.following.backlog import latest_start
from controllers.adapters.following.jobs import Job, Queue
from controllers.adapters.following.power import job_mw, power_mw
from controllers.adapters.following.settings import JobRule, PowerModel

__all__ = ["Ask", "Contract", "Held", "Moves", "Placed", "decide"]

_UNKNOWN: Final = JobRule(tier=0)
_TINY_MW: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Contract:
    """What may be touched, and what it draws."""

    rules: Mapping[str, JobRule]
    power: PowerModel
    margin_frac: float = 0.0

    def rule(self, job: Job) -> JobRule:
        """Of the job's class; one that the contract does not name is never touched."""
        return self.rules.get(job.job_class, _UNKNOWN)

    def waiting_classes(self) -> frozenset[str]:
        """Those whose jobs may be kept from starting."""
        return frozenset(name for name, rule in self.rules.items() if rule.may_wait)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the park asks for at this moment.

    Args:
        now: This moment.
        cap_mw: Never more than this; infinite for no cap.
        target_mw: Asked for; work that can wait does not start beyond it.
        hold: How long a start is put off at a time; it expires by itself.
    """

    now: datetime
    cap_mw: float
    target_mw: float
    hold: timedelta


@dataclass(frozen=True, slots=True)
class Placed:
    """A waiting job that may begin at one other cluster only, because the park has placed it there.

    Args:
        job_id: The scheduler's own.
        target: That cluster, by the scheduler's name.
        before: Where it might begin before that, and may again when it is given back.
        until: Then it is given back at the latest, if it has not begun.
    """

    job_id: str
    target: str
    before: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What this adapter holds: jobs paused, classes closed, starts put off, jobs placed elsewhere."""

    paused: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    put_off: frozenset[str] = frozenset()
    placed: frozenset[Placed] = frozenset()

    @property
    def nothing(self) -> bool:
        """Whether it holds nothing."""
        return not (self.paused or self.closed or self.put_off or self.placed)


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do, in this order: close, pause, put off; then resume, let start, open.

    Args:
        close: Classes of which nothing more starts.
        pause: Running jobs.
        put_off: Waiting jobs whose start moves to `until`.
        resume: Paused jobs.
        let_start: Jobs put off that may start at once.
        open: Classes that were closed.
        send: Waiting jobs that may begin at one other cluster only.
        bring_back: Those that may begin here again.
        until: When what was put off may start by itself.
        power_mw: After it. [MW]
        short_mw: How much of the cap cannot be kept without touching what must not be touched. [MW]
        room_mw: Left for work that has not come yet; infinite where nothing bounds it. [MW]
    """

    close: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    put_off: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    let_start: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    send: tuple[Placed, ...] = ()
    bring_back: tuple[Placed, ...] = ()
    until: datetime | None = None
    power_mw: float = 0.0
    short_mw: float = 0.0
    room_mw: float = 0.0


def decide(queue: Queue, contract: Contract, held: Held, ask: Ask) -> Moves:
    """The moves that bring the cluster under its cap, or give back what there is room for.

    Above the cap everything that may wait is closed, and running jobs are paused, those with the most slack first. Below it
    paused jobs come back, those with the least slack first; when none is left, waiting jobs start as far as there is room.
    """
    model = contract.power
    ours = tuple(job for job in queue.jobs if job.state == "suspended" and job.job_id in held.paused)
    level_mw = power_mw(queue, model)
    if level_mw > ask.cap_mw + _TINY_MW:
        return _lower(queue, contract, held, ask, level_mw)
    limit_mw = ask.cap_mw * (1.0 - contract.margin_frac)
    resume = _fitting(sorted(ours, key=lambda job: _slack(job, contract)), limit_mw - level_mw, model)
    level_mw += sum(job_mw(job, model) for job in resume)
    back = tuple(job.job_id for job in resume)
    if len(resume) < len(ours):
        # What was paused comes before what has not begun.
        return Moves(close=_close(contract, held), resume=back, power_mw=level_mw)
    return _start(queue, contract, held, ask, Moves(resume=back, power_mw=level_mw))


def _lower(queue: Queue, contract: Contract, held: Held, ask: Ask, level_mw: float) -> Moves:
    pause: list[str] = []
    running = (job for job in queue.running() if contract.rule(job).may_pause and job_mw(job, contract.power) > 0.0)
    for job in sorted(running, key=lambda job: _pause_rank(job, contract), reverse=True):
        if level_mw <= ask.cap_mw + _TINY_MW:
            break
        pause.append(job.job_id)
        level_mw -= job_mw(job, contract.power)
    short_mw = max(level_mw - ask.cap_mw, 0.0)
    short_mw = short_mw if short_mw > _TINY_MW else 0.0
    return Moves(close=_close(contract, held), pause=tuple(pause), power_mw=level_mw, short_mw=short_mw)


def _start(queue: Queue, contract: Contract, held: Held, ask: Ask, so_far: Moves) -> Moves:
    """Waiting work starts up to the target; what must begin now to be in time, up to the cap."""
    model, level_mw = contract.power, so_far.power_mw
    waiting = [job for job in queue.jobs if job.state == "pending" and contract.rule(job).may_wait]
    later: list[str] = []
    sooner: list[str] = []
    limit_mw = ask.cap_mw * (1.0 - contract.margin_frac)
    for job in sorted(waiting, key=lambda job: _slack(job, contract)):
        urgent = latest_start(job, contract.rule(job)) - ask.hold <= ask.now
        if level_mw + job_mw(job, model) <= (limit_mw if urgent else min(limit_mw, ask.target_mw)) + _TINY_MW:
            # Room is given by the order of slack; whether there are free nodes for it is the scheduler's own business.
            level_mw += job_mw(job, model)
            if job.job_id in held.put_off:
                sooner.append(job.job_id)
        elif job.eligible_at <= ask.now + ask.hold / 2 and len(job.clusters) <= 1:
            # In a federation a later start holds wherever the job may begin, so that one with a choice is let be.
            later.append(job.job_id)
    return Moves(
        resume=so_far.resume,
        put_off=tuple(later),
        let_start=tuple(sooner),
        open=tuple(sorted(held.closed)),
        until=ask.now + ask.hold,
        power_mw=so_far.power_mw,
        room_mw=max(min(limit_mw, ask.target_mw) - level_mw, 0.0),
    )


def _close(contract: Contract, held: Held) -> tuple[str, ...]:
    return tuple(sorted(contract.waiting_classes() - held.closed))


def _fitting(jobs: Iterable[Job], room_mw: float, model: PowerModel) -> list[Job]:
    found = []
    for job in jobs:
        if job_mw(job, model) <= room_mw + _TINY_MW:
            found.append(job)
            room_mw -= job_mw(job, model)
    return found


def _pause_rank(job: Job, contract: Contract) -> tuple[datetime, float, str]:
    """Most slack first, to the hour; then the largest, because a scheduler takes its time for each."""
    latest = latest_start(job, contract.rule(job)).replace(minute=0, second=0, microsecond=0)
    return latest, job_mw(job, contract.power), job.job_id


def _slack(job: Job, contract: Contract) -> tuple[datetime, str]:
    return latest_start(job, contract.rule(job)), job.job_id
