from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sim_harness.clusters.cap_curve import FINE_TUNING, INFERENCE, PRE_TRAINING
from sim_harness.clusters.cooling import Cooling
from sim_harness.clusters.hardware import GPUS_PER_NODE, Hardware, Nodes
from sim_harness.clusters.job_profile import due_profile
from sim_harness.clusters.job_sizes import PODS_FILE, fitted_sizes
from sim_harness.clusters.job_stream import Trace, open_trace
from sim_harness.scenario import SEEDS, load
from tests.cluster_runs import CAP_FRAC, CAP_HOURS, Story, aidc_plate, desk_of, live_through
from tests.plant_runs import Desk
from vpp.errors import ScenarioError
from vpp.park import load as load_park

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
PLATE = aidc_plate()


def check(desk: Desk) -> None:
    for balance in desk.cluster.balances():
        assert abs(balance.residual) <= 1e-6 * max(balance.size, 1e-3), balance


@cache
def quiet_day() -> Desk:
    desk = desk_of(PLATE, "discrete")
    desk.run.hours(24)
    return desk


@cache
def story(model: str) -> Story:
    return live_through(desk_of(PLATE, "discrete" if model == "discrete" else "fluid"), 2)


def trace() -> Trace:
    if not (DATA / PODS_FILE).is_file():
        pytest.skip(f"{DATA / PODS_FILE}: no such file")
    found = open_trace(DATA)
    assert found is not None
    return found


def test_the_built_out_park_has_about_225_000_accelerators() -> None:
    park = load_park(SEEDS, at=load("real-month").park_at)
    assert sum(Hardware.of_plate(a.plate).gpus for a in park.assets_of("compute")) <= 225_000
    seeds = load_park(SEEDS, at=quiet_day().run.time.at.date().replace(year=2030))
    assert sum(Hardware.of_plate(a.plate).gpus for a in seeds.assets_of("compute")) == pytest.approx(225_000, rel=0.002)


def test_the_published_distribution_is_in_the_seeds() -> None:
    assert [(c.slack_h, c.share_frac) for c in PLATE.job_classes] == [(6, 0.25), (24, 0.45), (72, 0.30)]
    assert PLATE.tier_frac == (0.4, 0.2, 0.2, 0.2)


def test_fits_meet_the_published_means_of_the_cap_sweep() -> None:
    # Mean over the eight workloads at 350, 300, 250 and 200 W: the data's README.
    fits = (FINE_TUNING,) * 2 + (INFERENCE,) * 3 + (PRE_TRAINING,) * 3
    for power_frac, published in ((0.901, 0.955), (0.788, 0.910), (0.662, 0.843), (0.533, 0.728)):
        assert np.mean([fit.throughput(power_frac) for fit in fits]) == pytest.approx(published, abs=0.035)


def test_small_jobs_share_a_node_and_gangs_take_whole_ones() -> None:
    nodes = Nodes(3)
    assert nodes.place(5, 0) == nodes.place(3, 0) == 0
    assert nodes.empty == 2
    assert nodes.place(2 * GPUS_PER_NODE, 0) == -1
    assert nodes.place(1, 0) is None
    nodes.free(5, 0)
    assert nodes.place(4, 0) == 0
    nodes.free(3, 0)
    nodes.free(4, 0)
    nodes.free(16, -1)
    assert nodes.empty == 3


def test_nodes_kept_for_firm_work_are_not_given_to_jobs() -> None:
    nodes = Nodes(2)
    assert nodes.place(GPUS_PER_NODE, 1) == -1
    assert nodes.place(GPUS_PER_NODE, 1) is None


def test_what_must_be_done_by_when_agrees_with_a_sum_over_jobs() -> None:
    rng = np.random.default_rng(3)
    n, now = 300, 5_000.0
    need, gpus = rng.uniform(10, 40_000, n), rng.integers(1, 64, n)
    deadline, job_class = now + rng.uniform(-2_000, 100_000, n), rng.integers(0, 3, n)
    profile = due_profile(deadline, need, gpus, job_class, 3, now)
    for k in (0, 1, 5, 40, profile.edge_s.size - 1):
        t = profile.edge_s[k]
        done = gpus * (np.maximum(t - (deadline - need), 0) - np.maximum(t - deadline, 0))
        assert profile.need_gpu_s[:, k] == pytest.approx([done[job_class == c].sum() for c in range(3)], rel=1e-9, abs=1e-3)


def test_as_they_come_jobs_neither_wait_nor_shift_nor_miss() -> None:
    totals = quiet_day().cluster.totals()
    assert totals["shifted_mwh"] < 0.002 * totals["deferrable_mwh"]
    assert totals["deadline_misses"] == totals["jobs_paused"] == totals["jobs_killed"] == 0
    assert totals["work_done_mwh"] == pytest.approx(totals["work_arrived_mwh"], rel=0.05)


def test_every_job_is_waiting_running_paused_or_done_and_work_is_counted_once() -> None:
    check(quiet_day())
    stock, totals = quiet_day().cluster.stock(), quiet_day().cluster.totals()
    found = stock["jobs_waiting"] + stock["jobs_running"] + stock["jobs_paused"] + totals["jobs_done"]
    assert found == totals["jobs_arrived"] + totals["jobs_opening"]


def test_the_same_seed_gives_the_same_day_to_the_bit() -> None:
    again = desk_of(PLATE, "discrete")
    again.run.hours(24)
    assert again.run.power_mw == quiet_day().run.power_mw
    assert again.cluster.totals() == quiet_day().cluster.totals()


def test_a_cap_is_kept_at_once_and_jobs_pause_without_losing_work() -> None:
    desk = desk_of(PLATE, "discrete", dt_s=10.0)
    desk.hours_at(3, 40.0)
    cap_mw = 0.8 * desk.run.power_mw[-1]
    assert desk.send(cap_mw, cap_mw=cap_mw, hours=2).accepted == "all"
    desk.run.power_mw.clear()
    desk.run.hours(1)
    totals = desk.cluster.totals()
    assert max(desk.run.power_mw) <= cap_mw + 1e-9
    assert min(desk.run.power_mw) >= 0.97 * cap_mw
    assert totals["jobs_paused"] > 10
    assert totals["work_lost_mwh"] == totals["jobs_killed"] == totals["tier0_curtailed_mwh"] == 0
    check(desk)


def test_a_cap_that_only_checkpoints_can_reach_is_answered_in_part() -> None:
    desk = desk_of(PLATE, "discrete", dt_s=10.0)
    desk.hours_at(2, 40.0)
    base_mw = desk.cluster.state()["idle_mw"] + desk.cluster.state()["firm_mw"]
    answer = desk.send(base_mw, cap_mw=base_mw, hours=4)
    assert answer.accepted == "part"
    desk.run.step()
    assert base_mw < desk.run.power_mw[-1] <= answer.intervals[0].power_mw * 1.02
    desk.run.hours(1)
    assert desk.run.power_mw[-1] <= base_mw + 1e-9
    assert len(answer.intervals) == 1


def test_a_target_of_nothing_holds_jobs_and_misses_no_deadline() -> None:
    desk = desk_of(PLATE, "discrete", dt_s=60.0)
    desk.hours_at(36, 0.0)
    totals = desk.cluster.totals()
    assert totals["missed_mwh"] == totals["lost_throughput_mwh"] == totals["jobs_killed"] == 0.0
    assert desk.cluster.stock()["jobs_waiting"] > 5_000
    check(desk)


def test_a_blackout_kills_jobs_and_loses_work_since_their_checkpoints() -> None:
    desk = desk_of(PLATE, "discrete")
    desk.run.hours(2)
    desk.run.step(lambda _: 0.0)
    totals = desk.cluster.totals()
    assert desk.cluster.stock()["jobs_running"] == 0
    assert totals["jobs_killed"] == desk.cluster.stock()["jobs_paused"] > 100
    assert 0.0 < totals["work_lost_mwh"] < desk.cluster.work.classes[0].slack_h
    check(desk)
    desk.run.hours(3)
    assert desk.cluster.stock()["jobs_paused"] == 0
    check(desk)


def test_the_backlog_tells_all_work_that_is_left_class_by_class() -> None:
    desk = desk_of(PLATE, "discrete")
    desk.hours_at(8, 15.0)
    desk.cluster.report()
    said = desk.backlogs[-1]
    assert sum(i.energy_mwh or 0.0 for i in said.items) == pytest.approx(desk.cluster.stock()["waiting_mwh"], rel=0.02)
    assert {i.job_class for i in said.items} == {c.name for c in PLATE.job_classes}
    assert said.fast_band_mw == pytest.approx(desk.cluster.fast_band_mw)


def test_the_fluid_draws_what_the_queue_draws() -> None:
    queue, fluid = story("discrete"), story("fluid")
    assert queue.totals["energy_mwh"] == pytest.approx(fluid.totals["energy_mwh"], rel=0.02)
    assert np.mean(np.abs(queue.power_mw - fluid.power_mw)) < 0.04 * np.mean(fluid.power_mw)
    assert np.corrcoef(queue.power_mw, fluid.power_mw)[0, 1] > 0.97


def test_the_fluid_does_and_misses_what_the_queue_does() -> None:
    queue, fluid = story("discrete").totals, story("fluid").totals
    assert queue["work_done_mwh"] == pytest.approx(fluid["work_done_mwh"], rel=0.06)
    assert queue["shifted_mwh"] == pytest.approx(fluid["shifted_mwh"], rel=0.15)
    assert queue["missed_mwh"] == fluid["missed_mwh"] == 0.0


def test_both_answer_a_cap_alike() -> None:
    hour = 60
    for model in ("discrete", "fluid"):
        event_mw = story(model).event_mw
        before_mw = event_mw[:hour].mean()
        inside = event_mw[hour : hour * (1 + CAP_HOURS)] / before_mw
        assert inside[0] <= CAP_FRAC + 1e-6
        assert inside.mean() == pytest.approx(CAP_FRAC, abs=0.01)
        assert inside.std() < 0.01


def test_fitted_sizes_are_those_of_the_trace() -> None:
    measured, fitted = trace().sizes, fitted_sizes()
    assert fitted.mean_gpu_s == pytest.approx(measured.mean_gpu_s, rel=0.05)
    assert np.median(fitted.run_s) == pytest.approx(np.median(measured.run_s), rel=0.05)
    assert np.mean(fitted.gpus) == pytest.approx(np.mean(measured.gpus), rel=0.03)


def test_jobs_of_the_trace_bring_the_work_that_the_plate_says() -> None:
    desk = desk_of(PLATE, "discrete", dt_s=60.0, trace=trace())
    desk.run.hours(48)
    mean_mw = sum(desk.cluster.arrivals.work_mean_mw)
    assert desk.cluster.totals()["work_arrived_mwh"] == pytest.approx(48 * mean_mw, rel=0.2)
    check(desk)


def test_a_trace_with_half_its_files_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / PODS_FILE).write_bytes(b"no parquet")
    with pytest.raises(ScenarioError, match="is not the job trace"):
        open_trace(tmp_path)
    assert open_trace(tmp_path / "empty") is None


def test_a_scenario_chooses_the_model_by_its_length_and_step() -> None:
    month = load("real-month")
    assert month.cluster_model == "discrete"
    assert month.with_options(days=60).cluster_model == "fluid"


def test_cooling_follows_the_load_with_a_lag_and_meets_the_plate_in_the_end() -> None:
    cooling = Cooling(1.15, 40.0)
    assert cooling.over(10.0, 10.0).meter_mw(40.0) == pytest.approx(40.0)
    cut_mw = cooling.over(10.0, 10.0).meter_mw(20.0)
    assert cut_mw == pytest.approx(20.0 + 20.0 * 0.15 / 1.15, rel=0.01)
    for _ in range(600):
        cooling.follow(20.0)
    assert cooling.over(10.0, 10.0).meter_mw(20.0) == pytest.approx(20.0, rel=1e-3)
    assert cooling.over(10.0, 10.0).load_mw(20.0) == pytest.approx(20.0, rel=1e-3)
