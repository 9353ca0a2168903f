"""From a cut in the signal to the cluster's modelled power inside its cap, on a real Slurm over a real broker.

The clock runs from the moment the park posts the signal to the moment Slurm itself, asked anew, shows a queue whose power is
inside the cap. Needs Slurm's Debian packages, root, and `slurm-local` from the folder beside the checkout.

    python benchmarks/bench_slurm.py [--nodes 64] [--jobs 500] [--cuts 20] [--gpus 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from controllers.adapters.following.follower import Follower
from controllers.adapters.following.power import full_mw, power_mw
from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.slurm.hands import SlurmHands
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm, find_slurm
from controllers.bus.broker import embedded_broker
from controllers.bus.mqtt import MqttBus, connected_bus
from controllers.clock import WallClock
from vpp.wire.codec import encode
from vpp.wire.messages import ComputeShift, ShiftInterval
from vpp.wire.topics import Channel, topic_of

TOOL: Final = Path(__file__).resolve().parents[2] / "shared" / "tools" / "slurm-local"
PARK, CLUSTER = "chifeng", "compute.zhisuan1"
POWER: Final = PowerModel(node_idle_kw=1.8, gpu_kw=0.825, pue=1.25)
HOURS: Final = 48
PATIENCE_S: Final = 60.0
#: GPUs of the jobs, one after another.
SIZES: Final = (1, 1, 2, 4, 8)


def post(park: MqttBus, revision: int, cap_mw: float) -> None:
    """One signal of 48 h with one cap."""
    now = WallClock().now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    facts = {"green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 300.0, "confidence_frac": 0.9}
    edges = [hour + timedelta(hours=i) for i in range(HOURS + 1)]
    intervals = tuple(
        ShiftInterval(start=start, end=end, cap_mw=cap_mw, target_mw=cap_mw, floor_mw=0.0, **facts)
        for start, end in zip(edges, edges[1:], strict=False)
    )
    shift = ComputeShift(
        epoch=1, seq=revision, issued_at=now, cluster=CLUSTER, revision=revision, valid_until=now + timedelta(minutes=5),
        cap_now_mw=cap_mw, intervals=intervals,
    )  # fmt: skip
    park.post(topic_of(PARK, Channel.COMPUTE_SHIFT, CLUSTER), encode(shift), qos=1, retain=True)


async def until(slurm: Slurm, cap_mw: float | None, running: int = 0) -> float:
    """Seconds until the power is inside the cap, or so many jobs run."""
    began_s = time.perf_counter()
    while True:
        queue = await slurm.queue()
        enough = len(queue.running()) >= running if cap_mw is None else power_mw(queue, POWER) <= cap_mw + 1e-6
        took_s = time.perf_counter() - began_s
        if enough or took_s > PATIENCE_S:
            return took_s
        await asyncio.sleep(0.1)


async def filled(slurm: Slurm) -> None:
    """Returns when Slurm has started all that it will."""
    count = -1
    while (now := len((await slurm.queue()).running())) != count:
        count = now
        await asyncio.sleep(5.0)


async def measured(settings: SlurmSettings, told: argparse.Namespace) -> tuple[list[float], list[float], int]:
    """Cuts of random depth, each followed by a release; how long each took, and how many jobs ran before."""
    slurm = Slurm(settings.slurm_conf)
    cuts: list[float] = []
    backs: list[float] = []
    rng = random.Random(1)
    async with connected_bus(settings.broker_url, "park") as park, connected_bus(settings.broker_url, "adapter") as bus:
        task = asyncio.create_task(Follower(settings, SlurmHands(settings, slurm), bus, WallClock()).run())
        ran = len((await slurm.queue()).running())
        for number in range(told.cuts):
            queue = await slurm.queue()
            cap_mw = power_mw(queue, POWER) * rng.uniform(0.3, 0.75)
            post(park, 2 * number + 1, cap_mw)
            cuts.append(await until(slurm, cap_mw))
            print(f"cut {number + 1}: to {cap_mw:.3f} MW in {cuts[-1]:.2f} s", file=sys.stderr)
            post(park, 2 * number + 2, 2.0 * full_mw(queue, POWER))
            backs.append(await until(slurm, None, ran))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return cuts, backs, ran


async def run(told: argparse.Namespace, conf: str, folder: Path) -> dict[str, Any]:
    """The cluster filled, then cut."""
    env = {**os.environ, "SLURM_CONF": conf}
    script = folder / "job.sh"
    script.write_text("#!/bin/sh\nsleep 3600\n", encoding="utf-8")
    sizes = itertools.cycle([told.gpus] if told.gpus else SIZES)
    for gpus in itertools.islice(sizes, told.jobs):
        words = ["sbatch", "-p", "flex", f"--gres=gpu:{gpus}", "-t", "120", "-o", "/dev/null", str(script)]
        await asyncio.to_thread(subprocess.run, words, env=env, check=True, capture_output=True)
    slurm = Slurm(conf)
    await filled(slurm)
    async with embedded_broker(folder / "broker") as url:
        rules = {"flex": JobRule(tier=3, slack_h=12.0, preemptible=True)}
        settings = SlurmSettings(
            park=PARK,
            cluster=CLUSTER,
            broker_url=url,
            fallback_cap_mw=10.0,
            rules=rules,
            power=POWER,
            state_dir=folder / "state",
            slurm_conf=conf,
        )
        cuts, backs, ran = await measured(settings, told)
    p50, p95, worst = (float(np.percentile(cuts, q)) for q in (50, 95, 100))
    return {
        "nodes": told.nodes,
        "jobs": told.jobs,
        "jobs_running": ran,
        "cuts": told.cuts,
        "cut_s": {"p50": p50, "p95": p95, "max": worst},
        "release_s": {"p50": float(np.percentile(backs, 50)), "p95": float(np.percentile(backs, 95))},
    }


def main() -> int:
    """Prints a table, writes JSON; 0 also where there is no Slurm, and says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--gpus", type=int, default=0, help="of every job (default: 1, 1, 2, 4, 8 in turn)")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    # Ended from outside it still ends its Slurm.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not TOOL.is_file() or not find_slurm() or os.geteuid() != 0:
        print("slurm: skipped: needs slurm-wlm, munge, root, and slurm-local beside the checkout")
        return 0
    with tempfile.TemporaryDirectory(prefix="vpp-slurm-") as name:
        folder = Path(name)
        state = folder / "slurm"
        size = ["--nodes", str(told.nodes), "--gpus-per-node", "8", "--power-kw", "1000", "--no-rest"]
        subprocess.run([str(TOOL), "up", str(state), *size], check=True, capture_output=True)
        try:
            found = asyncio.run(run(told, str(state / "etc" / "slurm.conf"), folder))
        finally:
            subprocess.run([str(TOOL), "down", str(state), "--wipe"], check=False, capture_output=True)
    print(f"{found['nodes']} nodes, {found['jobs_running']} jobs running, {found['cuts']} cuts to 30-75 % of the power")
    for what in ("cut_s", "release_s"):
        print(f"  {what:<10} " + "  ".join(f"{k} {v:.2f}" for k, v in found[what].items()))
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
