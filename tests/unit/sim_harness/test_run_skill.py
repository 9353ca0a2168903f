"""How good the forecasts on the wire were: judged by what was available, over what the run covers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from sim_harness.plants.base import PushOrder
from sim_harness.skill import ForecastEar
from sim_harness.truth import Truth
from sim_harness.world import World
from tests.world_builders import START, WIND, SteadyWeather, asset, connection, park, stub
from vpp.timegrid import TimeGrid
from vpp.wire.codec import encode
from vpp.wire.messages import ForecastCurrent, ForecastSeries
from vpp.wire.topics import Channel, topic_of

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
QUARTER = timedelta(minutes=15)
TOPIC = topic_of("test", Channel.FORECAST_CURRENT)
UNKNOWN = {"wind_nrmse_frac": None, "wind_pinball": None, "solar_nrmse_frac": None, "solar_pinball": None}


def truth_of(*available_frac: float) -> Truth:
    """A wind farm that delivers less than it could: so much of its capacity in each quarter of an hour."""
    farm = stub("wind.a", "a", -1.0, -1.0, -1.0, PushOrder.NEVER)
    farm.counters = {"available_mwh": 0.0}
    world = World(park([asset("wind.a", "wind", WIND, "a")], [connection("grid.a", "a")]), [farm], SteadyWeather(), START)
    for k, share in enumerate(available_frac):
        farm.counters = {"available_mwh": farm.counters["available_mwh"] + share * WIND.capacity_mw * 0.25}
        world.step(START + k * QUARTER, QUARTER.total_seconds())
    return world.truth()


def say(bus: LocalBus, *value_frac: float, first: int = 0, who: str = "wind.a") -> None:
    """A forecast from the `first` quarter hour on, all seven levels alike in each interval."""
    grid = TimeGrid.regular(START + first * QUARTER, QUARTER, len(value_frac))
    values = tuple((v,) * 7 for v in value_frac)
    series = (ForecastSeries(id=who, quantity="available_frac", values=values),)
    bus.post(TOPIC, encode(ForecastCurrent(epoch=1, seq=1, issued_at=START, edges=grid.edges, levels=LEVELS, series=series)))


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def ear(bus: LocalBus) -> ForecastEar:
    return ForecastEar(bus, "test")


def test_without_a_forecast_there_is_no_skill(ear: ForecastEar) -> None:
    assert ear.skill(truth_of(0.5)) == UNKNOWN


def test_a_forecast_that_comes_true_has_no_error(bus: LocalBus, ear: ForecastEar) -> None:
    say(bus, 0.5, 0.6)
    assert ear.skill(truth_of(0.5, 0.6)) == {**UNKNOWN, "wind_nrmse_frac": pytest.approx(0.0), "wind_pinball": pytest.approx(0.0)}


def test_the_median_is_judged_by_what_was_available_and_not_by_what_was_delivered(bus: LocalBus, ear: ForecastEar) -> None:
    say(bus, 0.3, 0.4)
    # Errors of 0.3 and 0.4: the root of their mean square.
    assert ear.skill(truth_of(0.6, 0.8))["wind_nrmse_frac"] == pytest.approx(0.125**0.5)


def test_every_level_counts_in_the_pinball_loss(bus: LocalBus, ear: ForecastEar) -> None:
    say(bus, 0.5)
    # All levels say 0.5 and 0.7 came: each loses its level times 0.2, and the levels average to one half.
    assert ear.skill(truth_of(0.7))["wind_pinball"] == pytest.approx(0.1)


def test_only_intervals_that_forecast_and_run_share_are_judged(bus: LocalBus, ear: ForecastEar) -> None:
    say(bus, 0.5, 0.9, 0.9, first=1)
    assert ear.skill(truth_of(0.1, 0.5))["wind_nrmse_frac"] == pytest.approx(0.0)


def test_every_forecast_counts_whatever_its_lead_time(bus: LocalBus, ear: ForecastEar) -> None:
    say(bus, 0.5, 0.5)
    say(bus, 0.9, first=1)
    # Two forecasts of the second quarter hour, one right and one 0.4 off, and a right one of the first.
    assert ear.skill(truth_of(0.5, 0.5))["wind_nrmse_frac"] == pytest.approx((0.16 / 3.0) ** 0.5)


@pytest.mark.parametrize(("first", "who"), [(8, "wind.a"), (0, "wind.other")])
def test_a_forecast_of_another_time_or_farm_says_nothing(bus: LocalBus, ear: ForecastEar, first: int, who: str) -> None:
    say(bus, 0.5, first=first, who=who)
    assert ear.skill(truth_of(0.5)) == UNKNOWN
