"""A toy world for forecasters: one windy farm, one dark one, one sunny plant, and a door to their past."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from forecasting.known import WIND_FEATURES, FarmSite, WeatherRuns
from forecasting.physics import clear_sky_ghi_w_m2, sun_position
from forecasting.settings import ForecastSettings
from vpp.ids import AssetId
from vpp.series import Series, to_stamp

START = datetime(2030, 1, 1, tzinfo=UTC)
DAYS = 70
STEP_US = np.timedelta64(15, "m").astype("timedelta64[us]")
WIND = AssetId("wind.toy")
SUN = AssetId("pv.toy")
NEW = AssetId("wind.new")


@dataclass(frozen=True)
class ToyDoor:
    """A door that holds what it is given and hides what came later."""

    power_of: dict[AssetId, Series]
    runs_of: dict[AssetId, WeatherRuns] = field(default_factory=dict)

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        empty = np.array([], dtype="datetime64[us]")
        series = self.power_of.get(farm_id, Series("available_frac", empty, empty, np.array([])))
        return series.known(known_at).between(start, end)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        return self.runs_of.get(farm_id, WeatherRuns.none()).known(known_at)

    def without_runs(self) -> ToyDoor:
        return ToyDoor(self.power_of)

    def without_power_after(self, at: datetime) -> ToyDoor:
        return replace(self, power_of={farm: one.between(START, at) for farm, one in self.power_of.items()})

    def without_runs_after(self, at: datetime) -> ToyDoor:
        return replace(self, runs_of={farm: one.known(at) for farm, one in self.runs_of.items()})


@dataclass(frozen=True)
class ToyWorld:
    """The door, the farms behind it and the size of training that suits them."""

    door: ToyDoor
    farms: tuple[FarmSite, ...]
    settings: ForecastSettings
    start: datetime
    end: datetime


def series_of(value: np.ndarray) -> Series:
    measured_at = to_stamp(START) + np.arange(value.size) * STEP_US
    return Series("available_frac", measured_at, measured_at + STEP_US, value)


@pytest.fixture(scope="session")
def toy_world() -> ToyWorld:
    rng = np.random.default_rng(7)
    hours = DAYS * 24 + 97
    slow = np.convolve(rng.standard_normal(hours + 48), np.ones(24) / 24**0.5, mode="same")[:hours]
    speed = np.clip(8.0 + 3.0 * slow, 0.5, 22.0)
    lead_h = np.arange(1.0, 97.0)
    hour = 24 * np.arange(DAYS)[:, None] + lead_h.astype(int)
    forecast = np.clip(speed[hour] + 0.02 * lead_h * rng.standard_normal(hour.shape), 0.0, None)
    runs = np.zeros((DAYS, 96, 4))
    runs[..., 0], runs[..., 2] = 0.7 * forecast, forecast
    issued_at = to_stamp(START) + np.arange(DAYS) * np.timedelta64(1, "D")
    of_farm = WeatherRuns(issued_at, issued_at + np.timedelta64(4, "h"), lead_h, WIND_FEATURES, runs)
    quarter = np.interp(np.arange(DAYS * 96) / 4 + 0.125, np.arange(hours), speed)
    power = np.clip(1 / (1 + np.exp(-(quarter - 8.5) / 1.4)) + 0.03 * rng.standard_normal(quarter.size), 0, 1)
    middle = to_stamp(START) + np.arange(DAYS * 96) * STEP_US + STEP_US // 2
    sky = clear_sky_ghi_w_m2(sun_position(middle, 42.3, 118.9).elevation_deg) / 1000
    cloud = np.repeat(rng.choice([1.0, 0.4], DAYS), 96)
    door = ToyDoor({WIND: series_of(power), SUN: series_of(np.clip(sky * cloud, 0, 1))}, {WIND: of_farm})
    farms = (FarmSite(WIND, "wind", 42.3, 118.9), FarmSite(SUN, "solar", 42.3, 118.9))
    settings = ForecastSettings(rounds=25, leaves=12, leaf_rows=20, rows=4000, span=timedelta(days=60), threads=1)
    return ToyWorld(door, farms, settings, START, START + timedelta(days=DAYS))
