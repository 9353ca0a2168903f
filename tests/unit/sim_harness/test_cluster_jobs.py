from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from sim_harness.clusters.arrivals import Arrivals, week_shape
from sim_harness.clusters.firm import FirmTiers
from sim_harness.clusters.fluid import Due, FluidJobs
from sim_harness.clusters.latest import LatestSchedule, with_arrivals
from sim_harness.clusters.promise import Needs, promise
from tests.world_builders import CLUSTER, START
from vpp.wire.messages import ShiftInterval

HOUR_S = 3600.0


def intervals(*caps_mw: float, target_mw: float = 20.0) -> tuple[ShiftInterval, ...]:
    return tuple(
        ShiftInterval(
            start=START + timedelta(hours=i),
            end=START + timedelta(hours=i + 1),
            cap_mw=cap_mw,
            target_mw=min(target_mw, cap_mw),
            floor_mw=0.0,
            green_share_frac=0.5,
            carbon_kg_per_mwh=0.0,
            price_cny_per_mwh=0.0,
            confidence_frac=1.0,
        )
        for i, cap_mw in enumerate(caps_mw)
    )


NEEDS = Needs(least_mw=lambda _: 10.0, firm_mw=lambda _: 12.0, rated_mw=40.0)
NO_WORK = Due(np.zeros(0), np.zeros(0))


def test_work_with_the_earliest_deadline_runs_first() -> None:
    jobs = FluidJobs(CLUSTER.job_classes)
    jobs.arrive(1, 5.0, 0.0)  # due in 24 h
    jobs.arrive(0, 5.0, 10 * HOUR_S)  # due at 16 h
    jobs.serve(6.0)
    assert jobs.waiting_mwh == pytest.approx([0.0, 4.0])


def test_old_work_of_a_slow_class_overtakes_fresh_work_of_a_fast_one() -> None:
    jobs = FluidJobs(CLUSTER.job_classes)
    jobs.arrive(1, 5.0, 0.0)  # due at 24 h
    jobs.arrive(0, 5.0, 20 * HOUR_S)  # due at 26 h
    jobs.serve(5.0)
    assert jobs.waiting_mwh == pytest.approx([5.0, 0.0])


def test_missed_work_is_counted_once_and_still_done() -> None:
    jobs = FluidJobs(CLUSTER.job_classes)
    jobs.arrive(0, 5.0, 0.0)
    for hour in range(9):
        jobs.pass_time((hour + 1) * HOUR_S, HOUR_S)
    assert jobs.missed_mwh == [5.0, 0.0]
    assert jobs.deadline_misses == 1
    jobs.serve(5.0)
    assert jobs.done_mwh == [5.0, 0.0]
    assert jobs.missed_mwh == [5.0, 0.0]


def test_waiting_is_counted_in_mwh_times_hours() -> None:
    jobs = FluidJobs(CLUSTER.job_classes)
    jobs.arrive(0, 5.0, 0.0)
    jobs.pass_time(2 * HOUR_S, 2 * HOUR_S)
    assert jobs.delayed_mwh_h == [10.0, 0.0]


def test_work_arrives_at_the_mean_that_the_plate_says() -> None:
    arrivals = Arrivals(CLUSTER, START, np.random.default_rng(1))
    rows = [arrivals.quarter(i) for i in range(26 * 672)]
    busy_mw = (CLUSTER.mean_use_frac - CLUSTER.idle_frac) * CLUSTER.rated_mw
    work_mw = np.array([row.work_mw for row in rows])
    assert work_mw.sum(axis=1).mean() == pytest.approx(CLUSTER.deferrable_frac * busy_mw, rel=0.03)
    assert work_mw.mean(axis=0)[0] / work_mw.sum(axis=1).mean() == pytest.approx(0.4, abs=0.02)
    assert np.mean([row.firm_mw for row in rows]) == pytest.approx((1 - CLUSTER.deferrable_frac) * busy_mw, rel=0.02)


def test_a_week_has_busy_days_quiet_nights_and_quieter_weekends() -> None:
    week = week_shape(0.45, 0.75).reshape(7, 96)
    assert week.mean() == pytest.approx(1.0)
    assert week[0, 60] > 2.0 * week[0, 12]
    assert week[6].mean() == pytest.approx(0.75 * week[0].mean())


def test_arrivals_do_not_depend_on_when_they_are_asked_for() -> None:
    early, late = (Arrivals(CLUSTER, START, np.random.default_rng(4)) for _ in range(2))
    ahead = [early.quarter(i) for i in range(500)]
    assert late.quarter(499) == ahead[499]
    assert [late.quarter(i) for i in range(500)] == ahead


def test_caps_slow_tier_three_first_and_never_tier_zero() -> None:
    tiers = FirmTiers(CLUSTER)
    little = tiers.slow(10.0, 0.1)
    assert little.power_mw == pytest.approx(9.9)
    deepest = tiers.slow(10.0, 100.0)
    assert deepest.power_mw == pytest.approx(10.0 - tiers.saving_mw(10.0))
    assert deepest.power_mw > 10.0 * CLUSTER.tier_frac[0]


def test_no_tier_loses_more_throughput_than_its_contract_allows() -> None:
    tiers = FirmTiers(CLUSTER)
    allowed_mw = sum(10.0 * s * loss for s, loss in zip(CLUSTER.tier_frac, CLUSTER.tier_loss_frac, strict=True))
    assert tiers.slow(10.0, 100.0).lost_mw == pytest.approx(allowed_mw)


def test_caps_that_can_be_kept_are_taken_on() -> None:
    answer = promise(intervals(40.0, 15.0, 40.0), START, 0.0, NEEDS, NO_WORK)
    assert [p.cap_mw for p in answer] == [40.0, 15.0, 40.0]
    assert [p.power_mw for p in answer] == [None, None, None]


def test_a_cap_below_what_tiers_allow_is_refused_and_the_rest_taken() -> None:
    answer = promise(intervals(40.0, 5.0, 40.0), START, 0.0, NEEDS, NO_WORK)
    assert [p.cap_mw for p in answer] == [40.0, 10.0, 40.0]
    assert [p.power_mw for p in answer] == [None, 10.0, None]


def test_caps_are_raised_late_where_work_on_hand_would_be_missed() -> None:
    due = Due(np.array([3 * HOUR_S]), np.array([20.0]))
    answer = promise(intervals(12.0, 12.0, 12.0, 12.0), START, 0.0, NEEDS, due)
    assert [p.cap_mw for p in answer] == pytest.approx([12.0, 12.0, 32.0, 12.0])


def test_a_target_below_idle_and_firm_work_is_answered_with_what_will_be_drawn() -> None:
    answer = promise(intervals(40.0, target_mw=0.0), START, 0.0, NEEDS, NO_WORK)
    assert answer[0].power_mw == 12.0


def test_nothing_has_to_run_while_deadlines_are_far() -> None:
    latest = LatestSchedule()
    latest.look(Due(np.array([24 * HOUR_S]), np.array([50.0])), 0.0, 20.0)
    assert latest.least_mw(20.0, 60.0) == 0.0


def test_work_runs_flat_out_when_it_is_about_to_be_late() -> None:
    latest = LatestSchedule()
    latest.look(Due(np.array([2 * HOUR_S]), np.array([40.0])), 0.0, 20.0)
    assert latest.least_mw(20.0, 60.0) >= 20.0


def test_room_that_was_not_used_is_gone() -> None:
    latest = LatestSchedule()
    latest.look(Due(np.array([4 * HOUR_S]), np.array([20.0])), 0.0, 20.0)
    assert latest.least_mw(20.0, 60.0) == 0.0
    latest.carry(0.0, 20.0, 3 * HOUR_S)
    assert latest.least_mw(20.0, 60.0) >= 20.0


def test_work_yet_to_come_leaves_less_room_for_what_waits() -> None:
    due = with_arrivals(Due(np.array([2 * HOUR_S, 20 * HOUR_S]), np.array([1.0, 2.0])), 0.0, (1.0, 1.0), (6.0, 24.0))
    assert due.work_mwh[0] == 1.0
    assert due.work_mwh[1] == pytest.approx(2.0 + 1.2 * 14.0)
