"""Work that goes from one cluster's queue to another's, as the signals of both ask; the schedulers choose what goes.

The move takes until the end of the quarter hour at most: data and checkpoints go over the park's own network, and only work that
stands still goes. Both are assumptions. What goes keeps its deadline, and a paused job the time to load its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from sim_harness.clusters.job_stream import NewJobs
from vpp.ids import AssetId
from vpp.units import SECONDS_PER_HOUR
from vpp.wire.messages import ComputeShift, Placement

__all__ = ["LEAST_SLACK_S", "Cargo", "Exchange", "FluidCargo", "JobCargo"]

#: What could be late because of the move stays.
LEAST_SLACK_S: Final = SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class JobCargo:
    """Jobs with their widths, what they need, and deadlines; the class is the target's to number."""

    jobs: NewJobs


@dataclass(frozen=True, slots=True)
class FluidCargo:
    """Cohorts as `(release_s, deadline_s, work_mwh)`."""

    cohorts: tuple[tuple[float, float, float], ...]


Cargo = JobCargo | FluidCargo


class Partner(Protocol):
    """One cluster, as its peers see it."""

    @property
    def asset_id(self) -> AssetId:
        """Its id."""
        ...

    @property
    def shift(self) -> ComputeShift | None:
        """The signal that it follows."""
        ...

    @property
    def widest_gpus(self) -> int:
        """No job that comes may be wider."""
        ...

    def hand_over(self, job_class: str, energy_mwh: float, most_gpus: int) -> Cargo | None:
        """Takes work out of the queue, up to so much; None where there is nothing that may go."""
        ...

    def take_in(self, job_class: str, cargo: Cargo) -> None:
        """Puts it into the queue."""
        ...


@dataclass(slots=True)
class Exchange:
    """All clusters of a park, which trust each other with work.

    Args:
        partners: The clusters.
    """

    partners: Sequence[Partner]
    _done: dict[AssetId, tuple[int, int]] = field(default_factory=dict)

    def carry(self, at: datetime) -> None:
        """Does what new signals ask for, each placement once, where sender and taker are told the same."""
        known = {partner.asset_id: partner for partner in self.partners}
        for sender in self.partners:
            shift = sender.shift
            if shift is None or self._done.get(sender.asset_id) == shift.order:
                continue
            asked = [p for p in shift.placements if p.direction == "send" and at < p.until]
            # The taker's signal comes a moment later on the wire.
            if any(not _is_told(known.get(AssetId(p.peer)), sender.asset_id, p) for p in asked):
                continue
            self._done[sender.asset_id] = shift.order
            for place in asked:
                taker = known[AssetId(place.peer)]
                cargo = sender.hand_over(place.job_class, place.energy_mwh, taker.widest_gpus)
                if cargo is not None:
                    taker.take_in(place.job_class, cargo)


def _is_told(taker: Partner | None, sender: AssetId, place: Placement) -> bool:
    if taker is None or taker.shift is None:
        return False
    return any(
        p.direction == "take" and (p.peer, p.job_class, p.energy_mwh) == (sender, place.job_class, place.energy_mwh)
        for p in taker.shift.placements
    )
