"""The green share of computing on days that stand for `real-month`, for three policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from controllers.service import Controller
from sim_harness.experiment import days_of
from sim_harness.green import attribute
from sim_harness.grid.events import ScenarioEvent
from sim_harness.run import Outcome, Policy, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load
from vpp.events import Override, PinPower
from vpp.units import FloatArray

__all__ = ["hold_storage", "measure_month", "work_of"]

#: Step of world and dispatch on the month's days, as in docs/policies.md. [s]
MONTH_STEP_S = 300.0
MONTH_POLICIES: tuple[Policy, ...] = ("none", "mpc", "perfect")


def hold_storage(call: ScenarioEvent | None = None) -> Callable[[Controller], None]:
    """Holds every store of the park at no power, while a call lasts or all the time, as the person on duty would."""

    def hold(controller: Controller) -> None:
        at = controller.clock.now()
        stores = [a.id for kind in ("battery", "compressed_air") for a in controller.park.assets_of(kind)]
        start, end = (at, None) if call is None else (call.start(at), call.end(at))
        controller.inbox.decided(
            Override(i, PinPower(0.0), start, end, "bench", "storage is not to help", at, at) for i in stores
        )

    return hold


def work_of(outcome: Outcome) -> dict[str, float | None]:
    """What users notice, over the whole run."""
    truth = outcome.truth
    compute = outcome.score.compute
    lost, slowed, firm, done = (
        truth.total(name, "compute") or 0.0
        for name in ("lost_throughput_mwh", "slowed_jobs_mwh", "firm_done_mwh", "work_done_mwh")
    )
    return {
        "work_done_by_deadline_frac": compute.work_done_frac,
        "work_due_mwh": compute.work_due_mwh,
        "missed_mwh": compute.missed_mwh,
        "jobs_missed": truth.total("jobs_missed", "compute"),
        "jobs_killed": truth.total("jobs_killed", "compute"),
        "tier0_curtailed_mwh": compute.tier0_curtailed_mwh,
        "tier0_lost_mwh": truth.total("lost_throughput_mwh.tier0", "compute"),
        "throughput_lost_frac": (lost + slowed) / (firm + lost + done) if firm + done else None,
        "energy_mwh": compute.energy_mwh,
        "shifted_mwh": compute.shifted_mwh,
    }


def month_scenarios(sample: str, data_dir: Path | None) -> list[tuple[Scenario, float]]:
    """Days, or chains of days, of `real-month` at a coarse step (so clusters are fluid), with what each stands for."""
    scenario = replace(load("real-month").sampled(sample), control_step_s=MONTH_STEP_S)
    found = []
    for one in days_of(scenario, RunOptions("none", data_dir)):
        start = scenario.start + timedelta(days=one.day)
        found.append((replace(scenario, start=start, days=float(one.days), strata=None), one.weight))
    return found


def measure_month(sample: str, data_dir: Path | None, cache: Path, storage: str) -> dict[str, Any]:
    """Each policy on each chain; a chain that is done lies in the cache, so that the part can be stopped and resumed."""
    prepare = hold_storage() if storage == "held" else None
    chains = month_scenarios(sample, data_dir)
    rows: list[dict[str, Any]] = []
    for scenario, weight in chains:
        row: dict[str, Any] = {"start": scenario.start.isoformat(), "days": scenario.days, "weight": weight}
        for policy in MONTH_POLICIES:
            kept = cache / f"{scenario.start:%Y%m%d}-{scenario.days:g}-{MONTH_STEP_S:g}-{storage}-{policy}.json"
            if not kept.exists():
                facts = _month_facts(run_scenario(scenario, RunOptions(policy, data_dir, prepare=prepare)))
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(facts), encoding="utf-8")
            row[policy] = json.loads(kept.read_text(encoding="utf-8"))
        rows.append(row)
    return {"sample": sample, "storage": storage, "step_s": MONTH_STEP_S, "chains": rows, **gain_of(rows)}


def _month_facts(outcome: Outcome) -> dict[str, Any]:
    truth = outcome.truth
    straight, stored = attribute(truth, through_stores=False), attribute(truth)
    rows = truth.rows_of("compute")
    return {
        "used_mwh": straight.used_mwh(rows),
        "green_mwh": straight.green_mwh(rows),
        "green_with_stores_mwh": stored.green_mwh(rows),
        **work_of(outcome),
    }


def gain_of(rows: Sequence[Mapping[str, Any]], draws: int = 2_000) -> dict[str, Any]:
    """Green shares of the month and the part of the way from `none` to `perfect`, with an interval over the chains."""
    weight = np.array([row["weight"] for row in rows])

    def share(policy: str, key: str, times: FloatArray) -> float:
        green, used = (np.array([row[policy][name] for row in rows]) for name in (key, "used_mwh"))
        return float((times * green).sum() / (times * used).sum())

    def way(times: FloatArray, key: str = "green_mwh") -> float:
        none, ours, best = (share(policy, key, times) for policy in ("none", "mpc", "perfect"))
        return (ours - none) / (best - none)

    rng = np.random.default_rng(0)
    n = len(rows)
    drawn = [way(weight * np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(draws)]
    return {
        "green_share_frac": {policy: share(policy, "green_mwh", weight) for policy in MONTH_POLICIES},
        "green_share_with_stores_frac": {policy: share(policy, "green_with_stores_mwh", weight) for policy in MONTH_POLICIES},
        "gain_frac": way(weight),
        "gain_interval_frac": [float(x) for x in np.quantile(drawn, [0.05, 0.95])],
        "gain_by_chain_frac": [way(np.eye(n)[i]) for i in range(n)],
        "gain_with_stores_frac": way(weight, "green_with_stores_mwh"),
    }
