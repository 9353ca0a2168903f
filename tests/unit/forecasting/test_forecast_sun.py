"""PV stations: cleaning against the quirks in the data's README, features that look backwards only, the back-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.backtest.pv import backtest_station, report_of
from forecasting.physics import Plane, clear_plane_frac, sun_position
from forecasting.sun.clean import frozen, humidity_pct, temperature_c, usual_yield
from forecasting.sun.features import FARTHEST_STEPS, STEPS_AHEAD, basis_of, columns, station_features
from forecasting.sun.model import StationSettings
from forecasting.sun.place import learn_plane
from forecasting.sun.record import Mark, StationRecord
from forecasting.sun.stategrid import FILE_NAME, read_station, station_of
from vpp.errors import ForecastError

DATA = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / FILE_NAME).is_file(), reason=f"{FILE_NAME} is not beside the checkout")
PLANE = Plane(42.0, 96.0, 40.0, 800.0)


@pytest.fixture(scope="module")
def site_1() -> StationRecord:
    return read_station(DATA, 1)


@pytest.fixture(scope="module")
def site_3() -> StationRecord:
    return read_station(DATA, 3)


@pytest.fixture(scope="module")
def made_up() -> pd.DataFrame:
    """A hundred days of a station whose clouds come and go by the hour, in the file's form."""
    rng = np.random.default_rng(11)
    time = pd.date_range("2030-03-01", periods=100 * 96, freq="15min")
    utc = (time - pd.Timedelta(hours=8)).to_numpy().astype("datetime64[us]")
    sky = clear_plane_frac(utc, PLANE)
    cloud = np.clip(0.85 + 0.15 * np.convolve(rng.standard_normal(time.size), np.ones(12) / 3.5, mode="same"), 0.1, 1.0)
    light = 1000.0 * sky * cloud
    return pd.DataFrame({
        "site": 7, "capacity_mw": 20.0, "time": time, "power_mw": 16.0 * sky * cloud, "total_irradiance_w_m2": light,
        "global_horizontal_irradiance_w_m2": 0.8 * light, "air_temperature_c": 10.0, "air_pressure_hpa": 910.0,
        "relative_humidity_pct": 40.0,
    })  # fmt: skip


def local_days(record: StationRecord, mark: Mark) -> set[str]:
    return {str(day) for day in (record.measured_at[record.marks == mark] + np.timedelta64(8, "h")).astype("datetime64[D]")}


@needs_data
def test_days_of_standstill_under_full_sun_are_outages(site_1: StationRecord, site_3: StationRecord) -> None:
    assert {"2019-10-23", "2019-10-24", "2020-11-15"} <= local_days(site_1, Mark.OUTAGE)
    assert {"2019-02-15", "2019-05-14"} <= local_days(site_3, Mark.OUTAGE)


@needs_data
def test_the_derating_of_may_2020_and_the_plateaus_are_curtailed(site_1: StationRecord) -> None:
    days = local_days(site_1, Mark.CURTAILED)
    assert len([day for day in days if day.startswith("2020-05")]) >= 17
    assert {"2020-11-05", "2020-11-06"} <= days
    # The README counts 1,392 rows above 500 W/m2 with less than half the usual output, outages among them.
    held = (site_1.marks == Mark.CURTAILED) | (site_1.marks == Mark.OUTAGE)
    half = 0.5 * usual_yield(site_1.power_frac, site_1.irradiance_w_m2) * site_1.irradiance_w_m2 / 1000
    sunny = (site_1.irradiance_w_m2 > 500) & (site_1.power_frac < half)
    assert int((held & sunny).sum()) == int(sunny.sum()) == pytest.approx(1392, rel=0.1)


@needs_data
def test_the_copied_year_of_site_3_is_found_from_its_first_day_to_its_last(site_3: StationRecord) -> None:
    copied = local_days(site_3, Mark.COPIED)
    assert min(copied) == "2020-01-01"
    assert len(copied) >= 182
    assert not any(day.startswith("2019") for day in copied)


@needs_data
def test_sentinels_and_the_frozen_logger_leave_no_weather(site_1: StationRecord) -> None:
    stuck = site_1.measured_at == np.datetime64("2019-09-07T04:00")
    assert np.isnan(site_1.irradiance_w_m2[stuck]).all()
    assert np.isnan(site_1.temperature_c[site_1.measured_at == np.datetime64("2019-07-12T15:15")]).all()
    assert any("sentinel" in fact for fact in site_1.facts)
    assert any("frozen" in fact for fact in site_1.facts)


@needs_data
def test_misread_numbers_are_put_right_or_left_out(site_1: StationRecord, site_3: StationRecord) -> None:
    assert np.nanmax(site_1.humidity_pct) < 105
    assert -30 < np.nanmin(site_3.temperature_c) < -10
    assert np.nanmax(site_3.temperature_c) < 45
    assert np.nanmin(site_3.pressure_hpa) > 900


@needs_data
def test_the_dead_sensor_of_site_3_is_replaced_from_august_on(site_3: StationRecord) -> None:
    august = site_3.measured_at >= np.datetime64("2019-08-10")
    assert np.nanmax(site_3.irradiance_w_m2[august]) > 500
    assert site_3.power_frac.min() == 0.0


@needs_data
def test_the_sun_of_site_1_is_late_by_its_longitude(site_1: StationRecord) -> None:
    plane = learn_plane(site_1.before(56_140))
    noon_h = 12 + (120 - plane.longitude_deg) / 15
    # The README: solar noon near 13:30 Beijing time.
    assert noon_h == pytest.approx(13.5, abs=0.3)
    assert 30 <= plane.tilt_deg <= 55


@needs_data
def test_a_test_part_that_is_a_copy_is_refused(site_3: StationRecord) -> None:
    with pytest.raises(ForecastError, match="repeats the year before"):
        backtest_station(site_3, StationSettings())


def test_by_hand_misread_readings() -> None:
    assert humidity_pct(np.array([6546.5, 50.0, 3276.7])) == pytest.approx([0.0, 50.0, np.nan], nan_ok=True)
    assert temperature_c(np.array([-3276.4, 3276.7, 5.0])) == pytest.approx([-0.4, np.nan, 5.0], nan_ok=True)
    assert frozen(np.concatenate((np.full(60, 40.0), np.zeros(60)))).sum() == 60


def test_the_features_of_an_origin_do_not_change_when_the_future_is_taken_away(made_up: pd.DataFrame) -> None:
    record = station_of(made_up, "made up")
    now = FARTHEST_STEPS + 1000
    whole, cut = basis_of(record, PLANE), basis_of(record.before(now + 1), PLANE)
    for ahead in (1, STEPS_AHEAD):
        row = np.array([now])
        assert np.array_equal(station_features(whole, row, ahead), station_features(cut, row, ahead), equal_nan=True)
    assert station_features(whole, row, 1).shape == (1, len(columns()))


def test_a_tilted_plane_faces_the_noon_sun() -> None:
    noon = np.array(["2030-03-20T05:36"], dtype="datetime64[us]")
    elevation = sun_position(noon, PLANE.latitude_deg, PLANE.longitude_deg).elevation_deg[0]
    assert elevation == pytest.approx(90 - 42.0, abs=0.7)
    level = Plane(42.0, 96.0, 0.0, 800.0)
    assert clear_plane_frac(noon, PLANE)[0] > 1.15 * clear_plane_frac(noon, level)[0]
    assert clear_plane_frac(np.array(["2030-03-20T18:00"], dtype="datetime64[us]"), PLANE)[0] == 0.0


def test_the_backtest_reports_every_step_and_beats_persistence(made_up: pd.DataFrame) -> None:
    small = StationSettings(share_frac=0.15, rounds=40, spread_rounds=20, leaves=15)
    facts = report_of(backtest_station(station_of(made_up, "made up"), small), 7)
    assert [step["step"] for step in facts["steps"]] == list(range(1, 17))
    assert {"site", "mean_daylight_nrmse_frac", "accuracy_4h_frac", "rivals", "coverage"} <= set(facts)
    assert facts["mean_daylight_nrmse_frac"] < facts["rivals"]["persistence"]["mean_daylight_nrmse_frac"]
    assert facts["crossings"] == 0
    assert facts["accuracy_4h_frac"] == pytest.approx(1 - facts["steps"][-1]["nrmse_frac"])


def test_a_record_that_is_too_short_is_refused(made_up: pd.DataFrame) -> None:
    with pytest.raises(ForecastError, match="too few to train and test on"):
        backtest_station(station_of(made_up[:3000], "short"), StationSettings())


def test_a_missing_column_is_named(made_up: pd.DataFrame, tmp_path: Path) -> None:
    made_up.drop(columns="power_mw").to_parquet(tmp_path / FILE_NAME)
    with pytest.raises(ForecastError, match="column power_mw is missing"):
        read_station(tmp_path, 7)


def test_a_site_that_is_not_in_the_file_is_named_with_those_that_are(made_up: pd.DataFrame, tmp_path: Path) -> None:
    made_up.to_parquet(tmp_path / FILE_NAME)
    with pytest.raises(ForecastError, match=r"no site 1; it has \[7\]"):
        read_station(tmp_path, 1)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="no such file"):
        read_station(tmp_path, 1)


def test_doubled_stamps_are_refused(made_up: pd.DataFrame) -> None:
    with pytest.raises(ForecastError, match="1 doubled stamps, the first 2030-03-01 00:00"):
        station_of(pd.concat([made_up[:1], made_up]), "doubled")


def test_stamps_off_the_quarter_hours_are_refused(made_up: pd.DataFrame) -> None:
    shifted = made_up.assign(time=made_up["time"] + pd.Timedelta(minutes=7))
    with pytest.raises(ForecastError, match="off the quarter hours"):
        station_of(shifted, "shifted")


def test_a_gap_becomes_missing_readings_and_not_zeros(made_up: pd.DataFrame) -> None:
    record = station_of(made_up.drop(index=range(3000, 3010)), "gap")
    assert record.n == len(made_up)
    assert np.isnan(record.power_frac[3000:3010]).all()
    assert (record.marks[3000:3010] == Mark.MISSING).all()
