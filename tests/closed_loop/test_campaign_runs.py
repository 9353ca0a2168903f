"""A small campaign from end to end: twin, offers, calls, verdicts, figures; on the small park with forecasts that cannot err."""

from __future__ import annotations

import pytest

from controllers.flexibility.correction import Correction
from sim_harness.campaign import Campaign, CampaignOptions, run_campaign
from sim_harness.scenario import load


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    # A day in steps of a minute, three calls; foresight trains nothing.
    return run_campaign(load("first-week").with_options(step_s=60.0), CampaignOptions(3, 5, policy="foresight", faults=False))


@pytest.mark.no_cover  # two simulated days: counting lines would double their time
def test_every_call_is_judged_and_what_was_promised_is_delivered_against_the_twin(campaign: Campaign) -> None:
    facts = campaign.facts
    assert (facts["events"], facts["unjudged"], len(facts["per_event"])) == (3, 0, 3)
    assert facts["accepted"] + facts["accepted_in_part"] + facts["refused"] == 3
    assert facts["energy_delivered_frac"] is None or facts["energy_delivered_frac"] > 0.9
    for row in facts["per_event"]:
        assert row["accepted_true_mw"] <= row["perfect_mw"] + 1e-6
        assert row["reason"]


@pytest.mark.no_cover
def test_with_forecasts_that_cannot_err_offers_are_kept_and_accept_nearly_all_that_could_be(campaign: Campaign) -> None:
    assert campaign.facts["offer_calibration"]["p99"] >= 0.9
    assert campaign.facts["accepted_energy_frac"] is None or campaign.facts["accepted_energy_frac"] > 0.8
    taught = campaign.correction("a test")
    assert isinstance(taught, Correction)
