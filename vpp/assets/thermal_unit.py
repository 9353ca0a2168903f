"""Identical units that burn coal or biomass (火电/生物质机组): minimum load, ramps, starts of hours, heat that must run.

Power moves the units that are on; `with_units` starts and stops them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.ramp import RAMP_WINDOW_H, most_mwh, ramp_band
from vpp.assets.starts import Counts, advance
from vpp.units import MINUTES_PER_HOUR, BoolArray, FloatArray

__all__ = ["THERMAL_UNIT", "ThermalUnit", "ThermalUnitColumns", "ThermalUnitState"]


@dataclass(frozen=True, slots=True)
class ThermalUnitColumns:
    """Plates, shape (assets,) each."""

    units: FloatArray
    unit_mw: FloatArray
    min_load_frac: FloatArray
    ramp_frac_per_min: FloatArray
    start_h: FloatArray
    min_on_h: FloatArray
    min_off_h: FloatArray
    heat_led: FloatArray
    off_by_default: FloatArray

    @property
    def steam_led(self) -> BoolArray:
        """Where output follows a steam duty and no command."""
        return self.heat_led > 0.0


@dataclass(frozen=True, slots=True)
class ThermalUnitState:
    """Shape (assets,) each.

    Args:
        units_on: Units on the grid.
        units_starting: Units on their way there.
        start_left_h: Time until they are. [h]
        locked_on_h: Time until a unit may be stopped. [h]
        locked_off_h: Time until a unit may be started. [h]
        must_run_units: From outside: units that heat or the grid needs on.
        steam_generation_mw: From outside: what the steam duty of steam-led units generates. [MW]
        power_mw: Power of the last step, never above zero. [MW]
    """

    units_on: FloatArray
    units_starting: FloatArray
    start_left_h: FloatArray
    locked_on_h: FloatArray
    locked_off_h: FloatArray
    must_run_units: FloatArray
    steam_generation_mw: FloatArray
    power_mw: FloatArray


@dataclass(frozen=True, slots=True)
class ThermalUnit:
    """A unit that comes on is taken to its minimum load at once: synchronising is its own affair, not the ramp's."""

    name: str = "thermal_unit"
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> ThermalUnitColumns:
        """The records of a park as arrays."""
        return columns(ThermalUnitColumns, plates)

    def initial(self, plate: ThermalUnitColumns) -> ThermalUnitState:
        """All units at minimum load, or all off where that is the rule."""
        zero = np.zeros_like(plate.units)
        on = np.where(plate.off_by_default > 0.0, 0.0, plate.units)
        least_mw = on * plate.unit_mw * plate.min_load_frac
        return ThermalUnitState(on, zero, zero, zero, zero, zero, least_mw, -least_mw)

    def bounds(self, plate: ThermalUnitColumns) -> StateBounds[ThermalUnitState]:
        """Counts up to the plant, timers up to their full length."""
        zero, most_mw = np.zeros_like(plate.units), plate.units * plate.unit_mw
        low = ThermalUnitState(zero, zero, zero, zero, zero, zero, zero, -most_mw)
        high = ThermalUnitState(
            plate.units, plate.units, plate.start_h, plate.min_on_h, plate.min_off_h, plate.units, most_mw, zero
        )
        return StateBounds(low, high)

    def with_units(self, plate: ThermalUnitColumns, state: ThermalUnitState, units_on: FloatArray) -> ThermalUnitState:
        """The state after asking for a number of units: as near as minimum times and must-run units allow."""
        wanted = np.clip(np.rint(units_on), np.minimum(state.must_run_units, plate.units), plate.units)
        may_start = (state.locked_off_h <= 0.0) & (state.units_starting <= 0.0)
        started = np.where(may_start, np.maximum(0.0, wanted - state.units_on), 0.0)
        stopped = np.where(state.locked_on_h <= 0.0, np.maximum(0.0, state.units_on - wanted), 0.0)
        return replace(
            state,
            units_on=state.units_on - stopped,
            units_starting=state.units_starting + started,
            start_left_h=np.where(started > 0.0, plate.start_h, state.start_left_h),
            locked_off_h=np.where(stopped > 0.0, plate.min_off_h, state.locked_off_h),
        )

    def feasible(self, plate: ThermalUnitColumns, state: ThermalUnitState, step_h: float) -> PowerBand:
        """Between full and minimum load of the units that are on, within the ramp; steam-led units where the steam is."""
        on_mw = state.units_on * plate.unit_mw
        least_mw = on_mw * plate.min_load_frac
        ramp_mw_per_h = plate.ramp_frac_per_min * on_mw * MINUTES_PER_HOUR
        band = ramp_band(state.power_mw, -on_mw, -least_mw, ramp_mw_per_h, step_h)
        led_mw = -np.clip(state.steam_generation_mw, least_mw, on_mw)
        return PowerBand(
            np.where(plate.steam_led, led_mw, band.low_mw),
            np.where(plate.steam_led, led_mw, band.high_mw),
        )

    def step(self, plate: ThermalUnitColumns, state: ThermalUnitState, power_mw: FloatArray, step_h: float) -> ThermalUnitState:
        """Timers run, and started units come on."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        counts = advance(
            Counts(state.units_on, state.units_starting, state.start_left_h, state.locked_on_h, state.locked_off_h),
            plate.min_on_h,
            step_h,
        )
        return replace(
            state,
            units_on=counts.on,
            units_starting=counts.starting,
            start_left_h=counts.start_left_h,
            locked_on_h=counts.locked_on_h,
            locked_off_h=counts.locked_off_h,
            power_mw=power_mw,
        )

    def account(self, plate: ThermalUnitColumns, before: ThermalUnitState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Generation counts as negative use; fuel and heat are not electricity and are accounted elsewhere."""
        after = self.step(plate, before, power_mw, step_h)
        zero = np.zeros_like(power_mw)
        return EnergyAccount(power_mw * step_h, zero, after.power_mw * step_h, zero)

    def safe_power_mw(self, plate: ThermalUnitColumns, state: ThermalUnitState) -> FloatArray:
        """Minimum load of the units that are on, or what the steam asks; stopping is nobody's own decision."""
        on_mw = state.units_on * plate.unit_mw
        least_mw = on_mw * plate.min_load_frac
        return -np.where(plate.steam_led, np.clip(state.steam_generation_mw, least_mw, on_mw), least_mw)

    def reach(self, plate: ThermalUnitColumns, state: ThermalUnitState, horizons_h: FloatArray) -> EnergyReach:
        """All units started as soon as they can be and taken to full load, or stopped as soon as they may be."""
        tau_h = horizons_h[np.newaxis, :]
        on_mw, unit_mw = state.units_on * plate.unit_mw, plate.unit_mw[:, np.newaxis]
        least_mw = on_mw * plate.min_load_frac
        generation_mw = np.clip(-state.power_mw, least_mw, on_mw)
        # Steam may jump within one window; each unit that comes on later is counted at full load, its own ramp left out.
        ramp_mw_per_h = np.where(plate.steam_led, on_mw / RAMP_WINDOW_H, plate.ramp_frac_per_min * on_mw * MINUTES_PER_HOUR)
        most = most_mwh(generation_mw, on_mw, ramp_mw_per_h, horizons_h)
        arrivals = (
            (state.units_starting, state.start_left_h),
            (
                plate.units - state.units_on - state.units_starting,
                np.maximum(state.locked_off_h, state.start_left_h) + plate.start_h,
            ),
        )
        for units, wait_h in arrivals:
            most = most + units[:, np.newaxis] * unit_mw * np.maximum(0.0, tau_h - wait_h[:, np.newaxis])
        locked_h = np.minimum(tau_h, state.locked_on_h[:, np.newaxis])
        bound_mw = np.minimum(state.units_on, state.must_run_units) * plate.unit_mw * plate.min_load_frac
        least = least_mw[:, np.newaxis] * locked_h + bound_mw[:, np.newaxis] * (tau_h - locked_h)
        return EnergyReach(-most, -least)


THERMAL_UNIT: Final = ThermalUnit()
