"""The generated weather against the measured one: figures of `docs/weather.md`, with room for the luck of a seed.

The bounds are those of the measured series (GEFCom2014 zones moved to the park, State Grid site 1): least and most over the
farms, widened by what 18 months of another seed differ. Where the series are at hand, they are asked again.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from sim_harness.site import farms_of
from sim_harness.weather import GeneratedWeather, MeasuredWeather
from sim_harness.weather.measured import SOLAR_FILE, WIND_FILE
from sim_harness.weather.realism import SunPortrait, WindPortrait, sun_portrait, wind_portrait
from sim_harness.weather.statistics import autocorrelation, excess_kurtosis, run_error, spectrum
from sim_harness.weather.zones import NEAR_ZONES, wind_zone
from vpp.ids import AssetId
from vpp.park import load

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("VPP_DATA_DIR", ROOT.parent / "shared" / "data"))
FARMS = tuple(f for f in farms_of(load(ROOT / "seeds", at=date(2030, 10, 1))) if f.kind == "wind" or f.asset_id == "pv.envision")
START, END = datetime(2029, 7, 1, 2, tzinfo=UTC), datetime(2030, 12, 30, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def generated() -> GeneratedWeather:
    return GeneratedWeather(1, FARMS, START, END)


@pytest.fixture(scope="module")
def wind(generated: GeneratedWeather) -> WindPortrait:
    return wind_portrait(generated)


@pytest.fixture(scope="module")
def sun(generated: GeneratedWeather) -> SunPortrait:
    return sun_portrait(generated, AssetId("pv.envision"))


def pairs(matrix: np.ndarray, farms: tuple[AssetId, ...]) -> tuple[float, float]:
    """Mean inside the two groups of near farms, and across them."""
    rows = [[i for i, farm in enumerate(farms) if wind_zone(farm) in zones] for zones in NEAR_ZONES]
    inside = [matrix[a, b] for group in rows for a in group for b in group if a < b]
    return float(np.mean(inside)), float(np.mean([matrix[a, b] for a in rows[0] for b in rows[1]]))


def test_wind_has_the_measured_marginal_distribution(wind: WindPortrait) -> None:
    assert 0.27 < wind.std_frac.mean() < 0.33
    assert 0.08 < wind.zero_frac.mean() < 0.18
    assert wind.quantile_frac[:, 1:].mean(axis=0) == pytest.approx([0.069, 0.258, 0.559, 0.901], abs=0.06)


def test_wind_has_the_measured_ramps_over_one_four_and_twelve_hours(wind: WindPortrait) -> None:
    assert wind.ramp_std_frac.mean(axis=0) == pytest.approx([0.104, 0.218, 0.327], rel=0.12)
    assert 3.5 < wind.ramp_kurtosis.mean() < 7.5


def test_wind_has_the_measured_memory(wind: WindPortrait) -> None:
    assert wind.memory[:, :6].mean(axis=0) == pytest.approx([0.939, 0.795, 0.620, 0.395, 0.246, 0.042], abs=0.08)


def test_the_spectrum_falls_with_about_the_square_of_the_frequency(wind: WindPortrait) -> None:
    # Measured between 12 h and 2 h: -1.8 to -2.5 by zone.
    frequency, density = spectrum(wind.hourly_frac[0], 1.0)
    fast = frequency > 1 / 12
    slope = float(np.polyfit(np.log(frequency[fast]), np.log(density[fast]), 1)[0])
    assert -2.7 < slope < -1.7


def test_near_farms_share_their_wind_and_far_ones_half_of_it(wind: WindPortrait) -> None:
    near, far = pairs(wind.correlation, wind.farms)
    assert near == pytest.approx(0.894, abs=0.05)
    assert far == pytest.approx(0.432, abs=0.12)


def test_the_error_of_the_runs_is_of_the_measured_size_and_grows(wind: WindPortrait) -> None:
    error = wind.error_rms_frac.mean(axis=0)
    assert error[0] == pytest.approx(0.161, abs=0.025)
    assert error[5] == pytest.approx(0.179, abs=0.025)
    assert error[:6].mean() < error[6:12].mean() < error[12:].mean()
    assert error[17] == pytest.approx(0.266, abs=0.03)


def test_the_error_of_the_runs_lasts_for_hours_and_is_shared_by_near_farms_only(wind: WindPortrait) -> None:
    assert wind.error_memory[:, :4].mean(axis=0) == pytest.approx([0.798, 0.455, 0.225, 0.092], abs=0.09)
    near, far = pairs(wind.error_correlation, wind.farms)
    assert near == pytest.approx(0.594, abs=0.12)
    assert far < 0.2


def test_the_sky_has_the_measured_distribution_and_steps(sun: SunPortrait) -> None:
    assert sun.index_quantile == pytest.approx([0.195, 0.567, 0.861, 0.957, 1.003], abs=0.07)
    assert sun.step_std == pytest.approx([0.099, 0.176, 0.271], rel=0.2)
    assert sun.daily.std() == pytest.approx(0.216, abs=0.04)


def test_the_bounds_are_those_of_the_measured_series(wind: WindPortrait, sun: SunPortrait) -> None:
    for name in (WIND_FILE, SOLAR_FILE):
        if not (DATA / name).is_file():
            pytest.skip(f"no measured series: looked for {DATA / name}; set VPP_DATA_DIR to the folder that holds it")
    measured = MeasuredWeather(DATA, FARMS, seed=1)
    real, sky = wind_portrait(measured), sun_portrait(measured, AssetId("pv.envision"))
    assert real.ramp_std_frac.mean(axis=0) == pytest.approx([0.104, 0.218, 0.327], abs=0.005)
    assert real.error_rms_frac.mean(axis=0)[[0, 5]] == pytest.approx([0.161, 0.179], abs=0.005)
    assert pairs(real.correlation, real.farms) == pytest.approx((0.894, 0.432), abs=0.01)
    assert sky.step_std == pytest.approx([0.099, 0.176, 0.271], abs=0.005)
    assert wind.quarter_ramp_std_frac.mean() == pytest.approx(real.quarter_ramp_std_frac.mean(), rel=0.2)


def test_the_statistics_know_white_noise() -> None:
    noise = np.random.default_rng(1).standard_normal(200_000)
    assert autocorrelation(noise, 3) == pytest.approx(0.0, abs=0.01)
    assert excess_kurtosis(noise) == pytest.approx(0.0, abs=0.05)
    _, density = spectrum(noise, 1.0)
    assert density.mean() == pytest.approx(2.0, rel=0.05)  # one-sided: all the variance below half a cycle an hour


def test_a_perfect_forecast_leaves_no_error() -> None:
    wind = np.random.default_rng(1).uniform(3.0, 15.0, (200, 24))
    assert run_error(np.clip(wind / 15.0, 0, 1), wind).rms(1, 24) < 0.02
