"""The queue as deferrable work: what may wait or pause, by when it must be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.following.jobs import Job, Queue
from controllers.adapters.following.power import job_mw
from controllers.adapters.following.settings import JobRule, PowerModel
from vpp.units import s_to_h
from vpp.wire.messages import BacklogItem

__all__ = ["backlog_of", "due_at", "latest_start"]

#: Deadlines are told on this grid: a thousand jobs become a few items, none later than its own.
_BIN: Final = timedelta(minutes=15)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_UNKNOWN: Final = JobRule(tier=0)


def due_at(job: Job, rule: JobRule) -> datetime:
    """When it must be done: the user's own deadline, or so long after it came as it runs at most and the contract gives."""
    if job.deadline is not None:
        return job.deadline
    return job.submitted_at + timedelta(seconds=job.limit_s, hours=rule.slack_h)


def latest_start(job: Job, rule: JobRule) -> datetime:
    """From here on it runs without a pause, or may be late."""
    return due_at(job, rule) - timedelta(seconds=job.left_s)


def backlog_of(
    queue: Queue, rules: Mapping[str, JobRule], model: PowerModel, now: datetime, home: str = ""
) -> tuple[BacklogItem, ...]:
    """All work that may move, by class and deadline; what waits in several clusters at once counts where it was submitted.

    Energy is power times the run time that is left up to the time limit; users ask for more time than they need, so it is an
    upper end. Work that can no longer make its deadline is reported with the first deadline that it can make.
    """
    found: dict[tuple[str, datetime, datetime], list[Job]] = defaultdict(list)
    for job in queue.jobs:
        rule = rules.get(job.job_class, _UNKNOWN)
        movable = rule.may_wait if job.state == "pending" else rule.may_pause
        if job.state == "pending" and len(job.clusters) > 1 and job.home != home:
            continue
        if not movable or job.left_s <= 0.0 or job_mw(job, model) <= 0.0:
            continue
        release = max(job.eligible_at, now) if job.state == "pending" else now
        due = max(due_at(job, rule), release + timedelta(seconds=job.left_s))
        found[job.job_class, _floor(release), max(_floor(due), _floor(release) + _BIN)].append(job)
    return tuple(_item(name, release, due, jobs, rules[name], model) for (name, release, due), jobs in sorted(found.items()))


def _item(  # noqa: PLR0913  one line of the backlog, each part by its name
    name: str, release: datetime, due: datetime, jobs: list[Job], rule: JobRule, model: PowerModel
) -> BacklogItem:
    return BacklogItem(
        job_class=name,
        energy_mwh=sum(job_mw(job, model) * s_to_h(job.left_s) for job in jobs),
        release=release,
        deadline=due,
        max_mw=sum(job_mw(job, model) for job in jobs),
        tier=rule.tier,
        preemptible=rule.preemptible,
        checkpoint_s=rule.checkpoint_s,
    )


def _floor(at: datetime) -> datetime:
    return at - (at - _EPOCH) % _BIN
