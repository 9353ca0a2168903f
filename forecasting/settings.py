"""How the forecasters are trained and when their input counts as old: one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["ForecastSettings"]


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """Settings of training and prediction.

    Args:
        rounds: Trees of each model.
        leaves: Leaves of each tree.
        leaf_rows: Fewest rows in a leaf.
        learning_rate: Shrinkage.
        rows: Training rows of one kind of farm, all farms together, at most.
        load_rounds: Trees of each model of loads: what their profile leaves over is little, and they are as many as the farms.
        load_leaves: Leaves of each of these.
        load_leaf_rows: Fewest rows in one of these.
        load_rows: Training rows of loads, at most.
        span: How far back training looks.
        horizon: Farthest interval trained for.
        threads: LightGBM threads; fixed, because sums depend on it. More than one waits for a core that others may need.
        seed: Of sampling and of LightGBM.
        power_stale_after: Age at which the last measurement no longer makes a forecast fresh.
        run_stale_after: Age since issue at which a run is late; a daily run out after 4 h is 28 h old at worst.
    """

    rounds: int = 110
    leaves: int = 24
    leaf_rows: int = 60
    learning_rate: float = 0.08
    rows: int = 60_000
    load_rounds: int = 40
    load_leaves: int = 12
    load_leaf_rows: int = 300
    load_rows: int = 30_000
    span: timedelta = timedelta(days=450)
    horizon: timedelta = timedelta(hours=72)
    threads: int = 1
    seed: int = 0
    power_stale_after: timedelta = timedelta(hours=1)
    run_stale_after: timedelta = timedelta(hours=30)
