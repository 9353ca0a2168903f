from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plant_runs import Desk, Run, cluster
from tests.world_builders import CLUSTER

MISSED = "missed_mwh"


def test_without_a_signal_work_runs_as_it_comes() -> None:
    plant = cluster()
    Run(plant).hours(48)
    totals = plant.totals()
    assert totals["shifted_mwh"] == pytest.approx(0.0, abs=1e-9)
    assert totals["work_done_mwh"] == pytest.approx(totals["work_arrived_mwh"], rel=0.01)
    assert totals[MISSED] == 0.0


def test_its_mean_use_is_that_of_the_plate() -> None:
    plant = cluster()
    run = Run(plant, dt_s=900.0)
    run.hours(4 * 7 * 24)
    assert sum(run.power_mw) / len(run.power_mw) == pytest.approx(CLUSTER.mean_use_frac * CLUSTER.rated_mw, rel=0.04)


def test_the_meter_never_reads_more_than_rated() -> None:
    plant = cluster(replace(CLUSTER, mean_use_frac=0.95))
    run = Run(plant, temperature_c=35.0)
    run.hours(72)
    assert max(run.power_mw) <= CLUSTER.rated_mw + 1e-9
    assert max(run.power_mw) > 0.99 * CLUSTER.rated_mw


def test_it_draws_more_on_a_hot_day() -> None:
    cold, hot = cluster(), cluster()
    Run(cold, temperature_c=-10.0).hours(24)
    Run(hot, temperature_c=30.0).hours(24)
    assert hot.totals()["energy_mwh"] > 1.03 * cold.totals()["energy_mwh"]
    assert hot.totals()["work_done_mwh"] == pytest.approx(cold.totals()["work_done_mwh"], rel=0.01)


def test_deferrable_work_follows_the_target() -> None:
    desk = Desk()
    desk.hours_at(2, 38.0)
    desk.hours_at(2, 22.0)
    desk.run.power_mw.clear()
    desk.hours_at(1, 22.0)
    assert desk.run.power_mw == pytest.approx([22.0] * 60, abs=0.3)
    assert desk.cluster.totals()["shifted_mwh"] > 0.5


def test_a_target_of_nothing_misses_no_deadline() -> None:
    desk = Desk(dt_s=300.0)
    desk.hours_at(5 * 24, 0.0)
    totals = desk.cluster.totals()
    assert totals[MISSED] == 0.0
    assert desk.cluster.stock()["waiting_mwh"] > 50.0
    assert totals["tier0_curtailed_mwh"] == totals["lost_throughput_mwh"] == 0.0


def test_a_cap_bites_deferrable_work_before_firm_work() -> None:
    desk = Desk()
    desk.hours_at(1, 40.0)
    state = desk.cluster.state()
    cap_mw = state["idle_mw"] + state["firm_mw"] + 1.0
    desk.hours_at(1, 40.0, cap_mw=cap_mw)
    assert desk.cluster.totals()["lost_throughput_mwh"] == pytest.approx(0.0, abs=0.2)
    assert desk.cluster.power_mw <= cap_mw + 1e-9


def test_a_cap_is_kept_from_the_first_step_on() -> None:
    desk = Desk(dt_s=10.0)
    desk.hours_at(1, 40.0)
    assert desk.run.power_mw[-1] > 20.0
    desk.send(17.0, cap_mw=17.0)
    desk.run.step()
    assert desk.cluster.power_mw <= 17.0 + 1e-9


def test_a_deep_cap_slows_firm_work_down_and_counts_the_loss() -> None:
    desk = Desk()
    desk.hours_at(6, 40.0)
    # Jobs are held first, so that cooling has followed: it cannot be cut within seconds.
    desk.hours_at(1, 0.0)
    state = desk.cluster.state()
    cap_mw = state["idle_mw"] + state["firm_mw"] - 0.5 * state["fast_band_mw"]
    answer = desk.send(cap_mw, cap_mw=cap_mw, hours=1)
    desk.run.hours(0.5)
    assert desk.cluster.power_mw <= cap_mw + 1e-9
    assert desk.cluster.totals()["lost_throughput_mwh"] > 0.0
    assert desk.cluster.totals()["tier0_curtailed_mwh"] == 0.0
    assert answer.accepted == "all"


def test_a_cap_below_the_protected_tiers_is_refused_with_what_is_kept_instead() -> None:
    desk = Desk()
    desk.hours_at(1, 40.0)
    answer = desk.send(5.0, cap_mw=5.0, hours=1)
    desk.run.hours(0.5)
    assert answer.accepted == "part"
    assert answer.intervals[0].power_mw > 5.0
    assert "caps are too low" in answer.note
    assert desk.cluster.totals()["tier0_curtailed_mwh"] == 0.0
    assert desk.cluster.power_mw > 5.0


def test_each_revision_gets_one_answer() -> None:
    desk = Desk()
    for target_mw in (20.0, 30.0, 40.0):
        desk.send(target_mw)
    assert [answer.revision for answer in desk.responses] == [1, 2, 3]


def test_when_the_signal_ends_work_comes_back_without_a_jump() -> None:
    desk = Desk(dt_s=10.0)
    desk.hours_at(4, 0.0)
    desk.run.power_mw.clear()
    desk.run.hours(2)
    steps = [after - before for before, after in zip(desk.run.power_mw, desk.run.power_mw[1:], strict=False)]
    assert max(steps) <= 0.05 * CLUSTER.rated_mw / 6.0 + 0.2
    assert desk.run.power_mw[-1] > desk.run.power_mw[0] + 3.0


def test_caps_of_a_signal_that_ended_still_hold() -> None:
    desk = Desk()
    desk.hours_at(2, 20.0, cap_mw=20.0)
    desk.run.hours(3)
    assert max(desk.run.power_mw) <= 20.0 + 1e-9


def test_running_work_pauses_at_checkpoints_only() -> None:
    desk = Desk(dt_s=10.0)
    desk.hours_at(4, 0.0)
    desk.hours_at(1, 40.0)
    running_mw = desk.cluster.state()["deferrable_mw"]
    desk.send(0.0)
    desk.run.step()
    assert desk.cluster.state()["deferrable_mw"] == pytest.approx(running_mw * (1 - 10.0 / CLUSTER.checkpoint_s), rel=0.02)


def test_the_backlog_says_all_work_that_waits_with_its_deadlines() -> None:
    desk = Desk(dt_s=300.0)
    desk.hours_at(12, 0.0)
    desk.cluster.report()
    items = desk.backlogs[-1].items
    assert 2 <= len(items) <= 12
    assert sum(i.energy_mwh or 0.0 for i in items) == pytest.approx(desk.cluster.stock()["waiting_mwh"], rel=1e-6)
    assert all(i.deadline > desk.run.time.at for i in items)
    assert {i.job_class for i in items} <= {c.name for c in CLUSTER.job_classes}


def test_the_backlog_goes_out_once_a_minute() -> None:
    desk = Desk(dt_s=10.0)
    for _ in range(60):
        desk.run.step()
        desk.cluster.report()
    assert len(desk.telemetry) == 60
    assert len(desk.backlogs) == 10


def test_telemetry_tells_power_throughput_and_queue() -> None:
    desk = Desk()
    desk.hours_at(1, 15.0)
    desk.cluster.report()
    told = desk.telemetry[-1]
    assert told.power_mw == pytest.approx(desk.cluster.power_mw)
    assert told.throughput_frac == pytest.approx(1.0)
    assert told.applied_revision == 1
    assert told.state["waiting_mwh.0"] + told.state["waiting_mwh.1"] == pytest.approx(desk.cluster.stock()["waiting_mwh"])


def test_a_blackout_takes_tier_zero_last() -> None:
    some, none = cluster(), cluster()
    run = Run(some)
    run.step()
    run.step(lambda i: 0.6 * i.power_mw)
    assert some.totals()["tier0_curtailed_mwh"] == 0.0
    run = Run(none)
    run.step(lambda _: 0.0)
    assert none.totals()["tier0_curtailed_mwh"] > 0.0


def test_nothing_pushes_a_cluster() -> None:
    intent = Run(cluster()).step()[0]
    assert intent.low_mw == intent.power_mw == intent.high_mw


@pytest.mark.parametrize("dt_s", [10.0, 60.0, 900.0])
def test_work_and_energy_add_up(dt_s: float) -> None:
    desk = Desk(dt_s=dt_s)
    desk.hours_at(12, 14.0)
    for balance in desk.cluster.balances():
        assert abs(balance.residual) <= 1e-6 * max(balance.size, 1.0), balance
