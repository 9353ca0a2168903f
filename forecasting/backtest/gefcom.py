"""Protocol of the Global Energy Forecasting Competition 2014, wind track: month-ahead tasks, 99 quantiles, mean pinball loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from forecasting.scores import coverage_frac, pinball
from forecasting.stack.panel import WIND_COMPONENTS, WindPanel
from vpp.errors import ForecastError
from vpp.units import BoolArray, FloatArray

__all__ = ["LEVELS", "Task", "TaskScore", "leaderboard", "parse_tasks", "read_panel", "score_task", "task_of", "wind_file"]

LEVELS: Final = tuple(round(0.01 * k, 2) for k in range(1, 100))
#: The interval whose coverage is reported.
LOW_LEVEL, HIGH_LEVEL = 0.05, 0.95
FIRST_MONTH: Final = np.datetime64("2012-10", "M")
ONE_HOUR: Final = np.timedelta64(1, "h")
COLUMNS: Final = ("zone", "time", "power", *WIND_COMPONENTS)
WIND_FILE: Final = "gefcom2014_wind.parquet"
LEADERBOARD_FILE: Final = "gefcom2014_leaderboard.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One month to forecast.

    Args:
        number: 1 is October 2012.
        panel: Every hour before the month's end, power of the month unknown.
        hidden: The month's hours, shape (T,).
        outcome_frac: What the month's power was, NaN where it was not measured, shape (hours, Z).
    """

    number: int
    panel: WindPanel
    hidden: BoolArray
    outcome_frac: FloatArray


@dataclass(frozen=True, slots=True)
class TaskScore:
    """How good the quantiles of one task were.

    Args:
        pinball: Mean over zones, hours with known power and levels.
        coverage90_frac: Share of the outcomes between the quantiles 0.05 and 0.95.
        zones: Pinball loss of each zone.
        below_frac: Share of the outcomes at or below the quantile, for each tenth: its level to the share (reliability).
    """

    pinball: float
    coverage90_frac: float
    zones: dict[int, float]
    below_frac: dict[float, float]


def wind_file(folder: Path) -> Path:
    """Where the data of the wind track lie in a folder; a file is taken as it is."""
    return folder if folder.is_file() else folder / WIND_FILE


def parse_tasks(text: str) -> tuple[int, ...]:
    """Tasks of `4-9`, `4,6` or `1-3,7`, rising and each once.

    Raises:
        ForecastError: Not of that form.
    """
    found: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or (piece.count("-") and not last):
            raise ForecastError(f"--tasks {text}: {piece.strip()!r} is no task; write 4-9 or 4,6,8")
        span = range(int(first), int(last or first) + 1)
        if not span or span.start < 1:
            raise ForecastError(f"--tasks {text}: {piece.strip()!r} holds no task; tasks count from 1 and rise")
        found.update(span)
    return tuple(sorted(found))


def read_panel(path: Path) -> WindPanel:
    """Read the wind track.

    Args:
        path: Parquet file with the columns zone, time (hour-ending, UTC without zone), power, u10, v10, u100, v100.

    Returns:
        Every hour labelled by its start.

    Raises:
        ForecastError: No such file, a column missing, a double hour, or weather missing: which, where.
    """
    frame = _read(path)
    double = frame.duplicated(["zone", "time"])
    if double.any():
        row = frame[double].iloc[0]
        raise ForecastError(f"{path}: zone {row.zone} has {row.time} more than once; keep one row an hour")
    zones = tuple(int(zone) for zone in sorted(frame["zone"].unique()))
    hours = pd.date_range(frame["time"].min(), frame["time"].max(), freq="h")
    parts = {
        name: frame.pivot(index="time", columns="zone", values=name)
        .reindex(index=hours, columns=list(zones))
        .to_numpy(np.float64)
        for name in COLUMNS[2:]
    }
    wind = np.stack([parts[name] for name in WIND_COMPONENTS], axis=2)
    _require_weather(path, wind, zones, hours)
    _require_share(path, parts["power"])
    start = hours.to_numpy().astype("datetime64[us]") - ONE_HOUR.astype("timedelta64[us]")
    return WindPanel(start, zones, parts["power"], wind)


def task_of(panel: WindPanel, number: int) -> Task:
    """One task: what came after its month does not exist, its own power is hidden.

    Raises:
        ForecastError: The file does not hold the whole month, or nothing before it.
    """
    month = FIRST_MONTH + (number - 1)
    start, end = month.astype("datetime64[us]"), (month + 1).astype("datetime64[us]")
    if panel.start[0] >= start or panel.start[-1] + ONE_HOUR < end:
        raise ForecastError(
            f"task {number} is {month}, but the file covers {panel.start[0].astype('datetime64[h]')} to "
            f"{(panel.start[-1] + ONE_HOUR).astype('datetime64[h]')}: tasks {_tasks_within(panel)} lie in it"
        )
    seen = panel.until(end)
    hidden = np.asarray(seen.start >= start)
    return Task(number, seen.without_power(hidden), hidden, seen.power_frac[hidden])


def score_task(task: Task, quantile: FloatArray) -> TaskScore:
    """Score quantiles at `LEVELS`, shape (hours, Z, 99), over the hours with known power."""
    outcome = task.outcome_frac
    low, high = quantile[:, :, LEVELS.index(LOW_LEVEL)], quantile[:, :, LEVELS.index(HIGH_LEVEL)]
    known = ~np.isnan(outcome)
    below = {level: float(np.mean(outcome[known] <= quantile[:, :, LEVELS.index(level)][known])) for level in _tenths()}
    zones = {zone: pinball(outcome[:, k], quantile[:, k], LEVELS) for k, zone in enumerate(task.panel.zones)}
    return TaskScore(pinball(outcome, quantile, LEVELS), coverage_frac(outcome, low, high), zones, below)


def leaderboard(folder: Path) -> dict[int, tuple[str, float]]:
    """Best team and its pinball loss of each wind task, from the score sheet beside the data; empty without one."""
    path = (folder.parent if folder.is_file() else folder) / LEADERBOARD_FILE
    if not path.is_file():
        return {}
    sheet = pd.read_csv(path)
    wind = sheet[sheet["track"] == "wind"]
    best = wind.loc[wind.groupby("task")["pinball"].idxmin()]
    columns = (best["task"].to_numpy(), best["team"].to_numpy(), best["pinball"].to_numpy())
    return {int(task): (str(team), float(loss)) for task, team, loss in zip(*columns, strict=True)}


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ForecastError(f"{path}: no such file; --data names the folder that holds {WIND_FILE}")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ForecastError(f"{path}: not a parquet file that can be read: {str(error).splitlines()[0]}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ForecastError(f"{path}: column {', '.join(missing)} missing; it needs {', '.join(COLUMNS)}")
    if frame.empty:
        raise ForecastError(f"{path}: no rows")
    return _typed(path, frame[list(COLUMNS)])


def _typed(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Times as zone-less UTC, values as numbers; the message names the column that is not."""
    for name in COLUMNS:
        wanted = pd.api.types.is_datetime64_any_dtype if name == "time" else pd.api.types.is_numeric_dtype
        if not wanted(frame[name]):
            raise ForecastError(
                f"{path}: column {name} holds {frame[name].dtype}, not {'times' if name == 'time' else 'numbers'}"
            )
    if frame["time"].dt.tz is not None:
        frame = frame.assign(time=frame["time"].dt.tz_convert("UTC").dt.tz_localize(None))
    if frame[["zone", "time"]].isna().any(axis=None):
        raise ForecastError(f"{path}: a row without zone or time")
    off = frame["time"] != frame["time"].dt.floor("h")
    if off.any():
        raise ForecastError(f"{path}: {frame['time'][off].iloc[0]} is not on the hour; stamps end their hour")
    return frame


def _require_weather(path: Path, wind: FloatArray, zones: tuple[int, ...], hours: pd.DatetimeIndex) -> None:
    bad = ~np.isfinite(wind).all(axis=2)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ForecastError(
            f"{path}: {int(bad.sum())} hours without wind forecast, the first in zone {zones[column]} at {hours[row]}; "
            "every zone needs u and v in every hour"
        )


def _require_share(path: Path, power: FloatArray) -> None:
    known = power[~np.isnan(power)]
    if known.size and (known.min() < 0.0 or known.max() > 1.0):
        raise ForecastError(f"{path}: power reaches {known.min():g} to {known.max():g}; it is a share of capacity, 0 to 1")


def _tasks_within(panel: WindPanel) -> str:
    months = np.arange(panel.start[0].astype("datetime64[M]") + 1, (panel.start[-1] + ONE_HOUR).astype("datetime64[M]"))
    numbers = [int((month - FIRST_MONTH).astype(np.int64)) + 1 for month in months if month >= FIRST_MONTH]
    return f"{numbers[0]}-{numbers[-1]}" if numbers else "none"


def _tenths() -> Iterator[float]:
    return (level for k, level in enumerate(LEVELS, start=1) if k % 10 == 0)
