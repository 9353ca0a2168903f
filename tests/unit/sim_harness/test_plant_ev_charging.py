from datetime import timedelta

import pytest

from tests.station_runs import charging, pass_time, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Target


def test_left_alone_everybody_gets_the_energy_of_the_plate() -> None:
    plant = charging()
    pass_time(plant, 24.0 * 7, dt_s=300.0)
    totals = plant.totals()
    assert totals["energy_mwh"] / 7 == pytest.approx(60.0, rel=0.1)
    assert totals["undelivered_mwh"] < 0.002 * totals["arrived_mwh"]
    assert totals["missed_swaps"] < 0.01 * totals["swaps"]
    assert worst_residual(plant) < 1e-9


def test_the_same_vehicles_come_whatever_the_step() -> None:
    fine, coarse = charging(5), charging(5)
    pass_time(fine, 24.0, dt_s=10.0)
    pass_time(coarse, 24.0, dt_s=900.0)
    assert fine.totals()["cars"] == pytest.approx(coarse.totals()["cars"], abs=8.0)
    assert fine.totals()["energy_mwh"] == pytest.approx(coarse.totals()["energy_mwh"], rel=0.03)


def test_charging_can_wait_inside_its_slack_and_no_longer() -> None:
    plant = charging()
    pass_time(plant, 9.0)
    plant.apply(Limit(max_power_mw=0.0), None)
    powers = pass_time(plant, 6.0, at=START + timedelta(hours=9))
    assert powers[0] < 0.2
    assert max(powers) > 1.0  # what is due is charged whatever is commanded
    assert plant.totals()["undelivered_mwh"] < 0.2
    assert plant.totals()["delayed_mwh_h"] > 5.0


def test_a_cap_below_what_is_due_is_clamped_and_says_so() -> None:
    plant = charging()
    pass_time(plant, 9.0)
    plant.apply(Limit(max_power_mw=0.0), None)
    pass_time(plant, 5.0, at=START + timedelta(hours=9))
    answer = plant.apply(Limit(max_power_mw=0.0), None)
    assert answer.outcome == "clamped"
    assert answer.reason is not None
    assert answer.reason.code == "due"
    assert answer.power_mw == pytest.approx(plant.read().state["due_mw"], rel=0.2)


def test_a_target_above_what_waits_is_clamped() -> None:
    answer = charging().apply(Target(power_mw=6.0), None)
    assert answer.outcome == "clamped"
    assert answer.reason is not None
    assert answer.reason.code == "waiting"


def test_a_blackout_leaves_cars_short_and_trucks_without_packs() -> None:
    plant = charging()
    pass_time(plant, 24.0, supplied=0.0)
    totals = plant.totals()
    assert totals["energy_mwh"] == 0.0
    assert totals["left_short"] > 100.0
    assert totals["missed_swaps"] > 50.0
    assert totals["undelivered_mwh"] > 5.0
    assert worst_residual(plant) < 1e-9


def test_every_bay_keeps_its_pack() -> None:
    plant = charging(2)
    pass_time(plant, 48.0)
    assert 0.0 <= plant.stock()["full_packs"] <= 40.0
    assert next(law for law in plant.balances() if law.unit == "packs").residual == 0.0
