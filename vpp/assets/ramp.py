"""How far a ramp lets a machine go: within a step, and as energy over a horizon."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from vpp.assets.base import PowerBand
from vpp.units import FloatArray, hours

__all__ = ["RAMP_WINDOW_H", "least_mwh", "most_mwh", "ramp_band"]

#: A power counts as kept over a step if the ramp reaches it within this time, the quarter hour that a settlement meter sees. A
#: longer step gives no larger jump: otherwise an hour's step would hide an hour of ramp from every shorter horizon.
RAMP_WINDOW_H: Final = hours(timedelta(minutes=15))


def ramp_band(now_mw: FloatArray, low_mw: FloatArray, high_mw: FloatArray, ramp_mw_per_h: FloatArray, step_h: float) -> PowerBand:
    """Powers inside `[low_mw, high_mw]` that the ramp reaches from the power now.

    A machine that stands outside its limits (the wind fell, a unit came on) is taken to the nearest limit first: such a move is
    forced and no ramp can forbid it. The band is therefore never empty.
    """
    room_mw = ramp_mw_per_h * min(step_h, RAMP_WINDOW_H)
    base_mw = np.clip(now_mw, low_mw, high_mw)
    return PowerBand(np.maximum(low_mw, base_mw - room_mw), np.minimum(high_mw, base_mw + room_mw))


def most_mwh(now_mw: FloatArray, high_mw: FloatArray, ramp_mw_per_h: FloatArray, horizons_h: FloatArray) -> FloatArray:
    """Energy over each horizon that no schedule from `ramp_band` exceeds, shape (assets, horizons).

    Proof: steps before an instant t have lengths that sum to at most t, and the step that holds t adds at most the window w, so
    the power at t is at most `now + ramp * (t + w)`, and at most `high`; the bound is the integral of the lesser of both.
    """
    start_mw = np.minimum(now_mw, high_mw) + ramp_mw_per_h * RAMP_WINDOW_H
    # Where there is no ramp at all the climb never ends; a division by zero would warn about what is meant.
    safe_ramp = np.where(ramp_mw_per_h > 0.0, ramp_mw_per_h, 1.0)
    climb_h = np.where(ramp_mw_per_h > 0.0, np.maximum(0.0, high_mw - start_mw) / safe_ramp, np.inf)
    tau_h = horizons_h[np.newaxis, :]
    climbing_h = np.minimum(tau_h, climb_h[:, np.newaxis])
    level_mw = np.minimum(start_mw, high_mw)[:, np.newaxis]
    climbed_mwh = level_mw * climbing_h + 0.5 * ramp_mw_per_h[:, np.newaxis] * climbing_h**2
    most: FloatArray = climbed_mwh + high_mw[:, np.newaxis] * (tau_h - climbing_h)
    return most


def least_mwh(now_mw: FloatArray, low_mw: FloatArray, ramp_mw_per_h: FloatArray, horizons_h: FloatArray) -> FloatArray:
    """Energy over each horizon that no schedule from `ramp_band` undercuts, shape (assets, horizons)."""
    return -most_mwh(-now_mw, -low_mw, ramp_mw_per_h, horizons_h)
