"""Computing work, arc furnaces and loads that follow their users in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.dispatch.snapshot import Reported, Work
from controllers.loops.late_work import late_work
from controllers.planner import Result, WorkItem, solve
from controllers.planner.assemble import assemble
from controllers.planner.blocks.compute import tube_mwh
from controllers.planner.blocks.furnace import heat_profile_mw
from controllers.planner.expect import arriving_mw, expected_load_mw, firm_compute_mw
from controllers.planner.stochastic.weather import available_scenarios
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from tests.builders_control import (
    AIDC,
    BASE,
    CAST,
    GRID,
    MORNING,
    QUARTER,
    forecast_of,
    park_of,
    problem_of,
    snapshot_of,
)
from vpp.ids import AssetId
from vpp.park.plates import ArcFurnacePlate, BaseLoadPlate, ComputePlate, FeederPlate
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, s_to_h

N = 96
CLASSES = ("slack_6h", "slack_24h", "slack_72h")
HOUR = timedelta(hours=1)
WORK = (
    Work("slack_6h", 12.0, MORNING, MORNING + 3 * HOUR, 20.0),
    Work("slack_6h", 9.0, MORNING + 4 * HOUR, MORNING + 5.5 * HOUR, 20.0),
    Work("slack_24h", 30.0, MORNING + 2.1 * HOUR, MORNING + 9.1 * HOUR, 20.0),
    Work("slack_72h", 20.0, MORNING - HOUR, MORNING + 60 * HOUR, 20.0),
)
PROBLEM = problem_of(N, work=WORK)


@pytest.fixture(scope="module")
def plan() -> Result:
    return solve(PROBLEM)


def furnaces() -> ArcFurnacePlate:
    plate: ArcFurnacePlate = park_of().asset(CAST).plate
    return plate


def cluster() -> ComputePlate:
    plate: ComputePlate = park_of().asset(AIDC).plate
    return plate


@pytest.mark.parametrize("job_class", CLASSES)
def test_every_piece_of_work_is_served_by_its_deadline(plan: Result, job_class: str) -> None:
    served = np.cumsum(plan.assets[AIDC].quantities[f"served_mw.{job_class}"] * plan.grid.step_h)
    items = [item for item in PROBLEM.compute[AIDC].items if item.job_class == job_class]
    for end_h, done in zip(plan.grid.offset_h + plan.grid.step_h, served, strict=True):
        assert done >= sum(item.energy_mwh for item in items if item.deadline_h <= end_h) - 1e-6
    assert not [unmet for unmet in plan.unmet if unmet.where == AIDC]


@pytest.mark.parametrize("job_class", CLASSES)
def test_no_work_is_served_before_it_is_released(plan: Result, job_class: str) -> None:
    served = np.cumsum(plan.assets[AIDC].quantities[f"served_mw.{job_class}"] * plan.grid.step_h)
    items = [item for item in PROBLEM.compute[AIDC].items if item.job_class == job_class]
    for end_h, done in zip(plan.grid.offset_h + plan.grid.step_h, served, strict=True):
        assert done <= sum(item.energy_mwh for item in items if item.release_h < end_h) + 1e-6
    assert served[-1] > 1.0


def test_a_cluster_never_draws_more_than_its_meter_allows(plan: Result) -> None:
    assert plan.assets[AIDC].power_mw.max() <= cluster().rated_mw + 1e-6


def test_a_cluster_draws_what_is_firm_and_what_it_serves(plan: Result) -> None:
    schedule = plan.assets[AIDC]
    served = sum(schedule.quantities[f"served_mw.{name}"] for name in CLASSES)
    np.testing.assert_allclose(schedule.power_mw, PROBLEM.compute[AIDC].firm_mw + served, atol=1e-9)


def test_more_urgent_work_than_the_meter_carries_is_named_as_late() -> None:
    urgent = Work("slack_6h", 50.0, MORNING, MORNING + HOUR, 40.0)
    late = {(unmet.where, unmet.what): unmet.amount for unmet in solve(problem_of(24, work=(urgent,))).unmet}
    assert late[AIDC, "late_mwh_h.slack_6h"] > 1.0


def test_work_that_cannot_be_done_in_time_is_seen_hours_before_it_is_late() -> None:
    # 400 MWh by five o'clock at a meter of 40 MW, some of which is firm: late from the deadline on, and known four hours before.
    due = MORNING + 5 * HOUR
    [unmet] = (u for u in solve(problem_of(32, work=(Work("slack_6h", 400.0, MORNING, due, 40.0),))).unmet if u.where == AIDC)
    assert unmet.since is not None
    assert due - HOUR <= unmet.since <= due
    assert late_work((unmet,), MORNING).keys() == {f"deadline.{AIDC}"}


def test_work_due_inside_an_interval_must_be_done_by_its_start() -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, 4)
    latest, _ = tube_mwh([WorkItem("slack_6h", 5.0, 0.0, 0.6)], grid)
    assert latest.tolist() == [0.0, 5.0, 5.0, 5.0]


def test_work_due_at_an_edge_may_use_the_interval_before_it() -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, 4)
    latest, _ = tube_mwh([WorkItem("slack_6h", 5.0, 0.0, 0.75)], grid)
    assert latest.tolist() == [0.0, 0.0, 5.0, 5.0]


def test_work_due_after_the_horizon_is_not_due_in_it() -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, 4)
    latest, earliest = tube_mwh([WorkItem("slack_6h", 5.0, 0.0, 1.1)], grid)
    assert latest.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert earliest.tolist() == [5.0, 5.0, 5.0, 5.0]


def test_work_with_a_window_inside_one_interval_calls_for_no_other_work() -> None:
    grid = TimeGrid.regular(MORNING, QUARTER, 4)
    latest, _ = tube_mwh([WorkItem("slack_6h", 5.0, 0.55, 0.7), WorkItem("slack_6h", 7.0, 0.0, 9.0)], grid)
    assert latest.tolist() == [0.0, 0.0, 5.0, 5.0]


def test_heats_are_whole(plan: Result) -> None:
    starts = plan.assets[CAST].quantities["heat_starts"]
    np.testing.assert_allclose(starts, np.round(starts), atol=1e-6)
    assert starts.max() >= 1.0


def test_the_days_order_of_heats_is_reached_and_not_passed(plan: Result) -> None:
    assert plan.assets[CAST].quantities["heat_starts"].sum() == pytest.approx(furnaces().heats_per_day)


def test_heats_that_were_started_before_count_to_the_days_order() -> None:
    plan = solve(problem_of(N, states={CAST: {"heats_today": 14.0}}))
    assert plan.assets[CAST].quantities["heat_starts"].sum() == pytest.approx(furnaces().heats_per_day - 14.0)


def test_heats_are_mostly_outside_the_peak_tariff(plan: Result) -> None:
    starts = plan.assets[CAST].quantities["heat_starts"]
    peak = PROBLEM.connections[GRID].import_cny_per_mwh > 700.0
    assert 0 < peak.sum() < N
    assert starts[peak].mean() < 0.5 * starts[~peak].mean()


def test_furnace_power_is_that_of_its_heats_and_auxiliaries(plan: Result) -> None:
    starts = plan.assets[CAST].quantities["heat_starts"]
    drawn = np.convolve(starts, heat_profile_mw(furnaces(), 0.25))[:N] + furnaces().auxiliary_mw
    np.testing.assert_allclose(plan.assets[CAST].power_mw, drawn, atol=1e-6)


def test_furnaces_keep_their_tap_to_tap_time_but_for_one_rounded_heat(plan: Result) -> None:
    starts = plan.assets[CAST].quantities["heat_starts"]
    surely = int(s_to_h(furnaces().tap_to_tap_s) / 0.25)
    # One more is what rounding the cumulative count may add; it then starts a little later than planned.
    assert max(starts[i : i + surely].sum() for i in range(N)) <= furnaces().furnaces + 1.0 + 1e-6


@pytest.mark.parametrize("step_h", [0.25, 0.5, 1.0])
def test_a_heats_profile_holds_a_heats_energy(step_h: float) -> None:
    assert heat_profile_mw(furnaces(), step_h).sum() * step_h == pytest.approx(furnaces().heat_mwh)


def test_a_running_heat_is_drawn_to_its_end_and_its_furnace_is_not_free() -> None:
    told = {"furnace.0.in_heat_s": 1800.0, "furnace.0.free_in_s": 1680.0}
    need = problem_of(24, states={CAST: told}).heats[CAST]
    profile = heat_profile_mw(furnaces(), 0.25)
    np.testing.assert_allclose(need.running_mw[: len(profile) - 2], profile[2:])
    assert need.running_mw[len(profile) - 2 :].max() == 0.0
    assert need.free_from_step == (2, 0)


def test_a_base_load_keeps_its_mean_over_a_week() -> None:
    plate: BaseLoadPlate = park_of().asset(BASE).plate
    week = TimeGrid.regular(MORNING, HOUR, 7 * 24)
    load = expected_load_mw(plate, None, week, park_of().zone)
    assert load.mean() == pytest.approx(plate.mean_mw)
    assert np.ptp(load) > 1.0


def test_a_base_load_starts_at_its_last_reading_and_returns_to_the_calendar() -> None:
    plate: BaseLoadPlate = park_of().asset(BASE).plate
    week = TimeGrid.regular(MORNING, HOUR, 7 * 24)
    load = expected_load_mw(plate, 140.0, week, park_of().zone)
    assert load[0] == pytest.approx(140.0)
    assert load[-1] == pytest.approx(expected_load_mw(plate, None, week, park_of().zone)[-1])


def with_loads(forecast: Forecast, mean_frac: Mapping[AssetId, FloatArray], quality: Quality = "fresh") -> Forecast:
    """The forecast with loads beside its farms."""
    mean = np.stack(list(mean_frac.values()))
    quantile = np.clip(mean[:, :, np.newaxis] * np.linspace(0.97, 1.03, len(QUANTILE_LEVELS)), 0.0, 1.0)
    return replace(
        forecast,
        asset_ids=(*forecast.asset_ids, *mean_frac),
        quantile_frac=np.concatenate((forecast.quantile_frac, quantile)),
        mean_frac=np.concatenate((forecast.mean_frac, mean)),
        quality=(*forecast.quality, *(quality for _ in mean_frac)),
        loads=frozenset(mean_frac),
    )


def test_a_plan_draws_what_is_forecast_of_a_load() -> None:
    hill = 0.4 + 0.1 * np.sin(np.arange(N) / N * np.pi)
    problem = assemble(park_of(), snapshot_of(), with_loads(forecast_of(N), {BASE: hill}), {GRID: 120.0})
    expected_mw = 2.0 * park_of().asset(BASE).plate.mean_mw * hill
    np.testing.assert_allclose(problem.load_mw[BASE], expected_mw)
    np.testing.assert_allclose(solve(problem).assets[BASE].power_mw, expected_mw)


@pytest.mark.parametrize(("quality", "taken"), [("stale", True), ("persistence", True), ("climatology", False)])
def test_a_forecast_that_knows_nothing_leaves_the_calendar(quality: Quality, taken: bool) -> None:
    forecast = with_loads(forecast_of(N), {BASE: np.full(N, 0.9)}, quality)
    load_mw = assemble(park_of(), snapshot_of(), forecast, {GRID: 120.0}).load_mw[BASE]
    calendar_mw = expected_load_mw(park_of().asset(BASE).plate, 105.0, forecast.grid, park_of().zone)
    np.testing.assert_allclose(load_mw, 1.8 * park_of().asset(BASE).plate.mean_mw if taken else calendar_mw)


def wanted_mw(plan: Result, feeder: AssetId) -> FloatArray:
    """What its customers want: what it draws and what a call takes from them."""
    schedule = plan.assets[feeder]
    total_mw: FloatArray = schedule.power_mw + schedule.quantities["interrupted_mw"]
    return total_mw


def test_a_feeder_draws_its_forecast_and_without_one_goes_on_as_now() -> None:
    plate = FeederPlate(power_mw=10.0, breaker_s=0.5, calls_per_year=20, hours_per_year=40.0, call_cny_per_mwh=3000.0)
    feeder = replace(park_of().asset(BASE), id=AssetId("shed.a"), kind="feeder", plate=plate)
    park = replace(park_of(), assets=(*park_of().assets, feeder))
    snapshot = snapshot_of()
    now = Reported(MORNING, 7.0, None, {"demand_mw": 7.0, "closed": 1.0}, online=True)
    snapshot = replace(snapshot, assets={**snapshot.assets, feeder.id: now})
    held = solve(assemble(park, snapshot, forecast_of(N), {GRID: 120.0}))
    np.testing.assert_allclose(wanted_mw(held, feeder.id), 7.0)
    rising = np.linspace(0.7, 0.95, N)
    told = solve(assemble(park, snapshot, with_loads(forecast_of(N), {feeder.id: rising}), {GRID: 120.0}))
    np.testing.assert_allclose(wanted_mw(told, feeder.id), 10.0 * rising)


def test_courses_of_the_weather_are_drawn_for_farms_and_not_for_loads() -> None:
    plain = forecast_of(N)
    beside = with_loads(plain, {BASE: np.full(N, 0.4)})
    drawn, alone = (available_scenarios(park_of(), one, 4) for one in (beside, plain))
    assert set(drawn) == set(plain.asset_ids)
    for farm, courses in alone.items():
        np.testing.assert_array_equal(drawn[farm], courses)


def test_firm_power_and_arriving_work_add_up_to_the_clusters_mean_use() -> None:
    plate = cluster()
    arriving = sum(arriving_mw(plate, job_class.share_frac) for job_class in plate.job_classes)
    assert firm_compute_mw(plate, None, np.zeros(1))[0] + arriving == pytest.approx(plate.rated_mw * plate.mean_use_frac)


def test_reported_firm_power_comes_before_the_plates_mean() -> None:
    firm_mw = firm_compute_mw(cluster(), 17.5, np.array([0.0, 100.0]))
    assert firm_mw.tolist() == pytest.approx([17.5, firm_compute_mw(cluster(), None, np.zeros(1))[0]], abs=1e-3)
    assert PROBLEM.compute[AIDC].firm_mw[0] == pytest.approx(18.0)


def test_a_cluster_that_is_silent_is_planned_at_its_plates_mean() -> None:

    silent = replace(snapshot_of(), clusters={})
    need = assemble(park_of(), silent, forecast_of(8), {}).compute[AIDC]
    assert need.firm_mw[0] == pytest.approx(firm_compute_mw(cluster(), None, np.zeros(1))[0])
