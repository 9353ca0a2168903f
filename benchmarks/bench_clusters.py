"""How long 100,000 jobs on the built-out park's 225,000 accelerators take, against a loop that looks at every job each second.

Four clusters of the seeds live through a day at a control period of 10 s, job by job, without any signal and under one that
shifts work; every job, joule and accelerator is accounted for. The rival steps the same jobs (an hour of the AIDC) second by
second and must find the same work done. Then the fluid model lives through the same week as the queue. Figures are processor
time: other work on the machine counts little.

    python benchmarks/bench_clusters.py [--json FILE] [--hours N] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sim_harness.clusters.arrivals import Arrivals
from sim_harness.clusters.hardware import Hardware
from sim_harness.clusters.job_sizes import fitted_sizes
from sim_harness.clusters.job_stream import JobStream
from sim_harness.scenario import SEEDS
from tests.cluster_runs import CAP_FRAC, CAP_HOURS, SHIFTING, Story, aidc_plate, desk_of, live_through
from tests.world_builders import START
from vpp.park import load as load_park

STEP_S = 10.0
AGREEMENT_DAYS = 7
US_PER_S = 1e6


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster's day, reports to the park included."""

    cluster: str
    signal: str
    gpus: int
    jobs: int
    cpu_s: float
    us_per_step: float
    worst_residual: float


@dataclass(frozen=True, slots=True)
class Rival:
    """The loop over all jobs each second, on the same jobs."""

    jobs: int
    simulated_s: float
    rival_cpu_s: float
    discrete_cpu_s: float
    rival_over_discrete: float
    work_difference_frac: float


def live_a_day(asset: Any, signal: str, hours: int) -> Row:
    """A cluster with its client and reports, hour by hour."""
    desk = desk_of(asset.plate, "discrete", dt_s=STEP_S)
    begin_s = time.process_time()
    for hour in range(hours):
        if signal == "shifting":
            desk.send(float(SHIFTING[hour % 24]) * asset.plate.rated_mw)
        for _ in range(round(3600.0 / STEP_S)):
            desk.run.step()
            desk.cluster.report()
    cpu_s = time.process_time() - begin_s
    totals = desk.cluster.totals()
    return Row(
        asset.id,
        signal,
        Hardware.of_plate(asset.plate).gpus,
        int(totals["jobs_arrived"] + totals["jobs_opening"]),
        cpu_s,
        cpu_s / len(desk.run.power_mw) * US_PER_S,
        max(abs(b.residual) / max(abs(b.size), 1.0) for b in desk.cluster.balances()),
    )


def per_second_loop(stream: JobStream, horizon_s: int) -> tuple[int, float]:
    """Every running job is looked at in every second; jobs met and GPU-seconds done."""
    running: list[list[float]] = []
    done, jobs = 0.0, 0
    opening = stream.running_at_start()
    running += [[float(g), float(r)] for g, r in zip(opening.gpus.tolist(), opening.run_s.tolist(), strict=True)]
    coming: list[tuple[float, float, float]] = []
    quarter = 0
    for second in range(horizon_s):
        while stream.arrivals.begin_s(quarter) <= second:
            new = stream.quarter(quarter)
            coming += zip(new.release_s.tolist(), new.gpus.tolist(), new.run_s.tolist(), strict=True)
            quarter += 1
        while coming and coming[0][0] <= second:
            _, gpus, run_s = coming.pop(0)
            running.append([float(gpus), run_s])
            jobs += 1
        left = []
        for job in running:
            step = min(1.0, job[1])
            done += job[0] * step
            job[1] -= step
            if job[1] > 0.0:
                left.append(job)
        running = left
    return jobs + opening.gpus.size, done


def against_the_rival(horizon_s: int = 3600) -> Rival:
    """The same hour of the same cluster, by both."""
    plate = aidc_plate()
    rng = np.random.default_rng(1)
    job_rng = rng.spawn(1)[0]
    hardware = Hardware.of_plate(plate)
    stream = JobStream(plate, hardware, Arrivals(plate, START, rng), fitted_sizes(), job_rng)
    begin_s = time.process_time()
    jobs, done_gpu_s = per_second_loop(stream, horizon_s)
    rival_s = time.process_time() - begin_s
    desk = desk_of(plate, "discrete", dt_s=STEP_S)
    begin_s = time.process_time()
    desk.run.hours(horizon_s / 3600.0)
    ours_s = time.process_time() - begin_s
    rival_mwh = done_gpu_s * hardware.mw_per_gpu / 3600.0
    ours_mwh = desk.cluster.totals()["work_done_mwh"]
    return Rival(jobs, horizon_s, rival_s, ours_s, rival_s / ours_s, ours_mwh / rival_mwh - 1.0)


def agreement(seed: int) -> tuple[dict[str, float], Story, Story]:
    """How far the fluid is from the queue, over a week that shifts work and a cap of a quarter for three hours."""
    queue, fluid = (live_through(desk_of(aidc_plate(), model, seed=seed), AGREEMENT_DAYS) for model in ("discrete", "fluid"))
    gap = np.abs(queue.power_mw - fluid.power_mw) / np.mean(fluid.power_mw)
    row = {
        "seed": float(seed),
        "energy_15min_mae_frac": float(gap.mean()),
        "energy_15min_p95_frac": float(np.quantile(gap, 0.95)),
        "energy_15min_correlation": float(np.corrcoef(queue.power_mw, fluid.power_mw)[0, 1]),
    }
    for name in ("energy_mwh", "work_arrived_mwh", "work_done_mwh", "shifted_mwh", "missed_mwh"):
        row[f"queue_{name}"], row[f"fluid_{name}"] = queue.totals[name], fluid.totals[name]
    for name, story in (("queue", queue), ("fluid", fluid)):
        before_mw = story.event_mw[:60].mean()
        inside = story.event_mw[60 : 60 * (1 + CAP_HOURS)] / before_mw
        row |= {
            f"{name}_cap_first_minute": float(inside[0]),
            f"{name}_cap_mean": float(inside.mean()),
            f"{name}_cap_std": float(inside.std()),
            f"{name}_cap_lost_mwh": story.lost,
        }
    return row, queue, fluid


def draw(path: Path, queue: Story, fluid: Story) -> None:
    """Both models, quarter by quarter, and minute by minute around the cap."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (days, event) = plt.subplots(2, 1, figsize=(10, 7), constrained_layout=True)
    hours = np.arange(queue.power_mw.size) / 4.0
    target_mw = np.tile(SHIFTING * aidc_plate().rated_mw, AGREEMENT_DAYS)
    days.plot(np.arange(target_mw.size), target_mw, color="0.75", drawstyle="steps-post", label="asked for")
    days.plot(hours, queue.power_mw, color="#0b6e99", linewidth=1.2, label="job by job")
    days.plot(hours, fluid.power_mw, color="#d1603d", linewidth=1.2, linestyle="--", label="fluid")
    days.set(xlabel="hours", ylabel="MW at the meter", title="AIDC, a week that shifts work: mean of each quarter hour")
    days.set_xlim(0, hours[-1])
    days.set_ylim(20.0, 44.0)
    minutes = np.arange(queue.event_mw.size) - 60
    for story, colour, label in ((queue, "#0b6e99", "job by job"), (fluid, "#d1603d", "fluid")):
        event.plot(minutes, story.event_mw / story.event_mw[:60].mean(), color=colour, linewidth=1.2, label=label)
    event.axhline(CAP_FRAC, color="0.75", zorder=0)
    event.set(xlabel="minutes since the cap", ylabel="share of the hour before", title="A cap of 75 % for three hours, then none")
    for axis in (days, event):
        axis.legend(frameon=False, loc="lower right" if axis is event else "upper center", ncols=3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args(argv)
    park = load_park(SEEDS, at=date(2030, 10, 1))
    rows = [live_a_day(a, signal, options.hours) for signal in ("none", "shifting") for a in park.assets_of("compute")]
    for row in rows:
        print(
            f"{row.cluster:18} {row.signal:9} {row.gpus:7,} GPUs {row.jobs:7,} jobs {row.cpu_s:6.2f} s "
            f"{row.us_per_step:6.0f} us/step  residual {row.worst_residual:.1e}"
        )
    jobs, cpu_s = (sum(getattr(r, name) for r in rows if r.signal == "none") for name in ("jobs", "cpu_s"))
    rival = against_the_rival()
    agreed, queue, fluid = agreement(seed=1)
    print(f"{jobs:,} jobs in {cpu_s:.2f} s of processor time; the loop takes {rival.rival_over_discrete:.0f} times as long")
    print(json.dumps(agreed, indent=1))
    if options.figure is not None:
        draw(options.figure, queue, fluid)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {"rows": [asdict(r) for r in rows], "jobs": jobs, "cpu_s": cpu_s, "rival": asdict(rival), "agreement": agreed}
        options.json.write_text(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
