"""The operator's VTN as the VEN asks it: tokens renewed in time, pages followed, and every way to fail a word of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

import httpx
import msgspec
import structlog

__all__ = ["Gone", "Said", "VtnClient", "Wrong"]

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 15.0
_PAGE: Final = 50
#: A VTN that has more events than this for one park is not believed.
_PAGES_MAX: Final = 40
#: A token is renewed this long before it ends, but at the latest after so much of its life.
_REST_S: Final = 30.0
_REST_FRAC: Final = 0.1
_LIFE_S: Final = 1_800.0
_BYTES_MAX: Final = 8_000_000
#: Clocks that differ by more are worth a word: starts of events are read by our own.
_SKEW_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What the VTN answered."""

    body: Any


@dataclass(frozen=True, slots=True)
class Wrong:
    """It will not have it; asking the same again is of no use."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Gone:
    """It is not there, or cannot now."""

    reason: str
    retry_s: float = 0.0


Answer: TypeAlias = Said | Wrong | Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What is shown for a token."""

    client_id: str
    secret: str
    basic: bool
    scope: str | None
    token_url: str | None


@dataclass(slots=True)
class VtnClient:
    """One VTN.

    Args:
        client: To ask with.
        url: Of the VTN, with its path.
        credentials: For tokens.
        monotonic_s: By which tokens end here, whatever the clocks say.
        now: Real time, only to compare clocks.
        skew_s: How far the VTN's clock was ahead of ours when it last said.
    """

    client: httpx.AsyncClient
    url: str
    credentials: Credentials
    monotonic_s: Callable[[], float]
    now: Callable[[], datetime]
    skew_s: float = 0.0
    _token: str = ""
    _ends_s: float = 0.0
    _told_skew: bool = False

    async def get_all(self, path: str, **query: str) -> Answer:
        """A whole list, page by page."""
        found: list[Any] = []
        for page in range(_PAGES_MAX):
            words: dict[str, Any] = {**query, "skip": page * _PAGE, "limit": _PAGE}
            answer = await self.ask("GET", path, query=words)
            if not isinstance(answer, Said):
                return answer
            if not isinstance(answer.body, list):
                return Wrong(int(HTTPStatus.OK), f"{path}: answers no list")
            known = {msgspec.json.encode(one) for one in found}
            fresh = [one for one in answer.body if msgspec.json.encode(one) not in known]
            found += fresh
            # One that knows no pages answers the same again and again.
            if len(answer.body) < _PAGE or not fresh:
                return Said(found)
        return Wrong(int(HTTPStatus.OK), f"{path}: more than {_PAGES_MAX * _PAGE} objects")

    async def ask(self, method: str, path: str, *, body: Any = None, query: dict[str, Any] | None = None) -> Answer:
        """One request; a token that is not taken any more is renewed once."""
        for attempt in (1, 2):
            fault = await self._renew()
            if fault is not None:
                return fault
            answer = await self._send(method, f"{self.url}{path}", json=body, params=query, headers=self._headers())
            if isinstance(answer, Wrong) and answer.status == HTTPStatus.UNAUTHORIZED and attempt == 1:
                self._ends_s = 0.0
                continue
            return answer
        raise AssertionError("unreachable")  # the second attempt always returns

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew(self) -> Wrong | Gone | None:
        if self._token and self.monotonic_s() < self._ends_s:
            return None
        place = self.credentials.token_url
        if place is None:
            told = await self._send("GET", f"{self.url}/auth/server")
            if not isinstance(told, Said):
                return told
            place = told.body.get("tokenURL") if isinstance(told.body, dict) else None
            if not isinstance(place, str):
                return Wrong(int(HTTPStatus.OK), "/auth/server: names no tokenURL")
        asked_s = self.monotonic_s()
        answer = await self._send("POST", place, data=self._form(), headers=self._basic())
        if not isinstance(answer, Said):
            return answer
        token = answer.body.get("access_token") if isinstance(answer.body, dict) else None
        if not isinstance(token, str) or not token:
            return Wrong(int(HTTPStatus.OK), "the token endpoint answers no access_token")
        life_s = answer.body.get("expires_in")
        life_s = float(life_s) if isinstance(life_s, int | float) and life_s > 0 else _LIFE_S
        self._token, self._ends_s = token, asked_s + life_s - min(_REST_S, _REST_FRAC * life_s)
        return None

    def _form(self) -> dict[str, str]:
        known = self.credentials
        words = {"grant_type": "client_credentials"}
        words |= {} if known.basic else {"client_id": known.client_id, "client_secret": known.secret}
        return words | ({} if known.scope is None else {"scope": known.scope})

    def _basic(self) -> dict[str, str]:
        known = self.credentials
        if not known.basic:
            return {}
        request = httpx.Request("POST", self.url)
        # RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
        pair = httpx.BasicAuth(quote_plus(known.client_id), quote_plus(known.secret))
        return {"Authorization": next(pair.auth_flow(request)).headers["Authorization"]}

    async def _send(self, method: str, url: str, **words: Any) -> Answer:
        try:
            answer = await self.client.request(method, url, timeout=_TIMEOUT_S, **words)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Gone(f"{type(error).__name__}: {error}".strip(": "))
        self._compare_clocks(answer)
        path = answer.request.url.path
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return Gone(f"{method} {path}: {answer.status_code}", _retry_s(answer))
        if len(answer.content) > _BYTES_MAX:
            return Wrong(answer.status_code, f"{method} {path}: {len(answer.content)} bytes are too many")
        try:
            body = msgspec.json.decode(answer.content) if answer.content else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Wrong(answer.status_code, f"{method} {path}: answers no JSON: {error}")
        if not answer.is_success:
            detail = body.get("detail") or body.get("title") or body.get("error") if isinstance(body, dict) else None
            return Wrong(answer.status_code, f"{method} {path}: {answer.status_code} {detail or ''}".strip())
        return Said(body)

    def _compare_clocks(self, answer: httpx.Response) -> None:
        try:
            said = parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError):
            return
        self.skew_s = (said - self.now()).total_seconds()
        if (abs(self.skew_s) > _SKEW_S) != self._told_skew:
            self._told_skew = not self._told_skew
            log.warning("openadr.clocks_differ", ahead_s=round(self.skew_s, 1), differ=self._told_skew)


def _retry_s(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), _LIFE_S) if text.isascii() and text.isdigit() else 0.0
