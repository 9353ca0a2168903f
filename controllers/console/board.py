"""The last word of everybody in the park, kept as it comes over the bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controllers.bus.base import Bus
from controllers.console.alarms import standing_alarms
from controllers.console.flows import area_flows, green_shares
from controllers.console.frame import AreaFlows, AreaFrame, AssetFrame, BoardFrame, BrokerFrame, ControllerFrame
from controllers.console.history import History
from controllers.console.journal import Journal
from controllers.console.palette import Mode
from controllers.console.receipts import Receipts, lease_end
from vpp.park import Area, Asset, Park
from vpp.wire.backlog import read_backlog
from vpp.wire.codec import decode
from vpp.wire.messages import (
    Ack,
    Backlog,
    Command,
    ComputeShift,
    ComputeTelemetry,
    ForecastCurrent,
    GridMeasurement,
    PlanCurrent,
    Status,
    Telemetry,
)
from vpp.wire.topics import Channel, filter_of, parse

__all__ = ["Board"]

_RETAINED: Final = frozenset(
    {
        Channel.ASSET_STATUS,
        Channel.COMPUTE_SHIFT,
        Channel.COMPUTE_BACKLOG,
        Channel.PLAN_CURRENT,
        Channel.FORECAST_CURRENT,
    }
)


class Board:
    """Listens to everything and says nothing; handlers only store.

    What is late is judged by the times that devices wrote into their messages: the board itself has no clock.

    Args:
        park: What is in service.
        bus: Where to listen; one subscription a channel.
        silent_after: A device whose last reading is older is silent.
    """

    def __init__(self, park: Park, bus: Bus, silent_after: timedelta = timedelta(seconds=45)) -> None:
        self._park, self._bus, self._silent_after = park, bus, silent_after
        self._telemetry: dict[str, Telemetry | ComputeTelemetry] = {}
        self._status: dict[str, Status] = {}
        self._shifts: dict[str, ComputeShift] = {}
        self._backlogs: dict[str, Backlog] = {}
        self._grid: dict[str, GridMeasurement] = {}
        self._plan: PlanCurrent | None = None
        self._forecast: ForecastCurrent | None = None
        self._heard_at: datetime | None = None
        self._receipts, self._history, self._journal = Receipts(), History(park), Journal(park)
        for channel, handler in (
            (Channel.ASSET_TELEMETRY, self._on_telemetry),
            (Channel.ASSET_STATUS, self._on_status),
            (Channel.ASSET_COMMAND, self._on_command),
            (Channel.ASSET_ACK, self._on_ack),
            (Channel.COMPUTE_TELEMETRY, self._on_cluster),
            (Channel.COMPUTE_SHIFT, self._on_shift),
            (Channel.COMPUTE_BACKLOG, self._on_backlog),
            (Channel.GRID_MEASUREMENT, self._on_grid),
            (Channel.PLAN_CURRENT, self._on_plan),
            (Channel.FORECAST_CURRENT, self._on_forecast),
        ):
            bus.subscribe(filter_of(park.id, channel), handler, qos=1 if channel in _RETAINED else 0)

    def frame(self, now: datetime) -> BoardFrame:
        """The park at an instant, as far as it was heard; changes nothing."""
        assets = {asset.id: self._asset(asset, now) for asset in self._park.assets}
        known: dict[str, float] = {i: frame.known_mw for i, frame in assets.items() if frame.known_mw is not None}
        flowing = {i: m.import_mw for i, m in self._grid.items() if now - m.measured_at <= self._silent_after}
        flows = {f.area: f for f in area_flows(self._park, known, flowing)}
        green = green_shares(self._park, tuple(flows.values()), flowing)
        areas = tuple(
            self._area(area, flows[area.id], green[area.id], tuple(assets[a.id] for a in self._park.assets_of(area=area.id)), now)
            for area in self._park.areas
        )
        frame = BoardFrame(
            at=now,
            name=self._park.name,
            name_zh=self._park.site.name_zh,
            zone=self._park.zone,
            areas=areas,
            grid_connections=frozenset(c.id for c in self._park.connections if c.is_grid),
            past=self._history.moments(),
            plan=self._plan,
            forecast=self._forecast,
            broker=self._broker(),
            controller=self._controller(now),
            alarms=(),
        )
        return replace(frame, alarms=(*standing_alarms(frame, self._park, flowing), *self._journal.latest()))

    def _asset(self, asset: Asset, now: datetime) -> AssetFrame:
        report = self._telemetry.get(asset.id)
        return AssetFrame(
            asset=asset,
            mode=self._mode(asset, report, now),
            heard_at=None if report is None else report.measured_at,
            report=report,
            orders=self._receipts.orders(asset.id, report if isinstance(report, Telemetry) else None),
            shift=self._shifts.get(asset.id),
            backlog=self._backlogs.get(asset.id),
        )

    def _mode(self, asset: Asset, report: Telemetry | ComputeTelemetry | None, now: datetime) -> Mode:
        """A cluster says no status; for the others the status counts, and silence over it."""
        status = self._status.get(asset.id)
        if status is not None and not status.online:
            return Mode.OFFLINE
        if report is None:
            return Mode.AWAITED
        if now - report.measured_at > self._silent_after:
            return Mode.SILENT
        if status is None or status.mode == "remote":
            return Mode.ONLINE
        return Mode.LOCAL if status.mode == "local" else Mode.FAULT

    def _area(
        self, area: Area, flows: AreaFlows, green_frac: float | None, assets: Sequence[AssetFrame], now: datetime
    ) -> AreaFrame:
        in_force = [order.command for asset in assets for order in asset.orders if now <= lease_end(order.command)]
        priced = [command for command in in_force if command.reason.price_cny_per_mwh is not None]
        newest = max(priced, key=lambda command: command.issued_at, default=None)
        return AreaFrame(
            area=area,
            flows=flows,
            green_share_frac=green_frac,
            price_cny_per_mwh=None if newest is None else newest.reason.price_cny_per_mwh,
            assets=tuple(assets),
        )

    def _broker(self) -> BrokerFrame:
        counters = self._bus.counters
        return BrokerFrame(
            connected=self._bus.connected,
            delivered=counters.delivered,
            dropped=counters.dropped,
            malformed=sum(counters.malformed.values()),
        )

    def _controller(self, now: datetime) -> ControllerFrame:
        """A command that follows from another plan than the published one tells which is followed now."""
        plan, newest = self._plan, self._receipts.newest()
        other = newest is not None and (plan is None or (newest.plan_id != plan.plan_id and newest.issued_at > plan.issued_at))
        if newest is not None and other:
            plan_id, source, since, gap = newest.plan_id, newest.plan_id.partition(".")[0], newest.issued_at, None
        elif plan is not None:
            plan_id, source, since, gap = plan.plan_id, plan.source, plan.issued_at, plan.gap_frac
        else:
            plan_id, source, since, gap = "", "", None, None
        return ControllerFrame(
            plan_id=plan_id,
            source=source,
            age_s=None if since is None else max((now - since).total_seconds(), 0.0),
            gap_frac=gap,
            heard_at=self._heard_at,
            ack_frac=self._receipts.ack_frac(now),
            ack_delay_s=self._receipts.ack_delay_s(),
        )

    def _on_telemetry(self, topic: str, payload: bytes) -> None:
        self._measured(parse(topic).subject, decode(Telemetry, topic, payload))

    def _on_cluster(self, topic: str, payload: bytes) -> None:
        self._measured(parse(topic).subject, decode(ComputeTelemetry, topic, payload))

    def _measured(self, asset_id: str, said: Telemetry | ComputeTelemetry) -> None:
        last = self._telemetry.get(asset_id)
        # Readings buffered during an outage come late and in any order; they fill the past, the present is the newest.
        if last is None or said.measured_at >= last.measured_at:
            self._telemetry[asset_id] = said
        self._history.asset(said.measured_at, asset_id, said.power_mw)

    def _on_status(self, topic: str, payload: bytes) -> None:
        asset_id, said = parse(topic).subject, decode(Status, topic, payload)
        self._journal.status(asset_id, self._status.get(asset_id), said)
        self._status[asset_id] = said

    def _on_command(self, topic: str, payload: bytes) -> None:
        command = decode(Command, topic, payload)
        self._receipts.command(parse(topic).subject, command)
        self._issued(command.issued_at)

    def _on_ack(self, topic: str, payload: bytes) -> None:
        asset_id, ack = parse(topic).subject, decode(Ack, topic, payload)
        self._receipts.ack(asset_id, ack)
        self._journal.ack(asset_id, ack)

    def _on_shift(self, topic: str, payload: bytes) -> None:
        shift = decode(ComputeShift, topic, payload)
        self._shifts[parse(topic).subject] = shift
        self._issued(shift.issued_at)

    def _on_backlog(self, topic: str, payload: bytes) -> None:
        self._backlogs[parse(topic).subject] = read_backlog(topic, payload)[0]

    def _on_grid(self, topic: str, payload: bytes) -> None:
        connection, said = parse(topic).subject, decode(GridMeasurement, topic, payload)
        last = self._grid.get(connection)
        if last is None or said.measured_at >= last.measured_at:
            self._grid[connection] = said
        self._history.connection(said.measured_at, connection, said.import_mw)

    def _on_plan(self, topic: str, payload: bytes) -> None:
        self._plan = decode(PlanCurrent, topic, payload)
        self._issued(self._plan.issued_at)

    def _on_forecast(self, topic: str, payload: bytes) -> None:
        self._forecast = decode(ForecastCurrent, topic, payload)
        self._issued(self._forecast.issued_at)

    def _issued(self, at: datetime) -> None:
        if self._heard_at is None or at > self._heard_at:
            self._heard_at = at
