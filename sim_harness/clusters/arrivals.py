"""Work as users send it: a day and a week in it, and bursts; drawn by quarter hour, the same for every policy.

The shapes are assumptions in the manner of published cluster traces (work by day, less at weekends, heavy-tailed bursts that
last for an hour or so); their mean is what the plate says. With the public job trace at hand, deferrable work comes in the hours
of the trace instead (`TraceHours`), still at the plate's mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from vpp.park.plates import ComputePlate
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray, h_to_s

__all__ = ["QUARTER_S", "Arrivals", "Quarter", "TraceHours", "week_shape"]

#: Users live by this clock.
PARK_ZONE: Final = ZoneInfo("Asia/Shanghai")
QUARTER_S: Final = 900.0
_QUARTERS_PER_DAY: Final = int(h_to_s(HOURS_PER_DAY) / QUARTER_S)
_DAYS_PER_WEEK: Final = 7
_SATURDAY: Final = 5
_DRAWN_AT_ONCE: Final = _QUARTERS_PER_DAY

#: Swing of the day and level of weekends, for work that waits and for work that answers somebody.
WORK_SWING_FRAC: Final = 0.45
WORK_WEEKEND_FRAC: Final = 0.75
FIRM_SWING_FRAC: Final = 0.2
FIRM_WEEKEND_FRAC: Final = 0.95
#: Bursts: spread of the logarithm, and what is left of it a quarter later.
WORK_SIGMA: Final = 0.35
FIRM_SIGMA: Final = 0.03
MEMORY_FRAC: Final = 0.8
_PEAK_HOUR: Final = 15.0


@dataclass(frozen=True, slots=True)
class Quarter:
    """What one quarter hour brings.

    Args:
        firm_mw: Work that does not wait, above idle, at the meter at the plate's PUE. [MW]
        work_mw: Deferrable work of each class released per hour. [MW]
    """

    firm_mw: float
    work_mw: tuple[float, ...]


def week_shape(swing_frac: float, weekend_frac: float) -> FloatArray:
    """Weights of a week's quarter hours from Monday 0:00 park time, mean 1, shape (672,)."""
    hour = np.arange(_QUARTERS_PER_DAY) * HOURS_PER_DAY / _QUARTERS_PER_DAY
    day = 1.0 + swing_frac * np.cos((hour - _PEAK_HOUR) / HOURS_PER_DAY * 2.0 * math.pi)
    levels = np.where(np.arange(_DAYS_PER_WEEK) < _SATURDAY, 1.0, weekend_frac)
    week: FloatArray = np.outer(levels, day).ravel()
    week /= week.mean()
    return week


@dataclass(frozen=True, slots=True)
class TraceHours:
    """How many jobs each hour of the public trace brought, against its mean.

    Args:
        share: By day and hour of the day in park time, mean 1, shape (days, 24).
        tenants: So many clusters of the trace's size send their work here, each with days of its own.
    """

    share: FloatArray
    tenants: int

    def shape(self, quarter: IntArray, offset: IntArray) -> FloatArray:
        """Weights of quarter hours for each class, shape (quarters, classes).

        Args:
            quarter: Counted from a Monday 0:00 in park time.
            offset: First day of each tenant of each class, shape (classes, tenants).
        """
        day, hour = quarter // _QUARTERS_PER_DAY, quarter % _QUARTERS_PER_DAY * int(HOURS_PER_DAY) // _QUARTERS_PER_DAY
        rows = (day[:, np.newaxis, np.newaxis] + offset) % self.share.shape[0]
        weights: FloatArray = self.share[rows, hour[:, np.newaxis, np.newaxis]].mean(axis=2)
        return weights


class Arrivals:
    """The stream of work of one cluster; quarters can be asked for again, and ahead.

    Idle power comes off the mean use first; of the rest, the plate's share may wait.

    Args:
        plate: What is written on the cluster.
        start: Beginning of the run (UTC); quarter 0 holds it.
        rng: Its own stream.
        hours: When jobs come, from the trace; None for the shape of a week with bursts.
        steady: Firm work is the same all the time, as in a test bed; else it has a day, a week and some noise.
    """

    def __init__(
        self,
        plate: ComputePlate,
        start: datetime,
        rng: np.random.Generator,
        hours: TraceHours | None = None,
        *,
        steady: bool = False,
    ) -> None:
        busy_mw = max(0.0, (plate.mean_use_frac - plate.idle_frac) * plate.rated_mw)
        self.firm_mean_mw = busy_mw * (1.0 - plate.deferrable_frac)
        share = [job_class.share_frac for job_class in plate.job_classes]
        self.work_mean_mw = tuple(busy_mw * plate.deferrable_frac * s / (sum(share) or 1.0) for s in share)
        local = start.astimezone(PARK_ZONE)
        in_day_s = (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        self._first = local.weekday() * _QUARTERS_PER_DAY + int(in_day_s // QUARTER_S)
        self._into_s = in_day_s % QUARTER_S
        self._rng = rng
        self._firm_shape = week_shape(0.0, 1.0) if steady else week_shape(FIRM_SWING_FRAC, FIRM_WEEKEND_FRAC)
        self._firm_sigma = 0.0 if steady else FIRM_SIGMA
        self._work_shape = week_shape(WORK_SWING_FRAC, WORK_WEEKEND_FRAC)
        self._expected_firm_mw: list[float] = (self.firm_mean_mw * self._firm_shape).tolist()
        #: Most firm work that the week's shape brings. [MW]
        self.firm_peak_mw = max(self._expected_firm_mw)
        self._state = rng.standard_normal(1 + len(share))
        self._rows: list[Quarter] = []
        self._hours = hours
        days = 1 if hours is None else hours.share.shape[0]
        #: Each class is sent by users of its own: as many clusters of the trace's size as fit into this one.
        self._tenants = rng.integers(0, days, (len(share), 1 if hours is None else hours.tenants))

    def index(self, time_s: float) -> int:
        """Number of the quarter that holds a second of the run."""
        return int((time_s + self._into_s + 1e-6) // QUARTER_S)

    def begin_s(self, index: int) -> float:
        """Second of the run at which a quarter begins; the first may have begun before it."""
        return index * QUARTER_S - self._into_s

    def quarter(self, index: int) -> Quarter:
        """What a quarter brings, drawn if it has not been yet."""
        while index >= len(self._rows):
            self._draw()
        return self._rows[index]

    def expected_firm_mw(self, time_s: float) -> float:
        """Firm work that the week's shape lets expect at a second of the run, in MW."""
        return self._expected_firm_mw[(self._first + self.index(time_s)) % len(self._expected_firm_mw)]

    def _draw(self) -> None:
        n, noise = _DRAWN_AT_ONCE, math.sqrt(1.0 - MEMORY_FRAC**2)
        shocks = self._rng.standard_normal((n, self._state.size)) * noise
        walk = np.empty_like(shocks)
        for i in range(n):
            self._state = MEMORY_FRAC * self._state + shocks[i]
            walk[i] = self._state
        at = (self._first + len(self._rows) + np.arange(n)) % self._firm_shape.size
        firm = self.firm_mean_mw * self._firm_shape[at] * np.exp(self._firm_sigma * walk[:, 0] - self._firm_sigma**2 / 2.0)
        if self._hours is None:
            burst = np.exp(WORK_SIGMA * walk[:, 1:] - WORK_SIGMA**2 / 2.0)
            shape = self._work_shape[at, np.newaxis] * burst
        else:
            shape = self._hours.shape(self._first + len(self._rows) + np.arange(n), self._tenants)
        work = np.array(self.work_mean_mw) * shape
        self._rows += [Quarter(f, tuple(w)) for f, w in zip(firm.tolist(), work.tolist(), strict=True)]
