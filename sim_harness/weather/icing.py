"""Ice on blades: it grows in cold cloud, takes power, stops the farm, and falls off.

A simple budget in the manner of IEA Wind Task 19 ("Available technologies for wind energy in cold climates", 2018): ice grows
while the air is saturated between 0 and -10 degC (below that clouds hold little liquid water), it is shed within hours above
freezing and sublimates slowly in dry frost. Losses of 0.5-5 % of a year's energy are its ice classes 2 and 3.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vpp.units import FloatArray

__all__ = ["ice_power_frac"]

WARMEST_C: Final = 0.0
COLDEST_C: Final = -10.0
SATURATED_FRAC: Final = 0.95
#: Hours of icing to the full load, of thaw and of dry frost back to none.
GROWS_IN_H: Final = 8.0
SHED_IN_H: Final = 3.0
SUBLIMATES_IN_H: Final = 30.0
THAW_C: Final = 0.5
#: Power lost at the load where the farm is stopped for the vibration, and the load at which it starts again.
STOP_LOAD: Final = 0.8
RESTART_LOAD: Final = 0.3
LOSS_AT_STOP_FRAC: Final = 0.45


def ice_power_frac(temperature_c: FloatArray, humidity_frac: FloatArray) -> FloatArray:
    """Share of power that ice leaves, hour by hour.

    Args:
        temperature_c: At hub height, shape (T,). [degC]
        humidity_frac: Relative humidity (0..1), shape (T,).

    Returns:
        1 for clean blades, 0 for a farm that stands, shape (T,).
    """
    change = np.full(temperature_c.size, -1.0 / SUBLIMATES_IN_H)
    icing = (temperature_c < WARMEST_C) & (temperature_c > COLDEST_C) & (humidity_frac > SATURATED_FRAC)
    change[icing] = 1.0 / GROWS_IN_H
    change[temperature_c > THAW_C] = -1.0 / SHED_IN_H
    left = np.ones(temperature_c.size)
    load, stopped = 0.0, False
    for hour, delta in enumerate(change.tolist()):
        load = min(max(load + delta, 0.0), 1.0)
        if load > 0.0:
            stopped = load > (RESTART_LOAD if stopped else STOP_LOAD)
            left[hour] = 0.0 if stopped else 1.0 - LOSS_AT_STOP_FRAC * load / STOP_LOAD
        else:
            stopped = False
    return left
