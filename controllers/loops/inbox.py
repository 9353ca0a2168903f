"""What the wire has said, kept as the last word of every device, and handed out as frozen snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import Final

from controllers.bus.base import Bus, Handler
from controllers.dispatch.events import EventBook
from controllers.dispatch.snapshot import ClusterReport, Reported, Snapshot, Work
from controllers.loops.ear import Deaf, Ear
from forecasting.arrival_outlook import ArrivalOutlook
from vpp.events import Event, Override
from vpp.ids import AssetId, ConnectionId
from vpp.spot import SpotPrices
from vpp.timegrid import TimeGrid
from vpp.wire.backlog import read_backlog
from vpp.wire.codec import decode
from vpp.wire.messages import (
    Ack,
    Backlog,
    ComputeTelemetry,
    GridEvent,
    GridMeasurement,
    GridPrice,
    RefusedItem,
    Status,
    Telemetry,
)
from vpp.wire.topics import Channel, filter_of, parse

__all__ = ["Inbox", "InboxSettings"]

#: Channels whose last word the broker keeps for whoever joins late, and must not lose.
_KEPT: Final = frozenset({Channel.ASSET_STATUS, Channel.GRID_EVENT, Channel.GRID_PRICE})


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """How old a report may be before its sender counts as silent."""

    silent_after: timedelta = timedelta(seconds=45)


class Inbox:
    """Subscribes once; every handler only stores.

    Args:
        bus: Where it listens.
        park: The park's id.
        now: The clock's `now`, for what is overdue.
        settings: See `InboxSettings`.
        on_ack: Told of every ack, for whoever waits for it.
        on_event: Told of every call of the grid, to answer it; false if it was refused. Without it every call is taken.
    """

    def __init__(
        self,
        bus: Bus,
        park: str,
        now: Callable[[], datetime],
        settings: InboxSettings | None = None,
        on_ack: Callable[[AssetId, Ack], None] | None = None,
        on_event: Callable[[ConnectionId, GridEvent], bool] | None = None,
    ) -> None:
        self._now, self._settings = now, settings or InboxSettings()
        self._on_ack, self._on_event = on_ack, on_event
        #: Who listens beside, who is told of news that matter, and of every reading of a connection.
        self.ear: Ear = Deaf()
        self.on_change: Callable[[], None] = _nothing
        self.on_measured: Callable[[ConnectionId, GridMeasurement], None] = _nobody
        #: Told of every call that was booked, changed or taken back, before anybody else acts on it.
        self.on_booked: Callable[[], None] = _nothing
        #: Told of every word of a cluster, and who knows what is expected to come to it.
        self.on_cluster: Callable[[AssetId, ComputeTelemetry], None] = _no_cluster
        #: Told of every backlog, with what of it was refused.
        self.on_backlog: Callable[[AssetId, Backlog, tuple[RefusedItem, ...]], None] = _no_backlog
        self.arriving: Callable[[AssetId, datetime], ArrivalOutlook | None] = _nothing_known
        #: Change of power that is news, by asset; one that is not here is none. [MW]
        self.matters_mw: Mapping[AssetId, float] = {}
        #: Devices that have not answered in time: they count with what they do, not with what they were told.
        self.doubtful: Callable[[], frozenset[AssetId]] = frozenset
        self._overrides: tuple[Override, ...] = ()
        self._events = EventBook({})
        self._spot: dict[ConnectionId, SpotPrices] = {}
        self._last: Snapshot | None = None
        self._telemetry: dict[AssetId, Telemetry] = {}
        self._taken: dict[str, datetime] = {}
        #: What was made of the words below, until one of them changes.
        self._reports: dict[AssetId, Reported] = {}
        self._heard: dict[str, datetime] = {}
        self._status: dict[AssetId, Status] = {}
        self._acks: dict[AssetId, Ack] = {}
        self._clusters: dict[AssetId, ComputeTelemetry] = {}
        self._backlogs: dict[AssetId, Backlog] = {}
        self._work: dict[AssetId, tuple[Work, ...]] = {}
        self._grid: dict[ConnectionId, GridMeasurement] = {}
        self._measured: dict[ConnectionId, datetime] = {}
        for channel, handler in (
            (Channel.ASSET_TELEMETRY, self._on_telemetry),
            (Channel.ASSET_STATUS, self._on_status),
            (Channel.ASSET_ACK, self._on_ack_message),
            (Channel.COMPUTE_TELEMETRY, self._on_cluster),
            (Channel.COMPUTE_BACKLOG, self._on_backlog),
            (Channel.GRID_MEASUREMENT, self._on_grid),
            (Channel.GRID_EVENT, self._on_grid_event),
            (Channel.GRID_PRICE, self._on_price),
        ):
            bus.subscribe(filter_of(park, channel), self._news(handler), qos=1 if channel in _KEPT else 0)

    def _news(self, handler: Handler) -> Handler:
        """The handler, after which the last snapshot is out of date."""

        def take(topic: str, payload: bytes) -> None:
            self._last = None
            handler(topic, payload)

        return take

    def decided(self, overrides: Iterable[Override]) -> None:
        """What people have decided, all of it; the next snapshot knows."""
        self._overrides, self._last = tuple(overrides), None

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        """Books a call that came another way than over the bus."""
        self._events, self._last = self._noted(self._events.taken(said, connection, self._now()), connection), None
        self.on_booked()
        self.on_change()

    def events_at(self, at: datetime) -> tuple[Event, ...]:
        """Calls of the grid that bind at an instant or later."""
        return self._events.open_at(at)

    def judged(self, connection: ConnectionId, said: GridEvent) -> None:
        """Books the terms that were accepted of a call, in the place of the caller's."""
        taken = self._events.taken(said, connection, self._now(), judged=True)
        self._events, self._last = self._noted(taken, connection), None
        self.on_booked()
        self.on_change()

    def _noted(self, book: EventBook, connection: ConnectionId) -> EventBook:
        """With what a connection draws, as long as that was read a short while ago."""
        now, read_at = self._now(), self._measured.get(connection)
        if read_at is None or read_at < now - self._settings.silent_after:
            return book
        return book.noted(connection, self._grid[connection].import_mw, now)

    def refused(self, event_id: str, revision: int) -> None:
        """A call that was booked before it was judged does not bind any more."""
        self._events, self._last = self._events.refused(event_id, revision), None
        self.on_booked()
        self.on_change()

    def has_heard(self, assets: Iterable[AssetId]) -> bool:
        """Whether every one of these devices and clusters has spoken since this was made."""
        return all(asset_id in self._heard for asset_id in assets)

    def snapshot(self, at: datetime) -> Snapshot:
        """Everything fresh, as of `at`; who is overdue is named, not guessed.

        Two loops that look at one instant get the same one, as long as nothing was said between.
        """
        if self._last is not None and self._last.at == at:
            return self._last
        since = at - self._settings.silent_after
        silent = frozenset(AssetId(who) for who, heard in self._heard.items() if heard < since)
        assets = {i: self._reports.get(i) or self._reported(i, t) for i, t in self._telemetry.items() if i not in silent}
        for asset_id in self.doubtful() & assets.keys():
            assets[asset_id] = replace(assets[asset_id], follows=False, confirmed_mw=None)
        self._last = Snapshot(
            at=at,
            assets=assets,
            clusters={i: self._cluster(i, t) for i, t in self._clusters.items() if i not in silent},
            import_mw={i: m.import_mw for i, m in self._grid.items() if self._measured[i] >= since},
            silent=silent,
            events=self._events.open_at(at),
            spot=dict(self._spot),
            recovering=self._events.recovering_at(at),
            before_mw=self._events.drawn_before(at),
            overrides=(*(o for o in self._overrides if o.end is None or at < o.end), *self._events.pins_at(at)),
        )
        return self._last

    def _reported(self, asset_id: AssetId, telemetry: Telemetry) -> Reported:
        status, ack = self._status.get(asset_id), self._acks.get(asset_id)
        refused = ack is not None and ack.outcome == "rejected"
        report = self._reports[asset_id] = Reported(
            measured_at=telemetry.measured_at,
            power_mw=telemetry.power_mw,
            available_mw=telemetry.available_mw,
            state=telemetry.state,
            online=status is not None and status.online and status.mode == "remote",
            confirmed_mw=None if ack is None or refused else ack.power_mw,
            follows=not refused,
        )
        return report

    def _cluster(self, cluster: AssetId, telemetry: ComputeTelemetry) -> ClusterReport:
        backlog = self._backlogs.get(cluster)
        return ClusterReport(
            measured_at=telemetry.measured_at,
            power_mw=telemetry.power_mw,
            state=telemetry.state,
            work=self._work.get(cluster, ()),
            fast_band_mw=0.0 if backlog is None else backlog.fast_band_mw,
            arriving=self.arriving(cluster, self._now()),
        )

    def _on_telemetry(self, topic: str, payload: bytes) -> None:
        asset_id = AssetId(parse(topic).subject)
        said = decode(Telemetry, topic, payload)
        last = self._telemetry.get(asset_id)
        if self._is_news(asset_id, said.measured_at, None if last is None else last.measured_at):
            self._telemetry[asset_id] = said
            self._reports.pop(asset_id, None)
            if last is None or self._matters(asset_id, last, said):
                self.on_change()
        self.ear.telemetry(asset_id, said)

    def _matters(self, asset_id: AssetId, last: Telemetry, said: Telemetry) -> bool:
        """Whether others should move because of it: not where a device only goes where it was told to go."""
        news_mw = self.matters_mw.get(asset_id, inf)
        if abs((said.available_mw or 0.0) - (last.available_mw or 0.0)) > news_mw:
            return True
        if abs(said.power_mw - last.power_mw) <= news_mw:
            return False
        ack = self._acks.get(asset_id)
        if ack is None or ack.power_mw is None:
            return True
        return abs(said.power_mw - ack.power_mw) > abs(last.power_mw - ack.power_mw)

    def _is_news(self, who: str, measured_at: datetime, last_at: datetime | None) -> bool:
        """Whether a reading replaces the one that is held.

        Readings buffered during an outage arrive late and in any order; the newest stays. But a device whose clock was set
        back sends nothing newer for as long as it had been ahead: when nothing newer has come for a while, its word counts.
        """
        now = self._now()
        self._heard[who] = now
        taken = self._taken.get(who)
        if last_at is not None and taken is not None and measured_at < last_at and now - taken < self._settings.silent_after / 3:
            return False
        self._taken[who] = now
        return True

    def _on_status(self, topic: str, payload: bytes) -> None:
        asset_id, said = AssetId(parse(topic).subject), decode(Status, topic, payload)
        last = self._status.get(asset_id)
        self._status[asset_id] = said
        self._reports.pop(asset_id, None)
        if last is None or (last.online, last.mode) != (said.online, said.mode):
            self.on_change()
        self.ear.status(asset_id, said)

    def _on_ack_message(self, topic: str, payload: bytes) -> None:
        asset_id, ack = AssetId(parse(topic).subject), decode(Ack, topic, payload)
        last = self._acks.get(asset_id)
        if last is None or (ack.epoch, ack.seq) >= (last.epoch, last.seq):
            self._acks[asset_id] = ack
            self._reports.pop(asset_id, None)
            if ack.outcome == "rejected" and (last is None or last.outcome != "rejected"):
                self.on_change()
        if self._on_ack is not None:
            self._on_ack(asset_id, ack)
        self.ear.acknowledged(asset_id, ack)

    def _on_cluster(self, topic: str, payload: bytes) -> None:
        cluster = AssetId(parse(topic).subject)
        said = decode(ComputeTelemetry, topic, payload)
        last = self._clusters.get(cluster)
        if self._is_news(cluster, said.measured_at, None if last is None else last.measured_at):
            self._clusters[cluster] = said
            if last is None or abs(said.power_mw - last.power_mw) > self.matters_mw.get(cluster, inf):
                self.on_change()
        self.on_cluster(cluster, said)
        self.ear.cluster(cluster, said)

    def _on_backlog(self, topic: str, payload: bytes) -> None:
        cluster, (said, refused) = AssetId(parse(topic).subject), read_backlog(topic, payload)
        self.on_backlog(cluster, said, refused)
        self._backlogs[cluster] = said
        self._work[cluster] = tuple(
            Work(item.job_class, item.energy_mwh, item.release, item.deadline, item.max_mw)
            for item in said.items
            if item.energy_mwh is not None
        )

    def _on_grid(self, topic: str, payload: bytes) -> None:
        connection, said = ConnectionId(parse(topic).subject), decode(GridMeasurement, topic, payload)
        last = self._grid.get(connection)
        if last is None or said.measured_at >= last.measured_at:
            self._grid[connection] = said
            self._measured[connection] = self._now()
            self._events = self._noted(self._events, connection)
            self.on_measured(connection, said)
        self.ear.measured(connection, said)

    def _on_grid_event(self, topic: str, payload: bytes) -> None:
        connection, said = ConnectionId(parse(topic).subject), decode(GridEvent, topic, payload)
        self.ear.called(connection, said)
        if self._on_event is None or self._on_event(connection, said):
            before = self._events.events.get(said.event_id)
            self._events = self._noted(self._events.taken(said, connection, self._now()), connection)
            if before is None or before.revision < said.revision:
                self.on_booked()
                self.on_change()

    def _on_price(self, topic: str, payload: bytes) -> None:
        connection, said = ConnectionId(parse(topic).subject), decode(GridPrice, topic, payload)
        self._spot[connection] = SpotPrices(TimeGrid(said.edges), said.energy_cny_per_mwh)


def _nothing() -> None:
    """Nobody waits for news."""


def _no_cluster(cluster: AssetId, said: ComputeTelemetry) -> None:
    """Nobody counts."""


def _no_backlog(cluster: AssetId, said: Backlog, refused: tuple[RefusedItem, ...]) -> None:
    """Nobody answers."""


def _nothing_known(cluster: AssetId, at: datetime) -> ArrivalOutlook | None:
    """Nobody expects anything."""
    return None


def _nobody(connection: ConnectionId, said: GridMeasurement) -> None:
    """Nobody guards."""
