"""Courses of wind and sun hang together as was learnt, and as was assumed where nobody has learnt it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from controllers.planner.horizon import planning_grid
from controllers.planner.outlook import Outlook
from controllers.planner.stochastic.weather import SAME_KIND, available_scenarios
from forecasting.dependence import Dependence, independent
from forecasting.forecast import Forecast
from vpp.ids import AssetId
from vpp.park import Park, load

SEEDS = Path(__file__).resolve().parents[3] / "seeds"
AT = datetime(2026, 10, 1, tzinfo=UTC)
COURSES = 400


@cache
def told() -> tuple[Park, Forecast, tuple[AssetId, ...]]:
    park = load(SEEDS, at=date(2026, 10, 1))
    forecast = Outlook.plain().forecast(park, planning_grid(AT), {})
    return park, forecast, tuple(farm.id for farm in park.assets_of("wind"))


def together(forecast: Forecast, pair: tuple[AssetId, AssetId]) -> float:
    """How far the courses of two farms go together, mean over the day's intervals."""
    drawn = available_scenarios(told()[0], forecast, COURSES)
    one, other = (np.argsort(np.argsort(drawn[farm], axis=0), axis=0) for farm in pair)
    return float(np.mean([np.corrcoef(one[:, t], other[:, t])[0, 1] for t in range(0, one.shape[1], 8)]))


@pytest.mark.parametrize("learnt", [-0.3, 0.0, 0.9])
def test_courses_of_two_farms_go_together_as_their_errors_did(learnt: float) -> None:
    _, forecast, (first, second, *_) = told()
    apart = independent(forecast.asset_ids)
    correlation = apart.correlation.copy()
    rows = [forecast.row(farm) for farm in (first, second)]
    correlation[np.ix_(rows, rows)] = [[1.0, learnt], [learnt, 1.0]]
    known = Dependence(apart.asset_ids, correlation, apart.fast_h, apart.slow_h, apart.slow_frac)
    assert together(replace(forecast, dependence=known), (first, second)) == pytest.approx(learnt, abs=0.12)


def test_a_farm_that_nobody_has_learnt_of_is_not_taken_for_one_that_goes_its_own_way() -> None:
    _, forecast, (first, second, *_) = told()
    known = independent(tuple(farm for farm in forecast.asset_ids if farm != second))
    for said in (None, known):
        assert together(replace(forecast, dependence=said), (first, second)) == pytest.approx(SAME_KIND, abs=0.12)
