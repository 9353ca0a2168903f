"""A proof out of made-up meters whose true figures are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controllers.baselines import Registers
from controllers.cli_proof import RULE_NAMES
from controllers.proof import AssetEvidence, Call, Evidence, Proof, Steps, proof_html, prove
from controllers.proof.words import RULES
from vpp.errors import AccountError
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2030, 10, 16, 10, tzinfo=ZONE).astimezone(ZoneInfo("UTC"))  # a Wednesday
END = START + timedelta(hours=1)
QUARTER, DAYS = timedelta(minutes=15), 30
LEVEL_MW, TARGET_MW = 100.0, 80.0
CALL = Call(
    event_id="e1",
    kind="peak",
    connection="grid.a",
    target_mw=TARGET_MW,
    start=START,
    end=END,
    asked_at=START - timedelta(minutes=30),
)


def fine(import_mw: FloatArray, step_s: float = 10.0) -> Steps:
    """From an hour before the event on; what is not said is the level."""
    n = round(4 * 3600 / step_s)
    values = np.full(n, LEVEL_MW)
    first = round(3600 / step_s)
    values[first : first + len(import_mw)] = import_mw
    return Steps(START - timedelta(hours=1), step_s, values)


def ramp_to_target(seconds: float = 60.0, step_s: float = 10.0) -> FloatArray:
    """Down in a straight line from the start, then held to the end of the event."""
    ends = (np.arange(round(3600 / step_s)) + 0.5) * step_s
    return LEVEL_MW - (LEVEL_MW - TARGET_MW) * np.minimum(ends / seconds, 1.0)


def registers(level_mw: float = LEVEL_MW, event_days: tuple[datetime, ...] = ()) -> Registers:
    first = START - timedelta(days=DAYS)
    n = (END + timedelta(hours=3) - first) // QUARTER
    days = {START.astimezone(ZONE).date()} | {day.astimezone(ZONE).date() for day in event_days}
    return Registers(TimeGrid.regular(first, QUARTER, n), np.full(n, level_mw), ZONE, (), days)


def evidence(import_mw: FloatArray | None = None, **more: object) -> Evidence:
    given = Evidence(
        park="test",
        park_name_zh="测试",
        time_zone="Asia/Shanghai",
        made_at=END + timedelta(hours=3),
        call=CALL,
        fine=fine(ramp_to_target() if import_mw is None else import_mw),
        registers=registers(),
    )
    return replace(given, **more)  # type: ignore[arg-type]  # a test says what


def flat(level_mw: float) -> Steps:
    return Steps(START - timedelta(hours=1), 900.0, np.full(16, level_mw))


def check(proof: Proof, name: str) -> str:
    return next(c.verdict for c in proof.checks if name in c.name)


def test_a_response_has_the_time_ramp_and_energy_that_it_was_made_with() -> None:
    proof = prove(evidence())
    assert proof.verdict == "kept"
    assert proof.reaction.before_mw == pytest.approx(LEVEL_MW)
    # 90 % of 20 MW in 54 s of a minute's ramp: the step that ends at 60 s is the first with it.
    assert proof.reaction.response_s == pytest.approx(60.0)
    assert proof.reaction.ramp_mw_per_min == pytest.approx(20.0, rel=0.05)
    settled = proof.settled
    assert settled is not None
    assert (settled.requested_mw, settled.reference_mw) == pytest.approx((20.0, 100.0))
    assert settled.by_minute_frac == pytest.approx(1.0 - 0.5 / 60.0, abs=1e-3)
    assert settled.accuracy_frac == pytest.approx(1.0)
    assert settled.sustained_frac == 1.0
    assert settled.recovered


def test_too_much_in_one_minute_does_not_make_up_for_too_little_in_another() -> None:
    given = ramp_to_target()
    given[:180] = LEVEL_MW
    given[180:] = LEVEL_MW - 40.0
    settled = prove(evidence(given)).settled
    assert settled is not None
    assert settled.delivered_mw == pytest.approx(20.0)
    assert settled.by_minute_frac == pytest.approx(0.5)
    assert settled.most_beyond_frac == pytest.approx(1.0)
    assert settled.accuracy_frac == pytest.approx(0.0)


@pytest.mark.parametrize(("given_mw", "verdict"), [(20.0, "kept"), (15.0, "in_part"), (5.0, "missed")])
def test_a_promise_is_judged_by_its_energy(given_mw: float, verdict: str) -> None:
    assert prove(evidence(np.full(360, LEVEL_MW - given_mw))).verdict == verdict


def test_what_was_promised_of_a_call_is_what_it_is_judged_by() -> None:
    part = replace(CALL, promised_mw=10.0, held_mw=90.0)
    proof = prove(evidence(np.full(360, 90.0), call=part))
    assert (proof.verdict, proof.promised_mw) == ("kept", 10.0)
    assert proof.settled is not None
    assert proof.settled.by_minute_frac == pytest.approx(0.5)  # of what was asked


def test_a_valley_is_counted_the_other_way_round() -> None:
    proof = prove(evidence(np.full(360, 130.0), call=replace(CALL, kind="valley", target_mw=130.0)))
    assert proof.verdict == "kept"
    assert proof.settled is not None
    assert (proof.settled.requested_mw, proof.settled.delivered_mw) == pytest.approx((30.0, 30.0))


def test_a_late_answer_breaks_a_promise_of_time() -> None:
    slow = evidence(ramp_to_target(150.0), call=replace(CALL, promised_response_s=60.0))
    assert prove(slow).verdict == "in_part"


def test_what_comes_back_beyond_the_baseline_is_a_rebound() -> None:
    given = np.concatenate((ramp_to_target(), np.full(90, 112.0)))
    settled = prove(evidence(given)).settled
    assert settled is not None
    assert settled.rebound_mw == pytest.approx(12.0)


def test_the_declared_schedule_judges_where_there_is_one_and_every_rule_is_shown() -> None:
    proof = prove(evidence(declared=flat(95.0)))
    assert proof.rule == "declared"
    assert [one.rule for one in proof.rules] == ["declared", "jiangsu", "beijing", "caiso"]
    assert proof.settled is not None
    assert proof.settled.requested_mw == pytest.approx(15.0)
    assert prove(evidence(declared=flat(95.0)), "beijing").rule == "beijing"


def test_what_one_plan_does_not_reach_the_plan_before_it_fills() -> None:
    late = replace(flat(95.0), values=np.concatenate((np.full(4, np.nan), np.full(12, 95.0))))
    assert late.filled(flat(97.0)).values.tolist() == [97.0] * 4 + [95.0] * 12
    assert late.filled(None) is late
    assert late.filled(replace(flat(97.0), step_s=60.0)) is late


def test_each_rule_comes_with_its_error_on_days_without_a_call() -> None:
    noisy = registers()
    rng = np.random.default_rng(1)
    daily = np.repeat(rng.normal(0.0, 5.0, 40), 96)[: noisy.grid.n]
    errors = {one.rule: one.error for one in prove(evidence(registers=replace(noisy, import_mw=noisy.import_mw + daily))).rules}
    jiangsu, beijing = errors["jiangsu"], errors["beijing"]
    assert jiangsu is not None
    assert beijing is not None
    assert jiangsu.days >= 10
    assert 2.0 < jiangsu.rmse_mw < 12.0
    # The rule that takes the highest days estimates too high.
    assert beijing.mean_error_mw > 1.0


def test_the_error_of_the_declared_schedule_is_that_of_earlier_declarations() -> None:
    pairs = np.array([[100.0, 97.0], [100.0, 95.0], [100.0, 98.0], [100.0, 98.0]])
    error = prove(evidence(declared=flat(95.0), past_declared=pairs)).rules[0].error
    assert error is not None
    assert (error.days, error.mean_error_mw) == (1, pytest.approx(3.0))


def test_without_days_and_plan_there_is_no_baseline_and_none_is_invented() -> None:
    empty = replace(registers(), import_mw=np.full(registers().grid.n, np.nan))
    proof = prove(evidence(registers=empty))
    assert (proof.rules, proof.settled, proof.rule, proof.verdict) == ((), None, "", "unknown")
    assert proof.reaction.response_s == pytest.approx(60.0)
    with pytest.raises(AccountError, match="says nothing of this event"):
        prove(evidence(registers=empty), "jiangsu")


def test_the_same_world_without_the_call_says_more_than_any_rule() -> None:
    twin = Steps(fine(ramp_to_target()).start, 10.0, np.full(1_440, 82.0))
    proof = prove(evidence(twin=twin))
    assert proof.twin is not None
    assert proof.twin.requested_mw == pytest.approx(2.0)
    assert proof.promised_mw == pytest.approx(2.0)


def test_an_asset_is_held_against_its_declared_schedule_and_what_it_confirmed() -> None:
    metered = Steps(START - timedelta(hours=1), 60.0, np.concatenate((np.full(60, 5.0), np.full(180, -14.0))))
    battery = AssetEvidence(
        asset_id="bess.a",
        kind="battery",
        name_zh="电池",
        metered=metered,
        planned=Steps(START, 900.0, np.full(4, 4.0)),
        acked=((START - timedelta(hours=3), 5.0), (START, -16.0), (START + timedelta(minutes=30), -12.0)),
    )
    silent = replace(battery, asset_id="bess.b", planned=Steps(START, 900.0, np.array([np.nan])), acked=())
    proof = prove(evidence(assets=(battery, silent)))
    shares = {one.asset_id: one for one in proof.assets}
    assert (shares["bess.a"].reference, shares["bess.a"].gave_mw) == ("declared", pytest.approx(18.0))
    assert shares["bess.a"].confirmed_mw == pytest.approx(-14.0)
    assert (shares["bess.b"].reference, shares["bess.b"].gave_mw) == ("before", pytest.approx(19.0))
    assert shares["bess.b"].confirmed_mw is None
    assert (proof.confirmed_mw, proof.metered_mw) == pytest.approx((18.0, 18.0))


# What a clerk should look at.


def test_import_that_was_raised_before_the_event_is_seen() -> None:
    raised = fine(ramp_to_target())
    values = raised.values.copy()
    values[180:360] += 15.0
    assert check(prove(evidence(fine=replace(raised, values=values))), "import moved") == "look"
    assert check(prove(evidence()), "import moved") == "clear"


def test_days_that_are_missing_from_a_rule_are_seen() -> None:
    whole = registers()
    values = whole.import_mw.copy()
    values[-3 * 96 : -2 * 96] = np.nan
    assert check(prove(evidence(registers=replace(whole, import_mw=values))), "days picked") == "look"
    assert check(prove(evidence()), "days picked") == "clear"


def test_the_same_hour_sold_in_two_events_is_seen() -> None:
    other = replace(CALL, event_id="e2", start=START + timedelta(minutes=30), end=END + timedelta(minutes=30))
    proof = prove(evidence(others=(CALL, other)))
    assert check(proof, "two events") == "look"
    assert "e2 (30 min together)" in next(c.text for c in proof.checks if "two events" in c.name)
    away = replace(other, connection="grid.b")
    assert check(prove(evidence(others=(CALL, away, replace(other, kind="valley")))), "two events") == "clear"


@pytest.mark.parametrize(("load_mw", "verdict"), [(80.0, "clear"), (60.0, "look")])
def test_a_meter_that_differs_from_the_sum_of_its_assets_is_seen(load_mw: float, verdict: str) -> None:
    load = AssetEvidence(
        asset_id="base.a",
        kind="base_load",
        name_zh="负荷",
        metered=Steps(START, 60.0, np.full(60, load_mw)),
        planned=flat(load_mw),
    )
    assert check(prove(evidence(np.full(360, 80.0), assets=(load,))), "sum of assets") == verdict
    assert check(prove(evidence(np.full(360, 80.0), assets=(load,), sums_up=False)), "sum of assets") == "unknown"


def test_gaps_of_the_meter_are_told_and_not_filled() -> None:
    given = ramp_to_target()
    given[120:150] = np.nan
    proof = prove(evidence(given))
    assert check(proof, "gaps") == "look"
    assert proof.covered_frac == pytest.approx(55.0 / 60.0)
    assert "the longest gap 5 min" in next(c.text for c in proof.checks if c.name.startswith("gaps"))


# As it is written down.


def test_a_proof_reads_back_from_its_json() -> None:
    proof = prove(evidence(declared=flat(95.0)))
    assert Proof.from_json(proof.to_json()) == proof


def test_the_page_shows_the_figures_and_needs_no_network() -> None:
    page = proof_html(prove(evidence(declared=flat(95.0), past_declared=np.array([[100.0, 97.0]]))))
    for word in ("响应时间", "基线负荷", "调节精度", "e1", "60 s", "反作弊核查"):
        assert word in page
    assert "<script" not in page
    assert "http" not in page


def test_the_same_evidence_gives_the_same_proof() -> None:
    assert prove(evidence()).to_json() == prove(evidence()).to_json()


def test_the_command_knows_every_baseline() -> None:
    assert tuple(RULES) == RULE_NAMES
