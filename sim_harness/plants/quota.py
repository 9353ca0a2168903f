"""A day's quota (日定额): what a works owes its customers each park day, what it made, and what was never made."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from vpp.units import s_to_h

__all__ = ["QuotaBook"]


class QuotaBook:
    """Counts production against an even quota; what a day lacks at midnight is lost, what it has too much is not carried on.

    Args:
        mean_mw: Quota as mean effective power. [MW]
        start: First instant (UTC); the first day owes its share from then on.
        zone: Park time, whose midnight ends a day.
    """

    def __init__(self, mean_mw: float, start: datetime, zone: ZoneInfo) -> None:
        self._mean_mw, self._zone = mean_mw, zone
        self._day_end = _midnight_after(start, zone)
        self._day_left_s = (self._day_end - start).total_seconds()
        self._day_quota_mwh = mean_mw * s_to_h(self._day_left_s)
        self._due_mwh = self._made_mwh = 0.0
        self.quota_mwh = self.delivered_mwh = self.undelivered_mwh = self.surplus_mwh = 0.0

    @property
    def owed_mwh(self) -> float:
        """What an even pace would have made today by now, less what was made; negative when ahead."""
        return self._due_mwh - self._made_mwh

    @property
    def left_mwh(self) -> float:
        """What today's quota still asks for."""
        return max(0.0, self._day_quota_mwh - self._made_mwh)

    def pace_mw(self) -> float:
        """Mean effective power that still makes today's quota."""
        return self.left_mwh / s_to_h(self._day_left_s) if self._day_left_s > 0.0 else self._mean_mw

    def book(self, made_mwh: float, dt_s: float) -> None:
        """A step's effective production, negative where a product was spoilt again; a step never crosses midnight."""
        self._made_mwh += made_mwh
        self._due_mwh += self._mean_mw * s_to_h(dt_s)
        self._day_left_s -= dt_s
        if self._day_left_s <= 1e-6:
            self._close()

    def totals(self) -> dict[str, float]:
        """Of days that are over, and today's part: the quota so far, what counts as delivered, what was never made."""
        return {
            "quota_mwh": self.quota_mwh + self._due_mwh,
            "delivered_mwh": self.delivered_mwh + self._made_mwh,
            "undelivered_mwh": self.undelivered_mwh,
        }

    @property
    def residual_mwh(self) -> float:
        """Zero: of closed days, the quota is delivered or not, and surplus is told apart."""
        return self.quota_mwh - self.delivered_mwh - self.undelivered_mwh + self.surplus_mwh

    def _close(self) -> None:
        self.quota_mwh += self._due_mwh
        self.delivered_mwh += self._made_mwh
        self.undelivered_mwh += max(0.0, self._due_mwh - self._made_mwh)
        self.surplus_mwh += max(0.0, self._made_mwh - self._due_mwh)
        self._due_mwh = self._made_mwh = 0.0
        start, self._day_end = self._day_end, _midnight_after(self._day_end, self._zone)
        self._day_left_s = (self._day_end - start).total_seconds()
        self._day_quota_mwh = self._mean_mw * s_to_h(self._day_left_s)


def _midnight_after(at: datetime, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return midnight.astimezone(at.tzinfo)
