"""When which fault is: written ones where they stand, drawn ones by seed, before the run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sim_harness.faults.entry import KINDS, FaultEntry, targets_of
from sim_harness.plants.drift import seeded
from vpp.park import Park
from vpp.units import HOURS_PER_DAY

__all__ = ["Window", "schedule_of"]

#: A fault shorter than a control period might never be seen by anybody.
_SHORTEST_H = 1.0 / 360.0


@dataclass(frozen=True, slots=True)
class Window:
    """One fault from its beginning to its end.

    Args:
        number: Its own among all of a run; its luck is drawn under it.
        kind: See `sim_harness.faults.entry.KINDS`.
        start: First instant (UTC).
        end: First instant after it (UTC).
        target: Id of an asset or connection, or a topic filter; empty for all there are.
        entry: How strong.
    """

    number: int
    kind: str
    start: datetime
    end: datetime
    target: str
    entry: FaultEntry

    def holds(self, at: datetime) -> bool:
        """Whether it is on."""
        return self.start <= at < self.end


def schedule_of(entries: Sequence[FaultEntry], park: Park, seed: int, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Every fault of a run, in the order of the file and then of time; the same for the same seed.

    Args:
        entries: As the scenario has them.
        park: Where drawn faults find their place.
        seed: Of the run.
        start: Of the run (UTC).
        end: Of the run (UTC); faults that would begin later are left out.
    """
    windows: list[Window] = []
    for i, entry in enumerate(entries):
        random = seeded(seed, f"faults.{i}.{entry.kind}")
        for start_h, duration_h, target in _times(entry, park, random, (end - start) / timedelta(hours=1)):
            begins = start + timedelta(hours=start_h)
            if begins < end:
                over = begins + timedelta(hours=duration_h)
                windows.append(Window(len(windows), entry.kind, begins, over, target, entry))
    return tuple(windows)


def _times(entry: FaultEntry, park: Park, random: np.random.Generator, length_h: float) -> Iterator[tuple[float, float, str]]:
    """Beginning, length and place of each fault of an entry."""
    named = entry.asset or entry.connection or entry.topic or ""
    duration_h = entry.duration_h if entry.duration_h is not None else KINDS[entry.kind].duration_h
    if entry.rate_per_day is None:
        yield entry.start_h or 0.0, duration_h, named
        return
    places = targets_of(entry.kind, park)
    at_h = float(random.exponential(HOURS_PER_DAY / entry.rate_per_day))
    while at_h < length_h:
        lasts_h = max(_SHORTEST_H, float(random.exponential(duration_h)))
        place = named or (places[int(random.integers(len(places)))] if places else "")
        yield at_h, lasts_h, place
        at_h += float(random.exponential(HOURS_PER_DAY / entry.rate_per_day))
