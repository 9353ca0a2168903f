from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from forecasting.known import CheckedDoor, WeatherRuns
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import Series, to_stamp

NOW = datetime(2030, 10, 1, tzinfo=UTC)
FARM = AssetId("wind.toy")


class LeakyDoor:
    """Hands out tomorrow: the bug a back-test must not profit from."""

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        stamps = np.array([to_stamp(known_at), to_stamp(known_at + timedelta(minutes=15))])
        return Series("available_frac", stamps, stamps + np.timedelta64(15, "m"), np.array([0.4, 0.5]))

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        return runs(issued=known_at, received=known_at + timedelta(hours=4))


def runs(issued: datetime, received: datetime) -> WeatherRuns:
    return WeatherRuns(
        np.array([to_stamp(issued)]), np.array([to_stamp(received)]), np.array([1.0, 2.0]), ("a",), np.zeros((1, 2, 1))
    )


def test_a_planted_leak_of_power_is_refused() -> None:
    with pytest.raises(ForecastError, match=r"power of wind.toy: 2 of 2 values were received after"):
        CheckedDoor(LeakyDoor()).power(FARM, known_at=NOW, start=NOW - timedelta(days=1), end=NOW)


def test_a_planted_leak_of_a_weather_run_is_refused() -> None:
    with pytest.raises(ForecastError, match="the door leaks the future"):
        CheckedDoor(LeakyDoor()).weather_runs(FARM, known_at=NOW)


def test_a_checked_door_lets_honest_history_through(toy_world) -> None:
    at = toy_world.start + timedelta(days=30)
    farm = toy_world.farms[0].asset_id
    seen = CheckedDoor(toy_world.door).power(farm, known_at=at, start=toy_world.start, end=at)
    assert seen.value.size == 30 * 96


def test_a_run_is_not_known_before_it_is_received() -> None:
    one = runs(issued=NOW, received=NOW + timedelta(hours=4))
    assert one.known(NOW + timedelta(hours=3)).n == 0
    assert one.known(NOW + timedelta(hours=4)).n == 1


def test_runs_that_do_not_fit_their_names_are_refused() -> None:
    with pytest.raises(ForecastError, match="value has shape"):
        WeatherRuns(np.array([to_stamp(NOW)]), np.array([to_stamp(NOW)]), np.array([1.0]), ("a", "b"), np.zeros((1, 1, 1)))


def test_doubled_runs_are_refused() -> None:
    twice = np.array([to_stamp(NOW), to_stamp(NOW)])
    with pytest.raises(ForecastError, match="must increase"):
        WeatherRuns(twice, twice, np.array([1.0]), ("a",), np.zeros((2, 1, 1)))
