"""A scheduler's jobs at one moment, in the words that all schedulers share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

__all__ = ["Job", "JobState", "Queue"]

JobState: TypeAlias = Literal["pending", "running", "suspended"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job that waits, runs or is paused.

    Args:
        job_id: The scheduler's own.
        state: Where it is.
        job_class: Whose rule holds for it: its partition, or its queue.
        nodes: How many it takes.
        gpus: On all of its nodes.
        licences: Counted licences it holds, by name; empty where the scheduler has none.
        submitted_at: When it came.
        eligible_at: Not before.
        deadline: The user's own; None where there is none.
        limit_s: Longest run time. [s]
        used_s: Run time so far, pauses not counted. [s]
        home: Cluster of a federation to which it was submitted; empty where there is none.
        clusters: Those of the federation where it may begin; empty where there is none.
    """

    job_id: str
    state: JobState
    job_class: str
    nodes: int
    gpus: int
    licences: tuple[tuple[str, int], ...]
    submitted_at: datetime
    eligible_at: datetime
    deadline: datetime | None
    limit_s: float
    used_s: float
    home: str = ""
    clusters: tuple[str, ...] = ()

    @property
    def left_s(self) -> float:
        """Run time it may still need: up to its limit, since nobody knows when it will really end. [s]."""
        return max(self.limit_s - self.used_s, 0.0)


@dataclass(frozen=True, slots=True)
class Queue:
    """A cluster at one moment.

    Args:
        jobs: All that wait, run or are paused.
        nodes_up: Nodes that draw power.
        gpus: On the nodes that are up.
        lingering_gpus: Of work that was told to stop and has not yet.
    """

    jobs: tuple[Job, ...]
    nodes_up: int
    gpus: int
    lingering_gpus: int = 0

    def running(self) -> tuple[Job, ...]:
        """Those that draw power."""
        return tuple(job for job in self.jobs if job.state == "running")
