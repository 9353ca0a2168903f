"""Daily and monthly reports: what was said over a span as it would have been in service, against what came.

Forecasts are replayed at origins every few hours through the same door as everything else, with a journal beside them that learns
from outcomes as they come in, and the file for dispatch is made at 09:00 park time of the day before. Outcomes are available
power.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np

from forecasting.baselines import scale_frac
from forecasting.calibrate import horizon_group
from forecasting.evaluate import GRID, GROUP_NAMES, outcomes_frac
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.journal import Journal
from forecasting.known import KnownDoor
from forecasting.predict import predict_raw
from forecasting.scores import bootstrap_band, coverage_frac, crps, dispatch_accuracy_frac, nrmse_frac, pinball
from forecasting.train import ForecastModels
from forecasting.upload import DUE, PARK_ZONE, day_ahead_grid
from vpp.errors import ForecastError
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["Replay", "Said", "band_block", "replay_span", "report_of", "span_of"]

#: 09:00 park time, when dispatch is told, is one of the origins.
BETWEEN: Final = timedelta(hours=1)
#: The journal has two days to learn before the first outcome counts, and the longest horizon begins there.
BEFORE: Final = timedelta(hours=48)
NOMINAL_FRAC: Final = 0.9
LOW, HIGH = QUANTILE_LEVELS.index(0.05), QUANTILE_LEVELS.index(0.95)
SEASONS: Final = ("winter", "spring", "summer", "autumn")
#: The horizon that dispatch judges within the day.
FOUR_HOURS_H: Final = 3.875


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """N forecasts over T intervals of F farms, and what came.

    Args:
        start: Of each interval (UTC), shape (N, T).
        horizon_h: Middle of each interval after the origin, shape (T,).
        outcome: Available power, NaN outside the span, by night and where it is unknown, shape (N, F, T).
        quantile: At `QUANTILE_LEVELS`, shape (N, F, T, Q).
        mean: Shape (N, F, T).
    """

    start: StampArray
    horizon_h: FloatArray
    outcome: FloatArray
    quantile: FloatArray
    mean: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A span as it would have been in service.

    Args:
        farms: F names.
        first: Its first day, park time.
        last: Its last day.
        rolling: Every few hours, to two days ahead.
        day_ahead: At 09:00 of the day before, the 96 points of each day.
    """

    farms: tuple[str, ...]
    first: date
    last: date
    rolling: Said
    day_ahead: Said


def span_of(text: str) -> tuple[date, date]:
    """First and last day of `2030-10-12`, `2030-10`, `2030` or `2030-10-03..2030-10-20`.

    Raises:
        ForecastError: Not of that form.
    """
    first, dots, last = text.partition("..")
    try:
        if dots:
            days = date.fromisoformat(first), date.fromisoformat(last)
        elif len(text) > len("2030-10"):
            days = date.fromisoformat(text), date.fromisoformat(text)
        else:
            year, _, month = text.partition("-")
            begin = date(int(year), int(month or 1), 1)
            end = date(begin.year + 1, 1, 1) if not month else (begin + timedelta(days=31)).replace(day=1)
            days = begin, end - timedelta(days=1)
    except ValueError as error:
        raise ForecastError(f"span {text}: write a day 2030-10-12, a month 2030-10 or days 2030-10-03..2030-10-20") from error
    if days[1] < days[0]:
        raise ForecastError(f"span {text}: it ends before it begins")
    return days


def replay_span(models: ForecastModels, door: KnownDoor, first: date, last: date) -> Replay:
    """Forecast a span again, each time with what was known then.

    Args:
        models: Trained before the span, or its scores flatter them.
        door: History up to the span's end.
        first: First day, park time.
        last: Last day.

    Raises:
        ForecastError: No farm has an outcome in the span.
    """
    start, end = _midnight(first), _midnight(last + timedelta(days=1))
    journal = Journal.empty(models)
    rolling: list[Forecast] = []
    ahead: list[Forecast] = []
    at = start - BEFORE
    while at < end:
        journal = journal.settled(door, at)
        raw = predict_raw(models, door, known_at=at, grid=TimeGrid.of_steps(at, GRID))
        rolling.append(journal.applied(raw, models))
        journal = journal.with_forecast(raw, models)
        day = day_ahead_grid(at)
        if at.astimezone(PARK_ZONE).time() == DUE and start <= day.start < end:
            ahead.append(journal.applied(predict_raw(models, door, known_at=at, grid=day), models))
        at += BETWEEN
    farms = tuple(str(site.asset_id) for site in models.farms)
    span = start, end
    found = Replay(farms, first, last, _said(models, door, rolling, span), _said(models, door, ahead, span))
    if np.isnan(found.rolling.outcome).all():
        raise ForecastError(f"report: no farm has a measured outcome from {first} to {last}; the history ends too early")
    return found


def report_of(replay: Replay) -> dict[str, Any]:
    """Scores of a span by farm: the horizon groups, the file for dispatch, seasons and months.

    Returns:
        For machines, shares of capacity; None where nothing was measured.
    """
    return {
        "first": replay.first.isoformat(),
        "last": replay.last.isoformat(),
        "farms": [_farm(replay, number, name) for number, name in enumerate(replay.farms)],
    }


def _farm(replay: Replay, number: int, name: str) -> dict[str, Any]:
    said, ahead = replay.rolling, replay.day_ahead
    group = horizon_group(said.horizon_h)
    month = said.start.astype("datetime64[M]").astype(np.int64) % 12
    at_four = int(np.argmin(np.abs(said.horizon_h - FOUR_HOURS_H)))
    parts = [(GROUP_NAMES[g], np.broadcast_to(group == g, month.shape)) for g in np.unique(group)]
    return {
        "asset_id": name,
        "horizons": {part: _scores(said, number, chosen) for part, chosen in parts},
        "seasons": {
            season: {part: _coverage(said, number, chosen & inside) for part, chosen in parts}
            for season, inside in _seasons(month)
        },
        "months": {
            key: {part: _banded(said, number, chosen & inside) for part, chosen in parts} for key, inside in _months(said)
        },
        "accuracy_4h_frac": _number(dispatch_accuracy_frac(said.outcome[:, number, at_four], said.mean[:, number, at_four])),
        "day_ahead": _scores(ahead, number, np.ones(ahead.start.shape, dtype=np.bool_)),
    }


def _scores(said: Said, number: int, chosen: BoolArray) -> dict[str, Any]:
    outcome, quantile = said.outcome[:, number][chosen], said.quantile[:, number][chosen]
    mean = said.mean[:, number][chosen]
    return {
        "outcomes": int((~np.isnan(outcome)).sum()),
        "pinball": _number(pinball(outcome, quantile, QUANTILE_LEVELS)),
        "crps": _number(crps(outcome, quantile, QUANTILE_LEVELS)),
        "nrmse_frac": _number(nrmse_frac(outcome, mean)),
        "accuracy_frac": _number(dispatch_accuracy_frac(outcome, mean)),
        "coverage90_frac": _coverage(said, number, chosen),
    }


def _coverage(said: Said, number: int, chosen: BoolArray) -> float | None:
    outcome, quantile = said.outcome[:, number][chosen], said.quantile[:, number][chosen]
    return _number(coverage_frac(outcome, quantile[:, LOW], quantile[:, HIGH]))


def _banded(said: Said, number: int, chosen: BoolArray) -> dict[str, Any]:
    """Coverage of one month, the band that chance leaves around 90 %, and whether it lies inside."""
    outcome, quantile = said.outcome[:, number], said.quantile[:, number]
    known = chosen & ~np.isnan(outcome)
    inside = (outcome >= quantile[..., LOW]) & (outcome <= quantile[..., HIGH])
    count = known.sum(axis=1)
    hits = np.divide((inside & known).sum(axis=1), count, out=np.full(count.shape, np.nan), where=count > 0)
    low, high = bootstrap_band(hits, block=band_block(said.horizon_h[chosen.any(axis=0)], BETWEEN))
    found = _coverage(said, number, chosen)
    band = [max(0.0, NOMINAL_FRAC + low), min(1.0, NOMINAL_FRAC + high)]
    return {"coverage90_frac": found, "band99_frac": band, "inside": None if found is None else band[0] <= found <= band[1]}


def band_block(horizon_h: FloatArray, between: timedelta) -> int:
    """Origins in a block of the bootstrap: a day of weather, and as long as two forecasts have outcomes in common.

    Args:
        horizon_h: Leads of a horizon group. [h]
        between: From one origin to the next.
    """
    return round((timedelta(days=1) + timedelta(hours=float(horizon_h.max()))) / between)


def _seasons(month: IntArray) -> Iterator[tuple[str, BoolArray]]:
    """Meteorological seasons that occur, winter from December on; `month` counts from 0."""
    season = (month + 1) % 12 // 3
    return ((SEASONS[number], season == number) for number in np.unique(season))


def _months(said: Said) -> Iterator[tuple[str, BoolArray]]:
    month = said.start.astype("datetime64[M]")
    known = ~np.isnan(said.outcome).all(axis=1)
    return ((str(one), month == one) for one in np.unique(month[known]))


def _said(models: ForecastModels, door: KnownDoor, forecasts: Sequence[Forecast], span: tuple[datetime, datetime]) -> Said:
    if not forecasts:
        shape = (0, len(models.farms), 1)
        empty = np.empty(shape)
        return Said(np.empty((0, 1), dtype="datetime64[us]"), np.zeros(1), empty, np.empty((*shape, len(QUANTILE_LEVELS))), empty)
    edges = np.array([[to_stamp(edge) for edge in one.grid.edges] for one in forecasts])
    start, middle = edges[:, :-1], edges[:, :-1] + (edges[:, 1:] - edges[:, :-1]) // 2
    counts = (edges[:, :-1] >= to_stamp(span[0])) & (edges[:, 1:] <= to_stamp(span[1]))
    outcome = np.array([[outcomes_frac(door, f.asset_id, one.grid, span[1]) for f in models.farms] for one in forecasts])
    scale = np.stack([scale_frac(f, middle.reshape(-1)).reshape(middle.shape) for f in models.farms], axis=1)
    outcome = np.where(counts[:, None] & (scale > 0), outcome, np.nan)
    grid = forecasts[0].grid
    quantile = np.stack([one.quantile_frac[..., 1:-1] for one in forecasts])
    return Said(start, grid.offset_h + grid.step_h / 2.0, outcome, quantile, np.stack([one.mean_frac for one in forecasts]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), PARK_ZONE).astimezone(UTC)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
