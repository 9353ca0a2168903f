"""The VEN's process: the follower, and the small server that the VTN knocks at."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Final

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

from controllers.adapters.grid_door import door_of
from controllers.adapters.openadr3.ven.follower import Follower, Memory
from controllers.adapters.openadr3.ven.settings import VenSettings, secret_in
from controllers.adapters.openadr3.ven.vtn_client import Credentials, VtnClient
from controllers.clock import WallClock
from vpp.errors import SettingsError

__all__ = ["follow_vtn"]

_FOLDER: Final = "openadr"
_KNOCK: Final = "/knock"
_BODY_MAX: Final = 1_048_576


async def follow_vtn(
    settings: VenSettings,
    on_ready: Callable[[Follower], None] | None = None,
    now: Callable[[], datetime] | None = None,
    monotonic_s: Callable[[], float] = monotonic,
) -> None:
    """Follows the operator's VTN until cancelled.

    Args:
        settings: How.
        on_ready: Told before the first look.
        now: Real time; None for the machine's.
        monotonic_s: By which tokens end. [s]

    Raises:
        SettingsError: A secret or certificate cannot be read, or the address is taken.
    """
    verify: ssl.SSLContext | bool = True
    if settings.ca_file is not None:
        try:
            verify = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError([f"openadr ven: ca_file {settings.ca_file}: {error}"]) from error
    shown = Credentials(
        client_id=settings.client_id,
        secret=settings.secret(),
        basic=settings.credentials == "basic",
        scope=settings.scope,
        token_url=settings.token_url,
    )
    door = door_of(settings.api_url, settings.state_dir)
    async with httpx.AsyncClient(verify=verify, trust_env=False) as client, door.client:
        vtn = VtnClient(client, settings.vtn_url.rstrip("/"), shown, monotonic_s, now or WallClock().now)
        follower = Follower(settings, vtn, door, Memory(settings.state_dir / _FOLDER / "ven.json"))
        if settings.callback is None:
            if on_ready is not None:
                on_ready(follower)
            await follower.run()
        else:
            await _with_callback(settings, follower, on_ready)


async def _with_callback(settings: VenSettings, follower: Follower, on_ready: Callable[[Follower], None] | None) -> None:
    callback = settings.callback
    assert callback is not None  # the caller has looked
    token = secret_in(callback.token_file)
    config = uvicorn.Config(
        _receiver(follower, token), host=callback.host, port=callback.port, access_log=False, log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                raise SettingsError([f"openadr ven: {callback.host}:{callback.port} is taken"])
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        follower.callback_url = callback.public_url or f"http://{callback.host}:{port}{_KNOCK}"
        follower.callback_token = token
        if on_ready is not None:
            on_ready(follower)
        await follower.run()
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=5.0)


def _receiver(follower: Follower, token: str) -> FastAPI:
    """A knock says only that something is new; what, is asked from the VTN itself, so that nobody else can tell us anything."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post(_KNOCK)
    async def knock(request: Request) -> Response:
        length = request.headers.get("content-length", "0")
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
            return Response(status_code=401)
        if not length.isdigit() or int(length) > _BODY_MAX:
            return Response(status_code=413)
        follower.wake.set()
        return Response(status_code=200)

    return app
