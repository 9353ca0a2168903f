"""What of a compute-shift signal a scheduler can take on: tiers keep their throughput, work on hand meets its deadlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from sim_harness.clusters.work import Due
from vpp.units import s_to_h
from vpp.wire.messages import ShiftInterval

__all__ = ["Needs", "Promise", "promise"]

#: Differences below this share of the rating are not worth an answer.
TOLERANCE_FRAC: Final = 0.02


@dataclass(frozen=True, slots=True)
class Needs:
    """What the cluster needs and can, as functions of a second of the run, in MW.

    Args:
        least_mw: With every tier slowed down as far as it may be and no deferrable work.
        firm_mw: With no tier slowed down and no deferrable work.
        rated_mw: The meter's limit.
    """

    least_mw: Callable[[float], float]
    firm_mw: Callable[[float], float]
    rated_mw: float


@dataclass(frozen=True, slots=True)
class Promise:
    """The scheduler's answer, interval by interval.

    Args:
        start_s: Second of the run at which the interval begins.
        end_s: And ends.
        asked_mw: The cap in the signal.
        cap_mw: The cap that is kept, never below `asked_mw`.
        power_mw: What it means to draw where it cannot follow the target; None where it follows.
    """

    start_s: float
    end_s: float
    asked_mw: float
    cap_mw: float
    power_mw: float | None


def promise(intervals: Sequence[ShiftInterval], start: datetime, now_s: float, needs: Needs, due: Due) -> tuple[Promise, ...]:
    """The caps that are kept, raised first where firm work needs it, then where work on hand would miss its deadline.

    Args:
        intervals: Of the signal.
        start: Beginning of the run.
        now_s: Second of the run; what is past is left out.
        needs: Of the cluster.
        due: Work on hand.
    """
    kept = []
    for interval in intervals:
        end_s = (interval.end - start).total_seconds()
        if end_s <= now_s:
            continue
        begin_s = max(now_s, (interval.start - start).total_seconds())
        cap_mw = min(max(interval.cap_mw, needs.least_mw(begin_s)), needs.rated_mw)
        lowest_mw = min(cap_mw, needs.firm_mw(begin_s))
        follows = interval.target_mw >= lowest_mw - TOLERANCE_FRAC * needs.rated_mw and interval.target_mw <= cap_mw + 1e-9
        power_mw = None if follows else min(max(interval.target_mw, lowest_mw), cap_mw)
        kept.append(Promise(begin_s, end_s, interval.cap_mw, cap_mw, power_mw))
    return _meet_deadlines(kept, needs, due)


def _meet_deadlines(kept: list[Promise], needs: Needs, due: Due) -> tuple[Promise, ...]:
    """Raise caps, the latest before a deadline first, until the work due by it fits."""
    if not kept or not due.deadline_s.size:
        return tuple(kept)
    firm_mw = np.array([needs.firm_mw(p.start_s) for p in kept])
    length_h = np.array([s_to_h(p.end_s - p.start_s) for p in kept])
    end_s = np.array([p.end_s for p in kept])
    cap_mw = np.array([p.cap_mw for p in kept])
    most_mw = np.maximum(needs.rated_mw - firm_mw, 0.0)
    room_mw = np.minimum(np.maximum(cap_mw - firm_mw, 0.0), most_mw)
    for deadline_s, work_mwh in zip(due.deadline_s.tolist(), due.work_mwh.tolist(), strict=True):
        if deadline_s > end_s[-1]:
            break
        inside = int(np.searchsorted(end_s, deadline_s, side="right"))
        short_mwh = work_mwh - float((room_mw[:inside] * length_h[:inside]).sum())
        for i in range(inside - 1, -1, -1):
            if short_mwh <= 1e-9:
                break
            more_mw = min(float(most_mw[i] - room_mw[i]), short_mwh / float(length_h[i]))
            room_mw[i] += more_mw
            short_mwh -= more_mw * float(length_h[i])
    raised_mw = np.where(room_mw > 1e-9, np.maximum(cap_mw, firm_mw + room_mw), cap_mw)
    return tuple(
        p if more <= p.cap_mw + 1e-9 else replace(p, cap_mw=more, power_mw=more)
        for p, more in zip(kept, raised_mw.tolist(), strict=True)
    )
