"""Webhooks: whoever subscribed is told of what was created, changed or deleted, in order, without holding anybody else up."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog

from controllers.adapters.openadr3.vtn.book import Record
from controllers.adapters.openadr3.words import Operation

__all__ = ["Notifier", "callback_fault", "wants"]

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 5.0
#: Of one notice, with growing pauses.
_ATTEMPTS: Final = 4
_PAUSE_S: Final = 0.5
#: Notices that wait for one address; of more the oldest are given up, and that is logged.
_WAITING_MAX: Final = 500
#: Addresses that are told at the same time.
_AT_ONCE: Final = 16


def callback_fault(url: str, allowed: Sequence[str]) -> str | None:
    """Why an address may not be called back; None if it may.

    A client could else make this server knock at doors that only this server can reach.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"{error}"
    if parts.scheme not in ("http", "https") or not host:
        return "is no http or https address"
    if host in allowed:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "is this machine itself" if host == "localhost" or host.endswith(".localhost") else None
    networks = [ipaddress.ip_network(one) for one in allowed if "/" in one]
    if address.is_global or any(address in network for network in networks):
        return None
    return "is no public address, and its network is not among those allowed in the settings"


def wants(subscription: Record, record: Record, operation: Operation) -> list[dict[str, Any]]:
    """The places that a subscription names for an operation on an object; targets and program narrow it."""
    body = subscription.body
    program = body.get("programID")
    if program is not None and program not in (record.id if record.kind == "PROGRAM" else None, record.body.get("programID")):
        return []
    targets = body.get("targets") or ()
    if targets and not set(targets) & set(record.body.get("targets") or ()):
        return []
    return [one for one in body["objectOperations"] if record.kind in one["objects"] and operation in one["operations"]]


@dataclass(slots=True)
class Notifier:
    """Sends notices, each address in the order of what happened.

    Args:
        client: To send with.
        failed: Notices that were given up.
    """

    client: httpx.AsyncClient
    failed: int = 0
    _waiting: dict[str, deque[tuple[str | None, dict[str, Any]]]] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def tell(self, subscriptions: Iterable[Record], record: Record, operation: Operation) -> None:
        """Puts an operation in line for everybody who wants to hear of it; returns at once."""
        notice: dict[str, Any] = {"objectType": record.kind, "operation": operation, "object": record.shown()}
        if record.body.get("targets"):
            notice["targets"] = record.body["targets"]
        for subscription in subscriptions:
            for place in wants(subscription, record, operation):
                self._line_up(place["callbackUrl"], place.get("bearerToken"), notice)

    def _line_up(self, url: str, token: str | None, notice: dict[str, Any]) -> None:
        line = self._waiting.setdefault(url, deque())
        if len(line) >= _WAITING_MAX:
            line.popleft()
            self.failed += 1
            log.warning("openadr.notice_dropped", url=url, waiting=len(line))
        line.append((token, notice))
        if url not in self._tasks:
            self._tasks[url] = asyncio.create_task(self._empty(url))

    async def _empty(self, url: str) -> None:
        try:
            while self._waiting.get(url):
                token, notice = self._waiting[url].popleft()
                if not await self._sent(url, token, notice):
                    self.failed += 1
                    log.warning("openadr.notice_failed", url=url, object=notice["objectType"])
        finally:
            del self._tasks[url]
            self._waiting.pop(url, None)

    async def _sent(self, url: str, token: str | None, notice: dict[str, Any]) -> bool:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE_S * 2**attempt)
            try:
                async with self._room:
                    answer = await self.client.post(url, json=notice, headers=headers, timeout=_TIMEOUT_S)
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
                continue
            # Whoever refuses the notice itself would refuse it again.
            if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                return answer.is_success
        return False

    async def close(self) -> None:
        """Ends; what waits is given up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
