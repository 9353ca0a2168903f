"""What of the work that a signal places elsewhere has gone, and what is still to go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from msgspec import structs

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Placed
from controllers.adapters.following.power import job_mw
from controllers.adapters.following.settings import PowerModel
from vpp.units import s_to_h
from vpp.wire.messages import ComputeShift, Placement

__all__ = ["Sending"]


@dataclass(slots=True)
class Sending:
    """Placements of one revision of the signal; the next revision says anew what is to go.

    A job that waits here counts as not sent, whether the word about it was lost or it has come back: it is tried again.
    """

    revision: int = 0
    #: By job that was sent for this revision: its placement's peer and class, and its energy. [MWh]
    _gone: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    def next_jobs(
        self,
        shift: ComputeShift,
        queue: Queue,
        now: datetime,
        choose: Callable[[Sequence[Placement], Queue], tuple[Placed, ...]],
        power: PowerModel,
    ) -> tuple[Placed, ...]:
        """Jobs to send now; they count as sent from here on.

        Args:
            shift: The signal.
            queue: Of this cluster.
            now: Placements that have run out by then are left alone.
            choose: The scheduler's own choice of jobs for placements.
            power: What jobs draw.
        """
        if shift.revision != self.revision:
            self.revision, self._gone = shift.revision, {}
        here = {job.job_id: job for job in queue.jobs}
        self._gone = {job_id: row for job_id, row in self._gone.items() if job_id not in here}
        found: list[Placed] = []
        for one in shift.placements:
            left_mwh = one.energy_mwh - self._sent_mwh(one)
            if one.direction != "send" or one.until <= now or left_mwh <= 0.0:
                continue
            rest = replace(queue, jobs=tuple(job for job in queue.jobs if job.job_id not in self._gone))
            for placed in choose((structs.replace(one, energy_mwh=left_mwh),), rest):
                job = here[placed.job_id]
                self._gone[placed.job_id] = one.peer, one.job_class, job_mw(job, power) * s_to_h(job.left_s)
                found.append(placed)
        return tuple(found)

    def _sent_mwh(self, one: Placement) -> float:
        return sum(mwh for peer, job_class, mwh in self._gone.values() if (peer, job_class) == (one.peer, one.job_class))
