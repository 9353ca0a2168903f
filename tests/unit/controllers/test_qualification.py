"""The certificate: what it takes from the proofs, and what does not pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controllers.proof import prove
from controllers.proof.certificate_page import certificate_html
from controllers.proof.qualification import Tested, TestStep, certify, read_qualification
from sim_harness.scenario import SEEDS
from tests.unit.controllers.test_proof import CALL, LEVEL_MW, evidence, ramp_to_target
from vpp.errors import AccountError

FILE = SEEDS / "qualification" / "china.yaml"
UP = TestStep(id="up", kind="peak", start_h=0.0, duration_h=1.0, share_frac=1.0)
DOWN = TestStep(id="down", kind="valley", start_h=2.0, duration_h=1.0, share_frac=1.0)
WHO = Tested(where="a test", declared_mw=(20.0, 20.0), normal_load_mw=300.0)


def proofs(up_mw: float = 20.0):  # type: ignore[no-untyped-def]  # two proofs
    return (
        prove(evidence(LEVEL_MW - (LEVEL_MW - ramp_to_target()) * up_mw / 20.0)),
        prove(evidence(np.full(360, 120.0), call=replace(CALL, event_id="e2", kind="valley", target_mw=120.0))),
    )


def test_the_file_in_the_seeds_is_in_order_and_every_value_says_where_it_is_from() -> None:
    test = read_qualification(FILE)
    assert {one.mark for one in test.thresholds} == {"fact", "assumption"}
    assert all(one.source for one in test.thresholds)
    assert {step.kind for step in test.steps} == {"peak", "valley"}
    assert test.length_h == 7.25


def test_a_park_that_does_what_is_asked_passes() -> None:
    test = replace(read_qualification(FILE), steps=(UP, DOWN))
    found = certify(test, WHO, proofs())
    measured = {one.threshold.id: one.measured for one in found.criteria}
    assert measured["capacity_mw"] == pytest.approx(40.0, abs=0.3)
    assert measured["capacity_of_load_frac"] == pytest.approx(0.133, abs=0.01)
    assert (measured["response_s"], measured["availability_frac"], measured["duration_h"]) == (60.0, 1.0, 1.0)
    assert found.passed
    assert b'"passed": true' in found.to_json()


def test_a_step_that_was_never_reached_spoils_every_mean_and_the_response_time() -> None:
    test = replace(read_qualification(FILE), steps=(UP, DOWN))
    found = certify(test, WHO, proofs(up_mw=5.0))
    failed = {one.threshold.id for one in found.criteria if not one.passed}
    assert {"response_s", "availability_frac", "accuracy_frac", "sustained_frac"} <= failed
    assert not found.passed


def test_a_test_that_was_broken_off_certifies_nothing() -> None:
    with pytest.raises(AccountError, match="broken off"):
        certify(replace(read_qualification(FILE), steps=(UP, DOWN)), WHO, proofs()[:1])


def test_every_fault_of_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "jurisdiction: here\nthresholds:\n- {id: speed, value: 3}\n"
        "- {id: response_s, sense: about, value: {fact: fast, source: x}}\n"
        "steps:\n- {id: a, kind: peak, start_h: 0, duration_h: -1, share_frac: 2}\n",
        encoding="utf-8",
    )
    with pytest.raises(AccountError) as caught:
        read_qualification(path)
    for word in (
        "thresholds.0",
        "thresholds.1.value",
        "thresholds.1.sense",
        "steps.0: a",
        "jurisdiction",
        "capacity_mw: is missing",
    ):
        assert word in str(caught.value)


def test_the_page_shows_criteria_and_steps() -> None:
    page = certificate_html(certify(replace(read_qualification(FILE), steps=(UP, DOWN)), WHO, proofs()))
    for word in ("合格", "可调节容量", "湖南", "调节速率", "assumption"):
        assert word in page
    assert "<script" not in page
