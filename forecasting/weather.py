"""Weather runs out of answers of a JSON service of the Open-Meteo kind, and out of files of such answers.

An answer is what one place was told at one fetch: hourly lists under `hourly`, units under `hourly_units`. It names no
run that it comes from, so that the fetch is taken for its issue; what lies before is dropped. A list that is missing, short
or full of nulls becomes NaN: the forecast goes on, flagged. What cannot be read at all is an error with one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from forecasting.known import WIND_FEATURES, FarmKind, WeatherRuns
from vpp.errors import ForecastError
from vpp.series import StampArray, to_stamp
from vpp.timegrid import require_utc
from vpp.units import FloatArray, hours

__all__ = [
    "HOURLY_NAMES",
    "KEPT_RUNS",
    "LEADS_H",
    "SUN_RUN_FEATURES",
    "WIND_RUN_FEATURES",
    "Answer",
    "WeatherSource",
    "added",
    "fetched_at",
    "parse_answer",
    "read_answers",
    "request_words",
    "run_of",
]

#: What a run of the wind holds; the first four are `WIND_FEATURES`.
WIND_RUN_FEATURES: Final = (*WIND_FEATURES, "temperature_c", "pressure_pa")
SUN_RUN_FEATURES: Final = ("ghi_w_m2", "temperature_c")
#: What is asked of the service, by the service's own names.
HOURLY_NAMES: Final = (
    "wind_speed_10m", "wind_direction_10m", "wind_speed_100m", "wind_direction_100m", "temperature_2m", "surface_pressure",
    "shortwave_radiation_instant",
)  # fmt: skip
#: Leads kept of each run, hourly from the fetch on. [h]
LEADS_H: Final = np.arange(0.0, 97.0)
#: Older runs are forgotten; two weeks of four fetches a day show how good they were.
KEPT_RUNS: Final = 56
#: How each unit of the service becomes ours: factor and offset.
UNITS: Final[Mapping[str, tuple[float, float]]] = {
    "m/s": (1.0, 0.0), "km/h": (1.0 / 3.6, 0.0), "mph": (0.44704, 0.0), "mp/h": (0.44704, 0.0), "kn": (0.514444, 0.0),
    "°": (1.0, 0.0), "°C": (1.0, 0.0), "°F": (5.0 / 9.0, -32.0 * 5.0 / 9.0), "hPa": (100.0, 0.0), "W/m²": (1.0, 0.0),
}  # fmt: skip
#: Values outside are no weather: sentinels, and sensors of a model gone wrong.
POSSIBLE: Final[Mapping[str, tuple[float, float]]] = {
    "wind_speed_10m": (0.0, 75.0), "wind_speed_100m": (0.0, 100.0), "wind_direction_10m": (-360.0, 360.0),
    "wind_direction_100m": (-360.0, 360.0), "temperature_2m": (-60.0, 60.0), "surface_pressure": (40_000.0, 110_000.0),
    "shortwave_radiation_instant": (0.0, 1_500.0), "shortwave_radiation": (0.0, 1_500.0),
}  # fmt: skip
FILE_NAME: Final = re.compile(r"^(?P<place>[\w.-]+)_(?P<at>\d{8}T\d{4}(?:\d\d)?)Z\.json$")
_WITH_SECONDS: Final = len("20301001T001200")


@dataclass(frozen=True, slots=True)
class Answer:
    """One place's weather as told at one fetch.

    Args:
        received_at: When it was fetched (UTC).
        at: The hours it is for (UTC), increasing, shape (T,).
        value: By the service's names, in m/s, degrees, degC, Pa and W/m2, NaN where null, missing or impossible, shapes (T,).
    """

    received_at: datetime
    at: StampArray
    value: Mapping[str, FloatArray]


class WeatherSource(Protocol):
    """Where runs come from: a service on the net, or files."""

    async def fetch(self, latitude_deg: float, longitude_deg: float) -> Answer | None:
        """The newest answer for a place, None if there is none now; it never raises for what the other side does wrong."""
        ...


def request_words(latitude_deg: float, longitude_deg: float) -> dict[str, str]:
    """The query of a request for one place."""
    return {
        "latitude": f"{latitude_deg:.4f}",
        "longitude": f"{longitude_deg:.4f}",
        "hourly": ",".join(HOURLY_NAMES),
        "wind_speed_unit": "ms",
        "timezone": "GMT",
        "forecast_days": "5",
    }


def parse_answer(text: str | bytes, received_at: datetime) -> Answer:
    """An answer's content.

    Args:
        text: JSON as the service sent it.
        received_at: When (UTC).

    Raises:
        ForecastError: It is no JSON, an error of the service, without hours, in another zone, in an unknown unit, or its hours
            do not increase.
    """
    require_utc(received_at, "received_at")
    try:
        told = json.loads(text)
    except ValueError as error:
        raise ForecastError(f"weather answer of {received_at:%Y-%m-%d %H:%M} UTC: not JSON ({error})") from error
    if not isinstance(told, dict) or told.get("error"):
        reason = told.get("reason", "no reason given") if isinstance(told, dict) else "not an object"
        raise ForecastError(f"weather service refused: {reason}")
    hourly, units = told.get("hourly"), told.get("hourly_units", {})
    if not isinstance(hourly, dict) or not hourly.get("time"):
        raise ForecastError("weather answer: no hourly.time; ask for hourly values")
    at = _hours(hourly["time"], int(told.get("utc_offset_seconds", 0)))
    names = (*HOURLY_NAMES, "shortwave_radiation")
    return Answer(received_at, at, {name: _column(name, hourly.get(name), units.get(name), at.size) for name in names})


def run_of(answer: Answer, kind: FarmKind) -> WeatherRuns:
    """One run for a farm: hourly leads from the hour of the fetch on, NaN where the answer says nothing."""
    issued_at = answer.received_at.replace(minute=0, second=0, microsecond=0)
    features = WIND_RUN_FEATURES if kind == "wind" else SUN_RUN_FEATURES
    told = np.column_stack(_wind_columns(answer) if kind == "wind" else _sun_columns(answer))
    value = np.full((LEADS_H.size, len(features)), np.nan)
    lead_h = np.array([hours(one) for one in (answer.at - to_stamp(issued_at)).astype("timedelta64[us]").tolist()])
    place = np.round(lead_h).astype(np.int64)
    inside = (place >= 0) & (place < LEADS_H.size) & (np.abs(lead_h - place) < 1e-9)
    value[place[inside]] = told[inside]
    issued = np.array([to_stamp(issued_at)])
    return WeatherRuns(issued, np.array([to_stamp(answer.received_at)]), LEADS_H, features, value[None])


def added(runs: WeatherRuns, new: WeatherRuns) -> WeatherRuns:
    """Runs with a new one; the same issue again replaces the older answer, and old runs are forgotten.

    Raises:
        ForecastError: Features or leads differ.
    """
    if runs.n == 0:
        return new
    if runs.features != new.features or not np.array_equal(runs.lead_h, new.lead_h):
        raise ForecastError(f"weather runs: {new.features} at {new.lead_h.size} leads do not fit {runs.features}")
    keep = ~np.isin(runs.issued_at, new.issued_at)
    issued = np.concatenate((runs.issued_at[keep], new.issued_at))
    order = np.argsort(issued, kind="stable")[-KEPT_RUNS:]
    received = np.concatenate((runs.received_at[keep], new.received_at))[order]
    return WeatherRuns(issued[order], received, runs.lead_h, runs.features, np.concatenate((runs.value[keep], new.value))[order])


def read_answers(folder: Path, place: str) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    """Recorded answers for a place, oldest first, and one line for each file that could not be read.

    Files are named `PLACE_YYYYMMDDTHHMMZ.json`, by the time of the fetch; seconds may follow the minutes.

    Raises:
        ForecastError: The folder is missing.
    """
    if not folder.is_dir():
        raise ForecastError(f"{folder}: no such folder of weather answers")
    found: list[Answer] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.json")):
        at = fetched_at(path.name, place)
        if at is None:
            continue
        try:
            found.append(parse_answer(path.read_bytes(), at))
        except ForecastError as error:
            faults.append(f"{path.name}: {error}")
    return tuple(sorted(found, key=lambda one: one.received_at)), tuple(faults)


def fetched_at(file_name: str, place: str | None = None) -> datetime | None:
    """When an answer was fetched, by its file's name; None for a name of another form or place.

    >>> fetched_at("chifeng_20301001T0012Z.json")
    datetime.datetime(2030, 10, 1, 0, 12, tzinfo=datetime.timezone.utc)
    """
    name = FILE_NAME.match(file_name)
    if name is None or (place is not None and name["place"] != place):
        return None
    form = "%Y%m%dT%H%M%S" if len(name["at"]) == _WITH_SECONDS else "%Y%m%dT%H%M"
    try:
        return datetime.strptime(name["at"], form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _hours(texts: Sequence[Any], offset_s: int) -> StampArray:
    try:
        written: StampArray = np.array([str(text) for text in texts], dtype="datetime64[us]")
        at: StampArray = np.asarray(written - np.timedelta64(timedelta(seconds=offset_s)), dtype="datetime64[us]")
    except ValueError as error:
        raise ForecastError(f"weather answer: hourly.time: {error}") from error
    if bool(np.any(np.diff(at) <= np.timedelta64(0, "us"))):
        raise ForecastError("weather answer: hourly.time does not increase")
    return at


def _column(name: str, listed: Any, unit: str | None, n: int) -> FloatArray:
    if not isinstance(listed, list):
        return np.full(n, np.nan)
    factor, offset = UNITS.get(unit or "", (np.nan, np.nan))
    if np.isnan(factor):
        raise ForecastError(f"weather answer: {name} is in {unit!r}; known are {', '.join(UNITS)}")
    numbers = [float(one) if isinstance(one, int | float) and not isinstance(one, bool) else np.nan for one in listed[:n]]
    value = np.array(numbers + [np.nan] * (n - len(numbers))) * factor + offset
    low, high = POSSIBLE[name]
    return np.where((value >= low) & (value <= high), value, np.nan)


def _wind_columns(answer: Answer) -> list[FloatArray]:
    """The wind blows from a direction; its components say where to."""
    columns: list[FloatArray] = []
    for height in ("10m", "100m"):
        speed, heading = answer.value[f"wind_speed_{height}"], np.deg2rad(answer.value[f"wind_direction_{height}"])
        columns += [-speed * np.sin(heading), -speed * np.cos(heading)]
    return [*columns, answer.value["temperature_2m"], answer.value["surface_pressure"]]


def _sun_columns(answer: Answer) -> list[FloatArray]:
    """Irradiance at the instant; where only means of the hour before are told, the mean of two neighbours stands for it."""
    instant = answer.value["shortwave_radiation_instant"]
    hour_before = answer.value["shortwave_radiation"]
    between = (hour_before + np.append(hour_before[1:], np.nan)) / 2.0
    return [np.where(np.isnan(instant), between, instant), answer.value["temperature_2m"]]
