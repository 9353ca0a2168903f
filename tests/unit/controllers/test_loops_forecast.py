"""The forecast as it travels."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from controllers.loops.commander import Stamp
from controllers.loops.forecast import forecast_message
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from tests.world_builders import START
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.wire.codec import decode, encode
from vpp.wire.messages import ForecastCurrent

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
