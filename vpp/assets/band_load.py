"""What loads with a power band and an energy quota share, brief excursions below the band included.

Each kind gives its own limits (`BandLimits`); a kind that may never leave its band has an excursion of no length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.ramp import RAMP_WINDOW_H, least_mwh, most_mwh, ramp_band
from vpp.units import HOURS_PER_DAY, BoolArray, FloatArray

__all__ = ["BandColumns", "BandLimits", "BandLoad", "BandState"]


@dataclass(frozen=True, slots=True)
class BandLimits:
    """One plate's limits.

    Args:
        low_mw: Least power of ordinary running. [MW]
        high_mw: Greatest power. [MW]
        floor_mw: Least power of an excursion below the band. [MW]
        quota_mw: Mean power that the daily quota asks for. [MW]
        excursion_h: Longest time below the band in one piece. [h]
        recovery_h: Time inside the band before the next excursion. [h]
        ramp_mw_per_h: Fastest change. [MW/h]
    """

    low_mw: float
    high_mw: float
    floor_mw: float
    quota_mw: float
    excursion_h: float
    recovery_h: float
    ramp_mw_per_h: float


@dataclass(frozen=True, slots=True)
class BandColumns:
    """The same limits of all machines of a kind, shape (assets,) each."""

    low_mw: FloatArray
    high_mw: FloatArray
    floor_mw: FloatArray
    quota_mw: FloatArray
    excursion_h: FloatArray
    recovery_h: FloatArray
    ramp_mw_per_h: FloatArray


@dataclass(frozen=True, slots=True)
class BandState:
    """Shape (assets,) each.

    Args:
        power_mw: Power of the last step. [MW]
        quota_left_mwh: Energy that today's quota still asks for; whoever keeps the calendar renews it. [MWh]
        excursion_left_h: Time that may still be spent below the band. [h]
        recovery_left_h: Time inside the band before an excursion may begin. [h]
    """

    power_mw: FloatArray
    quota_left_mwh: FloatArray
    excursion_left_h: FloatArray
    recovery_left_h: FloatArray


@dataclass(frozen=True, slots=True)
class BandLoad:
    """Loads that may run anywhere in a band; `limits` reads one plate of the kind."""

    name: str
    limits: Callable[[Any], BandLimits]
    splits_exactly: bool = True

    def plate(self, plates: Sequence[Any]) -> BandColumns:
        """The records of a park as arrays."""
        return columns(BandColumns, [self.limits(plate) for plate in plates])

    def initial(self, plate: BandColumns) -> BandState:
        """At the quota's power, a whole day's quota ahead, rested."""
        power_mw = np.clip(plate.quota_mw, plate.low_mw, plate.high_mw)
        return BandState(power_mw, plate.quota_mw * HOURS_PER_DAY, plate.excursion_h, np.zeros_like(power_mw))

    def bounds(self, plate: BandColumns) -> StateBounds[BandState]:
        """Power between floor and top, timers up to their full length."""
        zero = np.zeros_like(plate.low_mw)
        high = BandState(plate.high_mw, plate.quota_mw * HOURS_PER_DAY, plate.excursion_h, plate.recovery_h)
        return StateBounds(BandState(plate.floor_mw, zero, zero, zero), high)

    def feasible(self, plate: BandColumns, state: BandState, step_h: float) -> PowerBand:
        """The band within the ramp; below it only as deep as the ramp can climb back from in time.

        An excursion of which t hours are left after the step may stand at most `ramp * min(t, window)` below the band. From such
        a power the next step, of any length, can keep the same rule, so that the band is back when its time is up.
        """
        reachable = ramp_band(state.power_mw, plate.floor_mw, plate.high_mw, plate.ramp_mw_per_h, step_h)
        left_h = _allowed_h(plate, state) - step_h
        depth_mw = plate.ramp_mw_per_h * np.clip(left_h, 0.0, RAMP_WINDOW_H)
        required_mw = np.where(left_h >= 0.0, np.maximum(plate.floor_mw, plate.low_mw - depth_mw), plate.low_mw)
        low_mw = np.minimum(np.maximum(reachable.low_mw, required_mw), reachable.high_mw)
        return PowerBand(low_mw, reachable.high_mw)

    def step(self, plate: BandColumns, state: BandState, power_mw: FloatArray, step_h: float) -> BandState:
        """Time below the band is spent, time inside it rests; an excursion begun is over when the band is back."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        below = _is_below(plate, power_mw)
        recovery_h = np.where(below, plate.recovery_h, np.maximum(0.0, state.recovery_left_h - step_h))
        spent_h = np.maximum(0.0, _allowed_h(plate, state) - step_h)
        rested_h = np.where(recovery_h <= 0.0, plate.excursion_h, state.excursion_left_h)
        return BandState(
            power_mw=power_mw,
            quota_left_mwh=np.maximum(0.0, state.quota_left_mwh - power_mw * step_h),
            excursion_left_h=np.where(below, spent_h, rested_h),
            recovery_left_h=recovery_h,
        )

    def account(self, plate: BandColumns, before: BandState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """All of it goes into the product: inside the band and, dearer, below it."""
        after = self.step(plate, before, power_mw, step_h)
        zero = np.zeros_like(power_mw)
        return EnergyAccount(power_mw * step_h, zero, after.power_mw * step_h, zero)

    def safe_power_mw(self, plate: BandColumns, state: BandState) -> FloatArray:
        """The bottom of the band: the least that harms no product and leaves the most room in a connection."""
        return plate.low_mw

    def reach(self, plate: BandColumns, state: BandState, horizons_h: FloatArray) -> EnergyReach:
        """The ramp's bound, and from below also the longest time that excursions can fill."""
        least = least_mwh(np.maximum(state.power_mw, plate.floor_mw), plate.floor_mw, plate.ramp_mw_per_h, horizons_h)
        below_h = _most_below_h(plate, state, horizons_h)
        low, floor = plate.low_mw[:, np.newaxis], plate.floor_mw[:, np.newaxis]
        rested = low * horizons_h[np.newaxis, :] - (low - floor) * below_h
        most = most_mwh(state.power_mw, plate.high_mw, plate.ramp_mw_per_h, horizons_h)
        return EnergyReach(np.maximum(least, rested), most)


def _is_below(plate: BandColumns, power_mw: FloatArray) -> BoolArray:
    below: BoolArray = power_mw < plate.low_mw * (1.0 - 1e-12)
    return below


def _allowed_h(plate: BandColumns, state: BandState) -> FloatArray:
    """Time that may be spent below the band from now: what is left of a running excursion, or a new one if rested."""
    rested = np.where(state.recovery_left_h <= 0.0, plate.excursion_h, 0.0)
    return np.where(_is_below(plate, state.power_mw), state.excursion_left_h, rested)


def _most_below_h(plate: BandColumns, state: BandState, horizons_h: FloatArray) -> FloatArray:
    """Longest time below the band within each horizon: this excursion, a rest, a full one, and so on."""
    below = _is_below(plate, state.power_mw)
    # A measured load too deep to climb back in its time will overstay it; nothing is promised for it.
    depth_mw = plate.ramp_mw_per_h * np.minimum(state.excursion_left_h, RAMP_WINDOW_H)
    stuck = below & (state.power_mw < (plate.low_mw - depth_mw) * (1.0 - 1e-9))
    wait_h = np.where(below, 0.0, state.recovery_left_h)[:, np.newaxis]
    first_h = np.where(below, state.excursion_left_h, plate.excursion_h)[:, np.newaxis]
    full_h, recovery_h = plate.excursion_h[:, np.newaxis], plate.recovery_h[:, np.newaxis]
    tau_h = np.maximum(0.0, horizons_h[np.newaxis, :] - wait_h)
    later_h = np.maximum(0.0, tau_h - first_h - recovery_h)
    cycle_h = np.maximum(full_h + recovery_h, 1e-12)
    rounds = np.floor(later_h / cycle_h)
    later_below_h = np.minimum(rounds * full_h + np.minimum(full_h, later_h - rounds * cycle_h), later_h)
    most_h = np.minimum(tau_h, first_h) + later_below_h
    return np.where(stuck[:, np.newaxis], horizons_h[np.newaxis, :], most_h)
