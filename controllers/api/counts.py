"""What is counted of requests, and a thin layer around the application that counts it."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestCounts", "RequestLayer"]

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Of a body that is too long so many times the allowed length is read and thrown away.
_PATIENCE: Final = 16
_V1: Final = "/v1/"
#: What is live must not be kept by anybody on the way, and nobody guesses what it is.
_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class RequestCounts:
    """Counters of one application, in a register of its own, so that several may live in one process.

    Args:
        register: Where they are listed.
    """

    def __init__(self, register: CollectorRegistry) -> None:
        self.register = register
        labels = ("method", "route", "status")
        self.requests = Counter("vpp_http_requests", "Requests by route and status.", labels, registry=register)
        self.durations = Histogram(
            "vpp_http_request_duration_seconds",
            "Time from request to the last byte of the answer; streams are not in it.",
            ("route",),
            buckets=_BUCKETS_S,
            registry=register,
        )
        self.running = Gauge("vpp_http_requests_running", "Requests under way, streams included.", registry=register)
        self.refused = Counter("vpp_access_refused", "Keys and tokens refused, by why.", ("code",), registry=register)


class RequestLayer:
    """Counts requests, sets the headers of everything under /v1, and sends away what says that it is too long.

    Args:
        app: What it stands before.
        counts: What is counted.
        body_max: Bytes of a body, whether it says how long it is or not.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts, body_max: int) -> None:
        self._app, self._counts, self._body_max = app, counts, body_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 500
        is_stream = False

        async def watched(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                is_stream = any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)
                if scope["path"].startswith(_V1):
                    message = {**message, "headers": [*headers, *_HEADERS]}
            await send(message)

        counts = self._counts
        counts.running.inc()
        try:
            await self._app(scope, self._counting(receive), watched)
        finally:
            counts.running.dec()
            # The pattern and never the path: a scanner that makes up paths must not make up counters.
            route = getattr(scope.get("route"), "path", "none")
            counts.requests.labels(scope["method"] if route != "none" else "ANY", route, str(status)).inc()
            if not is_stream:
                counts.durations.labels(route).observe(time.perf_counter() - began_s)

    def _counting(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._body_max:
                # Read on for a while: who is cut off in the middle of a sentence does not hear the answer.
                while message.get("more_body", False) and taken < _PATIENCE * self._body_max:
                    message = await receive()
                    taken += len(message.get("body", b""))
                raise HTTPException(413, f"at most {self._body_max} bytes are taken", {"Connection": "close"})
            return message

        return counted
