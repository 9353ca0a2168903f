"""Windows over which import is held, and the meters at which it counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import numpy as np

from vpp.ids import ConnectionId
from vpp.park import Park
from vpp.timegrid import TimeGrid, require_utc
from vpp.units import BoolArray, IntArray

__all__ = ["DURATIONS", "PARK", "Direction", "Window", "direction_of", "meters_of"]

#: Give: import at most at a level, the grid is relieved. Take: import at least at a level, the grid gets rid of a surplus.
Direction: TypeAlias = Literal["give", "take"]
#: What an operator asks about.
DURATIONS: Final = tuple(timedelta(minutes=m) for m in (15, 30, 60, 120, 240))
#: All connections to the grid together, where there is more than one.
PARK: Final = "park"
_FLOORS: Final = frozenset({"valley", "export_limit"})


@dataclass(frozen=True, slots=True)
class Window:
    """A span over which net import keeps to one side of a level.

    Args:
        direction: See `Direction`.
        start: From when. (UTC)
        end: Until when, no longer inside. (UTC)
    """

    direction: Direction
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        if require_utc(self.end, "end") <= self.start:
            raise ValueError(f"window: end {self.end} does not come after start {self.start}")

    @property
    def hours(self) -> float:
        """Its length. [h]."""
        return (self.end - self.start) / timedelta(hours=1)

    def steps(self, grid: TimeGrid) -> IntArray:
        """Intervals of a grid that it touches; one touched in part is bound as a whole."""
        edges = grid.edges
        inside = [left < self.end and right > self.start for left, right in zip(edges, edges[1:], strict=False)]
        return np.flatnonzero(np.array(inside, dtype=bool))

    def after(self, grid: TimeGrid, span: timedelta) -> BoolArray:
        """Intervals that begin within a span after its end, shape (T,)."""
        return np.array([self.end <= start < self.end + span for start in grid.starts], dtype=bool)


def direction_of(kind: str) -> Direction:
    """Which way a call of the grid asks: valley and export limit bound import from below, all others from above."""
    return "take" if kind in _FLOORS else "give"


def meters_of(park: Park) -> dict[str, tuple[ConnectionId, ...]]:
    """By name what is offered: each connection to the grid, and all of them together where there are several."""
    grid = tuple(c.id for c in park.connections if c.is_grid)
    found: dict[str, tuple[ConnectionId, ...]] = {str(c): (c,) for c in grid}
    return found if len(grid) < 2 else {**found, PARK: grid}
