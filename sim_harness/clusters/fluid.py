"""Jobs as a fluid: per class a row of cohorts, each with a release, a deadline and work left; the earliest deadline runs first.

Work is counted in MWh at the cluster's meter at the plate's PUE. Slack is the same for a whole class, so a class is served in the
order of arrival; between classes the deadlines decide. Work that missed its deadline is counted once and still gets done.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.clusters.work import Due
from vpp.park.plates import JobClass
from vpp.units import h_to_s, s_to_h

__all__ = ["Cohort", "Due", "FluidJobs"]

_NOTHING_MWH: Final = 1e-12


@dataclass(slots=True)
class Cohort:
    """Work of one class that arrived within one quarter hour.

    Args:
        release_s: Second of the run at which its quarter began.
        deadline_s: Second of the run by which it is due.
        left_mwh: What of it is not done. [MWh]
    """

    release_s: float
    deadline_s: float
    left_mwh: float


class FluidJobs:
    """Work of all classes that has been released.

    Args:
        classes: Their names and slacks.
    """

    def __init__(self, classes: Sequence[JobClass]) -> None:
        self.classes = tuple(classes)
        n = len(self.classes)
        self._slack_s = [h_to_s(job_class.slack_h) for job_class in classes]
        self._cohorts: tuple[deque[Cohort], ...] = tuple(deque() for _ in classes)
        self._late = [0] * n
        self.waiting_mwh = [0.0] * n
        self.arrived_mwh, self.done_mwh, self.missed_mwh = [0.0] * n, [0.0] * n, [0.0] * n
        self.delayed_mwh_h = [0.0] * n
        #: Work that came from other clusters, less what went there.
        self.moved_mwh = [0.0] * n
        #: Work whose deadline has passed, done or not.
        self.due_mwh = [0.0] * n
        self._falls_due: tuple[deque[tuple[float, float]], ...] = tuple(deque() for _ in classes)
        #: Cohorts that were not done by their deadline.
        self.deadline_misses = 0

    @property
    def all_waiting_mwh(self) -> float:
        """Work of all classes that waits, in MWh."""
        return sum(self.waiting_mwh)

    def cohorts(self, index: int) -> tuple[Cohort, ...]:
        """The cohorts of a class, oldest first."""
        return tuple(self._cohorts[index])

    def arrive(self, index: int, work_mwh: float, release_s: float) -> None:
        """Release work of a class; what comes within one quarter is one cohort."""
        if work_mwh <= 0.0:
            return
        row = self._cohorts[index]
        if row and row[-1].release_s == release_s:
            row[-1].left_mwh += work_mwh
        else:
            row.append(Cohort(release_s, release_s + self._slack_s[index], work_mwh))
        self.arrived_mwh[index] += work_mwh
        self.waiting_mwh[index] += work_mwh
        self._falls_due[index].append((release_s + self._slack_s[index], work_mwh))

    def serve(self, work_mwh: float) -> None:
        """Do work, the earliest deadline first; more than there is waits for nobody."""
        while work_mwh > 0.0:
            index = self._most_urgent()
            if index is None:
                return
            row = self._cohorts[index]
            head = row[0]
            # A crumb below rounding goes with the last of its cohort, so that cohorts end.
            if head.left_mwh <= work_mwh + _NOTHING_MWH:
                taken = head.left_mwh
                row.popleft()
                self._late[index] = max(0, self._late[index] - 1)
            else:
                taken = work_mwh
                head.left_mwh -= taken
            work_mwh -= taken
            self.done_mwh[index] += taken
            self.waiting_mwh[index] = self.waiting_mwh[index] - taken if row else 0.0

    def pass_time(self, end_s: float, dt_s: float) -> None:
        """Count what waited over the step, and what was due by its end and is not done."""
        dt_h = s_to_h(dt_s)
        for index, row in enumerate(self._cohorts):
            self.delayed_mwh_h[index] += self.waiting_mwh[index] * dt_h
            late = self._late[index]
            while late < len(row) and row[late].deadline_s <= end_s:
                self.missed_mwh[index] += row[late].left_mwh
                self.deadline_misses += 1
                late += 1
            self._late[index] = late
            falls_due = self._falls_due[index]
            while falls_due and falls_due[0][0] <= end_s:
                self.due_mwh[index] += falls_due.popleft()[1]

    def due(self) -> Due:
        """All waiting work by deadline."""
        cohorts = [cohort for row in self._cohorts for cohort in row]
        deadline_s = np.array([cohort.deadline_s for cohort in cohorts])
        order = np.argsort(deadline_s, kind="stable")
        left_mwh = np.array([cohort.left_mwh for cohort in cohorts])
        return Due(deadline_s[order], np.cumsum(left_mwh[order]))

    def most_urgent(self) -> int | None:
        """The class whose work is due first; None when nothing waits."""
        return self._most_urgent()

    def left_over_mwh(self, index: int) -> float:
        """Zero: arrived work of a class is done or waits in a cohort."""
        waiting_mwh = math.fsum(cohort.left_mwh for cohort in self._cohorts[index])
        return self.arrived_mwh[index] + self.moved_mwh[index] - self.done_mwh[index] - waiting_mwh

    def hand_over(self, index: int, work_mwh: float, before_s: float) -> tuple[tuple[float, float, float], ...]:
        """Takes work out, the latest deadline first, none that is due before a second; `(release_s, deadline_s, work_mwh)`."""
        row, gone = self._cohorts[index], []
        while row and work_mwh > _NOTHING_MWH and row[-1].deadline_s >= before_s:
            last = row[-1]
            taken = min(last.left_mwh, work_mwh)
            gone.append((last.release_s, last.deadline_s, taken))
            last.left_mwh -= taken
            work_mwh -= taken
            if last.left_mwh <= _NOTHING_MWH:
                row.pop()
        total = math.fsum(mwh for _, _, mwh in gone)
        self.moved_mwh[index] -= total
        self.waiting_mwh[index] = self.waiting_mwh[index] - total if row else 0.0
        return tuple(gone)

    def take_in(self, index: int, cohorts: Sequence[tuple[float, float, float]]) -> None:
        """Puts work in among its own, by deadline."""
        late = list(self._cohorts[index])[: self._late[index]]
        rest = [*list(self._cohorts[index])[self._late[index] :], *(Cohort(*cohort) for cohort in cohorts)]
        self._cohorts[index].clear()
        self._cohorts[index].extend([*late, *sorted(rest, key=lambda cohort: cohort.deadline_s)])
        total = math.fsum(mwh for _, _, mwh in cohorts)
        self.moved_mwh[index] += total
        self.waiting_mwh[index] += total

    def _most_urgent(self) -> int | None:
        best, earliest_s = None, math.inf
        for index, row in enumerate(self._cohorts):
            if row and row[0].deadline_s < earliest_s:
                best, earliest_s = index, row[0].deadline_s
        return best
