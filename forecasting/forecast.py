"""What a forecaster hands over: quantiles and a mean for every asset and interval, with how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

import numpy as np

from forecasting.dependence import Dependence
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid, require_utc
from vpp.units import FloatArray

__all__ = ["MODEL_LEVELS", "QUANTILE_LEVELS", "Flag", "Forecast", "Quality"]

QUANTILE_LEVELS: Final = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)

#: What is learnt; the published ones and the tails that scenarios need.
MODEL_LEVELS: Final = (0.01, *QUANTILE_LEVELS, 0.99)

#: `fresh`: model on recent input; `stale`: model, but its weather run or its measurements are old or end inside the grid;
#: `persistence`: last value fading into climatology, of a load the profile of its week; `climatology`: nothing recent is known.
Quality: TypeAlias = Literal["fresh", "stale", "persistence", "climatology"]

#: Why a forecast is worse than it could be: what of its input is late, missing, ends inside the grid, or cannot be believed.
Flag: TypeAlias = Literal[
    "power_late",
    "power_missing",
    "power_stuck",
    "run_late",
    "run_missing",
    "run_partial",
    "history_missing",
    "clock_shift",
    "drift",
]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of the available power (or load) of F assets over T intervals, as shares of their capacity.

    Args:
        grid: The intervals.
        quantile_levels: Q increasing levels in (0, 1).
        asset_ids: F ids.
        quantile_frac: Never crossing, no NaN, shape (F, T, Q).
        mean_frac: Expected value, no NaN, shape (F, T).
        issued_at: What had been received by then is all that went in (UTC).
        quality: One for each asset.
        flags: Why, for each asset; empty where nobody looked.
        scenario_frac: Joint trajectories over all assets and intervals, each as likely as the next, shape (S, F, T); None where
            none were asked for. Their marginals are the quantiles.
        loads: Which of the assets are loads: their shares are of `load_sites.reference_mw`.
        dependence: What has been learnt of how the errors hang together, for whoever draws scenarios on a grid of its own; None
            where nobody has learnt it.
    """

    grid: TimeGrid
    quantile_levels: tuple[float, ...]
    asset_ids: tuple[AssetId, ...]
    quantile_frac: FloatArray
    mean_frac: FloatArray
    issued_at: datetime
    quality: tuple[Quality, ...]
    flags: tuple[tuple[Flag, ...], ...] = ()
    scenario_frac: FloatArray | None = None
    loads: frozenset[AssetId] = frozenset()
    dependence: Dependence | None = None

    def __post_init__(self) -> None:
        require_utc(self.issued_at, "issued_at")
        shape = (len(self.asset_ids), self.grid.n, len(self.quantile_levels))
        if self.quantile_frac.shape != shape or self.mean_frac.shape != shape[:2] or len(self.quality) != shape[0]:
            raise ForecastError(
                f"forecast: {shape} assets, intervals and levels, but quantiles {self.quantile_frac.shape}, "
                f"means {self.mean_frac.shape} and {len(self.quality)} qualities"
            )
        if np.isnan(self.quantile_frac).any() or np.isnan(self.mean_frac).any():
            raise ForecastError("forecast: NaN in it; a missing input must become a flagged fall-back")
        if bool(np.any(np.diff(self.quantile_frac, axis=2) < 0)):
            raise ForecastError("forecast: quantiles cross; sort them where they are made")
        if self.flags and len(self.flags) != shape[0]:
            raise ForecastError(f"forecast: {shape[0]} assets, but flags for {len(self.flags)}")
        if self.scenario_frac is not None and self.scenario_frac.shape[1:] != shape[:2]:
            raise ForecastError(f"forecast: {shape[:2]} assets and intervals, but scenarios {self.scenario_frac.shape}")

    def row(self, asset_id: AssetId) -> int:
        """Position of an asset.

        Raises:
            ForecastError: It is not in the forecast.
        """
        if asset_id not in self.asset_ids:
            raise ForecastError(f"forecast issued at {self.issued_at}: no asset {asset_id}")
        return self.asset_ids.index(asset_id)

    def flags_of(self, asset_id: AssetId) -> tuple[Flag, ...]:
        """Why the asset's forecast is worse than it could be; empty if nothing is wrong."""
        return self.flags[self.row(asset_id)] if self.flags else ()

    def after(self, t: int) -> Forecast:
        """The forecast without its first `t` intervals: of an old one, what is still to come."""
        return replace(
            self,
            grid=TimeGrid(self.grid.edges[t:]),
            quantile_frac=self.quantile_frac[:, t:],
            mean_frac=self.mean_frac[:, t:],
            scenario_frac=None if self.scenario_frac is None else self.scenario_frac[:, :, t:],
        )
