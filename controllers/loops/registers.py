"""The month's highest import so far, metered in quarters of an hour as the tariff does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from vpp.ids import ConnectionId
from vpp.timegrid import floor_to

__all__ = ["PeakFacts", "PeakMeter"]

_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PeakFacts:
    """A meter's state.

    Args:
        month: Year and month in park time; None before the first reading.
        peak_mw: Highest closed quarter of the month, by connection.
        running: Start, sum and count of each quarter that is not closed.
    """

    month: tuple[int, int] | None
    peak_mw: dict[ConnectionId, float]
    running: dict[ConnectionId, tuple[datetime, float, int]]


@dataclass(slots=True)
class PeakMeter:
    """Means of the running quarter and the highest of the month, by connection.

    Args:
        zone: Park time, in which months begin.
    """

    zone: ZoneInfo
    _quarter: dict[ConnectionId, datetime] = field(default_factory=dict)
    _sum: dict[ConnectionId, tuple[float, int]] = field(default_factory=dict)
    _peak: dict[ConnectionId, float] = field(default_factory=dict)
    _month: tuple[int, int] | None = None

    def record(self, at: datetime, connection: ConnectionId, import_mw: float) -> None:
        """Books one reading; readings of a quarter count alike."""
        quarter = floor_to(at, _QUARTER)
        local = quarter.astimezone(self.zone)
        if self._month != (local.year, local.month):
            self._month = (local.year, local.month)
            # Quarters still open at any connection belong to the month that has ended.
            for kept in (self._peak, self._sum, self._quarter):
                kept.clear()
        if self._quarter.get(connection, quarter) != quarter:
            self._close(connection)
        self._quarter[connection] = quarter
        total, n = self._sum.get(connection, (0.0, 0))
        self._sum[connection] = (total + max(import_mw, 0.0), n + 1)

    def peaks_mw(self) -> dict[ConnectionId, float]:
        """Highest closed quarter of the month, by connection; a connection without one is not here."""
        return dict(self._peak)

    def facts(self) -> PeakFacts:
        """All that is needed to go on after a restart."""
        running = {c: (self._quarter[c], *self._sum[c]) for c in self._quarter if c in self._sum}
        return PeakFacts(self._month, dict(self._peak), running)

    def restore(self, facts: PeakFacts) -> None:
        """Goes on where another one stopped; what was metered between is not there."""
        self._month = facts.month
        self._peak.update(facts.peak_mw)
        for connection, (quarter, total, n) in facts.running.items():
            self._quarter[connection], self._sum[connection] = quarter, (total, n)

    def _close(self, connection: ConnectionId) -> None:
        total, n = self._sum.pop(connection, (0.0, 0))
        if n:
            self._peak[connection] = max(self._peak.get(connection, 0.0), total / n)
