"""An interruptible feeder (可中断负荷馈线): closed or open within seconds, so many calls and hours a year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.units import FloatArray

__all__ = ["FEEDER", "Feeder", "FeederColumns", "FeederState"]


@dataclass(frozen=True, slots=True)
class FeederColumns:
    """Plates, shape (assets,) each."""

    power_mw: FloatArray
    calls_per_year: FloatArray
    hours_per_year: FloatArray


@dataclass(frozen=True, slots=True)
class FeederState:
    """Shape (assets,) each.

    Args:
        closed: 1 supplied, 0 interrupted.
        demand_mw: From outside: what the customers draw when supplied. [MW]
        calls_left: Interruptions that may still begin this year.
        hours_left_h: Hours of interruption left this year. [h]
    """

    closed: FloatArray
    demand_mw: FloatArray
    calls_left: FloatArray
    hours_left_h: FloatArray


@dataclass(frozen=True, slots=True)
class Feeder:
    """A mean between nothing and demand is met by time: supplied first, then open, or open first, then closed again."""

    name: str = "feeder"
    splits_exactly: bool = False  # a mean inside the band means a switching in each part

    def plate(self, plates: Sequence[Any]) -> FeederColumns:
        """The records of a park as arrays."""
        return columns(FeederColumns, plates)

    def initial(self, plate: FeederColumns) -> FeederState:
        """Supplied at its contracted power, nothing called yet."""
        return FeederState(np.ones_like(plate.power_mw), plate.power_mw, plate.calls_per_year, plate.hours_per_year)

    def bounds(self, plate: FeederColumns) -> StateBounds[FeederState]:
        """Budgets between nothing and the contract."""
        zero, one = np.zeros_like(plate.power_mw), np.ones_like(plate.power_mw)
        high = FeederState(one, plate.power_mw, plate.calls_per_year, plate.hours_per_year)
        return StateBounds(FeederState(zero, zero, zero, zero), high)

    def feasible(self, plate: FeederColumns, state: FeederState, step_h: float) -> PowerBand:
        """Down to nothing if it is open already or a call is left, and hours are left for the whole step."""
        open_h = np.minimum(step_h, _open_hours(state))
        return PowerBand(state.demand_mw * (1.0 - open_h / step_h), state.demand_mw)

    def step(self, plate: FeederColumns, state: FeederState, power_mw: FloatArray, step_h: float) -> FeederState:
        """Hours open are spent; a feeder that was closed and misses any supply has been called once."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        drawing = state.demand_mw > 0.0
        open_frac = np.where(drawing, 1.0 - power_mw / np.where(drawing, state.demand_mw, 1.0), 1.0 - state.closed)
        open_frac = np.where(_open_hours(state) > 0.0, np.clip(open_frac, 0.0, 1.0), 0.0)
        called = (state.closed > 0.0) & (open_frac > 1e-9)
        # Closed and called: open at the end. Open and supplied for a while: closed at the end.
        closed = np.where(state.closed > 0.0, np.where(called, 0.0, 1.0), np.where(open_frac < 1.0 - 1e-9, 1.0, 0.0))
        hours_left_h = np.maximum(0.0, state.hours_left_h - open_frac * step_h)
        return replace(
            state,
            closed=np.where(hours_left_h > 0.0, closed, 1.0),
            calls_left=np.where(called, state.calls_left - 1.0, state.calls_left),
            hours_left_h=hours_left_h,
        )

    def account(self, plate: FeederColumns, before: FeederState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Used is the demand less what was not supplied."""
        unserved_mwh = (before.demand_mw - power_mw) * step_h
        zero = np.zeros_like(power_mw)
        return EnergyAccount(power_mw * step_h, zero, before.demand_mw * step_h - unserved_mwh, zero)

    def safe_power_mw(self, plate: FeederColumns, state: FeederState) -> FloatArray:
        """Supplied: an interruption ends with the event that asked for it, and never because nobody ended it."""
        return state.demand_mw

    def reach(self, plate: FeederColumns, state: FeederState, horizons_h: FloatArray) -> EnergyReach:
        """All of the demand, or none for as long as hours are left."""
        tau_h = horizons_h[np.newaxis, :]
        demand_mw = state.demand_mw[:, np.newaxis]
        return EnergyReach(demand_mw * (tau_h - np.minimum(tau_h, _open_hours(state)[:, np.newaxis])), demand_mw * tau_h)


def _open_hours(state: FeederState) -> FloatArray:
    """Hours that it may be open from now."""
    callable_now = (state.closed <= 0.0) | (state.calls_left >= 1.0)
    return np.where(callable_now, state.hours_left_h, 0.0)


FEEDER: Final = Feeder()
