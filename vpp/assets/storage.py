"""What stores of electricity share: losses each way, room and content, and the energy a horizon allows."""

from __future__ import annotations

import numpy as np

from vpp.units import FloatArray

__all__ = ["most_charge_mwh", "stored_mwh"]


def stored_mwh(net_mwh: FloatArray, one_way_frac: FloatArray) -> FloatArray:
    """Change of content when `net_mwh` goes through a converter, positive into the store."""
    return np.where(net_mwh >= 0.0, net_mwh * one_way_frac, net_mwh / one_way_frac)


def most_charge_mwh(
    charge_mw: FloatArray, discharge_mw: FloatArray, room_mwh: FloatArray, one_way_frac: FloatArray, horizons_h: FloatArray
) -> FloatArray:
    """Most net energy a store can take over each horizon, shape (assets, horizons).

    A full store can still burn energy: out and in again loses some each time, and one store may do so while its neighbour does
    the opposite, so a bound that forgets it can be broken by a feasible schedule. With c charged and d discharged,

        maximise c - d   under   c * e - d / e <= room,   c / charge + d / discharge <= horizon.

    Without the first limit binding the answer is `charge * horizon`; else both bind, because along the first d earns
    `1 / e^2 - 1 >= 0`.
    """
    tau_h = horizons_h[np.newaxis, :]
    charge, discharge = charge_mw[:, np.newaxis], discharge_mw[:, np.newaxis]
    e, fill_mwh = one_way_frac[:, np.newaxis], (room_mwh / one_way_frac)[:, np.newaxis]
    # A converter that cannot discharge cannot burn either.
    per_charge = np.divide(charge, discharge, out=np.full_like(charge, np.inf), where=discharge > 0.0)
    burnt_mwh = np.maximum(0.0, charge * tau_h - fill_mwh) / (1.0 / e**2 + per_charge)
    return np.minimum(charge * tau_h, fill_mwh + burnt_mwh * (1.0 / e**2 - 1.0))
