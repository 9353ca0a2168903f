"""Base load (基础负荷): offices, pumps, small works; it follows the clock, the calendar and its own whims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import rejected
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.drift import Drift, seeded
from sim_harness.plants.station import Station
from vpp.park.plates import BaseLoadPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, s_to_h
from vpp.wire.messages import Setpoint

__all__ = ["BaseLoad", "profile_mw"]

#: How much of a night each hour is, at its start; between two hours it changes evenly (assumption).
_NIGHT: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.6, 0.2) + (0.0,) * 12 + (0.0, 0.2, 0.5, 0.8)
_NIGHT_MEAN: Final = sum(_NIGHT) / len(_NIGHT)
_SATURDAY: Final = 5
_WEEKEND_MEAN: Final = 2.0 / 7.0
_COLDEST_DAY: Final = 15
_DAYS_PER_YEAR: Final = 365.25
_NOISE_FRAC: Final = 0.015
_NOISE_MEMORY_H: Final = 1.0


def profile_mw(plate: BaseLoadPlate, local: datetime) -> float:
    """Demand by the calendar alone; its mean over a year is `mean_mw`.

    Args:
        plate: `winter_frac`, `weekend_frac`, `night_frac` are signed: what is added, as a share of the mean, in the depth of
            winter, at weekends, at night.
        local: Park time.
    """
    night = _NIGHT[local.hour]
    night += (_NIGHT[(local.hour + 1) % len(_NIGHT)] - night) * local.minute / MINUTES_PER_HOUR
    weekend = 1.0 if local.weekday() >= _SATURDAY else 0.0
    winter = math.cos(2.0 * math.pi * (local.timetuple().tm_yday - _COLDEST_DAY) / _DAYS_PER_YEAR)
    week = 1.0 + plate.weekend_frac * (weekend - _WEEKEND_MEAN) + plate.night_frac * (night - _NIGHT_MEAN)
    return plate.mean_mw * week * (1.0 + plate.winter_frac * winter)


class BaseLoad(Station):
    """Load that nobody commands; in an island short of power it is shed last.

    Args:
        asset: With a base load plate.
        start: First instant (UTC).
        seed: Of the run.
        zone: Park time.
    """

    def __init__(self, asset: Asset, *, start: datetime, seed: int, zone: ZoneInfo) -> None:
        self._zone = zone
        self._plate: BaseLoadPlate = asset.plate
        self._looked_at, self._profile_mw = (-1, -1), 0.0
        self._noise = Drift(_NOISE_FRAC, _NOISE_MEMORY_H, seeded(seed, f"{asset.id}.demand"))
        self._demand_mw = self._wanted_mw(start)
        super().__init__(asset, start, self._demand_mw)
        self._demand_mwh = self._served_mwh = self._unserved_mwh = 0.0

    def intend(self, ambient: Ambient) -> Intent:
        """The demand; shedding may take all of it."""
        self._noise.step(ambient.dt_s)
        self._demand_mw = self._wanted_mw(ambient.at)
        return Intent(self._demand_mw, 0.0, self._demand_mw, PushOrder.SHEDDING)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Book what was served and what was not."""
        dt_h = s_to_h(ambient.dt_s)
        self._demand_mwh += self._demand_mw * dt_h
        self._served_mwh += power_mw * dt_h
        self._unserved_mwh += max(0.0, self._demand_mw - power_mw) * dt_h
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """`demand_mwh`, `served_mwh` and `unserved_mwh` since the run began."""
        return {"demand_mwh": self._demand_mwh, "served_mwh": self._served_mwh, "unserved_mwh": self._unserved_mwh}

    def stock(self) -> Mapping[str, float]:
        """Nothing is kept."""
        return {}

    def balances(self) -> tuple[Balance, ...]:
        """Demand is served or it is not."""
        residual = self._demand_mwh - self._served_mwh - self._unserved_mwh
        return (Balance("demand", residual, self._demand_mwh, "MWh"),)

    def read(self) -> Reading:
        """The meter."""
        return self._reading({"demand_mw": self._demand_mw}, {})

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Nobody commands it."""
        del ramp_mw_per_min
        text = f"{type(setpoint).__name__}: {self.asset_id} follows its users only"
        return rejected(self._power_mw, "not_controllable", text)

    def safe_power_mw(self) -> float:
        """What its users draw."""
        return self._demand_mw

    def _wanted_mw(self, at: datetime) -> float:
        minute = (at.hour, at.minute)
        if minute != self._looked_at:  # the profile knows minutes, and reading the clock costs more than all else here
            self._looked_at, self._profile_mw = minute, profile_mw(self._plate, at.astimezone(self._zone))
        return max(0.0, self._profile_mw * (1.0 + self._noise.value))
