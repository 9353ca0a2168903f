"""Where the sun stands and what it gives through a clear sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from pvlib import atmosphere, clearsky, temperature

from vpp.series import StampArray
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = [
    "STANDARD_SUN_W_M2",
    "Plane",
    "SunPosition",
    "air_density_kg_m3",
    "clear_plane_frac",
    "clear_sky_ghi_w_m2",
    "module_temperature_c",
    "sun_position",
]

#: Irradiance at which a PV plant gives its nominal power.
STANDARD_SUN_W_M2: Final = 1_000.0
J2000: Final = np.datetime64("2000-01-01T12:00:00", "us")
ONE_DAY: Final = np.timedelta64(1, "D").astype("timedelta64[us]")
DEGREES_PER_HOUR: Final = 360.0 / HOURS_PER_DAY
#: A clean to slightly hazy sky of the north-west; the exact value only scales what is learnt from.
LINKE_TURBIDITY: Final = 3.0
ALBEDO_FRAC: Final = 0.2
GAS_CONSTANT_J_KG_K: Final = 287.05287
ZERO_CELSIUS_K: Final = 273.15


@dataclass(frozen=True, slots=True)
class Plane:
    """A field of modules that all lean the same way, towards the equator.

    Args:
        latitude_deg: North positive.
        longitude_deg: East positive.
        tilt_deg: From the horizontal.
        altitude_m: Above sea level.
    """

    latitude_deg: float
    longitude_deg: float
    tilt_deg: float
    altitude_m: float


@dataclass(frozen=True, slots=True)
class SunPosition:
    """Sun over one place, shapes (T,).

    Args:
        elevation_deg: True elevation of the centre above the horizon, without refraction.
        hour_angle_deg: From the meridian, west (afternoon) positive, -180..180.
    """

    elevation_deg: FloatArray
    hour_angle_deg: FloatArray


def sun_position(at: StampArray, latitude_deg: float, longitude_deg: float) -> SunPosition:
    """Position of the sun, to about 0.01 degrees until 2050.

    Args:
        at: UTC instants, shape (T,).
        latitude_deg: North positive.
        longitude_deg: East positive.

    Returns:
        Elevation and hour angle, shapes (T,).

    Source:
        J. Michalsky, "The Astronomical Almanac's algorithm for approximate solar position (1950-2050)", Solar Energy
        40(3), 1988.
    """
    n = (at - J2000) / ONE_DAY
    hour_utc = (at - at.astype("datetime64[D]")) / ONE_DAY * HOURS_PER_DAY
    mean_longitude_deg = 280.460 + 0.9856474 * n
    anomaly = np.deg2rad(357.528 + 0.9856003 * n)
    ecliptic = np.deg2rad(mean_longitude_deg + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.deg2rad(23.439 - 0.0000004 * n)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    sidereal_h = 6.697375 + 0.0657098242 * n + hour_utc
    hour_angle_deg = sidereal_h * DEGREES_PER_HOUR + longitude_deg - np.rad2deg(right_ascension)
    hour_angle_deg = (hour_angle_deg + 180.0) % 360.0 - 180.0
    latitude = np.deg2rad(latitude_deg)
    sine = np.sin(declination) * np.sin(latitude) + np.cos(declination) * np.cos(latitude) * np.cos(np.deg2rad(hour_angle_deg))
    elevation: FloatArray = np.rad2deg(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return SunPosition(elevation, hour_angle_deg)


def clear_sky_ghi_w_m2(elevation_deg: FloatArray) -> FloatArray:
    """Global horizontal irradiance under a clear sky, zero at night, shape (T,), in W/m2.

    Source:
        B. Haurwitz, "Insolation in relation to cloudiness and cloud density", Journal of Meteorology 2, 1945, with the
        coefficients of M. Reno et al., SAND2012-2389, 2012.
    """
    sine = np.sin(np.deg2rad(elevation_deg))
    above = np.maximum(sine, 1e-6)
    return np.where(sine > 0, 1098.0 * above * np.exp(-0.059 / above), 0.0)


def clear_plane_frac(at: StampArray, place: Plane) -> FloatArray:
    """Clear-sky irradiance on a fixed plane that faces the equator, over standard sun; zero at night, shape (T,).

    A plane tilted by b at latitude p sees the sun as a level plane at latitude p - b does, so its incidence needs no azimuth.

    Args:
        at: UTC instants, shape (T,).
        place: Where the plane stands and how it leans.

    Source:
        P. Ineichen, R. Perez, "A new airmass independent formulation for the Linke turbidity coefficient", Solar Energy 73(3),
        2002, by pvlib; isotropic sky of B. Liu and R. Jordan, Solar Energy 4(3), 1960.
    """
    elevation_deg = sun_position(at, place.latitude_deg, place.longitude_deg).elevation_deg
    facing_deg = sun_position(at, place.latitude_deg - place.tilt_deg, place.longitude_deg).elevation_deg
    up = elevation_deg > 0
    zenith_deg = np.where(up, 90.0 - elevation_deg, 90.0)
    pressure_pa = atmosphere.alt2pres(place.altitude_m)
    airmass = atmosphere.get_absolute_airmass(atmosphere.get_relative_airmass(zenith_deg), pressure_pa)
    sky = clearsky.ineichen(zenith_deg, airmass, LINKE_TURBIDITY, altitude=place.altitude_m)
    tilt = np.deg2rad(place.tilt_deg)
    beam = np.maximum(np.sin(np.deg2rad(facing_deg)), 0.0) * sky["dni"]
    diffuse = (1.0 + np.cos(tilt)) / 2.0 * sky["dhi"] + ALBEDO_FRAC * (1.0 - np.cos(tilt)) / 2.0 * sky["ghi"]
    return np.where(up, (beam + diffuse) / STANDARD_SUN_W_M2, 0.0)


def module_temperature_c(irradiance_w_m2: FloatArray, air_c: FloatArray, wind_m_s: FloatArray | float = 1.0) -> FloatArray:
    """Temperature of PV modules in the open, shape (T,).

    Source:
        D. Faiman, "Assessing the outdoor operating temperature of photovoltaic modules", Progress in Photovoltaics 16, 2008, by
        pvlib.
    """
    return np.asarray(temperature.faiman(irradiance_w_m2, air_c, wind_m_s), dtype=np.float64)


def air_density_kg_m3(pressure_pa: FloatArray, temperature_c: FloatArray) -> FloatArray:
    """Density of dry air in kg/m3, to correct a wind power curve, shape (T,); NaN where an input is NaN.

    Source:
        Ideal gas law, R = 287.05287 J/(kg K): ISO 2533:1975.
    """
    return pressure_pa / (GAS_CONSTANT_J_KG_K * (temperature_c + ZERO_CELSIUS_K))
