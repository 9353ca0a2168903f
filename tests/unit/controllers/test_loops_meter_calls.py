"""What a call at one cluster's own meter gets, worked out by hand from what its scheduler told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from controllers.dispatch.snapshot import ClusterReport, Work
from controllers.loops.meter_calls import Meter, at_meter, declared_mw, left_mw
from controllers.store.rows import PlanRow
from tests.builders import compute
from tests.world_builders import START
from vpp.errors import PlanError
from vpp.events import Event, Override, PinLimit
from vpp.ids import AssetId, ConnectionId

DC, GRID, HOUR = AssetId("compute.a"), ConnectionId("grid.a"), timedelta(hours=1)
#: Idle 10 MW, in the mean 13 MW of work that does not wait and 7 MW of work that does.
PLATE = compute(rated_mw=40.0)


def report(*work: Work, **state: float) -> ClusterReport:
    told = {"idle_mw": 10.0, "firm_mw": 13.0, "fast_band_mw": 2.0} | state
    return ClusterReport(START, 30.0, told, work, fast_band_mw=20.0)


def work(energy_mwh: float, due_h: float, max_mw: float = 40.0) -> Work:
    return Work("hours", energy_mwh, START, START + due_h * HOUR, max_mw)


def call(target_mw: float, start_h: float = 2.0, **said: Any) -> Event:
    facts: dict[str, Any] = {
        "event_id": "e1", "kind": "peak", "connection": GRID, "target_mw": target_mw, "start": START + start_h * HOUR,
        "end": START + (start_h + 1.0) * HOUR, "issued_at": START, "received_at": START, "asset_id": DC,
    }  # fmt: skip
    return Event(**facts | said)


def ceiling(most_mw: float, start_h: float = 2.0) -> Override:
    start = START + start_h * HOUR
    return Override(DC, PinLimit(0.0, most_mw), start, start + HOUR, "grid", "a call", START, START, "e2")


def level(*items: Work, start_h: float = 2.0, **state: float) -> float:
    return Meter(PLATE, report(*items, **state), START).least_mw(START + start_h * HOUR, START + (start_h + 1.0) * HOUR)


def test_firm_work_comes_down_by_what_is_offered_and_never_by_more_than_its_tiers_may_lose() -> None:
    assert level() == pytest.approx(23.0 - 2.0)
    # Tier 0 gives nothing; tier 1 keeps 90 % of its throughput at 0.6875 of its power, 2 and 3 stop at the lowest known cap.
    assert level(fast_band_mw=20.0) == pytest.approx(23.0 - 13.0 * 0.2 * (0.3125 + 0.5 + 0.5))


def test_firm_work_that_is_more_than_usual_is_not_hoped_to_be_over_by_then() -> None:
    assert level(firm_mw=18.0) == pytest.approx(28.0 - 2.0)


def test_work_that_is_due_at_the_end_of_the_call_has_its_power_inside_it() -> None:
    assert level(work(10.0, 3.0)) == pytest.approx(21.0 + 10.0)
    assert level(work(10.0, 3.0, max_mw=5.0)) == pytest.approx(21.0 + 5.0)  # half of it must have been done before


def test_work_that_is_due_later_but_cannot_all_be_done_later_counts() -> None:
    assert level(work(20.0, 5.0)) == pytest.approx(21.0)
    assert level(work(44.0, 5.0)) == pytest.approx(21.0 + 44.0 - 2 * 17.0)


def test_work_that_is_overdue_when_the_call_begins_now_is_served_at_once() -> None:
    assert level(work(2.0, 0.25), start_h=0.0) == pytest.approx(21.0 + 2.0 / 0.25)


def test_never_more_than_the_meter_can_carry() -> None:
    assert level(work(200.0, 0.25), start_h=0.0) == 40.0


def test_no_more_is_expected_than_the_work_there_is_can_draw() -> None:
    quiet = compute(rated_mw=40.0, deferrable_frac=0.0)  # nothing that waits is to come; 30 MW of firm work in the mean
    told = replace(report(work(2.0, 9.0, max_mw=1.5), work(1.0, 9.0)), state={"idle_mw": 10.0, "firm_mw": 20.0})
    span = START + 2 * HOUR, START + 3 * HOUR
    # Two hours of the first at its most power do not fit into one; the second has an hour's energy.
    assert Meter(quiet, told, START).most_mw(*span) == pytest.approx(30.0 + 1.5 + 1.0)
    verdict = at_meter(quiet, told, call(25.0), 39.0, START)
    assert (verdict.expected_mw, verdict.asked_mw) == (pytest.approx(32.5), pytest.approx(7.5))


def test_a_target_within_reach_is_promised_whole() -> None:
    verdict = at_meter(PLATE, report(), call(25.0), 30.0, START)
    assert (verdict.outcome, verdict.asked_mw, verdict.accepted_mw, verdict.target_mw) == ("accepted", 5.0, 5.0, 25.0)


def test_a_target_below_the_floor_is_promised_in_part_with_the_floor_in_the_reason() -> None:
    verdict = at_meter(PLATE, report(), call(15.0), 30.0, START)
    assert (verdict.outcome, verdict.asked_mw, verdict.accepted_mw, verdict.target_mw) == ("part", 15.0, 9.0, 21.0)
    assert "9.00 of 15.00 MW promised; the cluster can go down to 21.00 MW" in verdict.reason.text
    assert verdict.reason.limit == "asset.compute.a.least"


def test_what_leaves_nothing_worth_promising_is_refused_but_a_limit_binds_all_the_same() -> None:
    refused = at_meter(PLATE, report(), call(15.0), 21.2, START)
    assert (refused.outcome, refused.accepted_mw) == ("refused", 0.0)
    limit = at_meter(PLATE, report(), call(15.0, kind="import_limit"), 21.2, START)
    assert (limit.outcome, limit.target_mw, limit.accepted_mw) == ("part", 15.0, 0.2)


def test_what_the_meter_does_not_read_now_is_not_promised_to_a_call_that_begins_now() -> None:
    verdict = at_meter(PLATE, report(work(40.0, 20.0)), call(15.0, start_h=0.0), 38.0, START)
    assert (verdict.expected_mw, verdict.asked_mw, verdict.accepted_mw) == (30.0, 15.0, 9.0)


def test_nothing_is_promised_for_a_cluster_that_is_silent_or_says_too_little() -> None:
    with pytest.raises(PlanError, match=r"compute\.a: its scheduler is silent"):
        at_meter(PLATE, None, call(25.0), 30.0, START)
    told = ClusterReport(START, 30.0, {}, (), 5.0)
    with pytest.raises(PlanError, match="does not say how much of its power may not wait"):
        at_meter(PLATE, told, call(25.0), 30.0, START)


def plan(power_mw: list[float]) -> PlanRow:
    edges = [(START + 0.5 * k * HOUR).isoformat() for k in range(len(power_mw) + 1)]
    facts = msgspec.json.encode({"edges": edges, "assets": {DC: {"power_mw": power_mw}}})
    return PlanRow(plan_id="p", made_at=START, source="mpc", gap_frac=0.0, cost_cny=0.0, facts=facts)


def test_the_declared_schedule_is_the_plans_mean_over_the_call() -> None:
    row = plan([10.0, 20.0, 40.0, 30.0])
    assert declared_mw(row, DC, START + 0.25 * HOUR, START + 1.5 * HOUR) == pytest.approx(
        (0.25 * 10 + 0.5 * 20 + 0.5 * 40) / 1.25
    )


def test_without_a_plan_over_the_whole_call_there_is_nothing_to_count_against() -> None:
    with pytest.raises(PlanError, match=r"no plan for compute\.a was known before the call"):
        declared_mw(None, DC, START, START + HOUR)
    with pytest.raises(PlanError, match=r"no plan for compute\.b"):
        declared_mw(plan([10.0, 20.0]), AssetId("compute.b"), START, START + HOUR)
    with pytest.raises(PlanError, match="does not reach"):
        declared_mw(plan([10.0]), DC, START, START + HOUR)


def test_what_one_call_was_promised_is_not_promised_to_another_at_the_same_meter() -> None:
    span = START + 2 * HOUR, START + 3 * HOUR
    assert left_mw(32.0, [], *span) == 32.0
    assert left_mw(32.0, [ceiling(20.0)], *span) == 20.0
    # The deeper of two counts, where they overlap; one that is over before takes nothing.
    assert left_mw(32.0, [ceiling(20.0, 2.5), ceiling(26.0), ceiling(1.0, 1.0)], *span) == 23.0
    declared = left_mw(32.0, [ceiling(20.0)], *span)
    verdict = at_meter(PLATE, report(fast_band_mw=20.0), call(20.0), declared, START)
    assert (verdict.asked_mw, verdict.accepted_mw) == (0.0, 0.0)
