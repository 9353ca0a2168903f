"""The grid's own station beside the park: it measures connections, calls events and hears what the park answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from controllers.bus.base import Bus
from sim_harness.grid.conditions import Call
from sim_harness.grid.meters import Meters
from sim_harness.grid.surroundings import Surroundings
from vpp.ids import AreaId, ConnectionId
from vpp.park.schema import Park
from vpp.wire.codec import decode, encode
from vpp.wire.messages import GridEvent, GridEventAnswer, GridMeasurement, GridPrice
from vpp.wire.topics import Channel, filter_of, topic_of

__all__ = ["Answered", "GridGateway"]

log = structlog.get_logger(__name__)
#: A call without an answer is said again after this, one that was answered now and then until it is over: the broker keeps one
#: message a connection for whoever joins late, and two calls may stand on one.
_REPEAT: Final = timedelta(seconds=10)
_REMIND: Final = timedelta(minutes=1)
#: Nobody has answered for this long: someone should look.
_ALARM_AFTER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Answered:
    """What the park said to one revision of a call, and when it arrived (UTC)."""

    at: datetime
    answer: GridEventAnswer


class GridGateway:
    """Speaks for all connections of a park.

    Args:
        bus: Where it speaks.
        park: As of the run's day.
        grid: What it measures and what is called.
        seed: Of the meters; None for meters without error.
    """

    def __init__(self, bus: Bus, park: Park, grid: Surroundings, seed: int | None) -> None:
        self._bus, self._park, self._grid = bus, park, grid
        self._meters = Meters((c.id for c in park.connections), seed)
        self._areas: dict[ConnectionId, AreaId] = {c.id: c.area for c in park.connections}
        self._now: datetime | None = None
        self._next_prices = datetime.min.replace(tzinfo=UTC)
        self._said: dict[tuple[str, int], datetime] = {}
        self._first: dict[tuple[str, int], datetime] = {}
        self._alarmed: set[tuple[str, int]] = set()
        #: First answer to each revision of each call.
        self.answered: dict[tuple[str, int], Answered] = {}
        bus.subscribe(filter_of(park.id, Channel.GRID_EVENT_ANSWER), self._on_answer, qos=1)

    def report(self, at: datetime, import_mw: Mapping[ConnectionId, float]) -> None:
        """One period: a reading of every connection, and every call that is due."""
        self._now = at
        for connection, area in self._areas.items():
            shown = GridMeasurement(
                measured_at=at,
                frequency_hz=self._grid.frequency_hz(area),
                import_mw=self._meters.shown_mw(connection, import_mw.get(connection, 0.0)),
                voltage_kv=self._grid.voltage_kv(connection),
            )
            self._bus.post(topic_of(self._park.id, Channel.GRID_MEASUREMENT, connection), encode(shown))
        self._publish_prices(at)
        for call in self._grid.calls(at):
            self._call(call, at)

    def _publish_prices(self, at: datetime) -> None:
        """The day-ahead curve, once whenever another day of it is known."""
        market = self._grid.market
        if market is None or at < self._next_prices:
            return
        self._next_prices = market.next_publication(at)
        grid, price = market.published(at)
        said = encode(GridPrice(issued_at=at, edges=grid.edges, energy_cny_per_mwh=tuple(price.round(2).tolist())))
        for connection in self._park.connections:
            if connection.is_grid:
                self._bus.post(topic_of(self._park.id, Channel.GRID_PRICE, connection.id), said, qos=1, retain=True)

    def _call(self, call: Call, at: datetime) -> None:
        key = (call.event_id, call.revision)
        last = self._said.get(key)
        if last is not None and at - last < (_REMIND if key in self.answered else _REPEAT):
            return
        self._said[key] = at
        if at - self._first.setdefault(key, at) >= _ALARM_AFTER and key not in self.answered and key not in self._alarmed:
            self._alarmed.add(key)
            log.warning("grid.event.unanswered", event_id=call.event_id, revision=call.revision, connection=call.connection)
        topic = topic_of(self._park.id, Channel.GRID_EVENT, call.connection)
        self._bus.post(topic, encode(_message(call)), qos=1, retain=True)

    def _on_answer(self, topic: str, payload: bytes) -> None:
        answer = decode(GridEventAnswer, topic, payload)
        if self._now is not None:
            self.answered.setdefault((answer.event_id, answer.revision), Answered(self._now, answer))


def _message(call: Call) -> GridEvent:
    return GridEvent(
        event_id=call.event_id,
        revision=call.revision,
        kind=call.kind,
        target_mw=call.target_mw,
        change_mw=call.change_mw,
        asset=call.asset,
        start=call.start,
        end=call.end,
        issued_at=call.issued_at,
        priority=call.priority,
        confidence=call.confidence,
        cancelled=call.cancelled,
    )
