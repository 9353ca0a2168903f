"""Grid search of the rules' thresholds on the tuning months, so that `rules` is as good a rival as a threshold controller can be.

The tuning months 2012-10..2013-03 of the measured wind are April to September of the park's 2030; the reporting months are never
looked at. The whole park is run in quarters of an hour over a few days of every tuning month; groups of thresholds that act on
each other are searched together, one group after another, each kept at its best before the next; the comparable cost decides.

    python benchmarks/search_rules.py [--data DIR] [--days 3] [--passes 1] --json FILE
    python benchmarks/search_rules.py --json FILE --freeze seeds/policies/rules.yaml [--on DATE]

Every trial is kept beside FILE, so that a search can be stopped, gone on with, and frozen as far as it came.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from controllers.planner.rule_file import load_thresholds
from controllers.planner.rules import RuleThresholds
from sim_harness.run import RunOptions, run_scenario
from sim_harness.scenario import Scenario, load

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
STEP_S: Final = 900.0
#: Park midnights, one span in every tuning month.
STARTS: Final = tuple(
    datetime(2030, month, day, 16, tzinfo=UTC) for month, day in ((4, 9), (5, 19), (6, 4), (7, 22), (8, 12), (9, 17))
)

#: Groups in their order; values include those that reasoning had chosen before. What acts on islands and rare events only is left
#: as reasoned.
GRID: Final[tuple[dict[str, tuple[float, ...]], ...]] = (
    {"contract_share": (0.0, 0.5, 1.0)},
    {"tank_worth": (1.2, 1.5), "tank_full_frac": (0.8, 0.92)},
    {"tank_low_frac": (0.15, 0.3), "tank_high_frac": (0.45, 0.6)},
    {"charge_below_cny_per_mwh": (200.0, 300.0, 420.0), "discharge_above_cny_per_mwh": (450.0, 620.0, 800.0)},
    {"stack_load_frac": (0.6, 0.8, 0.95)},
    {"standby_frac": (0.05, 0.1, 0.2)},
    {"heat_price_cny_per_mwh": (450.0, 700.0, 1_600.0)},
    {"quota_price_cny_per_mwh": (450.0, 700.0, 1_600.0)},
    {"wait_price_cny_per_mwh": (450.0, 700.0, 1_600.0)},
)


def spans(days: float) -> tuple[Scenario, ...]:
    """The whole park on a few days of every tuning month."""
    base = load("year-2030")
    found = []
    for i, start in enumerate(STARTS):
        of_month = replace(base, name=f"tuning-{start:%m}", start=start - timedelta(days=1), days=days, seed=7 + i)
        found.append(replace(of_month, strata=None, control_step_s=STEP_S))
    return tuple(found)


def cost_of(thresholds: RuleThresholds, scenarios: tuple[Scenario, ...], data: Path) -> float:
    """Comparable cost of all spans together. [CNY]."""
    options = RunOptions("rules", data, thresholds=thresholds)
    return sum(float(run_scenario(scenario, options).to_json()["cost_cny"]) for scenario in scenarios)


def kept_costs(cost: Callable[[RuleThresholds], float], path: Path | None) -> Callable[[RuleThresholds], float]:
    """Costs that are also kept beside the record, so that a search that was stopped goes on where it was."""
    kept_in = path.with_suffix(".trials") if path is not None else None
    known: dict[str, float] = {}
    if kept_in is not None and kept_in.is_file():
        known = {_key(values): cost_cny for values, cost_cny in _tried(kept_in)}

    def found(thresholds: RuleThresholds) -> float:
        key = _key(asdict(thresholds))
        if key not in known:
            known[key] = cost(thresholds)
            if kept_in is not None:
                with kept_in.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, known[key]]) + "\n")
        return known[key]

    return found


def _tried(path: Path) -> list[tuple[dict[str, Any], float]]:
    """Trials kept in a file; thresholds that came later had their default then."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [({**asdict(RuleThresholds()), **json.loads(key)}, float(cost_cny)) for key, cost_cny in lines]


def _key(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def with_values(thresholds: RuleThresholds, values: dict[str, float]) -> RuleThresholds:
    """Some thresholds changed; counts stay whole."""
    kept = {name: int(value) if name == "stack_band" else value for name, value in values.items()}
    return replace(thresholds, **kept)  # type: ignore[arg-type]  # names and kinds are those of the grid


def search(told: argparse.Namespace) -> dict[str, Any]:
    """Group after group; every trial is in the record."""
    scenarios = spans(told.days)
    cost = kept_costs(lambda thresholds: cost_of(thresholds, scenarios, told.data), told.json)
    first = cost(RuleThresholds())
    best = RuleThresholds() if told.begin is None else load_thresholds(told.begin)
    print(f"by reasoning: {first:,.0f} CNY over {told.days:g} days of {len(scenarios)} months", file=sys.stderr)
    trials: list[dict[str, Any]] = []
    groups = [group for group in GRID if not told.only or set(told.only) & set(group)]
    for _, group in itertools.product(range(told.passes), groups):
        found = []
        for values in itertools.product(*group.values()):
            candidate = with_values(best, dict(zip(group, values, strict=True)))
            found.append((cost(candidate), candidate))
            trials.append({"values": dict(zip(group, values, strict=True)), "cost_cny": round(found[-1][0])})
        now, best = min(found, key=lambda one: one[0])
        print(f"{', '.join(group)}: {now:,.0f} CNY with { {name: getattr(best, name) for name in group} }", file=sys.stderr)
    return {
        "by_reasoning_cny": round(first),
        "found_cny": round(cost(best)),
        "spans": [scenario.start.isoformat() for scenario in scenarios],
        "days": told.days,
        "step_s": STEP_S,
        "thresholds": asdict(best),
        "trials": trials,
    }


def frozen(told: argparse.Namespace) -> str:
    """The winner of all trials kept so far with their record, as the seeds have it."""
    tried = _tried(told.json.with_suffix(".trials"))
    reasoned = asdict(RuleThresholds())
    best, found_cny = min(tried, key=lambda one: one[1])
    record = {
        "command": f"python benchmarks/search_rules.py --days {told.days:g} --json FILE",
        "on": told.on,
        "months": "2012-10 to 2013-03 of the measured wind, the park's April to September 2030; reporting months unseen",
        "park": f"the whole park, policy rules, steps of {STEP_S:g} s",
        "spans": [scenario.start.isoformat() for scenario in spans(told.days)],
        "days": told.days,
        "by_reasoning_cny": round(next(cost for tried_one, cost in tried if tried_one == reasoned)),
        "found_cny": round(found_cny),
        "trials": [
            {"cost_cny": round(cost), **{name: v for name, v in values.items() if v != reasoned[name]}} for values, cost in tried
        ],
    }
    head = "# The rules' thresholds, found by search on the tuning months and frozen; what each means stands in RuleThresholds.\n"
    head += "# Each trial names what it had otherwise than reasoning had chosen, and its comparable cost over all spans.\n"
    return head + yaml.safe_dump({"thresholds": best, "record": record}, sort_keys=False, width=130, default_flow_style=None)


def main() -> int:
    """Prints each group's winner, writes the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--begin", type=Path, metavar="FILE.yaml", help="from frozen thresholds instead of those of reasoning")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="groups with one of these thresholds only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--freeze", type=Path, metavar="FILE.yaml", help="search nothing, write the best of the trials so far")
    parser.add_argument("--on", metavar="DATE", help="day of the search, for its record")
    told = parser.parse_args()
    if told.freeze is not None:
        told.freeze.write_text(frozen(told), encoding="utf-8")
        return 0
    if not told.data.is_dir():
        print(f"rules: skipped: no measured series in {told.data}")
        return 0
    found = search(told)
    print(json.dumps(found["thresholds"], indent=2))
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
