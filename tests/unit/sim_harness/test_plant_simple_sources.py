import pytest

from sim_harness.plants.base import Ambient
from sim_harness.plants.solar import SolarStation
from sim_harness.plants.source import Source
from sim_harness.plants.wind import WindFarm
from tests.world_builders import START, WIND, asset
from vpp.ids import AssetId
from vpp.park.plates import SolarPlate
from vpp.wire.messages import Limit, Switch, Target

FARM = AssetId("wind.a")


def farm() -> WindFarm:
    return WindFarm(asset(FARM, "wind", WIND, "a"), start=START, seed=1)


def air(available_frac: float, dt_s: float = 10.0) -> Ambient:
    return Ambient(START, dt_s, 10.0, {FARM: available_frac})


def step(plant: Source, ambient: Ambient) -> float:
    plant.settle(plant.intend(ambient).power_mw, ambient)
    return plant.power_mw


def test_a_farm_without_a_command_generates_what_the_wind_gives() -> None:
    assert step(farm(), air(0.5)) == -55.0


def test_a_target_caps_output() -> None:
    plant = farm()
    step(plant, air(0.5))
    answer = plant.apply(Target(power_mw=-40.0), None)
    step(plant, air(0.5))
    assert (answer.outcome, step(plant, air(0.5))) == ("accepted", -40.0)


def test_a_target_above_what_blows_is_clamped_to_it() -> None:
    plant = farm()
    step(plant, air(0.5))
    answer = plant.apply(Target(power_mw=-80.0), None)
    assert (answer.outcome, answer.power_mw) == ("clamped", -55.0)


def test_a_source_cannot_be_made_to_consume() -> None:
    assert farm().apply(Target(power_mw=5.0), None).outcome == "rejected"


def test_a_switch_is_rejected() -> None:
    assert farm().apply(Switch(closed=False), None).outcome == "rejected"


def test_a_cap_comes_at_the_ramp_of_its_command_from_what_is_generated() -> None:
    plant = farm()
    step(plant, air(0.5))
    plant.apply(Limit(max_power_mw=40.0), 6.0)
    assert step(plant, air(0.5)) == pytest.approx(-54.0, abs=1e-12)


def test_a_cap_that_is_lifted_comes_back_at_the_ramp_of_the_plate() -> None:
    plant = farm()
    plant.apply(Limit(max_power_mw=0.0), None)
    for _ in range(10):
        step(plant, air(1.0))
    plant.apply(Limit(max_power_mw=WIND.capacity_mw), None)
    assert step(plant, air(1.0)) == pytest.approx(-WIND.capacity_mw / 6.0, rel=1e-12)


def test_a_lull_takes_output_down_whatever_the_ramp_says() -> None:
    plant = farm()
    step(plant, air(1.0))
    assert step(plant, air(0.1)) == -11.0


def test_the_frequency_may_have_what_a_cap_holds_back() -> None:
    plant = farm()
    for _ in range(7):
        step(plant, air(1.0))
    plant.apply(Limit(max_power_mw=50.0), None)
    for _ in range(7):
        step(plant, air(1.0))
    intent = plant.intend(air(1.0))
    assert (intent.power_mw, intent.high_mw) == (-50.0, 0.0)
    assert intent.low_mw < -60.0


def test_what_the_reflex_took_is_curtailed_energy() -> None:
    plant = farm()
    plant.intend(air(0.5, 900.0))
    plant.settle(-15.0, air(0.5, 900.0))
    totals = plant.totals()
    assert (totals["generated_mwh"], totals["available_mwh"], totals["curtailed_mwh"]) == (3.75, 13.75, 10.0)


def test_an_uncurtailed_farm_reports_what_is_available_exactly() -> None:
    plant = farm()
    step(plant, air(0.5))
    assert plant.read().available_mw == 55.0


def test_a_curtailed_farm_reports_an_estimate() -> None:
    plant = farm()
    plant.intend(air(0.5))
    plant.settle(-15.0, air(0.5))
    told_mw = plant.read().available_mw
    assert told_mw is not None
    assert told_mw != 55.0
    assert told_mw == pytest.approx(55.0, rel=0.15)


def test_the_safe_power_of_a_source_is_what_it_feeds_in_now() -> None:
    plant = farm()
    step(plant, air(0.5))
    assert plant.safe_power_mw() == -55.0


def test_a_solar_station_follows_the_sun() -> None:
    plate = SolarPlate(capacity_mw=60.0, capacity_factor_frac=0.15)
    plant = SolarStation(asset("pv.a", "solar", plate, "a"), start=START, seed=1)
    ambient = Ambient(START, 10.0, 10.0, {AssetId("pv.a"): 0.25})
    assert step(plant, ambient) == -15.0


def over(frequency_hz: float, available_frac: float = 0.5) -> Ambient:
    return Ambient(START, 10.0, 10.0, {FARM: available_frac}, frequency_hz)


def test_over_frequency_takes_output_off_by_a_droop_of_five_per_cent() -> None:
    # A droop of 5 % of 50 Hz is 2.5 Hz for all of the capacity, so 0.25 Hz over the threshold is a tenth of 110 MW.
    plant = farm()
    step(plant, over(50.0))
    assert step(plant, over(50.45)) == pytest.approx(-55.0 + 11.0)


def test_nothing_happens_up_to_the_threshold_and_output_comes_back_under_it() -> None:
    plant = farm()
    step(plant, over(50.0))
    assert step(plant, over(50.2)) == -55.0
    step(plant, over(50.7))
    assert step(plant, over(50.1)) == pytest.approx(-(55.0 - 22.0 + WIND.capacity_mw / 6.0))


def test_a_wind_that_rises_under_over_frequency_is_not_used() -> None:
    plant = farm()
    step(plant, over(50.0))
    assert step(plant, over(50.45, available_frac=0.9)) == pytest.approx(-44.0)


def test_telemetry_says_what_is_out_of_service() -> None:
    plant = farm()
    step(plant, Ambient(START, 10.0, 10.0, {FARM: 0.3}, running_frac={FARM: 0.5}))
    reading = plant.read()
    assert (reading.available_mw, reading.state["running_capacity_mw"], reading.limits["max_power_mw"]) == (33.0, 55.0, 55.0)
    assert reading.state["frequency_hz"] == 50.0
