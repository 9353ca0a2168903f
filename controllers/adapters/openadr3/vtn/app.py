"""The VTN put together, and its process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

import httpx
import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from controllers.adapters.grid_door import GridDoor, door_of
from controllers.adapters.openadr3.vtn.access import TokenMaker
from controllers.adapters.openadr3.vtn.book import ObjectBook
from controllers.adapters.openadr3.vtn.context import VtnParts, parts_of
from controllers.adapters.openadr3.vtn.desk import Desk, Trouble
from controllers.adapters.openadr3.vtn.notify import Notifier
from controllers.adapters.openadr3.vtn.park_side import ParkSide
from controllers.adapters.openadr3.vtn.routes import problem, routes
from controllers.adapters.openadr3.vtn.settings import VtnSettings
from controllers.api.counts import RequestCounts, RequestLayer
from controllers.api.door import Attempts
from controllers.clock import WallClock
from controllers.token_secret import token_secret
from vpp.errors import SettingsError, StoreError

__all__ = ["PREFIX", "create_vtn", "serve_vtn"]

log = structlog.get_logger(__name__)

PREFIX: Final = "/openadr3/3.1.1"
_BODY_MAX: Final = 1_048_576
_FOLDER: Final = "openadr"
_GRACE_S: Final = 2
_ROUTES: Final = [route for route in routes().routes if isinstance(route, APIRoute)]


def create_vtn(settings: VtnSettings, book: ObjectBook, door: GridDoor, public_url: str, now: Callable[[], datetime]) -> FastAPI:
    """The HTTP side.

    Args:
        settings: How it runs.
        book: Its objects.
        door: To the service, for calls on the park.
        public_url: As clients see it, with the path.
        now: Real time.

    Raises:
        SettingsError: The secret for tokens cannot be made or read.
    """
    notifier = Notifier(httpx.AsyncClient(trust_env=False, follow_redirects=False))
    desk = Desk(settings, book, ParkSide(door, book, settings.agreements), notifier, now)
    secret = token_secret(settings.state_dir / _FOLDER)
    tokens = TokenMaker(secret, {client.id: client for client in settings.clients}, now, settings.token_life_s)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await desk.begin()
        looking = asyncio.create_task(_look(desk, settings.look_s))
        try:
            yield
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
            await notifier.close()
            await notifier.client.aclose()

    app = FastAPI(title="Chifeng VPP, OpenADR 3 VTN", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.parts = VtnParts(desk, tokens, Attempts(settings.refusals_max), public_url, now)
    app.include_router(routes(), prefix=PREFIX)
    app.add_exception_handler(Trouble, _on_trouble)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(StoreError, _on_store)
    app.add_middleware(RequestLayer, counts=RequestCounts(CollectorRegistry()), body_max=_BODY_MAX)
    return app


async def _look(desk: Desk, every_s: float) -> None:
    """Reports on the park's calls until cancelled; a look that fails is followed by the next."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await desk.report()
        except StoreError as error:
            log.error("openadr.unreported", reason=str(error))  # noqa: TRY400  one line says it all


async def _on_trouble(request: Request, error: Exception) -> Response:
    assert isinstance(error, Trouble)
    client = getattr(request.state, "client", None)
    if error.status == HTTPStatus.FORBIDDEN and client is not None:
        # Whoever tries what they may not leaves a line in the audit, as at the door itself.
        said = f"{request.method} {request.url.path}: {error.detail}"
        await parts_of(request).desk.park.door.unreadable("openadr", said, f"openadr.{client}")
    headers = {401: {"WWW-Authenticate": 'Bearer realm="openadr"'}, 429: {"Retry-After": "60"}, 503: {"Retry-After": "5"}}
    return problem(error.status, error.detail, headers.get(error.status))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Each method of a path is a route of its own, and the framework names only the first.
        routes_here = [r for r in _ROUTES if r.path_regex.match(request.url.path.removeprefix(PREFIX))]
        headers["Allow"] = ", ".join(sorted({method for r in routes_here for method in r.methods or ()}))
    return problem(error.status_code, detail, headers)


async def _on_store(request: Request, error: Exception) -> Response:
    return problem(500, f"nothing was written: {error}")


async def serve_vtn(settings: VtnSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves until cancelled or asked to end.

    Raises:
        SettingsError: The address is taken, or a secret cannot be read.
        StoreError: The book cannot be opened.
    """
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    public = settings.public_url or f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}{PREFIX}"  # noqa: S104  read, not bound
    book = ObjectBook(settings.state_dir / _FOLDER / "vtn.sqlite3")
    door = door_of(settings.api_url, settings.state_dir)
    app = create_vtn(settings, book, door, public.rstrip("/"), WallClock().now)
    config = uvicorn.Config(
        app, access_log=False, log_config=None, lifespan="on", timeout_graceful_shutdown=_GRACE_S, server_header=False
    )
    server = _Server(config, public, on_ready)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=2 * _GRACE_S)
        serving.cancel()
        book.close()
        listening.close()
        await door.client.aclose()


class _Server(uvicorn.Server):
    """One that says when it serves."""

    def __init__(self, config: uvicorn.Config, address: str, on_ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._address, self._on_ready = address, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As of the parent, then the word."""
        await super().startup(sockets)
        log.info("openadr.vtn_ready", address=self._address)
        if self._on_ready is not None:
            self._on_ready(self._address)


def _listen(settings: VtnSettings) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsError([f"openadr vtn: {settings.host}:{settings.port}: {error.strerror or error}"]) from error
    listening.setblocking(False)
    return listening
