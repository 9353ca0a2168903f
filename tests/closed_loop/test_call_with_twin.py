"""A call of the grid in a closed loop: told, kept, and judged against the same world that was never called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim_harness.experiment import Experiment, run_experiment
from sim_harness.grid.events import ScenarioEvent
from sim_harness.run import RunOptions
from sim_harness.scenario import load
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
