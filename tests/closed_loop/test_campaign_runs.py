"""A small campaign from end to end: twin, offers, calls, verdicts, figures; on the small park with forecasts that cannot err."""

from __future__ import annotations

import pytest

from controllers.flexibility.correction import Correction
from sim_harness.campaign import Campaign, CampaignOptions, run_campaign
from sim_harness.scenario import load


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    # Half a day in steps of five minutes, one call; foresight trains nothing.
    return run_campaign(load("first-week").with_options(step_s=300.0), CampaignOptions(1, 5, policy="foresight", faults=False))


@pytest.mark.no_cover  # a simulated day: counting lines would double their time
def test_every_call_is_judged_and_no_more_is_accepted_than_could_be_held(campaign: Campaign) -> None:
    facts = campaign.facts
    assert (facts["events"], facts["unjudged"], len(facts["per_event"])) == (1, 0, 1)
    assert facts["accepted"] + facts["accepted_in_part"] + facts["refused"] == 1
    for row in facts["per_event"]:
        assert row["accepted_true_mw"] <= row["perfect_mw"] + 1e-6
        assert row["reason"]


@pytest.mark.no_cover
def test_with_forecasts_that_cannot_err_offers_are_kept(campaign: Campaign) -> None:
    assert campaign.facts["offer_calibration"]["p99"] >= 0.9
    taught = campaign.correction("a test")
    assert isinstance(taught, Correction)
