"""What each policy costs on several samples of the reporting months, not only on the first days.

Samples of `first-month` begin on fixed days of the month; every policy meets the same world. Prints a table and writes JSON. The
control step is the scenario's own, so this takes minutes: about 25 s of one core for a simulated day of all three policies.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sim_harness.run import Policy, RunOptions, run_scenario
from sim_harness.scenario import load
from sim_harness.weather.source import default_data_dir

#: Days of the month on which samples begin; chosen once, evenly, before any policy was run on them.
FIRST_DAYS = (0, 7, 14, 21)
SAMPLE_DAYS = 2.0
POLICIES: tuple[Policy, ...] = ("none", "rules", "dayahead", "mpc", "perfect")
KEYS = (
    "cost_cny",
    "gross_cost_cny",
    "renewable_utilisation_frac",
    "ammonia_t",
    "heats_done",
    "unsafe_s",
    "limit_violation_s",
    "wall_s",
)


def sample(first_day: int, policy: Policy, data_dir: Path | None) -> dict[str, Any]:
    """One policy on one sample."""
    scenario = load("first-month")
    scenario = replace(scenario, start=scenario.start + timedelta(days=first_day), days=SAMPLE_DAYS)
    facts = run_scenario(scenario, RunOptions(policy, data_dir)).to_json()
    chosen = {key: facts[key] for key in KEYS} | {"green_share_frac": facts["green_share_frac"]["total"]}
    return {"first_day": first_day, "policy": policy, "cost_items": facts["cost_items"], **chosen}


def main() -> None:
    """Runs all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("out/bench/policies.json"))
    parser.add_argument("--data", type=Path, default=default_data_dir())
    told = parser.parse_args()
    cases = [(day, policy) for day in FIRST_DAYS for policy in POLICIES]
    console = Console(stderr=True)
    runs = [sample(day, policy, told.data) for day, policy in track(cases, "samples", console=console)]
    table = Table(title="Comparable cost of two days, CNY")
    for column in ("first day", *POLICIES, "mpc unsafe, s"):
        table.add_column(column, justify="right")
    for day in FIRST_DAYS:
        row = {run["policy"]: run for run in runs if run["first_day"] == day}
        costs = (f"{row[policy]['cost_cny']:,.0f}" for policy in POLICIES)
        table.add_row(str(day + 1), *costs, f"{row['mpc']['unsafe_s']:.0f}")
    Console().print(table)
    told.json.parent.mkdir(parents=True, exist_ok=True)
    told.json.write_text(json.dumps({"data": str(told.data is not None), "runs": runs}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
