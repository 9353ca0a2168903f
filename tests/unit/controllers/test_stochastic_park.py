"""The whole park cut in two stages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np

from controllers.planner import Problem
from controllers.planner.assemble import assemble
from controllers.planner.horizon import planning_grid
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from controllers.planner.stochastic import Crew, Limits
from controllers.planner.stochastic.park import ParkTwoStage, draw_park
from controllers.planner.stochastic.plan import plan_over_scenarios
from controllers.planner.stochastic.weather import available_scenarios
from vpp.ids import AssetId
from vpp.park import load
from vpp.units import FloatArray

SEEDS = Path(__file__).resolve().parents[3] / "seeds"
AT = datetime(2030, 10, 1, tzinfo=UTC)


@cache
def told() -> tuple[Problem, dict[AssetId, FloatArray], ParkTwoStage]:
    park = load(SEEDS, at=date(2030, 10, 1))
    situation = read_situation(park, AT, None)
    forecast = Outlook.plain().forecast(park, planning_grid(AT), {})
    problem = assemble(park, situation.snapshot, forecast, {}, asks=situation.asks)
    available = dict(available_scenarios(park, forecast, 2))
    return problem, available, draw_park(problem, available)


def test_a_machine_that_turns_round_is_decided_for_the_next_hour_with_its_starts_and_later_with_neither() -> None:
    problem, _, drawn = told()
    (cavern,) = problem.park.assets_of("compressed_air")
    (planned,) = [one for one in drawn.blueprint.planned if one.asset_id == cavern.id]
    soon = problem.grid.offset_h < 1.0
    for name in ("compressing", "generating", "compressing_starts", "generating_starts"):
        assert np.array_equal(drawn.cut.first[planned.quantities[name]], soon)


def test_two_courses_of_the_weather_have_one_plan_near_its_bound() -> None:
    problem, available, drawn = told()
    found = plan_over_scenarios(problem, available, Limits(0.0, 3e-3), Crew(), like=drawn)
    assert found.answer.bound_cny <= found.answer.best.objective_cny + 1e-6
    assert found.answer.gap_cny <= 3e-3 * found.result.gross_cny
    assert found.result.source == "scenarios"
