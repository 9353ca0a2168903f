"""A fleet of alkaline stacks as cohorts: cold, warming up, warm on standby, starting, on.

Stacks of one cohort share a temperature and, when on, a load and the purity of their gas. A cold stack warms up first and is
then on standby; from there it is on within minutes. One that has just come on stays on for its minimum time, one that has just
gone off rests for its own; only what the frequency asks breaks that. Which stack it is does not matter: the fleet rotates them.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_harness.plants.alkaline_cell import WORKING_C, impurity_factor, specific_factor
from vpp.park.plates import ElectrolyserPlate
from vpp.units import HOURS_PER_DAY, h_to_s, kwh_per_nm3_to_mwh_per_kg, s_to_h

__all__ = ["START_POWER_FRAC", "TRIP_HTO_FRAC", "StackFleet"]

#: Hydrogen in oxygen at which a stack trips: half of the lower explosive limit of 4 vol %, as is usual.
TRIP_HTO_FRAC: Final = 0.02
#: Plate minimum load keeps this share of the trip limit in steady state. Assumption.
HTO_AT_MIN_LOAD_FRAC: Final = 0.9 * TRIP_HTO_FRAC
#: Oxygen side and separator are exchanged with this time constant. Assumption.
HTO_TIME_S: Final = 300.0
#: Power of the electric heater and of the first current of a stack that warms up, of its rating. Assumption.
START_POWER_FRAC: Final = 0.2
#: A warm stack, a cold hall, and how fast one comes to the other. Assumptions for 5 MW stacks in a heated hall.
HOT_C: Final = WORKING_C
HALL_MIN_C: Final = 5.0
COOLING_H: Final = 12.0
WARMING_H: Final = 1.5
#: Below this share of the way to hot a start counts as cold and wears like one.
COLD_BELOW_FRAC: Final = 0.75
#: At low load less heat comes than is lost: below half load a stack runs so many degrees cooler for each unit of load.
COOLER_PER_LOAD_C: Final = 30.0
#: Specific energy rises with every 10,000 h on load (1 %), every 1,000 cold starts (1 %) and every 300 trips (1 %), whose reverse
#: currents wear the electrodes. Assumptions after 0.1 % in 1,000 h and a life of 60,000 h.
SPECIFIC_PER_STACK_H: Final = 1e-6
SPECIFIC_PER_START: Final = 1e-5
SPECIFIC_PER_TRIP: Final = 3e-5
#: Higher heating value of hydrogen. [MWh/kg] (141.8 MJ/kg, NIST WebBook)
HHV_MWH_PER_KG: Final = 0.03939


@dataclass(slots=True)
class _Batch:
    count: int
    left_s: float


class StackFleet:
    """Counts, temperatures and gas purity of all stacks of one plant; knows nothing of commands.

    Args:
        plate: What is written on the stacks.
        rng: Spread of start times and of the fleet's quality.
    """

    def __init__(self, plate: ElectrolyserPlate, rng: np.random.Generator) -> None:
        self.plate = plate
        self._rng = rng
        self.on, self.standby, self.off = 0, 0, plate.stacks
        self._warming: deque[_Batch] = deque()
        self._starting: deque[_Batch] = deque()
        self._young: deque[_Batch] = deque()
        self._resting: deque[_Batch] = deque()
        self.hot_c, self.off_c = HOT_C, HALL_MIN_C + 10.0
        self.hto_frac = HTO_AT_MIN_LOAD_FRAC
        self.cold_starts = self.warm_starts = self.trips = self.entered = self.left = 0
        self.stack_hours = self.heat_mwh = self.hydrogen_kg = 0.0
        self._first_on = 0
        self._start_budget = plate.starts_per_day * plate.stacks
        self._min_on_s, self._min_off_s = h_to_s(plate.min_on_h), h_to_s(plate.min_off_h)
        self._hto_at_rating = HTO_AT_MIN_LOAD_FRAC * plate.min_load_frac
        self._quality = 1.0 + 0.005 * float(rng.standard_normal())
        self._load = tuple(plate.load_frac)
        self._specific = tuple(kwh_per_nm3_to_mwh_per_kg(s) for s in plate.specific_kwh_per_nm3)

    def begin(self, on: int, standby: int) -> None:
        """Begin the run with stacks that are already on or warm."""
        self.on, self.standby, self.off = on, standby, self.plate.stacks - on - standby
        self._first_on = on

    @property
    def warming(self) -> int:
        """Cold stacks on their way to standby."""
        return sum(batch.count for batch in self._warming)

    @property
    def warming_left_s(self) -> float:
        """Time until the last of them is warm, in s."""
        return max((batch.left_s for batch in self._warming), default=0.0)

    @property
    def starting(self) -> int:
        """Warm stacks on their way to being on."""
        return sum(batch.count for batch in self._starting)

    @property
    def locked_on(self) -> int:
        """Stacks that have not been on for their minimum time."""
        return sum(batch.count for batch in self._young)

    @property
    def locked_on_s(self) -> float:
        """Time until the first stack may be parked, in s; 0 when one may be now."""
        if not self.on or self.locked_on < self.on:
            return 0.0
        return min((batch.left_s for batch in self._young), default=0.0)

    @property
    def locked_off(self) -> int:
        """Stacks that rest after they went off."""
        return sum(batch.count for batch in self._resting)

    @property
    def locked_off_s(self) -> float:
        """Time until the first cold stack may be warmed, in s; 0 when one may be now."""
        if not self.off or self.locked_off < self.off:
            return 0.0
        return min((batch.left_s for batch in self._resting), default=0.0)

    @property
    def wear_frac(self) -> float:
        """Rise of the specific energy by hours, starts and trips, mean over the fleet."""
        worn = SPECIFIC_PER_STACK_H * self.stack_hours + SPECIFIC_PER_START * self.cold_starts + SPECIFIC_PER_TRIP * self.trips
        return worn / self.plate.stacks

    @property
    def idle_mw(self) -> float:
        """Draw of all stacks that are not on: standby heat and warming up."""
        plate = self.plate
        warm = self.standby + self.starting
        return plate.stack_mw * (warm * plate.standby_frac + self.warming * START_POWER_FRAC)

    @property
    def stacks_left_over(self) -> int:
        """Zero: no stack is lost or doubled."""
        return self.plate.stacks - self.on - self.standby - self.off - self.warming - self.starting

    @property
    def on_left_over(self) -> int:
        """Zero: the stacks on are those that came less those that went."""
        return self._first_on + self.entered - self.left - self.on

    def advance(self, dt_s: float) -> None:
        """Starts that are over before the middle of the coming step take effect at its beginning."""
        self._start_budget = min(
            self.plate.starts_per_day * self.plate.stacks,
            self._start_budget + self.plate.starts_per_day * self.plate.stacks * s_to_h(dt_s) / HOURS_PER_DAY,
        )
        if self._young:
            _finished(self._young, dt_s)
        if self._resting:
            _finished(self._resting, dt_s)
        if self._warming:
            self.standby += _finished(self._warming, dt_s)
        if self._starting:
            done = _finished(self._starting, dt_s)
            self.on += done
            self.entered += done
            if done:
                self._young.append(_Batch(done, self._min_on_s))

    def move(self, on: int, standby: int, *, may_start: bool) -> None:
        """Bring the counts towards what is wanted: less as minimum times allow, more by starts."""
        if self.on > on:
            self.park(min(self.on - on, self.on - self.locked_on))
            on = max(on, self.on)
        starting = self.starting if self._starting else 0
        lacking = on - self.on - starting
        if lacking < 0:
            self.standby += _cancelled(self._starting, -lacking)
        elif lacking and may_start:
            self._start(min(lacking, self.standby))
        self._keep_warm(on + standby, may_start=may_start)

    def park(self, count: int) -> None:
        """Take stacks from on to standby in good order, those that have been on longest first."""
        self._leave(count)
        self.standby += count

    def trip(self, count: int) -> None:
        """Throw stacks off, hot as they are; they are purged and have to warm up again."""
        self._leave(count)
        self.trips += count
        self._to_off(count)

    def stop_warming(self, short_mw: float) -> None:
        """Stop warming up as many stacks as it takes to draw `short_mw` less."""
        per_stack_mw = START_POWER_FRAC * self.plate.stack_mw
        self.off += _cancelled(self._warming, math.ceil(short_mw / per_stack_mw - 1e-9))

    def drop_idle(self, short_mw: float) -> None:
        """Let warm stacks go cold until `short_mw` less is drawn."""
        standby_mw = self.plate.standby_frac * self.plate.stack_mw
        if standby_mw <= 0.0:
            return
        self.standby += _cancelled(self._starting, self.starting)
        count = min(self.standby, math.ceil(short_mw / standby_mw - 1e-9))
        self.standby -= count
        self._to_off(count)

    def run(self, on_mw: float, dt_s: float, hall_c: float) -> float:
        """Run the stacks that are on for a step and say what they make, in kg.

        Args:
            on_mw: Power of all of them.
            dt_s: Length of the step.
            hall_c: Temperature around them.
        """
        dt_h = s_to_h(dt_s)
        self.off_c += (hall_c - self.off_c) * -math.expm1(-dt_h / COOLING_H)
        if not self.on:
            self.hto_frac = 0.0
            return 0.0
        load = on_mw / (self.on * self.plate.stack_mw)
        # Heat comes with the current: at low load the stacks run cooler, and less well.
        self.hot_c += (HOT_C - COOLER_PER_LOAD_C * max(0.0, 0.5 - load) - self.hot_c) * -math.expm1(-dt_h / WARMING_H)
        settled = self._hto_at_rating * impurity_factor(load, self.hot_c)
        self.hto_frac += (settled - self.hto_frac) * -math.expm1(-dt_s / HTO_TIME_S)
        specific = self.specific_mwh_per_kg(load)
        energy_mwh = on_mw * dt_h
        made_kg = energy_mwh / specific
        self.hydrogen_kg += made_kg
        self.heat_mwh += made_kg * (specific - HHV_MWH_PER_KG)
        self.stack_hours += self.on * dt_h
        return made_kg

    def specific_mwh_per_kg(self, load: float) -> float:
        """Plant energy per hydrogen at a load, at the present temperature and wear, in MWh/kg."""
        points, values = self._load, self._specific
        i = 1
        while i < len(points) - 1 and load > points[i]:
            i += 1
        if len(points) == 1:
            new = values[0]
        else:
            share = (load - points[i - 1]) / (points[i] - points[i - 1])
            # Outside the curve its last slope goes on; a stack that hardly runs makes heat, never less than the heating value.
            new = values[i - 1] + share * (values[i] - values[i - 1])
        return max(new * self._quality * (1.0 + self.wear_frac) * specific_factor(load, self.hot_c), HHV_MWH_PER_KG)

    def _start(self, count: int) -> None:
        if count <= 0:
            return
        self.standby -= count
        self.warm_starts += count
        self._starting.append(_Batch(count, self.plate.warm_start_s * float(self._rng.uniform(0.6, 1.4))))

    def _keep_warm(self, hot_wanted: int, *, may_start: bool) -> None:
        hot = self.on + self.standby + (self.starting if self._starting else 0)
        warming = self.warming if self._warming else 0
        if hot > hot_wanted:
            count = min(self.standby, hot - hot_wanted)
            self.standby -= count
            self._to_off(count)
        if warming and hot + warming > hot_wanted:
            self.off += _cancelled(self._warming, hot + warming - hot_wanted)
        rested = self.off - self.locked_off if self._resting else self.off
        lacking = min(hot_wanted - hot - warming, rested, int(self._start_budget))
        if lacking > 0 and may_start:
            self._warm_up(lacking)

    def _warm_up(self, count: int) -> None:
        plate = self.plate
        chill = min(1.0, max(0.0, (HOT_C - self.off_c) / (HOT_C - HALL_MIN_C)))
        spread = float(self._rng.uniform(0.8, 1.2))
        left_s = plate.warm_start_s + (plate.cold_start_s - plate.warm_start_s) * chill
        self.off -= count
        self._warming.append(_Batch(count, left_s * spread))
        if chill > 1.0 - COLD_BELOW_FRAC:
            self.cold_starts += count
            self._start_budget -= count

    def _leave(self, count: int) -> None:
        self.on -= count
        self.left += count
        if self._young:
            _cancelled(self._young, self.locked_on - self.on)

    def _to_off(self, count: int) -> None:
        if count <= 0:
            return
        self._resting.append(_Batch(count, self._min_off_s))
        self.off_c = (self.off_c * self.off + self.hot_c * count) / (self.off + count)
        self.off += count


def _finished(batches: deque[_Batch], dt_s: float) -> int:
    done = 0
    for batch in batches:
        if batch.left_s <= dt_s / 2.0:
            done += batch.count
        batch.left_s -= dt_s
    if done:
        kept = [batch for batch in batches if batch.left_s > -dt_s / 2.0]
        batches.clear()
        batches.extend(kept)
    return done


def _cancelled(batches: deque[_Batch], count: int) -> int:
    """Takes up to `count` stacks out of the youngest batches; how many."""
    taken = 0
    while batches and taken < count:
        last = batches[-1]
        some = min(last.count, count - taken)
        last.count -= some
        taken += some
        if not last.count:
            batches.pop()
    return taken
