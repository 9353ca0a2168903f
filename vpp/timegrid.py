"""Time as a row of edges: 15 minutes near and coarser far is one grid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from vpp.errors import TimeGridError
from vpp.units import FloatArray, hours

__all__ = ["TimeGrid", "require_utc"]


def require_utc(at: datetime, name: str) -> datetime:
    """The instant itself, if it is aware and UTC.

    Raises:
        TimeGridError: It is naive or in another zone.
    """
    if at.utcoffset() != timedelta(0):
        raise TimeGridError(f"{name}={at} is not UTC; convert it where it enters")
    return at


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Half-open intervals between increasing edges (UTC), each labelled by its start.

    Args:
        edges: n + 1 instants; interval i is `[edges[i], edges[i + 1])`.
    """

    edges: tuple[datetime, ...]

    def __post_init__(self) -> None:
        if len(self.edges) < 2:
            raise TimeGridError(f"a grid needs two edges or more, not {len(self.edges)}")
        for edge in self.edges:
            require_utc(edge, "edge")
        for left, right in zip(self.edges, self.edges[1:], strict=False):
            if right <= left:
                raise TimeGridError(f"edge {right} does not come after {left}; edges must increase")

    @classmethod
    def regular(cls, start: datetime, step: timedelta, n: int) -> TimeGrid:
        """`n` equal intervals from `start`.

        >>> grid = TimeGrid.regular(datetime(2030, 10, 1, tzinfo=UTC), timedelta(minutes=15), 96)
        >>> grid.n, grid.end.isoformat()
        (96, '2030-10-02T00:00:00+00:00')
        """
        if step <= timedelta(0):
            raise TimeGridError(f"step={step} is not positive")
        return cls(tuple(start + step * i for i in range(n + 1)))

    @classmethod
    def of_steps(cls, start: datetime, steps: tuple[tuple[timedelta, int], ...]) -> TimeGrid:
        """Runs of equal steps one after another, as in `((15 min, 32), (1 h, 40))`.

        >>> grid = TimeGrid.of_steps(
        ...     datetime(2030, 10, 1, tzinfo=UTC), ((timedelta(minutes=15), 4), (timedelta(hours=1), 2)))
        >>> grid.step_h.tolist()
        [0.25, 0.25, 0.25, 0.25, 1.0, 1.0]
        """
        edges = [start]
        for step, n in steps:
            for _ in range(n):
                edges.append(edges[-1] + step)
        return cls(tuple(edges))

    @property
    def n(self) -> int:
        """Number of intervals."""
        return len(self.edges) - 1

    @property
    def start(self) -> datetime:
        """First edge."""
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """Last edge, no longer inside."""
        return self.edges[-1]

    @property
    def starts(self) -> tuple[datetime, ...]:
        """The label of each interval."""
        return self.edges[:-1]

    @property
    def step_h(self) -> FloatArray:
        """Length of each interval in hours, shape (n,)."""
        return np.array([hours(b - a) for a, b in zip(self.edges, self.edges[1:], strict=False)])

    @property
    def offset_h(self) -> FloatArray:
        """Start of each interval after the grid's start in hours, shape (n,)."""
        return np.array([hours(a - self.start) for a in self.edges[:-1]])

    def index(self, at: datetime) -> int:
        """Position of the interval that holds an instant.

        Raises:
            TimeGridError: The instant is outside the grid.
        """
        require_utc(at, "at")
        if not self.start <= at < self.end:
            raise TimeGridError(f"{at} is outside [{self.start}, {self.end})")
        lo, hi = 0, self.n
        while hi - lo > 1:
            mid = (lo + hi) // 2
            lo, hi = (mid, hi) if self.edges[mid] <= at else (lo, mid)
        return lo

    def require_same(self, other: TimeGrid) -> None:
        """Nothing, if the grids are equal.

        Raises:
            TimeGridError: They are not; values are never aligned in silence.
        """
        if self.edges != other.edges:
            raise TimeGridError(
                f"grids differ: {self.n} intervals from {self.start} against {other.n} from {other.start}; resample first"
            )


def floor_to(at: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` since midnight UTC of 1970 that is not after `at`.

    >>> floor_to(datetime(2030, 10, 1, 7, 44, tzinfo=UTC), timedelta(minutes=15)).isoformat()
    '2030-10-01T07:30:00+00:00'
    """
    require_utc(at, "at")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return at - (at - epoch) % step
