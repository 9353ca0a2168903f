"""Hydrogen buffer and ammonia loop (储氢缓冲罐 + 合成氨回路): a balance in kilograms, a slow ramp, and a trip when it starves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.ramp import RAMP_WINDOW_H
from vpp.units import FloatArray

__all__ = ["AMMONIA_LOOP", "AmmoniaLoop", "AmmoniaLoopColumns", "AmmoniaLoopState", "HydrogenBalance"]

#: A stopped loop starts again when its buffer holds this long at minimum load: an hour, so that it does not trip at once again.
RESTART_H: Final = 1.0


@dataclass(frozen=True, slots=True)
class AmmoniaLoopColumns:
    """Plates, shape (assets,) each."""

    loop_t_per_h: FloatArray
    min_load_frac: FloatArray
    ramp_frac_per_h: FloatArray
    hydrogen_kg_per_t: FloatArray
    own_load_mw: FloatArray
    own_load_fixed_frac: FloatArray
    buffer_kg: FloatArray

    @property
    def hydrogen_kg_per_h(self) -> FloatArray:
        """Hydrogen that the loop takes at full load."""
        return self.loop_t_per_h * self.hydrogen_kg_per_t

    @property
    def fixed_mw(self) -> FloatArray:
        """Own load that does not depend on output."""
        return self.own_load_mw * self.own_load_fixed_frac

    @property
    def variable_mw(self) -> FloatArray:
        """Own load that full output adds."""
        return self.own_load_mw * (1.0 - self.own_load_fixed_frac)


@dataclass(frozen=True, slots=True)
class AmmoniaLoopState:
    """Shape (assets,) each.

    Args:
        buffer_kg: Hydrogen in the buffer. [kg]
        load_frac: Load of the loop; 0 when it has tripped.
        hydrogen_in_kg_per_h: From outside: what the electrolysers send. [kg/h]
    """

    buffer_kg: FloatArray
    load_frac: FloatArray
    hydrogen_in_kg_per_h: FloatArray


@dataclass(frozen=True, slots=True)
class HydrogenBalance:
    """Where the hydrogen of a step went: `taken = stored + used + vented`, shape (assets,) each, in kg."""

    taken_kg: FloatArray
    stored_kg: FloatArray
    used_kg: FloatArray
    vented_kg: FloatArray


@dataclass(frozen=True, slots=True)
class AmmoniaLoop:
    """Power tells the load, through the part of the own load that depends on it.

    Too much hydrogen is vented; too little first turns the loop down, faster than its ramp if it must, and trips it below its
    minimum. Without any variable own load the power tells nothing, and the loop follows its hydrogen.
    """

    name: str = "ammonia_loop"
    splits_exactly: bool = False  # only a loop whose power does not tell its load differs: it looks at its hydrogen once a step

    def plate(self, plates: Sequence[Any]) -> AmmoniaLoopColumns:
        """The records of a park as arrays."""
        return columns(AmmoniaLoopColumns, plates)

    def initial(self, plate: AmmoniaLoopColumns) -> AmmoniaLoopState:
        """Half full at 60 % load, fed as much as it takes."""
        load_frac = np.maximum(plate.min_load_frac, 0.6)
        return AmmoniaLoopState(0.5 * plate.buffer_kg, load_frac, load_frac * plate.hydrogen_kg_per_h)

    def bounds(self, plate: AmmoniaLoopColumns) -> StateBounds[AmmoniaLoopState]:
        """The buffer's range; load between a trip and full."""
        zero = np.zeros_like(plate.buffer_kg)
        high = AmmoniaLoopState(plate.buffer_kg, np.ones_like(zero), np.full_like(zero, np.inf))
        return StateBounds(AmmoniaLoopState(zero, zero, zero), high)

    def feasible(self, plate: AmmoniaLoopColumns, state: AmmoniaLoopState, step_h: float) -> PowerBand:
        """Loads that ramp and hydrogen allow, as power."""
        low_frac, high_frac = _load_band(plate, state, step_h)
        return PowerBand(plate.fixed_mw + plate.variable_mw * low_frac, plate.fixed_mw + plate.variable_mw * high_frac)

    def step(self, plate: AmmoniaLoopColumns, state: AmmoniaLoopState, power_mw: FloatArray, step_h: float) -> AmmoniaLoopState:
        """Buffer and load after the step; what does not fit into the buffer has been vented."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        load_frac = self.load_frac(plate, state, power_mw, step_h)
        balance_kg_per_h = state.hydrogen_in_kg_per_h - load_frac * plate.hydrogen_kg_per_h
        # Below zero only by rounding: the band does not let more be taken than there is.
        buffer_kg = np.clip(state.buffer_kg + balance_kg_per_h * step_h, 0.0, plate.buffer_kg)
        return replace(state, buffer_kg=buffer_kg, load_frac=load_frac)

    def load_frac(self, plate: AmmoniaLoopColumns, state: AmmoniaLoopState, power_mw: FloatArray, step_h: float) -> FloatArray:
        """The load that a power means."""
        low_frac, high_frac = _load_band(plate, state, step_h)
        tells = plate.variable_mw > 0.0
        told_frac = (power_mw - plate.fixed_mw) / np.where(tells, plate.variable_mw, 1.0)
        follows_frac = state.hydrogen_in_kg_per_h / plate.hydrogen_kg_per_h
        return np.clip(np.where(tells, told_frac, follows_frac), low_frac, high_frac)

    def hydrogen(
        self, plate: AmmoniaLoopColumns, before: AmmoniaLoopState, power_mw: FloatArray, step_h: float
    ) -> HydrogenBalance:
        """Where the hydrogen of that step goes; vented is what overflows, computed apart from the stored."""
        after = self.step(plate, before, power_mw, step_h)
        taken_kg = before.hydrogen_in_kg_per_h * step_h
        used_kg = after.load_frac * plate.hydrogen_kg_per_h * step_h
        room_kg = plate.buffer_kg - before.buffer_kg
        vented_kg = np.maximum(0.0, taken_kg - used_kg - room_kg)
        return HydrogenBalance(taken_kg, after.buffer_kg - before.buffer_kg, used_kg, vented_kg)

    def account(self, plate: AmmoniaLoopColumns, before: AmmoniaLoopState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Compressors use the variable part; the fixed part is lost on standing."""
        load_frac = self.load_frac(plate, before, power_mw, step_h)
        return EnergyAccount(
            taken_mwh=power_mw * step_h,
            stored_mwh=np.zeros_like(power_mw),
            used_mwh=plate.variable_mw * load_frac * step_h,
            lost_mwh=plate.fixed_mw * step_h,
        )

    def safe_power_mw(self, plate: AmmoniaLoopColumns, state: AmmoniaLoopState) -> FloatArray:
        """Minimum load, which spares the buffer; a tripped loop stays so."""
        load_frac = np.where(state.load_frac > 0.0, plate.min_load_frac, 0.0)
        return plate.fixed_mw + plate.variable_mw * load_frac

    def reach(self, plate: AmmoniaLoopColumns, state: AmmoniaLoopState, horizons_h: FloatArray) -> EnergyReach:
        """Up along the ramp and as far as hydrogen lasts; down to minimum load, or to a trip where the intake cannot carry it."""
        tau_h = horizons_h[np.newaxis, :]
        rate = plate.hydrogen_kg_per_h[:, np.newaxis]
        minimum, full = plate.min_load_frac[:, np.newaxis], np.ones_like(tau_h)
        start = np.minimum(1.0, np.maximum(state.load_frac, plate.min_load_frac) + plate.ramp_frac_per_h * RAMP_WINDOW_H)
        ramp = plate.ramp_frac_per_h[:, np.newaxis]
        climb_h = np.minimum(tau_h, (1.0 - start)[:, np.newaxis] / ramp)
        most_h = start[:, np.newaxis] * climb_h + 0.5 * ramp * climb_h**2 + full * (tau_h - climb_h)
        hydrogen_kg = state.buffer_kg[:, np.newaxis] + state.hydrogen_in_kg_per_h[:, np.newaxis] * tau_h
        most_h = np.minimum(most_h, hydrogen_kg / rate)
        carried = (state.hydrogen_in_kg_per_h >= plate.hydrogen_kg_per_h * plate.min_load_frac) & (state.load_frac > 0.0)
        least_h = np.where(carried[:, np.newaxis], minimum * tau_h, 0.0)
        fixed_mwh, variable = plate.fixed_mw[:, np.newaxis] * tau_h, plate.variable_mw[:, np.newaxis]
        return EnergyReach(fixed_mwh + variable * least_h, fixed_mwh + variable * np.maximum(most_h, least_h))


def _load_band(plate: AmmoniaLoopColumns, state: AmmoniaLoopState, step_h: float) -> tuple[FloatArray, FloatArray]:
    rate, minimum = plate.hydrogen_kg_per_h, plate.min_load_frac
    fed_frac = state.hydrogen_in_kg_per_h / rate
    lasting_frac = state.buffer_kg / step_h / rate + fed_frac
    room_frac = plate.ramp_frac_per_h * min(step_h, RAMP_WINDOW_H)
    running = np.maximum(state.load_frac, minimum)
    low = np.maximum(minimum, running - room_frac)
    braking = _braking_frac(plate, state, step_h)
    high = np.minimum(1.0, np.minimum(running + room_frac, np.maximum(low, braking)))
    # The ramp gives way before the buffer runs dry: a turndown that is too fast is better than a trip.
    high = np.minimum(high, np.maximum(lasting_frac, minimum))
    low = np.minimum(low, high)
    tripped = state.load_frac <= 0.0
    restart = tripped & (state.buffer_kg >= minimum * rate * RESTART_H)
    # A hair of slack: a loop fed exactly its minimum must not trip on rounding.
    stopped = (lasting_frac < minimum * (1.0 - 1e-12)) | (tripped & ~restart)
    low = np.where(stopped, 0.0, np.where(restart, minimum, low))
    return low, np.where(stopped, 0.0, np.where(restart, minimum, high))


def _braking_frac(plate: AmmoniaLoopColumns, state: AmmoniaLoopState, step_h: float) -> FloatArray:
    """Highest load from which the ramp can come down before the buffer runs dry, at the present intake.

    Coming down from L to the load b that the intake carries takes `(L - b)^2 / (2 ramp)` hours at full load out of the buffer,
    after the step itself has taken `(L - intake) * step`; the quadratic is solved for L.
    """
    fed_frac = state.hydrogen_in_kg_per_h / plate.hydrogen_kg_per_h
    carried_frac = np.maximum(plate.min_load_frac, fed_frac)
    ramp = plate.ramp_frac_per_h
    spare_h = np.maximum(0.0, state.buffer_kg / plate.hydrogen_kg_per_h - step_h * (carried_frac - fed_frac))
    above = -ramp * step_h + np.sqrt((ramp * step_h) ** 2 + 2.0 * ramp * spare_h)
    return carried_frac + above


AMMONIA_LOOP: Final = AmmoniaLoop()
