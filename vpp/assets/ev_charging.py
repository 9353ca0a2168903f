"""Charging and battery swapping (充换电站): vehicles that arrive, wait and are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.deferrable import Work
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["EV_CHARGING", "EvCharging", "EvChargingColumns", "EvChargingState"]


@dataclass(frozen=True, slots=True)
class EvChargingColumns:
    """Plates, shape (assets,) each."""

    power_mw: FloatArray
    energy_mwh_per_day: FloatArray
    slack_h: FloatArray


@dataclass(frozen=True, slots=True)
class EvChargingState:
    """Shape (assets,) each.

    Args:
        waiting_mwh: Energy that parked vehicles and empty packs still want. [MWh]
        arriving_mw: From outside: what arrives per hour. [MW]
        due_mw: From outside: what must be charged now lest a vehicle leave short. [MW]
    """

    waiting_mwh: FloatArray
    arriving_mw: FloatArray
    due_mw: FloatArray


@dataclass(frozen=True, slots=True)
class EvCharging:
    """One queue behind one station."""

    name: str = "ev_charging"
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> EvChargingColumns:
        """The records of a park as arrays."""
        return columns(EvChargingColumns, plates)

    def initial(self, plate: EvChargingColumns) -> EvChargingState:
        """The mean of a day, of which half the slack's worth waits."""
        mean_mw = plate.energy_mwh_per_day / HOURS_PER_DAY
        return EvChargingState(0.5 * mean_mw * plate.slack_h, mean_mw, np.zeros_like(mean_mw))

    def bounds(self, plate: EvChargingColumns) -> StateBounds[EvChargingState]:
        """Never negative; a queue has no upper limit, only a price."""
        zero, most = np.zeros_like(plate.power_mw), np.full_like(plate.power_mw, np.inf)
        return StateBounds(EvChargingState(zero, zero, zero), EvChargingState(most, most, most))

    def feasible(self, plate: EvChargingColumns, state: EvChargingState, step_h: float) -> PowerBand:
        """From what is due to all that waits and arrives, within the station's rating."""
        work = _work(state)
        high_mw = np.minimum(plate.power_mw, work.most_mw(step_h))
        return PowerBand(np.minimum(work.least_mw(step_h), high_mw), high_mw)

    def step(self, plate: EvChargingColumns, state: EvChargingState, power_mw: FloatArray, step_h: float) -> EvChargingState:
        """What waits afterwards."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        return replace(state, waiting_mwh=_work(state).after(power_mw, step_h)[:, 0])

    def account(self, plate: EvChargingColumns, before: EvChargingState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Used is the work that left the queue; vehicles drive away with it, so nothing is stored here."""
        after = self.step(plate, before, power_mw, step_h)
        zero = np.zeros_like(power_mw)
        charged_mwh = before.waiting_mwh + before.arriving_mw * step_h - after.waiting_mwh
        return EnergyAccount(power_mw * step_h, zero, charged_mwh, zero)

    def safe_power_mw(self, plate: EvChargingColumns, state: EvChargingState) -> FloatArray:
        """What is due: nobody leaves short, and no queue is charged at once."""
        waits = (state.waiting_mwh > 0.0) | (state.arriving_mw >= state.due_mw)
        due_mw = np.where(waits, state.due_mw, state.arriving_mw)
        return np.minimum(plate.power_mw, due_mw)

    def reach(self, plate: EvChargingColumns, state: EvChargingState, horizons_h: FloatArray) -> EnergyReach:
        """What is due, and all that comes."""
        least, most = _work(state).reach_mwh(plate.power_mw, horizons_h)
        return EnergyReach(least, most)


def _work(state: EvChargingState) -> Work:
    one_class = np.newaxis
    return Work(state.waiting_mwh[:, one_class], state.arriving_mw[:, one_class], state.due_mw[:, one_class])


EV_CHARGING: Final = EvCharging()
