from datetime import timedelta

import pytest

from tests.station_runs import compressed_air, pass_time, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Target


def starts_well(soc_frac: float = 0.5):  # type: ignore[no-untyped-def]  # the plant of a seed whose first start works
    return compressed_air(1, soc_frac=soc_frac)


def test_a_start_takes_about_five_minutes_in_each_direction() -> None:
    for asked_mw in (60.0, -60.0):
        plant = starts_well()
        plant.apply(Target(power_mw=asked_mw), None)
        powers = pass_time(plant, 0.2, dt_s=10.0)
        first = next(k for k, power in enumerate(powers) if abs(power) >= 25.0)
        assert 260.0 <= first * 10.0 <= 340.0
        assert powers[-1] == pytest.approx(asked_mw)
        assert plant.totals()["starts"] == 1.0


def test_between_rest_and_minimum_power_there_is_nothing() -> None:
    plant = starts_well()
    rest, least = plant.apply(Target(power_mw=8.0), None), plant.apply(Target(power_mw=15.0), None)
    assert (rest.outcome, rest.power_mw) == ("clamped", 0.0)
    assert (least.outcome, least.power_mw) == ("clamped", 25.0)
    assert least.reason is not None
    assert least.reason.code == "min_power"


def test_a_cycle_at_rating_returns_about_the_round_trip_of_the_plate() -> None:
    plant = starts_well()
    plant.apply(Target(power_mw=100.0), None)
    pass_time(plant, 1.0)
    first_mwh = plant.stock()["stored_mwh"]
    plant.apply(Target(power_mw=-100.0), None)
    hours = 1.0
    while plant.stock()["stored_mwh"] > 200.0:
        pass_time(plant, 1.0 / 60.0, at=START + timedelta(hours=hours))
        hours += 1.0 / 60.0
    totals = plant.totals()
    assert first_mwh > 200.0
    assert totals["discharged_mwh"] / totals["charged_mwh"] == pytest.approx(0.65, abs=0.04)


def test_the_window_of_the_cavern_is_never_left() -> None:
    full, empty = compressed_air(2, soc_frac=0.97), compressed_air(2, soc_frac=0.03)
    full.apply(Target(power_mw=100.0), None)
    empty.apply(Target(power_mw=-100.0), None)
    for plant in (full, empty):
        pass_time(plant, 3.0, dt_s=900.0)
        assert -1e-9 <= plant.soc_frac <= 1.0 + 1e-9
        assert worst_residual(plant) < 1e-9
    answer = empty.apply(Target(power_mw=-50.0), None)
    assert answer.reason is not None
    assert answer.reason.code == "cavern_low"


def test_starts_fail_now_and_then_and_are_tried_again_later() -> None:
    failed = started = 0.0
    for seed in range(4):
        plant = compressed_air(seed)
        for k in range(100):
            plant.apply(Target(power_mw=30.0 if k % 2 else -30.0), None)
            pass_time(plant, 0.5, at=START + timedelta(hours=0.5 * k))
        failed += plant.totals()["failed_starts"]
        started += plant.totals()["starts"]
    assert 0.005 < failed / started < 0.08


def test_a_limit_alone_lets_it_rest() -> None:
    plant = starts_well()
    plant.apply(Target(power_mw=60.0), None)
    pass_time(plant, 0.5)
    plant.apply(Limit(max_power_mw=50.0), None)
    pass_time(plant, 0.1, at=START + timedelta(hours=0.5))
    assert plant.power_mw == 0.0


def test_a_blackout_stops_the_machine_and_keeps_the_books() -> None:
    plant = starts_well()
    plant.apply(Target(power_mw=60.0), None)
    pass_time(plant, 0.5)
    pass_time(plant, 0.1, at=START + timedelta(hours=0.5), supplied=0.3)
    assert plant.read().state["mode"] in (0.0, 1.0)
    assert worst_residual(plant) < 1e-9


def test_a_full_cavern_that_cools_is_not_filled_again_for_a_trifle() -> None:
    plant = compressed_air(2, soc_frac=0.9)
    plant.apply(Target(power_mw=100.0), None)
    pass_time(plant, 12.0)
    assert plant.totals()["starts"] <= 2.0
