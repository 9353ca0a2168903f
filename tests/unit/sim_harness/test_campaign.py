"""Calls drawn by chance, and what became of them against the twin: arithmetic on made-up courses of import."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sim_harness.call_score import CallTrace
from sim_harness.campaign_draw import days_for, draw_calls, sized
from sim_harness.campaign_score import Delivery, Judged, Kept, Promise, campaign_facts, delivery_of, interval
from sim_harness.grid.events import ScenarioEvent
from sim_harness.scenario import SEEDS
from tests.world_builders import START
from vpp.ids import ConnectionId
from vpp.park import Park, load

GRID = ConnectionId("grid.hongshan")
HOUR = timedelta(hours=1)
SPAN = (START + HOUR, START + 2 * HOUR)
CALL = ScenarioEvent(event_id="c", kind="peak", connection=GRID, start_h=1.0, duration_h=1.0, target_mw=60.0)
JUDGED = Judged(
    outcome="accepted", held_mw=60.0, asked_mw=40.0, accepted_mw=40.0, response_s=20.0, asked_true_mw=40.0, perfect_mw=40.0,
    accepted_true_mw=40.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def park() -> Park:
    return load(SEEDS / "parks" / "two_areas.yaml", at=date(2030, 10, 1))


def trace(import_mw: Any) -> CallTrace:
    """Import at every ten seconds of the call, as a number or by the second since its start."""
    found = CallTrace([CALL], START)
    for k in range(360):
        at = SPAN[0] + k * timedelta(seconds=10)
        found.record(at, 10.0, {GRID: import_mw(10.0 * k) if callable(import_mw) else float(import_mw)})
    return found


def delivered(actual: Any, twin: Any = 100.0, sign: float = 1.0, held_mw: float = 60.0, notice_s: float = 60.0) -> Delivery:
    return delivery_of(GRID, SPAN, Promise(sign, held_mw, 20.0, notice_s), (trace(actual), trace(twin)))


def test_a_target_kept_from_the_second_step_on_is_met() -> None:
    found = delivered(lambda s: 100.0 if s < 10.0 else 60.0)
    assert found.accepted_mwh == pytest.approx(40.0)
    assert found.frac == pytest.approx(1.0 - 10.0 / 3600.0)
    assert (found.response_s, found.is_met) == (20.0, True)


def test_without_notice_what_is_due_rises_over_the_promised_time_and_not_longer() -> None:
    at_once = delivered(lambda s: 100.0 if s < 10.0 else 60.0, notice_s=0.0)
    assert at_once.accepted_mwh == pytest.approx(40.0 * (3_600.0 - 10.0) / 3_600.0)
    assert at_once.frac == pytest.approx(1.0)
    assert delivered(lambda s: 100.0 if s < 300.0 else 60.0, notice_s=0.0).is_met is False
    assert delivered(60.0, notice_s=10.0).accepted_mwh == pytest.approx(40.0 * (3_600.0 - 5.0) / 3_600.0)


def test_a_late_response_and_too_little_energy_are_not_met() -> None:
    late = delivered(lambda s: 100.0 if s < 60.0 else 60.0)
    assert late.frac is not None
    assert late.frac > 0.95
    assert (late.response_s, late.is_met) == (70.0, False)
    short = delivered(lambda s: 60.0 if s < 3_000.0 else 80.0)
    assert short.frac == pytest.approx((3_000.0 + 300.0) / 3_600.0)
    assert short.is_met is False


def test_too_much_in_one_minute_does_not_make_up_for_too_little_in_another() -> None:
    found = delivered(lambda s: 40.0 if s < 1_800.0 else 80.0)
    assert found.frac == pytest.approx(0.75)


def test_a_call_counts_against_the_twin_minute_by_minute_and_asks_nothing_where_the_twin_keeps_it() -> None:
    found = delivered(60.0, twin=lambda s: 100.0 if s < 1_800.0 else 50.0)
    assert found.accepted_mwh == pytest.approx(20.0)
    assert found.is_met is True
    assert delivered(60.0, twin=60.5).is_met is None


def test_the_response_counts_from_the_moment_at_which_something_is_asked() -> None:
    # The twin keeps the level by itself for half an hour; a little more import than it meanwhile is no late response.
    found = delivered(lambda s: 50.5 if s < 1_800.0 else 60.0, twin=lambda s: 50.0 if s < 1_800.0 else 100.0)
    assert (found.response_s, found.is_met) == (10.0, True)
    late = delivered(
        lambda s: 50.0 if s < 1_800.0 else 100.0 if s < 1_860.0 else 60.0, twin=lambda s: 50.0 if s < 1_800.0 else 100.0
    )
    assert (late.response_s, late.is_met) == (70.0, False)


def test_a_valley_counts_the_other_way() -> None:
    found = delivered(130.0, sign=-1.0, held_mw=130.0)
    assert found.accepted_mwh == pytest.approx(30.0)
    assert found.is_met is True
    assert delivered(90.0, sign=-1.0, held_mw=130.0).frac == 0.0


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    # R 4.3: binom.test(8, 10)$conf.int, binom.test(0, 10)$conf.int
    assert interval(8, 10) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    assert interval(0, 10) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert interval(10, 10) == (pytest.approx(0.6915, abs=1e-4), 1.0)


def test_the_same_seed_draws_the_same_calls_of_every_kind_with_room_between_them(park: Park) -> None:
    calls = draw_calls(park, 80, 3)
    assert calls == draw_calls(park, 80, 3)
    assert calls != draw_calls(park, 80, 4)
    assert {c.kind for c in calls} == {"peak", "valley", "import_limit", "emergency"}
    assert min(c.notice_h for c in calls) == 0.0
    assert 12.0 < max(c.notice_h for c in calls) <= 24.0
    for one, other in zip(calls, calls[1:], strict=False):
        assert other.start_h >= one.start_h + one.duration_h + 2.4
    assert days_for(calls) * 24.0 >= calls[-1].start_h + calls[-1].duration_h


def test_a_size_is_a_share_of_the_offer_and_stays_within_what_the_line_carries(park: Park) -> None:
    [call] = draw_calls(park, 1, 3)
    peak = replace(call, kind="peak", size_frac=1.2, anyway_mw=30.0)
    assert sized(park, peak, 100.0, 50.0).target_mw == pytest.approx(40.0)
    assert sized(park, peak, 100.0, 0.0).target_mw == pytest.approx(70.0)
    assert sized(park, replace(peak, kind="valley"), 290.0, 50.0).target_mw == 300.0
    assert sized(park, replace(peak, kind="import_limit"), 20.0, 50.0).target_mw == 0.0
    assert sized(park, peak, -20.0, 100.0).target_mw == -60.0


def test_what_is_asked_less_surely_is_called_so(park: Park) -> None:
    [call] = draw_calls(park, 1, 3, 0.9)
    assert sized(park, call, 100.0, 50.0).confidence == 0.9
    assert replace(call, confidence=0.99) == draw_calls(park, 1, 3)[0]


def test_the_figures_of_a_campaign_add_up() -> None:
    part = replace(JUDGED, outcome="part", perfect_mw=50.0, accepted_true_mw=25.0)
    refused = replace(JUDGED, outcome="refused", perfect_mw=10.0, accepted_true_mw=0.0)
    rows = [{"id": name, "duration_h": 1.0} for name in ("a", "b", "c", "d")]
    nothing = delivered(60.0, twin=60.0)
    facts = campaign_facts(
        {"a": JUDGED, "b": part, "c": refused, "d": JUDGED},
        {"a": delivered(60.0), "b": delivered(100.0), "d": nothing},
        rows,
        [Kept("give", 1.0, (True, True, True)), Kept("take", 2.0, (False, True, True))],
    )
    assert (facts["accepted"], facts["accepted_in_part"], facts["refused"], facts["unjudged"]) == (2, 1, 1, 0)
    assert facts["accepted_energy_frac"] == pytest.approx(105.0 / 140.0, abs=1e-4)
    assert (facts["met_frac"], facts["met_of"], facts["asked_nothing"]) == (0.5, 2, 1)
    assert facts["offer_calibration"] == {"p50": 0.5, "p90": 1.0, "p99": 1.0}
    assert facts["energy_delivered_frac"] == pytest.approx(0.5)
    assert facts["response_s_p95"] == 10.0
    assert [row["id"] for row in facts["per_event"]] == ["a", "b", "c", "d"]
    assert "delivery" not in facts["per_event"][2]


def test_a_call_is_spoken_of_at_its_notice_or_when_the_run_begins(park: Park) -> None:
    [call] = draw_calls(park, 1, 3)
    early = replace(call, start_h=5.0, notice_h=24.0)
    assert early.issued_at(START) == START
    assert replace(early, notice_h=2.0).issued_at(START) == START + 3 * HOUR
    assert isinstance(early.window(START).start, datetime)
