"""What the API costs with 1,000 assets: one answer with all of them, and 200 requests a second while their telemetry comes in.

The first part is timed in this process, in CPU time, against the framework's own way through plain dicts. The second runs the
API as the service does, in a process of its own on a real broker and store; its CPU seconds are the kernel's count, latencies
are wall time as the client sees them, and depend on what else the machine does.

    python benchmarks/bench_api.py [--seconds 10] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from fastapi.encoders import jsonable_encoder

from controllers.api.live import LiveView
from controllers.api.process import run_api, start_token
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.local import LocalBus
from controllers.bus.mqtt import connected_bus
from controllers.settings import ApiSettings, Settings
from vpp.ids import AssetId
from vpp.park import Park, load
from vpp.wire.codec import encode
from vpp.wire.messages import Command, FallbackProfile, Reason, Status, Target, Telemetry
from vpp.wire.topics import Channel, topic_of

ASSETS: Final = 1_000
MS_PER_S: Final = 1e3
PER_S: Final = 200
PARK: Final = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
#: What is asked, each as often as it stands here.
ROUTES: Final = ("/v1/live/{asset}",) * 12 + ("/v1/live", "/v1/overrides", "/v1/whoami", "/v1/assets/{asset}", "/healthz")


@dataclass(frozen=True, slots=True)
class Encoding:
    """CPU time of one answer with all assets. [ms]."""

    assets: int
    bytes: int
    all_changed_ms: float
    none_changed_ms: float
    through_dicts_ms: float


@dataclass(frozen=True, slots=True)
class Serving:
    """Requests at a steady rate beside telemetry.

    Args:
        asked_per_s: Requests a second that were sent.
        answered: By status.
        p50_ms: Of a request, wall time. [ms]
        p99_ms: Likewise. [ms]
        api_cpu_s: CPU seconds of the API's process over the run.
        wall_s: Length of the run.
    """

    assets: int
    telemetry_per_s: float
    asked_per_s: float
    answered: dict[str, int]
    p50_ms: float
    p99_ms: float
    api_cpu_s: float
    wall_s: float


def big_park(n: int) -> Park:
    """The small park with its batteries many times over."""
    park = load(PARK, at=date(2030, 10, 1))
    battery = park.asset("bess.hongshan")
    more = tuple(replace(battery, id=AssetId(f"bess.n{i}")) for i in range(n - len(park.assets)))
    return replace(park, assets=(*park.assets, *more))


def words_of(park: Park, at: datetime) -> list[tuple[str, bytes]]:
    """What every asset says in one second."""
    said = Telemetry(measured_at=at, power_mw=-3.2, state={"soc_frac": 0.41})
    return [(topic_of(park.id, Channel.ASSET_TELEMETRY, asset.id), encode(said)) for asset in park.assets]


def encoding(park: Park) -> Encoding:
    """An answer with everything in it, as `/v1/live` gives it."""
    bus, at = LocalBus(), datetime(2030, 10, 1, tzinfo=UTC)
    live = LiveView(park, bus)
    told = Command(
        epoch=1,
        seq=1,
        issued_at=at,
        command=Target(power_mw=-3.2),
        lease_s=15.0,
        fallback=FallbackProfile(safe_after_s=900.0, safe_ramp_mw_per_min=10.0),
        plan_id="plan.20301001T000000",
        reason=Reason(code="mpc", text="charged while the wind is free", price_cny_per_mwh=212.0),
    )
    for asset in park.assets:
        bus.post(topic_of(park.id, Channel.ASSET_STATUS, asset.id), encode(Status(online=True, mode="remote", changed_at=at)))
        bus.post(topic_of(park.id, Channel.ASSET_COMMAND, asset.id), encode(told))

    def told_again() -> None:
        for topic, payload in words_of(park, at):
            bus.post(topic, payload)

    told_again()
    state = live.state(at)
    answer = msgspec.json.encode(state)
    return Encoding(
        assets=len(park.assets),
        bytes=len(answer),
        all_changed_ms=cpu_ms(lambda: msgspec.json.encode(live.state(at)), before=told_again),
        none_changed_ms=cpu_ms(lambda: msgspec.json.encode(live.state(at))),
        through_dicts_ms=cpu_ms(lambda: json.dumps(jsonable_encoder(msgspec.to_builtins(state))), repeats=5),
    )


def cpu_ms(run: Callable[[], object], *, before: Callable[[], None] | None = None, repeats: int = 20) -> float:
    """Median CPU time of one run."""
    taken = []
    for _ in range(repeats):
        if before is not None:
            before()
        start_s = time.process_time()
        run()
        taken.append((time.process_time() - start_s) * MS_PER_S)
    return round(statistics.median(taken), 3)


def api_process(pipe: Pipe, settings: Settings, park: Park, url: str) -> None:
    """The API as the service starts it."""
    run_api(settings, park, url, on_ready=pipe.send)


async def serving(park: Park, seconds: float) -> Serving:
    """Telemetry of all assets every second, and requests at a steady rate."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(park=PARK, state_dir=Path(folder) / "state", api=ApiSettings(port=0))
        broker = EmbeddedBroker(Path(folder) / "broker")
        await broker.start()
        ours, theirs = get_context("spawn").Pipe()
        child = get_context("spawn").Process(target=api_process, args=(theirs, settings, park, broker.url))
        child.start()
        try:
            address = await asyncio.to_thread(ours.recv)
            headers = {"Authorization": f"Bearer {start_token(settings)}"}
            async with (
                connected_bus(broker.url, "field") as bus,
                httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=20.0) as client,
            ):
                return await load_of(park, bus, client, int(child.pid or 0), seconds)
        finally:
            child.terminate()
            child.join(10.0)
            await broker.stop()


async def load_of(park: Park, bus: Any, client: httpx.AsyncClient, pid: int, seconds: float) -> Serving:
    """The load itself."""
    took_ms: list[float] = []
    statuses: Counter[str] = Counter()
    posted = 0

    async def field(until_s: float) -> None:
        nonlocal posted
        while (now_s := time.monotonic()) < until_s:
            for topic, payload in words_of(park, datetime.now(UTC)):  # noqa: TID251  the field's own clock
                bus.post(topic, payload)
                posted += 1
            await asyncio.sleep(max(0.0, now_s + 1.0 - time.monotonic()))

    async def ask(path: str) -> None:
        start_s = time.monotonic()
        said = await client.get(path)
        took_ms.append((time.monotonic() - start_s) * MS_PER_S)
        statuses[str(said.status_code)] += 1

    await client.get("/v1/live")
    began_s, cpu_before_s = time.monotonic(), cpu_s_of(pid)
    telling = asyncio.create_task(field(began_s + seconds))
    asked: list[asyncio.Task[None]] = []
    for i in range(int(seconds * PER_S)):
        path = ROUTES[i % len(ROUTES)].replace("{asset}", park.assets[i % len(park.assets)].id)
        asked.append(asyncio.create_task(ask(path)))
        await asyncio.sleep(max(0.0, began_s + (i + 1) / PER_S - time.monotonic()))
    await asyncio.gather(telling, *asked)
    wall_s = time.monotonic() - began_s
    percentiles = statistics.quantiles(took_ms, n=100)
    return Serving(
        assets=len(park.assets),
        telemetry_per_s=round(posted / wall_s, 1),
        asked_per_s=round(len(asked) / wall_s, 1),
        answered=dict(statuses),
        p50_ms=round(percentiles[49], 2),
        p99_ms=round(percentiles[98], 2),
        api_cpu_s=round(cpu_s_of(pid) - cpu_before_s, 2),
        wall_s=round(wall_s, 2),
    )


def cpu_s_of(pid: int) -> float:
    """CPU seconds of a process, user and system, as the kernel counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the second part")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    park = big_park(ASSETS)
    one = encoding(park)
    print(
        f"one answer with {one.assets} assets, {one.bytes:,} bytes, CPU: {one.all_changed_ms} ms when all have changed, ", end=""
    )
    print(f"{one.none_changed_ms} ms when none has; through plain dicts {one.through_dicts_ms} ms")
    many = asyncio.run(serving(park, told.seconds))
    print(f"{many.asked_per_s} requests/s beside {many.telemetry_per_s} readings/s: {many.answered}, ", end="")
    print(f"p50 {many.p50_ms} ms, p99 {many.p99_ms} ms, {many.api_cpu_s} CPU s of the API in {many.wall_s} s")
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps({"encoding": asdict(one), "serving": asdict(many)}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
