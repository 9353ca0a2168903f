"""The quirks that the data's README names, and what the park makes of the series."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.known import CheckedDoor
from sim_harness.weather import Farm, MeasuredWeather, WeatherDoor, open_weather
from sim_harness.weather.clean import Mark, mark_solar, mark_wind
from sim_harness.weather.measured import SOLAR_FILE, WIND_FILE
from vpp.errors import ScenarioError
from vpp.ids import AssetId

DATA = Path(os.environ.get("VPP_DATA_DIR", Path(__file__).resolve().parents[4] / "shared" / "data"))
SONGSHAN, HONGSHAN, ENVISION, SUN = (AssetId(name) for name in ("wind.songshan", "wind.hongshan", "wind.envision", "pv.envision"))
FARMS = (
    Farm(SONGSHAN, "wind", 150.0, 0.34),
    Farm(HONGSHAN, "wind", 110.0, 0.332),
    Farm(ENVISION, "wind", 1100.0, 0.36),
    Farm(SUN, "solar", 330.0, 0.185),
)
HOUR = timedelta(hours=1)
NOON = datetime(2030, 10, 7, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def data_dir() -> Path:
    for name in (WIND_FILE, SOLAR_FILE):
        if not (DATA / name).is_file():
            pytest.skip(f"no measured series: looked for {DATA / name}; set VPP_DATA_DIR to the folder that holds it")
    return DATA


@pytest.fixture(scope="module")
def weather(data_dir: Path) -> MeasuredWeather:
    return MeasuredWeather(data_dir, FARMS, seed=3)


@pytest.fixture(scope="module")
def zones(data_dir: Path) -> dict[int, pd.DataFrame]:
    table = pd.read_parquet(data_dir / WIND_FILE)
    table["speed"] = np.hypot(table["u100"], table["v100"])
    for _, rows in table.groupby("zone"):
        table.loc[rows.index, "mark"] = mark_wind(rows["power"].to_numpy(), rows["speed"].to_numpy())
    return {int(str(zone)): rows.set_index("time") for zone, rows in table.groupby("zone")}


@pytest.mark.parametrize(
    ("zone", "first", "hours", "mark"),
    [
        (6, "2012-09-04 05:00", 43, Mark.STUCK),
        (6, "2012-09-06 01:00", 26, Mark.STUCK),
        (4, "2012-08-18 20:00", 21, Mark.STUCK),
        (8, "2012-04-26 22:00", 132, Mark.OUTAGE),
        (9, "2012-10-22 21:00", 61, Mark.OUTAGE),
    ],
)
def test_the_readmes_bad_hours_are_marked(zones, zone: int, first: str, hours: int, mark: Mark) -> None:
    span = pd.date_range(first, periods=hours, freq="h")
    assert (zones[zone].loc[span, "mark"] == mark).all()
    around = [span[0] - pd.Timedelta(HOUR), span[-1] + pd.Timedelta(HOUR)]
    assert (zones[zone].loc[around, "mark"] != mark).all()


def test_the_six_nulls_of_zones_one_and_two_are_missing(zones) -> None:
    missing = {zone: int((rows["mark"] == Mark.MISSING).sum()) for zone, rows in zones.items()}
    assert {zone: n for zone, n in missing.items() if n} == {1: 6, 2: 6}


def test_the_pv_standstill_and_the_derating_of_may_are_marked(data_dir: Path) -> None:
    table = pd.read_parquet(data_dir / SOLAR_FILE)
    site = table[table["site"] == 1]
    marks = pd.Series(
        mark_solar((site["power_mw"] / site["capacity_mw"]).to_numpy(), site["total_irradiance_w_m2"].to_numpy()),
        index=pd.DatetimeIndex(site["time"]),
    )
    assert (marks["2019-10-23 09:00":"2019-10-24 18:00"] == Mark.OUTAGE).all()
    derated_days = marks["2020-05"][marks["2020-05"] == Mark.DERATED].index.normalize().nunique()
    assert 15 <= derated_days <= 31


def test_every_farm_has_its_capacity_factor(weather: MeasuredWeather) -> None:
    n = (weather.end - weather.start) // HOUR
    mean = weather.available_frac_array([farm.asset_id for farm in FARMS], weather.start, HOUR, n).mean(axis=1)
    assert mean[:3] == pytest.approx([0.34, 0.332, 0.36], abs=1e-3)
    assert mean[3] == pytest.approx(0.185, abs=0.005)  # the sun's two years are cut to the wind's 18 months


def test_near_farms_move_together_and_far_ones_less(weather: MeasuredWeather) -> None:
    n = (weather.end - weather.start) // HOUR
    power = weather.available_frac_array([SONGSHAN, HONGSHAN, ENVISION], weather.start, HOUR, n)
    near, far = np.corrcoef(power)[0, 1:]
    assert near > 0.8 > 0.6 > far


def test_the_farms_stay_at_zero_at_night(weather: MeasuredWeather) -> None:
    assert weather.available_frac(SUN, datetime(2030, 10, 7, 16, tzinfo=UTC)) == 0.0


def test_the_suns_centroid_lies_at_the_parks_noon(weather: MeasuredWeather) -> None:
    start = datetime(2029, 12, 31, 16, tzinfo=UTC)  # midnight in the park
    power = weather.available_frac_array([SUN], start, HOUR / 4, 4 * 24 * 360)[0].reshape(360, 96).mean(axis=0)
    centroid_h = float((power * (np.arange(96) / 4)).sum() / power.sum())
    assert centroid_h == pytest.approx(12 + 5 / 60, abs=0.15)


def test_a_value_now_is_held_for_ten_seconds(weather: MeasuredWeather) -> None:
    mean = weather.available_frac_array([SONGSHAN], NOON + timedelta(seconds=40), timedelta(seconds=10), 1)[0, 0]
    assert weather.available_frac(SONGSHAN, NOON + timedelta(seconds=43)) == pytest.approx(mean, abs=1e-9)


def test_the_meter_shows_nothing_where_it_was_stuck_and_the_world_goes_on(weather: MeasuredWeather) -> None:
    stuck = datetime(2012, 9, 4, 4, tzinfo=UTC) + timedelta(weeks=913, hours=2)  # zone 6, the hour that ends at 05:00
    seen = weather.history(HONGSHAN, stuck, stuck + 43 * HOUR).value
    assert np.isnan(seen).all()
    assert seen.size == 43 * 4
    truth = weather.available_frac_array([HONGSHAN], stuck, HOUR, 43)
    assert np.ptp(truth) > 0.1


def test_the_same_seed_gives_the_same_minutes_and_another_seed_others(data_dir: Path, weather: MeasuredWeather) -> None:
    minute = timedelta(minutes=1)
    one, again, other = (
        w.available_frac_array([SONGSHAN], NOON, minute, 600)
        for w in (weather, MeasuredWeather(data_dir, FARMS, seed=3), MeasuredWeather(data_dir, FARMS, seed=4))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_another_seed_keeps_the_energy_of_every_hour(data_dir: Path, weather: MeasuredWeather) -> None:
    other = MeasuredWeather(data_dir, FARMS, seed=4)
    one, two = (w.available_frac_array([SONGSHAN], weather.start, HOUR, 2000) for w in (weather, other))
    assert np.abs(one - two).max() < 1e-9


def test_a_run_is_published_four_hours_after_its_issue(weather: MeasuredWeather) -> None:
    issue = datetime(2030, 10, 7, 2, tzinfo=UTC)  # 00:00 of the data's UTC
    before = weather.runs_known(SONGSHAN, issue + timedelta(hours=3, minutes=59))
    after = weather.runs_known(SONGSHAN, issue + timedelta(hours=4))
    assert after.n == before.n + 1
    assert after.issued_at[-1] == np.datetime64("2030-10-07T02:00")


def test_the_first_day_of_a_run_is_the_measured_one(weather: MeasuredWeather, zones) -> None:
    run = weather.runs_known(SONGSHAN, NOON + 12 * HOUR)
    stamp = pd.Timestamp(run.issued_at[-1]) - pd.Timedelta(weeks=913, hours=2) + pd.Timedelta(hours=7)
    measured = zones[4].loc[stamp, ["u10", "v10", "u100", "v100"]].to_numpy(dtype=float)
    assert run.value[-1, 6] == pytest.approx(measured)


def test_what_a_run_says_does_not_change_afterwards(weather: MeasuredWeather) -> None:
    early = weather.runs_known(ENVISION, NOON)
    late = weather.runs_known(ENVISION, NOON + timedelta(days=9))
    assert np.array_equal(early.value, late.value[: early.n])


def test_a_carried_run_misses_the_later_one_more_the_farther_it_looks(weather: MeasuredWeather) -> None:
    runs = weather.runs_known(SONGSHAN, weather.end - timedelta(days=10))
    miss = [
        float(np.sqrt(np.mean((runs.value[:-3, lead] - runs.value[day : runs.n - 3 + day, lead - 24 * day]) ** 2)))
        for day, lead in ((1, 25), (1, 46), (2, 70), (3, 94))
    ]
    assert 0 < miss[0] < miss[1] < miss[2] < miss[3]


def test_the_suns_runs_are_made_up_and_the_facts_say_so(weather: MeasuredWeather) -> None:
    runs = weather.runs_known(SUN, NOON)
    assert runs.features == ("ghi_w_m2", "temperature_c")
    assert runs.n > 400
    assert any("sun runs" in fact and "made up" in fact for fact in weather.facts)


@pytest.mark.parametrize(
    "quirk",
    [
        "wind.stuck_readings", "wind.outages", "wind.partly_down_months", "wind.shared_cells", "wind.run_seam", "wind.phase",
        "wind.top", "sun.outages", "sun.derated", "sun.site_3", "sun.late_noon", "sun.column_names", "sun.sentinels",
        "sun.night", "sun.clipping", "sun.temperature", "wind runs", "calendar",
    ],
)  # fmt: skip
def test_every_quirk_is_a_named_fact(weather: MeasuredWeather, quirk: str) -> None:
    assert any(fact.startswith(quirk) for fact in weather.facts)


def test_a_month_with_part_of_the_farm_down_is_known_as_such(weather: MeasuredWeather) -> None:
    january = datetime(2013, 1, 15, tzinfo=UTC) + timedelta(weeks=913, hours=2)  # zone 7
    assert weather.running_row(january)[2] == pytest.approx(0.82, abs=0.03)
    assert weather.running_row(january + timedelta(days=60))[2] == 1.0


def test_the_air_has_the_parks_normals(weather: MeasuredWeather) -> None:
    # Chifeng, station 54218: -10.3 degC in January.
    hours = [datetime(2030, 1, 1, tzinfo=UTC) + i * HOUR for i in range(31 * 24)]
    assert np.mean([weather.temperature_c(at) for at in hours]) == pytest.approx(-10.3, abs=1.5)


def test_ten_second_values_keep_the_energy_of_their_quarters(weather: MeasuredWeather) -> None:
    ids, quarter = [farm.asset_id for farm in FARMS], timedelta(minutes=15)
    fine = weather.available_frac_array(ids, NOON, timedelta(seconds=10), 90 * 8)
    coarse = weather.available_frac_array(ids, NOON, quarter, 8)
    assert fine.reshape(4, 8, 90).mean(axis=2) == pytest.approx(coarse, abs=1e-9)
    assert np.abs(np.diff(fine[:3], axis=1)).max() < 0.05


def test_a_row_is_what_the_farms_give_over_the_step(weather: MeasuredWeather) -> None:
    ids = [farm.asset_id for farm in FARMS]
    for seconds in (10.0, 60.0, 900.0, 3600.0):
        wanted = weather.available_frac_array(ids, NOON, timedelta(seconds=seconds), 1)[:, 0]
        assert weather.available_row(NOON, seconds) == pytest.approx(wanted, abs=1e-9)


def test_the_order_of_questions_changes_no_answer(data_dir: Path, weather: MeasuredWeather) -> None:
    other = MeasuredWeather(data_dir, FARMS, seed=3)
    days = [NOON + timedelta(days=day) for day in (9, 2, 5, 0, 7)]
    backward = {day: other.available_row(day, 10.0) for day in days}
    assert all(weather.available_row(day, 10.0) == backward[day] for day in sorted(days))


def test_other_stations_meet_the_clouds_at_another_time(data_dir: Path) -> None:
    roofs = AssetId("pv.roofs_hongshan")
    suns = MeasuredWeather(data_dir, (FARMS[3], Farm(roofs, "solar", 18.0, 0.15)), seed=3)
    power = suns.available_frac_array([SUN, roofs], suns.start + timedelta(days=30), HOUR / 4, 96 * 300)
    assert 0.85 < np.corrcoef(power)[0, 1] < 0.99


def test_the_door_to_this_world_does_not_leak(weather: MeasuredWeather) -> None:
    door = CheckedDoor(WeatherDoor(weather))
    seen = door.power(SONGSHAN, known_at=NOON, start=NOON - 5 * HOUR, end=NOON + 5 * HOUR)
    assert seen.value.size == 20
    assert door.weather_runs(SONGSHAN, known_at=NOON).n > 400


def test_the_measured_years_have_bounds(weather: MeasuredWeather) -> None:
    with pytest.raises(ScenarioError, match=r"wind.songshan: 2031-02-01.* is outside \[2029-07-01"):
        weather.available_frac(SONGSHAN, datetime(2031, 2, 1, tzinfo=UTC))


def test_an_unknown_farm_is_named(weather: MeasuredWeather) -> None:
    with pytest.raises(ScenarioError, match=r"no farm wind.nowhere; it knows pv.envision"):
        weather.available_frac(AssetId("wind.nowhere"), NOON)


def test_a_run_outside_the_measured_years_is_refused(data_dir: Path) -> None:
    with pytest.raises(ScenarioError, match="is outside the measured"):
        open_weather(data_dir, FARMS, seed=1, start=NOON, end=datetime(2031, 2, 1, tzinfo=UTC))


def test_the_year_2026_is_served_by_the_same_rule(data_dir: Path) -> None:
    start = datetime(2026, 10, 7, tzinfo=UTC)
    weather = open_weather(data_dir, FARMS, seed=1, start=start, end=start + timedelta(days=7))
    assert weather.start < datetime(2025, 7, 2, tzinfo=UTC)


def test_a_missing_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=rf"--data {tmp_path}: no file {SOLAR_FILE}; give the folder that holds it$"):
        open_weather(tmp_path, FARMS, seed=1, start=NOON, end=NOON + timedelta(days=1))


def test_a_missing_folder_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such folder"):
        open_weather(tmp_path / "none", FARMS, seed=1, start=NOON, end=NOON + timedelta(days=1))
