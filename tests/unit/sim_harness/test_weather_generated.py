from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sim_harness.weather import Farm, GeneratedWeather, WeatherDoor, open_weather
from vpp.errors import ScenarioError
from vpp.ids import AssetId

WEST, EAST, SUN = AssetId("wind.west"), AssetId("wind.east"), AssetId("pv.one")
FARMS = (Farm(WEST, "wind", 150.0, 0.34), Farm(EAST, "wind", 400.0, 0.30), Farm(SUN, "solar", 100.0, 0.18))
START, END = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def weather() -> GeneratedWeather:
    return GeneratedWeather(5, FARMS, START, END)


def hourly(weather: GeneratedWeather) -> np.ndarray:
    ids = [farm.asset_id for farm in FARMS]
    return weather.available_frac_array(ids, weather.start, HOUR, (weather.end - weather.start) // HOUR)


def test_the_same_seed_gives_the_same_bits(weather: GeneratedWeather) -> None:
    again = GeneratedWeather(5, FARMS, START, END)
    assert np.array_equal(hourly(weather), hourly(again))
    assert np.array_equal(weather.runs_known(WEST, END).value, again.runs_known(WEST, END).value)


def test_another_seed_gives_another_world(weather: GeneratedWeather) -> None:
    assert not np.array_equal(hourly(weather), hourly(GeneratedWeather(6, FARMS, START, END)))


def test_every_farm_has_its_capacity_factor(weather: GeneratedWeather) -> None:
    assert hourly(weather).mean(axis=1) == pytest.approx([0.34, 0.30, 0.18], abs=1e-3)


def test_wind_is_shared_in_part_and_steps_are_of_the_measured_size(weather: GeneratedWeather) -> None:
    power = hourly(weather)[:2]
    assert 0.3 < np.corrcoef(power)[0, 1] < 0.9
    # Hourly steps of the ten measured farms have a standard deviation of 0.081-0.121.
    assert np.all((np.diff(power).std(axis=1) > 0.07) & (np.diff(power).std(axis=1) < 0.13))


def test_the_sun_shines_by_day_only(weather: GeneratedWeather) -> None:
    by_utc_hour = hourly(weather)[2].reshape(-1, 24).mean(axis=0)
    assert by_utc_hour[13:19].max() == 0.0  # 21:00-03:00 in the park
    assert by_utc_hour[3:6].min() > 0.4


def test_a_runs_error_grows_with_its_lead(weather: GeneratedWeather) -> None:
    runs = weather.runs_known(WEST, END)
    truth = runs.value[3:, 0, 2]  # the newest run is nearest to the truth
    error = [float(np.std(runs.value[3 - day : runs.n - day, 24 * day, 2] - truth)) for day in (1, 2, 3)]
    assert error[0] < error[1] < error[2]


def test_a_runs_errors_last_for_hours_and_are_shared_by_the_farms(weather: GeneratedWeather) -> None:
    west, east = (weather.runs_known(farm, END).value[..., 2] for farm in (WEST, EAST))
    later = {farm: value[:-1, 25:48] - value[1:, 1:24] for farm, value in ((WEST, west), (EAST, east))}
    assert np.corrcoef(later[WEST].ravel(), later[EAST].ravel())[0, 1] > 0.3
    assert np.corrcoef(later[WEST][:, :-1].ravel(), later[WEST][:, 1:].ravel())[0, 1] > 0.6


def test_winter_is_colder_than_summer(weather: GeneratedWeather) -> None:
    winter, summer = datetime(2030, 1, 15, tzinfo=UTC), datetime(2030, 6, 20, tzinfo=UTC)
    mean = [np.mean([weather.temperature_c(day + i * HOUR) for i in range(72)]) for day in (winter, summer)]
    assert mean[0] < -3 < 12 < mean[1]


def test_history_is_known_at_the_end_of_each_quarter(weather: GeneratedWeather) -> None:
    at = datetime(2030, 3, 1, 10, 7, tzinfo=UTC)
    seen = WeatherDoor(weather).power(WEST, known_at=at, start=at - HOUR, end=at + HOUR)
    assert seen.measured_at.astype("datetime64[m]").astype(str).tolist() == [
        "2030-03-01T09:15", "2030-03-01T09:30", "2030-03-01T09:45",
    ]  # fmt: skip


def test_without_data_the_weather_is_generated_with_a_past_to_learn_from() -> None:
    weather = open_weather(None, FARMS[2:], seed=1, start=END, end=END + timedelta(days=2))
    assert isinstance(weather, GeneratedWeather)
    assert END - weather.start >= timedelta(days=400)


def test_faulty_farms_are_all_named_at_once() -> None:
    bad = (Farm(WEST, "wind", -1.0, 0.3), Farm(WEST, "wind", 10.0, 1.3))
    with pytest.raises(ScenarioError) as error:
        GeneratedWeather(1, bad, START, END)
    assert len(error.value.faults) == 3


def test_a_world_shorter_than_a_day_is_refused() -> None:
    with pytest.raises(ScenarioError, match="less than a day"):
        GeneratedWeather(1, FARMS, START, START + HOUR)
