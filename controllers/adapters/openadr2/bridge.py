"""The bridge: for each older site a client of our own VTN, and towards it a server of version 2.0b (openleadr).

What a site may see and say is decided where it is for everybody, at the VTN; the bridge only translates. What a site answers (opt
in, opt out) goes back as a report in its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final

import httpx
import msgspec
import structlog
from pydantic import ConfigDict, Field, ValidationError

from controllers.adapters.openadr2.signals import Signal, signal_of
from controllers.adapters.openadr3 import words as w
from controllers.adapters.openadr3.ven.settings import secret_in
from controllers.adapters.openadr3.ven.vtn_client import Credentials, Gone, Said, VtnClient
from controllers.adapters.openadr3.vtn.settings import settings_of
from controllers.clock import WallClock
from vpp.errors import SettingsError

__all__ = ["Bridge", "BridgeSettings", "OldSite", "load_bridge", "run_bridge"]

log = structlog.get_logger(__name__)
_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSite:
    """A site with a client of version 2.0b.

    Args:
        ven_name: As it registers.
        client_id: As it is known at our VTN, in the role `ven`.
        client_secret_file: Its secret there.
    """

    __pydantic_config__ = _STRICT
    ven_name: str
    client_id: str
    client_secret_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """The bridge.

    Args:
        vtn_url: Of our own VTN.
        host: Address that sites come to; TLS with client certificates is put before it.
        port: Likewise.
        vtn_id: As the sites know us.
        poll_s: How often our VTN is asked, and how often sites are told to ask. [s]
        sites: Who may come; nobody else is registered.
    """

    __pydantic_config__ = _STRICT
    vtn_url: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8087
    vtn_id: str = "chifeng"
    poll_s: Annotated[float, Field(ge=0.1, le=7_200.0)] = 10.0
    sites: tuple[OldSite, ...] = ()


def load_bridge(path: Path) -> BridgeSettings:
    """The settings in a file.

    Raises:
        SettingsError: All faults at once.
    """
    settings: BridgeSettings = settings_of(path, BridgeSettings)
    return settings


@dataclass(slots=True)
class Bridge:
    """One server of version 2.0b.

    Args:
        settings: How.
        server: Of openleadr.
        clients: Of our VTN, by name of the site.
        now: Real time.
    """

    settings: BridgeSettings
    server: Any
    clients: Mapping[str, VtnClient]
    now: Callable[[], datetime]
    _seen: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    _answered: dict[tuple[str, str], str] = field(default_factory=dict)

    async def register(self, info: Mapping[str, Any]) -> tuple[str, str] | bool:
        """Called when a site wants to register."""
        name = info.get("ven_name")
        if name not in self.clients:
            log.warning("openadr2.unknown", ven_name=name)
            return False
        log.info("openadr2.registered", ven_name=name)
        return str(name), f"registration-{name}"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for name, client in self.clients.items():
                fault = await self.look(name, client)
                if fault is not None:
                    log.warning("openadr2.vtn_away", ven_name=name, reason=fault.reason)
            await asyncio.sleep(self.settings.poll_s)

    async def look(self, name: str, client: VtnClient) -> Gone | None:
        """Once for one site: hands on what is new or changed, takes back what is gone, and reports its answers."""
        told = await client.get_all("/events")
        if not isinstance(told, Said):
            return told if isinstance(told, Gone) else Gone(told.detail)
        events = {str(one["id"]): one for one in told.body if isinstance(one, dict) and "id" in one}
        for event_id, raw in events.items():
            stamp = str(raw.get("modificationDateTime"))
            known = self._seen.get((name, event_id))
            if known is None or known[0] != stamp:
                self._withdraw(name, event_id)
                self._seen[name, event_id] = (stamp, self._hand_on(name, event_id, raw, len(self._seen)))
        for of, event_id in list(self._seen):
            if of == name and event_id not in events:
                self._withdraw(name, event_id)
                del self._seen[of, event_id]
        return await self._report(name, client, events)

    def _hand_on(self, name: str, event_id: str, raw: Mapping[str, Any], count: int) -> str | None:
        """The name under which the site has it; None if it cannot be said in version 2.0b."""
        try:
            signal: Signal | str = signal_of(w.Event.model_validate_json(msgspec.json.encode(raw)), self.now())
        except ValidationError as error:
            signal = str(error.errors()[0]["msg"])
        if isinstance(signal, str):
            log.warning("openadr2.not_handed_on", ven_name=name, event_id=event_id, reason=signal)
            return None
        there = f"{event_id}.{count}"

        async def answered(ven_id: str, event_id: str, opt_type: str) -> None:
            log.info("openadr2.answered", ven_name=ven_id, event_id=event_id, opt=opt_type)
            self._answered[ven_id, event_id] = opt_type

        intervals = [{"dtstart": one.start, "duration": one.duration, "signal_payload": one.value} for one in signal.intervals]
        self.server.add_event(name, signal.name, signal.type, intervals, callback=answered, event_id=there)
        return there

    def _withdraw(self, name: str, event_id: str) -> None:
        _, there = self._seen.get((name, event_id), ("", None))
        if there is not None:
            self.server.cancel_event(name, there)

    async def _report(self, name: str, client: VtnClient, events: Mapping[str, Any]) -> Gone | None:
        places = {there: event_id for (of, event_id), (_, there) in self._seen.items() if of == name and there is not None}
        for of, there in list(self._answered):
            if of != name or places.get(there) not in events:
                continue
            opt = self._answered[of, there]
            state = {"type": "OPERATING_STATE", "values": ["NORMAL" if opt == "optIn" else "IDLE_OPTED_OUT"]}
            resource = {"resourceName": name, "intervals": [{"id": 0, "payloads": [state]}]}
            body = {"eventID": places[there], "clientName": name, "reportName": opt, "resources": [resource]}
            answer = await client.ask("POST", "/reports", body=body)
            if isinstance(answer, Gone):
                return answer
            del self._answered[of, there]
        return None


async def run_bridge(settings: BridgeSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves until cancelled.

    Raises:
        SettingsError: The library is not installed, a secret cannot be read, or the address is taken.
    """
    try:
        from openleadr import OpenADRServer  # type: ignore[import-untyped]  # it says no types
    except ImportError as error:
        raise SettingsError([f"openadr2: {error}; pip install 'chifeng-vpp[openadr2]'"]) from error
    server = OpenADRServer(
        vtn_id=settings.vtn_id,
        http_host=settings.host,
        http_port=settings.port,
        requested_poll_freq=timedelta(seconds=settings.poll_s),
        show_fingerprint=False,
    )
    async with httpx.AsyncClient(trust_env=False) as http:
        clients = {
            site.ven_name: VtnClient(
                http,
                settings.vtn_url.rstrip("/"),
                Credentials(
                    client_id=site.client_id, secret=secret_in(site.client_secret_file), basic=False, scope=None, token_url=None
                ),
                monotonic,
                WallClock().now,
            )
            for site in settings.sites
        }
        bridge = Bridge(settings, server, clients, WallClock().now)
        server.add_handler("on_create_party_registration", bridge.register)
        try:
            await server.run()
        except OSError as error:
            raise SettingsError([f"openadr2: {settings.host}:{settings.port}: {error.strerror or error}"]) from error
        try:
            if on_ready is not None:
                on_ready(f"openadr2 http://{settings.host}:{settings.port}" + server.http_path_prefix)
            await bridge.run()
        finally:
            await server.stop()
