"""What a message costs: to write and read one, and to send it round through the broker.

The rival reads and writes the same facts with pydantic models, the usual way to have typed JSON, and with plain `json` and no
types at all; it is timed in the same run on the same messages. Round trips go over the embedded broker, from one connection to
another and back, one after another: at QoS 0, as commands and acks travel, and at QoS 1 as the rival.

    python benchmarks/bench_wire.py [--json FILE] [--trips N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import timeit
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pydantic import BaseModel, ConfigDict

from controllers.bus.broker import embedded_broker
from controllers.bus.mqtt import connected_bus
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Command, FallbackPoint, FallbackProfile, Message, Reason, Target, Telemetry

AT = datetime(2030, 10, 1, 4, 0, 0, 250_000, tzinfo=UTC)
US_PER_S, MS_PER_S = 1e6, 1e3
LOOPS, REPEATS = 2_000, 9

TELEMETRY = Telemetry(
    measured_at=AT,
    power_mw=-148.25,
    available_mw=151.5,
    state={"soc_frac": 0.625, "stored_mwh": 75.0},
    applied_epoch=7,
    applied_seq=42,
)
COMMAND = Command(
    epoch=1_917_057_600_000,
    seq=42,
    issued_at=AT,
    command=Target(power_mw=-12.5),
    lease_s=15.0,
    fallback=FallbackProfile(
        points=tuple(FallbackPoint(after_s=900.0 * i, power_mw=-12.5 + i) for i in range(3)),
        safe_after_s=1_800.0,
        safe_ramp_mw_per_min=6.0,
    ),
    plan_id="plan.20301001t040000",
    reason=Reason(code="price", text="price of the area above the value of the store", price_cny_per_mwh=812.5),
)


class RivalTelemetry(BaseModel):
    """The same message as a pydantic model."""

    model_config = ConfigDict(frozen=True)
    schema_version: int = 1
    t: datetime
    power_mw: float
    available_mw: float | None = None
    state: dict[str, float] = {}
    applied_epoch: int = 0
    applied_seq: int = 0
    quality: str = "good"


class RivalTarget(BaseModel):
    """A set-point."""

    model_config = ConfigDict(frozen=True)
    kind: str
    power_mw: float


class RivalPoint(BaseModel):
    """A point of the profile."""

    model_config = ConfigDict(frozen=True)
    after_s: float
    power_mw: float


class RivalProfile(BaseModel):
    """The profile."""

    model_config = ConfigDict(frozen=True)
    points: tuple[RivalPoint, ...] = ()
    safe_after_s: float
    safe_power_mw: float | None = None
    safe_ramp_mw_per_min: float


class RivalReason(BaseModel):
    """Why."""

    model_config = ConfigDict(frozen=True)
    code: str
    text: str = ""
    price_cny_per_mwh: float | None = None
    limit: str | None = None


class RivalCommand(BaseModel):
    """The same message as a pydantic model."""

    model_config = ConfigDict(frozen=True)
    schema_version: int = 1
    epoch: int
    seq: int
    issued_at: datetime
    command: RivalTarget
    ramp_mw_per_min: float | None = None
    lease_s: float
    fallback: RivalProfile
    plan_id: str
    reason: RivalReason


@dataclass(frozen=True, slots=True)
class CodecRow:
    """One message: microseconds to write and read it, by way of doing so."""

    message: str
    size_bytes: int
    ours_encode_us: float
    ours_decode_us: float
    pydantic_encode_us: float
    pydantic_decode_us: float
    plain_json_encode_us: float
    plain_json_decode_us: float


@dataclass(frozen=True, slots=True)
class TripRow:
    """Round trips at one quality of service."""

    qos: int
    trips: int
    p50_ms: float
    p99_ms: float


def taken_us(call: Callable[[], object]) -> float:
    """Median time of a call over several rounds of many."""
    return statistics.median(timeit.repeat(call, number=LOOPS, repeat=REPEATS)) / LOOPS * US_PER_S


def measure_codec(message: Message, rival: type[BaseModel]) -> CodecRow:
    """One message, ours and the rivals on the same bytes."""
    payload = encode(message)
    kind = type(message)
    model = rival.model_validate_json(payload)
    plain: Any = json.loads(payload)
    if rival.model_validate(msgspec.to_builtins(message)) != model:
        raise SystemExit(f"bench_wire: {kind.__name__}: the rival reads other facts than were written")
    return CodecRow(
        message=kind.__name__,
        size_bytes=len(payload),
        ours_encode_us=taken_us(lambda: encode(message)),
        ours_decode_us=taken_us(lambda: decode(kind, "bench", payload)),
        pydantic_encode_us=taken_us(lambda: model.model_dump_json().encode()),
        pydantic_decode_us=taken_us(lambda: rival.model_validate_json(payload)),
        plain_json_encode_us=taken_us(lambda: json.dumps(plain).encode()),
        plain_json_decode_us=taken_us(lambda: json.loads(payload)),
    )


async def measure_trips(trips: int) -> list[TripRow]:
    """A command there and the same bytes back, one after another."""
    payload, rows = encode(COMMAND), []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_broker(Path(folder)) as url,
            connected_bus(url, "controller") as near,
            connected_bus(url, "edge") as far,
        ):
            for qos in (0, 1):
                rows.append(await _trips_at(near, far, qos, trips, payload))
    return rows


async def _trips_at(near: Any, far: Any, qos: int, trips: int, payload: bytes) -> TripRow:
    loop, back = asyncio.get_running_loop(), asyncio.Event()
    far.subscribe(f"bench/{qos}/there", lambda _, body: far.post(f"bench/{qos}/back", body, qos=qos), qos)
    near.subscribe(f"bench/{qos}/back", lambda *_: back.set(), qos)
    await far.flush()
    await near.flush()
    taken_ms = []
    warm_up = trips // 10
    for trip in range(trips + warm_up):
        back.clear()
        start = loop.time()
        near.post(f"bench/{qos}/there", payload, qos=qos)
        async with asyncio.timeout(5.0):
            await back.wait()
        if trip >= warm_up:
            taken_ms.append((loop.time() - start) * MS_PER_S)
    return TripRow(qos, trips, *(float(q) for q in np.quantile(taken_ms, [0.5, 0.99])))


def main() -> None:
    """Measure, print two tables, write the figures."""
    parser = argparse.ArgumentParser(description="Time messages and round trips.")
    parser.add_argument("--json", type=Path, default=Path("out/bench/wire.json"))
    parser.add_argument("--trips", type=int, default=2_000)
    options = parser.parse_args()
    print(f"{'message':10} {'bytes':>6} {'':8} {'ours us':>8} {'pydantic us':>12} {'plain json us':>14}")
    codec = [measure_codec(TELEMETRY, RivalTelemetry), measure_codec(COMMAND, RivalCommand)]
    for row in codec:
        encoded = f"{row.ours_encode_us:8.1f} {row.pydantic_encode_us:12.1f} {row.plain_json_encode_us:14.1f}"
        decoded = f"{row.ours_decode_us:8.1f} {row.pydantic_decode_us:12.1f} {row.plain_json_decode_us:14.1f}"
        print(f"{row.message:10} {row.size_bytes:6d} {'encode':8} {encoded}\n{'':17} {'decode':8} {decoded}")
    trips = asyncio.run(measure_trips(options.trips))
    for trip in trips:
        print(f"round trip at QoS {trip.qos}: p50 {trip.p50_ms:.2f} ms, p99 {trip.p99_ms:.2f} ms of {trip.trips}")
    report = {"benchmark": "wire", "codec": [asdict(row) for row in codec], "round_trips": [asdict(trip) for trip in trips]}
    target: Path = options.json
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
