"""From sun and clouds to the power of a PV station: plane of the array, module temperature, snow, inverters.

All models are pvlib's: Erbs' split of global irradiance, an isotropic sky, Faiman's module temperature, PVWatts' modules, and
B. Marion et al., "Measured and modeled photovoltaic system energy losses from snow", Solar Energy 97, 2013, for snow that lies
on the modules and slides off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from sim_harness.weather.air import Air
from sim_harness.weather.base import STEP
from sim_harness.weather.sky import ClearSky
from vpp.units import FloatArray, hours

__all__ = ["RACK", "ROOF", "Mounting", "dc_power_frac", "snow_cover_frac"]


@dataclass(frozen=True, slots=True)
class Mounting:
    """How modules lie: tilt, and the directions among which they are shared out, both in degrees."""

    tilt_deg: float
    azimuths_deg: tuple[float, ...]
    strings: int


#: Racks near the latitude's best tilt; roofs flat to the east and the west.
RACK: Final = Mounting(38.0, (180.0,), 2)
ROOF: Final = Mounting(10.0, (90.0, 270.0), 1)
ALBEDO_FRAC: Final = 0.2
#: Loss of crystalline silicon per degree above 25 degC.
TEMPERATURE_COEFFICIENT: Final = -0.0035
WIND_AT_MODULES_M_S: Final = 2.0
#: Fresh snow in an hour that covers the modules; Marion's 1 cm is for Michigan, Chifeng's snow is thin and dry. [cm]
COVERS_FROM_CM: Final = 0.45
PER_HOUR: Final = round(1.0 / hours(STEP))


def dc_power_frac(sky: ClearSky, index: FloatArray, temperature_c: FloatArray, mounting: Mounting) -> FloatArray:
    """Power of clean modules per installed module power, inverters left out, shape (T,).

    Args:
        sky: Sun and clear sky.
        index: Clear-sky index, shape (T,).
        temperature_c: Air, shape (T,). [degC]
        mounting: How the modules lie.
    """
    power = np.zeros(index.size)
    up = sky.ghi_w_m2 > 0.0
    ghi = sky.ghi_w_m2[up] * index[up]
    zenith, azimuth = sky.zenith_deg[up], sky.azimuth_deg[up]
    parts = pvlib.irradiance.erbs(ghi, zenith, sky.day_of_year[up])
    for facing in mounting.azimuths_deg:
        plane = pvlib.irradiance.get_total_irradiance(
            mounting.tilt_deg, facing, zenith, azimuth, parts["dni"], ghi, parts["dhi"], albedo=ALBEDO_FRAC, model="isotropic"
        )["poa_global"]
        cell_c = pvlib.temperature.faiman(plane, temperature_c[up], WIND_AT_MODULES_M_S)
        share = 1.0 / len(mounting.azimuths_deg)
        power[up] += share * pvlib.pvsystem.pvwatts_dc(plane, cell_c, 1.0, TEMPERATURE_COEFFICIENT)
    return np.asarray(np.clip(power, 0.0, None), dtype=np.float64)


def snow_cover_frac(start: pd.Timestamp, air: Air, sky: ClearSky, index: FloatArray, mounting: Mounting) -> FloatArray:
    """Share of power that snow on the modules takes, hour by hour, shape (T,) of the air.

    Args:
        start: First hour (UTC).
        air: On the hours.
        sky: On the quarter hours from `start`, so many as the air has hours times four.
        index: Clear-sky index, as long as the sky.
        mounting: How the modules lie; steep ones let it slide.
    """
    times = pd.date_range(start, periods=air.temperature_c.size, freq=pd.Timedelta(timedelta(hours=1)))
    sun = (sky.ghi_w_m2 * index).reshape(-1, PER_HOUR).mean(axis=1)
    fall = pd.Series(air.snowfall_cm, index=times)
    cover = pvlib.snow.coverage_nrel(
        fall,
        pd.Series(sun, index=times),
        pd.Series(air.temperature_c, index=times),
        mounting.tilt_deg,
        threshold_snowfall=COVERS_FROM_CM,
    )
    return np.asarray(pvlib.snow.dc_loss_nrel(cover, mounting.strings), dtype=np.float64)
