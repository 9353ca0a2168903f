"""Piecewise linear curves, one a machine."""

from __future__ import annotations

import numpy as np

from vpp.units import FloatArray

__all__ = ["interpolate_rows"]


def interpolate_rows(points: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """The value of each row's curve at one point a row; outside its points a curve goes on along its outer segments.

    Args:
        points: Non-decreasing, shape (rows, k); a row shorter than k repeats its last point.
        values: Shape (rows, k).
        at: Shape (rows,).

    >>> points, values = np.array([[0.0, 1.0, 1.0]]), np.array([[0.0, 2.0, 2.0]])
    >>> interpolate_rows(points, values, np.array([1.5])).tolist()
    [3.0]
    """
    row = np.arange(points.shape[0])
    segments = np.sum(points < points[:, -1:], axis=1)
    left = np.clip(np.sum(points < at[:, np.newaxis], axis=1) - 1, 0, np.maximum(segments - 1, 0))
    right = np.minimum(left + 1, points.shape[1] - 1)
    width = points[row, right] - points[row, left]
    slope = np.where(width > 0.0, (values[row, right] - values[row, left]) / np.where(width > 0.0, width, 1.0), 0.0)
    result: FloatArray = values[row, left] + slope * (at - points[row, left])
    return result
