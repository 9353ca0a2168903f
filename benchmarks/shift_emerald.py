"""The test bed of the Phoenix field demonstration behind the controller, called for what its record shows."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from controllers.bus.base import Bus
from controllers.client import SchedulerClient
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from sim_harness.plants.base import Ambient
from sim_harness.plants.emerald import EMERALD_JOBS, RECORDED, emerald_cluster, emerald_plate
from sim_harness.wires import LocalWire
from tests.world_builders import START, asset, connection
from tests.world_builders import park as park_of
from vpp.ids import ConnectionId
from vpp.units import KW_PER_MW, FloatArray
from vpp.wire.codec import encode
from vpp.wire.messages import GridEvent
from vpp.wire.topics import Channel, topic_of

__all__ = ["measure_emerald"]

EMERALD_ID: Final = "compute.emerald"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Power minute by minute since the event began, and what came of it.

    Args:
        minute: Since the event's begin, shape (n,).
        power_kw: Of the GPUs, shape (n,). [kW]
        before_kw: Mean of the hour before. [kW]
        event_kw: Mean inside the event. [kW]
        lowest_kw: Lowest minute. [kW]
        ramp_min: Until power stays within 5 % of the event's median for five minutes. [min]
        undershoot_frac: Of the lowest minute, below that median.
        below_min: Minutes more than 10 % below it. [min]
        throughput_frac: Weighted over the jobs.
    """

    minute: FloatArray
    power_kw: FloatArray
    before_kw: float
    event_kw: float
    lowest_kw: float
    ramp_min: float
    undershoot_frac: float
    below_min: int
    throughput_frac: float

    def to_json(self) -> dict[str, float]:
        """Figures alone."""
        return {k: round(float(v), 4) for k, v in asdict(self).items() if k not in ("minute", "power_kw")}


def _curve(minute: FloatArray, power_kw: FloatArray, throughput: float) -> Curve:
    inside = (minute >= 0) & (minute < EVENT_MIN)
    before_kw = float(power_kw[(minute >= -60) & (minute < 0)].mean())
    event = power_kw[inside]
    settled_kw = float(np.median(event))
    near = np.abs(event - settled_kw) <= 0.05 * settled_kw
    steady = np.flatnonzero(np.convolve(near, np.ones(5), mode="valid") > 4.5)
    return Curve(
        minute=minute,
        power_kw=power_kw,
        before_kw=before_kw,
        event_kw=float(event.mean()),
        lowest_kw=float(event.min()),
        ramp_min=float(steady[0]) if len(steady) else float("nan"),
        undershoot_frac=max(0.0, 1.0 - float(event.min()) / settled_kw),
        below_min=int(np.count_nonzero(event < 0.9 * settled_kw)),
        throughput_frac=throughput,
    )


EVENT_MIN: Final = 180.0


def recorded(data_dir: Path) -> Curve:
    """The public record; its event begins where power leaves the hour before for good."""
    with (data_dir / "emerald_phoenix_event_power.csv").open(encoding="utf-8") as file:
        power_kw = np.array([float(row["total"]) for row in csv.DictReader(file)]) / KW_PER_MW
    usual = power_kw[:60].mean()
    low = int(np.argmax(power_kw < 0.8 * usual))
    begin = int(np.flatnonzero(power_kw[:low] > 0.97 * usual)[-1]) + 1
    return _curve(np.arange(power_kw.size, dtype=np.float64) - begin, power_kw, RECORDED.throughput_frac)


def emerald_run(asked_frac: float) -> tuple[Curve, dict[str, float]]:
    """The test bed behind a controller that hears the grid's call."""
    return asyncio.run(_emerald(asked_frac))


async def _emerald(
    asked_frac: float, lead_min: int = 90, notice_min: int = 30, tail_min: int = 100
) -> tuple[Curve, dict[str, float]]:
    clock, step = SimClock(START), timedelta(seconds=10)
    cluster = emerald_cluster(START, EMERALD_ID, "phoenix")
    where = ConnectionId("grid.phoenix")
    park = park_of([asset(EMERALD_ID, "compute", emerald_plate(), "phoenix")], [connection(where, "phoenix", import_mw=1.0)])
    settings = ControllerSettings(control=step)

    def made(bus: Bus, of: SimClock) -> tuple[Controller, int]:
        return Controller(park, bus, of, settings), 2

    power: list[float] = []
    start = START + timedelta(minutes=lead_min)

    async with LocalWire(made, clock) as wire:
        bus = wire.world_bus
        client = SchedulerClient(
            bus, park.id, EMERALD_ID, clock, fallback_cap_mw=emerald_plate().rated_mw, on_shift=cluster.on_shift
        )
        cluster.connect(client)

        async def live() -> None:
            before: datetime | None = None
            async for at in clock.every(step, priority=-1):
                if before is not None:
                    ambient = Ambient(before, step.total_seconds(), 10.0)
                    cluster.settle(cluster.intend(ambient).power_mw, ambient)
                    power.append(cluster.power_mw)
                cluster.report()
                before = at

        world = asyncio.ensure_future(live())
        await wire.start(START)
        await clock.wait_for_participants(1 + wire.participants)
        await clock.run_until(start - timedelta(minutes=notice_min))
        usual_mw = float(np.mean(power))
        call = GridEvent(
            event_id="phoenix",
            revision=1,
            kind="peak",
            target_mw=(1.0 - asked_frac) * usual_mw,
            asset=EMERALD_ID,
            start=start,
            end=start + timedelta(minutes=EVENT_MIN),
            issued_at=clock.now(),
        )
        bus.post(topic_of(park.id, Channel.GRID_EVENT, where), encode(call), qos=1, retain=True)
        await clock.run_until(start)
        at = dict(cluster.totals())
        await clock.run_until(start + timedelta(minutes=EVENT_MIN))
        now = dict(cluster.totals())
        await clock.run_until(start + timedelta(minutes=EVENT_MIN + tail_min))
        world.cancel()
        await asyncio.gather(world, return_exceptions=True)
        await wire.end()
    lost = {t: now[f"lost_throughput_mwh.tier{t}"] - at[f"lost_throughput_mwh.tier{t}"] for t in (1, 2, 3)}
    done = now["firm_done_mwh"] - at["firm_done_mwh"]
    full = done + sum(lost.values())
    by_tier = {f"flex_{t}": 1.0 - lost[t] / (full * emerald_plate().tier_frac[t]) for t in lost}
    minutes = np.array(power[: len(power) // 6 * 6]).reshape(-1, 6).mean(axis=1) * KW_PER_MW
    return _curve(np.arange(minutes.size) - float(lead_min), minutes, done / full), by_tier


def recorded_by_tier(data_dir: Path) -> dict[str, float]:
    """The record's throughput of each flex class, jobs weighed by the power of their GPUs."""
    power = {job.name: job.power_mw for job in EMERALD_JOBS}
    with (data_dir / "emerald_phoenix_event_performance.csv").open(encoding="utf-8") as file:
        rows = [(r["Model"].strip(), float(r["Performance"]), r["Flexibility"]) for r in csv.DictReader(file) if r["Flexibility"]]
    found: dict[str, list[tuple[float, float]]] = {}
    left = dict(power)
    for model, performance, tier in sorted(rows):
        name = next(n for n in left if model.startswith(n.split(" ")[0]))
        found.setdefault(tier.strip().lower().replace(" ", "_"), []).append((left.pop(name), performance))
    return {tier: sum(w * x for w, x in jobs) / sum(w for w, _ in jobs) for tier, jobs in sorted(found.items())}


def measure_emerald(data_dir: Path | None, figure: Path | None) -> dict[str, Any]:
    """The record beside ours, at the depth that was asked and at the depth that was given."""
    ours = {"ours, 25 % asked": emerald_run(0.25), "ours, 31 % asked": emerald_run(0.31)}
    found: dict[str, Any] = {name: curve.to_json() | by_tier for name, (curve, by_tier) in ours.items()}
    if data_dir is None:
        return found
    record = recorded(data_dir)
    found = {"record": record.to_json() | recorded_by_tier(data_dir), **found}
    if figure is not None:
        draw(figure, {"record": record, **{name: curve for name, (curve, _) in ours.items()}})
        found["figure"] = str(figure)
    return found


def draw(path: Path, curves: Mapping[str, Curve]) -> None:
    """Power of the GPUs, minute by minute, the record and ours."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 4.5), constrained_layout=True)
    axis.axvspan(0.0, EVENT_MIN, color="0.94", zorder=0)
    colours = ("0.35", "#0b6e99", "#d1603d")
    for colour, (name, curve) in zip(colours, curves.items(), strict=False):
        label = f"{name}: throughput {curve.throughput_frac:.3f}"
        axis.plot(curve.minute, curve.power_kw, color=colour, linewidth=1.3, label=label)
    axis.set(xlabel="minutes since the call began to bind", ylabel="kW of 256 GPUs", xlim=(-60, 275), ylim=(40, 100))
    axis.set_title("A call of three hours: the Phoenix field demonstration, and the same jobs behind this controller")
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
