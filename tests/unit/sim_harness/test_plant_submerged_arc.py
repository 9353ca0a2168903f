from datetime import timedelta

import pytest

from tests.station_runs import pass_time, submerged_arc, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Target


def test_left_alone_the_furnaces_make_their_quota() -> None:
    plant = submerged_arc()
    pass_time(plant, 72.0, dt_s=900.0)
    totals = plant.totals()
    assert totals["undelivered_mwh"] < 0.01 * totals["quota_mwh"]
    assert totals["holds"] == 0.0


def test_a_power_below_the_band_is_met_by_holding_furnaces() -> None:
    plant = submerged_arc()
    plant.apply(Target(power_mw=45.0), None)
    powers = pass_time(plant, 0.4, dt_s=10.0)
    assert plant.read().state["furnaces_held"] == 2.0
    assert powers[-1] == pytest.approx(45.0, rel=0.06)


def test_a_hold_ends_after_half_an_hour_and_needs_four_to_recover() -> None:
    plant = submerged_arc()
    plant.apply(Target(power_mw=0.0), None)
    powers = pass_time(plant, 1.0, dt_s=10.0)
    assert plant.totals()["hold_s"] == pytest.approx(4 * 1800.0, abs=41.0)
    assert plant.totals()["overlong_holds"] == 0.0
    assert powers[-1] > 70.0
    answer = plant.apply(Target(power_mw=0.0), None)
    assert answer.outcome == "clamped"
    assert answer.reason is not None
    assert answer.reason.code == "recovering"
    plant.apply(Limit(max_power_mw=200.0), None)
    pass_time(plant, 4.1, dt_s=60.0, at=START + timedelta(hours=1))
    assert plant.apply(Target(power_mw=0.0), None).outcome == "accepted"


def test_a_held_hearth_cools_and_takes_its_heat_back_before_it_melts() -> None:
    plant = submerged_arc()
    plant.apply(Target(power_mw=0.0), None)
    pass_time(plant, 0.45, dt_s=10.0)
    cooled_mwh = plant.stock()["chill_mwh"]
    assert cooled_mwh == pytest.approx(0.1 * 100.0 * 0.45, rel=0.02)
    plant.apply(Limit(max_power_mw=200.0), None)
    pass_time(plant, 6.0, dt_s=60.0, at=START + timedelta(hours=0.45))
    assert plant.totals()["reheat_mwh"] > 0.9 * cooled_mwh
    assert plant.stock()["chill_mwh"] < 0.1 * cooled_mwh
    assert worst_residual(plant) < 1e-9


def test_electrodes_slip_now_and_then() -> None:
    plant = submerged_arc()
    pass_time(plant, 240.0, dt_s=300.0)
    assert 10.0 <= plant.totals()["electrode_slips"] <= 60.0  # one in 30 h for each of four furnaces: 32 on average


def test_a_blackout_longer_than_a_hold_is_told() -> None:
    plant = submerged_arc()
    pass_time(plant, 1.0, supplied=0.0)
    assert plant.totals()["overlong_holds"] == 4.0
    assert plant.totals()["unserved_mwh"] > 45.0
    assert worst_residual(plant) < 1e-9
