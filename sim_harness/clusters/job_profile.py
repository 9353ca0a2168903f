"""The latest way to do all jobs: how much of each class must be done by when, found for all jobs at once.

A job with `need` seconds left on `g` accelerators that is due at D can be put off until D - need and then has to run: by T it
must have had `g * (max(T - (D - need), 0) - max(T - D, 0))`. At the edges of a grid the sum over jobs comes from four histograms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.clusters.arrivals import QUARTER_S
from sim_harness.clusters.work import Bucket
from vpp.units import FloatArray, IntArray

__all__ = ["DueProfile", "due_profile"]

#: Quarters told one by one, then hours, then spans of four hours.
_FINE: Final = 8
_HOURS: Final = 12
_NOTHING_GPU_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DueProfile:
    """What must be done by when.

    Args:
        edge_s: Seconds of the run, a quarter hour apart, shape (n,). [s]
        need_gpu_s: Work of each class that must be done by each edge, shape (classes, n). [GPU-seconds]
        gpus: All accelerators that jobs of each class ask for, shape (classes,).
        first_class: The class of which something must be done first; None when nothing is left.
    """

    edge_s: FloatArray
    need_gpu_s: FloatArray
    gpus: FloatArray
    first_class: int | None

    def buckets(self, index: int, now_s: float, mwh_per_gpu_s: float, mw_per_gpu: float) -> tuple[Bucket, ...]:
        """Spans with work in them, finer near than far; each is due when its span begins, the first when it ends.

        Args:
            index: The class.
            now_s: Second of the run.
            mwh_per_gpu_s: Energy of a GPU-second. [MWh]
            mw_per_gpu: Draw of an accelerator. [MW]
        """
        at, n = 0, self.edge_s.size
        done, found = 0.0, []
        while at < n:
            span = 1 if at < _FINE else (4 if at < _FINE + 4 * _HOURS else 16)
            last = min(at + span, n) - 1
            need = float(self.need_gpu_s[index, last])
            if need - done > _NOTHING_GPU_S:
                deadline_s = float(self.edge_s[max(at - 1, 0)])
                most_mw = float(self.gpus[index]) * mw_per_gpu
                found.append(Bucket(min(now_s, deadline_s - QUARTER_S), deadline_s, (need - done) * mwh_per_gpu_s, most_mw))
                done = need
            at = last + 1
        return tuple(found)


def due_profile(
    deadline_s: FloatArray, need_s: FloatArray, gpus: IntArray, job_class: IntArray, classes: int, now_s: float
) -> DueProfile:
    """The profile of all jobs that are left, from the next quarter hour after `now_s` on; shapes (jobs,)."""
    if not gpus.size:
        return DueProfile(np.array([now_s + QUARTER_S]), np.zeros((classes, 1)), np.zeros(classes), None)
    n = int((float(deadline_s.max()) - now_s) // QUARTER_S) + 2
    n = max(n, 1)
    need: FloatArray = np.zeros((classes, n))
    edge: FloatArray = QUARTER_S * np.arange(1, n + 1, dtype=np.float64)
    row, wide = job_class * n, gpus.astype(np.float64)
    for sign, begin_s in ((1.0, deadline_s - need_s), (-1.0, deadline_s)):
        after_s = begin_s - now_s
        # Truncation is the floor of what is not negative, and far cheaper; what lies behind us counts from the first edge on.
        cell = np.minimum((np.maximum(after_s, 0.0) * (1.0 / QUARTER_S)).astype(np.int64), n - 1) + row
        count = np.bincount(cell, wide, classes * n).reshape(classes, n)
        moment = np.bincount(cell, wide * after_s, classes * n).reshape(classes, n)
        need += sign * (edge * np.cumsum(count, axis=1) - np.cumsum(moment, axis=1))
    width: FloatArray = np.bincount(job_class, wide, classes).astype(np.float64)
    rising: FloatArray = np.maximum.accumulate(np.maximum(need, 0.0), axis=1)
    must = rising > _NOTHING_GPU_S
    first = int(np.argmin(np.where(must.any(axis=1), must.argmax(axis=1), n))) if must.any() else None
    at_s: FloatArray = now_s + edge
    return DueProfile(at_s, rising, width, first)
