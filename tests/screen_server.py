"""A park that a screen can be opened on, without a service behind it: a real bus and a real view of it, made-up meters.

Run as `python -m tests.screen_server PORT [SPEED]`; tokens are the names of the roles.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import uvicorn
from fastapi import FastAPI

from controllers.api.bodies import OverrideBody, PinBody, ReleaseBody
from controllers.api.forecast_facts import FarmStanding, ForecastStanding
from controllers.api.ledger_facts import AlarmFacts, EventFacts, Measurement, OverrideFacts, PlanFacts
from controllers.api.limits import override_faults
from controllers.api.live import LiveView
from controllers.api.live_state import LiveState
from controllers.api.roles import Caller, Right, Role
from controllers.bus.local import LocalBus
from controllers.cli_park import default_park_path
from controllers.console.flows import category_of
from controllers.screen import dress_with
from vpp.errors import AccessError, StoreError
from vpp.park import Park, load
from vpp.park.rating import rating
from vpp.timegrid import floor_to
from vpp.wire import messages as m
from vpp.wire.codec import encode
from vpp.wire.topics import Channel, topic_of

START = datetime(2030, 10, 12, 2, 40, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def power_at(park: Park, asset_id: str, at: datetime) -> float:
    """What an asset's meter says at a moment: arithmetic that looks like a day."""
    asset = park.asset(asset_id)
    size = rating(asset)
    hour = at.timestamp() / 3600.0
    phase = sum(map(ord, asset_id)) % 17
    match size.role:
        case "wind":
            return -size.power_mw * (0.45 + 0.4 * math.sin(hour / 5.0 + 0.1 * phase) * math.cos(hour / 13.0))
        case "solar":
            return -size.power_mw * 0.8 * max(0.0, math.sin((hour % 24 + 2) / 12.0 * math.pi - math.pi / 2.0 + 0.5))
        case "thermal":
            return -0.4 * size.power_mw if asset.kind == "thermal_unit" and "biomass" in asset_id else 0.0
        case "storage":
            return size.power_mw * 0.7 * math.sin(hour / 3.0 + phase)
        case "base_load":
            return size.power_mw * (1.0 + 0.1 * math.sin(hour / 4.0))
        case _:
            return size.power_mw * (0.55 + 0.3 * math.sin(hour / 6.0 + phase))


def flow_at(park: Park, connection_id: str, at: datetime) -> float:
    """Import that closes the area behind a connection, without what it sends on."""
    connection = park.connection(connection_id)
    area = connection.area if not connection.is_grid else None
    return sum(power_at(park, a.id, at) for a in park.assets if area in (None, a.area))


@dataclass
class ShownPark:
    """What the screen is shown; the ledger's part is kept in memory."""

    park: Park
    bus: LocalBus = field(default_factory=LocalBus)
    at: datetime = START
    held_alarms: list[AlarmFacts] = field(default_factory=list)
    held_events: list[EventFacts] = field(default_factory=list)
    held_overrides: list[OverrideFacts] = field(default_factory=list)
    refusing: bool = False

    def __post_init__(self) -> None:
        self.live = LiveView(self.park, self.bus)

    def now(self) -> datetime:
        return self.at

    def state(self) -> LiveState:
        return self.live.state(self.at)

    def plan(self) -> m.PlanCurrent | None:
        return self.live.plan

    def forecast(self) -> m.ForecastCurrent | None:
        return self.live.forecast

    def shifts(self) -> Mapping[str, m.ComputeShift]:
        return self.live.shifts

    async def series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Measurement]:
        times = [start + t * step for t in range(max(round((end - start) / step), 0))]
        reach = {"available_mw": 1.08, "power_mw": 1.0, "import_mw": 1.0}[quantity]
        found = []
        for subject in subjects:
            one = flow_at if quantity == "import_mw" else power_at
            # Two hours of the night nobody heard anything of.
            values = [None if 17 <= at.hour < 19 else abs_if(quantity, reach * one(self.park, subject, at)) for at in times]
            found.append(Measurement(subject=subject, quantity=quantity, times=times, values=values))
        return found

    async def plans(self, start: datetime, end: datetime) -> Sequence[PlanFacts]:
        made = floor_to(start, QUARTER)
        plan = plan_of(self.park, made, 96 + 8)
        return [
            PlanFacts(
                plan_id="p.before",
                made_at=made,
                source="mpc",
                gap_frac=None,
                edges=plan.edges,
                assets=tuple(plan.assets),  # type: ignore[arg-type]  # rows with an id and powers
                connections=tuple(plan.connections),  # type: ignore[arg-type]
                unmet=(),
            )
        ]

    async def alarms(self) -> Sequence[AlarmFacts]:
        if self.refusing:
            raise StoreError("the disk is full")
        return tuple(self.held_alarms)

    async def events(self) -> Sequence[EventFacts]:
        return tuple(self.held_events)

    async def overrides(self) -> Sequence[OverrideFacts]:
        return tuple(self.held_overrides)

    async def override(self, body: OverrideBody, caller: Caller) -> tuple[str, ...]:
        if not caller.may(Right.OVERRIDE):
            raise AccessError(f"{caller.name}: may not")
        faults = tuple(fault.line() for fault in override_faults(self.park, body, self.at))
        if not faults:
            number = max((one.number for one in self.held_overrides), default=0) + 1
            power = body.power_mw if isinstance(body, PinBody) else None
            start = None if isinstance(body, ReleaseBody) else body.start
            end = None if isinstance(body, ReleaseBody) else body.end
            self.held_overrides.append(
                OverrideFacts(
                    number=number,
                    asset_id=body.asset_id,
                    kind=body.kind,
                    power_mw=power,
                    start=start or self.at,
                    end=end,
                    by=caller.name,
                    why=body.why,
                    asked_at=self.at,
                )
            )
        return faults

    async def close_override(self, number: int, caller: Caller) -> None:
        if not caller.may(Right.OVERRIDE):
            raise AccessError(f"{caller.name}: may not")
        self.held_overrides = [one for one in self.held_overrides if one.number != number]

    async def standing(self) -> ForecastStanding:
        farms = [a.id for a in self.park.assets if category_of(a.kind) in ("wind", "sun")]
        late = (FarmStanding(id=farms[0], quality="stale", flags=("run_late",)),)
        return ForecastStanding(
            weather="service",
            weather_failures=3,
            run_received_at=self.at - timedelta(hours=7),
            issued_at=floor_to(self.at, QUARTER),
            version="20300920T1600Z-0f1e2d3c4b",
            learnt_until=datetime(2030, 9, 20, 16, tzinfo=UTC),
            farms=(*late, *(FarmStanding(id=farm, quality="fresh") for farm in farms[1:])),
            trains=True,
            enough_days=30,
        )

    async def acknowledge(self, number: int, caller: Caller) -> None:
        if self.refusing or not caller.may(Right.ACKNOWLEDGE):
            raise AccessError(f"{caller.name}: may not")
        self.held_alarms = [
            msgspec.structs.replace(a, acknowledged_at=self.at, acknowledged_by=caller.name) if a.number == number else a
            for a in self.held_alarms
        ]

    def owner(self, credential: str, address: str) -> Caller:
        if credential not in set(Role):
            raise AccessError("this key or token opens nothing")
        return Caller(f"{credential}.test", Role(credential), "compute.aidc" if credential == "scheduler" else None)

    def still(self, caller: Caller) -> bool:
        return True


def abs_if(quantity: str, value: float) -> float:
    return abs(value) if quantity == "available_mw" else value


def plan_of(park: Park, start: datetime, n: int) -> m.PlanCurrent:
    """A plan that comes near to what will be."""
    edges = tuple(start + t * QUARTER for t in range(n + 1))
    ids = [a.id for a in park.assets]
    return m.PlanCurrent(
        epoch=1,
        seq=int(start.timestamp()),
        issued_at=start,
        plan_id=f"p.{start:%Y%m%d%H%M}",
        edges=edges,
        assets=tuple(m.PlannedPower(id=i, power_mw=tuple(0.96 * power_at(park, i, at) for at in edges[:-1])) for i in ids),
        connections=tuple(
            m.PlannedPower(id=c.id, power_mw=tuple(0.96 * flow_at(park, c.id, at) for at in edges[:-1])) for c in park.connections
        ),
        gap_frac=0.002,
        source="mpc",
    )


def forecast_of(park: Park, start: datetime, n: int) -> m.ForecastCurrent:
    edges = tuple(start + t * QUARTER for t in range(n + 1))
    farms = [a for a in park.assets if category_of(a.kind) in ("wind", "sun")]
    return m.ForecastCurrent(
        epoch=1,
        seq=1,
        issued_at=start,
        edges=edges,
        levels=LEVELS,
        series=tuple(
            m.ForecastSeries(
                id=farm.id,
                quantity="available_frac",
                values=tuple(
                    tuple(-1.08 * power_at(park, farm.id, at) / farm.plate.capacity_mw * (0.85 + 0.05 * k) for k in range(7))
                    for at in edges[:-1]
                ),
            )
            for farm in farms
        ),
    )


def speak(shown: ShownPark, seq: int) -> None:
    """A round of telemetry, commands and acks."""
    park, at, bus = shown.park, shown.at, shown.bus
    for n, asset in enumerate(park.assets):
        if asset.id == "ccus.jiulian":
            continue
        power = power_at(park, asset.id, at)
        farm = category_of(asset.kind) in ("wind", "sun")
        state = {"soc_frac": 0.5 + 0.3 * math.sin(n)} if category_of(asset.kind) == "storage" else {}
        said = m.Telemetry(measured_at=at, power_mw=power, available_mw=-1.08 * power if farm else None, state=state)
        bus.post(topic_of(park.id, Channel.ASSET_TELEMETRY, asset.id), encode(said))
        mode = "local" if asset.id == "smelter.jintong" else "fault" if asset.id == "bess.hongshan" else "remote"
        status = m.Status(online=True, mode=mode, limits={"max_power_mw": rating(asset).power_mw})
        bus.post(topic_of(park.id, Channel.ASSET_STATUS, asset.id), encode(status), retain=True)
        setpoint: m.Setpoint = m.Limit(max_power_mw=abs(power)) if farm else m.Target(power_mw=power)
        if asset.kind == "electrolyser":
            setpoint = m.StackCounts(on=88, standby=12, power_mw=power)
        if asset.kind == "feeder":
            setpoint = m.Switch(closed=True)
        if asset.kind == "arc_furnace":
            setpoint = m.HeatStart(furnace="furnace.0", start_at=at + timedelta(minutes=12))
        command = m.Command(
            epoch=1,
            seq=seq * 1000 + n,
            issued_at=at,
            command=setpoint,
            lease_s=15.0,
            fallback=m.FallbackProfile(safe_after_s=60.0, safe_ramp_mw_per_min=5.0),
            plan_id="p",
            reason=m.Reason(code="mpc", text="", price_cny_per_mwh=231.0, limit="grid.d500.import" if n % 9 == 0 else None),
        )
        bus.post(topic_of(park.id, Channel.ASSET_COMMAND, asset.id), encode(command))
        if n % 7:
            outcome: m.Outcome = "rejected" if n == 12 else "clamped" if n == 20 else "accepted"
            why = None if outcome == "accepted" else m.Reason(code="soc_floor", text="")
            ack = m.Ack(epoch=1, seq=command.seq, acked_at=at, outcome=outcome, power_mw=power, reason=why)
            bus.post(topic_of(park.id, Channel.ASSET_ACK, asset.id), encode(ack))
    for connection in park.connections:
        grid = m.GridMeasurement(measured_at=at, import_mw=flow_at(park, connection.id, at), frequency_hz=50.01, voltage_kv=500.0)
        bus.post(topic_of(park.id, Channel.GRID_MEASUREMENT, connection.id), encode(grid))


def shown_park(at: datetime = START) -> ShownPark:
    """The whole park of 2030 with two alarms, a call and an override."""
    shown = ShownPark(load(default_park_path(), at=at.date()), at=at)
    shown.held_alarms = [
        AlarmFacts(number=1, key="silent.ccus", level="alarm", text="ccus.jiulian: silent for 65 s <b>", raised_at=at),
        AlarmFacts(
            number=2,
            key="weather.late",
            level="warning",
            text="the newest weather run came 7 h ago",
            text_zh="天气预报迟到；最近一次在 7 小时前",
            raised_at=at,
        ),
    ]
    shown.held_events = [
        EventFacts(
            number=1,
            event_id="G-2030-1012",
            connection="grid.d500",
            kind="peak",
            target_mw=420.0,
            start=at + timedelta(hours=8),
            end=at + timedelta(hours=9),
            priority=0,
            note="",
            revision=1,
            state="accepted",
            reason="",
            by="grid",
            asked_at=at,
            changed_at=at,
        )
    ]
    shown.held_overrides = [
        OverrideFacts(
            number=1,
            asset_id="smelter.jintong",
            kind="local",
            power_mw=None,
            start=at,
            end=None,
            by="operator",
            why="cell house check",
            asked_at=at,
        ),
        OverrideFacts(
            number=2,
            asset_id="bess.hongshan",
            kind="maintenance",
            power_mw=None,
            start=at + timedelta(hours=6),
            end=at + timedelta(hours=14),
            by="operator",
            why="inverter exchange",
            asked_at=at,
        ),
    ]
    shown.bus.post(
        topic_of(shown.park.id, Channel.PLAN_CURRENT), encode(plan_of(shown.park, floor_to(at, QUARTER), 192)), retain=True
    )
    forecast = encode(forecast_of(shown.park, floor_to(at, QUARTER), 120))
    shown.bus.post(topic_of(shown.park.id, Channel.FORECAST_CURRENT), forecast, retain=True)
    speak(shown, 1)
    return shown


async def serve(port: int, speed: float) -> None:
    shown = shown_park()
    app = FastAPI()
    dress_with(app, shown)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))

    async def live() -> None:
        seq = 1
        while True:
            await asyncio.sleep(1.0)
            shown.at += timedelta(seconds=speed)
            seq += 1
            speak(shown, seq)

    speaking = asyncio.create_task(live())
    await server.serve()
    speaking.cancel()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0))
