"""Work that will arrive at a cluster: quantiles of what the coming hours bring, per class of jobs.

Climatology (the hour of the day, five hours wide) is the base. LightGBM learns what it misses from how many jobs have come of
late, and half of what it says is believed. On a month of a real cluster it brought nothing (`benchmarks/bench_arrivals.py`), so
whoever plans takes climatology; the trees are for those with more history. What is forecast is the sum over a lead, not the rate
of an hour: deadlines are kept or missed by sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import lightgbm as lgb
import numpy as np

from forecasting.arrival_outlook import LEADS_H, LEVELS, ArrivalOutlook
from vpp.errors import ForecastError
from vpp.units import HOURS_PER_DAY, BoolArray, FloatArray, IntArray

__all__ = ["ArrivalHistory", "ArrivalModel", "fit_arrivals", "outlook"]

_DAY: Final = int(HOURS_PER_DAY)
_WEEK_DAYS: Final = 7
#: Hours of the day on each side that stand for one in the climatology.
_BESIDE_H: Final = 2
#: Of what the trees say. See the head of this file.
_BELIEVED: Final = 0.5
_ROUNDS: Final = 30
#: Spans over which the jobs that came are counted. [h]
_SPANS_H: Final = (1, 3, 6, 24, 72)
_LONGEST_H: Final = max(_SPANS_H)
_DAYS_AT_LEAST: Final = 7
_PARAMETERS: Final = {
    "objective": "quantile",
    "num_leaves": 6,
    "min_data_in_leaf": 120,
    "learning_rate": 0.03,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "boost_from_average": False,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalHistory:
    """What came, hour by hour.

    Args:
        start: The first hour, a whole one. (UTC)
        work: Work that arrived, in any unit, shape (C, T).
        pulse: What is known of an arrival at once, as the number of jobs, shape (C, T).
        lag_h: The work of a job is known only so long after it came; 0 where the scheduler says it at once. [h]
    """

    start: datetime
    work: FloatArray
    pulse: FloatArray
    lag_h: int = 0

    def __post_init__(self) -> None:
        if self.work.shape != self.pulse.shape or self.work.ndim != 2:
            raise ForecastError(f"arrivals: work {self.work.shape} and pulse {self.pulse.shape} must be of one shape (C, T)")

    @property
    def hours(self) -> int:
        """T."""
        return int(self.work.shape[1])

    def until(self, hour: int) -> ArrivalHistory:
        """As it was at the beginning of an hour."""
        return ArrivalHistory(self.start, self.work[:, :hour], self.pulse[:, :hour], self.lag_h)


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalModel:
    """What was learnt.

    Args:
        unit: Mean work of an hour, by class, shape (C,); the rest is in this unit.
        pulse_unit: Mean pulse of an hour, shape (C,).
        climate: Quantiles of the mean hour over a lead, by class, lead, first hour of the day and level, shape (C, L, 24, Q).
        mean: The same for the expected value, shape (C, L, 24).
        trees: A model for each level; none where there was too little history for them.
    """

    unit: FloatArray
    pulse_unit: FloatArray
    climate: FloatArray
    mean: FloatArray
    trees: tuple[lgb.Booster, ...]


def fit_arrivals(history: ArrivalHistory, *, trees: bool = True) -> ArrivalModel:
    """Learns from all that is known.

    Args:
        history: At least a week.
        trees: Whether more than climatology is learnt.

    Raises:
        ForecastError: There is less than a week of it.
    """
    known = history.hours - history.lag_h
    if known < _DAYS_AT_LEAST * _DAY:
        raise ForecastError(f"arrivals: {max(known, 0)} h of history; a week is needed")
    unit = np.maximum(history.work[:, :known].mean(axis=1), 1e-12)
    pulse_unit = np.maximum(history.pulse.mean(axis=1), 1e-12)
    sums, there = _sums(history.work[:, :known] / unit[:, np.newaxis])
    first_hour = _hour_of_day(history.start, np.arange(known))
    climate, mean = _climate(sums, there, first_hour)
    if not trees:
        return ArrivalModel(unit, pulse_unit, climate, mean, ())
    row = np.array([(c, i, t) for c in range(sums.shape[0]) for i in range(len(LEADS_H)) for t in np.flatnonzero(there[i])])
    row = row[row[:, 2] >= _LONGEST_H]
    x = _features(history, pulse_unit, row)
    missed = sums[row[:, 0], row[:, 1], row[:, 2], np.newaxis] - climate[row[:, 0], row[:, 1], first_hour[row[:, 2]]]
    boosters = tuple(
        lgb.train({**_PARAMETERS, "alpha": level}, lgb.Dataset(x, missed[:, k], categorical_feature=[0]), num_boost_round=_ROUNDS)
        for k, level in enumerate(LEVELS)
    )
    return ArrivalModel(unit, pulse_unit, climate, mean, boosters)


def outlook(model: ArrivalModel, history: ArrivalHistory, *, climate_only: bool = False) -> ArrivalOutlook:
    """What comes after the history's end.

    Args:
        model: Learnt from this history, or an earlier state of it.
        history: Up to now.
        climate_only: Without the trees: what every forecast is measured against.
    """
    at = history.hours
    hour = _hour_of_day(history.start, np.array([at]))[0]
    quantile = model.climate[:, :, hour].copy()
    classes, leads = quantile.shape[:2]
    if model.trees and not climate_only and at >= _LONGEST_H:
        row = np.array([(c, i, at) for c in range(classes) for i in range(leads)])
        x = _features(history, model.pulse_unit, row)
        more = np.column_stack([np.asarray(tree.predict(x, num_threads=1)) for tree in model.trees])
        quantile += _BELIEVED * more.reshape(quantile.shape)
    quantile = np.sort(np.maximum(quantile, 0.0), axis=2)
    # From the mean hour over a lead to the sum over it; a longer lead brings no less.
    scale = model.unit[:, np.newaxis] * np.array(LEADS_H)
    sums = np.maximum.accumulate(quantile * scale[:, :, np.newaxis], axis=1)
    mean = np.maximum.accumulate(model.mean[:, :, hour] * scale, axis=1)
    return ArrivalOutlook(_hours_after(history.start, at), sums, mean)


def _sums(work: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Mean hour over each lead from each hour, shape (C, L, T), and where the history holds the whole lead, shape (L, T)."""
    classes, hours = work.shape
    total = np.concatenate([np.zeros((classes, 1)), np.cumsum(work, axis=1)], axis=1)
    start = np.arange(hours)
    end = np.minimum(start + np.array(LEADS_H)[:, np.newaxis], hours)
    sums: FloatArray = (total[:, end] - total[:, np.newaxis, start]) / np.array(LEADS_H)[:, np.newaxis]
    return sums, start + np.array(LEADS_H)[:, np.newaxis] <= hours


def _climate(sums: FloatArray, there: BoolArray, first_hour: IntArray) -> tuple[FloatArray, FloatArray]:
    classes, leads, _ = sums.shape
    quantile, mean = np.zeros((classes, leads, _DAY, len(LEVELS))), np.zeros((classes, leads, _DAY))
    for hour in range(_DAY):
        apart = np.minimum((first_hour - hour) % _DAY, (hour - first_hour) % _DAY)
        for i in range(leads):
            seen = sums[:, i, there[i] & (apart <= _BESIDE_H)]
            quantile[:, i, hour] = np.quantile(seen, LEVELS, axis=1).T
            mean[:, i, hour] = seen.mean(axis=1)
    return quantile, mean


def _features(history: ArrivalHistory, pulse_unit: FloatArray, row: IntArray) -> FloatArray:
    """Class, lead, hour, day of the week, and the jobs that came over the last spans against their mean, shape (N, F)."""
    c, lead, t = row[:, 0], np.array(LEADS_H)[row[:, 1]], row[:, 2]
    total = np.concatenate([np.zeros((history.pulse.shape[0], 1)), np.cumsum(history.pulse, axis=1)], axis=1)
    hour = _hour_of_day(history.start, t)
    angle = (hour + lead / 2.0) / HOURS_PER_DAY * 2.0 * np.pi
    weekday = (history.start.weekday() + (history.start.hour + t) // _DAY) % _WEEK_DAYS
    of_late = [(total[c, t] - total[c, t - span]) / span / pulse_unit[c] for span in _SPANS_H]
    yesterday = (total[c, np.minimum(t - _DAY + lead, t)] - total[c, t - _DAY]) / np.minimum(lead, _DAY) / pulse_unit[c]
    return np.column_stack([c, lead, hour, np.sin(angle), np.cos(angle), weekday, *of_late, yesterday]).astype(np.float64)


def _hour_of_day(start: datetime, hour: IntArray) -> IntArray:
    found: IntArray = (start.hour + hour) % _DAY
    return found


def _hours_after(start: datetime, hours: int) -> datetime:
    return start + timedelta(hours=hours)
