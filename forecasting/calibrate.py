"""Quantiles put right by residuals that the models did not train on, apart for each farm and group of horizons."""

from __future__ import annotations

from typing import Final

import numpy as np

from vpp.units import FloatArray, IntArray

__all__ = ["FEWEST_ROWS", "HORIZON_EDGES_H", "calibrated", "conformal_shifts", "horizon_group", "pooled_shifts"]

#: Between these horizons one shift per level holds.
HORIZON_EDGES_H: Final = (1.0, 4.0, 12.0, 24.0, 48.0)
#: A group with fewer rows is left as it is.
FEWEST_ROWS: Final = 100
#: So many rows of its own count as much as all farms together.
OWN_ROWS: Final = 200.0


def horizon_group(horizon_h: FloatArray) -> IntArray:
    """Group of each horizon, 0..len(HORIZON_EDGES_H), shape (N,)."""
    return np.searchsorted(np.array(HORIZON_EDGES_H), horizon_h, side="right").astype(np.int64)


def conformal_shifts(y: FloatArray, quantile: FloatArray, levels: tuple[float, ...], horizon_h: FloatArray) -> FloatArray:
    """What to add to each quantile so that its share of outcomes lies below it.

    Args:
        y: Outcomes of rows kept out of training, shape (N,).
        quantile: Predicted quantiles, shape (N, Q).
        levels: Their levels, Q of them.
        horizon_h: Of each row, shape (N,). [h]

    Returns:
        Shifts, shape (G, Q); zero for a group with too few rows.

    Source:
        Split conformal prediction, one-sided at each level: V. Vovk et al., "Algorithmic Learning in a Random World", 2005.
    """
    group = horizon_group(horizon_h)
    shifts = np.zeros((len(HORIZON_EDGES_H) + 1, len(levels)))
    for g in range(shifts.shape[0]):
        rows = group == g
        if int(rows.sum()) >= FEWEST_ROWS:
            residual = y[rows, None] - quantile[rows]
            shifts[g] = [np.quantile(residual[:, q], level) for q, level in enumerate(levels)]
    return shifts


def pooled_shifts(
    y: FloatArray, quantile: FloatArray, levels: tuple[float, ...], horizon_h: FloatArray, farm: IntArray
) -> dict[int, FloatArray]:
    """Shifts of each farm, drawn towards those of all farms where it has few rows of its own (Mondrian categories).

    Args:
        y: Outcomes of rows kept out of training, shape (N,).
        quantile: Predicted quantiles, shape (N, Q).
        levels: Their levels, Q of them.
        horizon_h: Of each row, shape (N,). [h]
        farm: Number of the farm, shape (N,).

    Returns:
        By farm, shapes (G, Q).
    """
    shared = conformal_shifts(y, quantile, levels, horizon_h)
    group = horizon_group(horizon_h)
    result: dict[int, FloatArray] = {}
    for one in np.unique(farm):
        own = farm == one
        shifts = conformal_shifts(y[own], quantile[own], levels, horizon_h[own])
        count = np.bincount(group[own], minlength=shifts.shape[0]).astype(np.float64)
        weight = np.where(count >= FEWEST_ROWS, count / (count + OWN_ROWS), 0.0)[:, None]
        result[int(one)] = weight * shifts + (1.0 - weight) * shared
    return result


def calibrated(quantile: FloatArray, shifts: FloatArray, horizon_h: FloatArray) -> FloatArray:
    """Quantiles with their shifts, sorted so that they never cross, shape (N, Q)."""
    return np.sort(quantile + shifts[horizon_group(horizon_h)], axis=1)
