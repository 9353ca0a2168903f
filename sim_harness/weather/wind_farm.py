"""From wind to the power of a farm: turbines, wakes, air density, storm stops, ice, outages.

Sources: power curve of a machine of 6.25 MW on a rotor of about 190 m (specific power 220 W/m2), smoothed over the farm as in
P. Norgaard and H. Holttinen, "A multi-turbine power curve approach", Nordic Wind Power Conference 2004; wake losses of large
farms of about 10 % below rated wind that vanish above it (R. Barthelmie et al., Wind Energy 12, 2009); density by the
equivalent wind speed of IEC 61400-12-1; a stop above 25 m/s and a restart below 20 m/s as in makers' data sheets.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vpp.units import FloatArray

__all__ = ["density_factor", "farm_power_frac", "storm_stop_frac"]

CUT_IN_M_S: Final = 3.0
RATED_M_S: Final = 11.8
#: Spread of wind over a farm, of which the farm's curve is the mean: a part of the speed and a floor. [m/s]
SPREAD_FRAC: Final = 0.15
SPREAD_M_S: Final = 0.6
#: Wake loss where thrust is high, and the speeds between which it fades out. [m/s]
WAKE_FRAC: Final = 0.10
WAKE_FADES_FROM_M_S: Final = 9.5
WAKE_FADES_TO_M_S: Final = 13.5
#: A turbine group stops when its ten-minute wind passes the first, and starts again under the second. [m/s]
STORM_STOP_M_S: Final = 25.0
STORM_RESTART_M_S: Final = 20.0
#: Wind of the turbine groups of a farm, as parts of the farm's mean.
GROUP_WIND: Final = (0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12)
#: Density at which curves are given, and of the park's air at its height. [kg/m3, Pa]
STANDARD_DENSITY_KG_M3: Final = 1.225
AIR_PRESSURE_PA: Final = 92_000.0
GAS_CONSTANT_J_KG_K: Final = 287.05
KELVIN: Final = 273.15
_GRID_M_S: Final = np.linspace(0.0, 60.0, 1201)


def _turbine(speed_m_s: FloatArray) -> FloatArray:
    """One machine without its storm stop: a cube of the wind that bends into rated power."""
    rise = np.clip((speed_m_s - CUT_IN_M_S) / (RATED_M_S - CUT_IN_M_S), 0.0, 1.0)
    # Optimal tip speed ratio up to two thirds of the way, then less: a cubic that leaves flat and arrives flat.
    cube = (speed_m_s / RATED_M_S) ** 3 - (CUT_IN_M_S / RATED_M_S) ** 3
    blend = rise**4
    return np.where(speed_m_s < CUT_IN_M_S, 0.0, np.clip((1.0 - blend) * np.clip(cube, 0.0, 1.0) + blend, 0.0, 1.0))


def _farm_curve() -> FloatArray:
    """The machines' curve over the winds inside a farm, wakes taken off."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    spread = SPREAD_FRAC * _GRID_M_S + SPREAD_M_S
    mean = sum(w * _turbine(np.maximum(_GRID_M_S + spread * x, 0.0)) for x, w in zip(nodes, weights / weights.sum(), strict=True))
    fade = np.clip((WAKE_FADES_TO_M_S - _GRID_M_S) / (WAKE_FADES_TO_M_S - WAKE_FADES_FROM_M_S), 0.0, 1.0)
    power = np.asarray(mean * (1.0 - WAKE_FRAC * fade), dtype=np.float64)
    # The machines' own use (transformers, yaw, heaters) takes the first trickle.
    return np.asarray(np.clip((power - 0.002) / 0.998, 0.0, 1.0), dtype=np.float64)


_CURVE: Final = _farm_curve()


def farm_power_frac(speed_m_s: FloatArray) -> FloatArray:
    """Power of a whole farm at standard density without storm stops, as a share of capacity, same shape."""
    return np.asarray(np.interp(speed_m_s, _GRID_M_S, _CURVE), dtype=np.float64)


def density_factor(temperature_c: FloatArray) -> FloatArray:
    """What wind must be multiplied by, so that the curve at standard density gives the power in this air, same shape.

    Source:
        IEC 61400-12-1:2017, 9.1.5: `(density / 1.225)^(1/3)`.
    """
    density_kg_m3 = AIR_PRESSURE_PA / (GAS_CONSTANT_J_KG_K * (temperature_c + KELVIN))
    return np.asarray((density_kg_m3 / STANDARD_DENSITY_KG_M3) ** (1.0 / 3.0), dtype=np.float64)


def storm_stop_frac(speed_m_s: FloatArray) -> FloatArray:
    """Share of a farm's turbines that storm keeps still: each group stops and restarts at its own wind, shape (T,)."""
    still = np.zeros(speed_m_s.size)
    # Below the restart wind everything turns, so only the windy rows need a memory.
    windy = np.flatnonzero(speed_m_s * max(GROUP_WIND) > STORM_RESTART_M_S)
    if not windy.size:
        return still
    breaks = np.diff(windy, prepend=-2) > 1
    for factor in GROUP_WIND:
        wind = speed_m_s[windy] * factor
        event = np.where(wind > STORM_STOP_M_S, 1, np.where(wind < STORM_RESTART_M_S, -1, 0))
        event[breaks & (event == 0)] = -1
        last = np.maximum.accumulate(np.where(event != 0, np.arange(event.size), 0))
        still[windy] += event[last] > 0
    return still / len(GROUP_WIND)
