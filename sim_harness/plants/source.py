"""Wind and sun on the other side of the wire: output follows the weather, and is taken back from the top."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.drift import Drift, seeded
from vpp.ids import AreaId, AssetId
from vpp.park.plates import SolarPlate, WindPlate
from vpp.park.schema import Asset
from vpp.units import SECONDS_PER_MINUTE, s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["Source"]

#: Above this frequency a farm gives output up by itself, so much of what it made for each hertz over it, until the grid is back
#: under it. GB/T 19963.1-2021 and GB/T 19964-2024 ask wind and PV to give way above 50.2 Hz, and
#: GB/T 40595-2021 to do so with a droop; that it is 5 % of nominal frequency is an assumption inside what they allow.
_OVER_FREQUENCY_HZ: Final = 50.2
_NOMINAL_HZ: Final = 50.0
_DROOP_FRAC: Final = 0.05
_GIVEN_UP_FRAC_PER_HZ: Final = 1.0 / (_DROOP_FRAC * _NOMINAL_HZ)


class Source:
    """A farm with a plant controller: a cap from outside, a ramp, and reflexes that give output up at once.

    What is available comes from the weather, outages, ice and snow in it; the share that is out of service is told beside it.

    Args:
        asset: With a wind or solar plate.
        start: First instant (UTC).
        seed: Of the run.
        estimate_spread_frac: Relative error of the available power that the farm reports while it is curtailed.
    """

    def __init__(self, asset: Asset, start: datetime, seed: int, estimate_spread_frac: float) -> None:
        plate: WindPlate | SolarPlate = asset.plate
        self._asset = asset
        self._capacity_mw = plate.capacity_mw
        self._ramp_mw_per_s = plate.ramp_frac_per_min * plate.capacity_mw / SECONDS_PER_MINUTE
        self._at = start
        self._cap_mw = self._wanted_cap_mw = plate.capacity_mw
        self._cap_ramp_mw_per_s = self._ramp_mw_per_s
        self._generation_mw = self._available_mw = 0.0
        self._running_mw = plate.capacity_mw
        self._frequency_hz = _NOMINAL_HZ
        self._held_mw: float | None = None
        self._began = False
        self._available_mwh = self._generated_mwh = self._curtailed_mwh = 0.0
        self._error = Drift(estimate_spread_frac, 1.0, seeded(seed, f"{asset.id}.estimate"))

    @property
    def asset_id(self) -> AssetId:
        """Its id."""
        return self._asset.id

    @property
    def area(self) -> AreaId:
        """The supply area it stands in."""
        return self._asset.area

    @property
    def power_mw(self) -> float:
        """Mean power of the last step, never above zero."""
        return -self._generation_mw

    def intend(self, ambient: Ambient) -> Intent:
        """All that is available under the cap; an area short of power may have what the cap holds back (frequency first)."""
        available_mw = self._capacity_mw * ambient.available_frac[self.asset_id]
        step_mw = self._cap_ramp_mw_per_s * ambient.dt_s
        self._cap_mw += min(max(self._wanted_cap_mw - self._cap_mw, -step_mw), step_mw)
        # A lull takes output down whatever the ramp says; before the first step there is nothing to ramp from.
        reach_mw = self._generation_mw + self._ramp_mw_per_s * ambient.dt_s if self._began else available_mw
        most_mw = min(available_mw, reach_mw)
        self._available_mw = available_mw
        self._running_mw = self._capacity_mw * ambient.running_frac.get(self.asset_id, 1.0)
        self._frequency_hz = ambient.frequency_hz
        if ambient.frequency_hz > _OVER_FREQUENCY_HZ:
            most_mw = min(most_mw, self._droop_mw(ambient.frequency_hz))
        else:
            self._held_mw = None
        return Intent(-min(most_mw, self._cap_mw), -most_mw, 0.0, PushOrder.CURTAILMENT)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Book what was generated, what could have been, and the difference."""
        dt_h = s_to_h(ambient.dt_s)
        self._began = True
        self._generation_mw = -power_mw
        self._generated_mwh -= power_mw * dt_h
        self._available_mwh += self._available_mw * dt_h
        self._curtailed_mwh += max(0.0, self._available_mw + power_mw) * dt_h
        self._error.step(ambient.dt_s)
        self._at = ambient.at + timedelta(seconds=ambient.dt_s)

    def _droop_mw(self, frequency_hz: float) -> float:
        """What over-frequency leaves of the output at which it began."""
        if self._held_mw is None:
            self._held_mw = self._generation_mw if self._began else self._available_mw
        return max(0.0, self._held_mw - (frequency_hz - _OVER_FREQUENCY_HZ) * _GIVEN_UP_FRAC_PER_HZ * self._capacity_mw)

    def totals(self) -> Mapping[str, float]:
        """`available_mwh`, `generated_mwh` and `curtailed_mwh` since the run began."""
        return {
            "available_mwh": self._available_mwh,
            "generated_mwh": self._generated_mwh,
            "curtailed_mwh": self._curtailed_mwh,
        }

    def stock(self) -> Mapping[str, float]:
        """Wind and sun cannot be kept."""
        return {}

    def balances(self) -> tuple[Balance, ...]:
        """Available is generated plus curtailed; nothing is generated that was not available."""
        residual = self._available_mwh - self._generated_mwh - self._curtailed_mwh
        return (Balance("available energy", residual, self._available_mwh, "MWh"),)

    def read(self) -> Reading:
        """The meter; while curtailed, available power is the farm's own estimate and not the truth.

        `running_capacity_mw` and the limit are what is not out of service, the "running capacity" of Chinese forecast rules.
        """
        estimate_mw = self._available_mw
        if self._available_mw > self._generation_mw:
            guess_mw = self._available_mw * math.exp(self._error.value)
            estimate_mw = min(self._capacity_mw, max(self._generation_mw, guess_mw))
            estimate_mw = min(estimate_mw, max(self._running_mw, self._generation_mw))
        state = {
            "available_mw": estimate_mw,
            "power_mw": self.power_mw,
            "running_capacity_mw": self._running_mw,
            "frequency_hz": self._frequency_hz,
        }
        return Reading(self._at, self.power_mw, estimate_mw, state, limits={"max_power_mw": self._running_mw})

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """A target or a limit is a cap on output; it cannot make wind."""
        match setpoint:
            case Target(power_mw=asked_mw):
                if asked_mw > 0.0:
                    return rejected(self.power_mw, "cannot_consume", f"{self.asset_id} generates, {asked_mw:g} MW is a load")
                return self._cap(-asked_mw, ramp_mw_per_min)
            case Limit(max_power_mw=cap_mw):
                self._cap(cap_mw, ramp_mw_per_min)
                return accepted(-min(cap_mw, self._available_mw))
            case _:
                return rejected_kind(self.power_mw, setpoint, "a source takes Target and Limit")

    def safe_power_mw(self) -> float:
        """No more than it feeds in now: a rising wind must not fill a connection that nobody watches."""
        return self.power_mw

    def _cap(self, cap_mw: float, ramp_mw_per_min: float | None) -> Applied:
        own = self._ramp_mw_per_s
        self._cap_ramp_mw_per_s = own if ramp_mw_per_min is None else min(own, ramp_mw_per_min / SECONDS_PER_MINUTE)
        self._wanted_cap_mw = min(cap_mw, self._capacity_mw)
        # A cap above the output does not bind: the ramp down begins at what is generated.
        self._cap_mw = min(self._cap_mw, max(self._generation_mw, self._wanted_cap_mw))
        if cap_mw > self._capacity_mw:
            return clamped(-self._available_mw, "capacity", f"{self.asset_id} has {self._capacity_mw:g} MW")
        if cap_mw > self._available_mw:
            return clamped(-self._available_mw, "available_power", f"{self._available_mw:.3f} MW are available now")
        return accepted(-cap_mw)
