"""An old, doubled or reordered command never acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from controllers.edge.lease import Lease, LeaseRules, Verdict
from vpp.wire.messages import Command, FallbackProfile, Reason, Target

AT = datetime(2030, 10, 1, tzinfo=UTC)
#: Nothing is too old here: order alone must hold the line.
PATIENT = LeaseRules(max_age_s=1e6, clock_skew_s=1e6)
FALLBACK = FallbackProfile(safe_after_s=60.0, safe_ramp_mw_per_min=10.0)

pairs = st.tuples(st.integers(1, 4), st.integers(1, 8))
arrivals = st.lists(pairs, min_size=1, max_size=40)


def command(pair: tuple[int, int], lease_s: float = 15.0) -> Command:
    epoch, seq = pair
    return Command(
        epoch=epoch,
        seq=seq,
        issued_at=AT,
        command=Target(power_mw=float(10 * epoch + seq)),
        lease_s=lease_s,
        fallback=FALLBACK,
        plan_id="p1",
        reason=Reason(code="plan"),
    )


@given(order=arrivals)
def test_within_a_lease_only_what_is_newer_than_everything_before_acts(order: list[tuple[int, int]]) -> None:
    lease, acted = Lease(), []
    for pair in order:
        lease, verdict = lease.receive(command(pair), 0.0, AT, PATIENT)
        if verdict is Verdict.NEW:
            acted.append(pair)
    newest_so_far = list(accumulate(order, max))
    assert acted == sorted(set(newest_so_far))
    assert lease.held == command(max(order))


@given(sent=st.sets(pairs, min_size=1, max_size=20), data=st.data())
def test_any_shuffle_with_any_copies_ends_in_the_same_state(sent: set[tuple[int, int]], data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(sorted(sent)), max_size=20))
    order = data.draw(st.permutations([*sent, *copies]))
    lease = Lease()
    for pair in order:
        lease, _ = lease.receive(command(pair), 0.0, AT, PATIENT)
    assert lease.held == command(max(sent))


@given(steps=st.lists(st.tuples(pairs, st.floats(0.0, 30.0)), min_size=1, max_size=40))
def test_however_time_passes_no_command_acts_twice_and_no_epoch_runs_backwards(
    steps: list[tuple[tuple[int, int], float]],
) -> None:
    lease, acted, now_s = Lease(), list[tuple[int, int]](), 0.0
    for pair, wait_s in steps:
        now_s += wait_s
        lease, verdict = lease.receive(command(pair), now_s, AT, PATIENT)
        if verdict is Verdict.NEW:
            acted.append(pair)
    assert len(set(acted)) == len(acted)
    for epoch in {epoch for epoch, _ in acted}:
        seqs = [seq for e, seq in acted if e == epoch]
        assert seqs == sorted(seqs)


@given(age_s=st.floats(0.0, 1e5), lease_s=st.floats(1.0, 1e4), max_age_s=st.floats(0.0, 1e4), skew_s=st.floats(0.0, 100.0))
def test_nothing_older_than_the_rules_or_its_own_lease_ever_acts(
    age_s: float, lease_s: float, max_age_s: float, skew_s: float
) -> None:
    now = AT + timedelta(seconds=age_s)
    rules = LeaseRules(max_age_s=max_age_s, clock_skew_s=skew_s)
    _, verdict = Lease().receive(command((1, 1), lease_s), 0.0, now, rules)
    elapsed_s = (now - AT).total_seconds()
    assert (verdict is Verdict.NEW) == (elapsed_s <= min(max_age_s, lease_s) + skew_s)


@given(now_s=st.floats(0.0, 1e6), start_mw=st.floats(-500.0, 500.0), safe_mw=st.floats(-500.0, 500.0))
def test_on_the_way_to_safety_power_stays_between_where_it_was_and_where_it_goes(
    now_s: float, start_mw: float, safe_mw: float
) -> None:
    first = Command(
        epoch=1,
        seq=1,
        issued_at=AT,
        command=Target(power_mw=start_mw),
        lease_s=15.0,
        fallback=FALLBACK,
        plan_id="p1",
        reason=Reason(code="plan"),
    )
    lease, _ = Lease().receive(first, 0.0, AT, PATIENT)
    order = lease.order(now_s, safe_mw)
    assert order is not None
    assert isinstance(order.setpoint, Target)
    assert min(start_mw, safe_mw) <= order.setpoint.power_mw <= max(start_mw, safe_mw)
