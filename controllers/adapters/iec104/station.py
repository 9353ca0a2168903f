"""The station on the wire. The only module that loads the protocol's library (c104, GPL-3): it runs in a process of its own."""

# No `from __future__ import annotations` here: the library compares the annotations of its callbacks with its own classes.
import asyncio
import math
import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import c104
import structlog

from controllers.adapters.grid_door import STANDING, Away, GridDoor, Refused
from controllers.adapters.iec104.hands import OVER, Hands
from controllers.adapters.iec104.points import PARK, Kind, Point, points_of
from controllers.adapters.iec104.settings import StationSettings
from controllers.adapters.iec104.tls import front
from controllers.api.ledger_facts import EventFacts
from controllers.api.live_state import LiveState
from controllers.api.offer import Offer
from controllers.clock import WallClock
from vpp.errors import SettingsError
from vpp.park import Park
from vpp.units import MS_PER_S

__all__ = ["Station", "values_of"]

log = structlog.get_logger(__name__)

_WHO: Final = "iec104.station"
#: A confirmation that takes longer than this is a negative one.
_ANSWER_S: Final = 8.0
_HEARD_S: Final = 120.0
_FRESH_S: Final = 30.0
#: An own clock that differs more from the master's is worth a word.
_SKEW_S: Final = 1.0
_LOWERS: Final = frozenset({"peak", "import_limit", "emergency"})
_QUARTER_H, _HOUR_H = 0.25, 1.0


def values_of(
    live: LiveState, offer: Offer | None, events: tuple[EventFacts, ...], subject: str
) -> dict[str, float | bool | None]:
    """All that is told of one subject by the names of its points; None for what is not known.

    Args:
        live: The park at this moment.
        offer: What could be called.
        events: Calls that are not over.
        subject: `vpp` or a connection.
    """
    rows = [c for c in live.connections if c.to == "grid" and subject in (PARK, c.id)]
    offers = [] if offer is None else [o for o in offer.connections if subject in (PARK, o.connection)]
    # A call at one cluster's own meter says nothing of a connection's power; it has no points here.
    mine = [e for e in events if e.asset is None and subject in (PARK, e.connection)]
    running = [e for e in mine if e.state == "running"]
    heard = live.controller_heard_at
    fresh = [c for c in rows if c.measured_at is not None and (live.at - c.measured_at).total_seconds() <= _FRESH_S]
    found: dict[str, float | bool | None] = {
        "measured": bool(rows) and len(fresh) == len(rows),
        "controlled": heard is not None and (live.at - heard).total_seconds() <= _HEARD_S,
        "called": bool(mine),
        "running": bool(running),
        "emergency": any(e.kind == "emergency" for e in running),
        "import_mw": _sum([c.import_mw for c in rows]),
        "planned_mw": _sum([c.planned_mw for c in rows]),
        "target_mw": _target(running) if subject != PARK else None,
        "import_limit_mw": _sum([c.import_limit_mw for c in rows]),
        "export_limit_mw": _sum([c.export_limit_mw for c in rows]),
        "frequency_hz": rows[0].frequency_hz if rows else None,
        "voltage_kv": rows[0].voltage_kv if rows else None,
    }
    for name, length_h in (("15min", _QUARTER_H), ("1h", _HOUR_H)):
        hours = [next((h for h in row.horizons if h.duration_h == length_h), None) for row in offers]
        found[f"give_{name}_mw"] = _sum([None if h is None else h.give_mw for h in hours])
        found[f"take_{name}_mw"] = _sum([None if h is None else h.take_mw for h in hours])
    return found


def _sum(values: list[float | None]) -> float | None:
    """A sum of which a part is not known is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if values and len(known) == len(values) else None


def _target(running: list[EventFacts]) -> float | None:
    """What binds first: the lowest of the upper targets, else the highest of the lower ones."""
    uppers = [e.target_mw for e in running if e.kind in _LOWERS]
    lowers = [e.target_mw for e in running if e.kind not in _LOWERS]
    return min(uppers) if uppers else max(lowers) if lowers else None


@dataclass(slots=True)
class Station:
    """One station for one park.

    Args:
        park: Whose points.
        settings: How.
        door: To the service.
        clock: Real time, to compare with the master's.
        offset_s: How far the master's clock was ahead of ours at its last synchronisation.
    """

    park: Park
    settings: StationSettings
    door: GridDoor
    clock: WallClock = field(default_factory=WallClock)
    offset_s: float | None = None
    _behind: int = 0
    _points: dict[tuple[str, str, Kind], Any] = field(default_factory=dict)
    _shown: dict[tuple[str, str, Kind], float | bool | None] = field(default_factory=dict)

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serves until cancelled.

        Raises:
            SettingsError: The address is taken, or a certificate cannot be read.
        """
        hands = Hands(self.door, self.settings, [str(c.id) for c in self.park.connections if c.is_grid])
        known = await self.door.events(_WHO, STANDING)
        if not isinstance(known, Refused | Away):
            hands.remember(known.events)
        settings = self.settings
        if settings.tls is not None:
            self._behind = _free_port()
        server = self._server(hands, asyncio.get_running_loop())
        await self._scan(hands, {})
        before: asyncio.Server | None = None
        try:
            server.start()
            if settings.tls is not None:
                before = await front(settings.tls, (settings.host, settings.port), self._behind, settings.masters)
        except RuntimeError as error:
            raise SettingsError([f"iec104: {settings.host}:{settings.port}: {error}"]) from error
        log.info("iec104.ready", host=self.settings.host, port=self.settings.port, points=len(self._points))
        try:
            if on_ready is not None:
                on_ready()
            await self._keep(hands)
        finally:
            if before is not None:
                before.close()
            await asyncio.to_thread(server.stop)

    async def _keep(self, hands: Hands) -> None:
        loop = asyncio.get_running_loop()
        due_s = 0.0
        while True:
            offered = {}
            if loop.time() >= due_s:
                offer = await self.door.offer(_WHO)
                offered = {} if isinstance(offer, Refused | Away) else {"offer": offer}
                due_s = loop.time() + self.settings.offer_s
            await self._scan(hands, offered)
            await asyncio.sleep(self.settings.scan_s)

    async def _scan(self, hands: Hands, offered: Mapping[str, Offer]) -> None:
        """Once: fetches, and tells what has changed. A service that is away makes every value invalid, never an old one good."""
        hands.offer = offered.get("offer", hands.offer)
        live, events = await self.door.live(_WHO), await self.door.events(_WHO, (*STANDING, "refused"))
        if isinstance(live, Refused | Away) or isinstance(events, Refused | Away):
            log.warning("iec104.service_away")
            for key in self._points:
                self._show(key, None)
            return
        hands.live = live
        hands.hear([event for event in events.events if event.state == "refused"])
        alive = tuple(event for event in events.events if event.state not in OVER)
        for subject in (PARK, *hands.connections):
            values = values_of(live, hands.offer, alive, subject)
            values["refused"] = hands.refused.get(subject, False)
            for of, name, kind in self._points:
                if of == subject and kind in (Kind.MEASURED, Kind.SIGNAL):
                    self._show((of, name, kind), values.get(name))

    def _show(self, key: tuple[str, str, Kind], value: float | bool | None) -> None:
        kind = key[2]
        if kind not in (Kind.MEASURED, Kind.SIGNAL) or not self._is_news(key, value):
            return
        self._shown[key] = value
        quality = c104.Quality.Invalid if value is None else c104.Quality()
        point = self._points[key]
        if kind is Kind.SIGNAL:
            point.info = c104.SingleInfo(on=bool(value), quality=quality)
        else:
            point.info = c104.ShortInfo(actual=float(value or 0.0), quality=quality)
        point.transmit(cause=c104.Cot.SPONTANEOUS)

    def _is_news(self, key: tuple[str, str, Kind], value: float | bool | None) -> bool:
        if key not in self._shown:
            return True
        before = self._shown[key]
        if before is None or value is None or isinstance(value, bool) or not key[1].endswith("_mw"):
            return before != value
        return not math.isclose(before, value, rel_tol=0.0, abs_tol=self.settings.deadband_mw)

    def _server(self, hands: Hands, loop: asyncio.AbstractEventLoop) -> Any:
        settings = self.settings
        host, port = (settings.host, settings.port) if settings.tls is None else ("127.0.0.1", self._behind)
        server = c104.Server(ip=host, port=port, select_timeout_ms=int(settings.select_s * MS_PER_S))
        station = server.add_station(common_address=settings.common_address)

        def on_connect(server: c104.Server, ip: str) -> bool:
            # Behind TLS only the front on this machine comes here; it has looked who is before it.
            taken = ip in (settings.masters if settings.tls is None else ("127.0.0.1",))
            log.info("iec104.master", ip=ip, taken=taken)
            return taken

        def on_clock(server: c104.Server, ip: str, date_time: datetime) -> c104.ResponseState:
            there = date_time if date_time.tzinfo is not None else date_time.replace(tzinfo=UTC)
            self.offset_s = (there - self.clock.now()).total_seconds()
            # This machine's clock is kept by its own time service; a wrong one is told, not followed.
            if abs(self.offset_s) > _SKEW_S:
                log.warning("iec104.clocks_differ", master_ahead_s=round(self.offset_s, 3))
            return c104.ResponseState.SUCCESS

        server.on_connect(callable=on_connect)
        server.on_clock_sync(callable=on_clock)
        for row in points_of(self.park):
            self._points[row.subject, row.name, row.kind] = self._add(station, row, hands, loop)
        return server

    def _add(self, station: Any, row: Point, hands: Hands, loop: asyncio.AbstractEventLoop) -> Any:
        kind = getattr(c104.Type, row.kind)
        if row.kind in (Kind.SIGNAL, Kind.MEASURED):
            return station.add_point(io_address=row.address, type=kind)
        point = station.add_point(io_address=row.address, type=kind, command_mode=c104.CommandMode.SELECT_AND_EXECUTE)

        def on_receive(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
            if message.is_select_command:
                return c104.ResponseState.SUCCESS
            who = f"iec104.master.{message.originator_address}"
            work = _work(hands, row, point.value, who)
            future = asyncio.run_coroutine_threadsafe(work, loop)
            try:
                done = future.result(_ANSWER_S)
            except TimeoutError:
                future.cancel()
                done = False
            log.info("iec104.command", subject=row.subject, name=row.name, done=done, who=who)
            return c104.ResponseState.SUCCESS if done else c104.ResponseState.FAILURE

        point.on_receive(callable=on_receive)
        return point


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _work(hands: Hands, row: Point, value: Any, who: str) -> Coroutine[Any, Any, bool]:
    """What a command does."""
    if row.kind is Kind.SETPOINT:
        number = float(value)
        return hands.set_target(row.subject, number, who) if row.name == "target_mw" else hands.set_hold(row.subject, number, who)
    if row.name == "emergency":
        return hands.emergency(row.subject, bool(value), who)
    if not bool(value):
        # OFF of a start or a stop asks for nothing.
        return _nothing()
    return hands.start(row.subject, who) if row.name == "start" else hands.stop(row.subject, who)


async def _nothing() -> bool:
    return True
