"""From a reading that matters to the last of a thousand commands acknowledged, over the embedded broker: the bus's part.

Two processes and the broker share the machine. One is the field: an edge for each asset, each with its leases, over one
connection an asset (or `--connections` of them). The other is the controller's side of the bus. Every edge reports every
second, spread over it. In each round one device reports a change; the other side, having read it, writes a command for every
asset at once and waits for every acknowledgement. What a controller thinks in between is not in here: `decide` below is
where it goes.

    python benchmarks/bench_bus.py [--json FILE] [--assets N] [--rounds N] [--connections N] [--quiet]

Clocks: all processes read the machine's one monotonic clock. `change_to_last_ack_ms` counts from the device's reading; CPU
seconds are of the rounds alone; with `--quiet`, where no edge reports by itself, they are what commands and acks cost.
`stretch` says how much longer than its CPU time a busy loop took meanwhile: 1 on an idle machine; wall times of a row whose
stretch is far from 1 say more about the neighbours than about the bus.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttBus, MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.edge import Applied, Edge, Reading
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Command, FallbackPoint, FallbackProfile, Reason, Setpoint, Target, Telemetry
from vpp.wire.topics import Channel, filter_of, topic_of

PARK: Final = "bench"
POKE: Final = f"vpp/v1/{PARK}-poke/one"
MS_PER_S: Final = 1e3
TARGET_MS: Final = 250.0
#: A laptop opens a thousand connections in a few seconds; each waits for the one before its group.
_GROUP: Final = 50
_PATIENCE_S: Final = 60.0
_ROUND_S: Final = 10.0
_SPIN_S: Final = 0.2
SETTINGS: Final = MqttSettings(timeout_s=30.0, keepalive_s=60)

#: What follows from a reading: the power for each asset, in MW. A controller takes the place of `same_for_all`.
Decide = Callable[[Telemetry, int], list[float]]


def same_for_all(reading: Telemetry, n: int) -> list[float]:
    """The cheapest thought there is."""
    return [reading.power_mw] * n


@dataclass
class Load:
    """A device that goes at once where it is told; `changed_s` is when it last changed by itself."""

    asset_id: str
    clock: WallClock
    power_mw: float = 0.0
    changed_s: float = 0.0

    def read(self) -> Reading:
        """How it is now."""
        return Reading(self.clock.now(), self.power_mw, state={"changed_s": self.changed_s})

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Goes there."""
        del ramp_mw_per_min
        self.power_mw = setpoint.power_mw if isinstance(setpoint, Target) else 0.0
        return Applied("accepted", self.power_mw)

    def safe_power_mw(self) -> float:
        """Off."""
        return 0.0


def asset_of(i: int) -> str:
    """Ids as in a park, dot and all."""
    return f"load.n{i}"


async def live_field(url: str, assets: int, connections: int, *, quiet: bool = False) -> None:
    """The field's process: edges that report every second unless they are quiet, and one that changes when it is poked."""
    clock = WallClock()
    loads = [Load(asset_of(i), clock) for i in range(assets)]
    async with AsyncExitStack() as stack:
        buses: list[MqttBus] = []
        for first in range(0, connections, _GROUP):
            group = (connected_bus(url, f"edge{i}", settings=SETTINGS) for i in range(first, min(connections, first + _GROUP)))
            buses += await asyncio.gather(*(stack.enter_async_context(one) for one in group))
        edges = [Edge(buses[i % connections], load, PARK, clock) for i, load in enumerate(loads)]

        def poked(_topic: str, _payload: bytes) -> None:
            loads[0].changed_s = time.monotonic()
            edges[0].tick()

        buses[0].subscribe(POKE, poked)
        await asyncio.gather(*(bus.flush() for bus in buses))
        print("ready", flush=True)
        if quiet:
            await asyncio.Event().wait()
        while True:
            for edge in edges:
                # Spread over the second, as devices are that know nothing of each other.
                edge.tick()
                await asyncio.sleep(1.0 / assets)


@asynccontextmanager
async def field_process(url: str, assets: int, connections: int, *, quiet: bool = False) -> AsyncIterator[int]:
    """The field as a child; gives its process id when every edge listens."""
    words = [sys.executable, __file__, "--field", url, "--assets", str(assets), "--connections", str(connections)]
    words += ["--quiet"] if quiet else []
    child = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None  # asked for above
        async with asyncio.timeout(_PATIENCE_S):
            said = await child.stdout.readline()
        if said != b"ready\n":
            raise SystemExit("bench_bus: the field did not come up")
        yield child.pid
    finally:
        child.kill()
        await child.wait()


@dataclass
class Round:
    """One change and what followed, on the machine's monotonic clock."""

    changed_s: float = 0.0
    heard_s: float = 0.0
    sent_s: dict[int, float] = field(default_factory=dict)
    acked_s: dict[int, float] = field(default_factory=dict)


class Controller:
    """The controller's side: reads everything, answers a change with a command for every asset."""

    def __init__(self, bus: MqttBus, assets: int, qos: int, decide: Decide) -> None:
        self._bus, self._assets, self._qos, self._decide = bus, assets, qos, decide
        self._epoch, self._seq = time.time_ns(), 0  # noqa: TID251  an epoch is the one thing that needs the machine's time
        self._last_changed_s = 0.0
        self.round = Round()
        self.done = asyncio.Event()
        bus.subscribe(filter_of(PARK, Channel.ASSET_TELEMETRY), self._on_telemetry)
        bus.subscribe(filter_of(PARK, Channel.ASSET_ACK), self._on_ack)

    def _on_telemetry(self, topic: str, payload: bytes) -> None:
        reading = decode(Telemetry, topic, payload)
        changed_s = reading.state["changed_s"]
        if changed_s <= self._last_changed_s:
            return
        self._last_changed_s = changed_s
        self.round = Round(changed_s, time.monotonic())
        for i, power_mw in enumerate(self._decide(reading, self._assets)):
            self._send(asset_of(i), power_mw)

    def _send(self, asset: str, power_mw: float) -> None:
        self._seq += 1
        command = Command(
            epoch=self._epoch,
            seq=self._seq,
            issued_at=datetime.now(UTC),  # noqa: TID251  as a wall clock would say
            command=Target(power_mw=power_mw + self._seq % 7),
            lease_s=15.0,
            fallback=FallbackProfile(
                points=tuple(FallbackPoint(after_s=900.0 * i, power_mw=1.0 + i) for i in range(3)),
                safe_after_s=1_800.0,
                safe_ramp_mw_per_min=6.0,
            ),
            plan_id="plan.20301001t040000",
            reason=Reason(code="price", text="price of the area above the value of the store", price_cny_per_mwh=812.5),
        )
        self.round.sent_s[self._seq] = time.monotonic()
        self._bus.post(topic_of(PARK, Channel.ASSET_COMMAND, asset), encode(command), qos=self._qos)

    def _on_ack(self, topic: str, payload: bytes) -> None:
        ack = decode(Ack, topic, payload)
        if ack.seq in self.round.sent_s:
            self.round.acked_s.setdefault(ack.seq, time.monotonic())
            if len(self.round.acked_s) == self._assets:
                self.done.set()


@dataclass(frozen=True, slots=True)
class Workload:
    """How much goes on.

    Args:
        assets: Edges, each commanded in each round.
        connections: That they share.
        rounds: Changes.
        quiet: Whether no edge reports by itself.
    """

    assets: int
    connections: int
    rounds: int
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Many rounds at one quality of service, percentiles over commands or over rounds."""

    qos: int
    assets: int
    connections: int
    quiet: bool
    rounds: int
    lost_acks: int
    command_to_ack_p50_ms: float
    command_to_ack_p99_ms: float
    change_to_heard_p99_ms: float
    change_to_last_ack_p50_ms: float
    change_to_last_ack_p99_ms: float
    change_to_last_ack_max_ms: float
    controller_cpu_s: float
    field_cpu_s: float
    broker_cpu_s: float
    stretch: float


async def measure(broker: EmbeddedBroker, load: Workload, qos: int, decide: Decide = same_for_all) -> Row:
    """Rounds one after another, with pauses of odd length so that they meet the reports everywhere.

    Args:
        broker: That runs.
        load: What goes on.
        qos: Of commands; acknowledgements travel at 0.
        decide: What the controller thinks.
    """
    measured: list[Round] = []
    field_of = field_process(broker.url, load.assets, load.connections, quiet=load.quiet)
    async with field_of as field_pid, connected_bus(broker.url, "controller", settings=SETTINGS) as bus:
        controller = Controller(bus, load.assets, qos, decide)
        await bus.flush()
        await _round(bus, controller)  # the first one warms caches and leases
        before, stretch = _cpu_s(field_pid, broker), [_stretch()]
        for i in range(load.rounds):
            await asyncio.sleep(0.2 + 0.037 * (i % 7))
            measured.append(await _round(bus, controller))
        spent_s = [after - start for after, start in zip(_cpu_s(field_pid, broker), before, strict=True)]
        stretch.append(_stretch())
    return _row(measured, load, qos, [*spent_s, sum(stretch) / len(stretch)])


async def _round(bus: MqttBus, controller: Controller) -> Round:
    controller.done.clear()
    bus.post(POKE, b"now")
    try:
        async with asyncio.timeout(_ROUND_S):
            await controller.done.wait()
    except TimeoutError:
        print(f"bench_bus: {len(controller.round.acked_s)} of {len(controller.round.sent_s)} acknowledged", file=sys.stderr)
    return controller.round


def _row(rounds: list[Round], load: Workload, qos: int, spent_s: list[float]) -> Row:
    delays_ms = np.array([acked_s - r.sent_s[seq] for r in rounds for seq, acked_s in r.acked_s.items()]) * MS_PER_S
    whole = [r for r in rounds if len(r.acked_s) == load.assets]
    if not whole:
        raise SystemExit("bench_bus: not one round was acknowledged whole")
    last_ms = np.array([max(r.acked_s.values()) - r.changed_s for r in whole]) * MS_PER_S
    heard_ms = np.array([r.heard_s - r.changed_s for r in rounds]) * MS_PER_S
    command_ms, change_ms = (np.percentile(ms, (50, 99, 100)).round(1).tolist() for ms in (delays_ms, last_ms))
    return Row(
        qos=qos,
        assets=load.assets,
        connections=load.connections,
        quiet=load.quiet,
        rounds=len(rounds),
        lost_acks=sum(len(r.sent_s) - len(r.acked_s) for r in rounds),
        command_to_ack_p50_ms=command_ms[0],
        command_to_ack_p99_ms=command_ms[1],
        change_to_heard_p99_ms=round(float(np.percentile(heard_ms, 99)), 1),
        change_to_last_ack_p50_ms=change_ms[0],
        change_to_last_ack_p99_ms=change_ms[1],
        change_to_last_ack_max_ms=change_ms[2],
        controller_cpu_s=round(spent_s[0], 2),
        field_cpu_s=round(spent_s[1], 2),
        broker_cpu_s=round(spent_s[2], 2),
        stretch=round(spent_s[3], 1),
    )


def _cpu_s(field_pid: int, broker: EmbeddedBroker) -> tuple[float, float, float]:
    """CPU seconds so far of this process, the field and the broker (Linux; zeros elsewhere)."""
    return time.process_time(), _cpu_of(field_pid), _cpu_of(broker.pid)


def _stretch() -> float:
    """Wall time over CPU time of a loop that does nothing else."""
    wall_s, cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - cpu_s < _SPIN_S:
        pass
    return (time.monotonic() - wall_s) / _SPIN_S


def _cpu_of(pid: int | None) -> float:
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(ticks[11]) + int(ticks[12])) / 100.0


async def run(load: Workload) -> list[Row]:
    """Commands at QoS 0, as they travel, and at QoS 1 as the rival, each on a fresh broker."""
    rows = []
    for qos in (0, 1):
        with tempfile.TemporaryDirectory(prefix="vpp-bench-") as folder:
            broker = EmbeddedBroker(Path(folder))
            await broker.start()
            try:
                rows.append(await measure(broker, load, qos))
            finally:
                await broker.stop()
    return rows


def show(rows: list[Row]) -> None:
    """A table for people."""
    print(f"target: {TARGET_MS:.0f} ms from a change to the last ack, p99, with the controller's own work in it")
    for row in rows:
        print(f"commands at QoS {row.qos}, {row.assets} assets on {row.connections} connections, {row.rounds} rounds")
        print(f"  command to its ack       p50 {row.command_to_ack_p50_ms:7.1f} ms   p99 {row.command_to_ack_p99_ms:7.1f} ms")
        p50_ms, p99_ms, max_ms = row.change_to_last_ack_p50_ms, row.change_to_last_ack_p99_ms, row.change_to_last_ack_max_ms
        print(f"  change to the last ack   p50 {p50_ms:7.1f} ms   p99 {p99_ms:7.1f} ms   max {max_ms:7.1f} ms")
        print(
            f"  CPU s: controller {row.controller_cpu_s}, field {row.field_cpu_s}, broker {row.broker_cpu_s};"
            f" stretch {row.stretch}; acknowledgements lost: {row.lost_acks}"
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--assets", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--connections", type=int, help="that the assets share; without it one an asset")
    parser.add_argument("--quiet", action="store_true", help="no edge reports by itself: what commands and acks cost alone")
    parser.add_argument("--field", metavar="URL", help=argparse.SUPPRESS)
    told = parser.parse_args()
    connections = told.connections or told.assets
    if told.field:
        asyncio.run(live_field(told.field, told.assets, connections, quiet=told.quiet))
        return
    rows = asyncio.run(run(Workload(told.assets, connections, told.rounds, told.quiet)))
    show(rows)
    if told.json:
        facts = {"target_ms": TARGET_MS, "rows": [asdict(row) for row in rows]}
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
