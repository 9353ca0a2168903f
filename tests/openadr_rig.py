"""A VTN beside a running service, for tests: real server, real store, real door, clients with secrets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx

from controllers.adapters.openadr3.asks import Agreement
from controllers.adapters.openadr3.vtn.app import serve_vtn
from controllers.adapters.openadr3.vtn.settings import Client, VtnSettings, new_secret
from tests.api_service import GRID, RunningApi
from tests.console_builders import NOW

AGREED = Agreement(connection=GRID, simple_mw=(40.0, 20.0, 0.0), emergency_mw=5.0)
SECRETS = {name: new_secret() for name in ("operator", "market", "site.a", "site.b")}
CLIENTS = (
    Client(id="operator", role="bl", secret_sha256=SECRETS["operator"][1], may_call=True),
    Client(id="market", role="bl", secret_sha256=SECRETS["market"][1]),
    Client(id="site.a", role="ven", secret_sha256=SECRETS["site.a"][1]),
    Client(id="site.b", role="ven", secret_sha256=SECRETS["site.b"][1]),
)


class RunningVtn:
    """The VTN in the loop of the service that it stands beside."""

    def __init__(self, api: RunningApi, **more: Any) -> None:
        words: dict[str, Any] = {
            "port": 0,
            "clients": CLIENTS,
            "agreements": (AGREED,),
            "callbacks": ("127.0.0.0/8",),
            "look_s": 0.2,
            "api_url": api.address,
            "state_dir": api.settings.state_dir,
        }
        self.api, self.settings = api, VtnSettings(**{**words, **more})
        self.url = ""
        self._clients: list[httpx.Client] = []

    def start(self) -> None:
        up = threading.Event()

        def ready(address: str) -> None:
            self.url = address
            up.set()

        self._serving = self.api.in_loop(self._run(ready))
        assert up.wait(20.0), self._serving.exception(0) if self._serving.done() else "the VTN is not up"

    async def _run(self, ready: Any) -> None:
        self._task = asyncio.ensure_future(serve_vtn(self.settings, ready))
        await asyncio.gather(self._task, return_exceptions=True)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.api._loop.call_soon_threadsafe(self._task.cancel)
        self._serving.result(20.0)

    def token(self, name: str, **form: str) -> str:
        words = {"grant_type": "client_credentials", "client_id": name, "client_secret": SECRETS[name][0], **form}
        answer = httpx.post(f"{self.url}/auth/token", data=words, trust_env=False)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def as_(self, name: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(name)}"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=20.0, trust_env=False, verify=False)
        self._clients.append(client)
        return client


@contextmanager
def running_vtn(api: RunningApi, **more: Any) -> Iterator[RunningVtn]:
    vtn = RunningVtn(api, **more)
    vtn.start()
    try:
        yield vtn
    finally:
        vtn.stop()


def event_words(program: str, kind: str = "IMPORT_CAPACITY_LIMIT", value: Any = 30_000.0, **more: Any) -> dict[str, Any]:
    start = (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    return {
        "programID": program,
        "targets": [GRID],
        "intervalPeriod": {"start": start, "duration": "PT1H"},
        "intervals": [{"id": 0, "payloads": [{"type": kind, "values": [value]}]}],
        **more,
    }
