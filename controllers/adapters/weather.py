"""Fetching weather from a JSON service of the Open-Meteo kind; what fails is logged and leaves the last runs to age."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

import structlog

from controllers.clock import Clock
from forecasting.weather import Answer, parse_answer, request_words
from vpp.errors import ForecastError

__all__ = ["OpenMeteo"]

log = structlog.get_logger(__name__)
#: A week of hourly values is some ten kB; whoever sends more sends something else.
_LARGEST: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class OpenMeteo:
    """A `forecasting.weather.WeatherSource` over HTTP.

    Args:
        url: Of the service's forecast endpoint, as in `https://api.open-meteo.com/v1/forecast`; it may carry a key as a query.
        clock: Says when an answer came.
        timeout_s: For connecting and for each read.
        attempts: Before it gives up until the next period.
        pause_s: After the first failed attempt; doubled after each.
    """

    url: str
    clock: Clock
    timeout_s: float = 20.0
    attempts: int = 3
    pause_s: float = 2.0

    async def fetch(self, latitude_deg: float, longitude_deg: float) -> Answer | None:
        """The newest answer for a place; None, and a warning in the log, if there is none now."""
        told = await self.fetch_told(latitude_deg, longitude_deg)
        return None if told is None else told[0]

    async def fetch_told(self, latitude_deg: float, longitude_deg: float) -> tuple[Answer, bytes] | None:
        """As `fetch`, with the answer as it was sent, for whoever keeps it."""
        words = urllib.parse.urlencode(request_words(latitude_deg, longitude_deg))
        address = f"{self.url}{'&' if '?' in self.url else '?'}{words}"
        pause_s = self.pause_s
        for attempt in range(1, self.attempts + 1):
            try:
                body = await asyncio.to_thread(_get, address, self.timeout_s)
                return parse_answer(body, self.clock.now()), body
            except (OSError, ForecastError) as error:
                log.warning("weather.fetch_failed", reason=str(error), attempt=attempt, latitude_deg=latitude_deg)
            if attempt < self.attempts:
                await self.clock.sleep(pause_s)
                pause_s *= 2.0
        return None


def _get(address: str, timeout_s: float) -> bytes:
    """The body of an answer.

    Raises:
        OSError: No connection, a status other than 200, or more than a forecast can be.
    """
    if not address.startswith(("http://", "https://")):
        raise OSError(f"{address.split('?')[0]}: only http and https are fetched")
    try:
        with urllib.request.urlopen(address, timeout=timeout_s) as answer:
            body: bytes = answer.read(_LARGEST + 1)
    except http.client.HTTPException as error:
        raise OSError(f"no answer of HTTP: {type(error).__name__}") from error
    if len(body) > _LARGEST:
        raise OSError(f"the answer is larger than {_LARGEST} bytes")
    return body
