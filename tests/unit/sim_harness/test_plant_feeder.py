from datetime import timedelta

import pytest

from tests.station_runs import feeder, pass_time, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Switch, Target


def test_an_open_breaker_takes_the_customers_off_within_its_time() -> None:
    plant = feeder(breaker_s=2.0)
    pass_time(plant, 0.1)
    demand_mw = plant.power_mw
    assert plant.apply(Switch(closed=False), None).outcome == "accepted"
    powers = pass_time(plant, 5.0 / 3600.0, dt_s=1.0)
    assert powers[0] == pytest.approx(demand_mw, rel=0.1)
    assert powers[2:] == [0.0, 0.0, 0.0]


def test_a_long_step_holds_only_the_breakers_time() -> None:
    plant = feeder(breaker_s=2.0)
    plant.apply(Switch(closed=False), None)
    (power_mw,) = pass_time(plant, 0.25, dt_s=900.0)
    assert power_mw == pytest.approx(plant.read().state["demand_mw"] * 2.0 / 900.0, rel=0.2)


def test_customers_come_back_one_after_the_other() -> None:
    plant = feeder()
    plant.apply(Switch(closed=False), None)
    pass_time(plant, 0.5)
    plant.apply(Switch(closed=True), None)
    powers = pass_time(plant, 0.1, dt_s=10.0, at=START + timedelta(hours=0.5))
    assert powers[0] < 0.1 * powers[-1]
    assert powers[5] < 0.6 * powers[-1]


def test_calls_of_a_year_run_out() -> None:
    plant = feeder(calls_per_year=3)
    reasons = []
    for k in range(12):
        answer = plant.apply(Switch(closed=False), None)
        reasons.append(answer.reason.code if answer.reason else "")
        pass_time(plant, 0.1, at=START + timedelta(hours=0.2 * k))
        plant.apply(Switch(closed=True), None)
    assert plant.totals()["calls"] == 3.0
    assert reasons[-1] == "calls_exhausted"


def test_the_hours_of_a_year_close_it_again() -> None:
    plant = feeder(hours_per_year=1.0)
    plant.apply(Switch(closed=False), None)
    pass_time(plant, 2.0, dt_s=900.0)
    assert plant.totals()["open_s"] == pytest.approx(3600.0, abs=3.0)
    assert plant.power_mw > 5.0
    answer = plant.apply(Switch(closed=False), None)
    assert answer.reason is not None
    assert answer.reason.code == "hours_exhausted"


def test_a_breaker_refuses_now_and_then() -> None:
    refused = 0
    plant = feeder(calls_per_year=1000)
    for k in range(400):
        answer = plant.apply(Switch(closed=False), None)
        refused += answer.outcome == "rejected"
        pass_time(plant, 1.0 / 60.0, at=START + timedelta(minutes=2 * k))
        plant.apply(Switch(closed=True), None)
    assert plant.totals()["refusals"] == refused
    assert 1 <= refused <= 24


def test_what_the_contract_took_is_told_apart_from_what_nobody_agreed_to() -> None:
    plant = feeder()
    plant.apply(Switch(closed=False), None)
    pass_time(plant, 1.0)
    plant.apply(Switch(closed=True), None)
    pass_time(plant, 1.0, at=START + timedelta(hours=1), supplied=0.5)
    totals = plant.totals()
    assert totals["interrupted_mwh"] == pytest.approx(7.6, rel=0.15)
    assert totals["unserved_mwh"] > 3.0
    assert worst_residual(plant) < 1e-9


def test_a_limit_above_the_demand_leaves_it_closed_and_one_below_opens_it() -> None:
    plant = feeder()
    assert plant.apply(Limit(max_power_mw=10.0), None).power_mw > 5.0
    answer = plant.apply(Target(power_mw=4.0), None)
    assert (answer.outcome, answer.power_mw) == ("clamped", 0.0)
