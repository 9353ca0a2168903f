"""An electrolysis plant (电解水制氢): many stacks on one set-point, steered by counts, by power, or by the island's frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.stack_fleet import HALL_MIN_C, HHV_MWH_PER_KG, TRIP_HTO_FRAC, StackFleet
from sim_harness.plants.station import Station
from vpp.errors import ScenarioError
from vpp.park import Asset
from vpp.park.plates import ElectrolyserPlate
from vpp.units import SECONDS_PER_MINUTE, s_to_h
from vpp.wire.messages import Limit, Reason, Setpoint, StackCounts, Target

__all__ = ["Electrolyser", "HydrogenNode"]

#: The local control carries its power with stacks near this load and leaves them alone inside the band. Assumption.
LOCAL_LOAD_FRAC: Final = 0.7
LOCAL_LOAD_BAND: Final = (0.45, 0.9)
#: Stacks that can go from on to standby in good order within a minute, of the fleet. Assumption.
PARK_FRAC_PER_MIN: Final = 0.05
#: The frequency may push stacks below minimum load to this share of it, for as long as the gas stays pure.
RIDE_THROUGH_FRAC: Final = 0.5
#: After the frequency has pushed the plant down no stack is started for this long.
PRESSED_S: Final = 300.0
#: Without a command, stacks stay warm this long after the plant was last pushed down; then only a few do. Assumptions.
LOCAL_WARM_S: Final = 10_800.0
LOCAL_STANDBY_FRAC: Final = 0.1
#: Without a command, production gives way over the last part of the tank.
TANK_HIGH_FRAC: Final = 0.9
TANK_FULL_FRAC: Final = 0.98
_EPS_MW: Final = 1e-6


class HydrogenNode(Protocol):
    """Where the hydrogen goes."""

    @property
    def level_frac(self) -> float:
        """How full the tank is, 0..1."""
        ...

    def deliver(self, hydrogen_kg: float) -> None:
        """Take hydrogen in; what does not fit is the receiver's to vent."""
        ...


class Electrolyser(Station):
    """The plant and the device in one.

    Without any command it makes hydrogen at a steady rate and lets the island's frequency push it: on-stacks between half of
    minimum and maximum load, some stacks a minute into standby; what is cut deeper trips stacks. `StackCounts` sets counts and
    power at the plant's meter; `Target` sets the power and leaves the counts to the plant; `Limit` caps what it does by itself.

    Args:
        asset: Its nameplate.
        node: Where its hydrogen goes.
        nominal_kg_per_h: What it makes when nobody commands it. [kg/h]
        start: Beginning of the run (UTC).
        rng: Its own stream.
    """

    def __init__(
        self, asset: Asset, node: HydrogenNode, nominal_kg_per_h: float, start: datetime, rng: np.random.Generator
    ) -> None:
        if not isinstance(asset.plate, ElectrolyserPlate):
            raise ScenarioError([f"{asset.id}: kind {asset.kind} is no electrolyser"])
        super().__init__(asset, start)
        self._plate, self._node = asset.plate, node
        plate = self._plate
        self._fleet = StackFleet(plate, rng)
        self._nominal_mw = min(
            nominal_kg_per_h * self._fleet.specific_mwh_per_kg(LOCAL_LOAD_FRAC),
            plate.stacks * plate.stack_mw * plate.max_load_frac,
        )
        on = self._stacks_for(self._nominal_mw)
        self._fleet.begin(on, min(plate.stacks - on, int(LOCAL_STANDBY_FRAC * plate.stacks)))
        self._min_mw = plate.min_load_frac * plate.stack_mw
        self._max_mw = plate.max_load_frac * plate.stack_mw
        self._setpoint: Setpoint | None = None
        self._command_ramp: float | None = None
        self._power_mw = self._intended_mw = self._set_mw = self._nominal_mw
        self._on_mw = self._nominal_mw
        self._pressed_s, self._calm_s, self._parkable = 0.0, LOCAL_WARM_S, 0
        self._prepared_at: datetime | None = None
        self._energy_mwh = self._electrolysis_mwh = self._idle_mwh = self._standby_hours = 0.0

    def intend(self, ambient: Ambient) -> Intent:
        """Starts and counts move on; then the power it wants, and how far the frequency can push it."""
        fleet, dt_s = self._fleet, ambient.dt_s
        if ambient.at != self._prepared_at:
            self._prepared_at = ambient.at
            fleet.advance(dt_s)
            self._choose_counts()
            self._parkable = max(1, int(PARK_FRAC_PER_MIN * self._plate.stacks * dt_s / SECONDS_PER_MINUTE))
        idle_mw = fleet.idle_mw
        reach_mw = self._plate.ramp_frac_per_s * dt_s * self._plate.stack_mw * max(fleet.on, 1)
        floor_mw, ceiling_mw = idle_mw + fleet.on * self._min_mw, idle_mw + fleet.on * self._max_mw
        self._approach(self._wanted_mw(), dt_s)
        power_mw = min(max(self._set_mw, floor_mw), ceiling_mw)
        power_mw = min(max(power_mw, idle_mw + self._on_mw - reach_mw), max(floor_mw, idle_mw + self._on_mw + reach_mw))
        power_mw = min(max(power_mw, floor_mw), ceiling_mw)
        # The heat of idle stacks can be let go at once; of those that are on, some go to standby, the rest ride through.
        low_mw = min(power_mw, max(0, fleet.on - self._parkable) * self._min_mw * RIDE_THROUGH_FRAC)
        high_mw = max(power_mw, min(ceiling_mw, idle_mw + self._on_mw + reach_mw))
        if self._setpoint is None and self._node.level_frac >= TANK_FULL_FRAC:
            high_mw = power_mw
        self._intended_mw = power_mw
        return Intent(power_mw, low_mw, high_mw, PushOrder.FAST_LOAD)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Make hydrogen with the power that is there; fewer stacks if it does not carry them all."""
        fleet, dt_s, dt_h = self._fleet, ambient.dt_s, s_to_h(ambient.dt_s)
        pushed = power_mw < self._intended_mw - _EPS_MW
        self._pressed_s = PRESSED_S if pushed else max(0.0, self._pressed_s - dt_s)
        self._calm_s = 0.0 if pushed else self._calm_s + dt_s
        if pushed:
            self._give_way(power_mw)
        idle_mw = fleet.idle_mw
        on_mw = power_mw - idle_mw if fleet.on else 0.0
        made_kg = fleet.run(on_mw, dt_s, max(HALL_MIN_C, ambient.temperature_c))
        if made_kg:
            self._node.deliver(made_kg)
        if fleet.hto_frac > TRIP_HTO_FRAC:
            self._trip_impure(on_mw)
        self._on_mw = on_mw
        self._energy_mwh += power_mw * dt_h
        self._electrolysis_mwh += on_mw * dt_h
        # With no stack on, what was left over after the last one was parked warms the hall.
        self._idle_mwh += (idle_mw if fleet.on or on_mw else power_mw) * dt_h
        self._standby_hours += fleet.standby * dt_h
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy, hydrogen, starts, trips and stack-hours since the run began."""
        fleet = self._fleet
        return {
            "energy_mwh": self._energy_mwh,
            "idle_mwh": self._idle_mwh,
            "hydrogen_kg": fleet.hydrogen_kg,
            "cold_starts": float(fleet.cold_starts),
            "warm_starts": float(fleet.warm_starts),
            "trips": float(fleet.trips),
            "stack_hours": fleet.stack_hours,
            "standby_hours": self._standby_hours,
            "wear_frac": fleet.wear_frac,
        }

    def stock(self) -> Mapping[str, float]:
        """Nothing: the tank belongs to the node."""
        return {}

    def balances(self) -> tuple[Balance, ...]:
        """Energy over the parts of the plant, electrolysis over hydrogen and heat, and no stack lost."""
        fleet = self._fleet
        split = self._energy_mwh - self._electrolysis_mwh - self._idle_mwh
        heat = self._electrolysis_mwh - fleet.hydrogen_kg * HHV_MWH_PER_KG - fleet.heat_mwh
        lost = abs(fleet.stacks_left_over) + abs(fleet.on_left_over)
        return (
            Balance(f"{self.asset_id}.energy", split, self._energy_mwh, "MWh"),
            Balance(f"{self.asset_id}.electrolysis", heat, self._electrolysis_mwh, "MWh"),
            Balance(f"{self.asset_id}.stacks", float(lost), float(self._plate.stacks), "stacks"),
        )

    def read(self) -> Reading:
        """Counts under the names the planner knows; stacks on their way from standby to on still count as standby."""
        fleet, plate = self._fleet, self._plate
        state = {
            "stacks_on": float(fleet.on),
            "stacks_standby": float(fleet.standby + fleet.starting),
            "stacks_starting": float(fleet.warming),
            "stacks_locked_on": float(fleet.locked_on),
            "locked_on_h": s_to_h(fleet.locked_on_s),
            "locked_off_h": s_to_h(fleet.locked_off_s),
            "warming_left_h": s_to_h(fleet.warming_left_s),
            "stacks_off": float(fleet.off),
            "load_frac": self._on_mw / (fleet.on * plate.stack_mw) if fleet.on else 0.0,
            "hot_c": fleet.hot_c,
            "off_c": fleet.off_c,
            "hydrogen_in_oxygen_frac": fleet.hto_frac,
        }
        idle_mw = fleet.idle_mw
        limits = {
            "min_power_mw": idle_mw + fleet.on * self._min_mw,
            "max_power_mw": idle_mw + fleet.on * self._max_mw,
        }
        return self._reading(state, limits)

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Counts and power, power alone, or a cap on what it does by itself."""
        plate = self._plate
        match setpoint:
            case StackCounts():
                return self._count(setpoint, ramp_mw_per_min)
            case Target():
                given_mw = min(max(setpoint.power_mw, 0.0), plate.stacks * self._max_mw)
                self._setpoint, self._command_ramp = Target(power_mw=given_mw), ramp_mw_per_min
                return self._answer(setpoint.power_mw, given_mw)
            case Limit():
                self._setpoint, self._command_ramp = setpoint, ramp_mw_per_min
                return Applied("accepted", min(setpoint.max_power_mw, self._nominal_mw))
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes stack counts, a target or a limit")

    def _count(self, asked: StackCounts, ramp_mw_per_min: float | None) -> Applied:
        """Counts and power at the plant's meter; stacks that have just come on are kept on, and parked when their time is up.

        Stacks that are ordered and not yet on do not raise the power that those which are on must draw.
        """
        plate, fleet = self._plate, self._fleet
        on = min(asked.on, plate.stacks)
        standby = min(asked.standby, plate.stacks - on)
        kept = max(min(on, fleet.on), min(fleet.on, fleet.locked_on))
        idle_mw = min(standby, plate.stacks - kept) * plate.standby_frac * plate.stack_mw
        high_mw = idle_mw + max(on, kept) * self._max_mw
        given_mw = min(max(asked.power_mw, idle_mw + kept * self._min_mw), high_mw)
        self._setpoint = StackCounts(on=on, standby=standby, power_mw=min(max(asked.power_mw, 0.0), high_mw))
        self._command_ramp = ramp_mw_per_min
        if (on, standby) != (asked.on, asked.standby):
            text = f"there are {plate.stacks} stacks"
            return Applied("clamped", given_mw, Reason(code="stack_limits", text=text, limit="stacks"))
        if kept > on and given_mw > asked.power_mw + 1e-3:
            text = f"{kept} stacks came on too lately to be parked; the first in {fleet.locked_on_s:.0f} s"
            return Applied("clamped", given_mw, Reason(code="stack_limits", text=text, limit="min_on"))
        return self._answer(asked.power_mw, given_mw)

    def _answer(self, asked_mw: float, given_mw: float) -> Applied:
        if abs(given_mw - asked_mw) <= 1e-3:
            return Applied("accepted", given_mw)
        limit = "min_load" if given_mw > asked_mw else "max_load"
        return Applied("clamped", given_mw, Reason(code="stack_limits", text="outside what these stacks can do", limit=limit))

    def safe_power_mw(self) -> float:
        """Its steady production: a plant that stops making hydrogen trips the loop behind it."""
        return self._local_mw()

    def _local_mw(self) -> float:
        level = self._node.level_frac
        room = min(1.0, max(0.0, (1.0 - level) / (1.0 - TANK_HIGH_FRAC)))
        return self._nominal_mw * room

    def _wanted_mw(self) -> float:
        match self._setpoint:
            case StackCounts() | Target():
                return self._setpoint.power_mw
            case Limit():
                return min(self._local_mw(), self._setpoint.max_power_mw)
            case _:
                return self._local_mw()

    def _approach(self, wanted_mw: float, dt_s: float) -> None:
        if self._command_ramp is None:
            self._set_mw = wanted_mw
            return
        reach_mw = self._command_ramp * dt_s / SECONDS_PER_MINUTE
        self._set_mw = min(max(wanted_mw, self._power_mw - reach_mw), self._power_mw + reach_mw)

    def _stacks_for(self, power_mw: float) -> int:
        return min(self._plate.stacks, math.ceil(power_mw / (LOCAL_LOAD_FRAC * self._plate.stack_mw) - 1e-9))

    def _choose_counts(self) -> None:
        fleet, plate = self._fleet, self._plate
        may_start = self._pressed_s <= 0.0
        if isinstance(self._setpoint, StackCounts):
            fleet.move(self._setpoint.on, self._setpoint.standby, may_start=may_start)
            return
        wanted_mw = self._wanted_mw()
        coming = fleet.on + fleet.starting
        load = wanted_mw / (coming * plate.stack_mw) if coming else math.inf if wanted_mw > 0.0 else 0.0
        on = coming
        if not LOCAL_LOAD_BAND[0] <= load <= LOCAL_LOAD_BAND[1]:
            on = self._stacks_for(wanted_mw)
        if not may_start:
            on = min(on, fleet.on)
        # Few at a time: what starts draws power, and nobody knows here how much more the island has.
        few = max(1, int(LOCAL_STANDBY_FRAC * plate.stacks))
        warm, warming = coming + fleet.standby, fleet.warming
        reach = warm + max(warming, 2 * few)
        on = min(on, fleet.on + max(fleet.starting, few), reach)
        spare = warm + warming if self._calm_s < LOCAL_WARM_S else on + few
        fleet.move(on, min(max(min(spare, reach) - on, 0), plate.stacks - on), may_start=may_start)

    def _give_way(self, power_mw: float) -> None:
        """Less power: warming up ends, stacks are parked in good order, others ride below minimum load, at last some trip."""
        fleet, ride_mw = self._fleet, self._min_mw * RIDE_THROUGH_FRAC
        standby_mw = self._plate.standby_frac * self._plate.stack_mw
        short_mw = fleet.idle_mw + fleet.on * self._min_mw - power_mw
        if short_mw > _EPS_MW and fleet.warming:
            fleet.stop_warming(short_mw)
            short_mw = fleet.idle_mw + fleet.on * self._min_mw - power_mw
        if short_mw > _EPS_MW and fleet.on:
            fleet.park(min(fleet.on, self._parkable, math.ceil(short_mw / (self._min_mw - standby_mw) - 1e-9)))
        short_mw = fleet.idle_mw + fleet.on * ride_mw - power_mw
        if short_mw > _EPS_MW:
            fleet.drop_idle(short_mw)
        short_mw = fleet.idle_mw + fleet.on * ride_mw - power_mw
        if short_mw > _EPS_MW:
            fleet.trip(min(fleet.on, math.ceil(short_mw / ride_mw - 1e-9)))

    def _trip_impure(self, on_mw: float) -> None:
        """Impure gas: the stacks that the power does not carry at minimum load trip, the others come clean."""
        fleet = self._fleet
        carried = min(fleet.on - 1, int(on_mw / self._min_mw)) if on_mw < fleet.on * self._min_mw else fleet.on
        fleet.trip(fleet.on - carried)
        fleet.hto_frac = min(fleet.hto_frac, TRIP_HTO_FRAC)
