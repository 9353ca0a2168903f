"""The API as a process of its own: its own connection to the bus, its own hands on the store, and lower rank than dispatch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from controllers.api.app import create_app
from controllers.api.live import LiveView
from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.bus.mqtt import MqttBus, MqttSettings
from controllers.clock import Clock, WallClock
from controllers.settings import ApiSettings, Settings
from controllers.store import Store, open_store
from controllers.token_secret import token_secret
from vpp.errors import SettingsError
from vpp.park import Park

__all__ = ["OnReady", "address_of", "listen", "run_api", "serve_api", "start_token"]

log = structlog.get_logger(__name__)

#: Told of the address once requests are served.
OnReady = Callable[[str], None]
#: What dresses the application further, as the screen does.
Dress = Callable[[FastAPI], None]

#: Dispatch and plan go first when cores are short.
_NICE: Final = 5
_GRACE_S: Final = 2
_KEEP_ALIVE_S: Final = 30
#: Connections at once; of more, the answer is 503 at once instead of a long wait.
_CONNECTIONS_MAX: Final = 1_000
_START_TOKEN_LIFE: Final = timedelta(hours=12)


def start_token(settings: Settings) -> str:
    """A fresh operator's token, as it is printed when the service starts.

    Raises:
        SettingsError: The secret cannot be made or read.
    """
    caller = Caller("operator.start", Role.OPERATOR)
    return mint(token_secret(settings.state_dir), caller, WallClock().now(), _START_TOKEN_LIFE)


def run_api(
    settings: Settings, park: Park, broker_url: str, *, on_ready: OnReady | None = None, dress: Sequence[Dress] = ()
) -> None:
    """Serves until it is asked to end (SIGTERM or SIGINT); the target of a process.

    Args:
        settings: How this process runs.
        park: What is in service.
        broker_url: Where the bus is.
        on_ready: Told of the address once requests are served.
        dress: What else belongs on the application, as the screen.

    Raises:
        SettingsError: The address is taken, or the secret cannot be read.
        StoreError: The store cannot be opened.
    """
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    listening = listen(settings)
    store = open_store(settings.store_url)
    try:
        asyncio.run(serve_api(settings, park, store, (broker_url, listening), on_ready=on_ready, dress=dress))
    finally:
        store.close()
        listening.close()


async def serve_api(
    settings: Settings,
    park: Park,
    store: Store,
    ends: tuple[str, socket.socket],
    *,
    on_ready: OnReady | None = None,
    dress: Sequence[Dress] = (),
) -> None:
    """The same inside a running loop, for whoever has a store and a socket already.

    Args:
        settings: How this process runs.
        park: What is in service.
        store: The ledger.
        ends: The broker's URL, and the socket that requests come to.
        on_ready: Told of the address once requests are served.
        dress: What else belongs on the application.
    """
    broker_url, listening = ends
    bus = MqttBus(broker_url, f"api_{os.getpid()}", settings=MqttSettings(tls=settings.broker.tls()))
    clock: Clock = settings.clock.clock()
    app = create_app(settings, park, store, LiveView(park, bus), clock)
    for one in dress:
        one(app)
    server = _Server(_config(app, settings.api), address_of(listening), on_ready)
    connection = asyncio.create_task(bus.run())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        # A bus that refuses us for want of rights ends the service, with its reason.
        done, _ = await asyncio.wait({connection, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=2 * _GRACE_S)
        serving.cancel()
        connection.cancel()
        await asyncio.gather(connection, serving, return_exceptions=True)


class _Server(uvicorn.Server):
    """One that says when it serves."""

    def __init__(self, config: uvicorn.Config, address: str, on_ready: OnReady | None) -> None:
        super().__init__(config)
        self._address, self._on_ready = address, on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As of the parent; but an interrupt that this process was told to leave to its own parent stays there."""
        left_alone = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        with super().capture_signals():
            if left_alone and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As of the parent, then the word."""
        await super().startup(sockets)
        log.info("api.ready", address=self._address)
        if self._on_ready is not None:
            self._on_ready(self._address)


def _config(app: FastAPI, api: ApiSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # Otherwise whoever sits on this machine could name any address as theirs.
        proxy_headers=bool(api.trusted_proxies),
        forwarded_allow_ips=api.trusted_proxies or None,
        access_log=False,
        log_config=None,
        lifespan="on",
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
    )


def address_of(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def listen(settings: Settings) -> socket.socket:
    """The socket, taken before anything else, so that a port that is taken is one clear line."""
    api = settings.api
    try:
        info = socket.getaddrinfo(api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(info[0], socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(info[4])
    except OSError as error:
        fault = f"api: {api.host}:{api.port}: {error.strerror or error}; end what holds it, or choose another api.port"
        raise SettingsError([fault]) from error
    listening.setblocking(False)
    return listening
