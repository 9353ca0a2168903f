"""GEFCom2014 wind track: ours in both settings beside a plain LightGBM, the climatology and the winner.

Score: mean pinball loss over 99 quantiles, ten zones and the hours of each month-ahead task. Wall time is of this machine, busy
as it is; processor time is of all processes. The plain LightGBM is what is usually built first: one model a zone and level on the
zone's own wind and the calendar, no stacking.

    python benchmarks/bench_gefcom.py [--data DIR] [--tasks 4-9] [--rivals climatology,plain,fast,record] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from joblib import Parallel, delayed

from controllers.cli_forecast import default_data_dir
from forecasting.backtest import gefcom
from forecasting.stack.features import calendar, own_wind
from forecasting.stack.levels import at_levels
from forecasting.stack.model import forecast_panel
from forecasting.stack.settings import SETTINGS
from vpp.errors import VppError
from vpp.units import FloatArray

PLAIN_LEVELS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
PLAIN: dict[str, Any] = {
    "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 40, "num_threads": 1, "deterministic": True, "verbosity": -1,
}  # fmt: skip
PLAIN_ROUNDS = 150
JOBS = 2


def main() -> int:
    """Print the table, write the JSON; status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data_dir(), help="folder with gefcom2014_wind.parquet")
    parser.add_argument("--tasks", default="4-9")
    parser.add_argument("--rivals", default="climatology,plain,fast,record", help="which of climatology, plain, fast, record")
    parser.add_argument("--json", type=Path, default=Path("out/bench/gefcom.json"))
    options = parser.parse_args()
    try:
        panel = gefcom.read_panel(gefcom.wind_file(options.data))
        tasks = [gefcom.task_of(panel, number) for number in gefcom.parse_tasks(options.tasks)]
        rivals = {name: rival(name) for name in options.rivals.split(",")}
    except VppError as error:
        print(error, file=sys.stderr)
        return 2
    best = gefcom.leaderboard(options.data)
    runs = {name: [run(task, forecast) for task in tasks] for name, forecast in rivals.items()}
    report = {
        "tasks": [task.number for task in tasks],
        "winner": [best.get(task.number) for task in tasks],
        "rivals": {
            name: {"mean_pinball": float(np.mean([r["pinball"] for r in found])), "tasks": found} for name, found in runs.items()
        },
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    return 0


def rival(name: str) -> Callable[[gefcom.Task], FloatArray]:
    """Who forecasts: the task in, quantiles (hours, Z, 99) out."""
    simple = {"climatology": climatology, "plain": plain}
    if name in simple:
        return simple[name]
    if name not in SETTINGS:
        raise VppError(f"--rivals {name}: one of {', '.join([*simple, *SETTINGS])}")
    return lambda task: stacked(task, name)


def stacked(task: gefcom.Task, name: str) -> FloatArray:
    """Ours."""
    with Parallel(n_jobs=JOBS, return_as="generator") as pool:
        return forecast_panel(task.panel, task.hidden, gefcom.LEVELS, SETTINGS[name], pool).quantile


def climatology(task: gefcom.Task) -> FloatArray:
    """Quantiles of all known power of the zone."""
    past = np.nanquantile(task.panel.power_frac, gefcom.LEVELS, axis=0).T
    return np.broadcast_to(past, (*task.outcome_frac.shape, len(gefcom.LEVELS)))


def plain(task: gefcom.Task) -> FloatArray:
    """One LightGBM a zone and level on the zone's own wind."""
    found = Parallel(n_jobs=JOBS)(delayed(plain_zone)(task, zone) for zone in range(len(task.panel.zones)))
    return np.stack(found, axis=1)


def plain_zone(task: gefcom.Task, zone: int) -> FloatArray:
    """One zone of `plain`, shape (hours, 99)."""
    x = np.column_stack([own_wind(task.panel, zone), calendar(task.panel.start)])
    y = task.panel.power_frac[:, zone]
    rows = ~np.isnan(y)
    models = [
        lgb.train({**PLAIN, "objective": "quantile", "alpha": level}, lgb.Dataset(x[rows], y[rows]), num_boost_round=PLAIN_ROUNDS)
        for level in PLAIN_LEVELS
    ]
    raw = np.sort(np.column_stack([np.asarray(model.predict(x[task.hidden], num_threads=1)) for model in models]), axis=1)
    return np.clip(at_levels(raw, PLAIN_LEVELS, gefcom.LEVELS), 0.0, 1.0)


def run(task: gefcom.Task, forecast: Callable[[gefcom.Task], FloatArray]) -> dict[str, Any]:
    """One rival's score of one task."""
    begun_s = time.perf_counter()
    quantile = forecast(task)
    wall_s = time.perf_counter() - begun_s
    score = gefcom.score_task(task, quantile)
    return {"task": task.number, "pinball": score.pinball, "coverage90_frac": score.coverage90_frac, "wall_s": wall_s}


def table(report: dict[str, Any]) -> str:
    """One line a rival: every task, mean, coverage, wall time."""
    lines = ["rival".ljust(14) + "".join(f"task {t}".rjust(9) for t in report["tasks"]) + "     mean  in 90 %   s a task"]
    for name, found in report["rivals"].items():
        scores = "".join(f"{r['pinball']:9.5f}" for r in found["tasks"])
        inside = np.mean([r["coverage90_frac"] for r in found["tasks"]])
        wall_s = np.mean([r["wall_s"] for r in found["tasks"]])
        lines.append(f"{name:14}{scores}{found['mean_pinball']:9.5f}{100 * inside:9.1f}{wall_s:11.1f}")
    if all(report["winner"]):
        losses = [loss for _, loss in report["winner"]]
        lines.append("best team".ljust(14) + "".join(f"{loss:9.5f}" for loss in losses) + f"{np.mean(losses):9.5f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
