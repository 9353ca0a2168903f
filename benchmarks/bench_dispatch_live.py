"""From a change in the field to the last command acknowledged, with a thousand assets, planner, API and recorder at work.

    python benchmarks/bench_dispatch_live.py [--assets 1000] [--changes 60] [--together] [--json FILE]

The shipped parts, each in a process of its own on this one machine: the embedded broker, the controller with recorder and
ledger, the API. This process stands for the field: one wind farm, a load, and batteries that acknowledge at once. A call of the
grid holds the import, so that a step in the wind must be met by batteries. Meanwhile a further process solves plans without a
pause, and the API is asked 200 times a second. Measured here: from the farm's reading handed to the bus until the last ack of a
battery that had to move has come back from the broker. The controller itself says how late its regular dispatch was.

Devices report once a second, each at its own moment of it: `vpp-edge` counts its seconds from its own start. With `--together`
all of them report at one and the same moment, the full second at which dispatch begins too: the worst that could be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from controllers.books import HEALTH
from controllers.bus.base import Bus
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.family import Call, Child, Family, Word
from controllers.serve import operator_token
from controllers.settings import ApiSettings, Settings
from controllers.store import open_store
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Command, GridEvent, GridMeasurement, Status, Target, Telemetry
from vpp.wire.topics import Channel, filter_of, parse, topic_of

_FARM, _LOAD, _GRID = AssetId("wind.a"), AssetId("base.a"), ConnectionId("grid.a")
_LOAD_MW, _WIND_MW, _STEP_MW = 600.0, 300.0, 50.0
_REQUESTS_PER_S = 200.0
_QUIET_S = 0.6
#: Moments of a second at which devices report.
_PARTS = 50
_CONNECTIONS = 16
_ANSWERED_WITHIN_S = 2.5


def park_of(assets: int) -> Park:
    """One area with so many assets: a farm, a load, and batteries of 1 MW."""
    from tests.world_builders import BASE, BATTERY, WIND, asset, connection, park

    battery = replace(BATTERY, power_mw=1.0, energy_mwh=4.0)
    farm, base = replace(WIND, capacity_mw=800.0), replace(BASE, mean_mw=_LOAD_MW)
    stores = [asset(AssetId(f"bess.s{k}"), "battery", battery, "a") for k in range(assets - 2)]
    return park(
        [asset(_FARM, "wind", farm, "a"), asset(_LOAD, "base_load", base, "a"), *stores],
        [replace(connection(_GRID, "a"), import_limit_mw=1_000.0)],
    )


@dataclass
class Field:
    """All devices of the park on one connection."""

    park: Park
    bus: Bus
    clock: WallClock
    wind_mw: float = _WIND_MW
    power_mw: dict[AssetId, float] = field(default_factory=dict)
    moved: dict[tuple[int, int], AssetId] = field(default_factory=dict)
    last_ack_s: float = 0.0
    acks: int = 0
    commands: int = 0

    def listen(self) -> None:
        """Commands come in, acks come back to be timed."""
        self.power_mw = {a.id: 0.0 for a in self.park.assets if a.kind == "battery"}
        self.bus.subscribe(filter_of(self.park.id, Channel.ASSET_COMMAND), self._take)
        self.bus.subscribe(filter_of(self.park.id, Channel.ASSET_ACK), self._heard)
        for asset in self.park.assets:
            topic = topic_of(self.park.id, Channel.ASSET_STATUS, asset.id)
            self.bus.post(topic, encode(Status(online=True, mode="remote")), qos=1, retain=True)

    def report(self, part: int = 0, parts: int = 1) -> None:
        """One reading of every device of a part; the meters speak with the first."""
        at = self.clock.now()
        for store in list(self.power_mw)[part::parts]:
            self._tell(store, Telemetry(measured_at=at, power_mw=self.power_mw[store], state={"soc_frac": 0.5}))
        if part == 0:
            self._report_meters(at)

    def _report_meters(self, at: datetime) -> None:
        self._tell(_LOAD, Telemetry(measured_at=at, power_mw=_LOAD_MW))
        self.report_wind()
        import_mw = _LOAD_MW - self.wind_mw + sum(self.power_mw.values())
        reading = GridMeasurement(measured_at=at, import_mw=import_mw, frequency_hz=50.0)
        self.bus.post(topic_of(self.park.id, Channel.GRID_MEASUREMENT, _GRID), encode(reading))

    def report_wind(self) -> None:
        """The farm's reading alone."""
        at = self.clock.now()
        self._tell(_FARM, Telemetry(measured_at=at, power_mw=-self.wind_mw, available_mw=self.wind_mw))

    def _tell(self, asset_id: AssetId, said: Telemetry) -> None:
        self.bus.post(topic_of(self.park.id, Channel.ASSET_TELEMETRY, asset_id), encode(said))

    def _take(self, topic: str, payload: bytes) -> None:
        asset_id, command = AssetId(parse(topic).subject), decode(Command, topic, payload)
        self.commands += 1
        asked = command.command.power_mw if isinstance(command.command, Target) else 0.0
        if asset_id in self.power_mw:
            if abs(asked - self.power_mw[asset_id]) > 0.2:
                self.moved[command.epoch, command.seq] = asset_id
            self.power_mw[asset_id] = asked
        ack = Ack(epoch=command.epoch, seq=command.seq, acked_at=self.clock.now(), outcome="accepted", power_mw=asked)
        self.bus.post(topic_of(self.park.id, Channel.ASSET_ACK, asset_id), encode(ack))

    def _heard(self, topic: str, payload: bytes) -> None:
        ack = decode(Ack, topic, payload)
        if self.moved.pop((ack.epoch, ack.seq), None) is not None:
            self.last_ack_s = time.perf_counter()
            self.acks += 1


async def measured(assets: int, changes: int, parts: int) -> dict[str, Any]:
    """One run with everything at once."""
    park = park_of(assets)
    with TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder) / "state", api=ApiSettings(port=0))
        broker, family = EmbeddedBroker(Path(folder) / "broker"), Family()
        await broker.start()
        ready: dict[str, asyncio.Future[str]] = {n: asyncio.get_running_loop().create_future() for n in ("controller", "api")}

        def on(name: str) -> Any:
            return lambda word: ready[name].set_result(word.text) if not ready[name].done() else None

        site = (settings, park, broker.url)
        children = [
            Child("controller", Call("controllers.controller_process:controller_process", (*site, None, None))),
            Child("api", Call("controllers.serve:api_process", site)),
            Child("planner", Call("benchmarks.bench_dispatch_live:solve_for_ever")),
        ]
        keepers = [asyncio.ensure_future(family.keep(c, on(c.name) if c.name in ready else _heard)) for c in children]
        try:
            async with connected_bus(broker.url, "field", settings=MqttSettings(outbox_size=100_000)) as bus:
                there = Field(park, bus, WallClock())
                there.listen()
                await ready["controller"]
                address, asked = (await ready["api"]).split()[-1], Path(folder) / "asked.json"
                told = (address, operator_token(settings), str(asked))
                asking = Child("asking", Call("benchmarks.bench_dispatch_live:ask_for_ever", told))
                keepers.append(asyncio.ensure_future(family.keep(asking, _heard)))
                found = await _in_the_field(there, settings, changes, parts)
                api = json.loads(asked.read_text(encoding="ascii"))
                return found | {"api_requests_per_s": round(api["per_s"], 1), "api_p99_ms": api["p99_ms"]}
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await family.end()
            await broker.stop()


async def _in_the_field(there: Field, settings: Settings, changes: int, parts: int) -> dict[str, Any]:
    reporting = asyncio.ensure_future(_every_second(there, parts))
    try:
        await _until_balanced(there)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        delays_s, moved = await _steps(there, changes)
        span_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_SELF)
        # The controller writes its health four times a minute.
        await asyncio.sleep(17.0)
        store = open_store(settings.store_url)
        health = json.loads(store.recall(HEALTH) or b"{}")
        store.close()
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
    return {
        "assets": len(there.park.assets),
        "moments_per_s": parts,
        "changes": changes,
        "answered": len(delays_s),
        "moved_mean": round(float(np.mean(moved)), 1),
        "reaction_p50_ms": _ms(delays_s, 50),
        "reaction_p90_ms": _ms(delays_s, 90),
        "reaction_p99_ms": _ms(delays_s, 99),
        "dispatch_late_p99_ms": _of(health, "dispatch_late_p99_s"),
        "dispatch_longest_ms": round(1e3 * health.get("loops", {}).get("dispatch", {}).get("longest_s", float("nan")), 1),
        "ack_p99_ms": _of(health, "ack_p99_s"),
        "brought_on": health.get("dispatch_brought_on"),
        "commands": there.commands,
        "rows_written": health.get("rows_written"),
        "rows_lost": health.get("rows_lost"),
        "field_cpu_frac": round((used.ru_utime + used.ru_stime - usage.ru_utime - usage.ru_stime) / span_s, 3),
        "load_1min": round(os.getloadavg()[0], 1),
        "slowest_ms_and_moved": sorted(((round(1e3 * s), n) for s, n in zip(delays_s, moved, strict=True)), reverse=True)[:8],
    }


async def _steps(there: Field, changes: int) -> tuple[list[float], list[int]]:
    """One step of wind after another, down and up, each at another moment within the second."""
    delays_s: list[float] = []
    moved: list[int] = []
    for k in range(changes):
        await asyncio.sleep(_QUIET_S + (k * 0.137) % 1.0)
        there.wind_mw = _WIND_MW - (_STEP_MW if k % 2 == 0 else 0.0)
        acks, there.last_ack_s = there.acks, 0.0
        said_s = time.perf_counter()
        there.report_wind()
        # A change that is not answered at once is answered by the next regular period.
        await asyncio.sleep(_ANSWERED_WITHIN_S)
        if there.last_ack_s:
            delays_s.append(there.last_ack_s - said_s)
            moved.append(there.acks - acks)
    return delays_s, moved


async def _every_second(there: Field, parts: int) -> None:
    at = there.clock.now()
    call = GridEvent(
        event_id="bench", revision=1, kind="import_limit", target_mw=0.0, start=at, end=at + timedelta(hours=2), issued_at=at
    )
    there.bus.post(topic_of(there.park.id, Channel.GRID_EVENT, _GRID), encode(call), qos=1, retain=True)
    async for at in there.clock.every(timedelta(seconds=1) / parts):
        there.report(round((at.microsecond / 1e6) * parts) % parts, parts)


async def _until_balanced(there: Field) -> None:
    async with asyncio.timeout(300.0):
        while _LOAD_MW - there.wind_mw + sum(there.power_mw.values()) > 1.0:  # noqa: ASYNC110  the field is no event
            await asyncio.sleep(0.5)
    await asyncio.sleep(10.0)


def ask_for_ever(address: str, token: str, facts: str, pipe: Any) -> None:
    """Two hundred requests a second over as many connections; writes down every second how it goes."""
    del pipe
    asyncio.run(_ask(address, token, Path(facts)))


async def _ask(address: str, token: str, facts: Path) -> None:
    host, port = address.removeprefix("http://").split(":")
    took_s: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        for k in range(_CONNECTIONS):
            tasks.create_task(_ask_over(host, int(port), token, took_s, k))
        began = time.perf_counter()
        while True:
            await asyncio.sleep(1.0)
            told = {"per_s": len(took_s) / (time.perf_counter() - began), "p99_ms": _ms(took_s, 99)}
            facts.write_text(json.dumps(told), encoding="ascii")  # noqa: ASYNC240  a hundred bytes, once a second


async def _ask_over(host: str, port: int, token: str, took_s: list[float], k: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    due = time.perf_counter()
    while True:
        due += _CONNECTIONS / _REQUESTS_PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        k = (k + 7) % 250
        began = time.perf_counter()
        writer.write(f"GET /v1/live/bess.s{k} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(length)
        if head.startswith(b"HTTP/1.1 200"):
            took_s.append(time.perf_counter() - began)


def solve_for_ever(pipe: Any) -> None:
    """A planner without a pause, as far behind in the queue for a processor as the service puts it."""
    from controllers.planner import solve
    from tests.builders_control import problem_of

    del pipe
    os.nice(5)
    problem = problem_of(96)
    while True:
        solve(problem)


def _heard(word: Word) -> None:
    """Nothing to hear."""


def _ms(values_s: list[float], percent: float) -> float | None:
    return round(float(np.percentile(values_s, percent)) * 1e3, 1) if values_s else None


def _of(health: dict[str, Any], name: str) -> float | None:
    value = health.get(name)
    return None if value is None else round(value * 1e3, 1)


def main() -> None:
    """Measures and says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assets", type=int, default=1_000, help="at least 500: the batteries among them must carry the load")
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--together", action="store_true", help="all devices report at the same moment")
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args()
    facts = asyncio.run(measured(told.assets, told.changes, 1 if told.together else _PARTS))
    for name, value in facts.items():
        print(f"{name:24} {value}")
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
