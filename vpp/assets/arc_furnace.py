"""Arc furnaces feeding one caster (电弧炉): heats as batches, each melted first and refined then, tapped in casting sequences.

Power moves the heats that run, within the limits of their stage; a heat begins by `start_heat` and ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.park.plates import ArcFurnacePlate
from vpp.units import SECONDS_PER_HOUR, BoolArray, FloatArray

__all__ = ["ARC_FURNACE", "ArcFurnace", "ArcFurnaceColumns", "ArcFurnaceState"]

#: Melting runs at 80-100 % of melting power, refining at 30-50 % (of it, about a nominal 40 %): three quarters to five quarters.
MELTING_LOW_FRAC: Final = 0.8
REFINING_LOW_FRAC: Final = 0.75
REFINING_HIGH_FRAC: Final = 1.25


@dataclass(frozen=True, slots=True)
class _Own:
    furnaces: FloatArray
    melting_mw: FloatArray
    refining_frac: FloatArray
    heat_mwh: FloatArray
    melting_energy_frac: FloatArray
    power_on_s: FloatArray
    tap_to_tap_s: FloatArray
    auxiliary_mw: FloatArray
    sequence_heats_max: FloatArray
    sequence_gap_s: FloatArray
    hold_max_s: FloatArray


@dataclass(frozen=True, slots=True)
class ArcFurnaceColumns:
    """Plates, shape (assets,) each; `present` is (assets, furnaces), 0 where an asset has fewer than the largest one."""

    melting_mw: FloatArray
    refining_mw: FloatArray
    heat_mwh: FloatArray
    refining_mwh: FloatArray
    turnaround_h: FloatArray
    tap_to_tap_h: FloatArray
    auxiliary_mw: FloatArray
    sequence_heats_max: FloatArray
    sequence_gap_h: FloatArray
    hold_max_h: FloatArray
    present: FloatArray


@dataclass(frozen=True, slots=True)
class ArcFurnaceState:
    """Shape (assets, furnaces) for what a furnace does, (assets,) for what their caster sees.

    Args:
        heat_left_mwh: Energy that the running heat still needs; 0 where none runs. [MWh]
        hold_left_h: Time that the arc of this heat may still be off while melting. [h]
        ready_in_h: Time until the next heat may begin. [h]
        since_tap_h: Time since the last tap. [h]
        sequence_heats: Heats tapped in the running casting sequence.
    """

    heat_left_mwh: FloatArray
    hold_left_h: FloatArray
    ready_in_h: FloatArray
    since_tap_h: FloatArray
    sequence_heats: FloatArray


@dataclass(frozen=True, slots=True)
class ArcFurnace:
    """A power between least and most is shared by the furnaces so that each is equally far between its own."""

    name: str = "arc_furnace"
    splits_exactly: bool = False  # a stage that ends inside a step is one mean in it, two powers in its parts

    def plate(self, plates: Sequence[ArcFurnacePlate]) -> ArcFurnaceColumns:
        """The records of a park as arrays."""
        own = columns(_Own, plates)
        most = int(own.furnaces.max(initial=1.0))
        return ArcFurnaceColumns(
            melting_mw=own.melting_mw,
            refining_mw=own.melting_mw * own.refining_frac,
            heat_mwh=own.heat_mwh,
            refining_mwh=own.heat_mwh * (1.0 - own.melting_energy_frac),
            turnaround_h=np.maximum(0.0, own.tap_to_tap_s - own.power_on_s) / SECONDS_PER_HOUR,
            tap_to_tap_h=own.tap_to_tap_s / SECONDS_PER_HOUR,
            auxiliary_mw=own.auxiliary_mw,
            sequence_heats_max=own.sequence_heats_max,
            sequence_gap_h=own.sequence_gap_s / SECONDS_PER_HOUR,
            hold_max_h=own.hold_max_s / SECONDS_PER_HOUR,
            present=(np.arange(most)[np.newaxis, :] < own.furnaces[:, np.newaxis]).astype(np.float64),
        )

    def initial(self, plate: ArcFurnaceColumns) -> ArcFurnaceState:
        """All furnaces ready, no heat running, the caster between sequences."""
        none, zero = np.zeros_like(plate.present), np.zeros_like(plate.heat_mwh)
        return ArcFurnaceState(none, none, none, zero, zero)

    def bounds(self, plate: ArcFurnaceColumns) -> StateBounds[ArcFurnaceState]:
        """One heat a furnace; timers up to their full length, but the time since a tap, which nothing limits."""
        none, zero = np.zeros_like(plate.present), np.zeros_like(plate.heat_mwh)
        high = ArcFurnaceState(
            heat_left_mwh=plate.present * plate.heat_mwh[:, np.newaxis],
            hold_left_h=plate.present * plate.hold_max_h[:, np.newaxis],
            ready_in_h=plate.present * plate.turnaround_h[:, np.newaxis],
            since_tap_h=np.full_like(zero, np.inf),
            sequence_heats=plate.sequence_heats_max,
        )
        return StateBounds(ArcFurnaceState(none, none, none, zero, zero), high)

    def start_heat(self, plate: ArcFurnaceColumns, state: ArcFurnaceState, start: BoolArray) -> ArcFurnaceState:
        """The state after asking furnaces to begin a heat, shape (assets, furnaces); one that is not ready does not."""
        begins = start & (plate.present > 0.0) & (state.heat_left_mwh <= 0.0) & (state.ready_in_h <= 0.0)
        return replace(
            state,
            heat_left_mwh=np.where(begins, plate.heat_mwh[:, np.newaxis], state.heat_left_mwh),
            hold_left_h=np.where(begins, plate.hold_max_h[:, np.newaxis], state.hold_left_h),
        )

    def feasible(self, plate: ArcFurnaceColumns, state: ArcFurnaceState, step_h: float) -> PowerBand:
        """Mean power of the heats that run: slowest with what hold is left, or fastest, stages and tap inside the step."""
        low_mwh, high_mwh = _step_energy(plate, state, step_h)
        return PowerBand(
            plate.auxiliary_mw + np.sum(low_mwh, axis=1) / step_h,
            plate.auxiliary_mw + np.sum(high_mwh, axis=1) / step_h,
        )

    def step(self, plate: ArcFurnaceColumns, state: ArcFurnaceState, power_mw: FloatArray, step_h: float) -> ArcFurnaceState:
        """Heats after the step: what was put in, what hold it took, who tapped."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        put_in_mwh = self.heat_energy_mwh(plate, state, power_mw, step_h)
        left_mwh = state.heat_left_mwh - put_in_mwh
        # What rounding leaves of a heat is no heat.
        tapped = (state.heat_left_mwh > 0.0) & (left_mwh <= 1e-9 * plate.heat_mwh[:, np.newaxis])
        held_h = np.clip(step_h - _slowest_h(plate, state, put_in_mwh), 0.0, state.hold_left_h)
        holding = _is_melting(plate, state) & ~tapped
        taps = np.sum(tapped, axis=1).astype(np.float64)
        since_h = state.since_tap_h + step_h
        unbroken = np.where(since_h <= plate.tap_to_tap_h + plate.sequence_gap_h, state.sequence_heats, 0.0)
        tapped_heats = unbroken + taps
        return ArcFurnaceState(
            heat_left_mwh=np.where(tapped, 0.0, np.maximum(0.0, left_mwh)),
            hold_left_h=np.where(holding, state.hold_left_h - held_h, np.where(tapped, 0.0, state.hold_left_h)),
            ready_in_h=np.where(tapped, plate.turnaround_h[:, np.newaxis], np.maximum(0.0, state.ready_in_h - step_h)),
            since_tap_h=np.where(taps > 0.0, 0.0, since_h),
            sequence_heats=np.where(tapped_heats > plate.sequence_heats_max, taps, tapped_heats),
        )

    def heat_energy_mwh(
        self, plate: ArcFurnaceColumns, state: ArcFurnaceState, power_mw: FloatArray, step_h: float
    ) -> FloatArray:
        """What each running heat gets of a power over a step, shape (assets, furnaces)."""
        low_mwh, high_mwh = _step_energy(plate, state, step_h)
        room_mwh = high_mwh - low_mwh
        all_room_mwh = np.sum(room_mwh, axis=1)
        above_mwh = (power_mw - plate.auxiliary_mw) * step_h - np.sum(low_mwh, axis=1)
        share_frac = np.divide(above_mwh, all_room_mwh, out=np.zeros_like(above_mwh), where=all_room_mwh > 0.0)
        given_mwh: FloatArray = low_mwh + np.clip(share_frac, 0.0, 1.0)[:, np.newaxis] * room_mwh
        return given_mwh

    def account(self, plate: ArcFurnaceColumns, before: ArcFurnaceState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Used is what went into heats, from the states; auxiliaries are lost."""
        after = self.step(plate, before, power_mw, step_h)
        return EnergyAccount(
            taken_mwh=power_mw * step_h,
            stored_mwh=np.zeros_like(power_mw),
            used_mwh=np.sum(before.heat_left_mwh - after.heat_left_mwh, axis=1),
            lost_mwh=plate.auxiliary_mw * step_h,
        )

    def safe_power_mw(self, plate: ArcFurnaceColumns, state: ArcFurnaceState) -> FloatArray:
        """Running heats go on at the least power of their stage; a heat left alone would freeze."""
        melting_mw = MELTING_LOW_FRAC * plate.melting_mw[:, np.newaxis]
        refining_mw = REFINING_LOW_FRAC * plate.refining_mw[:, np.newaxis]
        stage_mw = np.where(_is_melting(plate, state), melting_mw, np.where(state.heat_left_mwh > 0.0, refining_mw, 0.0))
        safe_mw: FloatArray = plate.auxiliary_mw + np.sum(stage_mw, axis=1)
        return safe_mw

    def reach(self, plate: ArcFurnaceColumns, state: ArcFurnaceState, horizons_h: FloatArray) -> EnergyReach:
        """Running heats at their slowest and none begun, or heats one after another at their fastest."""
        tau_h = horizons_h[np.newaxis, np.newaxis, :]
        hold_h = np.where(_is_melting(plate, state), state.hold_left_h, 0.0)[:, :, np.newaxis]
        left_mwh = state.heat_left_mwh[:, :, np.newaxis]
        slow, fast = _slow(plate, 2), _fast(plate, 2)
        low_mwh = slow.energy_mwh(left_mwh, np.maximum(0.0, tau_h - hold_h))
        heat_mwh, turnaround_h = _deep(plate.heat_mwh), _deep(plate.turnaround_h)
        wait_h = np.where(left_mwh > 0.0, fast.time_h(left_mwh, left_mwh) + turnaround_h, state.ready_in_h[:, :, np.newaxis])
        later_h = np.maximum(0.0, tau_h - wait_h)
        cycle_h = fast.time_h(heat_mwh, heat_mwh) + turnaround_h
        rounds = np.floor(later_h / cycle_h)
        more_mwh = rounds * heat_mwh + fast.energy_mwh(heat_mwh, later_h - rounds * cycle_h)
        high_mwh = fast.energy_mwh(left_mwh, tau_h * np.ones_like(left_mwh)) + more_mwh * plate.present[:, :, np.newaxis]
        auxiliary_mwh = plate.auxiliary_mw[:, np.newaxis] * horizons_h[np.newaxis, :]
        return EnergyReach(auxiliary_mwh + np.sum(low_mwh, axis=1), auxiliary_mwh + np.sum(high_mwh, axis=1))


@dataclass(frozen=True, slots=True)
class _Pace:
    """Power of the two stages, and the energy of the second, shaped to broadcast over what they are asked about."""

    melting_mw: FloatArray
    refining_mw: FloatArray
    refining_mwh: FloatArray

    def energy_mwh(self, left_mwh: FloatArray, time_h: FloatArray) -> FloatArray:
        """What a heat takes in a time."""
        melting_mwh = np.maximum(0.0, left_mwh - self.refining_mwh)
        melting_h = np.minimum(time_h, melting_mwh / self.melting_mw)
        refined_mwh = np.minimum(np.minimum(left_mwh, self.refining_mwh), self.refining_mw * (time_h - melting_h))
        return np.minimum(self.melting_mw * melting_h, melting_mwh) + refined_mwh

    def time_h(self, left_mwh: FloatArray, energy_mwh: FloatArray) -> FloatArray:
        """The time in which a heat takes an energy."""
        melted_mwh = np.minimum(energy_mwh, np.maximum(0.0, left_mwh - self.refining_mwh))
        return melted_mwh / self.melting_mw + (energy_mwh - melted_mwh) / self.refining_mw


def _deep(column: FloatArray) -> FloatArray:
    return column[:, np.newaxis, np.newaxis]


def _slow(plate: ArcFurnaceColumns, axes: int) -> _Pace:
    shape = (-1,) + (1,) * axes
    melting_mw, refining_mw = MELTING_LOW_FRAC * plate.melting_mw, REFINING_LOW_FRAC * plate.refining_mw
    return _Pace(melting_mw.reshape(shape), refining_mw.reshape(shape), plate.refining_mwh.reshape(shape))


def _fast(plate: ArcFurnaceColumns, axes: int) -> _Pace:
    shape = (-1,) + (1,) * axes
    refining_mw = np.minimum(REFINING_HIGH_FRAC * plate.refining_mw, plate.melting_mw)
    return _Pace(plate.melting_mw.reshape(shape), refining_mw.reshape(shape), plate.refining_mwh.reshape(shape))


def _is_melting(plate: ArcFurnaceColumns, state: ArcFurnaceState) -> BoolArray:
    melting: BoolArray = state.heat_left_mwh > plate.refining_mwh[:, np.newaxis]
    return melting


def _slowest_h(plate: ArcFurnaceColumns, state: ArcFurnaceState, energy_mwh: FloatArray) -> FloatArray:
    return _slow(plate, 1).time_h(state.heat_left_mwh, energy_mwh)


def _step_energy(plate: ArcFurnaceColumns, state: ArcFurnaceState, step_h: float) -> tuple[FloatArray, FloatArray]:
    """Least and most that each running heat can take in a step, shape (assets, furnaces) each."""
    hold_h = np.where(_is_melting(plate, state), state.hold_left_h, 0.0)
    low_mwh = _slow(plate, 1).energy_mwh(state.heat_left_mwh, np.maximum(0.0, step_h - hold_h))
    high_mwh = _fast(plate, 1).energy_mwh(state.heat_left_mwh, np.full_like(hold_h, step_h))
    return low_mwh, np.maximum(low_mwh, high_mwh)


ARC_FURNACE: Final = ArcFurnace()
