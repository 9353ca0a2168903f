from datetime import UTC, datetime, timedelta

import pytest

from tests.station_runs import pass_time, thermal, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Switch, Target

JANUARY = datetime(2030, 1, 14, 16, tzinfo=UTC)
WINTER = (11, 12, 1, 2, 3)


def test_left_alone_it_runs_at_least_load() -> None:
    plant = thermal()
    pass_time(plant, 2.0)
    assert plant.power_mw == pytest.approx(-135.0)


def test_a_target_is_reached_by_the_ramp_of_the_plate() -> None:
    plant = thermal()
    assert plant.apply(Target(power_mw=-270.0), None).outcome == "accepted"
    powers = pass_time(plant, 1.0)
    assert powers[9] == pytest.approx(-135.0 - 9.5 * 0.015 * 270.0)
    assert powers[-1] == pytest.approx(-270.0)


def test_a_unit_is_stopped_only_where_the_rest_cannot_go_so_low() -> None:
    plant = thermal()
    plant.apply(Target(power_mw=-100.0), None)
    pass_time(plant, 1.0)
    assert plant.read().state["units_on"] == 1.0
    assert plant.power_mw == pytest.approx(-100.0)


def test_a_stopped_unit_rests_and_then_needs_hours_to_come_back() -> None:
    plant = thermal()
    plant.apply(Switch(closed=False), None)
    pass_time(plant, 0.1)
    assert plant.power_mw == 0.0
    plant.apply(Switch(closed=True), None)
    hours = 0.0
    while plant.read().state["units_on"] < 2.0:
        pass_time(plant, 0.25, at=START + timedelta(hours=hours))
        hours += 0.25
        assert hours < 12.0
    assert hours > 7.0  # six at rest, and a start of a unit that is still warm
    assert plant.totals()["starts"] == 2.0
    assert worst_residual(plant) < 1e-9


def test_a_unit_that_has_just_started_may_not_be_stopped() -> None:
    plant = thermal(min_off_h=0.0, start_h=0.5)
    plant.apply(Switch(closed=False), None)
    pass_time(plant, 0.1)
    plant.apply(Switch(closed=True), None)
    pass_time(plant, 1.0, at=START + timedelta(hours=0.1))
    answer = plant.apply(Target(power_mw=0.0), None)
    assert (answer.outcome, answer.power_mw) == ("clamped", pytest.approx(-135.0))


def test_part_load_burns_more() -> None:
    low, full = thermal(), thermal()
    full.apply(Target(power_mw=-270.0), None)
    pass_time(low, 24.0, dt_s=900.0)
    pass_time(full, 24.0, dt_s=900.0)
    rates = [plant.totals()["fuel_equivalent_mwh"] / plant.totals()["generated_mwh"] for plant in (low, full)]
    assert rates[0] == pytest.approx(1.07, abs=0.005)
    assert rates[1] == pytest.approx(1.0, abs=0.005)
    assert low.totals()["emissions_t"] == pytest.approx(0.9 * low.totals()["fuel_equivalent_mwh"])


def test_in_the_heating_season_units_stay_on_and_cold_days_raise_their_least_load() -> None:
    plant = thermal(start=JANUARY, heat_bound_months=WINTER)
    pass_time(plant, 24.0, dt_s=900.0, temperature_c=-18.0, at=JANUARY)
    assert plant.power_mw == pytest.approx(-0.75 * 270.0, rel=0.02)
    answer = plant.apply(Switch(closed=False), None)
    assert answer.reason is not None
    assert answer.reason.code == "heat_bound"
    pass_time(plant, 1.0, temperature_c=-18.0, at=JANUARY + timedelta(hours=24))
    assert plant.read().state["units_on"] == 2.0


def test_a_steam_led_plant_follows_its_steam_and_says_so() -> None:
    plant = thermal(heat_led=True, units=1, unit_mw=30.0)
    answer = plant.apply(Target(power_mw=-30.0), None)
    assert answer.reason is not None
    assert answer.reason.code == "steam_led"
    powers = pass_time(plant, 24.0, dt_s=900.0)
    assert -30.0 <= min(powers) < max(powers) <= -15.0


def test_a_plant_that_is_off_by_default_stays_off_also_in_winter() -> None:
    plant = thermal(start=JANUARY, heat_bound_months=WINTER, off_by_default=True)
    pass_time(plant, 6.0, dt_s=900.0, at=JANUARY)
    assert plant.power_mw == 0.0


def test_units_trip_some_four_times_a_year() -> None:
    trips = 0.0
    for seed in range(3):
        plant = thermal(seed)
        pass_time(plant, 24.0 * 365.0, dt_s=3600.0)
        trips += plant.totals()["trips"]
        assert worst_residual(plant) < 1e-9
    assert 10.0 <= trips <= 40.0  # six unit-years


def test_a_limit_takes_it_down_to_least_load_and_no_further() -> None:
    plant = thermal()
    plant.apply(Target(power_mw=-250.0), None)
    pass_time(plant, 1.0)
    answer = plant.apply(Limit(max_power_mw=50.0), None)
    assert (answer.outcome, answer.power_mw) == ("clamped", pytest.approx(-135.0))
