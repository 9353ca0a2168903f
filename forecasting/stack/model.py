"""Fit the stack on the past of a panel and forecast the rest of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from joblib import Parallel, delayed

from forecasting.stack.features import kernel_inputs, mean_inputs, net_inputs
from forecasting.stack.first_stage import FirstStage, combine_parts, mean_of_part, net_of_part
from forecasting.stack.folds import deal_blocks
from forecasting.stack.kernel import kernel_of_parts
from forecasting.stack.levels import at_levels
from forecasting.stack.panel import WindPanel
from forecasting.stack.quality import find_stopped, find_stuck
from forecasting.stack.second_stage import PooledRows, pooled_inputs, quantiles_of_levels
from forecasting.stack.settings import StackSettings
from vpp.errors import ForecastError
from vpp.units import HOURS_PER_DAY, BoolArray, FloatArray

__all__ = ["StackForecast", "forecast_panel", "jobs_of"]

Progress = Callable[[int], None]
LEVELS_TOGETHER: Final = 4
#: Between the seeds of one deal and the next: more than a deal uses.
DEAL_SEEDS: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class StackForecast:
    """Quantiles of the hours that were to be forecast.

    Args:
        quantile: Never crossing, 0..1, shape (hours, Z, Q).
        cpu_s: Processor time of all processes.
    """

    quantile: FloatArray
    cpu_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One fit: what is known, what is asked, who works."""

    panel: WindPanel
    hidden: BoolArray
    settings: StackSettings
    pool: Parallel
    done: Progress

    @property
    def train(self) -> BoolArray:
        return np.asarray(~self.hidden)

    def each(self, jobs: Iterable[tuple[Callable[..., FloatArray], tuple[Any, ...]]]) -> tuple[list[FloatArray], float]:
        """Results in the order of the jobs, and their processor time; the progress moves with each of them."""
        results, cpu_s = [], 0.0
        for result, seconds in self.pool(delayed(_timed)(function, arguments) for function, arguments in jobs):
            results.append(result)
            cpu_s += seconds
            self.done(1)
        return results, cpu_s


def jobs_of(zones: int, settings: StackSettings) -> int:
    """Steps that `forecast_panel` reports to its progress."""
    first = (zones + settings.net.members) * settings.folds + 1
    return settings.deals * first + len(settings.second) * len(_shares(settings.levels))


def forecast_panel(
    panel: WindPanel,
    hidden: BoolArray,
    levels: tuple[float, ...],
    settings: StackSettings,
    pool: Parallel,
    done: Progress = lambda _: None,
) -> StackForecast:
    """Forecast the hours marked from the power of all others and the weather of all.

    Args:
        panel: Weather of every hour; power of the marked hours is not looked at.
        hidden: Hours to forecast, shape (T,).
        levels: Q increasing levels.
        settings: How much work.
        pool: Worker processes of joblib that hand results over one by one and in order; their number changes no result.
        done: Called with the number of jobs done since the last call, `jobs_of` in all.

    Raises:
        ForecastError: A zone has too little known power to learn from.
    """
    begun_s = time.process_time()
    run = _Run(panel.without_power(hidden), hidden, settings, pool, done)
    _require_history(run)
    first, first_cpu_s = _first_stage(run)
    pooled, second_cpu_s = _second_stage(run, first)
    quantile = at_levels(np.sort(pooled, axis=2), settings.levels, levels)
    own_s = time.process_time() - begun_s
    return StackForecast(_bounded(run, quantile), own_s + first_cpu_s + second_cpu_s)


def _require_history(run: _Run) -> None:
    least = run.settings.folds * run.settings.block_days * round(HOURS_PER_DAY)
    known = (~np.isnan(run.panel.power_frac)).sum(axis=0)
    for zone, hours in zip(run.panel.zones, known, strict=True):
        if hours < least:
            raise ForecastError(f"zone {zone}: {hours} hours of known power to learn from; {least} are the least")


def _first_stage(run: _Run) -> tuple[FirstStage, float]:
    """Mean over the deals of the blocks."""
    y = run.panel.power_frac.copy()
    y[find_stopped(run.panel) | find_stuck(run.panel)] = np.nan
    stages, cpu_s = zip(*[_one_deal(run, y, deal) for deal in range(run.settings.deals)], strict=True)
    mean, net, kernel = (
        np.clip(np.mean([getattr(stage, name) for stage in stages], axis=0), 0.0, 1.0)
        for name in ("mean_frac", "net_frac", "kernel_frac")
    )
    return FirstStage(mean, net, kernel, run.settings.net_levels), sum(cpu_s)


def _one_deal(run: _Run, y: FloatArray, deal: int) -> tuple[FirstStage, float]:
    """All kinds of model on one deal; seeds of a deal lie apart from those of the next."""
    settings, panel = run.settings, run.panel
    part = deal_blocks(panel.start, settings.block_days, settings.folds, deal)
    others = [run.train & (part != k) for k in range(settings.folds)]
    seed = settings.seed + DEAL_SEEDS * deal
    means, mean_cpu_s = run.each(
        (mean_of_part, (x, y[:, zone], rows, settings.first, seed + k))
        for zone in range(len(panel.zones))
        for x in (mean_inputs(panel, zone),)
        for k, rows in enumerate(others)
    )
    x_net = net_inputs(panel)
    nets, net_cpu_s = run.each(
        (net_of_part, (x_net, y, rows, settings.net_levels, settings.net, seed + k + member * settings.folds))
        for k, rows in enumerate(others)
        for member in range(settings.net.members)
    )
    kernels, kernel_cpu_s = run.each([(kernel_of_parts, (kernel_inputs(panel), y, part, run.train, settings.kernel, seed))])
    mean = [combine_parts(group, part, run.train) for group in _groups(means, settings.folds)]
    net = combine_parts([np.mean(group, axis=0) for group in _groups(nets, settings.net.members)], part, run.train)
    stage = FirstStage(np.column_stack(mean), net, kernels[0], settings.net_levels)
    return stage, mean_cpu_s + net_cpu_s + kernel_cpu_s


def _second_stage(run: _Run, first: FirstStage) -> tuple[FloatArray, float]:
    """Quantiles at the fitted levels, mean of all second stages, shape (hours, Z, levels)."""
    settings, panel = run.settings, run.panel
    zones = len(panel.zones)
    x, y = pooled_inputs(panel, first), panel.power_frac.ravel()
    weight, asked = _weights(run).ravel(), np.repeat(run.hidden, zones)
    results, cpu_s = run.each(
        (quantiles_of_levels, (PooledRows(x, y, weight, asked, base), levels, second.boost, settings.seed + place))
        for place, second in enumerate(settings.second)
        for levels in _shares(settings.levels)
        for base in (first.quantiles(levels).reshape(y.size, -1) if second.on_first else None,)
    )
    every = np.concatenate(results).reshape(len(settings.second), len(settings.levels), -1, zones)
    return np.moveaxis(every.mean(axis=0), 0, 2), cpu_s


def _weights(run: _Run) -> FloatArray:
    stands = find_stopped(run.panel) | find_stuck(run.panel)
    return np.where(stands, run.settings.outage_weight, 1.0)


def _bounded(run: _Run, quantile: FloatArray) -> FloatArray:
    """Inside 0 and the most that the zone has ever given, not crossing."""
    most = np.nanmax(run.panel.power_frac[run.train], axis=0)
    return np.asarray(np.maximum.accumulate(np.clip(quantile, 0.0, np.minimum(most, 1.0)[None, :, None]), axis=2))


def _groups(values: list[FloatArray], size: int) -> list[list[FloatArray]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def _shares(levels: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Levels that are fitted together: few enough to fill the workers, enough to share their histograms."""
    return [levels[at : at + LEVELS_TOGETHER] for at in range(0, len(levels), LEVELS_TOGETHER)]


def _timed(function: Callable[..., FloatArray], arguments: tuple[Any, ...]) -> tuple[FloatArray, float]:
    begun_s = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - begun_s
