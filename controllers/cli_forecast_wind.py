"""`vpp forecast backtest gefcom-wind`: the stacked wind model under the rules of GEFCom2014."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from joblib import Parallel
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from controllers.cli_forecast import Words, default_data_dir
from forecasting.backtest import gefcom
from forecasting.stack.model import forecast_panel, jobs_of
from forecasting.stack.panel import WindPanel
from forecasting.stack.settings import SETTINGS, StackSettings

__all__ = ["WORDS"]

TABLE_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task done.

    Args:
        task: Its number.
        score: Of its quantiles.
        train_s: Wall time from the data to the quantiles of all zones.
        cpu_s: Processor time of all processes.
    """

    task: int
    score: gefcom.TaskScore
    train_s: float
    cpu_s: float


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=default_data_dir(), help=f"folder that holds {gefcom.WIND_FILE}, or that file"
    )
    parser.add_argument("--tasks", default="4-9", help="tasks as in 4-9 or 4,6; 1 is October 2012")
    parser.add_argument("--setting", choices=sorted(SETTINGS), default="record", help="how much work: record or fast")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes; the scores do not depend on it")


def _run(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    numbers = gefcom.parse_tasks(told.tasks)
    panel = gefcom.read_panel(gefcom.wind_file(told.data))
    tasks = [gefcom.task_of(panel, number) for number in numbers]
    settings = SETTINGS[told.setting]
    steps = len(tasks) * jobs_of(len(panel.zones), settings)
    with _progress() as progress, Parallel(n_jobs=max(1, told.jobs), return_as="generator") as pool:
        bar = progress.add_task("training", total=steps)
        runs = []
        for task in tasks:
            progress.update(bar, description=f"task {task.number}")
            runs.append(_one(task, settings, pool, lambda done: progress.advance(bar, done)))
            progress.console.print(f"task {task.number}: pinball {runs[-1].score.pinball:.5f}, {runs[-1].train_s:.0f} s")
    best = gefcom.leaderboard(told.data)
    return _facts(runs, settings, panel, best), _table(runs, settings, best)


def _one(task: gefcom.Task, settings: StackSettings, pool: Parallel, done: Any) -> TaskRun:
    begun_s = time.perf_counter()
    forecast = forecast_panel(task.panel, task.hidden, gefcom.LEVELS, settings, pool, done)
    train_s = time.perf_counter() - begun_s
    return TaskRun(task.number, gefcom.score_task(task, forecast.quantile), train_s, forecast.cpu_s)


def _progress() -> Progress:
    """A bar on a terminal, nothing elsewhere; on the error stream, so that the facts stay clean."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    console = Console(file=sys.stderr)
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal)


def _facts(
    runs: list[TaskRun], settings: StackSettings, panel: WindPanel, best: Mapping[int, tuple[str, float]]
) -> Mapping[str, Any]:
    return {
        "setting": settings.name,
        "tasks": [
            {
                "task": run.task,
                "pinball": run.score.pinball,
                "train_s": run.train_s,
                "cpu_s": run.cpu_s,
                "coverage90_frac": run.score.coverage90_frac,
                "below_frac": run.score.below_frac,
                "zones": [{"zone": zone, "pinball": loss} for zone, loss in run.score.zones.items()],
                "winner": {"team": best[run.task][0], "pinball": best[run.task][1]} if run.task in best else None,
            }
            for run in runs
        ],
        "mean_pinball": _mean([run.score.pinball for run in runs]),
        "mean_coverage90_frac": _mean([run.score.coverage90_frac for run in runs]),
        "train_s": sum(run.train_s for run in runs),
        "cpu_s": sum(run.cpu_s for run in runs),
        "data": {"start": f"{panel.start[0]}Z", "end": f"{panel.start[-1] + gefcom.ONE_HOUR}Z", "zones": list(panel.zones)},
        "settings": asdict(settings),
    }


def _table(runs: list[TaskRun], settings: StackSettings, best: Mapping[int, tuple[str, float]]) -> str:
    table = Table(title=f"GEFCom2014 wind 风电, setting {settings.name}: mean pinball loss", title_justify="left", box=None)
    table.add_column("task")
    for column in ("ours", "winner", "gain %", "inside 90 %", "wall s", "CPU s"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(f"{run.task}", *_cells(run.score.pinball, best.get(run.task)), *_costs([run]))
    winners = [best[run.task][1] for run in runs if run.task in best]
    rival = ("", _mean(winners)) if len(winners) == len(runs) else None
    table.add_row("mean", *_cells(_mean([run.score.pinball for run in runs]), rival), *_costs(runs))
    with io.StringIO() as text:
        Console(file=text, width=TABLE_WIDTH, highlight=False).print(table)
        return text.getvalue().rstrip("\n")


def _cells(ours: float, rival: tuple[str, float] | None) -> tuple[str, str, str]:
    if rival is None:
        return f"{ours:.5f}", "", ""
    team, loss = rival
    return f"{ours:.5f}", f"{team} {loss:.5f}".strip(), f"{100.0 * (1.0 - ours / loss):+.1f}"


def _costs(runs: list[TaskRun]) -> tuple[str, str, str]:
    inside = _mean([run.score.coverage90_frac for run in runs])
    return f"{100.0 * inside:.1f}", f"{_mean([r.train_s for r in runs]):.0f}", f"{_mean([r.cpu_s for r in runs]):.0f}"


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


WORDS: Final = Words(about="GEFCom2014 wind track: 99 quantiles a month ahead, against its winner", add=_add, run=_run)
