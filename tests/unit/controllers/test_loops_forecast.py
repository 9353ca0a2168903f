"""The forecast loop, and the forecast as it travels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.bus.local import LocalBus
from controllers.loops.commander import Commander, Stamp
from controllers.loops.forecast import ForecastDesk, Forecaster, area_load_mw, forecast_message, run_forecast
from controllers.loops.mailbox import Mailbox
from forecasting.baselines import ignorance
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from forecasting.known import CheckedDoor, FarmSite, WeatherRuns
from forecasting.load_sites import load_sites, references_mw
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels
from sim_harness.clock import SimClock
from tests.world_builders import START
from vpp.ids import AssetId
from vpp.park import Park, load
from vpp.series import Series, to_stamp
from vpp.timegrid import TimeGrid
from vpp.wire.codec import MAX_PAYLOAD_BYTES, decode, encode
from vpp.wire.messages import ForecastCurrent
from vpp.wire.topics import Channel, topic_of

IDS = (AssetId("wind.a"), AssetId("pv.a"))
STAMP = Stamp(epoch=3, seq=9, issued_at=START)


def forecast(*quality: Quality) -> Forecast:
    grid = TimeGrid.regular(START, timedelta(minutes=15), 96)
    quantiles = np.sort(np.random.default_rng(1).uniform(size=(2, grid.n, len(QUANTILE_LEVELS))), axis=2)
    return Forecast(grid, QUANTILE_LEVELS, IDS, quantiles, quantiles.mean(axis=2), START, quality)


def test_a_forecast_survives_the_wire_with_every_row_rising() -> None:
    sent = forecast_message(forecast("fresh", "fresh"), STAMP)
    read = decode(ForecastCurrent, "forecast", encode(sent))
    assert [series.id for series in read.series] == list(IDS)
    for series in read.series:
        assert np.all(np.diff(np.array(series.values), axis=1) >= 0.0)


def whole_park() -> tuple[Park, Forecast]:
    """The park of 2030, and two days in quarter hours of every farm and load with all the digits that there can be."""
    park = load(Path(__file__).parents[3] / "seeds", at=date(2030, 10, 1))
    loads = tuple(site.asset_id for site in load_sites(park))
    ids = (*(a.id for kind in ("wind", "solar") for a in park.assets_of(kind)), *loads)
    grid = TimeGrid.regular(START, timedelta(minutes=15), 196)
    quantiles = np.sort(np.random.default_rng(1).uniform(size=(len(ids), grid.n, len(QUANTILE_LEVELS))), axis=2)
    known = Forecast(grid, QUANTILE_LEVELS, ids, quantiles, quantiles.mean(axis=2), START, ("fresh",) * len(ids))
    return park, replace(known, loads=frozenset(loads))


def test_loads_travel_beside_farms_by_area_and_the_whole_park_fits_a_message() -> None:
    park, known = whole_park()
    sent = encode(forecast_message(known, STAMP, park))
    assert len(sent) < MAX_PAYLOAD_BYTES
    told = {series.id: series for series in decode(ForecastCurrent, "forecast", sent).series if series.quantity == "load_mw"}
    assert set(told) == {a.area for kind in ("base_load", "feeder") for a in park.assets_of(kind)}
    size_mw = references_mw(park)
    own = [i for i in size_mw if park.asset(i).area == "songshan"]
    wanted_mw = sum(known.quantile_frac[known.row(i)] * size_mw[i] for i in own)
    np.testing.assert_allclose(np.array(told["songshan"].values), wanted_mw, atol=0.0051)


def test_a_load_that_the_park_no_longer_has_is_not_published() -> None:
    park, known = whole_park()
    smaller = replace(park, assets=tuple(a for a in park.assets if a.area != "songshan"))
    assert "songshan" not in area_load_mw(known, smaller)


def test_rounding_moves_no_quantile_by_more_than_half_a_digit() -> None:
    known = forecast("fresh", "fresh")
    travelled = np.array([series.values for series in forecast_message(known, STAMP).series])
    np.testing.assert_allclose(travelled, known.quantile_frac, atol=0.5001e-4)


def test_a_forecast_carries_the_stamp_it_was_given() -> None:
    message = forecast_message(forecast("fresh", "fresh"), STAMP)
    assert (message.epoch, message.seq, message.issued_at) == (3, 9, START)


@pytest.mark.parametrize(("quality", "stale"), [("fresh", False), ("stale", False), ("persistence", True), ("climatology", True)])
def test_one_farm_without_a_model_behind_it_marks_the_forecast(quality: Quality, stale: bool) -> None:
    assert forecast_message(forecast("fresh", quality), STAMP).stale is stale


def test_a_load_on_the_profile_of_its_week_does_not_mark_it() -> None:
    known = replace(forecast("fresh", "persistence"), loads=frozenset(IDS[1:]))
    assert not forecast_message(known, STAMP).stale


@dataclass
class Past:
    """A farm that has run at half its capacity for a day; it may tell a quarter too early what it will do."""

    leaks: bool = False

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        first = to_stamp(START - timedelta(days=1))
        at = first + np.arange(96) * np.timedelta64(15, "m")
        received = at + np.timedelta64(15, "m") + np.timedelta64(60 if self.leaks else 0, "m")
        return Series("available_frac", at, received, np.full(at.shape, 0.5))

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        return WeatherRuns.none()


def forecaster(past: Past) -> Forecaster:
    """One wind farm for which nothing was learnt yet: its last value, fading into what is possible."""
    farm = FarmSite(IDS[0], "wind", 42.3, 118.9)
    models = ForecastModels((farm,), (), (ignorance(),), ForecastSettings(), START, "none")
    return Forecaster(models, CheckedDoor(past))


def two_hours(at: datetime) -> TimeGrid:
    return TimeGrid.regular(at, timedelta(minutes=15), 8)


async def two_ticks() -> AsyncIterator[datetime]:
    yield START
    yield START + timedelta(minutes=15)


async def test_the_loop_keeps_its_last_forecast_and_publishes_it() -> None:
    bus, box = LocalBus(), Mailbox[Forecast]()
    await run_forecast(two_ticks(), forecaster(Past()), two_hours, ForecastDesk(box, Commander(bus, "test", SimClock(START))))
    topic = topic_of("test", Channel.FORECAST_CURRENT)
    published = decode(ForecastCurrent, topic, bus.retained[topic])
    assert box.value is not None
    assert box.value.grid.start == START + timedelta(minutes=15)
    assert published.edges == box.value.grid.edges
    assert published.stale


async def test_a_forecast_that_fails_leaves_the_one_before_and_publishes_nothing() -> None:
    bus, before = LocalBus(), forecast("fresh", "fresh")
    box = Mailbox(before)
    desk = ForecastDesk(box, Commander(bus, "test", SimClock(START)))
    await run_forecast(two_ticks(), forecaster(Past(leaks=True)), two_hours, desk)
    assert box.value is before
    assert bus.retained == {}
