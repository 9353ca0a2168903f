"""Two hours of the closed loop on generated weather, in seconds: does it close, and twice in the same way?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from sim_harness.run import Outcome, Policy, RunOptions, run_scenario
from sim_harness.scenario import load
from vpp.ids import AssetId

TWO_HOURS, DAY = timedelta(hours=2), timedelta(days=1)
#: What a second run of the same scenario may differ in.
WALL_TIMES: Final = ("wall_s",)


def run(policy: Policy, seed: int = 1) -> Outcome:
    return run_scenario(load("first-week").with_options(days=TWO_HOURS / DAY, seed=seed), RunOptions(policy, None))


def facts(outcome: Outcome) -> dict[str, Any]:
    return {key: value for key, value in outcome.to_json().items() if key not in WALL_TIMES}


@pytest.fixture(scope="module")
def rules() -> Outcome:
    return run("rules")


def test_with_nobody_in_command_nothing_is_sent_and_a_store_on_the_grid_stands_still() -> None:
    outcome = run("none")
    assert (outcome.conduct.commands, outcome.conduct.ack_p99_ms) == (None, None)
    assert outcome.score.simulated_s == TWO_HOURS.total_seconds()
    assert outcome.truth.totals[AssetId("bess.hongshan")]["discharged_mwh"] == 0.0


def test_rules_send_commands_and_devices_answer_within_a_control_step(rules: Outcome) -> None:
    assert rules.conduct.commands is not None
    assert rules.conduct.commands > 500
    assert rules.conduct.ack_p99_ms is not None
    assert 0.0 <= rules.conduct.ack_p99_ms < 10_000.0


def test_under_rules_no_limit_is_broken_and_no_load_is_shed(rules: Outcome) -> None:
    assert (rules.score.limit_violation_s, rules.score.unsafe_s, rules.score.unserved_mwh) == (0.0, 0.0, 0.0)


def test_rules_tell_of_no_forecast(rules: Outcome) -> None:
    assert rules.conduct.forecast is not None
    assert set(rules.conduct.forecast.values()) == {None}


def test_the_same_seed_gives_the_same_facts_and_another_seed_others(rules: Outcome) -> None:
    assert facts(run("rules")) == facts(rules)
    assert run("rules", seed=2).score.cost_cny != rules.score.cost_cny
