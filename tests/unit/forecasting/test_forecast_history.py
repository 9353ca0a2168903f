from __future__ import annotations

import numpy as np
import pytest

from forecasting.clean import find_standstills
from forecasting.history import PowerHistory
from forecasting.known import WIND_FEATURES, WeatherRuns
from vpp.errors import ForecastError
from vpp.series import Series

QUARTER = np.timedelta64(15, "m")


def history(minutes: list[int], value: list[float], received_late_min: list[int] | None = None) -> PowerHistory:
    measured_at = np.datetime64("2030-10-01T00:00", "us") + np.array(minutes) * np.timedelta64(1, "m")
    late = np.array(received_late_min or [0] * len(minutes)) * np.timedelta64(1, "m")
    return PowerHistory.of(Series("available_frac", measured_at, measured_at + QUARTER + late, np.array(value)))


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def test_a_hole_in_the_record_is_not_a_number() -> None:
    assert np.isnan(history([0, 30], [0.1, 0.3]).value).tolist() == [False, True, False]


def test_stamps_off_the_quarter_hours_are_refused() -> None:
    with pytest.raises(ForecastError, match="off the quarter hours"):
        history([0, 22], [0.1, 0.3])


def test_a_value_counts_only_when_it_has_been_received() -> None:
    one = history([0, 15, 30], [0.1, 0.2, 0.3], received_late_min=[0, 20, 0])
    assert one.known_count(stamps("2030-10-01T00:30", "2030-10-01T00:49", "2030-10-01T00:50")).tolist() == [1, 1, 3]


def test_a_mean_leaves_out_what_was_not_measured() -> None:
    one = history([0, 30, 45], [0.2, 0.4, 0.6])
    means = one.mean_before(np.array([3, 2, 0]), 3)
    assert means[:2] == pytest.approx([0.3, 0.2])
    assert np.isnan(means[2])


def test_an_empty_record_knows_nothing() -> None:
    one = history([], [])
    assert one.last_measured_at() is None
    assert np.isnan(one.at(np.array([0]))).all()


def test_a_standstill_in_good_wind_is_found_and_a_calm_is_not() -> None:
    value = np.full(200, 0.5)
    value[20:60] = 0.0  # ten hours of zero in good wind
    value[120:180] = 0.0  # fifteen hours of zero in a calm
    issued = stamps("2030-09-30T23:00")
    wind = np.zeros((1, 60, 4))
    wind[0, :, 2] = np.where(np.arange(60) < 25, 11.0, 2.0)
    runs = WeatherRuns(issued, issued, np.arange(1.0, 61.0), WIND_FEATURES, wind)
    stood = find_standstills(history([15 * i for i in range(200)], value.tolist()), runs)
    assert np.flatnonzero(stood).tolist() == list(range(20, 60))
