"""Back-test of day-ahead prices on the published series of five markets, beside the published DNN and LEAR forecasts.

At noon of each day the 24 prices of the next one are forecast from the prices of all days up to today's, which the auction of
yesterday fixed. The published rivals also saw day-ahead load and generation forecasts, which the file does not hold; so that a
lead of theirs is no surprise, and is reported as it is.

Source:
    J. Lago et al., "Forecasting day-ahead electricity prices: a review of state-of-the-art algorithms, best practices and an
    open-access benchmark", Applied Energy 293, 2021.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd

from forecasting.scores import coverage_frac, pinball
from vpp.errors import ForecastError
from vpp.units import FloatArray, IntArray

__all__ = ["FILE_NAME", "LEVELS", "MARKETS", "backtest_price", "read_prices"]

FILE_NAME: Final = "day_ahead_price.parquet"
MARKETS: Final = ("BE", "DE", "FR", "NP", "PJM")
COLUMNS: Final = ("market", "time", "price_per_mwh", "forecast_dnn_per_mwh", "forecast_lear_per_mwh")
LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
HOURS: Final = 24
#: Days of the same hour that are looked at, and whole days of which the shape is.
LAG_DAYS: Final = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
FIRST_DAY: Final = 28
#: The median and the tails are learnt apart from prices that came before the quarter in which they are used.
TEST_FRAC: Final = 0.5
REFIT_DAYS: Final = 56
#: Newest days whose misses set the quantiles right.
CALIBRATION_DAYS: Final = 56
WEEK: Final = 7


def read_prices(data: Path, market: str) -> pd.DataFrame:
    """One market's hours in order.

    Raises:
        ForecastError: The file, a column or the market is missing, or days do not have 24 hours.
    """
    path = data / FILE_NAME if data.is_dir() else data
    if not path.is_file():
        raise ForecastError(f"{path}: no such file; --data names the folder with {FILE_NAME}")
    frame = pd.read_parquet(path)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise ForecastError(f"{path.name}: column {', '.join(missing)} is missing; it needs {', '.join(COLUMNS)}")
    rows = frame[frame["market"] == market].sort_values("time")
    if rows.empty:
        raise ForecastError(f"{path.name}: no market {market}; it has {sorted(set(frame['market']))}")
    if len(rows) % HOURS or (rows["time"].diff().dropna() != pd.Timedelta(hours=1)).any():
        raise ForecastError(f"{path.name}: {market}: hours are missing or doubled; every day has {HOURS}")
    return rows


def backtest_price(rows: pd.DataFrame, threads: int = 1) -> dict[str, Any]:
    """Errors of ours and the published forecasts over the second half of a market's two years.

    Args:
        rows: From `read_prices`.
        threads: Of LightGBM.
    """
    price = rows["price_per_mwh"].to_numpy(dtype=np.float64).reshape(-1, HOURS)
    start = pd.Timestamp(rows["time"].iloc[0]).dayofweek
    x = _features(price, start)
    first = int(price.shape[0] * (1.0 - TEST_FRAC))
    said = np.full((price.shape[0], HOURS, len(LEVELS)), np.nan)
    for begin in range(first - CALIBRATION_DAYS, price.shape[0], REFIT_DAYS):
        days = np.arange(begin, min(begin + REFIT_DAYS, price.shape[0]))
        said[days] = _fit_and_say(x, price, days, threads)
    for day in range(first, price.shape[0]):
        said[day] = _set_right(price, said, day)
    return _report(rows, price[first:], said[first:], first)


def _features(price: FloatArray, start_weekday: int) -> FloatArray:
    """What is known at noon of the day before, for each day and hour, shape (D, 24, C)."""
    days = price.shape[0]
    padded = np.concatenate((np.full((max(LAG_DAYS), HOURS), np.nan), price))
    lagged = [padded[max(LAG_DAYS) - lag : max(LAG_DAYS) - lag + days] for lag in LAG_DAYS]
    yesterday, week = lagged[0], np.stack(lagged[:WEEK])
    whole = [yesterday.min(axis=1), yesterday.max(axis=1), yesterday.mean(axis=1), yesterday[:, -1], week.mean(axis=(0, 2))]
    shape = [np.repeat(one[:, None], HOURS, axis=1) for one in whole]
    around = [np.roll(yesterday, shift, axis=1) for shift in (-2, -1, 1, 2)]
    weekday = np.repeat(((start_weekday + np.arange(days)) % WEEK)[:, None], HOURS, axis=1)
    hour = np.repeat(np.arange(HOURS)[None], days, axis=0)
    level = week.mean(axis=0)
    return np.stack([*lagged, *shape, *around, weekday, hour, level], axis=-1)


def _fit_and_say(x: FloatArray, price: FloatArray, days: IntArray, threads: int) -> FloatArray:
    """Quantiles for some days by models of all days before the first of them, shape (d, 24, Q)."""
    known = slice(FIRST_DAY, int(days[0]))
    flat, target = x[known].reshape(-1, x.shape[-1]), price[known].reshape(-1)
    # Yesterday's level is taken off: prices wander, their shape stays.
    level = x[..., len(LAG_DAYS) + 2]
    base, ask = level[known].reshape(-1), x[days].reshape(-1, x.shape[-1])
    scale = float(np.median(np.abs(target - base))) or 1.0
    said = []
    for alpha in LEVELS:
        parameters = {
            "objective": "quantile", "alpha": alpha, "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 60,
            "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 127, "seed": 1, "verbosity": -1,
            "num_threads": threads, "deterministic": True, "force_row_wise": True,
        }  # fmt: skip
        model = lgb.train(parameters, lgb.Dataset(flat, (target - base) / scale), num_boost_round=250)
        said.append(np.asarray(model.predict(ask, num_threads=threads)) * scale)
    return np.sort(np.stack(said, axis=-1), axis=-1).reshape(days.size, HOURS, -1) + level[days][..., None]


def _set_right(price: FloatArray, said: FloatArray, day: int) -> FloatArray:
    """A day's quantiles with the shifts that the newest days' misses ask for (split conformal on a sliding window)."""
    window = slice(day - CALIBRATION_DAYS, day)
    residual = price[window][..., None] - said[window]
    shift = np.array([np.quantile(residual[..., q], level) for q, level in enumerate(LEVELS)])
    return np.sort(said[day] + shift, axis=-1)


def _report(rows: pd.DataFrame, price: FloatArray, said: FloatArray, first: int) -> dict[str, Any]:
    def published(column: str) -> FloatArray:
        return rows[column].to_numpy(dtype=np.float64).reshape(-1, HOURS)[first:]

    all_prices = rows["price_per_mwh"].to_numpy(dtype=np.float64).reshape(-1, HOURS)
    rivals = {
        "dnn": published("forecast_dnn_per_mwh"),
        "lear": published("forecast_lear_per_mwh"),
        "same_hour_yesterday": all_prices[first - 1 : -1],
        "same_hour_last_week": all_prices[first - WEEK : -WEEK],
    }
    return {
        "market": str(rows["market"].iloc[0]),
        "days": int(price.shape[0]),
        "mae_per_mwh": float(np.mean(np.abs(price - said[..., LEVELS.index(0.5)]))),
        "pinball_per_mwh": pinball(price, said, LEVELS),
        "coverage_90_frac": coverage_frac(price, said[..., 0], said[..., -1]),
        "rivals": {name: {"mae_per_mwh": float(np.mean(np.abs(price - one)))} for name, one in rivals.items()},
        "facts": ["no load or generation forecast in the file: the published rivals saw them, ours did not"],
    }
