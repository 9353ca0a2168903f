"""Forecast of arriving work against climatology, on the public job trace: per class, GPU-hours over the next 1 to 48 h.

The trace is the Alibaba GPU trace v2023: 33 days of one production cluster, jobs of 30 s to 24 h; its classes are those that
answer somebody (LS) and all others. A model is learnt every third day from what was known then: the GPU-hours of a job only a day
after it came. The settings of the trees were looked for on the same days, so they have no excuse.

    python benchmarks/bench_arrivals.py [--data ../shared/data] [--first-day 21] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from forecasting.arrival_outlook import LEADS_H, LEVELS
from forecasting.arrivals import ArrivalHistory, fit_arrivals, outlook
from forecasting.scores import pinball
from sim_harness.clusters.job_sizes import LONGEST_S, PODS_FILE, SHORTEST_S, TRACE_FIRST_DAY, TRACE_LAST_DAY
from vpp.units import SECONDS_PER_HOUR, FloatArray

CLASSES: Final = ("LS", "others")
DAY_H: Final = 24
REFIT_H: Final = 72
DRAWS: Final = 2000


def read(data: Path) -> ArrivalHistory:
    """Hourly GPU-hours and jobs of the trace's dense days."""
    pods = pd.read_parquet(data / PODS_FILE)
    pods = pods[(pods["num_gpu"] > 0) & pods["scheduled_time_s"].notna()]
    created_h = pods["creation_time_s"].to_numpy(dtype=np.float64) / SECONDS_PER_HOUR - TRACE_FIRST_DAY * DAY_H
    run_s = (pods["deletion_time_s"] - pods["scheduled_time_s"]).to_numpy(dtype=np.float64)
    hours = (TRACE_LAST_DAY - TRACE_FIRST_DAY) * DAY_H
    kept = (created_h >= 0) & (created_h < hours) & (run_s >= SHORTEST_S) & (run_s < LONGEST_S)
    row, hour = (pods["qos"] != CLASSES[0]).to_numpy(dtype=np.int64)[kept], created_h[kept].astype(np.int64)
    gpus = (pods["num_gpu"] * pods["gpu_milli"]).to_numpy(dtype=np.float64)[kept] / 1000.0
    work, jobs = np.zeros((len(CLASSES), hours)), np.zeros((len(CLASSES), hours))
    np.add.at(work, (row, hour), gpus * run_s[kept] / SECONDS_PER_HOUR)
    np.add.at(jobs, (row, hour), 1.0)
    # The trace has no wall clock: its hours are counted from a Monday's midnight that is not one.
    return ArrivalHistory(datetime(2024, 1, 1, tzinfo=UTC), work, jobs, lag_h=DAY_H)


def forecasts(history: ArrivalHistory, first: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of every hour from the first on: ours, climatology's, both shape (hours, C, L, Q), and what came, shape (hours, C, L)."""
    ours, climate, came = [], [], []
    total = np.concatenate([np.zeros((len(CLASSES), 1)), np.cumsum(history.work, axis=1)], axis=1)
    for hour in range(first, history.hours - max(LEADS_H) + 1):
        if (hour - first) % REFIT_H == 0:
            model = fit_arrivals(history.until(hour))
        known = history.until(hour)
        ours.append(outlook(model, known).quantile)
        climate.append(outlook(model, known, climate_only=True).quantile)
        came.append(np.stack([total[:, hour + lead] - total[:, hour] for lead in LEADS_H], axis=1))
    return np.array(ours), np.array(climate), np.array(came)


def gain_band(ours: FloatArray, rival: FloatArray) -> tuple[float, float]:
    """90 % band of the gain, drawn by days, losses shape (hours,)."""
    days = ours.size // DAY_H
    a, b = (loss[: days * DAY_H].reshape(days, DAY_H).sum(axis=1) for loss in (ours, rival))
    pick = np.random.default_rng(1).integers(0, days, (DRAWS, days))
    low, high = np.quantile(1.0 - a[pick].sum(axis=1) / b[pick].sum(axis=1), [0.05, 0.95])
    return float(low), float(high)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--first-day", type=int, default=21)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    history = read(told.data)
    ours, climate, came = forecasts(history, told.first_day * DAY_H)
    rows: list[dict[str, Any]] = []
    print(f"{'class':<8} {'lead':>5} {'GPU-h':>8} {'pinball':>9} {'climate':>9} {'gain':>7}   under 0.9: ours, climate")
    for c, name in enumerate(CLASSES):
        for i, lead in enumerate(LEADS_H):
            y = came[:, c, i]
            loss, rival = (pinball(y, q[:, c, i], LEVELS) for q in (ours, climate))
            at = LEVELS.index(0.9)
            under = [float(np.mean(y <= q[:, c, i, at])) for q in (ours, climate)]
            rows.append(
                {"class": name, "lead_h": lead, "mean_gpu_h": float(y.mean()), "pinball": loss, "climate_pinball": rival}
                | {"under_90": under[0], "climate_under_90": under[1]}
            )
            gain = 1.0 - loss / rival
            print(
                f"{name:<8} {lead:>3} h {y.mean():>8.2f} {loss:>9.3f} {rival:>9.3f} {gain:>7.1%}   {under[0]:.3f} {under[1]:.3f}"
            )
    weight = history.work.mean(axis=1)[:, np.newaxis] * np.array(LEADS_H)
    losses = [_losses(came, q) / weight for q in (ours, climate)]
    a, b = (loss.mean(axis=(1, 2)) for loss in losses)
    gain, (low, high) = 1.0 - float(a.mean() / b.mean()), gain_band(a, b)
    print(f"all, each against its mean: {gain:.1%} better than climatology, 90 % band by days {low:.1%} to {high:.1%}")
    if told.json is not None:
        told.json.write_text(json.dumps({"rows": rows, "gain_frac": gain, "band_frac": [low, high]}, indent=1))


def _losses(came: FloatArray, quantile: FloatArray) -> FloatArray:
    miss = came[..., np.newaxis] - quantile
    level = np.array(LEVELS)
    loss: FloatArray = np.maximum(level * miss, (level - 1.0) * miss).mean(axis=-1)
    return loss


if __name__ == "__main__":
    main()
