"""The grid calls a cluster at its own meter: for a quarter less, through gateway, messages, controller, signal and client."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_harness.experiment import Experiment, run_experiment
from sim_harness.grid.events import ScenarioEvent
from sim_harness.run import RunOptions
from sim_harness.scenario import load
from vpp.ids import AssetId, ConnectionId

CLUSTER = AssetId("compute.aidc")
#: Three quarters of what it draws after midnight, in round numbers.
TARGET_MW = 21.0
#: Begins and ends inside a quarter of an hour: signals are cut there.
CALL = ScenarioEvent(
    event_id="dr-1",
    kind="peak",
    connection=ConnectionId("grid.hongshan"),
    asset=CLUSTER,
    start_h=0.6,
    duration_h=0.75,
    notice_h=0.4,
    target_mw=TARGET_MW,
)


@pytest.fixture(scope="module")
def called() -> Experiment:
    scenario = replace(load("first-week"), days=1.75 / 24.0, events=(CALL,))
    return run_experiment(scenario, RunOptions("rules", None))


def test_a_quarter_less_is_there_within_half_a_minute_and_held(called: Experiment) -> None:
    [event] = called.facts["peak_events"]
    assert event["asset"] == CLUSTER
    assert event["requested_mw"] >= 0.2 * (event["requested_mw"] + TARGET_MW)
    # Of each minute's request no more than all counts, and the twin draws less in some minutes than on average.
    assert event["delivered_frac"] >= 0.97
    assert event["delivered_mw_mean"] >= 0.99 * event["requested_mw"]
    assert event["seconds_to_90pct"] <= 30.0


def test_power_lies_at_the_target_and_not_far_below_it_and_comes_back_after(called: Experiment) -> None:
    outcome = called.outcome
    assert outcome is not None
    [call] = outcome.calls
    _, _, inside_mw = outcome.trace.steps(CLUSTER, call.start, call.end)
    assert inside_mw.max() <= TARGET_MW * 1.005
    assert inside_mw.min() >= TARGET_MW * 0.95
    assert np.std(inside_mw) <= 0.03 * TARGET_MW
    assert event_over(called)


def event_over(called: Experiment) -> bool:
    return bool(called.facts["peak_events"][0]["recovered"])


def test_nobody_who_was_promised_anything_pays_for_it(called: Experiment) -> None:
    compute = called.facts["compute"]
    assert compute["tier0_curtailed_mwh"] == 0.0
    assert compute["deadline_misses"] == 0.0
