"""Back-test of a PV station with its own sensors: the last fifth of its record, every quarter of an hour, 15 min to 4 h ahead.

Definitions, stated with every figure:

- *Daylight*: the sun stands above the horizon at the stamp a forecast is for; every such step of the test part counts.
- *Capacity*: the station's nominal power.
- *Known*: at an origin all rows up to its own stamp, of power and of on-site weather; nothing later.
- *Available power* (DESIGN, section 11): a step under more than 500 W/m2 that gave less than half of what the earlier record
  gives for that sun was curtailed or out; it is scored on irradiance times that usual yield. `as_measured` scores every
  step on its meter instead, with a model that learns what was sent out, curtailment included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from forecasting.adaptive import Tracker, replay
from forecasting.scores import bootstrap_band, coverage_frac, crps, nrmse_frac, pinball, reliability
from forecasting.sun.clean import STEPS_PER_DAY, usual_yield
from forecasting.sun.features import STEPS_AHEAD, Basis, basis_of, columns, smart_persistence_frac
from forecasting.sun.model import LEVELS, Rows, StationSettings, fit_mean, fit_station, mean_frac, quantiles_frac, rows_of
from forecasting.sun.place import learn_plane
from forecasting.sun.record import Mark, StationRecord
from vpp.errors import ForecastError
from vpp.units import FloatArray, IntArray

__all__ = ["TEST_FRAC", "StationTest", "backtest_station", "report_of"]

TEST_FRAC: Final = 0.2
#: Test origins whose outcomes set the trackers going lie in the last days of the training part.
WARM_UP_STEPS: Final = 30 * STEPS_PER_DAY
#: What a plain LightGBM is given: lags, the sun's clock, its default parameters.
PLAIN_COLUMNS: Final = (
    "ahead", *(f"power_{k}" for k in (0, 1, 2, 3, 4, 6, 8, 12)), "irradiance_0", "irradiance_1", "temperature", "pressure",
    "humidity", "elevation", "hour_angle", "yesterday", "year_sin", "year_cos",
)  # fmt: skip
#: A month whose daylight steps are fewer is a rest.
SEASONS: Final = ("winter", "spring", "summer", "autumn")
LOW, HIGH = LEVELS.index(0.05), LEVELS.index(0.95)


@dataclass(frozen=True, slots=True)
class StationTest:
    """All that the test part was told and what came, shapes (N, 16) by origin and steps ahead, NaN where it was night.

    Args:
        record: The station's.
        origin: Steps of the record, shape (N,).
        measured: Shares of capacity.
        available: The same, with curtailed and idle steps on available power.
        mean: Expected available power.
        sent_out: Expected meter reading.
        quantile: Of available power at `LEVELS`, calibrated as outcomes came in, shape (N, 16, Q).
        rivals: Forecasts of the others.
    """

    record: StationRecord
    origin: IntArray
    measured: FloatArray
    available: FloatArray
    mean: FloatArray
    sent_out: FloatArray
    quantile: FloatArray
    rivals: Mapping[str, FloatArray]


def backtest_station(record: StationRecord, settings: StationSettings) -> StationTest:
    """Train on the first part of a record, forecast the last.

    Raises:
        ForecastError: The record is too short, or copied from another year in its test part.
    """
    cut = int(record.n * (1.0 - TEST_FRAC))
    if cut < 2 * WARM_UP_STEPS:
        raise ForecastError(f"{record.name}: {record.n} quarter hours are too few to train and test on; it needs 75 days")
    if bool(np.any(record.marks[cut:] == Mark.COPIED)):
        raise ForecastError(f"{record.name}: its last fifth repeats the year before times a constant; cut the file before that")
    plane = learn_plane(record.before(cut))
    # What held the station down is taken off before anything is learnt or told: both views know rows up to the origin only.
    available = record.possible_frac(usual_yield(record.power_frac, record.irradiance_w_m2))
    basis, metered = basis_of(record.playing(available), plane), basis_of(record, plane)
    train = rows_of(basis, 0, cut, settings.share_frac, settings.seed)
    model = fit_station(train, record.available_frac()[train.target], settings)
    train_metered = rows_of(metered, 0, cut, settings.share_frac, settings.seed)
    sent = fit_mean(train_metered, record.power_frac[train.target], np.ones(train.ahead.shape, dtype=np.bool_), settings)
    test, test_metered = (rows_of(one, cut - WARM_UP_STEPS, record.n) for one in (basis, metered))
    mean = mean_frac(model.means, test.x, settings.threads)
    raw = _spread(test, quantiles_frac(model, test.x, mean))
    origin = np.arange(test.origin.min(), test.origin.max() + 1)
    shown = origin >= cut - STEPS_AHEAD
    inside = origin[:, None] + np.arange(1, STEPS_AHEAD + 1) >= cut
    tracked = replay(
        Tracker.fresh(LEVELS, STEPS_AHEAD), raw, _lay_out(test, available[test.target]), np.arange(1, STEPS_AHEAD + 1)
    )

    def tested(value: FloatArray) -> FloatArray:
        return np.where(inside, _lay_out(test, value), np.nan)[shown]

    return StationTest(
        record,
        origin[shown],
        tested(record.power_frac[test.target]),
        tested(available[test.target]),
        tested(mean),
        tested(mean_frac(sent, test_metered.x, settings.threads)),
        np.where(inside[..., None], tracked, np.nan)[shown],
        {name: tested(said) for name, said in _rivals(metered, record, train_metered, test_metered, settings).items()},
    )


def report_of(test: StationTest, site: int) -> dict[str, Any]:
    """The facts for machines."""
    steps = [
        {
            "step": ahead + 1,
            "lead_min": 15 * (ahead + 1),
            "nrmse_frac": nrmse_frac(test.available[:, ahead], test.mean[:, ahead]),
            "accuracy_frac": 1.0 - nrmse_frac(test.available[:, ahead], test.mean[:, ahead]),
            "pinball": pinball(test.available[:, ahead], test.quantile[:, ahead], LEVELS),
            "crps": crps(test.available[:, ahead], test.quantile[:, ahead], LEVELS),
            "coverage_90_frac": coverage_frac(
                test.available[:, ahead], test.quantile[:, ahead, LOW], test.quantile[:, ahead, HIGH]
            ),
            "measured_nrmse_frac": nrmse_frac(test.measured[:, ahead], test.sent_out[:, ahead]),
        }
        for ahead in range(STEPS_AHEAD)
    ]
    rivals = {name: _rival(test, said) for name, said in test.rivals.items()}
    first = test.record.measured_at[test.origin[0] + STEPS_AHEAD]
    return {
        "site": site,
        "capacity_mw": test.record.capacity_mw,
        "test_start_utc": str(first),
        "definitions": _definitions(),
        "steps": steps,
        "mean_daylight_nrmse_frac": float(np.mean([step["nrmse_frac"] for step in steps])),
        "accuracy_4h_frac": steps[-1]["accuracy_frac"],
        "as_measured": {
            "mean_daylight_nrmse_frac": float(np.mean([step["measured_nrmse_frac"] for step in steps])),
            "accuracy_4h_frac": 1.0 - float(steps[-1]["measured_nrmse_frac"]),
        },
        "rivals": rivals,
        "coverage": _coverage(test),
        "reliability": _reliability(test),
        "crossings": int(np.sum(np.diff(test.quantile, axis=2) < 0)),
        "curtailed_steps": int(np.sum(test.record.marks[test.origin[0] :] >= Mark.OUTAGE)),
        "cleaning": list(test.record.facts),
    }


def _definitions() -> dict[str, str]:
    return {
        "daylight": "sun above the horizon at the stamp forecast for, every such step of the test part",
        "capacity": "nominal power of the station",
        "available": "steps above 500 W/m2 with less than half the usual yield are scored on irradiance times that yield",
        "as_measured": "every daylight step on its meter, curtailment included",
    }


def _rival(test: StationTest, said: FloatArray) -> dict[str, float]:
    scores = [nrmse_frac(test.available[:, h], said[:, h]) for h in range(STEPS_AHEAD)]
    measured = [nrmse_frac(test.measured[:, h], said[:, h]) for h in range(STEPS_AHEAD)]
    return {
        "mean_daylight_nrmse_frac": float(np.mean(scores)),
        "accuracy_4h_frac": 1.0 - scores[-1],
        "as_measured_mean_daylight_nrmse_frac": float(np.mean(measured)),
        "as_measured_accuracy_4h_frac": 1.0 - measured[-1],
    }


def _coverage(test: StationTest) -> dict[str, Any]:
    """Of the 90 % interval: over all, by group of steps, by season and by month with the band chance leaves it."""
    inside = np.where(
        np.isnan(test.available),
        np.nan,
        (test.available >= test.quantile[..., LOW]) & (test.available <= test.quantile[..., HIGH]),
    )
    target = test.origin[:, None] + np.arange(1, STEPS_AHEAD + 1)
    month = test.record.measured_at[np.minimum(target, test.record.n - 1)].astype("datetime64[M]")
    groups = {"15min-1h": slice(0, 4), "1h-2h": slice(4, 8), "2h-4h": slice(8, 16)}
    months: dict[str, Any] = {}
    for one in np.unique(month[~np.isnan(inside)]):
        here = np.where(month == one, inside, np.nan)
        by_origin = np.nanmean(here[(~np.isnan(here)).any(axis=1)], axis=1)
        low, high = bootstrap_band(by_origin, block=STEPS_PER_DAY // 2)
        found = float(np.nanmean(here))
        months[str(one)] = {"coverage_frac": found, "band_99_frac": [0.9 + low, 0.9 + high], "inside": low <= found - 0.9 <= high}
    season = (month.astype(np.int64) % 12 + 1) % 12 // 3
    return {
        "nominal_frac": 0.9,
        "all_frac": float(np.nanmean(inside)),
        "by_horizon": {name: float(np.nanmean(inside[:, part])) for name, part in groups.items()},
        "by_season": {
            SEASONS[s]: float(np.nanmean(inside[season == s])) for s in range(4) if (~np.isnan(inside[season == s])).any()
        },
        "by_month": months,
    }


def _reliability(test: StationTest) -> dict[str, list[float]]:
    found = reliability(test.available.reshape(-1), test.quantile.reshape(-1, len(LEVELS)), LEVELS)
    return {"levels": list(LEVELS), "observed_frac": found.observed_frac.tolist()}


def _rivals(basis: Basis, record: StationRecord, train: Rows, test: Rows, settings: StationSettings) -> dict[str, FloatArray]:
    """What others would have said, one value for each test row."""
    names = columns()
    plain = [names.index(name) for name in PLAIN_COLUMNS]
    known = ~np.isnan(record.power_frac[train.target])
    frame = lgb.Dataset(train.x[known][:, plain], record.power_frac[train.target][known])
    booster = lgb.train({"objective": "regression", "verbosity": -1, "num_threads": settings.threads, "seed": 0}, frame)
    smart = np.empty(test.ahead.shape)
    for ahead in range(1, STEPS_AHEAD + 1):
        rows = test.ahead == ahead
        smart[rows] = smart_persistence_frac(basis, test.origin[rows], ahead)
    climate = test.x[:, names.index("usual_mean")].astype(np.float64)
    best = np.nanquantile(train.x[:, names.index("ratio_0")], 0.9)
    return {
        "smart_persistence": smart,
        "persistence": basis.power[test.origin],
        "climatology": np.nan_to_num(climate),
        "clear_sky": np.clip(best * basis.sky[test.target], 0.0, 1.0),
        "plain_lightgbm": np.clip(np.asarray(booster.predict(test.x[:, plain], num_threads=settings.threads)), 0.0, 1.0),
    }


def _lay_out(rows: Rows, value: FloatArray) -> FloatArray:
    """Row values by origin and steps ahead, NaN where there is no row, shape (N, 16, ...)."""
    first = rows.origin.min()
    result = np.full((rows.origin.max() - first + 1, STEPS_AHEAD, *value.shape[1:]), np.nan)
    result[rows.origin - first, rows.ahead - 1] = value
    return result


def _spread(rows: Rows, quantile: FloatArray) -> FloatArray:
    return _lay_out(rows, quantile)
