"""How an offer's spread becomes a promise: ways to do it, each corrected to the same confidence, on replays of a simulated year.

    python benchmarks/bench_offers.py [--events N] [--parts K] [--seed N] [--data DIR] [--json FILE] [--figure FILE.png]

The twin run of a campaign (`vpp-sim campaign --learn`) makes four offers at each random call; what could really have been held
comes from the same program on the true course. Each way of making a promise is corrected by split conformal prediction on nine
tenths of the replays, and judged on the other tenth, which are other days, ten times. Shown is how often it was kept, and how
much it promises in the mean: of two ways that are kept equally often the one that promises more is better. `known` is what
perfect foresight could promise.

- `level, outermost`: what the park does (`controllers/flexibility/sure.py`): order statistic of the courses, shifts in widths.
- `level, normal`: mean and standard deviation of the courses, as if they were normal.
- `level, in MW`: as the first, but shifts in MW, alike for offers of every width.
- `level, both ways`: as the first, one shift for give and take.
- `change`: not a level of import, but a change against what would have been drawn, whatever wind and sun do. Nobody promises
  that today: it needs a schedule that follows the wind and that both sides believe.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.stats import norm

from controllers.flexibility.sure import CONFIDENCES
from sim_harness.campaign import CampaignOptions, Offered, run_campaign
from sim_harness.scenario import load
from sim_harness.weather.source import default_data_dir
from vpp.units import BoolArray, FloatArray, IntArray

FOLDS: Final = 10
#: A change's spread is never taken for narrower than this. [MW]
_LEAST_MW: Final = 15.0
_STEP_S: Final = 60.0


@dataclass(frozen=True)
class Offers:
    """Replays as arrays, levels and changes turned so that less is harder to keep for all of them, N of them, S courses.

    Args:
        gives: Which way each asks, shape (N,).
        expected_mw: Import without a call, turned, shape (N,).
        level_mw: Of the courses, turned: kept where the true one is at most as high, shape (N, S).
        true_mw: Shape (N,).
        change_mw: Shape (N, S).
        true_change_mw: Shape (N,).
        width_mw: Of the spread, shape (N,).
    """

    gives: BoolArray
    expected_mw: FloatArray
    level_mw: FloatArray
    true_mw: FloatArray
    change_mw: FloatArray
    true_change_mw: FloatArray
    width_mw: FloatArray

    @classmethod
    def of(cls, offers: tuple[Offered, ...]) -> Offers:
        """From a campaign's."""
        sign = np.array([1.0 if one.spread.direction == "give" else -1.0 for one in offers])
        return cls(
            gives=sign > 0.0,
            expected_mw=sign * np.array([one.expected_mw for one in offers]),
            level_mw=sign[:, None] * np.stack([one.spread.level_mw for one in offers]),
            true_mw=sign * np.array([one.true_level_mw for one in offers]),
            change_mw=np.stack([one.change_mw for one in offers]),
            true_change_mw=np.array([one.true_change_mw for one in offers]),
            width_mw=np.array([one.spread.width_mw for one in offers]),
        )


@dataclass(frozen=True)
class Way:
    """One way to promise: a bound before correction, what a shift is counted in, and what is judged.

    Args:
        bound_mw: Of a confidence, shape (N,): kept where `true_mw` is at most as high.
        width_mw: Shape (N,).
        true_mw: Shape (N,).
        promise_mw: Of a corrected bound.
        groups: Offers that share a shift, shape (N,).
    """

    bound_mw: Callable[[float], FloatArray]
    width_mw: FloatArray
    true_mw: FloatArray
    promise_mw: Callable[[FloatArray], FloatArray]
    groups: IntArray


def ways_of(told: Offers) -> dict[str, Way]:
    """All that are compared."""
    mean, std = told.level_mw.mean(axis=1), told.level_mw.std(axis=1)
    rising = np.sort(told.level_mw, axis=1)
    both, apart = np.zeros(told.gives.size, dtype=np.int64), told.gives.astype(np.int64)

    def outermost(confidence: float) -> FloatArray:
        courses = rising.shape[1]
        rank: FloatArray = rising[:, min(math.ceil((courses + 1) * confidence), courses) - 1]
        return rank

    def normal(confidence: float) -> FloatArray:
        bound: FloatArray = mean + float(norm.ppf(confidence)) * std
        return bound

    def power(bound: FloatArray) -> FloatArray:
        return np.maximum(0.0, told.expected_mw - bound)

    change_std = np.hypot(told.change_mw.std(axis=1), _LEAST_MW)
    change = Way(
        bound_mw=lambda confidence: -told.change_mw.mean(axis=1) + float(norm.ppf(confidence)) * change_std,
        width_mw=change_std,
        true_mw=-told.true_change_mw,
        promise_mw=lambda bound: np.maximum(0.0, -bound),
        groups=apart,
    )
    return {
        "level, outermost": Way(outermost, told.width_mw, told.true_mw, power, apart),
        "level, normal": Way(normal, told.width_mw, told.true_mw, power, apart),
        "level, in MW": Way(outermost, np.ones(apart.size), told.true_mw, power, apart),
        "level, both ways": Way(outermost, told.width_mw, told.true_mw, power, both),
        "change": change,
    }


def judged(way: Way, confidence: float) -> tuple[float, float]:
    """Share that is kept, and what is promised in the mean [MW]; each tenth corrected by the others."""
    n = way.true_mw.size
    fold = np.arange(n) * FOLDS // n
    bound = way.bound_mw(confidence)
    beyond, shifted = (way.true_mw - bound) / way.width_mw, np.empty(n)
    for k in range(FOLDS):
        for group in np.unique(way.groups):
            here, others = (fold == k) & (way.groups == group), (fold != k) & (way.groups == group)
            rank = min(math.ceil((others.sum() + 1) * confidence), int(others.sum()))
            shifted[here] = bound[here] + np.sort(beyond[others])[rank - 1] * way.width_mw[here]
    promise = way.promise_mw(shifted)
    # Nothing promised is always kept.
    kept = (way.true_mw <= shifted + 1e-9) | (promise <= 0.0)
    return float(kept.mean()), float(promise.mean())


def measure(told: Offers) -> dict[str, Any]:
    """By way and confidence: share kept, MW promised."""
    rows: dict[str, Any] = {}
    for name, way in ways_of(told).items():
        found = {f"p{100 * c:g}": judged(way, c) for c in CONFIDENCES}
        rows[name] = {p: {"kept_frac": round(kept, 4), "promised_mw": round(mw, 2)} for p, (kept, mw) in found.items()}
    known = {
        "level": float(np.maximum(0.0, told.expected_mw - told.true_mw).mean()),
        "change": float(np.maximum(0.0, told.true_change_mw).mean()),
    }
    return {"offers": int(told.gives.size), "known_mw": known, "ways": rows}


def show(facts: Mapping[str, Any], console: Console) -> None:
    """A table for people."""
    known = facts["known_mw"]
    title = f"{facts['offers']} offers; perfect foresight: level {known['level']:.1f} MW, change {known['change']:.1f} MW"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("way")
    for confidence in CONFIDENCES:
        table.add_column(f"{100 * confidence:g} %: kept", justify="right")
        table.add_column("promised MW", justify="right")
    for name, row in facts["ways"].items():
        cells = [cell for one in row.values() for cell in (f"{100 * one['kept_frac']:.1f} %", f"{one['promised_mw']:.1f}")]
        table.add_row(name, *cells)
    console.print(table)


def draw(facts: Mapping[str, Any], path: Path) -> None:
    """What each way promises, by confidence."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.0, 4.0), layout="constrained")
    ways, width = facts["ways"], 0.8 / len(facts["ways"])
    for k, (name, row) in enumerate(ways.items()):
        at = np.arange(len(row)) + (k - 0.5 * (len(ways) - 1)) * width
        bars = axes.bar(at, [one["promised_mw"] for one in row.values()], width, label=name)
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.axhline(facts["known_mw"]["level"], color="0.4", lw=1.0, ls="--", label="perfect foresight, level")
    axes.set_xticks(range(len(CONFIDENCES)), [f"kept {100 * c:g} % of the time" for c in CONFIDENCES])
    axes.set_ylabel("promised, mean over offers [MW]")
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=96, help="random calls; four offers at each")
    parser.add_argument("--parts", type=int, default=12, help="worlds over the year")
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--data", type=Path, default=default_data_dir())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    told = parser.parse_args()
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("the twin, uncalled", total=1.0)
        options = CampaignOptions(
            events=told.events,
            seed=told.seed,
            data_dir=told.data,
            learn_only=True,
            parts=told.parts,
            jobs=2,
            in_each=_quiet,
            progress=lambda done, what: bar.update(task, completed=done, description=what),
        )
        found = run_campaign(load("year-2026").with_options(step_s=_STEP_S), options)
    facts = {"seed": told.seed, "days": found.facts["days"], **measure(Offers.of(found.offers))}
    show(facts, Console(width=130, highlight=False))
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if told.figure:
        draw(facts, told.figure)


def _quiet() -> None:
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


if __name__ == "__main__":
    main()
