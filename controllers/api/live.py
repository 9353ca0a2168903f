"""The last word of everybody in the park, as it comes over the bus, and what has changed for whoever follows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from controllers.api.live_state import AreaLive, AssetLive, AssetMode, CommandLive, ConnectionLive, LiveState
from controllers.bus.base import Bus
from vpp.park import Asset, Park
from vpp.wire import messages as m
from vpp.wire.backlog import read_backlog
from vpp.wire.codec import decode
from vpp.wire.topics import Channel, filter_of, parse

__all__ = ["LiveView", "OnNews"]

#: Told of what has changed: the kind of thing, its id, and the message itself.
OnNews: TypeAlias = Callable[[str, str, msgspec.Struct], None]

_KEPT: Final = frozenset(
    {
        Channel.ASSET_STATUS,
        Channel.COMPUTE_SHIFT,
        Channel.COMPUTE_BACKLOG,
        Channel.GRID_PRICE,
        Channel.PLAN_CURRENT,
        Channel.FORECAST_CURRENT,
    }
)
#: Readings and answers to them may be older by this much, for clocks that differ.
_SILENT_AFTER: Final = timedelta(seconds=45)


class LiveView:
    """Listens to everything and says nothing; handlers only store, and a plan is looked into only when asked for.

    Args:
        park: What is in service.
        bus: Where to listen; one subscription a channel.
        silent_after: A device whose last reading is older is silent.
    """

    def __init__(self, park: Park, bus: Bus, silent_after: timedelta = _SILENT_AFTER) -> None:
        self._park, self._bus, self._silent_after = park, bus, silent_after
        self._assets: Mapping[str, Asset] = {a.id: a for a in park.assets}
        self._telemetry: dict[str, m.Telemetry | m.ComputeTelemetry] = {}
        self._status: dict[str, m.Status] = {}
        self._commands: dict[str, dict[str, CommandLive]] = {}
        self._order: dict[str, dict[str, tuple[int, int]]] = {}
        self._grid: dict[str, m.GridMeasurement] = {}
        self._cached: dict[str, AssetLive] = {}
        self._planned: tuple[datetime, dict[str, float]] | None = None
        #: The last signal to each cluster, its work and its prices.
        self.shifts: dict[str, m.ComputeShift] = {}
        self.backlogs: dict[str, m.Backlog] = {}
        self.responses: dict[str, m.ShiftResponse] = {}
        self.prices: dict[str, m.GridPrice] = {}
        self.plan: m.PlanCurrent | None = None
        self.forecast: m.ForecastCurrent | None = None
        self.controller_heard_at: datetime | None = None
        self.on_news: OnNews = _nobody
        self._subscribe()

    @property
    def bus(self) -> Bus:
        """Where it listens."""
        return self._bus

    def asset(self, asset_id: str, at: datetime) -> AssetLive:
        """One asset of the park at an instant."""
        known = self._cached.get(asset_id)
        planned_mw = self._plan_at(at).get(asset_id)
        mode = self._mode(asset_id, at)
        if known is None or known.mode is not mode or known.planned_mw != planned_mw:
            known = self._cached[asset_id] = self._built(self._assets[asset_id], mode, planned_mw)
        return known

    def connections(self, at: datetime) -> tuple[ConnectionLive, ...]:
        """Every connection; one whose meter has fallen silent shows no flow, rather than an old one."""
        planned = self._plan_at(at)
        found = []
        for c in self._park.connections:
            said = self._grid.get(c.id)
            fresh = said is not None and at - said.measured_at <= self._silent_after
            found.append(
                ConnectionLive(
                    id=c.id,
                    area=c.area,
                    to=c.to,
                    import_mw=said.import_mw if said is not None and fresh else None,
                    planned_mw=planned.get(c.id),
                    import_limit_mw=c.import_limit_mw,
                    export_limit_mw=c.export_limit_mw,
                    frequency_hz=said.frequency_hz if said is not None and fresh else None,
                    voltage_kv=said.voltage_kv if said is not None and fresh else None,
                    measured_at=None if said is None else said.measured_at,
                )
            )
        return tuple(found)

    def state(self, at: datetime) -> LiveState:
        """The whole park at an instant, as far as it was heard."""
        assets = tuple(self.asset(asset.id, at) for asset in self._park.assets)
        return LiveState(
            park=self._park.id,
            at=at,
            connected=self._bus.connected,
            controller_heard_at=self.controller_heard_at,
            plan_id=None if self.plan is None else self.plan.plan_id,
            areas=tuple(_area(area, [a for a in assets if a.area == area]) for area in self._park.area_ids),
            connections=self.connections(at),
            assets=assets,
        )

    def _built(self, asset: Asset, mode: AssetMode, planned_mw: float | None) -> AssetLive:
        said, status = self._telemetry.get(asset.id), self._status.get(asset.id)
        silent = mode in (AssetMode.SILENT, AssetMode.AWAITED)
        return AssetLive(
            id=asset.id,
            kind=asset.kind,
            area=asset.area,
            mode=mode,
            # Unknown is not zero, and not what it was a while ago.
            power_mw=None if said is None or silent else said.power_mw,
            available_mw=said.available_mw if isinstance(said, m.Telemetry) and not silent else None,
            planned_mw=planned_mw,
            quality=None if said is None else said.quality if isinstance(said, m.Telemetry) else "good",
            measured_at=None if said is None else said.measured_at,
            state={} if said is None else said.state,
            limits={} if status is None else status.limits,
            commands=tuple(self._commands.get(asset.id, {}).values()),
        )

    def _mode(self, asset_id: str, at: datetime) -> AssetMode:
        """A cluster says no status; for the others the status counts, and silence over it."""
        said, status = self._telemetry.get(asset_id), self._status.get(asset_id)
        if status is not None and not status.online:
            return AssetMode.OFFLINE
        if said is None:
            return AssetMode.AWAITED
        if at - said.measured_at > self._silent_after:
            return AssetMode.SILENT
        return AssetMode.REMOTE if status is None else AssetMode(status.mode)

    def _plan_at(self, at: datetime) -> Mapping[str, float]:
        """What the current plan has for an instant, kept until the next interval begins."""
        plan = self.plan
        if plan is None or not plan.edges[0] <= at < plan.edges[-1]:
            return {}
        i = bisect_right(plan.edges, at) - 1
        if self._planned is None or self._planned[0] != plan.edges[i]:
            powers = {row.id: row.power_mw[i] for row in (*plan.assets, *plan.connections)}
            self._planned = (plan.edges[i], powers)
        return self._planned[1]

    def _subscribe(self) -> None:
        for channel, handler in (
            (Channel.ASSET_TELEMETRY, self._on_telemetry),
            (Channel.ASSET_STATUS, self._on_status),
            (Channel.ASSET_COMMAND, self._on_command),
            (Channel.ASSET_ACK, self._on_ack),
            (Channel.COMPUTE_TELEMETRY, self._on_cluster),
            (Channel.COMPUTE_SHIFT, self._on_shift),
            (Channel.COMPUTE_BACKLOG, self._on_backlog),
            (Channel.COMPUTE_RESPONSE, self._on_response),
            (Channel.GRID_MEASUREMENT, self._on_grid),
            (Channel.GRID_PRICE, self._on_price),
            (Channel.PLAN_CURRENT, self._on_plan),
            (Channel.FORECAST_CURRENT, self._on_forecast),
        ):
            self._bus.subscribe(filter_of(self._park.id, channel), handler, qos=1 if channel in _KEPT else 0)

    def _on_telemetry(self, topic: str, payload: bytes) -> None:
        self._measured(parse(topic).subject, decode(m.Telemetry, topic, payload))

    def _on_cluster(self, topic: str, payload: bytes) -> None:
        self._measured(parse(topic).subject, decode(m.ComputeTelemetry, topic, payload))

    def _measured(self, asset_id: str, said: m.Telemetry | m.ComputeTelemetry) -> None:
        last = self._telemetry.get(asset_id)
        # What was buffered during an outage comes late and is for the ledger; the present is the newest.
        if asset_id in self._assets and (last is None or said.measured_at >= last.measured_at):
            self._telemetry[asset_id] = said
            self._changed(asset_id)

    def _on_status(self, topic: str, payload: bytes) -> None:
        asset_id = parse(topic).subject
        said = decode(m.Status, topic, payload)
        if asset_id in self._assets:
            self._status[asset_id] = said
            self._changed(asset_id)

    def _on_command(self, topic: str, payload: bytes) -> None:
        asset_id, told = parse(topic).subject, decode(m.Command, topic, payload)
        self._issued(told.issued_at)
        part = told.command.furnace if isinstance(told.command, m.HeatStart) else ""
        orders = self._order.setdefault(asset_id, {})
        if asset_id not in self._assets or told.order <= max(orders.values(), default=(-1, -1)):
            return
        parts = self._commands.setdefault(asset_id, {})
        if bool(part) != any(parts):
            # What the whole asset was told ends what its parts were told, and the other way round.
            parts.clear()
            orders.clear()
        orders[part] = told.order
        parts[part] = CommandLive(
            part=part,
            setpoint=told.command,
            issued_at=told.issued_at,
            until=told.issued_at + timedelta(seconds=told.lease_s),
            plan_id=told.plan_id,
            reason=told.reason,
        )
        self._changed(asset_id)
        self.on_news("command", asset_id, told)

    def _on_ack(self, topic: str, payload: bytes) -> None:
        asset_id, ack = parse(topic).subject, decode(m.Ack, topic, payload)
        part = next((p for p, order in self._order.get(asset_id, {}).items() if order == (ack.epoch, ack.seq)), None)
        if part is None:
            return
        command = self._commands[asset_id][part]
        if command.outcome is not None:
            return
        self._commands[asset_id][part] = msgspec.structs.replace(
            command,
            outcome=ack.outcome,
            power_mw=ack.power_mw,
            answer=ack.reason,
            delay_s=(ack.acked_at - command.issued_at).total_seconds(),
        )
        self._changed(asset_id)
        self.on_news("ack", asset_id, ack)

    def _on_shift(self, topic: str, payload: bytes) -> None:
        shift = decode(m.ComputeShift, topic, payload)
        self.shifts[parse(topic).subject] = shift
        self._issued(shift.issued_at)
        self.on_news("shift", shift.cluster, shift)

    def _on_backlog(self, topic: str, payload: bytes) -> None:
        self.backlogs[parse(topic).subject] = read_backlog(topic, payload)[0]

    def _on_response(self, topic: str, payload: bytes) -> None:
        self.responses[parse(topic).subject] = decode(m.ShiftResponse, topic, payload)

    def _on_grid(self, topic: str, payload: bytes) -> None:
        connection, said = parse(topic).subject, decode(m.GridMeasurement, topic, payload)
        last = self._grid.get(connection)
        if last is None or said.measured_at >= last.measured_at:
            self._grid[connection] = said
            self.on_news("connection", connection, said)

    def _on_price(self, topic: str, payload: bytes) -> None:
        self.prices[parse(topic).subject] = decode(m.GridPrice, topic, payload)

    def _on_plan(self, topic: str, payload: bytes) -> None:
        self.plan, self._planned = decode(m.PlanCurrent, topic, payload), None
        self._issued(self.plan.issued_at)
        self.on_news("plan", self.plan.plan_id, self.plan)

    def _on_forecast(self, topic: str, payload: bytes) -> None:
        self.forecast = decode(m.ForecastCurrent, topic, payload)
        self._issued(self.forecast.issued_at)
        self.on_news("forecast", "", self.forecast)

    def _changed(self, asset_id: str) -> None:
        self._cached.pop(asset_id, None)
        self.on_news("asset", asset_id, _NOTHING)

    def _issued(self, at: datetime) -> None:
        if self.controller_heard_at is None or at > self.controller_heard_at:
            self.controller_heard_at = at


class _Nothing(msgspec.Struct, frozen=True):
    """Of an asset it is only said that something has changed: it is put together when somebody looks."""


_NOTHING: Final = _Nothing()


def _nobody(kind: str, subject: str, what: msgspec.Struct) -> None:
    """Nobody follows yet."""


def _area(area: str, assets: list[AssetLive]) -> AreaLive:
    known = [a.power_mw for a in assets if a.power_mw is not None]
    return AreaLive(
        id=area,
        generation_mw=abs(sum(p for p in known if p < 0.0)),
        consumption_mw=sum(p for p in known if p > 0.0),
        available_mw=sum(a.available_mw for a in assets if a.available_mw is not None),
        unheard=tuple(a.id for a in assets if a.power_mw is None),
    )
