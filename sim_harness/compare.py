"""The policies side by side on the same world; each run is kept when it is finished, so that a comparison can be resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from controllers.planner.effort import EFFORTS, Effort
from sim_harness.experiment import run_experiment
from sim_harness.run import POLICIES, Policy, RunOptions
from sim_harness.scenario import SEEDS, Scenario
from vpp.errors import ScenarioError
from vpp.units import FloatArray

__all__ = ["GAPS", "CompareOptions", "compare", "gap_closed_frac", "gap_interval_frac", "parse_policies"]

#: From which policy to which a gap is measured.
GAPS: Final[tuple[tuple[Policy, Policy], ...]] = (("rules", "perfect"), ("rules", "foresight"), ("dayahead", "perfect"))
_PLANLESS: Final = ("none", "rules")
_PACKAGES: Final = ("vpp", "forecasting", "controllers", "sim_harness")
_KEY_LENGTH: Final = 16
#: Fewer days say nothing of their spread.
_LEAST_DAYS: Final = 3
_DRAWS: Final = 2_000

Progress = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How policies are compared.

    Args:
        policies: Which, in the order of the table, each with its effort where that is not `fast`, as in `mpc:full`.
        data_dir: Measured series; None to generate.
        kept_in: Where finished runs lie; one that is there for the same code, seeds, scenario and policy is not run again.
        jobs: Runs at a time, each in a process of its own; 1 runs them here.
        whole: All days of a scenario that is else run as sampled days.
        cache_dir: Where trained models are kept.
        in_each: Called first in each process of its own, as to set what is logged there.
    """

    policies: tuple[str, ...]
    data_dir: Path | None
    kept_in: Path
    jobs: int = 1
    whole: bool = False
    cache_dir: Path = Path("out/models")
    in_each: Callable[[], None] | None = None


def parse_policies(text: str) -> tuple[str, ...]:
    """`rules,mpc,mpc:full` as policies.

    Raises:
        ScenarioError: One of them is unknown or named twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    faults = [f"--policies: {name}: unknown; known are {', '.join(POLICIES)}" for name in names if not _is_known(name)]
    faults += [f"--policies: {name}: named twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    faults += [] if names else ["--policies: names none; write some of " + ",".join(POLICIES)]
    if faults:
        raise ScenarioError(faults)
    return tuple(names)


def _is_known(name: str) -> bool:
    """A policy, or one that plans with its effort."""
    policy, colon, effort = name.partition(":")
    return policy in POLICIES and (not colon or (effort in EFFORTS and policy not in _PLANLESS))


def _policy_of(name: str) -> tuple[Policy, Effort]:
    policy, _, effort = name.partition(":")
    (known,) = (one for one in POLICIES if one == policy)
    return known, next((one for one in EFFORTS if one == effort), "fast")


def compare(scenario: Scenario, options: CompareOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Runs what is not there yet.

    Args:
        scenario: The world.
        options: How.
        progress: Told of each finished run, and whether it had been there.

    Returns:
        As `--json` writes it: `scenario, seed, runs[]` in the order of the policies, and `gap_closed[]`.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
    """
    key = _key(scenario, options)
    options.kept_in.mkdir(parents=True, exist_ok=True)
    paths = {
        policy: options.kept_in / f"{scenario.name}-{scenario.seed}-{policy.replace(':', '-')}-{key}.json"
        for policy in options.policies
    }
    missing = [policy for policy in options.policies if not paths[policy].is_file()]
    tell = progress or (lambda name, was_there: None)
    for policy in options.policies:
        if policy not in missing:
            tell(policy, True)
    for policy, facts in _made(scenario, options, missing):
        _write(paths[policy], facts)
        tell(policy, False)
    runs = [json.loads(paths[policy].read_text(encoding="utf-8")) for policy in options.policies]
    return {"scenario": scenario.name, "seed": scenario.seed, "days": scenario.days, "runs": runs, "gap_closed": _gaps(runs)}


def gap_closed_frac(cost_cny: float, worse_cny: float, best_cny: float) -> float | None:
    """Share of the way from one cost to a better one; None where there is no way to go.

    >>> gap_closed_frac(40.0, 100.0, 20.0)
    0.75
    """
    return (worse_cny - cost_cny) / (worse_cny - best_cny) if worse_cny > best_cny else None


def gap_interval_frac(costs_cny: FloatArray, days: FloatArray) -> tuple[float, float] | None:
    """Between what the share of a gap lies, were other days of the same kind drawn: the middle 90 % of a bootstrap over days.

    Args:
        costs_cny: Of the policy, the worse and the best one, day by day, shape (3, D).
        days: How many days each stands for, shape (D,).

    Returns:
        None with fewer than three days, or where some draws have no gap.
    """
    if days.size < _LEAST_DAYS:
        return None
    drawn = np.random.default_rng(_DRAWS).integers(days.size, size=(_DRAWS, days.size))
    policy, worse, best = (costs_cny[:, drawn] * days[drawn]).sum(axis=2)
    if (worse <= best).any():
        return None
    low, high = np.quantile((worse - policy) / (worse - best), (0.05, 0.95))
    return float(low), float(high)


def _gaps(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    cost = {run["policy"]: float(run["cost_cny"]) for run in runs}
    by_day = {run["policy"]: [float(day["cost_cny"]) for day in run.get("sampled_days", ())] for run in runs}
    weight = np.array([float(day["weight_days"]) / float(day["days"]) for day in runs[0].get("sampled_days", ())])
    found = []
    for worse, best in GAPS:
        for policy in cost if worse in cost and best in cost else ():
            frac = gap_closed_frac(cost[policy], cost[worse], cost[best])
            known = policy not in (worse, best)
            interval = gap_interval_frac(np.array([by_day[p] for p in (policy, worse, best)]), weight) if known else None
            found.append({"from": worse, "to": best, "policy": policy, "frac": frac, "interval_frac": interval})
    return found


def _made(scenario: Scenario, options: CompareOptions, missing: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs as they come; a forecaster is trained once, by whichever run is first."""
    if options.jobs == 1 or len(missing) < 2:
        for policy in missing:
            yield policy, _facts(scenario, options, policy)
        return
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), initializer=options.in_each) as pool:
        # The dearest first, so that none of them is begun last.
        dearest = sorted(missing, key=lambda name: POLICIES.index(_policy_of(name)[0]), reverse=True)
        running: dict[Future[dict[str, Any]], str] = {
            pool.submit(_facts, scenario, options, policy): policy for policy in dearest
        }
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            for future in running:
                future.cancel()


def _facts(scenario: Scenario, options: CompareOptions, name: str) -> dict[str, Any]:
    policy, effort = _policy_of(name)
    how = RunOptions(policy, options.data_dir, cache_dir=options.cache_dir, effort=effort)
    return {**run_experiment(scenario, how, whole=options.whole).facts, "policy": name}


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    """Whole or not at all: a comparison may be stopped while it writes."""
    half = path.with_suffix(f".{os.getpid()}.part")
    half.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)


def _key(scenario: Scenario, options: CompareOptions) -> str:
    """Of everything that a run comes from beside its policy: the scenario as it is run, code, seeds and data."""
    found = hashlib.sha256(repr((replace(scenario, park_path=Path(scenario.park_path.name)), options.whole)).encode())
    if options.data_dir is not None:
        for path in sorted(options.data_dir.glob("*.*")):
            found.update(f"{path.name} {path.stat().st_size}".encode())
    root = SEEDS.parent
    files = [path for package in _PACKAGES for path in (root / package).rglob("*.py")]
    files += [*SEEDS.rglob("*.yaml"), *scenario.park_path.rglob("*.yaml")]
    for path in sorted(files):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:_KEY_LENGTH]
