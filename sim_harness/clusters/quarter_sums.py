"""Sums by quarter hour of what jobs bring: the power they would draw as they come, and the work that falls due."""

from __future__ import annotations

import numpy as np

from sim_harness.clusters.arrivals import QUARTER_S, Arrivals
from sim_harness.clusters.job_stream import NewJobs
from vpp.units import FloatArray

__all__ = ["AsItComes"]


class AsItComes:
    """Every job begun at its release and run through: what a cluster draws whose scheduler waits for nothing.

    Args:
        classes: How many.
        arrivals: Knows where quarters begin.
    """

    def __init__(self, classes: int, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._slope, self._moment = np.zeros(512), np.zeros(512)
        self._due = np.zeros((classes, 512))
        self._at = 0
        self._sum_slope = self._sum_moment = self._done = 0.0
        self._mean_gpus = 0.0
        self._due_sum = np.zeros(classes)
        self._due_at = 0

    def add(self, jobs: NewJobs) -> None:
        """Jobs of a quarter that is not over."""
        end_s = jobs.release_s + jobs.run_s
        begin, end, due = (self._cells(s) for s in (jobs.release_s, end_s, jobs.deadline_s))
        self._grow(int(max(due.max(initial=0), end.max(initial=0))) + 1)
        for sign, cell, at_s in ((1.0, begin, jobs.release_s), (-1.0, end, end_s)):
            np.add.at(self._slope, cell, sign * jobs.gpus)
            np.add.at(self._moment, cell, sign * jobs.gpus * at_s)
        np.add.at(self._due, (jobs.job_class, due), jobs.gpus * jobs.run_s)

    def forget_due(self, jobs: NewJobs) -> None:
        """Work that ran before the world began is no work of the run: it never falls due in it."""
        np.add.at(self._due, (jobs.job_class, self._cells(jobs.deadline_s)), -jobs.gpus * jobs.run_s)

    def mean_gpus(self, time_s: float) -> float:
        """Mean number of accelerators over the quarter that holds a second; quarters are asked for in order."""
        index = self._arrivals.index(time_s)
        self._grow(index + 1)
        while self._at <= index:
            begin_s = max(0.0, self._arrivals.begin_s(self._at))
            end_s = self._arrivals.begin_s(self._at + 1)
            self._sum_slope += float(self._slope[self._at])
            self._sum_moment += float(self._moment[self._at])
            by_end = end_s * self._sum_slope - self._sum_moment
            self._mean_gpus = (by_end - self._done) / (end_s - begin_s)
            self._done = by_end
            self._at += 1
        return self._mean_gpus

    def due_gpu_s(self, time_s: float) -> list[float]:
        """Work of each class whose deadline has passed, whole quarters counted. [GPU-seconds]."""
        index = min(self._arrivals.index(time_s), self._due.shape[1])
        if index > self._due_at:
            self._due_sum += self._due[:, self._due_at : index].sum(axis=1)
            self._due_at = index
        due: list[float] = self._due_sum.tolist()
        return due

    def _cells(self, time_s: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.floor((time_s - self._arrivals.begin_s(0)) / QUARTER_S).astype(np.int64)

    def _grow(self, n: int) -> None:
        more = n - self._slope.size
        if more > 0:
            more = max(more, self._slope.size)
            self._slope, self._moment = (np.pad(x, (0, more)) for x in (self._slope, self._moment))
            self._due = np.pad(self._due, ((0, 0), (0, more)))
