"""Hydrogen tank and ammonia synthesis loop (储氢缓冲罐 + 合成氨回路): slow, and expensive to starve.

The loop's own load is affine in its rate, `power = own_load * (fixed + (1 - fixed) * rate / loop)`, so a power says a rate and
`Target` alone commands it. Pressure in the tank follows its mass and the air around it; its relief valve knows pressure only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.station import Station
from vpp.errors import ScenarioError
from vpp.park import Asset
from vpp.park.plates import AmmoniaLoopPlate
from vpp.units import HOURS_PER_DAY, SECONDS_PER_MINUTE, h_to_s, s_to_h
from vpp.wire.messages import Limit, Reason, Setpoint, Target

__all__ = ["RESTART_H", "AmmoniaLoop"]

_DAYS_PER_YEAR: Final = 365.0
#: From a trip until the loop makes ammonia again: purge, pressure, catalyst temperature. Assumption.
RESTART_H: Final = 4.0
#: It does not restart before the tank holds this. Assumption.
RESTART_LEVEL_FRAC: Final = 0.15
#: Local level control: rate per level around half full, both as shares. Assumption.
LEVEL_GAIN: Final = 1.0
HALF_FULL: Final = 0.5
#: Hydrogen kept back when the loop comes down in time before the tank is empty, as a share of the tank.
RESERVE_FRAC: Final = 0.03
#: Pressures of an empty and a full tank; above this temperature the relief valve lets it hold less mass. Assumptions.
EMPTY_BAR: Final = 2.0
FULL_BAR: Final = 30.0
TANK_C: Final = 20.0
#: The tank follows the air with this time constant. Assumption.
TANK_TIME_H: Final = 8.0
#: The flow that counts for coming down in time is a mean over about this long.
FLOW_TIME_S: Final = 600.0
_EPS_MW: Final = 1e-6
_KELVIN: Final = 273.15


class AmmoniaLoop(Station):
    """The plant, its tank and the device in one; the tank is the node that electrolysers deliver to.

    Without any command the rate follows the tank: nominal at half full, more above, less below. Whatever is commanded, the loop
    comes down to its minimum in time before the tank is empty. If even that is too much, it trips.

    Args:
        asset: Its nameplate.
        start: Beginning of the run (UTC).
        level_frac: How full the tank is then, 0..1.
    """

    def __init__(self, asset: Asset, start: datetime, level_frac: float = HALF_FULL) -> None:
        if not isinstance(asset.plate, AmmoniaLoopPlate):
            raise ScenarioError([f"{asset.id}: kind {asset.kind} is no ammonia loop"])
        super().__init__(asset, start)
        plate = self._plate = asset.plate
        self._nominal_t_per_h = min(plate.target_t_per_a / (_DAYS_PER_YEAR * HOURS_PER_DAY), plate.loop_t_per_h)
        self._min_t_per_h = plate.min_load_frac * plate.loop_t_per_h
        self._ramp_t_per_h2 = plate.ramp_frac_per_h * plate.loop_t_per_h
        self._rate_t_per_h = self._next_t_per_h = max(self._nominal_t_per_h, self._min_t_per_h)
        self._first_kg = self._tank_kg = level_frac * plate.buffer_kg
        self._inlet_kg, self._tank_c = 0.0, TANK_C
        self._flow_kg_per_h = self.nominal_hydrogen_kg_per_h
        self._restart_s = 0.0
        self._setpoint: Target | Limit | None = None
        self._command_ramp: float | None = None
        self._intended_mw = self._power_mw = self._power_of(self._rate_t_per_h)
        self._ammonia_t = self._starved_t = self._starved_s = self._trips = 0.0
        self._energy_mwh = self._fixed_mwh = self._moving_mwh = self._unserved_mwh = 0.0
        self._delivered_kg = self._used_kg = self._vented_kg = 0.0

    @property
    def nominal_hydrogen_kg_per_h(self) -> float:
        """Hydrogen that the yearly target needs on average, what an uncommanded electrolyser makes, in kg/h."""
        return self._nominal_t_per_h * self._plate.hydrogen_kg_per_t

    @property
    def level_frac(self) -> float:
        """How full the tank is, 0..1."""
        return min(1.0, (self._tank_kg + self._inlet_kg) / self._plate.buffer_kg)

    def deliver(self, hydrogen_kg: float) -> None:
        """Take hydrogen in; what the tank cannot hold at the end of a step is vented."""
        self._inlet_kg += hydrogen_kg
        self._delivered_kg += hydrogen_kg

    def intend(self, ambient: Ambient) -> Intent:
        """Its own load at the rate it goes to; nothing can push it."""
        self._next_t_per_h = self._next_rate(ambient.dt_s)
        self._intended_mw = self._power_of(self._next_t_per_h)
        return Intent(self._intended_mw, self._intended_mw, self._intended_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Use hydrogen, make ammonia, vent what does not fit, trip when there is too little of hydrogen or power."""
        plate, dt_s, dt_h = self._plate, ambient.dt_s, s_to_h(ambient.dt_s)
        rate = self._next_t_per_h
        if power_mw < self._intended_mw - _EPS_MW:
            rate = self._rate_at(power_mw)
            self._unserved_mwh += (self._intended_mw - power_mw) * dt_h
        self._tank_c += (ambient.temperature_c - self._tank_c) * -math.expm1(-dt_h / TANK_TIME_H)
        self._flow_kg_per_h += (self._inlet_kg / dt_h - self._flow_kg_per_h) * min(1.0, dt_s / FLOW_TIME_S)
        at_hand_kg = self._tank_kg + self._inlet_kg
        rate = min(rate, at_hand_kg / (plate.hydrogen_kg_per_t * dt_h))
        if rate < self._min_t_per_h * (1.0 - 1e-9):
            rate = self._stand_still(dt_s)
        else:
            self._restart_s = 0.0
        self._book(rate, at_hand_kg, power_mw, dt_h)
        if self._restart_s > 0.0 or not rate:
            self._starved_s += dt_s
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Ammonia, hydrogen, energy, and what it lacked since the run began; `starved_t` is output missing below minimum."""
        return {
            "ammonia_t": self._ammonia_t,
            "hydrogen_in_kg": self._delivered_kg,
            "hydrogen_used_kg": self._used_kg,
            "vented_kg": self._vented_kg,
            "starved_t": self._starved_t,
            "starved_s": self._starved_s,
            "trips": self._trips,
            "energy_mwh": self._energy_mwh,
            "unserved_mwh": self._unserved_mwh,
        }

    def stock(self) -> Mapping[str, float]:
        """What the tank holds."""
        return {"hydrogen_kg": self._tank_kg + self._inlet_kg}

    def balances(self) -> tuple[Balance, ...]:
        """Hydrogen in = used + vented + stored; hydrogen used = ammonia times its need; energy = fixed + moving part."""
        plate = self._plate
        stored_kg = self._tank_kg + self._inlet_kg - self._first_kg
        hydrogen_kg = self._delivered_kg - self._used_kg - self._vented_kg - stored_kg
        ammonia_kg = self._used_kg - self._ammonia_t * plate.hydrogen_kg_per_t
        energy_mwh = self._energy_mwh + self._unserved_mwh - self._fixed_mwh - self._moving_mwh
        return (
            Balance(f"{self.asset_id}.hydrogen", hydrogen_kg, self._delivered_kg + self._first_kg, "kg"),
            Balance(f"{self.asset_id}.ammonia", ammonia_kg, self._used_kg, "kg"),
            Balance(f"{self.asset_id}.energy", energy_mwh, self._energy_mwh, "MWh"),
        )

    def read(self) -> Reading:
        """Tank, rate and trip under the names the planner knows."""
        state = {
            "buffer_kg": self._tank_kg + self._inlet_kg,
            "tank_bar": self._tank_bar,
            "rate_t_per_h": self._rate_t_per_h,
            "load_frac": self._rate_t_per_h / self._plate.loop_t_per_h,
            "hydrogen_in_kg_per_h": self._flow_kg_per_h,
            "tripped": 1.0 if self._rate_t_per_h == 0.0 else 0.0,
            "restart_s": self._restart_s,
        }
        limits = {"min_power_mw": self._power_of(self._min_t_per_h), "max_power_mw": self._plate.own_load_mw}
        return self._reading(state, limits)

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """A power that stands for a rate, or a cap on it; the loop's own ramp is far slower than any that is asked."""
        match setpoint:
            case Target():
                asked_mw = setpoint.power_mw
            case Limit():
                asked_mw = setpoint.max_power_mw
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target or a limit")
        self._setpoint, self._command_ramp = setpoint, ramp_mw_per_min
        low_mw, high_mw = self._power_of(self._min_t_per_h), self._plate.own_load_mw
        given_mw = min(max(asked_mw, low_mw), high_mw)
        if not self._rate_t_per_h:
            given_mw = self._power_of(0.0)
            return Applied("clamped", given_mw, Reason(code="tripped", text="restarts by its own sequence", limit="restart"))
        if isinstance(setpoint, Limit) and asked_mw >= low_mw:
            return Applied("accepted", min(given_mw, self._power_of(self._level_rate())))
        if abs(given_mw - asked_mw) <= 1e-3:
            return Applied("accepted", given_mw)
        limit = "min_load" if given_mw > asked_mw else "max_load"
        return Applied("clamped", given_mw, Reason(code="load_range", text="outside the loop's range", limit=limit))

    def safe_power_mw(self) -> float:
        """Where its own level control takes it."""
        return self._power_of(self._level_rate()) if self._rate_t_per_h else self._power_of(0.0)

    @property
    def _full_kg(self) -> float:
        """What the relief valve lets the tank hold: the plate's mass, less where warm gas reaches its pressure earlier."""
        return self._plate.buffer_kg * min(1.0, (TANK_C + _KELVIN) / (self._tank_c + _KELVIN))

    @property
    def _tank_bar(self) -> float:
        share = (self._tank_kg + self._inlet_kg) / self._plate.buffer_kg
        return (EMPTY_BAR + (FULL_BAR - EMPTY_BAR) * share) * (self._tank_c + _KELVIN) / (TANK_C + _KELVIN)

    def _power_of(self, rate_t_per_h: float) -> float:
        plate = self._plate
        fixed = plate.own_load_fixed_frac
        return plate.own_load_mw * (fixed + (1.0 - fixed) * rate_t_per_h / plate.loop_t_per_h)

    def _rate_at(self, power_mw: float) -> float:
        plate = self._plate
        moving_mw = plate.own_load_mw * (1.0 - plate.own_load_fixed_frac)
        if moving_mw <= 0.0:
            return self._rate_t_per_h if power_mw >= plate.own_load_mw - _EPS_MW else 0.0
        return max(0.0, (power_mw - plate.own_load_mw * plate.own_load_fixed_frac) / moving_mw * plate.loop_t_per_h)

    def _level_rate(self) -> float:
        plate = self._plate
        share = self._nominal_t_per_h / plate.loop_t_per_h + LEVEL_GAIN * (self.level_frac - HALF_FULL)
        return min(max(share, plate.min_load_frac), 1.0) * plate.loop_t_per_h

    def _wanted_rate(self) -> float:
        match self._setpoint:
            case Target():
                wanted = self._rate_at(self._setpoint.power_mw)
            case Limit():
                wanted = min(self._level_rate(), self._rate_at(self._setpoint.max_power_mw))
            case _:
                wanted = self._level_rate()
        return min(max(wanted, self._min_t_per_h), self._plate.loop_t_per_h)

    def _next_rate(self, dt_s: float) -> float:
        """The rate it goes to in this step: towards what is wanted, by the ramp, and down in time before the tank is empty."""
        rate = self._rate_t_per_h
        if not rate:
            ready = self._restart_s <= dt_s / 2.0 and self.level_frac >= RESTART_LEVEL_FRAC
            return self._min_t_per_h if ready else 0.0
        ramp = self._ramp_t_per_h2
        if self._command_ramp is not None and self._plate.own_load_fixed_frac < 1.0:
            per_mw = self._plate.loop_t_per_h / (self._plate.own_load_mw * (1.0 - self._plate.own_load_fixed_frac) or 1.0)
            ramp = min(ramp, self._command_ramp * per_mw * h_to_s(1.0) / SECONDS_PER_MINUTE)
        reach = ramp * s_to_h(dt_s)
        wanted = self._wanted_rate()
        if self._must_come_down(dt_s):
            return max(self._min_t_per_h, rate - self._ramp_t_per_h2 * s_to_h(dt_s))
        return min(max(wanted, rate - reach), rate + reach)

    def _must_come_down(self, dt_s: float) -> bool:
        """Whether what is in the tank and flows in is just enough to ramp to the minimum rate."""
        plate = self._plate
        above = self._rate_t_per_h - self._min_t_per_h
        if above <= 0.0:
            return False
        down_h = above / self._ramp_t_per_h2
        mean_rate = (self._rate_t_per_h + self._min_t_per_h) / 2.0
        net_kg_per_h = plate.hydrogen_kg_per_t * mean_rate - self._flow_kg_per_h
        next_kg = max(0.0, plate.hydrogen_kg_per_t * self._rate_t_per_h - self._flow_kg_per_h) * s_to_h(dt_s)
        return net_kg_per_h * down_h + next_kg + RESERVE_FRAC * plate.buffer_kg > self._tank_kg + self._inlet_kg

    def _stand_still(self, dt_s: float) -> float:
        if self._rate_t_per_h > 0.0:
            self._trips += 1.0
            self._restart_s = h_to_s(RESTART_H)
        else:
            self._restart_s = max(0.0, self._restart_s - dt_s)
        return 0.0

    def _book(self, rate: float, at_hand_kg: float, power_mw: float, dt_h: float) -> None:
        plate = self._plate
        used_kg = rate * plate.hydrogen_kg_per_t * dt_h
        left_kg = max(0.0, at_hand_kg - used_kg)
        vented_kg = max(0.0, left_kg - self._full_kg)
        self._tank_kg, self._inlet_kg = left_kg - vented_kg, 0.0
        self._used_kg += used_kg
        self._vented_kg += vented_kg
        self._ammonia_t += rate * dt_h
        self._starved_t += max(0.0, self._min_t_per_h - rate) * dt_h
        self._rate_t_per_h = rate
        self._energy_mwh += power_mw * dt_h
        # The loop draws what it intended even where hydrogen ran short within the step: its machines ran.
        moving_mw = plate.own_load_mw * (1.0 - plate.own_load_fixed_frac) * self._next_t_per_h / plate.loop_t_per_h
        self._fixed_mwh += plate.own_load_mw * plate.own_load_fixed_frac * dt_h
        self._moving_mwh += moving_mw * dt_h
