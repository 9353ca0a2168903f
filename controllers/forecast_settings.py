"""The part of the settings that says how the service forecasts: models, history, places, weather."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field

__all__ = ["ForecastPart", "PlaceSettings", "WeatherSettings"]

_STRICT: Final = ConfigDict(extra="forbid")
_HOUR_S: Final = timedelta(hours=1).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSettings:
    """Where a farm stands; north and east are positive."""

    __pydantic_config__ = _STRICT
    latitude_deg: Annotated[float, Field(ge=-90.0, le=90.0, allow_inf_nan=False)]
    longitude_deg: Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherSettings:
    """Where weather runs come from; nothing of it: PV is forecast from its own past, wind by climatology.

    Args:
        url: Forecast endpoint of a service of the Open-Meteo kind.
        folder: Of answers that somebody else fetches, named `PLACE_YYYYMMDDTHHMMZ.json`; with `url`, where fetched ones are kept.
            None: beside what is the service's own.
        every_s: Between two fetches; after a failure it begins with a minute and doubles up to this. [s of park time]
        timeout_s: Of connecting and of each read. [s]
        budget_s: Of one round over all places, after which it is given up. [s of park time]
        late_s: A newest run older than this is an alarm. [s of park time]
    """

    __pydantic_config__ = _STRICT
    url: str | None = field(default=None, repr=False)  # it may carry a key
    folder: Path | None = None
    every_s: Annotated[float, Field(ge=60.0, le=86_400.0)] = _HOUR_S
    timeout_s: Annotated[float, Field(ge=1.0, le=120.0)] = 20.0
    budget_s: Annotated[float, Field(ge=5.0, le=_HOUR_S)] = 300.0
    late_s: Annotated[float, Field(ge=600.0)] = 21_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastPart:
    """How the service forecasts and learns.

    Args:
        enabled: False: it runs by rules.
        models_dir: Versions of models, as `vpp forecast train` writes them; None: beside what is the service's own.
        history_file: Metered power of the time before the ledger begins, as `vpp forecast train --history` reads it.
        runs_file: Weather runs of that time, as `vpp forecast train --runs` reads them.
        train: Whether it trains by itself.
        enough_days: Days that farms of half the capacity must have measured before the first training. [days]
        train_every_days: Between two trainings, where nothing drifts. [days]
        train_at_hour: Hour of the daily look, in park time, when it is quiet.
        places: Of farms that do not stand where the park does, by asset.
        weather: Where weather runs come from.
    """

    __pydantic_config__ = _STRICT
    enabled: bool = True
    models_dir: Path | None = None
    history_file: Path | None = None
    runs_file: Path | None = None
    train: bool = True
    enough_days: Annotated[int, Field(ge=20, le=450)] = 30
    train_every_days: Annotated[int, Field(ge=1, le=400)] = 30
    train_at_hour: Annotated[int, Field(ge=0, le=23)] = 2
    places: dict[str, PlaceSettings] = field(default_factory=dict)
    weather: WeatherSettings = field(default_factory=WeatherSettings)
