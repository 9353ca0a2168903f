"""Deferrable work as a fluid, for runs of a year: classes instead of jobs, mean rates instead of starts and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sim_harness.clusters.arrivals import Arrivals
from sim_harness.clusters.fluid import FluidJobs
from sim_harness.clusters.moved import LEAST_SLACK_S, Cargo, FluidCargo
from sim_harness.clusters.work import Bucket, Due, Order, Ran
from sim_harness.plants.base import Balance
from vpp.errors import ScenarioError
from vpp.park.plates import ComputePlate
from vpp.units import SECONDS_PER_MINUTE, s_to_h

__all__ = ["RAMP_UP_FRAC_PER_MIN", "FluidWork"]

#: Deferrable work comes up no faster than this, of the rating: a cluster does not jump. Assumption.
RAMP_UP_FRAC_PER_MIN = 0.05
BUCKETS_PER_CLASS = 4


class FluidWork:
    """Work of all classes as rates: served power is work done, a cap leaves work waiting.

    Args:
        plate: Classes, rating, time between checkpoints.
        arrivals: What comes; begins at second 0.
    """

    def __init__(self, plate: ComputePlate, arrivals: Arrivals) -> None:
        self.jobs = FluidJobs(plate.job_classes)
        self.classes = self.jobs.classes
        self.waiting_mwh, self.arrived_mwh = self.jobs.waiting_mwh, self.jobs.arrived_mwh
        self.done_mwh, self.missed_mwh = self.jobs.done_mwh, self.jobs.missed_mwh
        self.delayed_mwh_h = self.jobs.delayed_mwh_h
        self._plate, self._arrivals = plate, arrivals
        self._time_s = 0.0
        self._served_mw = self._comes_mw = sum(arrivals.work_mean_mw)
        self._comes_mwh = 0.0
        self._ran = Ran(0.0, 0.0, 0.0, 0.0)

    @property
    def deadline_misses(self) -> int:
        """Cohorts of a quarter hour that were not done by their deadline."""
        return self.jobs.deadline_misses

    @property
    def held_mw(self) -> float:
        """Nothing: a fluid can be stopped at once when a cap demands it."""
        return 0.0

    @property
    def full_mw(self) -> float:
        """What was served in the last step."""
        return self._served_mw

    @property
    def can_run_capped(self) -> bool:
        """A fluid only runs more or less of its work."""
        return False

    @property
    def backlog_every_s(self) -> float:
        """Cheap to tell."""
        return SECONDS_PER_MINUTE

    def intend(self, order: Order, dt_s: float) -> Ran:
        """Work arrives; serve what is asked, up by a ramp, down as jobs reach their checkpoints."""
        dt_h = s_to_h(dt_s)
        self._receive(dt_h)
        all_mw = self.jobs.all_waiting_mwh / dt_h
        asked_mw = min(order.asked_mw, all_mw) if math.isinf(order.asked_mw) else order.asked_mw
        served_mw = min(max(self._ramped(self._served_mw, asked_mw, dt_s), order.least_mw), order.room_mw, all_mw)
        comes_mw = self._comes_mwh / dt_h
        comes_mw = min(self._ramped(self._comes_mw, comes_mw, dt_s), order.free_mw, comes_mw)
        self._ran = Ran(served_mw, served_mw, served_mw, comes_mw)
        return self._ran

    def settle(self, carried_frac: float, dt_s: float) -> Ran:
        """Do the work that the power carried."""
        served_mw, comes_mw = self._ran.power_mw * carried_frac, self._ran.comes_mw
        dt_h = s_to_h(dt_s)
        self.jobs.serve(served_mw * dt_h)
        self._comes_mwh = max(0.0, self._comes_mwh - comes_mw * dt_h)
        self._time_s += dt_s
        self.jobs.pass_time(self._time_s, dt_s)
        self._served_mw, self._comes_mw = served_mw, comes_mw
        return Ran(served_mw, served_mw, served_mw, comes_mw)

    def due(self) -> Due:
        """All waiting work by deadline."""
        return self.jobs.due()

    def buckets(self, index: int) -> tuple[Bucket, ...]:
        """A few buckets; each is due when its first cohort is: safe, and known to the planner no later than that."""
        cohorts = self.jobs.cohorts(index)
        size = max(1, math.ceil(len(cohorts) / BUCKETS_PER_CLASS))
        rows = (cohorts[i : i + size] for i in range(0, len(cohorts), size))
        return tuple(Bucket(row[0].release_s, row[0].deadline_s, sum(c.left_mwh for c in row)) for row in rows)

    @property
    def moved_mwh(self) -> list[float]:
        """Work that came from other clusters, less what went there."""
        return self.jobs.moved_mwh

    def hand_over(self, index: int, work_mwh: float, most_gpus: int) -> Cargo | None:
        """A fluid has no widths."""
        del most_gpus
        cohorts = self.jobs.hand_over(index, work_mwh, self._time_s + LEAST_SLACK_S)
        return FluidCargo(cohorts) if cohorts else None

    def take_in(self, index: int, cargo: Cargo) -> None:
        """At once: in runs of a year a step is as long as the move."""
        if not isinstance(cargo, FluidCargo):
            raise ScenarioError(["a cluster counted as a fluid takes no single jobs"])
        self.jobs.take_in(index, cargo.cohorts)

    def most_urgent(self) -> int | None:
        """The class whose work is due first."""
        return self.jobs.most_urgent()

    def counters(self) -> Mapping[str, float]:
        """Work whose deadline has passed."""
        due = {f"work_due_mwh.{c.name}": mwh for c, mwh in zip(self.classes, self.jobs.due_mwh, strict=True)}
        return {"work_due_mwh": sum(self.jobs.due_mwh), **due}

    def stocks(self) -> Mapping[str, float]:
        """None beside the work that waits."""
        return {}

    def laws(self, owner: str) -> tuple[Balance, ...]:
        """Arrived work is done or waits, per class."""
        return tuple(
            Balance(f"{owner}.work.{c.name}", self.jobs.left_over_mwh(i), self.jobs.arrived_mwh[i], "MWh")
            for i, c in enumerate(self.classes)
        )

    def _receive(self, dt_h: float) -> None:
        index = self._arrivals.index(self._time_s)
        quarter, release_s = self._arrivals.quarter(index), self._arrivals.begin_s(index)
        for c, work_mw in enumerate(quarter.work_mw):
            self.jobs.arrive(c, work_mw * dt_h, release_s)
            self._comes_mwh += work_mw * dt_h

    def _ramped(self, before_mw: float, asked_mw: float, dt_s: float) -> float:
        most_mw = before_mw + RAMP_UP_FRAC_PER_MIN * self._plate.rated_mw * dt_s / SECONDS_PER_MINUTE
        pausing = min(1.0, dt_s / self._plate.checkpoint_s) if self._plate.checkpoint_s > 0.0 else 1.0
        return min(max(asked_mw, before_mw * (1.0 - pausing)), most_mw)
