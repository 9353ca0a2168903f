"""A fleet of alkaline stacks (碱性电解槽): integer counts of stacks that are on, warm in standby, or off.

Power moves the stacks that are on, and a power below their least load sends as many of them to standby as it must. Stacks are
started by `with_counts`, which keeps start times, minimum times and starts a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.curves import interpolate_rows
from vpp.assets.ramp import ramp_band
from vpp.assets.starts import Counts, advance
from vpp.units import SECONDS_PER_HOUR, FloatArray, kwh_per_nm3_to_mwh_per_kg

__all__ = ["ELECTROLYSER", "Electrolyser", "ElectrolyserColumns", "ElectrolyserState", "hydrogen_kg_per_h"]

#: Higher heating value of hydrogen, 141.88 MJ/kg (NIST WebBook, enthalpy of combustion 285.83 kJ/mol at 2.01588 g/mol), in MWh.
HYDROGEN_HHV_MWH_PER_KG: Final = 0.28583 / 2.01588e-3 / SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class ElectrolyserColumns:
    """Plates, shape (assets,) each but the curve, which is (assets, points)."""

    stacks: FloatArray
    stack_mw: FloatArray
    min_load_frac: FloatArray
    max_load_frac: FloatArray
    load_frac: FloatArray
    specific_kwh_per_nm3: FloatArray
    standby_frac: FloatArray
    cold_start_s: FloatArray
    warm_start_s: FloatArray
    min_on_h: FloatArray
    min_off_h: FloatArray
    starts_per_day: FloatArray
    ramp_frac_per_s: FloatArray


@dataclass(frozen=True, slots=True)
class ElectrolyserState:
    """Shape (assets,) each; what is neither on, in standby nor warming is off.

    Args:
        stacks_on: Stacks that make hydrogen.
        stacks_standby: Stacks kept warm.
        stacks_warming: Stacks on their way to on, which draw standby power.
        warming_left_h: Time until those are on. [h]
        locked_on_h: Time until a stack may be stopped. [h]
        locked_off_h: Time until a stack may be started. [h]
        starts_today: Starts since the day began; whoever keeps the calendar sets it back.
        power_mw: Power of the last step. [MW]
    """

    stacks_on: FloatArray
    stacks_standby: FloatArray
    stacks_warming: FloatArray
    warming_left_h: FloatArray
    locked_on_h: FloatArray
    locked_off_h: FloatArray
    starts_today: FloatArray
    power_mw: FloatArray


def hydrogen_kg_per_h(plate: ElectrolyserColumns, stacks_on: FloatArray, power_mw: FloatArray) -> FloatArray:
    """Hydrogen that stacks make, the power shared evenly over those that are on.

    Even sharing is best because hydrogen is concave in power between the points of the curve.

    Args:
        plate: The fleets.
        stacks_on: Stacks that are on, shape (assets,).
        power_mw: Power of those stacks alone, standby not counted, shape (assets,). [MW]

    Returns:
        Hydrogen, shape (assets,); 0 where no stack is on. [kg/h]
    """
    mwh_per_kg = plate.specific_kwh_per_nm3 * kwh_per_nm3_to_mwh_per_kg(1.0)
    each_kg_per_h = plate.load_frac * plate.stack_mw[:, np.newaxis] / mwh_per_kg
    running = stacks_on > 0.0
    load_frac = power_mw / (np.where(running, stacks_on, 1.0) * plate.stack_mw)
    made = stacks_on * interpolate_rows(plate.load_frac, each_kg_per_h, load_frac)
    return np.where(running, np.maximum(0.0, made), 0.0)


@dataclass(frozen=True, slots=True)
class Electrolyser:
    """Stacks that start inside a step are counted from the next: the power a step promises must hold from its beginning."""

    name: str = "electrolyser"
    splits_exactly: bool = False  # stacks that end their start inside a step join at its end; without starts it would be exact

    def plate(self, plates: Sequence[Any]) -> ElectrolyserColumns:
        """The records of a park as arrays."""
        return columns(ElectrolyserColumns, plates)

    def initial(self, plate: ElectrolyserColumns) -> ElectrolyserState:
        """Half of the stacks on at their least load, the rest warm."""
        zero = np.zeros_like(plate.stacks)
        on = np.ceil(plate.stacks / 2.0)
        state = ElectrolyserState(on, plate.stacks - on, zero, zero, zero, zero, zero, zero)
        return replace(state, power_mw=standby_mw(plate, state) + on * plate.stack_mw * plate.min_load_frac)

    def bounds(self, plate: ElectrolyserColumns) -> StateBounds[ElectrolyserState]:
        """Counts up to the fleet, timers up to their full length."""
        zero = np.zeros_like(plate.stacks)
        warming_h = np.maximum(plate.cold_start_s, plate.warm_start_s) / SECONDS_PER_HOUR
        most_mw = plate.stacks * plate.stack_mw * np.maximum(plate.max_load_frac, plate.standby_frac)
        low = ElectrolyserState(zero, zero, zero, zero, zero, zero, zero, zero)
        high = ElectrolyserState(
            stacks_on=plate.stacks,
            stacks_standby=plate.stacks,
            stacks_warming=plate.stacks,
            warming_left_h=warming_h,
            locked_on_h=plate.min_on_h,
            locked_off_h=plate.min_off_h,
            starts_today=plate.starts_per_day * plate.stacks,
            power_mw=most_mw,
        )
        return StateBounds(low, high)

    def with_counts(
        self, plate: ElectrolyserColumns, state: ElectrolyserState, stacks_on: FloatArray, stacks_standby: FloatArray
    ) -> ElectrolyserState:
        """The state after asking for counts: as near to them as minimum times and starts a day allow.

        Stacks warm in standby start first. A fleet that is already warming takes no further start until that one is done.
        """
        started_before = state.stacks_warming > 0.0
        may_start = ~started_before & (state.locked_off_h <= 0.0)
        allowance = np.maximum(0.0, np.floor(plate.starts_per_day * plate.stacks - state.starts_today))
        missing = np.clip(np.rint(stacks_on) - state.stacks_on, 0.0, plate.stacks - state.stacks_on)
        started = np.where(may_start, np.minimum(missing, allowance), 0.0)
        cold = started > state.stacks_standby
        start_h = np.where(cold, plate.cold_start_s, plate.warm_start_s) / SECONDS_PER_HOUR
        surplus = np.clip(state.stacks_on - np.rint(stacks_on), 0.0, state.stacks_on)
        stopped = np.where(state.locked_on_h <= 0.0, surplus, 0.0)
        on, warming = state.stacks_on - stopped, state.stacks_warming + started
        return replace(
            state,
            stacks_on=on,
            # What is off does not become warm by asking; only what ran or stood by can be kept warm.
            stacks_standby=np.clip(np.rint(stacks_standby), 0.0, np.maximum(0.0, state.stacks_standby - started) + stopped),
            stacks_warming=warming,
            warming_left_h=np.where(started > 0.0, start_h, state.warming_left_h),
            locked_off_h=np.where(stopped > 0.0, plate.min_off_h, state.locked_off_h),
            starts_today=state.starts_today + started,
        )

    def feasible(self, plate: ElectrolyserColumns, state: ElectrolyserState, step_h: float) -> PowerBand:
        """From standby (or least load, while none may be stopped) to greatest load of the stacks that are on."""
        draw_mw, on_mw = standby_mw(plate, state), state.stacks_on * plate.stack_mw
        ramp_mw_per_h = plate.ramp_frac_per_s * on_mw * SECONDS_PER_HOUR
        least_frac = np.where(state.locked_on_h <= 0.0, _parked_frac(plate), plate.min_load_frac)
        low_mw, high_mw = draw_mw + on_mw * least_frac, draw_mw + on_mw * plate.max_load_frac
        return ramp_band(state.power_mw, low_mw, high_mw, ramp_mw_per_h, step_h)

    def step(
        self, plate: ElectrolyserColumns, state: ElectrolyserState, power_mw: FloatArray, step_h: float
    ) -> ElectrolyserState:
        """Stacks that the power leaves below least load go to standby; timers run, and warmed stacks come on."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        staying = stacks_staying(plate, state, power_mw)
        stopped = state.stacks_on - staying
        counts = advance(
            Counts(staying, state.stacks_warming, state.warming_left_h, state.locked_on_h, state.locked_off_h),
            plate.min_on_h,
            step_h,
        )
        return replace(
            state,
            stacks_on=counts.on,
            stacks_standby=state.stacks_standby + stopped,
            stacks_warming=counts.starting,
            warming_left_h=counts.start_left_h,
            locked_on_h=counts.locked_on_h,
            # The pause counts from the stop, at the beginning of the step.
            locked_off_h=np.where(stopped > 0.0, np.maximum(0.0, plate.min_off_h - step_h), counts.locked_off_h),
            power_mw=power_mw,
        )

    def account(
        self, plate: ElectrolyserColumns, before: ElectrolyserState, power_mw: FloatArray, step_h: float
    ) -> EnergyAccount:
        """Used is the heating value of the hydrogen; lost is what the stacks need above it, and standby."""
        staying = stacks_staying(plate, before, power_mw)
        parked_mw = (before.stacks_on - staying) * plate.stack_mw * plate.standby_frac
        # With no stack left on, what exceeds standby is heat.
        draw_mw = np.where(staying > 0.0, standby_mw(plate, before) + parked_mw, power_mw)
        made_kg_per_h = hydrogen_kg_per_h(plate, staying, power_mw - draw_mw)
        needed_mwh_per_kg = np.divide(
            power_mw - draw_mw, made_kg_per_h, out=np.full_like(power_mw, HYDROGEN_HHV_MWH_PER_KG), where=made_kg_per_h > 0.0
        )
        return EnergyAccount(
            taken_mwh=power_mw * step_h,
            stored_mwh=np.zeros_like(power_mw),
            used_mwh=made_kg_per_h * HYDROGEN_HHV_MWH_PER_KG * step_h,
            lost_mwh=(made_kg_per_h * (needed_mwh_per_kg - HYDROGEN_HHV_MWH_PER_KG) + draw_mw) * step_h,
        )

    def safe_power_mw(self, plate: ElectrolyserColumns, state: ElectrolyserState) -> FloatArray:
        """Warm standby, or least load while no stack may be stopped."""
        least_frac = np.where(state.locked_on_h <= 0.0, _parked_frac(plate), plate.min_load_frac)
        return standby_mw(plate, state) + state.stacks_on * plate.stack_mw * least_frac

    def reach(self, plate: ElectrolyserColumns, state: ElectrolyserState, horizons_h: FloatArray) -> EnergyReach:
        """All stacks started as soon as they can be, or stopped as soon as they may; ramps of seconds are left out."""
        tau_h = horizons_h[np.newaxis, :]
        off = plate.stacks - state.stacks_on - state.stacks_standby - state.stacks_warming
        wait_h = np.maximum(state.locked_off_h, state.warming_left_h)
        high = _rising(plate, state.stacks_on, np.zeros_like(off), tau_h)
        high = high + _rising(plate, state.stacks_warming, state.warming_left_h, tau_h)
        high = high + _rising(plate, state.stacks_standby, wait_h + plate.warm_start_s / SECONDS_PER_HOUR, tau_h)
        high = high + _rising(plate, off, wait_h + plate.cold_start_s / SECONDS_PER_HOUR, tau_h)
        # Only stacks that may not be stopped yet, and those on their way to on, are sure to draw anything.
        sure_mw = (state.stacks_on * plate.stack_mw * plate.min_load_frac)[:, np.newaxis]
        warming_mw = (state.stacks_warming * plate.stack_mw * plate.standby_frac)[:, np.newaxis]
        low = sure_mw * np.minimum(tau_h, state.locked_on_h[:, np.newaxis])
        return EnergyReach(low + warming_mw * np.minimum(tau_h, state.warming_left_h[:, np.newaxis]), high)


def standby_mw(plate: ElectrolyserColumns, state: ElectrolyserState) -> FloatArray:
    """What stacks draw that are warm or warming but make nothing."""
    return (state.stacks_standby + state.stacks_warming) * plate.stack_mw * plate.standby_frac


def stacks_staying(plate: ElectrolyserColumns, state: ElectrolyserState, power_mw: FloatArray) -> FloatArray:
    """Stacks that stay on at a power: as many as it can keep at least load with the others in standby."""
    parked_mw = standby_mw(plate, state) + state.stacks_on * plate.stack_mw * plate.standby_frac
    each_mw = plate.stack_mw * np.maximum(plate.min_load_frac - plate.standby_frac, 1e-12)
    # A hair of slack, so that least load itself keeps them all.
    kept = np.floor((power_mw - parked_mw) / each_mw * (1.0 + 1e-9) + 1e-9)
    return np.where(state.locked_on_h > 0.0, state.stacks_on, np.clip(kept, 0.0, state.stacks_on))


def _parked_frac(plate: ElectrolyserColumns) -> FloatArray:
    return np.minimum(plate.min_load_frac, plate.standby_frac)


def _rising(plate: ElectrolyserColumns, stacks: FloatArray, delay_h: FloatArray, tau_h: FloatArray) -> FloatArray:
    waiting_h = np.minimum(tau_h, delay_h[:, np.newaxis])
    most_frac = np.maximum(plate.max_load_frac, plate.standby_frac)
    held = (plate.standby_frac[:, np.newaxis] * waiting_h) + most_frac[:, np.newaxis] * (tau_h - waiting_h)
    return (stacks * plate.stack_mw)[:, np.newaxis] * held


ELECTROLYSER: Final = Electrolyser()
