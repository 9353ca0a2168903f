"""What wind and cold do to farms; numbers from data sheets and standards that the modules cite."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from sim_harness.weather import Farm, GeneratedWeather
from sim_harness.weather.air import Air
from sim_harness.weather.icing import ice_power_frac
from sim_harness.weather.outage import running_frac
from sim_harness.weather.pv_station import RACK, ROOF, dc_power_frac, snow_cover_frac
from sim_harness.weather.sky import clear_sky
from sim_harness.weather.wind_farm import density_factor, farm_power_frac, storm_stop_frac
from vpp.errors import ScenarioError
from vpp.ids import AssetId

JUNE = np.datetime64("2030-06-21T00:00", "us")
JANUARY = np.datetime64("2030-01-10T00:00", "us")
QUARTER = np.timedelta64(15, "m")


def test_a_farm_is_still_in_calm_rises_with_the_wind_and_is_full_in_a_gale() -> None:
    power = farm_power_frac(np.array([1.0, 5.0, 8.0, 11.0, 18.0]))
    assert power[0] == 0.0
    assert np.all(np.diff(power) > 0)
    assert power[-1] == pytest.approx(1.0, abs=0.01)


def test_wakes_and_spread_make_the_farm_weaker_than_its_turbine_at_rated_wind() -> None:
    assert farm_power_frac(np.array([11.8]))[0] < 0.95


def test_cold_air_is_dense_and_thin_air_of_the_plateau_is_not() -> None:
    # IEC 61400-12-1; dry air at 92 kPa and 15 degC weighs 1.112 kg/m3.
    assert density_factor(np.array([15.0]))[0] == pytest.approx((1.112 / 1.225) ** (1 / 3), abs=1e-3)
    assert density_factor(np.array([-20.0]))[0] > density_factor(np.array([20.0]))[0]


def test_turbines_stop_above_25_and_start_again_only_below_20() -> None:
    wind = np.array([17.0, 24.0, 29.0, 24.0, 23.0, 17.0, 24.0, 17.0])  # seven groups at 0.88 to 1.12 of it
    assert 7 * storm_stop_frac(wind) == pytest.approx([0.0, 2.0, 7.0, 7.0, 7.0, 0.0, 2.0, 0.0])


def test_a_storm_that_breaks_off_leaves_no_memory() -> None:
    wind = np.array([30.0, 10.0, 19.0])
    assert storm_stop_frac(wind).tolist() == [1.0, 0.0, 0.0]


def test_ice_takes_power_stops_the_farm_and_is_shed_in_the_thaw() -> None:
    air_c = np.array([-4.0] * 12 + [3.0] * 5)
    left = ice_power_frac(air_c, np.ones(17))
    assert left[0] < 1.0
    assert np.all(np.diff(left[:5]) < 0)
    assert left[11] == 0.0
    assert left[-1] == 1.0


@pytest.mark.parametrize(("air_c", "humidity_frac"), [(-4.0, 0.7), (-20.0, 1.0), (5.0, 1.0)])
def test_dry_deep_or_warm_air_makes_no_ice(air_c: float, humidity_frac: float) -> None:
    assert ice_power_frac(np.full(24, air_c), np.full(24, humidity_frac)).min() == 1.0


def test_an_iced_farm_starts_only_when_most_of_the_ice_is_gone() -> None:
    left = ice_power_frac(np.array([-4.0] * 8 + [-15.0] * 30), np.ones(38))
    assert np.count_nonzero(left == 0.0) > 10
    assert left[-1] > 0.8


def test_hot_modules_give_less_than_cold_ones() -> None:
    sky = clear_sky(JUNE + np.arange(96) * QUARTER)
    cold, hot = (dc_power_frac(sky, np.ones(96), np.full(96, air_c), RACK) for air_c in (0.0, 35.0))
    # PVWatts: 0.35 % per degree.
    assert hot.max() == pytest.approx(cold.max() * (1 - 0.0035 * 35), rel=0.03)


def test_clear_noon_in_june_is_nearly_a_thousand_watts_and_midnight_none() -> None:
    sky = clear_sky(JUNE + np.arange(96) * QUARTER)
    assert 900 < sky.ghi_w_m2.max() < 1050
    assert sky.ghi_w_m2[16 * 4] == 0.0  # midnight in the park


def test_snow_covers_modules_and_slides_off_steep_ones_first() -> None:
    hours = 72
    fall = np.zeros(hours)
    fall[:4] = 1.0
    air = Air(np.concatenate((np.full(24, -8.0), np.full(48, 4.0))), np.ones(hours), fall)
    sky = clear_sky(JANUARY + np.arange(hours * 4) * QUARTER)
    rack, roof = (
        snow_cover_frac(pd.Timestamp("2030-01-10", tz="UTC"), air, sky, np.ones(hours * 4), mounting) for mounting in (RACK, ROOF)
    )
    assert rack[5] == roof[5] == 1.0
    assert rack[-1] == 0.0
    assert rack.sum() < roof.sum()


def test_turbine_groups_fail_one_by_one_and_the_same_way_for_a_seed() -> None:
    farm = Farm(AssetId("wind.a"), "wind", 150.0, 0.3)
    running = running_frac(farm, 96 * 365, 1)
    assert np.array_equal(running, running_frac(farm, 96 * 365, 1))
    assert 0.92 < running.mean() < 0.999
    assert len(np.unique(running.round(3))) > 3


def test_inverters_clip_what_too_many_modules_give() -> None:
    farm = Farm(AssetId("pv.a"), "solar", 100.0, 0.24)
    weather = GeneratedWeather(1, (farm,), datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 12, 31, tzinfo=UTC))
    power = weather.history(farm.asset_id, weather.start, weather.end).value
    assert power.max() == pytest.approx(0.98)
    assert np.count_nonzero(power > 0.9799) > 100


def test_a_capacity_factor_out_of_reach_is_one_line() -> None:
    farm = Farm(AssetId("pv.a"), "solar", 100.0, 0.6)
    with pytest.raises(ScenarioError, match=r"pv.a.capacity_factor_frac: 0.6 is out of reach \(nearest 0\.\d+\)"):
        GeneratedWeather(1, (farm,), datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 9, tzinfo=UTC))
