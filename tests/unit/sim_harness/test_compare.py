from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim_harness.cli import main
from sim_harness.compare import CompareOptions, compare, gap_closed_frac, gap_interval_frac, parse_policies
from sim_harness.scenario import Scenario, load
from vpp.errors import ScenarioError


def first_hours() -> Scenario:
    return replace(load("first-week").with_options(1, None), control_step_s=900)


def options(folder: Path) -> CompareOptions:
    return CompareOptions(("none", "rules"), None, folder / "runs", cache_dir=folder / "models")


def test_the_gap_closed_is_a_share_of_the_way_from_one_cost_to_a_better_one() -> None:
    assert gap_closed_frac(60.0, 100.0, 20.0) == 0.5
    assert gap_closed_frac(120.0, 100.0, 20.0) == -0.25
    assert gap_closed_frac(60.0, 20.0, 100.0) is None


def test_a_share_of_a_gap_has_an_interval_over_its_days() -> None:
    worse, best, days = np.array([100.0, 200.0, 150.0]), np.array([50.0, 100.0, 70.0]), np.array([1.0, 2.0, 1.0])
    half = gap_interval_frac(np.array([(worse + best) / 2.0, worse, best]), days)
    assert half == pytest.approx((0.5, 0.5))
    uneven = gap_interval_frac(np.array([[100.0, 100.0, 110.0], worse, best]), days)
    assert uneven is not None
    assert uneven[0] < uneven[1]
    assert gap_interval_frac(np.array([worse, worse, best])[:, :2], days[:2]) is None


def test_a_comparison_of_sampled_days_tells_their_spread(tmp_path: Path) -> None:
    days = replace(load("first-week").with_options(2, None, 900).sampled("1x2"), events=())
    found = compare(days, options(tmp_path))
    assert [len(run["sampled_days"]) for run in found["runs"]] == [2, 2]


def test_a_chain_of_days_is_run_in_one_go_and_stands_for_all_days(tmp_path: Path) -> None:
    days = replace(load("first-week").with_options(5, None, 900).sampled("1x2x2"), events=())
    (run,) = compare(days, replace(options(tmp_path), policies=("none",)))["runs"]
    assert [day["days"] for day in run["sampled_days"]] == [2, 2]
    assert sum(day["weight_days"] for day in run["sampled_days"]) == pytest.approx(5.0)
    assert run["simulated_s"] == pytest.approx(5 * 86_400.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [("3", "must be parts x levels"), ("1x3x3", "has 7 days only"), ("13x1", "at most 12x10"), ("2x5", "has 7 days only")],
)
def test_samples_that_cannot_be_are_refused(text: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        load("first-week").sampled(text)


def test_a_step_that_does_not_fit_the_registers_is_refused() -> None:
    with pytest.raises(ScenarioError, match="--step: 7: must divide"):
        load("first-week").with_options(step_s=7.0)


def test_policies_are_named_once_each_and_known() -> None:
    assert parse_policies("rules, mpc") == ("rules", "mpc")
    with pytest.raises(ScenarioError) as caught:
        parse_policies("rules,rulez,rules")
    assert caught.value.faults[0].startswith("--policies: rulez: unknown; known are none, ")
    assert caught.value.faults[1] == "--policies: rules: named twice"
    with pytest.raises(ScenarioError, match="names none"):
        parse_policies(" , ")


def test_a_policy_that_plans_is_named_with_its_effort() -> None:
    assert parse_policies("mpc,mpc:full") == ("mpc", "mpc:full")
    for wrong in ("mpc:harder", "rules:full", "mpc:"):
        with pytest.raises(ScenarioError, match="unknown"):
            parse_policies(wrong)


def test_a_comparison_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    one = replace(options(tmp_path), policies=("none",))
    compare(first_hours(), one, lambda name, there: told.append((name, there)))
    found = compare(first_hours(), options(tmp_path), lambda name, there: told.append((name, there)))
    assert told == [("none", False), ("none", True), ("rules", False)]
    assert [run["policy"] for run in found["runs"]] == ["none", "rules"]


def test_another_seed_is_another_comparison(tmp_path: Path) -> None:
    told: list[bool] = []
    one = replace(options(tmp_path), policies=("none",))
    for seed in (1, 2):
        compare(replace(first_hours(), seed=seed), one, lambda name, there: told.append(there))
    assert told == [False, False]


def test_the_command_prints_a_table_and_writes_all_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "compare.json"
    assert (
        main(["compare", "first-week", "--days", "0.125", "--step", "900", "--policies", "none,rules", "--json", str(path)]) == 0
    )
    shown = capsys.readouterr().out
    assert "first-week" in shown
    assert "cost CNY" in shown
    said = json.loads(path.read_text(encoding="utf-8"))
    assert [run["policy"] for run in said["runs"]] == ["none", "rules"]


def test_a_command_without_a_known_policy_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "first-week", "--policies", "best", "--json", str(tmp_path / "c.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
