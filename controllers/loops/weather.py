"""Weather runs: fetched again and again from a service, or left in a folder by somebody else; each kept as it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from controllers.clock import Clock
from controllers.forecast_settings import WeatherSettings
from controllers.foreteller import RunShelf
from forecasting.weather import Answer

__all__ = ["ToldSource", "WeatherDesk", "run_weather", "weather_ticks"]

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S: Final = 60.0
#: A folder that somebody else fills is looked at this often.
_LOOK_S: Final = 60.0


class ToldSource(Protocol):
    """A weather service that hands on its answers as they were sent."""

    async def fetch_told(self, latitude_deg: float, longitude_deg: float) -> tuple[Answer, bytes] | None:
        """The newest answer for a place; None if there is none now."""
        ...


@dataclass(slots=True)
class WeatherDesk:
    """Fetches, keeps, and knows how old the newest run is.

    Args:
        clock: Park time.
        settings: How often, and how long it may take.
        shelf: Where answers are kept.
        places: By name, latitude and longitude in degrees.
        source: Who is asked; None where somebody else fills the shelf.
        failures: Rounds in a row that brought nothing.
    """

    clock: Clock
    settings: WeatherSettings
    shelf: RunShelf
    places: Mapping[str, tuple[float, float]]
    source: ToldSource | None
    failures: int = 0
    _newest: dict[str, datetime] = field(default_factory=dict)
    _began: datetime | None = None

    @property
    def is_fed(self) -> bool:
        """Whether runs come from anywhere at all."""
        return self.source is not None or self.settings.folder is not None

    @property
    def newest(self) -> datetime | None:
        """When the last run came to the place that has waited longest; None as long as one has none."""
        return min(self._newest.values()) if len(self._newest) == len(self.places) and self._newest else None

    async def look(self) -> None:
        """What is on the shelf, as after a restart."""
        self._began = self._began or self.clock.now()
        for place in self.places:
            at = await asyncio.to_thread(self.shelf.newest, place)
            if at is not None:
                self._newest[place] = at

    async def fetch(self) -> None:
        """One round over all places within its budget; what fails leaves the last runs to age."""
        source = self.source
        if source is None:
            await self.look()
            return
        missing = list(self.places)
        round_ = asyncio.ensure_future(self._round(source, missing))
        patience = asyncio.ensure_future(self.clock.sleep(self.settings.budget_s))
        try:
            await asyncio.wait((round_, patience), return_when=asyncio.FIRST_COMPLETED)
            if not round_.done():
                log.warning("weather.out_of_time", budget_s=self.settings.budget_s, missing=missing)
        finally:
            round_.cancel()
            patience.cancel()
            await asyncio.gather(round_, patience, return_exceptions=True)
        self.failures = self.failures + 1 if missing else 0

    async def _round(self, source: ToldSource, missing: list[str]) -> None:
        for place, (latitude_deg, longitude_deg) in self.places.items():
            told = await source.fetch_told(latitude_deg, longitude_deg)
            if told is None:
                continue
            answer, body = told
            try:
                await asyncio.to_thread(self.shelf.keep, place, answer.received_at, body)
            except OSError as error:
                log.error("weather.unwritten", place=place, reason=error.strerror)  # noqa: TRY400  one line says it all
                continue
            self._newest[place] = answer.received_at
            missing.remove(place)

    def pause_s(self) -> float:
        """Until the next round: a period after the last run came; after failures a minute, two, four, up to a period."""
        if self.source is None:
            return _LOOK_S
        every_s = self.settings.every_s
        if self.failures:
            return float(min(_FIRST_PAUSE_S * 2.0 ** (self.failures - 1), every_s))
        if self.newest is None:
            return 0.0
        gone_s = (self.clock.now() - self.newest).total_seconds()
        return float(min(max(every_s - gone_s, 0.0), every_s))

    def conditions(self, at: datetime) -> dict[str, str]:
        """What someone should look at."""
        if not self.is_fed or self._began is None:
            return {}
        if at - (self.newest or self._began) <= timedelta(seconds=self.settings.late_s):
            return {}
        if self.newest is None:
            return {"weather.late": "no weather run has come yet; wind is forecast by climatology"}
        return {"weather.late": f"the newest weather run came at {self.newest.isoformat()}; forecasts get wider as it ages"}


async def weather_ticks(clock: Clock, desk: WeatherDesk) -> AsyncIterator[datetime]:
    """When a round is due: at once unless a kept run is young, then as the desk says."""
    await desk.look()
    while True:
        await clock.sleep(max(desk.pause_s(), 1e-3))
        yield clock.now()


async def run_weather(ticks: AsyncIterator[datetime], desk: WeatherDesk) -> None:
    """The loop: fetch and keep."""
    async for _ in ticks:
        await desk.fetch()
