"""The latest schedule: how little deferrable work can run now so that work on hand still meets its deadlines.

Work due by D fits when the room until D is at least that work and the work that is yet to arrive and due by D too (processor
demand of earliest-deadline-first scheduling). The smallest surplus over all D is what may be left undone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from sim_harness.clusters.promise import Promise
from sim_harness.clusters.work import Due
from vpp.units import FloatArray, h_to_s, s_to_h

__all__ = ["LOOK_AHEAD_S", "LatestSchedule", "with_arrivals"]

#: How often the surplus is worked out anew; in between it is carried forward on the safe side.
LOOK_AHEAD_S: Final = 300.0
#: Arrivals are expected at this multiple of their mean, for bursts. Assumption.
BURST_MARGIN: Final = 1.2


def with_arrivals(due: Due, time_s: float, work_mw: Sequence[float], slack_h: Sequence[float]) -> Due:
    """Work on hand by deadline, with what is expected to arrive from now on and to be due by then.

    Args:
        due: Work on hand.
        time_s: Now, in seconds of the run.
        work_mw: Mean work released of each class per hour. [MW]
        slack_h: Slack of each class. [h]
    """
    work_mwh = due.work_mwh.copy()
    for rate_mw, slack in zip(work_mw, slack_h, strict=True):
        work_mwh += s_to_h(BURST_MARGIN * rate_mw) * np.maximum(due.deadline_s - time_s - h_to_s(slack), 0.0)
    return Due(due.deadline_s, work_mwh)


class LatestSchedule:
    """Keeps the surplus of room over work that is due; starts without any work."""

    def __init__(self) -> None:
        self._spare_mwh = math.inf
        self._looked_s = -math.inf
        self._edges_s: FloatArray = np.zeros(1)
        self._room_mwh: FloatArray = np.zeros(1)

    def take_caps(self, promises: Sequence[Promise], time_s: float, firm_mw: float, room_mw: float, pue: float) -> None:
        """Room ahead under the caps that were taken on, as a cumulative curve.

        Args:
            promises: The caps, in order of time.
            time_s: Now, in seconds of the run.
            firm_mw: Firm work and idle power to leave room for. [MW]
            room_mw: Room without caps. [MW]
            pue: Power at the meter over power at the plate's PUE.
        """
        edges_s, room_mwh = [time_s], [0.0]
        for p in promises:
            free_mw = min(room_mw, max(0.0, p.cap_mw / pue - firm_mw))
            edges_s.append(p.end_s)
            room_mwh.append(room_mwh[-1] + free_mw * s_to_h(p.end_s - p.start_s))
        self._edges_s, self._room_mwh = np.array(edges_s), np.array(room_mwh)
        self._looked_s = -math.inf

    def is_due(self, time_s: float) -> bool:
        """Whether it is time to look again."""
        return time_s - self._looked_s >= LOOK_AHEAD_S - 1e-6

    def look(self, due: Due, time_s: float, room_mw: float) -> None:
        """Work out the surplus anew from all work that is due."""
        self._looked_s = time_s
        if not due.deadline_s.size:
            self._spare_mwh = math.inf
            return
        last_s = max(float(self._edges_s[-1]), time_s)
        now_mwh = np.interp(time_s, self._edges_s, self._room_mwh)
        free_mwh = np.interp(due.deadline_s, self._edges_s, self._room_mwh) - now_mwh
        free_mwh = free_mwh + s_to_h(room_mw) * np.maximum(due.deadline_s - last_s, 0.0)
        self._spare_mwh = float(np.min(free_mwh - due.work_mwh))

    def carry(self, served_mw: float, room_mw: float, dt_s: float) -> None:
        """A step has passed: room that was not used is gone."""
        self._spare_mwh -= (room_mw - served_mw) * s_to_h(dt_s)

    def least_mw(self, room_mw: float, dt_s: float) -> float:
        """Least deferrable power over a step; above `room_mw` when it is late already, never negative, in MW."""
        # One look-ahead of reserve: nobody looks again until then, and work must not end in the very last step.
        reserve_mwh = room_mw * s_to_h(LOOK_AHEAD_S)
        return max(0.0, room_mw - (self._spare_mwh - reserve_mwh) / s_to_h(dt_s))
