"""A battery station (电化学储能): losses each way, and auxiliaries that never sleep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.storage import most_charge_mwh, stored_mwh
from vpp.units import FloatArray

__all__ = ["BATTERY", "Battery", "BatteryColumns", "BatteryState"]


@dataclass(frozen=True, slots=True)
class BatteryColumns:
    """Plates, shape (assets,) each."""

    power_mw: FloatArray
    energy_mwh: FloatArray
    round_trip_frac: FloatArray
    soc_min_frac: FloatArray
    soc_max_frac: FloatArray
    auxiliary_frac: FloatArray

    @property
    def one_way_frac(self) -> FloatArray:
        """Efficiency of each direction, the round trip shared evenly."""
        return np.sqrt(self.round_trip_frac)

    @property
    def auxiliary_mw(self) -> FloatArray:
        """What cooling and control draw at the terminals, always."""
        return self.auxiliary_frac * self.power_mw


@dataclass(frozen=True, slots=True)
class BatteryState:
    """State of charge, shape (assets,)."""

    soc_frac: FloatArray


@dataclass(frozen=True, slots=True)
class Battery:
    """Power at the terminals is converter power plus auxiliaries; charging and discharging at once cannot be asked for."""

    name: str = "battery"
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> BatteryColumns:
        """The records of a park as arrays."""
        return columns(BatteryColumns, plates)

    def initial(self, plate: BatteryColumns) -> BatteryState:
        """Half full."""
        return BatteryState(0.5 * (plate.soc_min_frac + plate.soc_max_frac))

    def bounds(self, plate: BatteryColumns) -> StateBounds[BatteryState]:
        """The state of charge that wear and warranty allow."""
        return StateBounds(BatteryState(plate.soc_min_frac), BatteryState(plate.soc_max_frac))

    def content_mwh(self, plate: BatteryColumns, state: BatteryState) -> FloatArray:
        """What may still be taken out, before losses; none if a measured state is below its floor."""
        return np.maximum(0.0, state.soc_frac - plate.soc_min_frac) * plate.energy_mwh

    def room_mwh(self, plate: BatteryColumns, state: BatteryState) -> FloatArray:
        """What may still be put in, after losses; none if a measured state is above its ceiling."""
        return np.maximum(0.0, plate.soc_max_frac - state.soc_frac) * plate.energy_mwh

    def feasible(self, plate: BatteryColumns, state: BatteryState, step_h: float) -> PowerBand:
        """Rating, less what content and room leave over the step; at rest the auxiliaries are still drawn."""
        discharge_mw = self.content_mwh(plate, state) * plate.one_way_frac / step_h
        charge_mw = self.room_mwh(plate, state) / plate.one_way_frac / step_h
        return PowerBand(
            np.maximum(-plate.power_mw, plate.auxiliary_mw - discharge_mw),
            np.minimum(plate.power_mw, plate.auxiliary_mw + charge_mw),
        )

    def step(self, plate: BatteryColumns, state: BatteryState, power_mw: FloatArray, step_h: float) -> BatteryState:
        """The state of charge after a step."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        change_mwh = stored_mwh((power_mw - plate.auxiliary_mw) * step_h, plate.one_way_frac)
        return BatteryState(state.soc_frac + change_mwh / plate.energy_mwh)

    def account(self, plate: BatteryColumns, before: BatteryState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Stored from the states; lost in the converter and to the auxiliaries."""
        after = self.step(plate, before, power_mw, step_h)
        converter_mwh = (power_mw - plate.auxiliary_mw) * step_h
        converted_frac = np.where(converter_mwh >= 0.0, 1.0 - plate.one_way_frac, 1.0 - 1.0 / plate.one_way_frac)
        return EnergyAccount(
            taken_mwh=power_mw * step_h,
            stored_mwh=(after.soc_frac - before.soc_frac) * plate.energy_mwh,
            used_mwh=np.zeros_like(power_mw),
            lost_mwh=converter_mwh * converted_frac + plate.auxiliary_mw * step_h,
        )

    def safe_power_mw(self, plate: BatteryColumns, state: BatteryState) -> FloatArray:
        """Rest: the state of charge stays, the auxiliaries run."""
        return plate.auxiliary_mw

    def reach(self, plate: BatteryColumns, state: BatteryState, horizons_h: FloatArray) -> EnergyReach:
        """Empty or full at rating, or burning between; exact when steps may be as short as one likes."""
        tau_h = horizons_h[np.newaxis, :]
        auxiliary_mwh = plate.auxiliary_mw[:, np.newaxis] * tau_h
        discharge_mw = plate.power_mw + plate.auxiliary_mw
        charge_mw = plate.power_mw - plate.auxiliary_mw
        out_mwh = (self.content_mwh(plate, state) * plate.one_way_frac)[:, np.newaxis]
        in_mwh = most_charge_mwh(charge_mw, discharge_mw, self.room_mwh(plate, state), plate.one_way_frac, horizons_h)
        return EnergyReach(
            auxiliary_mwh - np.minimum(discharge_mw[:, np.newaxis] * tau_h, out_mwh),
            auxiliary_mwh + in_mwh,
        )


BATTERY: Final = Battery()
