"""Units that burn coal or biomass (火电/生物质机组): heat comes first, part load burns more, and a trip asks nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.boiler import Boiler, Stage
from sim_harness.plants.drift import Drift
from sim_harness.plants.glide import glide, ramp_mw_per_s
from sim_harness.plants.station import Station
from vpp.park.plates import ThermalUnitPlate
from vpp.park.schema import Asset
from vpp.units import HOURS_PER_DAY, MINUTES_PER_HOUR, h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Switch, Target

__all__ = ["ThermalUnit"]

#: Net efficiency at rating: 330 g/kWh of standard coal at 29.3 MJ/kg; a grate-fired boiler of 30 MW. Assumptions.
RATED_EFFICIENCY: Final[Mapping[str, float]] = {"coal": 0.372, "biomass": 0.28}
#: Heat rate rises with the square of what is missing to full load: 7 % more at half load. Assumption after usual load tests.
PART_LOAD_RISE: Final = 0.28
#: A unit that starts draws this share of its rating (fans, mills, pumps) and burns this share of its hourly fuel. Assumptions.
START_DRAW_FRAC: Final = 0.04
START_FUEL_FRAC: Final = 0.15
#: District heat: full at this outdoor temperature, none above the other; what it adds to the least and takes from the most load.
FULL_HEAT_C: Final = -18.0
NO_HEAT_C: Final = 12.0
HEAT_MEMORY_H: Final = 6.0
HEAT_RAISES_LEAST: Final = 0.25
HEAT_LOWERS_MOST: Final = 0.12
#: Steam-led output follows its customers: mean level, day shift, whims. Assumptions.
STEAM_MEAN_FRAC: Final = 0.72
STEAM_DAY_FRAC: Final = 0.08
STEAM_NOISE: Final = 0.05
STEAM_MEMORY_H: Final = 3.0
_LOOK_S: Final = 600.0
_EPS_MW: Final = 1e-6


class ThermalUnit(Station):
    """All units of a plant on one load.

    Without any command the units that are on by default run at their least load, or at what heat or steam asks. `Target` sets the
    plant's generation (negative power) and starts or stops units where those that are on cannot do it; `Limit` caps it; `Switch`
    takes all units on or off. Heat that must run, minimum times and repairs come before any command.

    Args:
        asset: With a thermal plate.
        start: First instant (UTC).
        zone: Park time, for heating months and shifts.
        rng: Its own stream.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo, rng: np.random.Generator) -> None:
        plate: ThermalUnitPlate = asset.plate
        self._plate, self._zone = plate, zone
        on = not plate.off_by_default
        self._boilers = tuple(Boiler(plate, on=on, rng=rng) for _ in range(plate.units))
        self._units_wanted = plate.units if on else 0
        self._first_on = self._units_on = self._units_wanted
        self._starting = 0
        self._steam = Drift(STEAM_NOISE, STEAM_MEMORY_H, rng)
        self._heat_frac, self._look_in_s, self._heat_season, self._shift = 0.0, 0.0, False, 0.0
        self._ramp_frac_per_s = plate.ramp_frac_per_min * MINUTES_PER_HOUR / h_to_s(1.0)
        self._asked_ramp: float | None = None
        self._wanted_mw: float | None = None
        self._cap_mw = math.inf
        self._look(start, 0.0)
        self._generation_mw = self._next_mw = self._units_wanted * plate.unit_mw * self._least_frac
        self._intended_mw = -self._generation_mw
        super().__init__(asset, start, self._intended_mw)
        self._generated_mwh = self._consumed_mwh = self._fuel_mwh = self._lost_mwh = self._start_fuel_mwh = 0.0
        self._metered_mwh = self._on_hours = self._must_run_hours = 0.0

    def intend(self, ambient: Ambient) -> Intent:
        """Units come, go and trip; those that are on move towards what is wanted."""
        plate, dt_s = self._plate, ambient.dt_s
        self._look(ambient.at, dt_s, ambient.temperature_c)
        before = self._units_on
        for boiler in self._boilers:
            boiler.advance(dt_s)
        self._count()
        self._commit()
        on = self._units_on
        if on < before:
            self._generation_mw *= on / before
        elif on > before:
            # Synchronising and going to the least load is the new unit's own affair, not the ramp's.
            self._generation_mw += (on - before) * plate.unit_mw * plate.min_load_frac
        least_frac, most_frac = self._least_frac, self._most_frac
        low_mw, high_mw = on * plate.unit_mw * least_frac, on * plate.unit_mw * most_frac
        goal_mw = min(max(self._goal_mw(low_mw), low_mw), high_mw)
        rate = ramp_mw_per_s(self._ramp_frac_per_s * plate.unit_mw * max(on, 1), self._asked_ramp)
        now_mw = min(max(self._generation_mw, low_mw), high_mw)
        self._next_mw, mean_mw = glide(now_mw, goal_mw, rate, dt_s)
        start_mw = self._starting * START_DRAW_FRAC * plate.unit_mw
        self._intended_mw = start_mw - mean_mw
        # A plant that must give way goes down by its ramp, never below least load.
        least_mw = max(low_mw, mean_mw - 0.5 * rate * dt_s) if on else 0.0
        return Intent(self._intended_mw, self._intended_mw, start_mw - min(least_mw, mean_mw), PushOrder.CURTAILMENT)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Burn what the power took; a plant cut by force is left where it was cut to."""
        plate, dt_h, on = self._plate, s_to_h(ambient.dt_s), self._units_on
        starting = self._starting
        draw_mw = min(starting * START_DRAW_FRAC * plate.unit_mw, max(0.0, power_mw) if not on else math.inf)
        generation_mw = draw_mw - power_mw
        if abs(power_mw - self._intended_mw) > _EPS_MW:
            self._next_mw = generation_mw
        self._generation_mw = self._next_mw
        if generation_mw > 0.0:
            load = generation_mw / (on * plate.unit_mw)
            efficiency = RATED_EFFICIENCY[plate.fuel] / (1.0 + PART_LOAD_RISE * max(0.0, 1.0 - load) ** 2)
            fuel_mw = generation_mw / efficiency
            self._fuel_mwh += fuel_mw * dt_h
            self._lost_mwh += fuel_mw * (1.0 - efficiency) * dt_h
            self._generated_mwh += generation_mw * dt_h
        self._start_fuel_mwh += starting * START_FUEL_FRAC * plate.unit_mw / RATED_EFFICIENCY[plate.fuel] * dt_h
        self._consumed_mwh += draw_mw * dt_h
        self._metered_mwh += power_mw * dt_h
        self._on_hours += on * dt_h
        self._must_run_hours += self._must_run * dt_h
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Generation, fuel, emissions, starts and trips since the run began.

        `fuel_equivalent_mwh` is the electricity that the fuel would have made at rating: times the plate's fuel cost it is
        what part load really costs. Fuel of starts is inside `emissions_t` and not inside it: a start has its own price.
        """
        efficiency = RATED_EFFICIENCY[self._plate.fuel]
        equivalent_mwh = self._fuel_mwh * efficiency
        start_mwh = self._start_fuel_mwh * efficiency
        boilers = self._boilers
        return {
            "generated_mwh": self._generated_mwh,
            "consumed_mwh": self._consumed_mwh,
            "fuel_mwh": self._fuel_mwh + self._start_fuel_mwh,
            "fuel_equivalent_mwh": equivalent_mwh,
            "emissions_t": (equivalent_mwh + start_mwh) * self._plate.emission_t_per_mwh,
            "starts": float(sum(b.starts for b in boilers)),
            "hot_starts": float(sum(b.hot_starts for b in boilers)),
            "stops": float(sum(b.stops for b in boilers)),
            "trips": float(sum(b.trips for b in boilers)),
            "unit_hours": self._on_hours,
            "must_run_unit_hours": self._must_run_hours,
        }

    def stock(self) -> Mapping[str, float]:
        """`units_on`: a unit left running or stopped is what the next day begins with."""
        return {"units_on": float(self._units_on)}

    def balances(self) -> tuple[Balance, ...]:
        """The meter is starts less generation, fuel is generation plus losses, units on are those that came less those gone."""
        boilers = self._boilers
        meter = self._metered_mwh - self._consumed_mwh + self._generated_mwh
        fuel = self._fuel_mwh - self._generated_mwh - self._lost_mwh
        began = sum(b.starts for b in boilers) - self._starting
        ended = sum(b.stops + b.trips + b.given_up for b in boilers)
        units = self._first_on + began - ended - self._units_on
        return (
            Balance(f"{self.asset_id}.energy", meter, self._generated_mwh + self._consumed_mwh, "MWh"),
            Balance(f"{self.asset_id}.fuel", fuel, self._fuel_mwh, "MWh"),
            Balance(f"{self.asset_id}.units", float(units), float(self._plate.units), "units"),
        )

    def read(self) -> Reading:
        """Units and timers under the names the planner knows."""
        boilers, plate, on = self._boilers, self._plate, self._units_on
        starting = [b.left_s for b in boilers if b.stage is Stage.STARTING]
        off = [b.locked_off_s for b in boilers if b.stage is Stage.OFF]
        state = {
            "units_on": float(on),
            "units_starting": float(len(starting)),
            "start_left_h": s_to_h(max(starting, default=0.0)),
            "locked_on_h": s_to_h(max((b.locked_on_s for b in boilers), default=0.0)),
            "locked_off_h": s_to_h(min(off, default=0.0)),
            "must_run_units": float(self._must_run),
            "steam_generation_mw": on * plate.unit_mw * self._least_frac if plate.heat_led else 0.0,
            "power_mw": self._power_mw,
            "heat_frac": self._heat_frac,
            "least_frac": self._least_frac,
            "most_frac": self._most_frac,
        }
        limits = {
            "min_power_mw": -on * plate.unit_mw * self._most_frac,
            "max_power_mw": -on * plate.unit_mw * self._least_frac,
        }
        return self._reading(state, limits)

    def safe_power_mw(self) -> float:
        """Least load of the units that are on; to stop one is nobody's own decision."""
        return -self._units_on * self._plate.unit_mw * self._least_frac

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        match setpoint:
            case Target(power_mw=asked_mw):
                generation_mw, self._cap_mw = max(0.0, -asked_mw), math.inf
                self._choose_units(generation_mw)
                self._wanted_mw = generation_mw
            case Limit(max_power_mw=cap_mw):
                self._cap_mw = cap_mw
                generation_mw = min(cap_mw, self._goal_mw(self._low_mw))
            case Switch(closed=closed):
                self._units_wanted = self._plate.units if closed else 0
                self._wanted_mw, self._cap_mw = None, math.inf
                generation_mw = self._low_mw if closed else 0.0
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target, a limit or a switch")
        self._asked_ramp = ramp_mw_per_min
        if self._plate.heat_led:
            return clamped(-self._low_mw, "steam_led", "output follows the steam that customers take")
        stays = sum(b.stage is Stage.ON and b.locked_on_s > 0.0 for b in self._boilers)
        kept = max(self._must_run, stays, min(self._units_wanted, self._units_on))
        low_mw = kept * self._plate.unit_mw * self._least_frac
        high_mw = max(self._units_on, kept) * self._plate.unit_mw * self._most_frac
        if generation_mw < low_mw - _EPS_MW:
            code = "heat_bound" if self._must_run else "min_load"
            return clamped(-low_mw, code, f"{kept} units stay on at {low_mw:g} MW at least")
        if generation_mw > high_mw + _EPS_MW:
            return clamped(-high_mw, "max_load", f"{self._units_on} units on; others start in hours")
        return accepted(-generation_mw)

    def _count(self) -> None:
        """Count units anew where they may have changed."""
        self._units_on = self._starting = 0
        for boiler in self._boilers:
            self._units_on += boiler.stage is Stage.ON
            self._starting += boiler.stage is Stage.STARTING

    @property
    def _low_mw(self) -> float:
        return self._units_on * self._plate.unit_mw * self._least_frac

    @property
    def _must_run(self) -> int:
        """Units that heat keeps on; a plant that is off by default leaves the heat to others."""
        if self._plate.off_by_default:
            return 0
        return self._plate.units if self._plate.heat_led or self._heat_season else 0

    @property
    def _least_frac(self) -> float:
        plate = self._plate
        if plate.heat_led:
            level = STEAM_MEAN_FRAC + STEAM_DAY_FRAC * self._shift + self._steam.value
            return min(1.0, max(plate.min_load_frac, level))
        if not self._heat_season:
            return plate.min_load_frac
        return min(self._most_frac, plate.min_load_frac + HEAT_RAISES_LEAST * self._heat_frac)

    @property
    def _most_frac(self) -> float:
        if self._plate.heat_led:
            return self._least_frac
        return 1.0 - HEAT_LOWERS_MOST * self._heat_frac if self._heat_season else 1.0

    def _goal_mw(self, low_mw: float) -> float:
        return min(low_mw if self._wanted_mw is None else self._wanted_mw, self._cap_mw)

    def _choose_units(self, generation_mw: float) -> None:
        """More units only where those that are on cannot carry it, fewer only where they cannot go so low."""
        plate, coming = self._plate, self._units_on + self._starting
        if generation_mw > coming * plate.unit_mw * self._most_frac + _EPS_MW:
            self._units_wanted = min(plate.units, math.ceil(generation_mw / (plate.unit_mw * self._most_frac) - 1e-9))
        elif generation_mw < coming * plate.unit_mw * self._least_frac - _EPS_MW:
            self._units_wanted = math.floor(generation_mw / (plate.unit_mw * self._least_frac) + 1e-9)
        else:
            self._units_wanted = coming

    def _commit(self) -> None:
        """Start or stop units towards what is wanted, as far as they may."""
        wanted = max(self._units_wanted, self._must_run)
        coming = self._units_on + self._starting
        if coming == wanted:
            return
        # Those that are on their way are given up first.
        for boiler in sorted(self._boilers, key=lambda b: b.stage is Stage.ON):
            if coming < wanted:
                coming += boiler.start()
            elif coming > wanted:
                coming -= boiler.stop()
        self._count()

    def _look(self, at: datetime, dt_s: float, outdoor_c: float = NO_HEAT_C) -> None:
        """Heat, steam and calendar move on."""
        plate = self._plate
        self._look_in_s -= dt_s
        if self._look_in_s <= 0.0:
            local = at.astimezone(self._zone)
            self._heat_season = local.month in plate.heat_bound_months
            self._shift = math.sin(2.0 * math.pi * (local.hour + local.minute / MINUTES_PER_HOUR - 8.0) / HOURS_PER_DAY)
            self._look_in_s = _LOOK_S
        if dt_s and plate.heat_led:
            self._steam.step(dt_s)
        if self._heat_season:
            asked = min(1.0, max(0.0, (NO_HEAT_C - outdoor_c) / (NO_HEAT_C - FULL_HEAT_C)))
            self._heat_frac += (asked - self._heat_frac) * -math.expm1(-s_to_h(dt_s) / HEAT_MEMORY_H)
        else:
            self._heat_frac = 0.0
