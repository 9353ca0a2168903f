"""A short qualification test on the small simulated park: called, judged against its twin, certified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.proof.certificate_page import certificate_html
from controllers.proof.qualification import Certificate, TestStep, read_qualification
from sim_harness.qualify import QualifyOptions, qualify
from sim_harness.run import RunOptions
from sim_harness.scenario import SEEDS, load
from vpp.errors import ScenarioError

STEPS = (TestStep(id="up", kind="peak", start_h=0.25, duration_h=0.5, share_frac=1.0),)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    scenario = replace(load("first-week"), control_step_s=30.0)
    test = replace(read_qualification(SEEDS / "qualification" / "china.yaml"), steps=STEPS)
    how = QualifyOptions(up_mw=10.0, down_mw=10.0, begin_h=1.0)
    return qualify(scenario, test, how, RunOptions("rules", None))


def test_the_battery_shows_what_it_was_asked_for(certificate: Certificate) -> None:
    [step] = certificate.steps
    assert step.requested_mw > 5.0
    assert step.delivered_mw > 5.0
    assert certificate.connection == "grid.hongshan"
    assert certificate.normal_load_mw is not None
    assert certificate.normal_load_mw > 50.0


def test_the_proof_of_a_step_is_judged_by_the_twin_and_names_who_gave(certificate: Certificate) -> None:
    [proof] = certificate.proofs
    assert proof.twin is not None
    gave = proof.assets[0]
    assert (gave.asset_id, gave.reference) == ("bess.hongshan", "twin")
    assert gave.gave_mw is not None
    assert gave.gave_mw > 5.0


def test_less_than_the_least_capacity_does_not_pass(certificate: Certificate) -> None:
    assert not certificate.passed
    assert {one.threshold.id for one in certificate.criteria if not one.passed} >= {"duration_h"}
    assert "不合格" in certificate_html(certificate)


def test_a_test_begins_on_a_quarter_of_an_hour() -> None:
    test = replace(read_qualification(SEEDS / "qualification" / "china.yaml"), steps=STEPS)
    with pytest.raises(ScenarioError, match="quarter of an hour"):
        qualify(load("first-week"), test, QualifyOptions(up_mw=1.0, down_mw=1.0, begin_h=1.1), RunOptions("rules", None))
