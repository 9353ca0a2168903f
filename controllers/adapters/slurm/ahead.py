"""Caps of later intervals, written into Slurm as reservations that end by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.power import full_mw, idle_mw
from controllers.adapters.following.settings import PowerModel
from controllers.adapters.slurm.settings import Ahead
from vpp.units import KW_PER_MW
from vpp.wire.messages import ShiftInterval

__all__ = ["HORIZON", "PREFIX", "Reservation", "reservations_of"]

#: Reservations farther ahead would be made anew with every plan.
HORIZON: Final = timedelta(hours=8)
#: Of the names of all reservations that are ours.
PREFIX: Final = "vpp"
_LEAST: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reservation:
    """So many licences or nodes that no job may take.

    Args:
        start: From here on.
        end: It ends by itself.
        count: Licences, in kW of the machines, or nodes.
    """

    start: datetime
    end: datetime
    count: int

    @property
    def name(self) -> str:
        """Says all of it, so that what is there can be told from what is wanted."""
        return f"{PREFIX}_{self.start:%Y%m%d%H%M}_{self.end:%Y%m%d%H%M}_{self.count}"


def reservations_of(
    intervals: Iterable[ShiftInterval], queue: Queue, model: PowerModel, ahead: Ahead, now: datetime
) -> tuple[Reservation, ...]:
    """One for each later stretch of one cap that the cluster could exceed."""
    if ahead == "off" or queue.nodes_up == 0:
        return ()
    return tuple(_merged(_single(intervals, queue, model, ahead, now)))


def _single(
    intervals: Iterable[ShiftInterval], queue: Queue, model: PowerModel, ahead: Ahead, now: datetime
) -> Iterator[Reservation]:
    full = full_mw(queue, model)
    for interval in intervals:
        if interval.start <= now + _LEAST or interval.start > now + HORIZON or interval.cap_mw >= full:
            continue
        over_kw = (full - max(interval.cap_mw, idle_mw(queue, model))) * KW_PER_MW / model.pue
        node_kw = queue.gpus / queue.nodes_up * model.gpu_kw
        count = over_kw if ahead == "licences" else over_kw / node_kw if node_kw > 0.0 else 0.0
        # Slurm counts in minutes.
        start, end = (at.replace(second=0, microsecond=0) for at in (interval.start, interval.end))
        if math.ceil(count - 1e-6) > 0 and end > start:
            yield Reservation(start, end, math.ceil(count - 1e-6))


def _merged(single: Iterable[Reservation]) -> Iterator[Reservation]:
    held: Reservation | None = None
    for one in single:
        if held is not None and held.end == one.start and held.count == one.count:
            held = Reservation(held.start, one.end, held.count)
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held
