"""Second stage: quantiles of all zones pooled, from the weather and from what the first stage says of every zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm as lgb
import numpy as np

from forecasting.stack.arrays import centred_mean, moved
from forecasting.stack.boost import boost_parameters
from forecasting.stack.features import calendar, own_wind
from forecasting.stack.first_stage import FirstStage
from forecasting.stack.panel import WindPanel, grid_points
from forecasting.stack.settings import BoostSettings
from vpp.units import BoolArray, FloatArray

__all__ = ["PooledRows", "pooled_inputs", "quantiles_of_levels"]

ZONE_COLUMN: Final = 0
LEADS_H: Final = (-6, -3, -1, 1, 3, 6)


@dataclass(frozen=True, slots=True, eq=False)
class PooledRows:
    """Hours and zones as one table of N rows.

    Args:
        x: Columns of `pooled_inputs`, shape (N, C).
        y: Power, NaN where unknown, shape (N,).
        weight: Of a training row, shape (N,); zero leaves it out.
        asked: Rows to forecast and not to learn from, shape (N,).
        base: Quantiles that the trees correct, shape (N, levels), or None: they start from a constant.
    """

    x: FloatArray
    y: FloatArray
    weight: FloatArray
    asked: BoolArray
    base: FloatArray | None = None


def pooled_inputs(panel: WindPanel, first: FirstStage) -> FloatArray:
    """Columns of every hour and zone, hour by hour, shape (T * Z, C)."""
    zones = len(panel.zones)
    middle, members = first.median_frac, first.members_frac
    both, every, apart = members[:2].mean(axis=0), members.mean(axis=0), members.std(axis=0)
    speed = np.hypot(panel.wind_m_s[:, grid_points(panel), 2], panel.wind_m_s[:, grid_points(panel), 3]).mean(axis=1)
    days = calendar(panel.start)
    blocks = []
    for zone in range(zones):
        own = np.column_stack(
            [
                np.full(panel.start.size, float(zone)),
                own_wind(panel, zone),
                days,
                speed,
                _around(first.mean_frac[:, zone]),
                _around(middle[:, zone])[:, :6],
                first.net_frac[:, zone],
                both,
                both.mean(axis=1),
                both.std(axis=1),
                _around(first.kernel_frac[:, zone])[:, :6],
                _around(every[:, zone]),
                every.mean(axis=1),
                apart[:, zone],
            ]
        )
        blocks.append(own)
    return np.stack(blocks, axis=1).reshape(panel.start.size * zones, -1)


def _around(value: FloatArray) -> FloatArray:
    """A forecast now, moved, smoothed, its ramps and its spread over time, shape (T, C)."""
    steps = [moved(value, lead) for lead in LEADS_H]
    means = [centred_mean(value, half) for half in (1, 3, 6, 12)]
    square = centred_mean(value**2, 3)
    spread = np.sqrt(np.maximum(square - means[1] ** 2, 0.0))
    ramps = [moved(value, 1) - moved(value, -1), moved(value, 3) - moved(value, -3)]
    return np.column_stack([value, means[0], means[1], ramps[1], spread, means[2], *steps, means[3], ramps[0]])


def quantiles_of_levels(data: PooledRows, levels: tuple[float, ...], settings: BoostSettings, seed: int) -> FloatArray:
    """Quantiles of the rows asked for, on histograms that all levels share.

    Returns:
        Shape (levels, asked), not yet sorted.
    """
    train = ~np.isnan(data.y) & ~data.asked & (data.weight > 0.0)
    shared = boost_parameters(settings, {}, seed)
    rows = lgb.Dataset(
        data.x[train], data.y[train], weight=data.weight[train], params=shared, categorical_feature=[ZONE_COLUMN]
    ).construct()
    asked = data.x[data.asked]
    found = []
    for place, level in enumerate(levels):
        base = np.zeros(data.y.size) if data.base is None else data.base[:, place]
        rows.set_init_score(None if data.base is None else base[train])
        parameters = boost_parameters(settings, {"objective": "quantile", "alpha": level}, seed)
        model = lgb.train(parameters, rows, num_boost_round=settings.rounds)
        found.append(base[data.asked] + np.asarray(model.predict(asked, num_threads=1), dtype=np.float64))
    return np.stack(found)
