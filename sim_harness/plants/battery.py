"""A battery station (电化学储能) as its cells, converters and fans have it, not as a planner thinks of it.

Losses are ohmic: they grow with the square of the power, and with an emptier battery. Auxiliaries always draw at the meter. The
state of charge that the station reports is its own estimate. At rating and half charge a full cycle returns the plate's round
trip, so a planner that uses the plate is right there and too pessimistic at part load. Cells fade with time and with what goes
through them: the store shrinks and its resistance grows, by a capacity test each day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.drift import Drift, seeded
from sim_harness.plants.station import Station
from vpp.park.plates import BatteryPlate
from vpp.park.schema import Asset
from vpp.units import HOURS_PER_DAY, SECONDS_PER_MINUTE, h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["Battery"]

#: Resistance when empty is this much above that at half charge, and below it when full (assumption).
_RESISTANCE_SLOPE: Final = 0.2
#: Spread of the reported state of charge (assumption: coulomb counting with a weekly calibration).
_SOC_SPREAD_FRAC: Final = 0.006
_SOC_MEMORY_H: Final = 24.0
#: Capacity lost in a year of standing and in a full cycle (assumption: 1.5 % a year; 20 % after 6,000 cycles), and how much more
#: than capacity the resistance changes.
_FADE_PER_YEAR: Final = 0.015
_FADE_PER_CYCLE: Final = 0.2 / 6_000.0
_RESISTANCE_PER_FADE: Final = 1.5
_HOURS_PER_YEAR: Final = 365.25 * HOURS_PER_DAY


class Battery(Station):
    """Cells behind a converter, with auxiliaries at the same meter.

    Args:
        asset: With a battery plate.
        start: First instant (UTC).
        seed: Of the run.
        soc_frac: True state of charge at the start; None: the middle of the plate's band.
    """

    def __init__(self, asset: Asset, *, start: datetime, seed: int, soc_frac: float | None = None) -> None:
        plate: BatteryPlate = asset.plate
        super().__init__(asset, start, plate.auxiliary_frac * plate.power_mw)
        self._plate = plate
        first_frac = 0.5 * (plate.soc_min_frac + plate.soc_max_frac) if soc_frac is None else soc_frac
        self._stored_mwh = self._first_mwh = first_frac * plate.energy_mwh
        self._capacity_mwh, self._fade_frac = plate.energy_mwh, 0.0
        self._test_in_s, self._tested_mwh = h_to_s(HOURS_PER_DAY), 0.0
        self._auxiliary_mw = plate.auxiliary_frac * plate.power_mw
        # (1 - r) / (1 + r) is the round trip of a cycle at rating that loses r of it each way.
        self._loss_per_mw = (1.0 - plate.round_trip_frac) / (1.0 + plate.round_trip_frac) / plate.power_mw
        self._target_mw = self._auxiliary_mw
        self._most_mw = plate.power_mw
        self._ramp_mw_per_s = math.inf
        self._charged_mwh = self._discharged_mwh = self._lost_mwh = self._auxiliary_mwh = self._metered_mwh = 0.0
        self._soc_error = Drift(_SOC_SPREAD_FRAC, _SOC_MEMORY_H, seeded(seed, f"{asset.id}.soc"))

    @property
    def soc_frac(self) -> float:
        """The true state of charge, of what the cells can still hold, which no telemetry carries."""
        return self._stored_mwh / self._capacity_mwh

    def intend(self, ambient: Ambient) -> Intent:
        """Towards the target within the ramp; as the area's grid-forming unit it can be pushed to what is physically possible."""
        low_mw, high_mw = self._band_mw(ambient.dt_s)
        step_mw = self._ramp_mw_per_s * ambient.dt_s
        wish_mw = self._power_mw + min(max(self._target_mw - self._power_mw, -step_mw), step_mw)
        wish_mw = min(max(wish_mw, -self._most_mw), self._most_mw)
        return Intent(min(max(wish_mw, low_mw), high_mw), low_mw, high_mw, PushOrder.GRID_FORMING)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Move charge through the resistance; auxiliaries that even the cells cannot feed go without."""
        dt_h = s_to_h(ambient.dt_s)
        loss_per_mw = self._resistance()
        least_ac_mw = -self._discharge_limit_mw(dt_h, loss_per_mw)
        ac_mw = max(power_mw - self._auxiliary_mw, least_ac_mw)
        lost_mw = loss_per_mw * ac_mw * ac_mw
        self._stored_mwh += (ac_mw - lost_mw) * dt_h
        self._lost_mwh += lost_mw * dt_h
        self._auxiliary_mwh += (power_mw - ac_mw) * dt_h
        self._metered_mwh += power_mw * dt_h
        if ac_mw >= 0.0:
            self._charged_mwh += ac_mw * dt_h
        else:
            self._discharged_mwh -= ac_mw * dt_h
        self._soc_error.step(ambient.dt_s)
        self._test_in_s -= ambient.dt_s
        if self._test_in_s <= 0.0:
            self._fade()
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy at the converter's AC side, losses, auxiliaries, and full cycles, since the run began."""
        return {
            "charged_mwh": self._charged_mwh,
            "discharged_mwh": self._discharged_mwh,
            "lost_mwh": self._lost_mwh,
            "auxiliary_mwh": self._auxiliary_mwh,
            "cycles": self._discharged_mwh / self._plate.energy_mwh,
            "fade_frac": self._fade_frac,
        }

    def stock(self) -> Mapping[str, float]:
        """`stored_mwh` in the cells, true."""
        return {"stored_mwh": self._stored_mwh}

    def balances(self) -> tuple[Balance, ...]:
        """What the meter saw is stored, lost or blown away by fans."""
        stored_mwh = self._stored_mwh - self._first_mwh
        residual = self._metered_mwh - stored_mwh - self._lost_mwh - self._auxiliary_mwh
        size = self._charged_mwh + self._discharged_mwh + self._auxiliary_mwh
        return (Balance("energy", residual, size, "MWh"),)

    def read(self) -> Reading:
        """The meter, and the station's own idea of its state of charge."""
        told_frac = min(1.0, max(0.0, self.soc_frac + self._soc_error.value))
        limits = {"max_power_mw": self._plate.power_mw}
        return self._reading({"soc_frac": told_frac}, limits)

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """A target is held until the next setpoint; under a limit alone it rests."""
        rating_mw = self._plate.power_mw
        match setpoint:
            case Target(power_mw=asked_mw):
                target_mw, most_mw = min(max(asked_mw, -rating_mw), rating_mw), rating_mw
            case Limit(max_power_mw=cap_mw):
                asked_mw = target_mw = min(self._auxiliary_mw, cap_mw)
                most_mw = min(cap_mw, rating_mw)
            case _:
                return rejected_kind(self._power_mw, setpoint, "a battery takes Target and Limit")
        self._target_mw, self._most_mw = target_mw, most_mw
        self._ramp_mw_per_s = math.inf if ramp_mw_per_min is None else ramp_mw_per_min / SECONDS_PER_MINUTE
        if target_mw != asked_mw:
            return clamped(target_mw, "rating", f"{self.asset_id} has {rating_mw:g} MW")
        if target_mw > self._auxiliary_mw and self.soc_frac >= self._plate.soc_max_frac:
            return clamped(self._auxiliary_mw, "soc_ceiling", f"full at {self._plate.soc_max_frac:g}")
        if target_mw < self._auxiliary_mw and self.soc_frac <= self._plate.soc_min_frac:
            return clamped(self._auxiliary_mw, "soc_floor", f"empty at {self._plate.soc_min_frac:g}")
        return accepted(target_mw)

    def safe_power_mw(self) -> float:
        """Rest: only the auxiliaries."""
        return self._auxiliary_mw

    def _fade(self) -> None:
        """A day older: what went through since the last test, and the day itself, have taken their share of the capacity."""
        cycles = (self._discharged_mwh - self._tested_mwh) / self._plate.energy_mwh
        self._fade_frac += _FADE_PER_CYCLE * cycles + _FADE_PER_YEAR * HOURS_PER_DAY / _HOURS_PER_YEAR
        self._capacity_mwh = self._plate.energy_mwh * (1.0 - self._fade_frac)
        self._test_in_s, self._tested_mwh = self._test_in_s + h_to_s(HOURS_PER_DAY), self._discharged_mwh

    def _resistance(self) -> float:
        """Share of converter power lost per MW of it."""
        return (
            self._loss_per_mw
            * (1.0 + _RESISTANCE_PER_FADE * self._fade_frac)
            * (1.0 + _RESISTANCE_SLOPE * (1.0 - 2.0 * self.soc_frac))
        )

    def _band_mw(self, dt_s: float) -> tuple[float, float]:
        """Least and most power at the meter that rating, content and room allow over a step."""
        dt_h, loss_per_mw, rating_mw = s_to_h(dt_s), self._resistance(), self._plate.power_mw
        low_mw = self._auxiliary_mw - self._discharge_limit_mw(dt_h, loss_per_mw)
        room_mw = max(0.0, self._plate.soc_max_frac * self._capacity_mwh - self._stored_mwh) / dt_h
        # ac - loss ac^2 = room, solved for ac in the form that loses no digits; beyond the turning point rating binds anyway.
        root = 1.0 - 4.0 * loss_per_mw * room_mw
        charge_mw = 2.0 * room_mw / (1.0 + math.sqrt(root)) if root > 0.0 else math.inf
        return low_mw, min(rating_mw, self._auxiliary_mw + charge_mw)

    def _discharge_limit_mw(self, dt_h: float, loss_per_mw: float) -> float:
        """Most the converter can deliver over a step; never negative, so a battery below its floor only rests."""
        content_mw = max(0.0, self._stored_mwh - self._plate.soc_min_frac * self._capacity_mwh) / dt_h
        delivered_mw = 2.0 * content_mw / (1.0 + math.sqrt(1.0 + 4.0 * loss_per_mw * content_mw))
        return min(self._plate.power_mw + self._auxiliary_mw, delivered_mw)
