"""A running API for tests: a real broker, a real store and a real server, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from controllers.api.process import listen, serve_api
from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.bus.broker import EmbeddedBroker, find_nats_server
from controllers.bus.mqtt import MqttBus
from controllers.clock import WallClock
from controllers.settings import ApiSettings, ClockSettings, Settings
from controllers.store import Store, open_store
from controllers.token_secret import token_secret
from tests.console_builders import NOW, Talk, two_areas
from vpp.errors import BrokerError
from vpp.wire.codec import encode
from vpp.wire.topics import topic_of

T = TypeVar("T")

PARK_PATH = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
CLUSTER = "compute.aidc"
GRID = "grid.hongshan"


class RunningApi:
    """The service and hands for a test: requests in every role, words in the field, a look at the ledger."""

    def __init__(self, folder: Path, **api: Any) -> None:
        self.settings = Settings(
            park=PARK_PATH,
            state_dir=folder / "state",
            api=ApiSettings(port=0, **api),
            clock=ClockSettings(start=NOW),
        )
        self.park = two_areas()
        self.broker = EmbeddedBroker(folder / "broker")
        self.store: Store = open_store(self.settings.store_url)
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._up = threading.Event()
        self._stop: asyncio.Event | None = None
        self._clients: list[httpx.Client] = []

    def start(self) -> None:
        self._thread.start()
        self._serving = self.in_loop(self._run())
        assert self._up.wait(30.0), self._serving.exception(0) if self._serving.done() else "the service is not up"

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._serving.result(30.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()
        self.store.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        await self.broker.start()
        self.field = MqttBus(self.broker.url, "field")
        listening = listen(self.settings)
        serving_store = open_store(self.settings.store_url)

        def ready(address: str) -> None:
            self.address = address
            self._up.set()

        ends = (self.broker.url, listening)
        tasks = [
            asyncio.create_task(self.field.run()),
            asyncio.create_task(serve_api(self.settings, self.park, serving_store, ends, on_ready=ready)),
        ]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        serving_store.close()
        listening.close()
        await self.broker.stop()

    def in_loop(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def said(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Somebody in the field says something; the broker has it when this returns."""

        async def post() -> None:
            await self.field.wait_connected()
            self.field.post(topic, payload, qos=1, retain=retain)
            await self.field.flush()

        self.in_loop(post()).result(10.0)

    def heard(self, topic_filter: str) -> list[tuple[str, bytes]]:
        """What is said from now on, as it comes."""
        found: list[tuple[str, bytes]] = []

        async def subscribe() -> None:
            await self.field.wait_connected()
            self.field.subscribe(topic_filter, lambda topic, payload: found.append((topic, bytes(payload))), qos=1)
            await self.field.flush()

        self.in_loop(subscribe()).result(10.0)
        return found

    def token(self, role: Role, name: str | None = None, cluster: str | None = None) -> str:
        if role is Role.SCHEDULER and cluster is None:
            cluster = CLUSTER
        caller = Caller(name or f"test.{role}", role, cluster)
        return mint(token_secret(self.settings.state_dir), caller, WallClock().now(), timedelta(hours=1))

    def as_(self, role: Role, **more: Any) -> httpx.Client:
        return self.client(self.token(role, **more))

    def client(self, credential: str | None) -> httpx.Client:
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        # Plain HTTP: without a word it would read all the world's certificates, for each client anew.
        client = httpx.Client(base_url=self.address, headers=headers, timeout=20.0, trust_env=False, verify=False)
        self._clients.append(client)
        return client


class FieldTalk(Talk):
    """What devices and controller say, over the real broker."""

    def __init__(self, api: RunningApi) -> None:
        super().__init__(api.park)
        self._api = api

    def post(self, channel: Any, message: Any, subject: str = "") -> None:
        self._api.said(topic_of(self.park.id, channel, subject), encode(message))


def until(check: Callable[[], T], wait_s: float = 10.0) -> T:
    """The first truthy answer; asked again until then, since the wire takes a moment."""
    end = time.monotonic() + wait_s
    while True:
        found = check()
        if found or time.monotonic() > end:
            assert found, "it did not come true in time"
            return found
        threading.Event().wait(0.02)


@contextmanager
def running_api(folder: Path, **api: Any) -> Iterator[RunningApi]:
    try:
        find_nats_server()
    except BrokerError as error:
        pytest.skip(f"no real broker here: {error}")
    service = RunningApi(folder, **api)
    service.start()
    try:
        yield service
    finally:
        service.stop()
