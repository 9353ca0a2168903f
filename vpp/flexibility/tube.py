"""Work that can be moved in time, as a tube of cumulative energy, and how tubes are merged and split again.

Adding the edges of several tubes loses something: a sum does not know that work of one class may be released later and due sooner
than work of another. What it loses is the demand of each interval [a, b], the work that is both released and due inside it:

    must[a, b] = sum over tubes of max(0, low[b] - high[a]).

`MergedTubes` therefore keeps `must` beside the summed edges. A power profile can be shared out to the tubes if and only if it
stays under the summed upper edge (there is work to serve) and gives each interval at least its demand; earliest deadline first
does it. Only if: the work of `must[a, b]` cannot be served elsewhere. If: under the upper edge the rule always finds work for the
whole power; were a deadline b missed, let a be the last edge before b at which nothing due by b waited; from a to b only such
work was served, and it did not suffice, so the profile gave [a, b] less than `must[a, b]` (Horn 1974, "Some simple scheduling
algorithms", Naval Research Logistics Quarterly 21, for a machine whose speed changes).

This is exact as long as no tube's own power limit binds before the shared one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.errors import PlanError
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["TOLERANCE_MWH", "MergedTubes", "Tubes", "merge", "split_by_deadline"]

#: Rounding of sums of energies.
TOLERANCE_MWH = 1e-9


@dataclass(frozen=True, slots=True)
class Tubes:
    """Bounds on energy served since the grid's start, one row a job class.

    Args:
        grid: T intervals, T + 1 edges.
        low_mwh: Served at least, by each edge, or a deadline is missed; not falling, shape (tubes, T + 1). [MWh]
        high_mwh: Served at most: all that has been released; not falling, from 0, shape (tubes, T + 1). [MWh]
        max_mw: Greatest power of each tube alone, infinite if only a shared limit counts, shape (tubes,). [MW]

    Raises:
        PlanError: Shapes differ, an edge falls, or a lower edge is above the upper.
    """

    grid: TimeGrid
    low_mwh: FloatArray
    high_mwh: FloatArray
    max_mw: FloatArray

    def __post_init__(self) -> None:
        shape = (self.max_mw.shape[0], self.grid.n + 1)
        if self.low_mwh.shape != shape or self.high_mwh.shape != shape:
            raise PlanError(f"tubes: edges {self.low_mwh.shape} and {self.high_mwh.shape}, expected {shape}")
        if bool(np.any(self.high_mwh[:, 0] != 0.0)):
            raise PlanError("tubes: high_mwh must start at 0, as nothing is served before the grid starts")
        for name, edge in (("low_mwh", self.low_mwh), ("high_mwh", self.high_mwh)):
            if not bool(np.all(np.diff(edge, axis=1) >= -TOLERANCE_MWH)):
                raise PlanError(f"tubes: {name} falls; cumulative energy cannot")
        if not bool(np.all(self.low_mwh <= self.high_mwh + TOLERANCE_MWH)):
            raise PlanError("tubes: low_mwh is above high_mwh; work cannot be due before it is released")

    @classmethod
    def of_jobs(
        cls, grid: TimeGrid, energy_mwh: FloatArray, release_h: FloatArray, deadline_h: FloatArray, tube: IntArray
    ) -> Tubes:
        """Jobs gathered into classes, on the safe side of the grid: released at the next edge, due at the last one before.

        Args:
            grid: The grid of the tubes.
            energy_mwh: Work of each job, shape (jobs,). [MWh]
            release_h: When it may start, after the grid's start, shape (jobs,). [h]
            deadline_h: When it must be done; beyond the grid's end it is not due, shape (jobs,). [h]
            tube: The class of each job, from 0, shape (jobs,).

        A job whose window holds no whole interval is taken to be due at the end of the first interval it can use.
        """
        edge_h = np.append(grid.offset_h, np.sum(grid.step_h))
        first = np.searchsorted(edge_h, release_h - 1e-9, side="left")
        due = np.maximum(np.searchsorted(edge_h, deadline_h + 1e-9, side="right") - 1, first + 1)
        n_tubes = int(tube.max(initial=-1)) + 1
        low, high = np.zeros((n_tubes, grid.n + 1)), np.zeros((n_tubes, grid.n + 1))
        # Work released at an edge is served one interval later at the earliest.
        released, owed = first + 1 <= grid.n, (due <= grid.n) & (deadline_h < edge_h[-1] + 1e-9)
        np.add.at(high, (tube[released], first[released] + 1), energy_mwh[released])
        np.add.at(low, (tube[owed], due[owed]), energy_mwh[owed])
        return cls(grid, np.cumsum(low, axis=1), np.cumsum(high, axis=1), np.full(n_tubes, np.inf))


@dataclass(frozen=True, slots=True)
class MergedTubes:
    """Tubes added up by group (an area, a cluster), with the demand of each interval.

    Args:
        grid: T intervals, T + 1 edges.
        low_mwh: Shape (groups, T + 1). [MWh]
        high_mwh: Shape (groups, T + 1). [MWh]
        must_mwh: Work both released after edge a and due by edge b, shape (groups, T + 1, T + 1); 0 for b <= a. [MWh]
        max_mw: Shared limit of each group, shape (groups,). [MW]
        exact: Whether nothing was lost: no tube's own limit is below its group's, shape (groups,).
    """

    grid: TimeGrid
    low_mwh: FloatArray
    high_mwh: FloatArray
    must_mwh: FloatArray
    max_mw: FloatArray
    exact: tuple[bool, ...]

    def allows(self, group: int, power_mw: FloatArray) -> bool:
        """Whether a profile, shape (T,), can be shared out to the tubes of a group (if `exact`; else it may be too kind)."""
        if bool(np.any(power_mw < -TOLERANCE_MWH) or np.any(power_mw > self.max_mw[group] + TOLERANCE_MWH)):
            return False
        served_mwh = np.append(0.0, np.cumsum(power_mw * self.grid.step_h))
        if bool(np.any(served_mwh > self.high_mwh[group] + TOLERANCE_MWH)):
            return False
        between_mwh = served_mwh[np.newaxis, :] - served_mwh[:, np.newaxis]
        return bool(np.all(between_mwh >= np.where(self.must_mwh[group] > 0.0, self.must_mwh[group], -np.inf) - TOLERANCE_MWH))


def merge(tubes: Tubes, group: IntArray, shared_mw: FloatArray) -> MergedTubes:
    """Tubes added up by group without loss; see the head of this file.

    Args:
        tubes: The tubes.
        group: Group of each tube, from 0, shape (tubes,).
        shared_mw: Limit of each group, infinite if none, shape (groups,). [MW]
    """
    n, edges = shared_mw.shape[0], tubes.grid.n + 1
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    low, high = tubes.low_mwh[order], tubes.high_mwh[order]
    present, first = np.unique(sorted_group, return_index=True)
    low_sum, high_sum = np.zeros((n, edges)), np.zeros((n, edges))
    must = np.zeros((n, edges, edges))
    exact = np.ones(n, dtype=bool)
    if present.size:
        low_sum[present] = np.add.reduceat(low, first, axis=0)
        high_sum[present] = np.add.reduceat(high, first, axis=0)
        for a in range(edges - 1):  # over time, not over tubes
            between = np.maximum(0.0, low[:, a + 1 :] - high[:, a : a + 1])
            must[present, a, a + 1 :] = np.add.reduceat(between, first, axis=0)
        exact[present] = np.logical_and.reduceat(tubes.max_mw[order] >= shared_mw[sorted_group], first)
    return MergedTubes(tubes.grid, low_sum, high_sum, must, shared_mw, tuple(bool(e) for e in exact))


def split_by_deadline(tubes: Tubes, power_mw: FloatArray) -> FloatArray:
    """A merged profile shared out again, earliest deadline first.

    Args:
        tubes: The tubes of one group.
        power_mw: Their power together, shape (T,). [MW]

    Returns:
        Power of each tube, shape (tubes, T). [MW]

    Raises:
        PlanError: The profile asks for more work than is released, or misses a deadline.
    """
    step_h, n = tubes.grid.step_h, tubes.grid.n
    served = np.zeros(tubes.max_mw.shape[0])
    shared = np.zeros((served.shape[0], n))
    for k in range(n):
        room = np.minimum(tubes.high_mwh[:, k + 1] - served, tubes.max_mw * step_h[k])
        left, given = float(power_mw[k] * step_h[k]), np.zeros_like(served)
        for b in range(k + 1, n + 2):  # the last round is for work that is not due within the grid
            wanted = room if b > n else np.clip(tubes.low_mwh[:, b] - served, 0.0, room)
            part = _pour(np.maximum(0.0, wanted - given), left)
            given, left = given + part, left - float(np.sum(part))
            if left <= TOLERANCE_MWH:
                break
        if left > TOLERANCE_MWH:
            raise PlanError(f"interval {k}: {left} MWh more than released work and limits allow; lower the profile")
        served = served + given
        missed = tubes.low_mwh[:, k + 1] - served
        if bool(np.any(missed > TOLERANCE_MWH)):
            late = int(np.argmax(missed))
            raise PlanError(f"tube {late} is {missed[late]} MWh short at edge {k + 1}; raise the profile before it")
        shared[:, k] = given / step_h[k]
    return shared


def _pour(room: FloatArray, amount: float) -> FloatArray:
    before = np.cumsum(room) - room
    return np.clip(amount - before, 0.0, room)
