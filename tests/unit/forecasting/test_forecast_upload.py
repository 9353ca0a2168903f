from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.upload import day_ahead_grid, day_ahead_of, upload_csv
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid

FARM = AssetId("wind.a")
#: 08:45 park time.
MORNING = datetime(2030, 10, 1, 0, 45, tzinfo=UTC)


def forecast(at: datetime, hours: int) -> Forecast:
    grid = TimeGrid.of_steps(at, ((timedelta(minutes=15), 32), (timedelta(hours=1), hours - 8)))
    quantile = np.tile(np.linspace(0.1, 0.7, len(QUANTILE_LEVELS)), (1, grid.n, 1))
    return Forecast(grid, QUANTILE_LEVELS, (FARM,), quantile, np.full((1, grid.n), 0.4), at, ("fresh",))


def test_the_upload_has_the_96_points_of_the_next_park_day() -> None:
    day = day_ahead_grid(MORNING)
    rows = list(csv.DictReader(io.StringIO(upload_csv((day_ahead_of(forecast(MORNING, 48), FARM, 150.0, day),)))))
    assert [row["point"] for row in rows] == [str(i) for i in range(1, 97)]
    assert (rows[0]["date"], rows[0]["start"], rows[-1]["end"]) == ("2030-10-02", "00:00", "24:00")
    assert float(rows[10]["power_mw"]) == pytest.approx(60.0)


def test_a_forecast_made_after_nine_is_not_in_time() -> None:
    late = MORNING + timedelta(minutes=30)
    assert day_ahead_of(forecast(MORNING, 48), FARM, 150.0, day_ahead_grid(MORNING)).in_time
    assert not day_ahead_of(forecast(late, 48), FARM, 150.0, day_ahead_grid(late)).in_time


def test_a_forecast_that_ends_before_the_day_is_refused() -> None:
    with pytest.raises(ForecastError, match="ask for a longer horizon"):
        day_ahead_of(forecast(MORNING, 24), FARM, 150.0, day_ahead_grid(MORNING))
