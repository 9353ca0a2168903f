"""What loads with a band and a daily quota share: approach, excursions below the band that must end in time, and the quota.

Each kind adds what the power makes (`_process`): how much of it counts as product, and what it does to the machines.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.glide import glide, ramp_mw_per_s
from sim_harness.plants.quota import QuotaBook
from sim_harness.plants.station import Station
from vpp.park.schema import Asset
from vpp.units import s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["Band", "BandStation"]

_EPS_MW: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Band:
    """Limits that the works' own control keeps.

    Args:
        low_mw: Least power of ordinary running. [MW]
        high_mw: Most. [MW]
        floor_mw: Least power of an excursion below the band. [MW]
        quota_mw: Mean power the quota asks for, what it runs at when nobody commands it. [MW]
        excursion_s: Longest time below the band in one piece. [s]
        recovery_s: Time inside the band before the next one. [s]
        ramp_mw_per_s: Fastest change. [MW/s]
    """

    low_mw: float
    high_mw: float
    floor_mw: float
    quota_mw: float
    excursion_s: float
    recovery_s: float
    ramp_mw_per_s: float


class BandStation(Station):
    """A works that runs anywhere in its band.

    Without any command it runs at its quota's power and makes up within the day what it is behind. A `Target` is held, a `Limit`
    caps what it does by itself. Below the band it comes back on its own before its time there is up.

    Args:
        asset: What stands here.
        band: Its limits.
        start: First instant (UTC).
        zone: Park time, whose midnight ends a quota day.
    """

    def __init__(self, asset: Asset, band: Band, start: datetime, zone: ZoneInfo) -> None:
        first_mw = min(max(band.quota_mw, band.low_mw), band.high_mw)
        super().__init__(asset, start, first_mw)
        self._band = band
        self._quota = QuotaBook(band.quota_mw, start, zone)
        self._end_mw = self._next_mw = self._intended_mw = first_mw
        self._setpoint: Target | Limit | None = None
        self._rate_mw_per_s = band.ramp_mw_per_s
        self._below_s, self._rest_s = 0.0, 0.0
        self._energy_mwh = self._unserved_mwh = self._below_band_s = self._below_band_mwh = 0.0
        self._excursions = 0

    def intend(self, ambient: Ambient) -> Intent:
        """On its way to what is wanted; nothing in the area's frequency pushes it."""
        band, dt_s = self._band, ambient.dt_s
        wanted_mw = self._wanted_mw()
        rate = self._rate_mw_per_s
        if wanted_mw < band.low_mw and not self._may_be_below(dt_s):
            wanted_mw, rate = band.low_mw, band.ramp_mw_per_s
        self._next_mw, mean_mw = glide(self._end_mw, min(wanted_mw, band.high_mw), rate, dt_s)
        self._intended_mw = mean_mw
        return Intent(mean_mw, mean_mw, mean_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Make what the power makes; a blackout takes it below every limit."""
        band, dt_s = self._band, ambient.dt_s
        dt_h = s_to_h(dt_s)
        if power_mw < self._intended_mw - _EPS_MW:
            self._unserved_mwh += (self._intended_mw - power_mw) * dt_h
            self._next_mw = power_mw
        self._end_mw = self._next_mw
        if power_mw < band.low_mw - _EPS_MW:
            self._excursions += self._below_s == 0.0
            self._below_s += dt_s
            self._rest_s = band.recovery_s
            self._below_band_s += dt_s
            self._below_band_mwh += (band.low_mw - power_mw) * dt_h
        elif self._rest_s > 0.0 or self._below_s > 0.0:
            self._below_s, self._rest_s = 0.0, max(0.0, self._rest_s - dt_s)
        self._energy_mwh += power_mw * dt_h
        self._quota.book(self._process(power_mw, ambient), dt_s)
        self._metered(power_mw, ambient)

    @abstractmethod
    def _process(self, power_mw: float, ambient: Ambient) -> float:
        """Carry a step out at a mean power; the energy of it that counts as product, in MWh, negative if product was lost."""

    @abstractmethod
    def _laws(self) -> tuple[Balance, ...]:
        """The kind's own conservation laws."""

    @abstractmethod
    def _own_totals(self) -> dict[str, float]:
        """The kind's own counters."""

    @abstractmethod
    def _own_state(self) -> dict[str, float]:
        """What the kind tells beside the band's state."""

    def totals(self) -> Mapping[str, float]:
        """Energy, quota and excursions since the run began, and the kind's own counters."""
        return {
            "energy_mwh": self._energy_mwh,
            "unserved_mwh": self._unserved_mwh,
            "below_band_s": self._below_band_s,
            "below_band_mwh": self._below_band_mwh,
            "excursions": float(self._excursions),
            **self._quota.totals(),
            **self._own_totals(),
        }

    def stock(self) -> Mapping[str, float]:
        """`owed_mwh`: behind today's even pace, negative when ahead."""
        return {"owed_mwh": self._quota.owed_mwh}

    def balances(self) -> tuple[Balance, ...]:
        """Quota is delivered or not, and the kind's own laws."""
        quota = Balance(f"{self.asset_id}.quota", self._quota.residual_mwh, self._quota.quota_mwh + self._energy_mwh, "MWh")
        return (quota, *self._laws())

    def read(self) -> Reading:
        """Power, quota and timers under the names the planner knows."""
        band = self._band
        resting = self._rest_s > 0.0 and self._below_s == 0.0
        left_s = 0.0 if resting else max(0.0, band.excursion_s - self._below_s)
        state = {
            "power_mw": self._power_mw,
            "quota_left_mwh": self._quota.left_mwh,
            "owed_mwh": self._quota.owed_mwh,
            "excursion_left_h": s_to_h(left_s),
            "recovery_left_h": s_to_h(self._rest_s),
            **self._own_state(),
        }
        return self._reading(state, {"min_power_mw": band.low_mw, "max_power_mw": band.high_mw})

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        band = self._band
        match setpoint:
            case Target():
                asked_mw = setpoint.power_mw
            case Limit():
                asked_mw = min(setpoint.max_power_mw, max(self._own_mw(), band.low_mw))
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target or a limit")
        self._setpoint = setpoint
        self._rate_mw_per_s = ramp_mw_per_s(band.ramp_mw_per_s, ramp_mw_per_min)
        if asked_mw > band.high_mw + _EPS_MW:
            return clamped(band.high_mw, "band", f"at most {band.high_mw:g} MW")
        if asked_mw < band.floor_mw - _EPS_MW:
            return clamped(band.floor_mw, "floor", f"never below {band.floor_mw:g} MW by command")
        if asked_mw < band.low_mw - _EPS_MW and not self._may_be_below(0.0):
            return clamped(band.low_mw, "recovering", f"below {band.low_mw:g} MW again after {self._rest_s:.0f} s in the band")
        return accepted(asked_mw)

    def safe_power_mw(self) -> float:
        """The bottom of the band: the least that harms no product."""
        return self._band.low_mw

    def _own_mw(self) -> float:
        """What it runs at by itself: the pace that still makes today's quota."""
        return min(max(self._quota.pace_mw(), self._band.low_mw), self._band.high_mw)

    def _wanted_mw(self) -> float:
        match self._setpoint:
            case Target():
                return max(self._setpoint.power_mw, self._band.floor_mw)
            case Limit():
                return max(min(self._own_mw(), self._setpoint.max_power_mw), self._band.floor_mw)
            case _:
                return self._own_mw()

    def _may_be_below(self, dt_s: float) -> bool:
        """Whether a step below the band still leaves the time to climb back."""
        band = self._band
        if self._below_s == 0.0:
            return self._rest_s <= 0.0 and dt_s <= band.excursion_s and band.excursion_s > 0.0
        climb_s = (band.low_mw - self._end_mw) / band.ramp_mw_per_s
        return self._below_s + dt_s + climb_s <= band.excursion_s + 1e-6
