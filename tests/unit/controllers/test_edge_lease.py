"""The lease: which command holds, and what follows when nobody renews it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.edge.lease import Lease, LeaseRules, Order, Phase, Verdict
from vpp.wire.messages import (
    Command,
    FallbackPoint,
    FallbackProfile,
    HeatStart,
    Limit,
    Reason,
    Setpoint,
    StackCounts,
    Switch,
    Target,
)

AT = datetime(2030, 10, 1, tzinfo=UTC)
RULES = LeaseRules(max_age_s=10.0, clock_skew_s=2.0)
#: 15 s of lease; then 40 MW from 0 s, 20 MW from 60 s; from 120 s on to the safe power with 30 MW/min.
FALLBACK = FallbackProfile(
    points=(FallbackPoint(after_s=0.0, power_mw=40.0), FallbackPoint(after_s=60.0, power_mw=20.0)),
    safe_after_s=120.0,
    safe_ramp_mw_per_min=30.0,
)


def command(epoch: int = 1, seq: int = 1, **changes: Any) -> Command:
    facts: dict[str, Any] = {"issued_at": AT, "command": Target(power_mw=50.0), "lease_s": 15.0, "fallback": FALLBACK}
    facts |= {"plan_id": "p1", "reason": Reason(code="plan")}
    return Command(epoch=epoch, seq=seq, **(facts | changes))


def held(first: Command, at_s: float = 0.0) -> Lease:
    lease, verdict = Lease().receive(first, at_s, AT, RULES)
    assert verdict is Verdict.NEW
    return lease


def power_mw(lease: Lease, now_s: float, safe_power_mw: float = 0.0) -> float:
    order = lease.order(now_s, safe_power_mw)
    assert order is not None
    assert isinstance(order.setpoint, Target)
    return order.setpoint.power_mw


def test_before_the_first_command_the_device_is_left_to_itself() -> None:
    assert Lease().phase(1e6) is Phase.IDLE
    assert Lease().order(1e6, 0.0) is None


@pytest.mark.parametrize(("epoch", "seq"), [(1, 6), (2, 1), (2, 6)])
def test_a_greater_pair_is_taken(epoch: int, seq: int) -> None:
    _, verdict = held(command(1, 5)).receive(command(epoch, seq), 1.0, AT, RULES)
    assert verdict is Verdict.NEW


@pytest.mark.parametrize(("epoch", "seq"), [(2, 4), (1, 9), (0, 1)])
def test_a_smaller_pair_changes_nothing(epoch: int, seq: int) -> None:
    lease = held(command(2, 5))
    after, verdict = lease.receive(command(epoch, seq), 1.0, AT, RULES)
    assert (after, verdict) == (lease, Verdict.OLD)


def test_a_copy_changes_nothing_not_even_the_end_of_the_lease() -> None:
    lease = held(command())
    after, verdict = lease.receive(command(), 14.0, AT, RULES)
    assert (after, verdict) == (lease, Verdict.REPEATED)
    assert after.phase(15.0) is Phase.FALLBACK


@pytest.mark.parametrize(("age_s", "lease_s", "verdict"), [(12.0, 15.0, Verdict.NEW), (12.1, 15.0, Verdict.STALE)])
def test_what_was_issued_too_long_ago_is_stale(age_s: float, lease_s: float, verdict: Verdict) -> None:
    now = AT + timedelta(seconds=age_s)
    assert Lease().receive(command(lease_s=lease_s), 0.0, now, RULES)[1] is verdict


def test_a_command_older_than_its_own_lease_is_stale_whatever_the_rules() -> None:
    late = AT + timedelta(seconds=6)
    patient = LeaseRules(max_age_s=1e6, clock_skew_s=0.0)
    assert Lease().receive(command(lease_s=5.0), 0.0, late, patient)[1] is Verdict.STALE


def test_a_clock_that_runs_ahead_at_the_controller_is_no_reason_to_refuse() -> None:
    assert Lease().receive(command(), 0.0, AT - timedelta(hours=1), RULES)[1] is Verdict.NEW


def test_a_stale_command_leaves_the_pair_free_for_none_but_a_fresh_one() -> None:
    lease, _ = Lease().receive(command(), 0.0, AT + timedelta(minutes=1), RULES)
    assert lease == Lease()


def test_a_lower_epoch_is_refused_while_the_lease_holds_and_taken_when_it_has_ended() -> None:
    lease = held(command(epoch=9, seq=100))
    assert lease.receive(command(epoch=3, seq=1), 14.9, AT, RULES)[1] is Verdict.OLD
    assert lease.receive(command(epoch=3, seq=1), 15.0, AT, RULES)[1] is Verdict.NEW


def test_within_an_epoch_the_end_of_the_lease_makes_nothing_young_again() -> None:
    lease = held(command(epoch=9, seq=100))
    assert lease.receive(command(epoch=9, seq=99), 60.0, AT, RULES)[1] is Verdict.OLD
    assert lease.receive(command(epoch=9, seq=101), 60.0, AT, RULES)[1] is Verdict.NEW


def test_a_late_copy_from_an_epoch_left_behind_never_acts_again() -> None:
    first = command(epoch=1, seq=1)
    lease, _ = held(first).receive(command(epoch=2, seq=1), 1.0, AT, RULES)
    assert lease.receive(first, 60.0, AT, RULES)[1] is Verdict.OLD


def test_a_lease_runs_from_receipt_on_the_device_s_own_seconds() -> None:
    lease = held(command(lease_s=15.0), at_s=1000.0)
    assert lease.phase(1014.9) is Phase.HELD
    assert lease.phase(1015.0) is Phase.FALLBACK
    assert lease.order(1014.9, 0.0) == Order(Target(power_mw=50.0), None)


def test_after_the_lease_come_the_profile_s_points_and_then_the_ramp_to_safety() -> None:
    lease = held(command())
    assert [power_mw(lease, 15.0 + s) for s in (0.0, 59.0, 60.0, 119.0)] == [40.0, 40.0, 20.0, 20.0]
    assert lease.phase(15.0 + 120.0) is Phase.SAFE
    assert [power_mw(lease, 15.0 + s) for s in (120.0, 140.0, 160.0, 1e6)] == pytest.approx([20.0, 10.0, 0.0, 0.0])


def test_the_ramp_goes_up_as_well_as_down() -> None:
    lease = held(command())
    assert power_mw(lease, 15.0 + 130.0, safe_power_mw=100.0) == pytest.approx(25.0)


def test_a_safe_power_in_the_command_comes_before_the_device_s_own() -> None:
    profile = FallbackProfile(safe_after_s=0.0, safe_power_mw=-5.0, safe_ramp_mw_per_min=30.0)
    assert power_mw(held(command(fallback=profile)), 1e6, safe_power_mw=7.0) == -5.0


def test_before_the_first_point_the_command_itself_goes_on() -> None:
    points = (FallbackPoint(after_s=30.0, power_mw=10.0),)
    profile = FallbackProfile(points=points, safe_after_s=60.0, safe_ramp_mw_per_min=30.0)
    lease = held(command(fallback=profile))
    assert [power_mw(lease, 15.0 + s) for s in (0.0, 29.0, 30.0)] == [50.0, 50.0, 10.0]


def test_without_points_the_ramp_starts_from_the_command_s_own_power() -> None:
    profile = FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=60.0)
    assert power_mw(held(command(fallback=profile)), 15.0 + 10.0) == pytest.approx(40.0)


@pytest.mark.parametrize(
    ("last", "followed"),
    [
        (Limit(max_power_mw=90.0), Limit(max_power_mw=20.0)),
        (StackCounts(on=3, standby=1, power_mw=60.0), StackCounts(on=3, standby=1, power_mw=20.0)),
        (Switch(closed=False), Switch(closed=True)),
        (Target(power_mw=1.0), Target(power_mw=20.0)),
    ],
)
def test_the_fallback_speaks_in_the_words_of_the_last_command(last: Setpoint, followed: Setpoint) -> None:
    order = held(command(command=last)).order(15.0 + 60.0, 0.0)
    assert order is not None
    assert order.setpoint == followed


def test_a_limited_source_falls_back_to_a_limit_on_its_generation() -> None:
    profile = FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=30.0)
    lease = held(command(command=Limit(max_power_mw=40.0), fallback=profile))
    order = lease.order(15.0 + 20.0, -100.0)
    assert order == Order(Limit(max_power_mw=50.0), 30.0)


def test_a_heat_that_was_ordered_is_finished_by_the_furnace() -> None:
    lease = held(command(command=HeatStart(furnace="arc.one", start_at=AT)))
    assert lease.order(20.0, 0.0) is None
    assert lease.order(1e6, 0.0) is None
