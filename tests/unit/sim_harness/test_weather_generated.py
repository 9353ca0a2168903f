from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sim_harness.weather import Farm, GeneratedWeather, WeatherDoor, generated, open_weather
from vpp.errors import ScenarioError
from vpp.ids import AssetId

WEST, EAST, SUN = AssetId("wind.west"), AssetId("wind.east"), AssetId("pv.one")
FARMS = (Farm(WEST, "wind", 150.0, 0.34), Farm(EAST, "wind", 400.0, 0.30), Farm(SUN, "solar", 100.0, 0.18))
START, END = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def weather() -> GeneratedWeather:
    return GeneratedWeather(5, FARMS, START, END)


def hourly(weather: GeneratedWeather) -> np.ndarray:
    ids = [farm.asset_id for farm in FARMS]
    return weather.available_frac_array(ids, weather.start, HOUR, (weather.end - weather.start) // HOUR)


def test_the_same_seed_gives_the_same_bits(weather: GeneratedWeather) -> None:
    generated._years.cache_clear()  # made anew, not remembered
    again = GeneratedWeather(5, FARMS, START, END)
    assert np.array_equal(hourly(weather), hourly(again))
    assert np.array_equal(weather.runs_known(WEST, END).value, again.runs_known(WEST, END).value)


def test_another_seed_gives_another_world(weather: GeneratedWeather) -> None:
    assert not np.array_equal(hourly(weather), hourly(GeneratedWeather(6, FARMS, START, END)))


def test_every_farm_has_its_capacity_factor_but_for_storms(weather: GeneratedWeather) -> None:
    assert hourly(weather).mean(axis=1) == pytest.approx([0.34, 0.30, 0.18], abs=4e-3)


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


def test_the_suns_runs_miss_more_the_farther_they_look_and_know_the_night(weather: GeneratedWeather) -> None:
    runs = weather.runs_known(SUN, END)
    assert runs.features == ("ghi_w_m2", "temperature_c")
    noon = runs.value[:, 3::24, 0]  # 04:00 UTC is noon in the park
    spread = [float(np.std(noon[3 - day : runs.n - day, day] - noon[3:, 0])) for day in (1, 2, 3)]
    assert 0 < spread[0] < spread[2]
    assert runs.value[:, 15::24, 0].max() == 0.0


def test_a_run_inside_a_year_has_the_same_weather_as_the_whole_year(weather: GeneratedWeather) -> None:
    inside = GeneratedWeather(5, FARMS, datetime(2030, 3, 5, 7, tzinfo=UTC), datetime(2030, 3, 20, tzinfo=UTC))
    ids, at = [farm.asset_id for farm in FARMS], datetime(2030, 3, 10, tzinfo=UTC)
    ten_s = timedelta(seconds=10)
    assert np.array_equal(inside.available_frac_array(ids, at, ten_s, 500), weather.available_frac_array(ids, at, ten_s, 500))
    assert np.array_equal(inside.runs_known(WEST, at).value[-1], weather.runs_known(WEST, at).value[-1])
    assert inside.temperature_c(at) == weather.temperature_c(at)


def test_a_farm_more_changes_no_other_one(weather: GeneratedWeather) -> None:
    alone = GeneratedWeather(5, FARMS[1:2], START, END)
    assert np.array_equal(hourly(weather)[1], alone.available_frac_array([EAST], alone.start, HOUR, 24 * 365)[0])


def test_a_year_more_at_the_end_changes_nothing_before(weather: GeneratedWeather) -> None:
    from_here = GeneratedWeather(5, FARMS[:1], datetime(2029, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
    longer = GeneratedWeather(5, FARMS[:1], datetime(2029, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC))
    n = 24 * 730
    assert np.array_equal(
        from_here.available_frac_array([WEST], from_here.start, HOUR, n),
        longer.available_frac_array([WEST], longer.start, HOUR, n),
    )


def test_farms_stand_in_part_now_and_then_and_what_is_available_shows_it(weather: GeneratedWeather) -> None:
    quarters = [START + i * timedelta(minutes=15) for i in range(4 * 24 * 365)]
    running = np.array([weather.running_row(at)[0] for at in quarters])
    available = np.array([weather.available_row(at, 900.0)[0] for at in quarters])
    assert 0.9 < running.mean() < 1.0
    assert np.all(available <= running + 1e-12)


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


def test_a_week_of_june_is_the_june_of_the_whole_year() -> None:
    new_year, june = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 6, 10, tzinfo=UTC)
    year = open_weather(None, FARMS, seed=1, start=new_year, end=datetime(2031, 1, 1, tzinfo=UTC))
    week = open_weather(None, FARMS, seed=1, start=june, end=june + timedelta(days=7))
    ids, ten_s = [farm.asset_id for farm in FARMS], timedelta(seconds=10)
    assert np.array_equal(year.available_frac_array(ids, june, ten_s, 90), week.available_frac_array(ids, june, ten_s, 90))
    assert np.array_equal(year.runs_known(SUN, june).value[-1], week.runs_known(SUN, june).value[-1])
    assert week.history(WEST, week.start - timedelta(days=9), june).measured_at[0] == np.datetime64(
        week.start.replace(tzinfo=None)
    )


def test_faulty_farms_are_all_named_at_once() -> None:
    bad = (Farm(WEST, "wind", -1.0, 0.3), Farm(WEST, "wind", 10.0, 1.3))
    with pytest.raises(ScenarioError) as error:
        GeneratedWeather(1, bad, START, END)
    assert len(error.value.faults) == 3


def test_a_world_shorter_than_a_day_is_refused() -> None:
    with pytest.raises(ScenarioError, match="less than a day"):
        GeneratedWeather(1, FARMS, START, START + HOUR)
