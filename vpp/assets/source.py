"""What wind and sun share: power that is available or not, curtailed from the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.ramp import least_mwh, most_mwh, ramp_band
from vpp.units import MINUTES_PER_HOUR, FloatArray

__all__ = ["Source", "SourceColumns", "SourceState"]


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """Plates of farms or stations, shape (assets,) each."""

    capacity_mw: FloatArray
    capacity_factor_frac: FloatArray
    ramp_frac_per_min: FloatArray

    @property
    def ramp_mw_per_h(self) -> FloatArray:
        """How fast output may be moved."""
        return self.ramp_frac_per_min * self.capacity_mw * MINUTES_PER_HOUR


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the weather offers and what is taken of it, shape (assets,) each.

    Args:
        available_mw: From outside: what the source could generate now. [MW]
        power_mw: What it does, never above zero. [MW]
    """

    available_mw: FloatArray
    power_mw: FloatArray


@dataclass(frozen=True, slots=True)
class Source:
    """A kind whose machines generate at most what is available."""

    name: str
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> SourceColumns:
        """The records of a park as arrays."""
        return columns(SourceColumns, plates)

    def initial(self, plate: SourceColumns) -> SourceState:
        """A mean day, nothing curtailed."""
        available_mw = plate.capacity_mw * plate.capacity_factor_frac
        return SourceState(available_mw, -available_mw)

    def bounds(self, plate: SourceColumns) -> StateBounds[SourceState]:
        """Between nothing and capacity."""
        zero = np.zeros_like(plate.capacity_mw)
        return StateBounds(SourceState(zero, -plate.capacity_mw), SourceState(plate.capacity_mw, zero))

    def feasible(self, plate: SourceColumns, state: SourceState, step_h: float) -> PowerBand:
        """From all that is available to nothing, within the ramp; a lull takes output down whatever the ramp says."""
        return ramp_band(state.power_mw, -state.available_mw, np.zeros_like(state.power_mw), plate.ramp_mw_per_h, step_h)

    def step(self, plate: SourceColumns, state: SourceState, power_mw: FloatArray, step_h: float) -> SourceState:
        """The same weather at another output."""
        return replace(state, power_mw=accepted(self.name, self.feasible(plate, state, step_h), power_mw))

    def account(self, plate: SourceColumns, before: SourceState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """What was fed in is what was available less what was curtailed; it counts as negative use."""
        after = self.step(plate, before, power_mw, step_h)
        curtailed_mw = before.available_mw + after.power_mw
        zero = np.zeros_like(power_mw)
        return EnergyAccount(power_mw * step_h, zero, (curtailed_mw - before.available_mw) * step_h, zero)

    def safe_power_mw(self, plate: SourceColumns, state: SourceState) -> FloatArray:
        """Never more than it fed in when it was last commanded: a rising wind must not fill a connection unseen."""
        return np.maximum(state.power_mw, -state.available_mw)

    def reach(self, plate: SourceColumns, state: SourceState, horizons_h: FloatArray) -> EnergyReach:
        """All or nothing of what is available, within the ramp."""
        zero = np.zeros_like(state.power_mw)
        now_mw = np.clip(state.power_mw, -state.available_mw, zero)
        return EnergyReach(
            least_mwh(now_mw, -state.available_mw, plate.ramp_mw_per_h, horizons_h),
            most_mwh(now_mw, zero, plate.ramp_mw_per_h, horizons_h),
        )
