"""What a cluster asks of its deferrable work, whether it is counted job by job or as a fluid.

All power and work are at the meter at the plate's PUE. A step has two halves, as everywhere in the world: `intend` decides and
says what would be drawn, `settle` books it; only a blackout lies between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim_harness.clusters.moved import Cargo
from sim_harness.plants.base import Balance
from vpp.park.plates import JobClass
from vpp.units import FloatArray

__all__ = ["Bucket", "Due", "Order", "Ran", "Work"]


@dataclass(frozen=True, slots=True)
class Due:
    """All work that is left, by the time it has to be done: `work_mwh[i]` by `deadline_s[i]` in all, rising, shape (n,)."""

    deadline_s: FloatArray
    work_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class Bucket:
    """Work of one class, as the backlog tells it.

    Args:
        release_s: Second of the run at which its oldest part was released.
        deadline_s: Second by which all of it is due.
        left_mwh: What of it is not done. [MWh]
        max_mw: Most that its jobs can draw at once; infinite where nobody knows. [MW]
    """

    release_s: float
    deadline_s: float
    left_mwh: float
    max_mw: float = math.inf


@dataclass(frozen=True, slots=True)
class Order:
    """What the scheduler has decided for one step.

    Args:
        room_mw: Most that deferrable work may draw. [MW]
        asked_mw: What it should draw if there is enough of it; infinite to run as it comes. [MW]
        least_mw: What it must draw lest deadlines be missed. [MW]
        free_mw: What the machines could carry beside firm work without any cap. [MW]
        firm_mw: Firm work, and the most of it expected within the next half hour: its accelerators are its own. [MW]
        capped_mw: What jobs may draw without a cap that are to run under one all the same, together; 0 where jobs that do not fit
            into the room pause instead. [MW]
    """

    room_mw: float
    asked_mw: float
    least_mw: float
    free_mw: float
    firm_mw: float
    capped_mw: float = 0.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What comes of it.

    Args:
        power_mw: Mean draw over the step. [MW]
        work_mw: Work done per hour. [MW]
        full_mw: What the same jobs would have drawn without a cap. [MW]
        comes_mw: What work as it comes would have drawn. [MW]
    """

    power_mw: float
    work_mw: float
    full_mw: float
    comes_mw: float


class Work(Protocol):
    """Deferrable work of one cluster: a queue of jobs, or a fluid."""

    @property
    def classes(self) -> Sequence[JobClass]:
        """Their names and slacks."""
        ...

    @property
    def waiting_mwh(self) -> Sequence[float]:
        """Work left of each class, running work included. [MWh]."""
        ...

    @property
    def arrived_mwh(self) -> Sequence[float]:
        """Work released of each class. [MWh]."""
        ...

    @property
    def done_mwh(self) -> Sequence[float]:
        """Work done and kept of each class. [MWh]."""
        ...

    @property
    def missed_mwh(self) -> Sequence[float]:
        """Work of each class that was left when its deadline passed. [MWh]."""
        ...

    @property
    def delayed_mwh_h(self) -> Sequence[float]:
        """Work of each class that stood still, times how long. [MWh h]."""
        ...

    @property
    def deadline_misses(self) -> int:
        """Jobs, or cohorts of a fluid, that were not done by their deadline."""
        ...

    @property
    def held_mw(self) -> float:
        """What running jobs draw at least for the next seconds, at the lowest power cap. [MW]."""
        ...

    @property
    def full_mw(self) -> float:
        """What running jobs draw without a power cap. [MW]."""
        ...

    @property
    def can_run_capped(self) -> bool:
        """Whether power caps slow down jobs by the measured curve; a fluid only runs more or less of them."""
        ...

    @property
    def backlog_every_s(self) -> float:
        """How often the backlog is worth telling."""
        ...

    def intend(self, order: Order, dt_s: float) -> Ran:
        """Decide for a step, and say what it would draw."""
        ...

    def settle(self, carried_frac: float, dt_s: float) -> Ran:
        """The step has passed; below 1, only so much of the power was there. What was really done."""
        ...

    def due(self) -> Due:
        """What has to be done by when."""
        ...

    @property
    def moved_mwh(self) -> Sequence[float]:
        """Work of each class that came from other clusters, less what went there. [MWh]."""
        ...

    def hand_over(self, index: int, work_mwh: float, most_gpus: int) -> Cargo | None:
        """Work of a class leaves the queue, that with the most time first: up to so much, and only what stands still."""
        ...

    def take_in(self, index: int, cargo: Cargo) -> None:
        """Work comes from another cluster."""
        ...

    def buckets(self, index: int) -> tuple[Bucket, ...]:
        """All work of a class that is left."""
        ...

    def most_urgent(self) -> int | None:
        """The class whose work is due first; None when nothing is left."""
        ...

    def counters(self) -> Mapping[str, float]:
        """Further counters, by name with unit."""
        ...

    def stocks(self) -> Mapping[str, float]:
        """Further stocks, by name with unit."""
        ...

    def laws(self, owner: str) -> tuple[Balance, ...]:
        """Its conservation laws."""
        ...
