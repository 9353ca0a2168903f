"""Power on its way: how far a ramp takes it within a step, and its mean on the way, in closed form for steps of any length."""

from __future__ import annotations

from vpp.units import SECONDS_PER_MINUTE

__all__ = ["glide", "ramp_mw_per_s"]


def glide(now_mw: float, goal_mw: float, rate_mw_per_s: float, dt_s: float) -> tuple[float, float]:
    """Power at the end of a step, and its mean over it.

    >>> glide(0.0, 30.0, 1.0, 60.0)
    (30.0, 22.5)
    >>> glide(0.0, 30.0, 1.0, 10.0)
    (10.0, 5.0)
    """
    gap_mw = goal_mw - now_mw
    way_mw = rate_mw_per_s * dt_s
    if gap_mw > way_mw:
        return now_mw + way_mw, now_mw + 0.5 * way_mw
    if gap_mw < -way_mw:
        return now_mw - way_mw, now_mw - 0.5 * way_mw
    if gap_mw == 0.0:
        return goal_mw, goal_mw
    return goal_mw, goal_mw - 0.5 * gap_mw * abs(gap_mw) / way_mw


def ramp_mw_per_s(own_mw_per_s: float, asked_mw_per_min: float | None) -> float:
    """The slower of the machine's own ramp and the one that came with a command."""
    return own_mw_per_s if asked_mw_per_min is None else min(own_mw_per_s, asked_mw_per_min / SECONDS_PER_MINUTE)
