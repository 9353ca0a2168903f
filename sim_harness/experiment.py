"""A scenario as it is meant to be judged: with its twin where the grid calls, its history where it settles, its sampled days."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from typing import Any, Final

import numpy as np

from controllers.flexibility.assess import Verdict
from sim_harness.call_score import CallTrace, score_calls
from sim_harness.grid.events import ScenarioEvent
from sim_harness.report import Shown, report_html
from sim_harness.run import Outcome, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.site import farms_of
from sim_harness.strata import StratumDay, choose_days, merge_facts
from sim_harness.truth import Truth
from sim_harness.weather.source import open_weather
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["Experiment", "days_of", "run_experiment"]

#: Days before the start are run in steps as long as a register.
_HISTORY_STEP_S: Final = 900.0
_LOCAL_MINUTE: Final = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was found.

    Args:
        facts: As `--json` writes them.
        outcome: Of the run itself; None where days were sampled.
        purpose: The scenario's own line.
    """

    facts: dict[str, Any]
    outcome: Outcome | None
    purpose: str

    def report(self) -> str | None:
        """The run as one HTML page; None where there is no single run to show."""
        if self.outcome is None:
            return None
        truth, zone = self.outcome.truth, self.outcome.truth.park.zone
        spans = [
            (event.start.astimezone(zone).strftime(_LOCAL_MINUTE), event.end.astimezone(zone).strftime(_LOCAL_MINUTE), event.id)
            for event in self.outcome.calls
        ]
        shown = Shown(truth=truth, facts=self.facts, purpose=self.purpose, planned_mw=self.outcome.planned_mw, spans=spans)
        return report_html(shown)


def run_experiment(scenario: Scenario, options: RunOptions, *, whole: bool = False) -> Experiment:
    """Runs a scenario with all that its score needs.

    Args:
        scenario: With strata it is run as single days that stand for it.
        options: How.
        whole: All days of a scenario with strata.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
        BalanceError: Something does not add up.
    """
    if scenario.strata is not None and not whole:
        return _sampled(scenario, options)
    calls = tuple(event for event in scenario.events if event.is_call)
    if not calls:
        outcome = run_scenario(scenario, options)
        return Experiment(outcome.to_json(), outcome, scenario.purpose)
    return _with_twin(scenario, replace(options, watch=calls))


def _with_twin(scenario: Scenario, options: RunOptions) -> Experiment:
    """The run, and beside it in another process the same world without the calls and the days before it."""
    alone = replace(scenario, events=tuple(event for event in scenario.events if not event.is_call))
    silent = replace(options, progress=None, judged=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        history = pool.submit(_history, alone, silent) if scenario.history_days else None
        twin: Future[CallTrace] = pool.submit(_trace, alone, silent)
        outcome = run_scenario(scenario, options)
        truths = [*([] if history is None else [history.result()]), outcome.truth]
        without = twin.result()
        found = score_calls(options.watch or (), scenario.start, truths, outcome.trace, without)
    kept = {call.event_id: _delivered_frac(call, scenario.start, outcome, without) for call in options.watch or ()}
    facts = outcome.to_json()
    facts["peak_events"] = [{**call.to_json(), **_promise(outcome.verdicts.get(call.id), kept[call.id])} for call in found]
    return Experiment(facts, replace(outcome, calls=found), scenario.purpose)


def _delivered_frac(call: ScenarioEvent, run_start: datetime, outcome: Outcome, twin: CallTrace) -> float | None:
    """Share of the promised energy that was delivered against the twin; None where nothing was, or the twin kept it anyway."""
    verdict = outcome.verdicts.get(call.event_id)
    if verdict is None or verdict.outcome == "refused":
        return None
    # What an emergency or a limit asks beyond the promise is no part of it.
    promised = replace(call, target_mw=verdict.level_mw if verdict.outcome == "part" else verdict.target_mw, change_mw=None)
    [score] = score_calls([promised], run_start, [outcome.truth], outcome.trace, twin)
    return score.delivered_frac


def _promise(verdict: Verdict | None, kept_frac: float | None) -> dict[str, Any]:
    """What was said to a call; nothing where none was judged."""
    if verdict is None:
        return {}
    names = ("outcome", "asked_mw", "accepted_mw", "level_mw", "expected_mw", "confidence")
    said = {name: getattr(verdict, name) for name in names}
    return {"promise": {**said, "reason": verdict.reason.text, "delivered_frac": kept_frac}}


def _trace(scenario: Scenario, options: RunOptions) -> CallTrace:
    return run_scenario(scenario, options).trace


def _history(scenario: Scenario, options: RunOptions) -> Truth:
    """The days before a run in quarters of an hour, by the rules where the policy plans: cheap, and of the same kind."""
    first = scenario.start - timedelta(days=scenario.history_days)
    before = replace(
        scenario,
        start=first,
        days=float(scenario.history_days),
        control_step_s=_HISTORY_STEP_S,
        clusters="auto",
        events=(),
        faults=(),
        history_days=0,
    )
    policy = options.policy if options.policy == "none" else "rules"
    return run_scenario(before, replace(options, policy=policy, wire="local", watch=())).truth


def _sampled(scenario: Scenario, options: RunOptions) -> Experiment:
    days = days_of(scenario, options)
    runs = []
    for i, one in enumerate(days):
        day = replace(scenario, start=scenario.start + timedelta(days=one.day), days=float(one.days), strata=None)
        progress = _part(options.progress, i, len(days))
        runs.append(run_scenario(day, replace(options, progress=progress)).to_json())
    facts = merge_facts(runs, [one.weight for one in days])
    sampled = [
        {
            "start": (scenario.start + timedelta(days=one.day)).isoformat(),
            "days": one.days,
            "weight_days": one.weight * one.days,
            "cost_cny": run["cost_cny"],
            "green_share_frac": run["green_share_frac"]["total"],
        }
        for one, run in zip(days, runs, strict=True)
    ]
    return Experiment({**facts, "sampled_days": sampled}, None, scenario.purpose)


def days_of(scenario: Scenario, options: RunOptions) -> tuple[StratumDay, ...]:
    """The days, or chains of days, that stand for a scenario with strata; else the whole of it."""
    strata = scenario.strata
    if strata is None:
        return (StratumDay(0, scenario.days),)
    farms = farms_of(load_park_of(scenario))
    data_dir = scenario.weather_from(options.data_dir)
    weather = open_weather(data_dir, farms, seed=scenario.seed, start=scenario.start, end=scenario.end)
    days = int(scenario.days)
    frac = weather.available_frac_array(
        [farm.asset_id for farm in farms], scenario.start, timedelta(hours=1), days * int(HOURS_PER_DAY)
    )
    capacity_mw = np.array([farm.capacity_mw for farm in farms])
    power: FloatArray = (frac * capacity_mw[:, np.newaxis]).sum(axis=0) / capacity_mw.sum()
    chains = days // strata.days
    of_chain = power.reshape(days, -1).mean(axis=1)[: chains * strata.days].reshape(chains, strata.days).mean(axis=1)
    chosen = choose_days(of_chain, strata.quarters, strata.levels)
    # Days at the end that fill no chain are stood for by all of them.
    scale = days / (chains * strata.days)
    return tuple(StratumDay(one.day * strata.days, one.weight * scale, strata.days) for one in chosen)


def _part(progress: Callable[[float], None] | None, i: int, n: int) -> Callable[[float], None] | None:
    return None if progress is None else lambda done: progress((i + done) / n)
