"""Compressed-air storage (压缩空气储能): a minimum power and a start in each direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.storage import most_charge_mwh, stored_mwh
from vpp.units import SECONDS_PER_HOUR, FloatArray

__all__ = ["COMPRESSED_AIR", "CompressedAir", "CompressedAirColumns", "CompressedAirState"]


@dataclass(frozen=True, slots=True)
class CompressedAirColumns:
    """Plates, shape (assets,) each."""

    power_mw: FloatArray
    energy_mwh: FloatArray
    round_trip_frac: FloatArray
    soc_min_frac: FloatArray
    soc_max_frac: FloatArray
    min_power_frac: FloatArray
    start_s: FloatArray

    @property
    def one_way_frac(self) -> FloatArray:
        """Efficiency of each direction, the round trip shared evenly."""
        return np.sqrt(self.round_trip_frac)


@dataclass(frozen=True, slots=True)
class CompressedAirState:
    """Shape (assets,) each.

    Args:
        soc_frac: State of charge.
        mode: 1 compressing, 0 at rest, -1 generating.
        start_left_h: Time until the machine of `mode` runs; 0 when it does. [h]
    """

    soc_frac: FloatArray
    mode: FloatArray
    start_left_h: FloatArray


@dataclass(frozen=True, slots=True)
class CompressedAir:
    """A mean below minimum power is met by running at the minimum for part of the step and stopping; it is never run at."""

    name: str = "compressed_air"
    splits_exactly: bool = False  # a start delays the step in which it happens, not each of its parts

    def plate(self, plates: Sequence[Any]) -> CompressedAirColumns:
        """The records of a park as arrays."""
        return columns(CompressedAirColumns, plates)

    def initial(self, plate: CompressedAirColumns) -> CompressedAirState:
        """Half full, at rest."""
        zero = np.zeros_like(plate.power_mw)
        return CompressedAirState(0.5 * (plate.soc_min_frac + plate.soc_max_frac), zero, zero)

    def bounds(self, plate: CompressedAirColumns) -> StateBounds[CompressedAirState]:
        """The cavern's range, the three modes, one start."""
        one, zero = np.ones_like(plate.power_mw), np.zeros_like(plate.power_mw)
        return StateBounds(
            CompressedAirState(plate.soc_min_frac, -one, zero),
            CompressedAirState(plate.soc_max_frac, one, plate.start_s / SECONDS_PER_HOUR),
        )

    def with_mode(self, plate: CompressedAirColumns, state: CompressedAirState, mode: FloatArray) -> CompressedAirState:
        """The state after a switch to a mode (1, 0, -1): what already runs or starts there is left alone, a stop is at once."""
        same = mode == state.mode
        start_h = np.where(mode == 0.0, 0.0, plate.start_s / SECONDS_PER_HOUR)
        return replace(state, mode=mode, start_left_h=np.where(same, state.start_left_h, start_h))

    def feasible(self, plate: CompressedAirColumns, state: CompressedAirState, step_h: float) -> PowerBand:
        """What is left of the step after a start, at rating, less what content and room allow."""
        room_mwh, content_mwh = _room_and_content(plate, state)
        charge_mw = plate.power_mw * _run_h(plate, state, 1.0, step_h) / step_h
        discharge_mw = plate.power_mw * _run_h(plate, state, -1.0, step_h) / step_h
        return PowerBand(
            -np.minimum(discharge_mw, content_mwh * plate.one_way_frac / step_h),
            np.minimum(charge_mw, room_mwh / plate.one_way_frac / step_h),
        )

    def step(
        self, plate: CompressedAirColumns, state: CompressedAirState, power_mw: FloatArray, step_h: float
    ) -> CompressedAirState:
        """Content after the step, and whether the machine still runs at its end."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        direction = np.sign(power_mw)
        run_h = np.where(direction > 0.0, _run_h(plate, state, 1.0, step_h), _run_h(plate, state, -1.0, step_h))
        running_on = np.abs(power_mw) * step_h >= plate.min_power_frac * plate.power_mw * run_h * (1.0 - 1e-9)
        starting = (direction == 0.0) & (state.start_left_h > 0.0)
        mode = np.where(direction != 0.0, np.where(running_on, direction, 0.0), np.where(starting, state.mode, 0.0))
        return CompressedAirState(
            soc_frac=state.soc_frac + stored_mwh(power_mw * step_h, plate.one_way_frac) / plate.energy_mwh,
            mode=mode,
            start_left_h=np.where(starting, np.maximum(0.0, state.start_left_h - step_h), 0.0),
        )

    def account(
        self, plate: CompressedAirColumns, before: CompressedAirState, power_mw: FloatArray, step_h: float
    ) -> EnergyAccount:
        """Stored from the states; lost in compression or expansion."""
        after = self.step(plate, before, power_mw, step_h)
        taken_mwh = power_mw * step_h
        lost_frac = np.where(power_mw >= 0.0, 1.0 - plate.one_way_frac, 1.0 - 1.0 / plate.one_way_frac)
        stored = (after.soc_frac - before.soc_frac) * plate.energy_mwh
        return EnergyAccount(taken_mwh, stored, np.zeros_like(power_mw), taken_mwh * lost_frac)

    def safe_power_mw(self, plate: CompressedAirColumns, state: CompressedAirState) -> FloatArray:
        """Rest."""
        return np.zeros_like(plate.power_mw)

    def reach(self, plate: CompressedAirColumns, state: CompressedAirState, horizons_h: FloatArray) -> EnergyReach:
        """As a battery, after the first start; minimum power and later starts are left out, which only widens it."""
        room_mwh, content_mwh = _room_and_content(plate, state)
        power = plate.power_mw[:, np.newaxis]
        wait_in_h, wait_out_h = _delay_h(plate, state, 1.0)[:, np.newaxis], _delay_h(plate, state, -1.0)[:, np.newaxis]
        out_mwh = np.minimum(power * np.maximum(0.0, horizons_h - wait_out_h), (content_mwh * plate.one_way_frac)[:, np.newaxis])
        in_mwh = most_charge_mwh(plate.power_mw, plate.power_mw, room_mwh, plate.one_way_frac, horizons_h)
        return EnergyReach(-out_mwh, np.minimum(in_mwh, power * np.maximum(0.0, horizons_h - wait_in_h)))


def _delay_h(plate: CompressedAirColumns, state: CompressedAirState, direction: float) -> FloatArray:
    return np.where(state.mode == direction, state.start_left_h, plate.start_s / SECONDS_PER_HOUR)


def _run_h(plate: CompressedAirColumns, state: CompressedAirState, direction: float, step_h: float) -> FloatArray:
    return np.maximum(0.0, step_h - _delay_h(plate, state, direction))


def _room_and_content(plate: CompressedAirColumns, state: CompressedAirState) -> tuple[FloatArray, FloatArray]:
    room_mwh = np.maximum(0.0, plate.soc_max_frac - state.soc_frac) * plate.energy_mwh
    return room_mwh, np.maximum(0.0, state.soc_frac - plate.soc_min_frac) * plate.energy_mwh


COMPRESSED_AIR: Final = CompressedAir()
