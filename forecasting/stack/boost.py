"""LightGBM as the stack uses it: one thread, deterministic, one place for the parameters."""

from __future__ import annotations

from collections.abc import Mapping

from forecasting.stack.settings import BoostSettings

__all__ = ["boost_parameters"]


def boost_parameters(settings: BoostSettings, objective: Mapping[str, object], seed: int) -> dict[str, object]:
    """Parameters of one model; the same seed and data give the same trees on any number of workers."""
    return {
        **objective,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.leaf_rows,
        "learning_rate": settings.learning_rate,
        "feature_fraction": settings.feature_frac,
        "bagging_fraction": settings.row_frac,
        "bagging_freq": 1 if settings.row_frac < 1.0 else 0,
        "extra_trees": settings.extra_trees,
        "max_bin": settings.bins,
        "lambda_l2": settings.l2,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
