"""A call of the grid in a closed loop: told, kept, and judged against the same world that was never called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim_harness.experiment import Experiment, run_experiment
from sim_harness.grid.events import ScenarioEvent
from sim_harness.run import RunOptions, run_scenario
from sim_harness.scenario import load
from vpp.errors import ScenarioError
from vpp.ids import ConnectionId

CALL = ScenarioEvent(
    event_id="peak-1",
    kind="peak",
    connection=ConnectionId("grid.hongshan"),
    start_h=1.0,
    duration_h=0.5,
    notice_h=0.5,
    change_mw=10.0,
)


@pytest.fixture(scope="module")
def called() -> Experiment:
    scenario = replace(load("first-week"), days=0.125, control_step_s=30.0, events=(CALL,))
    return run_experiment(scenario, RunOptions("rules", None))


def test_a_battery_delivers_a_small_call_against_the_twin(called: Experiment) -> None:
    [event] = called.facts["peak_events"]
    assert event["id"] == "peak-1"
    assert event["requested_mw"] == 10.0
    assert event["delivered_frac"] > 0.5
    assert event["seconds_to_90pct"] <= 120.0


def test_without_working_days_before_it_no_baseline_is_invented(called: Experiment) -> None:
    assert called.facts["peak_events"][0]["baseline_delivered_frac"] is None


def test_the_page_shows_the_call_and_needs_no_network(called: Experiment) -> None:
    page = called.report()
    assert page is not None
    assert "peak-1" in page
    assert "<script src=" not in page


@pytest.fixture(scope="module")
def judged() -> Experiment:
    # Foresight trains nothing; the small park with its furnaces can promise nothing, and an emergency is taken all the same.
    early = replace(CALL, start_h=0.5, duration_h=0.25, notice_h=0.25)
    urgent = replace(early, event_id="emergency-1", kind="emergency", start_h=1.0, notice_h=0.0)
    scenario = replace(load("first-week"), days=0.0625, control_step_s=60.0, events=(early, urgent))
    return run_experiment(scenario, RunOptions("foresight", None, judged=True))


@pytest.mark.no_cover
def test_a_judged_run_tells_what_was_promised_of_each_call_and_what_came_of_the_promise(judged: Experiment) -> None:
    peak, emergency = judged.facts["peak_events"]
    assert (peak["promise"]["outcome"], peak["promise"]["delivered_frac"]) == ("refused", None)
    assert "cannot be promised" in peak["promise"]["reason"]
    assert emergency["promise"]["outcome"] == "part"
    assert emergency["promise"]["accepted_mw"] < emergency["promise"]["asked_mw"]
    # Nothing was promised of it, so nothing of a promise was delivered; what the call got is told beside.
    assert (emergency["promise"]["accepted_mw"], emergency["promise"]["delivered_frac"]) == (0.0, None)
    assert emergency["delivered_frac"] > 0.0


def test_calls_are_judged_only_by_who_plans() -> None:
    scenario = replace(load("first-week"), days=0.125, control_step_s=60.0, events=(CALL,))
    with pytest.raises(ScenarioError, match="by a policy that plans"):
        run_scenario(scenario, RunOptions("rules", None, judged=True))
