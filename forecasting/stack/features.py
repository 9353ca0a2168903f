"""Columns of the first stage, the second stage and the net, all from the weather forecast and the calendar."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.stack.arrays import Float32Array, centred_mean, moved
from forecasting.stack.panel import WindPanel, grid_points
from vpp.series import StampArray
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["calendar", "kernel_inputs", "mean_inputs", "net_inputs", "own_wind", "soft_curve_frac"]

NET_LEADS_H: Final = (-6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6)
#: Middle and width of a generic farm curve: half power near 9 m/s, cut-in and rated about 5 m/s to each side.
CURVE_MIDDLE_M_S: Final = 9.0
CURVE_WIDTH_M_S: Final = 1.8
DAYS_PER_YEAR: Final = 365.2425
CALM_M_S: Final = 0.5
#: Lead at which wind counts half as much in the likeness of two hours.
HALF_LEAD_H: Final = 2.0
#: How much speed as a curve, shear, clock and season count beside a component of the wind of the same hour.
CURVE_WEIGHT, SHEAR_WEIGHT, CLOCK_WEIGHT, SEASON_WEIGHT = 2.0, 2.5, 0.35, 0.3


def soft_curve_frac(speed_m_s: FloatArray) -> FloatArray:
    """Generic farm power curve, so that smoothing averages power and not speed; shape as given."""
    return np.asarray(1.0 / (1.0 + np.exp(-(speed_m_s - CURVE_MIDDLE_M_S) / CURVE_WIDTH_M_S)))


def calendar(start: StampArray) -> FloatArray:
    """Hour of the run (its lead time too: one run a day) and season as a circle, shape (T, 3)."""
    hour = (start - start.astype("datetime64[D]")) / np.timedelta64(1, "h")
    day = (start - start.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    angle = 2.0 * np.pi * day / DAYS_PER_YEAR
    return np.column_stack([hour, np.sin(angle), np.cos(angle)])


def own_wind(panel: WindPanel, zone: int) -> FloatArray:
    """One farm's own wind: now, moved in time, smoothed, shear and veer, shape (T, C)."""
    u10, v10, u100, v100 = panel.wind_m_s[:, zone].T
    low, high = np.hypot(u10, v10), np.hypot(u100, v100)
    curve = soft_curve_frac(high)
    veer = np.arctan2(u10 * v100 - v10 * u100, u10 * u100 + v10 * v100)
    columns = [low, high, u100, v100, np.arctan2(u100, v100), np.log((high + CALM_M_S) / (low + CALM_M_S)), veer]
    columns += [moved(high, lead) for lead in (-3, -2, -1, 1, 2, 3)]
    columns += [centred_mean(curve, half) for half in (1, 2, 4, 8)]
    columns += [moved(high, 2) - moved(high, -2), moved(centred_mean(high, 1), 6), moved(centred_mean(high, 1), -6)]
    return np.column_stack(columns)


def mean_inputs(panel: WindPanel, zone: int) -> FloatArray:
    """First-stage columns of one zone: its own wind, everybody's wind, the calendar, shape (T, C)."""
    points = grid_points(panel)
    wind = panel.wind_m_s[:, points]
    speed = np.hypot(wind[:, :, 2], wind[:, :, 3])
    curve = soft_curve_frac(speed)
    park = curve.mean(axis=1)
    shared = [centred_mean(speed, 1), centred_mean(curve, 3), wind[:, :, 2], wind[:, :, 3]]
    moves = [moved(park, lead) for lead in (-6, -3, -1, 0, 1, 3, 6)]
    return np.column_stack([own_wind(panel, zone), *shared, *moves, calendar(panel.start)])


def net_inputs(panel: WindPanel) -> Float32Array:
    """Wind at every grid point from six hours before to six hours after, the calendar, standardised, shape (T, C)."""
    points = grid_points(panel)
    u10, v10, u100, v100 = np.moveaxis(panel.wind_m_s[:, points], 2, 0)
    low, high = np.hypot(u10, v10), np.hypot(u100, v100)
    steps = [moved(part, lead) for lead in NET_LEADS_H for part in (u100, v100, soft_curve_frac(high))]
    hour, sine, cosine = calendar(panel.start).T
    angle = 2.0 * np.pi * hour / HOURS_PER_DAY
    clock = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle), sine, cosine]
    raw = np.column_stack([*steps, u10, v10, low, high, *clock])
    return np.asarray((raw - raw.mean(axis=0)) / (raw.std(axis=0) + 1e-9), dtype=np.float32)


def kernel_inputs(panel: WindPanel) -> FloatArray:
    """Columns whose distance is the unlikeness of two hours: wind in one unit of variance, clock and season, shape (T, C)."""
    points = grid_points(panel)
    u10, v10, u100, v100 = np.moveaxis(panel.wind_m_s[:, points], 2, 0)
    low, high = np.hypot(u10, v10), np.hypot(u100, v100)
    curve = soft_curve_frac(high)
    parts = [part / (part.std() + 1e-9) for part in (u100, v100, curve)]
    parts[2] = CURVE_WEIGHT * parts[2]
    steps = [moved(part, lead) / (1.0 + abs(lead) / HALF_LEAD_H) for lead in NET_LEADS_H for part in parts]
    wind = np.column_stack([*steps, SHEAR_WEIGHT * np.log((high + CALM_M_S) / (low + CALM_M_S))])
    wind = wind / np.sqrt(wind.var(axis=0).sum() + 1e-9)
    hour, sine, cosine = calendar(panel.start).T
    angle = 2.0 * np.pi * hour / HOURS_PER_DAY
    clock = CLOCK_WEIGHT * np.column_stack([np.sin(angle), np.cos(angle)])
    return np.column_stack([wind, clock, SEASON_WEIGHT * sine, SEASON_WEIGHT * cosine])
