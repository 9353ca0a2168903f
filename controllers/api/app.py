"""The application put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import date
from functools import cache
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from controllers.api import (
    account_routes,
    ask_routes,
    compute_routes,
    event_routes,
    guard_routes,
    health_routes,
    key_routes,
    live_routes,
    proof_routes,
    record_routes,
)
from controllers.api.answer import answer_kinds, refusal
from controllers.api.bell import Bell
from controllers.api.context import ParkOn, Parts, Present, parts_of
from controllers.api.counts import RequestCounts, RequestLayer
from controllers.api.door import Attempts, Door
from controllers.api.gate import address_of
from controllers.api.gauges import ParkGauges
from controllers.api.keys import KeyBook
from controllers.api.ledger import Ledger
from controllers.api.live import LiveView
from controllers.api.problem import Problem, Refusal, on_http, on_invalid, on_refusal, problem_response
from controllers.api.stream import Hub
from controllers.api.tokens import TokenDesk
from controllers.api.watch import AskWatch
from controllers.cli_park import default_park_path
from controllers.clock import Clock, WallClock
from controllers.settings import Settings
from controllers.store import Store
from controllers.token_secret import token_secret
from vpp.errors import AccessError, ParkError, StoreError
from vpp.park import Park, load

__all__ = ["create_app", "describe"]

_VERSION: Final = "1.0.0"
_BODY_MAX: Final = 1_048_576
_CALLS: Final = "/v1/events"
_DESCRIPTION: Final = (
    "Virtual power plant of an industrial park. Powers are MW, positive when consuming; a connection's import is positive. "
    "Times are instants with a zone; answers are in UTC. Every refusal is one line (`Problem`). "
    "Show a key or a token as `Authorization: Bearer ...`; nothing is open but /healthz and /readyz."
)


def create_app(
    settings: Settings, park: Park, store: Store, live: LiveView, clock: Clock | None = None, real_clock: Clock | None = None
) -> FastAPI:
    """The HTTP side of a park.

    Args:
        settings: How this process runs.
        park: What is in service.
        store: The ledger, opened.
        live: What comes over the bus.
        clock: Park time; None for the settings' own.
        real_clock: Time by which keys and tokens end, whatever the park's speed; None for the machine's.

    Raises:
        SettingsError: The secret for tokens cannot be made or read.
    """
    parts = _parts(settings, park, store, live, clock or settings.clock.clock(), real_clock or WallClock())
    watch = AskWatch(parts)
    parts.counts.register.register(ParkGauges(live, parts.hub, parts.bell, parts.clock.now, watch))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch.run())
        try:
            yield
        finally:
            watching.cancel()

    app = _dressed(FastAPI(lifespan=lifespan, **_frame()))
    app.state.parts = parts
    app.add_middleware(RequestLayer, counts=parts.counts, body_max=_BODY_MAX)
    return app


def describe() -> dict[str, Any]:
    """The OpenAPI document, which needs no park."""
    return _dressed(FastAPI(**_frame())).openapi()


def _frame() -> dict[str, Any]:
    # Its own pages load scripts from elsewhere and stand open; the description is at /v1/openapi.json, for who may read.
    return {
        "title": "Chifeng VPP",
        "version": _VERSION,
        "description": _DESCRIPTION,
        "openapi_url": None,
        "docs_url": None,
        "redoc_url": None,
    }


def _dressed(app: FastAPI) -> FastAPI:
    """With routes, handlers of refusals, and a description that knows our structures."""
    for routes in (
        health_routes,
        key_routes,
        live_routes,
        ask_routes,
        event_routes,
        guard_routes,
        proof_routes,
        compute_routes,
        record_routes,
        account_routes,
    ):
        app.include_router(routes.router)
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(StoreError, _on_store)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_our_structures(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents
    return app


async def _on_invalid(request: Request, error: Exception) -> Response:
    """A call of the grid that cannot even be read leaves a line in the audit like one that is absurd."""
    response = await on_invalid(request, error)
    if request.url.path.startswith(_CALLS) and request.method != "GET":
        said = msgspec.json.decode(response.body, type=Problem).detail
        await parts_of(request).audited(_who(request), f"{request.method} {request.url.path}", "", said, outcome="refused")
    return response


def _who(request: Request) -> str:
    """Who sends something; what is no JSON at all is found out before anybody was asked for a key."""
    caller = getattr(request.state, "caller", None)
    if caller is None:
        try:
            caller = parts_of(request).door.caller(request.headers.get("authorization"), address_of(request))
        except AccessError:
            return address_of(request)
    return str(caller.name)


async def _on_store(request: Request, error: Exception) -> Response:
    """What was not written was not done: the caller may try again."""
    detail = f"{request.method} {request.url.path}: the store does not take it now, nothing was done; {error}"
    return problem_response(Problem(code="store_away", status=503, detail=" ".join(detail.split())), {"Retry-After": "5"})


def _with_our_structures(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= answer_kinds()
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for path in document["paths"].values():
        for operation in path.values():
            if "422" in operation["responses"]:
                operation["responses"]["422"] = refusal("something in the request is not right; all of it is named")
            if "security" in operation:
                operation["responses"]["429"] = refusal("too many wrong keys or tokens from this address")
                operation["responses"]["503"] = refusal("store or bus are away; nothing was done")
    return document


def _parts(settings: Settings, park: Park, store: Store, live: LiveView, clock: Clock, real_clock: Clock) -> Parts:
    names = {str(a.id): a.name_zh for a in park.assets} | {str(c.id): c.name_zh for c in park.connections}
    ledger = Ledger(store, names)
    keys = KeyBook(store)
    tokens = TokenDesk(token_secret(settings.state_dir), keys, store)
    return Parts(
        settings=settings,
        park=park,
        ledger=ledger,
        live=live,
        present=Present(live, clock.now),
        clock=clock,
        door=Door(keys, tokens, Attempts(settings.api.refusals_max), real_clock.now),
        hub=Hub(live, clock.now, settings.api.streams_max),
        bell=Bell(live.bus, park.id, clock.now),
        counts=RequestCounts(CollectorRegistry()),
        park_on=_park_on(settings, park),
    )


def _park_on(settings: Settings, park: Park) -> ParkOn:
    """The park as of a day, read once for each; a day that the park file does not know has the park of today."""

    @cache
    def as_of(day: date) -> Park:
        try:
            return load(settings.park or default_park_path(), at=day)
        except ParkError:
            return park

    return as_of
