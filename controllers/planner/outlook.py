"""What a plan expects of wind and sun when no forecaster runs: climatology, and the last reading fading into it.

Wind by month and hour comes from measured farms where the series is at hand, else from one curve of the right mean; sun is the
clear sky times a clearness of the right mean. Marked as `climatology` or `persistence`, never as a forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from forecasting.baselines import persistence
from forecasting.features import solar_yield_frac
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from forecasting.known import FarmSite
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.park import Asset, Park
from vpp.series import StampArray, to_stamps
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["Outlook", "WIND_FILE"]

WIND_FILE: Final = "gefcom2014_wind.parquet"
_MONTHS, _HOURS = 12, int(HOURS_PER_DAY)
#: The measured farms stand in Australia: half a year and two hours of local sun away from the park.
_SHIFT: Final = timedelta(weeks=26, hours=2)
_HOUR_ENDING: Final = timedelta(hours=1)
_YEAR_STEPS: Final = 8_760
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Outlook:
    """Climatology of wind by month and hour of the day (UTC).

    Args:
        wind_mean_frac: Shape (12, 24).
        wind_quantile_frac: At `QUANTILE_LEVELS`, shape (12, 24, Q).
        measured: Whether it was measured, or drawn from one curve.
    """

    wind_mean_frac: FloatArray
    wind_quantile_frac: FloatArray
    measured: bool

    @classmethod
    def plain(cls) -> Outlook:
        """A triangle-like curve without seasons: the share is a power of an even chance; each farm takes it to its own mean."""
        levels = np.array(QUANTILE_LEVELS)
        return cls(np.full((_MONTHS, _HOURS), 0.5), np.tile(levels, (_MONTHS, _HOURS, 1)), measured=False)

    @classmethod
    def from_data(cls, folder: Path) -> Outlook:
        """Of the measured farms in a folder; `plain` where it holds none.

        Raises:
            ForecastError: The file cannot be read.
        """
        path = folder / WIND_FILE
        if not path.is_file():
            return cls.plain()
        import pandas as pd  # a second of import that a plan without data does not pay

        try:
            frame = pd.read_parquet(path, columns=["time", "power"]).dropna()
        except (OSError, ValueError, KeyError) as error:
            raise ForecastError(f"{path}: columns time and power cannot be read: {str(error).splitlines()[0]}") from error
        time = frame["time"] - _HOUR_ENDING + _SHIFT
        grouped = frame["power"].groupby([time.dt.month, time.dt.hour])
        mean = grouped.mean().unstack().to_numpy(dtype=np.float64)
        quantile = grouped.quantile(np.array(QUANTILE_LEVELS)).to_numpy(dtype=np.float64)
        return cls(mean, quantile.reshape(_MONTHS, _HOURS, len(QUANTILE_LEVELS)), measured=True)

    def forecast(self, park: Park, grid: TimeGrid, available_mw: Mapping[AssetId, float]) -> Forecast:
        """Every farm of a park on a grid.

        Args:
            park: The park.
            grid: The intervals.
            available_mw: What farms can generate at the start, where that is known; it fades into climatology.
        """
        farms = [a for kind in ("wind", "solar") for a in park.assets_of(kind)]
        edges = to_stamps(grid.edges)
        middle = edges[:-1] + np.diff(edges) // 2
        quantiles, means, quality = [], [], []
        for farm in farms:
            scale, quantile, mean = self._of(park, farm, middle)
            told = available_mw.get(farm.id)
            kind: Quality = "climatology"
            if told is not None:
                last_scale = float(scale[0])
                quantile, mean = persistence(
                    told / farm.plate.capacity_mw, last_scale, grid.offset_h, (quantile, mean), scale
                )  # fmt: skip
                kind = "persistence"
            quantiles.append(np.sort(quantile, axis=1))
            means.append(mean)
            quality.append(kind)
        shape = (len(farms), grid.n)
        return Forecast(
            grid=grid,
            quantile_levels=QUANTILE_LEVELS,
            asset_ids=tuple(a.id for a in farms),
            quantile_frac=np.array(quantiles).reshape(*shape, len(QUANTILE_LEVELS)),
            mean_frac=np.array(means).reshape(shape),
            issued_at=grid.start,
            quality=tuple(quality),
        )

    def _of(self, park: Park, farm: Asset, middle: StampArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Scale (T,), quantiles (T, Q) and mean (T,) of one farm."""
        factor = float(farm.plate.capacity_factor_frac)
        if farm.kind == "solar":
            site = FarmSite(farm.id, "solar", park.site.latitude_deg, park.site.longitude_deg)
            scale = solar_yield_frac(middle, site)
            year = np.datetime64("2030-01-01T00:30:00", "us") + np.arange(_YEAR_STEPS) * np.timedelta64(1, "h")
            clearness = factor / float(solar_yield_frac(year, site).mean())
            # The clearness of the sky lies between nothing and one and a quarter, with the mean that the year's yield asks.
            spread = np.clip(clearness * (0.4 + 1.2 * np.array(QUANTILE_LEVELS)), 0.0, 1.25)
            return scale, np.clip(scale[:, None] * spread, 0.0, 1.0), np.clip(scale * clearness, 0.0, 1.0)
        month = middle.astype("datetime64[M]").astype(np.int64) % _MONTHS
        hour = (middle - middle.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)
        power = _power_to_mean(self.wind_quantile_frac, factor)
        quantile, mean = self.wind_quantile_frac[month, hour] ** power, self._mean_at(power)[month, hour]
        return np.ones(middle.size), quantile, mean

    def _mean_at(self, power: float) -> FloatArray:
        return _mean_of(self.wind_quantile_frac**power)


def _mean_of(quantile_frac: FloatArray) -> FloatArray:
    """Mean of a curve given by its quantiles, straight between them and flat beyond the outer ones, shape (..., )."""
    levels = np.array([0.0, *QUANTILE_LEVELS, 1.0])
    curve = np.concatenate([quantile_frac[..., :1], quantile_frac, quantile_frac[..., -1:]], axis=-1)
    mean: FloatArray = np.sum(0.5 * (curve[..., 1:] + curve[..., :-1]) * np.diff(levels), axis=-1)
    return mean


def _power_to_mean(quantile_frac: FloatArray, mean_frac: float) -> float:
    """The power that takes shares between 0 and 1 to a yearly mean: a windier or calmer site of the same kind."""
    low, high = 0.05, 20.0
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        if float(_mean_of(quantile_frac**middle).mean()) > mean_frac:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))
