"""Which weather a run gets: measured where the data are, generated where they are not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sim_harness.weather.base import Farm, Weather
from sim_harness.weather.calendar import PARK_UTC_OFFSET
from sim_harness.weather.generated import GeneratedWeather
from sim_harness.weather.measured import SOLAR_FILE, WIND_FILE, MeasuredWeather
from vpp.errors import ScenarioError

__all__ = ["LEARNING_TIME", "default_data_dir", "open_weather"]

#: History generated before a scenario, about as much as the measured wind has before the reporting months.
LEARNING_TIME: Final = timedelta(days=450)
#: Calendar years generated before that of a run; as many as `LEARNING_TIME` may reach back.
YEARS_BEFORE: Final = 2


def default_data_dir() -> Path | None:
    """`../shared/data` beside the checkout if both series are there, else None."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    return folder if all((folder / name).is_file() for name in (WIND_FILE, SOLAR_FILE)) else None


def open_weather(data_dir: Path | None, farms: Iterable[Farm], *, seed: int, start: datetime, end: datetime) -> Weather:
    """The weather of a run over `[start, end)`, with the history before it.

    Args:
        data_dir: Folder with the measured series; None to generate.
        farms: The park's farms.
        seed: For all that is made up.
        start: First instant of the run (UTC); its year in park time is the calendar's target year.
        end: First instant after the run (UTC).

    Raises:
        ScenarioError: The folder or a file in it is missing, or the measured series do not cover the run.
    """
    if data_dir is None:
        # One first year for all runs of a year, so that a week of June is the June of the whole year.
        return GeneratedWeather(seed, farms, start - LEARNING_TIME, end, first_year=start.year - YEARS_BEFORE)
    if not data_dir.is_dir():
        raise ScenarioError([f"--data {data_dir}: no such folder; leave the option out to generate weather"])
    weather = MeasuredWeather(data_dir, farms, seed=seed, target_year=(start + PARK_UTC_OFFSET).year)
    if start < weather.start or end > weather.end:
        raise ScenarioError(
            [f"--data {data_dir}: the run [{start}, {end}) is outside the measured [{weather.start}, {weather.end})"]
        )
    return weather
