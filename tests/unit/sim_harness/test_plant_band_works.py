"""Zinc, copper, carbon capture: bands, quotas and what each metal remembers."""

from datetime import timedelta

import pytest

from tests.station_runs import copper, flexible, pass_time, worst_residual, zinc
from tests.world_builders import START
from vpp.wire.messages import Limit, Target


def test_a_works_left_alone_makes_its_quota_day_after_day() -> None:
    for plant in (zinc(), copper(), flexible()):
        pass_time(plant, 72.0, dt_s=900.0)
        totals = plant.totals()
        assert totals["undelivered_mwh"] < 0.005 * totals["quota_mwh"], plant.asset_id
        assert totals["delivered_mwh"] == pytest.approx(totals["quota_mwh"], rel=0.03)


def test_what_a_day_lacks_at_midnight_is_lost_and_counted() -> None:
    plant = zinc()
    plant.apply(Target(power_mw=80.0), None)
    pass_time(plant, 24.0, dt_s=900.0)
    totals = plant.totals()
    assert totals["undelivered_mwh"] == pytest.approx(totals["quota_mwh"] - totals["delivered_mwh"])
    assert totals["undelivered_mwh"] > 500.0
    assert plant.stock()["owed_mwh"] == 0.0


def test_a_works_that_is_behind_makes_up_within_the_day() -> None:
    plant = zinc()
    plant.apply(Target(power_mw=80.0), None)
    pass_time(plant, 4.0, dt_s=900.0)
    assert plant.stock()["owed_mwh"] > 0.0
    plant.apply(Limit(max_power_mw=500.0), None)
    after = pass_time(plant, 1.0, dt_s=900.0, at=START + timedelta(hours=4))
    assert after[-1] > 0.96 * 120.0


def test_a_power_outside_the_band_is_clamped_and_says_so() -> None:
    plant = zinc()
    high, low = plant.apply(Target(power_mw=200.0), None), plant.apply(Target(power_mw=1.0), None)
    assert (high.outcome, high.power_mw) == ("clamped", pytest.approx(126.0))
    assert (low.outcome, low.power_mw) == ("clamped", pytest.approx(12.0))
    assert low.reason is not None
    assert low.reason.code == "floor"


def test_copper_never_leaves_its_band_by_command() -> None:
    plant = copper()
    assert plant.apply(Target(power_mw=30.0), None).power_mw == pytest.approx(51.0)
    assert min(pass_time(plant, 2.0)) == pytest.approx(51.0)


def test_a_reduction_of_zinc_ends_by_itself_before_its_time_is_up() -> None:
    plant = zinc(ramp_frac_per_min=0.1)
    plant.apply(Target(power_mw=12.0), None)
    powers = pass_time(plant, 1.0, dt_s=10.0)
    below_s = sum(10.0 for power in powers if power < 72.0 - 1e-6)
    assert min(powers) == pytest.approx(12.0)
    assert 1500.0 < below_s <= 1800.0
    answer = plant.apply(Target(power_mw=12.0), None)
    assert answer.reason is not None
    assert answer.reason.code == "recovering"


def test_the_ramp_is_kept_and_its_mean_counts_in_long_steps() -> None:
    fine, coarse = zinc(), zinc()
    for plant in (fine, coarse):
        plant.apply(Target(power_mw=75.0), None)
    energy = sum(pass_time(fine, 0.25, dt_s=1.0)) / 3600.0, sum(pass_time(coarse, 0.25, dt_s=900.0)) * 0.25
    assert energy[0] == pytest.approx(energy[1], rel=1e-3)


def test_zinc_left_near_the_protective_current_makes_almost_nothing_and_without_power_it_dissolves() -> None:
    reduced, dark = zinc(), zinc()
    reduced.apply(Target(power_mw=12.0), None)
    before = dict(reduced.totals()), dict(dark.totals())
    pass_time(reduced, 0.25, dt_s=10.0)
    pass_time(dark, 0.5, dt_s=60.0, supplied=0.0)
    assert reduced.totals()["zinc_t"] > before[0]["zinc_t"]
    assert dark.totals()["zinc_t"] < before[1]["zinc_t"] - 0.5
    assert dark.totals()["below_protective_mwh"] == pytest.approx(6.0, rel=0.05)
    assert worst_residual(dark) < 1e-9


def test_a_hot_cell_house_dissolves_more() -> None:
    cool, hot = zinc(), zinc()
    pass_time(cool, 24.0, dt_s=900.0, temperature_c=0.0)
    pass_time(hot, 24.0, dt_s=900.0, temperature_c=40.0)
    assert hot.read().state["cell_c"] > cool.read().state["cell_c"] + 1.0
    assert hot.totals()["redissolved_t"] > cool.totals()["redissolved_t"]


def test_a_tonne_of_zinc_takes_what_the_trade_says() -> None:
    plant = zinc()
    pass_time(plant, 24.0, dt_s=900.0)
    assert 3.0 < plant.totals()["energy_mwh"] / plant.totals()["zinc_t"] < 3.3  # 3,000-3,300 kWh/t


def test_a_restless_current_spoils_copper_and_a_steady_one_does_not() -> None:
    steady, restless = copper(), copper()
    pass_time(steady, 12.0)
    for hour in range(12):
        restless.apply(Target(power_mw=51.0 if hour % 2 else 63.0), None)
        pass_time(restless, 1.0, at=START + timedelta(hours=hour))
    assert steady.totals()["off_grade_t"] < 0.002 * steady.totals()["copper_t"]
    assert restless.totals()["off_grade_t"] > 0.005 * restless.totals()["copper_t"]


def test_a_standstill_spoils_copper_and_cools_its_bath() -> None:
    plant = copper()
    pass_time(plant, 6.0, supplied=0.0)
    assert plant.read().state["bath_c"] < 55.0
    pass_time(plant, 6.0, at=START + timedelta(hours=6))
    assert plant.totals()["off_grade_t"] > 0.1 * plant.totals()["copper_t"]
    assert worst_residual(plant) < 1e-9


def test_capture_answers_power_with_the_delay_of_its_column() -> None:
    plant = flexible()
    pass_time(plant, 4.0)
    before_mw = plant.read().state["output_mw"]
    plant.apply(Target(power_mw=2.0), None)
    pass_time(plant, 0.2, at=START + timedelta(hours=4))
    assert plant.power_mw == pytest.approx(2.0)
    assert 0.5 * before_mw < plant.read().state["output_mw"] < before_mw
