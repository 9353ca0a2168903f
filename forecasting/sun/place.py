"""Where a station stands and how its modules lean, learnt from when it produces: the public records do not say."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.physics import Plane, clear_plane_frac, sun_position
from forecasting.sun.clean import STEPS_PER_DAY
from forecasting.sun.record import StationRecord
from vpp.series import StampArray
from vpp.units import FloatArray

__all__ = ["learn_plane"]

LONGITUDES_DEG: Final = np.arange(74.0, 136.0, 1.0)
LATITUDES_DEG: Final = np.arange(18.0, 54.0, 2.0)
TILTS_DEG: Final = np.arange(0.0, 65.0, 5.0)
#: More than the station's own noise.
PRODUCES_FRAC: Final = 0.001
#: The best hours of a season show the plane; the level of this quantile.
CLEAR_LEVEL: Final = 0.9
SUN_UP_FRAC: Final = 0.25
#: Height of the barometric formula; the mean pressure tells the altitude well enough for a clear sky.
SCALE_HEIGHT_M: Final = 8_434.0
SEA_LEVEL_HPA: Final = 1013.25
#: One step in so many is enough to see when the sun rises over two years.
EVERY: Final = 5
SEASONS: Final = 12


def learn_plane(record: StationRecord) -> Plane:
    """The place whose sun is up when the station produces, and the tilt that makes its best hours even over the year.

    It is a place for the sun's clock, not for a map: stamps may open or close their interval, which moves it by two degrees.
    """
    thin = slice(None, None, EVERY)
    at, power = record.measured_at[thin], np.nan_to_num(record.power_frac[thin])
    produces = power > PRODUCES_FRAC
    longitude_deg = max(LONGITUDES_DEG, key=lambda x: _agreement(at, produces, 38.0, x))
    latitude_deg = max(LATITUDES_DEG, key=lambda x: _agreement(at, produces, x, longitude_deg))
    longitude_deg = max(longitude_deg + np.arange(-1.5, 2.0, 0.5), key=lambda x: _agreement(at, produces, latitude_deg, x))
    latitude_deg = max(latitude_deg + np.arange(-1.5, 2.0, 0.5), key=lambda x: _agreement(at, produces, x, longitude_deg))
    known = record.pressure_hpa[~np.isnan(record.pressure_hpa)]
    pressure_hpa = float(np.median(known)) if known.size else SEA_LEVEL_HPA
    altitude_m = max(0.0, SCALE_HEIGHT_M * float(np.log(SEA_LEVEL_HPA / pressure_hpa)))
    planes = [Plane(float(latitude_deg), float(longitude_deg), float(tilt), altitude_m) for tilt in TILTS_DEG]
    return min(planes, key=lambda plane: _unevenness(at, power, plane))


def _agreement(at: StampArray, produces: np.ndarray, latitude_deg: float, longitude_deg: float) -> float:
    up = sun_position(at, float(latitude_deg), float(longitude_deg)).elevation_deg > 0
    return float(np.mean(up == produces))


def _unevenness(at: StampArray, power: FloatArray, plane: Plane) -> float:
    """Relative spread of the best hours over months and hours of the day."""
    sky = clear_plane_frac(at, plane)
    day = (at - at.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    season = np.minimum((day / 365.25 * SEASONS).astype(np.int64), SEASONS - 1)
    hour = ((at - at.astype("datetime64[D]")) // np.timedelta64(1, "h")).astype(np.int64)
    up = sky > SUN_UP_FRAC
    cell = (season * STEPS_PER_DAY + hour)[up]
    ratio = power[up] / sky[up]
    order = np.argsort(cell, kind="stable")
    groups = np.split(ratio[order], np.flatnonzero(np.diff(cell[order])) + 1)
    best = np.array([np.quantile(group, CLEAR_LEVEL) for group in groups if group.size >= SEASONS])
    return float(best.std() / best.mean()) if best.size and best.mean() > 0 else float("inf")
