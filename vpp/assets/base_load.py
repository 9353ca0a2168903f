"""Base load (基础负荷): it only follows its users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.units import FloatArray

__all__ = ["BASE_LOAD", "BaseLoad", "BaseLoadColumns", "BaseLoadState"]


@dataclass(frozen=True, slots=True)
class BaseLoadColumns:
    """Plates, shape (assets,)."""

    mean_mw: FloatArray


@dataclass(frozen=True, slots=True)
class BaseLoadState:
    """From outside: what the users draw in MW, shape (assets,)."""

    demand_mw: FloatArray


@dataclass(frozen=True, slots=True)
class BaseLoad:
    """A load nobody can move."""

    name: str = "base_load"
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> BaseLoadColumns:
        """The records of a park as arrays."""
        return columns(BaseLoadColumns, plates)

    def initial(self, plate: BaseLoadColumns) -> BaseLoadState:
        """The mean of the year."""
        return BaseLoadState(plate.mean_mw.copy())

    def bounds(self, plate: BaseLoadColumns) -> StateBounds[BaseLoadState]:
        """Never negative; no plate limits what users draw."""
        return StateBounds(BaseLoadState(np.zeros_like(plate.mean_mw)), BaseLoadState(np.full_like(plate.mean_mw, np.inf)))

    def feasible(self, plate: BaseLoadColumns, state: BaseLoadState, step_h: float) -> PowerBand:
        """Exactly the demand."""
        return PowerBand(state.demand_mw, state.demand_mw)

    def step(self, plate: BaseLoadColumns, state: BaseLoadState, power_mw: FloatArray, step_h: float) -> BaseLoadState:
        """The same demand."""
        accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        return state

    def account(self, plate: BaseLoadColumns, before: BaseLoadState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """All of it is used."""
        zero = np.zeros_like(power_mw)
        return EnergyAccount(power_mw * step_h, zero, before.demand_mw * step_h, zero)

    def safe_power_mw(self, plate: BaseLoadColumns, state: BaseLoadState) -> FloatArray:
        """The demand."""
        return state.demand_mw

    def reach(self, plate: BaseLoadColumns, state: BaseLoadState, horizons_h: FloatArray) -> EnergyReach:
        """The demand, neither more nor less."""
        energy_mwh = state.demand_mw[:, np.newaxis] * horizons_h[np.newaxis, :]
        return EnergyReach(energy_mwh, energy_mwh)


BASE_LOAD: Final = BaseLoad()
