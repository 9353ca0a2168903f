"""From an emergency call to the last of a thousand devices acting, and from a thousand commands to their last acknowledgement.

The shipped parts over the embedded broker: a thousand real edges, each on a connection of its own, in `--fields` processes (two
without it: a thousand devices do not share a processor); the controller with inbox, guard and commander in this one. In each
round a third client calls an emergency; the guard chooses the step of the ladder and says it once; every device stamps the moment
in which it is told to act. Then a thousand different commands go out and their acks come back. Meanwhile every edge reports once
a second (`--quiet`: none does).

    python benchmarks/bench_emergency.py [--json FILE] [--assets N] [--rounds N] [--quiet]

The bound is the same broker with nothing around it, in the same run: as many bare sockets that subscribe to the same topics and
answer with as many bytes, and a bare socket that sends the very bytes of the broadcast and of the commands. It decodes nothing,
decides nothing and keeps no lease. `ratio` is ours over bare. All processes read the machine's one monotonic clock; `stretch`
says how much longer than its CPU time a busy loop took, 1 on an idle machine: figures of a run far from 1 say more of others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from benchmarks.bare_mqtt import Bare, bare_client
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttBus, MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.dispatch.orders import Order
from controllers.edge import Applied, Edge, Reading
from controllers.loops.guard import Guard
from controllers.service import Controller, ControllerSettings
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.units import MS_PER_S
from vpp.wire.codec import encode
from vpp.wire.messages import (
    Ack,
    FallbackPoint,
    FallbackProfile,
    GridEvent,
    GridMeasurement,
    Reason,
    Setpoint,
    Shed,
    Target,
)
from vpp.wire.topics import Channel, topic_of

BROADCAST_MS: Final = 100.0
COMMANDS_MS: Final = 300.0
_GRID, _AREA = ConnectionId("grid.a"), "a"
_SHED_MW: Final = -1.0
_ACTED: Final = "bench/emergency/acted"
_GROUP: Final = 50
_PATIENCE_S: Final = 60.0
_ROUND_S: Final = 10.0
_SPIN_S: Final = 0.2
_SETTINGS: Final = MqttSettings(timeout_s=30.0, keepalive_s=60, outbox_size=20_000)


def park_of(assets: int) -> Park:
    """One area with so many batteries of 1 MW behind one connection."""
    from tests.world_builders import BATTERY, asset, connection, park

    plate = replace(BATTERY, power_mw=1.0, energy_mwh=4.0, auxiliary_frac=0.0)
    grid = replace(connection(_GRID, _AREA), import_limit_mw=4.0 * assets, export_limit_mw=4.0 * assets)
    return park([asset(_device(i), "battery", plate, _AREA) for i in range(assets)], [grid])


def _device(i: int) -> str:
    return f"bess.n{i}"


# The field: real edges, or bare sockets.


@dataclass
class Acting:
    """Counts devices that act, and says so when all of them do."""

    say: Callable[[bytes], None]
    all_of: int
    acted_s: dict[str, float] = field(default_factory=dict)

    def moved(self, asset_id: str, *, shed: bool) -> None:
        """One device was told to act, or was let go."""
        if not shed:
            self.acted_s.pop(asset_id, None)
        elif asset_id not in self.acted_s:
            self.acted_s[asset_id] = time.monotonic()
            if len(self.acted_s) == self.all_of:
                times = sorted(self.acted_s.values())
                self.say(json.dumps({"last_s": times[-1], "median_s": times[len(times) // 2]}).encode())


@dataclass
class Store:
    """A device that goes at once where it is told."""

    asset_id: str
    clock: WallClock
    acting: Acting
    power_mw: float = 1.0

    def read(self) -> Reading:
        """How it is now."""
        return Reading(self.clock.now(), self.power_mw, state={"soc_frac": 0.5})

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Goes there."""
        del ramp_mw_per_min
        self.power_mw = setpoint.power_mw if isinstance(setpoint, Target) else 0.0
        self.acting.moved(self.asset_id, shed=self.power_mw == _SHED_MW)
        return Applied("accepted", self.power_mw)

    def safe_power_mw(self) -> float:
        """Idle."""
        return 0.0


async def live_field(url: str, devices: range, *, quiet: bool) -> None:
    """One of the field's processes: an edge for each device, each over its own connection."""
    clock, assets = WallClock(), len(devices)
    async with AsyncExitStack() as stack:
        buses: list[MqttBus] = []
        for first in range(0, assets, _GROUP):
            group = (connected_bus(url, f"edge{i}", settings=_SETTINGS) for i in devices[first : first + _GROUP])
            buses += await asyncio.gather(*(stack.enter_async_context(one) for one in group))
        acting = Acting(lambda said: buses[0].post(_ACTED, said), assets)
        edges = [Edge(bus, Store(_device(i), clock, acting), "test", clock) for i, bus in zip(devices, buses, strict=True)]
        for edge in edges:
            edge.tick()
        await asyncio.gather(*(bus.flush() for bus in buses))
        print("ready", flush=True)
        while True:
            for edge in edges:
                # Spread over the second, as devices are that know nothing of each other.
                await asyncio.sleep(1.0 / assets)
                if not quiet:
                    edge.tick()


async def bare_field(url: str, devices: range) -> None:
    """As many sockets on the same topics that stamp a broadcast and answer a command with as many bytes as an ack."""
    ack = encode(Ack(epoch=10**12, seq=10**6, acked_at=WallClock().now(), outcome="accepted", power_mw=1.0))
    clients: list[Bare] = []
    acting = Acting(lambda said: clients[0].publish(_ACTED, said), len(devices))

    def heard(client: Bare, topic: bytes, payload: bytes) -> None:
        i = names[client]
        if topic.startswith(b"vpp/v1/test/shed"):
            acting.moved(str(i), shed=payload[:1] == b"{")
        else:
            client.publish(topic_of("test", Channel.ASSET_ACK, _device(i)), ack)

    names: dict[Bare, int] = {}
    for i in devices:
        topics = (topic_of("test", Channel.ASSET_COMMAND, _device(i)), topic_of("test", Channel.SHED, _AREA))
        clients.append(await bare_client(url, f"bare{i}", topics, heard))
        names[clients[-1]] = i
    print("ready", flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def field_processes(kind: str, url: str, load: Load) -> AsyncIterator[None]:
    """The field as children, once everybody listens."""
    children = []
    try:
        for part in range(load.fields):
            words = [sys.executable, __file__, "--field", kind, "--url", url, "--assets", str(load.assets)]
            words += ["--fields", str(load.fields), "--part", str(part), *(["--quiet"] if load.quiet else [])]
            children.append(await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE))
        for child in children:
            assert child.stdout is not None  # asked for above
            async with asyncio.timeout(_PATIENCE_S):
                said = await child.stdout.readline()
            if said != b"ready\n":
                raise SystemExit("bench_emergency: the field did not come up")
        yield
    finally:
        for child in children:
            child.kill()
            await child.wait()


# This side: the controller, or a bare socket.


@dataclass(frozen=True)
class Load:
    """How much goes on.

    Args:
        assets: Devices.
        rounds: Emergencies, and rounds of commands.
        fields: Processes that they are spread over.
        quiet: Whether no edge reports by itself.
    """

    assets: int
    rounds: int
    fields: int = 2
    quiet: bool = False


@dataclass
class Found:
    """Seconds, one a round or one a command."""

    broadcast_s: list[float] = field(default_factory=list)
    call_s: list[float] = field(default_factory=list)
    command_s: list[float] = field(default_factory=list)
    last_ack_s: list[float] = field(default_factory=list)
    lost: int = 0


async def _last_acting_s(acted: asyncio.Queue[dict[str, float]], fields: int) -> float:
    """When the last device of all fields acted."""
    return max([(await acted.get())["last_s"] for _ in range(fields)])


async def measure_ours(url: str, load: Load) -> Found:
    """The shipped controller."""
    park, clock, found = park_of(load.assets), WallClock(), Found()
    async with (
        connected_bus(url, "controller", settings=_SETTINGS) as bus,
        connected_bus(url, "grid", settings=_SETTINGS) as gateway,
    ):
        controller = Controller(park, bus, clock, ControllerSettings(live=True))
        controller.guard.arm_all()
        await bus.flush()
        async with field_processes("edges", url, load):
            acted: asyncio.Queue[dict[str, float]] = asyncio.Queue()
            gateway.subscribe(_ACTED, lambda _, said: acted.put_nowait(json.loads(said)))
            await gateway.flush()
            await _until(lambda: controller.inbox.has_heard(a.id for a in park.assets))
            for k in range(load.rounds + 1):
                one = Found()
                await _emergency(controller, gateway, partial(_last_acting_s, acted, load.fields), (k, one))
                await _commands(controller, (k, one))
                if k:  # the first one warms caches
                    _add(found, one)
    return found


async def _emergency(
    controller: Controller, gateway: MqttBus, last: Callable[[], Awaitable[float]], told: tuple[int, Found]
) -> None:
    k, one = told
    park, clock = controller.park, controller.clock
    everybody = len(park.assets)
    # A guard that has shed nobody yet; nothing else of the controller starts anew.
    guard = controller.guard = Guard(park, controller.commander, lambda: controller.inbox.snapshot(clock.now()), lambda: None)
    guard.events = controller.inbox.events_at
    said_s: list[float] = []
    shed = controller.commander.shed

    def stamped(message: Shed) -> None:
        said_s.append(time.monotonic())
        shed(message)

    controller.commander.shed = stamped  # type: ignore[method-assign, assignment]  # only looked at
    controller.inbox.on_measured, controller.inbox.on_booked = guard.measured, guard.called
    reading = GridMeasurement(measured_at=clock.now(), import_mw=3.0 * everybody)
    gateway.post(topic_of(park.id, Channel.GRID_MEASUREMENT, _GRID), encode(reading))
    await gateway.flush()
    at = clock.now()
    call = GridEvent(
        event_id=f"bench.{k}", revision=1, kind="emergency", target_mw=0.0, start=at, end=at + timedelta(hours=1), issued_at=at
    )
    called_s = time.monotonic()
    gateway.post(topic_of(park.id, Channel.GRID_EVENT, _GRID), encode(call), qos=1)
    try:
        async with asyncio.timeout(_ROUND_S):
            last_s = await last()
    except TimeoutError:
        one.lost += 1
    else:
        one.broadcast_s.append(last_s - said_s[0])
        one.call_s.append(last_s - called_s)
    over = structs_cancelled(call)
    gateway.post(topic_of(park.id, Channel.GRID_EVENT, _GRID), encode(over), qos=1)
    await gateway.flush()
    controller.commander.shed = shed  # type: ignore[method-assign]  # as it was
    controller.inbox.on_measured, controller.inbox.on_booked = _deaf, _deaf
    stamp = controller.commander.stamp()
    rest = Shed(
        epoch=stamp.epoch,
        seq=stamp.seq,
        issued_at=stamp.issued_at,
        ladder=_AREA,
        step=0,
        until=clock.now() + timedelta(seconds=5),
        reason=Reason(code="bench", text="back to rest"),
    )
    shed(rest)
    await asyncio.sleep(0.3 + 0.037 * (k % 7))


def structs_cancelled(call: GridEvent) -> GridEvent:
    """The same call, taken back."""
    from msgspec import structs

    return structs.replace(call, revision=call.revision + 1, cancelled=True)


def _deaf(*_: object) -> None:
    """Nobody looks."""


async def _commands(controller: Controller, told: tuple[int, Found]) -> None:
    k, one = told
    commander, counters = controller.commander, controller.commander.counters
    counters.ack_delay_s.clear()
    began_s = time.monotonic()
    commander.send_all(_order(a.id, 0.2 + 0.001 * ((i + 7 * k) % 700)) for i, a in enumerate(controller.park.assets))
    try:
        async with asyncio.timeout(_ROUND_S):
            while commander.unconfirmed():  # noqa: ASYNC110  acks are no event
                await asyncio.sleep(0.001)
    except TimeoutError:
        one.lost += len(commander.unconfirmed())
    else:
        one.last_ack_s.append(time.monotonic() - began_s)
    one.command_s += counters.ack_delay_s
    await asyncio.sleep(0.2)


def _order(asset_id: AssetId, power_mw: float) -> Order:
    tail = tuple(FallbackPoint(after_s=900.0 * i, power_mw=0.1) for i in range(3))
    fallback = FallbackProfile(points=tail, safe_after_s=1_800.0, safe_ramp_mw_per_min=1.0)
    reason = Reason(code="price", text="price of the area above the value of the store", price_cny_per_mwh=812.5)
    return Order(asset_id, Target(power_mw=power_mw), power_mw, 1e-6, 15.0, fallback, "plan.20301001t040000", reason)


async def measure_bare(url: str, load: Load) -> Found:
    """The broker alone."""
    found, clock, assets = Found(), WallClock(), load.assets
    acted: asyncio.Queue[dict[str, float]] = asyncio.Queue()
    sent_s: dict[bytes, float] = {}
    done_s: dict[bytes, float] = {}

    def heard(_client: Bare, topic: bytes, payload: bytes) -> None:
        if topic == _ACTED.encode():
            acted.put_nowait(json.loads(payload))
        else:
            done_s.setdefault(topic, time.monotonic())

    at = clock.now()
    reason = Reason(code="emergency", text=f"{_GRID}: bench.1 asks for 0 MW")
    shed = encode(Shed(epoch=10**12, seq=10**6, issued_at=at, ladder=_AREA, step=assets, until=at, reason=reason))
    command = _command_bytes()
    async with field_processes("bare", url, load):
        every_ack = "vpp/v1/test/asset/+/ack"
        one = await bare_client(url, "bare_controller", (_ACTED, every_ack), heard)
        acks = [topic_of("test", Channel.ASSET_ACK, _device(i)).encode() for i in range(assets)]
        topics = [topic_of("test", Channel.ASSET_COMMAND, _device(i)) for i in range(assets)]
        for k in range(load.rounds + 1):
            began_s = time.monotonic()
            one.publish(topic_of("test", Channel.SHED, _AREA), shed)
            last = await _last_acting_s(acted, load.fields) - began_s
            one.publish(topic_of("test", Channel.SHED, _AREA), b" ")
            await asyncio.sleep(0.3)
            sent_s.clear()
            done_s.clear()
            began_s = time.monotonic()
            for ack, topic in zip(acks, topics, strict=True):
                sent_s[ack] = time.monotonic()
                one.publish(topic, command)
            async with asyncio.timeout(_ROUND_S):
                while len(done_s) < assets:  # noqa: ASYNC110  packets are no event
                    await asyncio.sleep(0.001)
            if k:
                found.broadcast_s.append(last)
                found.command_s += [done_s[ack] - sent_s[ack] for ack in acks]
                found.last_ack_s.append(max(done_s.values()) - began_s)
            await asyncio.sleep(0.2)
        one.close()
    return found


def _command_bytes() -> bytes:
    from vpp.wire.messages import Command

    order = _order(AssetId(_device(0)), 0.5)
    command = Command(
        epoch=10**12,
        seq=10**6,
        issued_at=WallClock().now(),
        command=order.setpoint,
        lease_s=order.lease_s,
        fallback=order.fallback,
        plan_id=order.plan_id,
        reason=order.reason,
    )
    return encode(command)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110  the inbox is no event
            await asyncio.sleep(0.05)


def _add(found: Found, one: Found) -> None:
    for name in ("broadcast_s", "call_s", "command_s", "last_ack_s"):
        getattr(found, name).extend(getattr(one, name))
    found.lost += one.lost


async def run(load: Load) -> dict[str, Any]:
    """Ours and the bound, on one broker, one after the other."""
    stretch = [_stretch()]
    with tempfile.TemporaryDirectory(prefix="vpp-bench-") as folder:
        broker = EmbeddedBroker(Path(folder))
        await broker.start()
        try:
            bare = await measure_bare(broker.url, load)
            ours = await measure_ours(broker.url, load)
        finally:
            await broker.stop()
    stretch.append(_stretch())
    facts: dict[str, Any] = {**asdict(load), "lost": ours.lost}
    facts["stretch"] = round(float(np.mean(stretch)), 2)
    for name in ("broadcast_s", "command_s", "last_ack_s", "call_s"):
        label = {"broadcast_s": "broadcast_to_last_acting", "command_s": "command_to_ack", "last_ack_s": "commands_to_last_ack"}
        facts |= _row(label.get(name, "call_to_last_acting"), getattr(ours, name), getattr(bare, name))
    facts |= {"broadcast_target_ms": BROADCAST_MS, "commands_target_ms": COMMANDS_MS}
    return facts


def _row(name: str, ours: list[float], bare: list[float]) -> dict[str, Any]:
    row: dict[str, Any] = {f"{name}_{p}_ms": _ms(ours, q) for p, q in (("p50", 50), ("p99", 99), ("max", 100))}
    if bare:
        row |= {f"{name}_bare_{p}_ms": _ms(bare, q) for p, q in (("p50", 50), ("p99", 99))}
        row[f"{name}_ratio_p50"] = round(float(np.percentile(ours, 50) / np.percentile(bare, 50)), 2) if ours else None
    return row


def _ms(values_s: list[float], percent: float) -> float | None:
    return round(float(np.percentile(values_s, percent)) * MS_PER_S, 1) if values_s else None


def _stretch() -> float:
    """Wall time over CPU time of a loop that does nothing else."""
    wall_s, cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - cpu_s < _SPIN_S:
        pass
    return (time.monotonic() - wall_s) / _SPIN_S


def show(facts: dict[str, Any]) -> None:
    """A table for people."""
    print(f"{facts['assets']} devices, {facts['rounds']} rounds, lost {facts['lost']}, stretch {facts['stretch']}")
    for name, words, asked_ms in (
        ("broadcast_to_last_acting", "broadcast to the last device acting", BROADCAST_MS),
        ("call_to_last_acting", "emergency call to the last device acting", BROADCAST_MS),
        ("command_to_ack", "command to its ack", COMMANDS_MS),
        ("commands_to_last_ack", "first command to the last ack", COMMANDS_MS),
    ):
        p50, p99 = facts[f"{name}_p50_ms"], facts[f"{name}_p99_ms"]
        bound = facts.get(f"{name}_bare_p50_ms")
        beside = "" if bound is None else f"   bare p50 {bound:6.1f} ms, ratio {facts[f'{name}_ratio_p50']}"
        print(f"  {words:42} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   asked p99 {asked_ms:.0f} ms{beside}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--assets", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quiet", action="store_true", help="no edge reports by itself")
    parser.add_argument("--fields", type=int, default=2, help="processes that the devices are spread over")
    parser.add_argument("--part", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--field", choices=("edges", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    told = parser.parse_args()
    devices = range(told.part, told.assets, told.fields)
    if told.field == "edges":
        asyncio.run(live_field(told.url, devices, quiet=told.quiet))
        return
    if told.field == "bare":
        asyncio.run(bare_field(told.url, devices))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    facts = asyncio.run(run(Load(told.assets, told.rounds, told.fields, told.quiet)))
    show(facts)
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
