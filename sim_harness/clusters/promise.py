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
#: A cap that cannot be kept is said when it is missed by more than this.
CAP_TOLERANCE_FRAC: Final = 0.005
_NOTHING_MWH: Final = 1e-9


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
        deadlines_mw: What it takes whatever the cap, lest work be missed; 0 where the cap leaves enough. [MW]
    """

    start_s: float
    end_s: float
    asked_mw: float
    cap_mw: float
    power_mw: float | None
    deadlines_mw: float = 0.0


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
        keeps = cap_mw <= interval.cap_mw + CAP_TOLERANCE_FRAC * needs.rated_mw
        follows = keeps and lowest_mw - TOLERANCE_FRAC * needs.rated_mw <= interval.target_mw <= cap_mw + _NOTHING_MWH
        lowest_mw = lowest_mw if keeps else cap_mw
        power_mw = None if follows else min(max(interval.target_mw, lowest_mw), cap_mw)
        kept.append(Promise(begin_s, end_s, interval.cap_mw, cap_mw, power_mw))
    return _meet_deadlines(kept, needs, due)


def _meet_deadlines(kept: list[Promise], needs: Needs, due: Due) -> tuple[Promise, ...]:
    """Raise caps, the latest before a deadline first, until the work due by it fits."""
    if not kept or not due.deadline_s.size:
        return tuple(kept)
    firm_mw = np.array([needs.firm_mw(p.start_s) for p in kept])
    length_h = np.array([s_to_h(p.end_s - p.start_s) for p in kept])
    edge_s = np.array([kept[0].start_s, *(p.end_s for p in kept)])
    cap_mw = np.array([p.cap_mw for p in kept])
    most_mw = np.maximum(needs.rated_mw - firm_mw, 0.0)
    room_mw = np.minimum(np.maximum(cap_mw - firm_mw, 0.0), most_mw)
    inside = (due.deadline_s > edge_s[0]) & (due.deadline_s <= edge_s[-1])
    for deadline_s, work_mwh in zip(due.deadline_s[inside].tolist(), due.work_mwh[inside].tolist(), strict=True):
        usable_h = np.clip(s_to_h(1.0) * (deadline_s - edge_s[:-1]), 0.0, length_h)
        short_mwh = work_mwh - float(room_mw @ usable_h)
        for i in range(int(np.count_nonzero(usable_h)) - 1, -1, -1):
            if short_mwh <= _NOTHING_MWH:
                break
            more_mw = min(float(most_mw[i] - room_mw[i]), short_mwh / float(usable_h[i]))
            room_mw[i] += more_mw
            short_mwh -= more_mw * float(usable_h[i])
    raised_mw = np.where(room_mw > _NOTHING_MWH, np.maximum(cap_mw, firm_mw + room_mw), cap_mw)
    return tuple(
        p if more <= p.cap_mw + _NOTHING_MWH else replace(p, cap_mw=more, power_mw=more, deadlines_mw=more)
        for p, more in zip(kept, raised_mw.tolist(), strict=True)
    )
