"""Machines counted in one plate: how many run, how many are starting, and how long neither may change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.units import FloatArray

__all__ = ["Counts", "advance"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Shape (assets,) each.

    Args:
        on: Machines that run.
        starting: Machines that will, all at the same time.
        start_left_h: Time until then. [h]
        locked_on_h: Time until one may be stopped: the minimum on time of the latest start. [h]
        locked_off_h: Time until one may be started: the minimum off time of the latest stop. [h]
    """

    on: FloatArray
    starting: FloatArray
    start_left_h: FloatArray
    locked_on_h: FloatArray
    locked_off_h: FloatArray


def advance(counts: Counts, min_on_h: FloatArray, step_h: float) -> Counts:
    """The counts a step later; a start that ends inside the step has run since then, so many short steps give the same."""
    done = (counts.starting > 0.0) & (counts.start_left_h <= step_h)
    ran_h = np.maximum(0.0, step_h - counts.start_left_h)
    locked_on_h = np.maximum(0.0, counts.locked_on_h - step_h)
    return Counts(
        on=counts.on + np.where(done, counts.starting, 0.0),
        starting=np.where(done, 0.0, counts.starting),
        start_left_h=np.maximum(0.0, counts.start_left_h - step_h),
        locked_on_h=np.where(done, np.maximum(locked_on_h, min_on_h - ran_h), locked_on_h),
        locked_off_h=np.maximum(0.0, counts.locked_off_h - step_h),
    )
