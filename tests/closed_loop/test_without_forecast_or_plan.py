"""The controller without what it plans by: no weather runs for a day, a forecaster that fails, a solver out of time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controllers.edge import Phase
from controllers.loops.forecast import Forecaster, Told
from controllers.planner import SolveSettings
from sim_harness.faults import FaultEntry
from sim_harness.scenario import Scenario, load
from tests.run_rig import Run, fault
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.wire.codec import decode
from vpp.wire.messages import ForecastCurrent
from vpp.wire.topics import Channel, topic_of

BESS = AssetId("bess.hongshan")
HOUR_MIN = 60
#: No solver finishes anything in this.
NO_TIME_S = 1e-6


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    found = load("first-week")
    # A quarter to noon of park time: the day's weather run is received at noon.
    return replace(found, start=found.start + timedelta(hours=11.75), days=2.0, control_step_s=900.0)


@asynccontextmanager
async def running(scenario: Scenario, models: Path, *faults: FaultEntry) -> AsyncIterator[Run]:
    run = Run(scenario, *faults, policy="mpc", models=models)
    await run.start()
    yield run
    assert run.phase(BESS) is Phase.HELD
    await run.end()
    assert sum(run.site.world.truth().limit_violation_s.values()) == 0.0


def sources(run: Run) -> str:
    guidance = run.controllers[0].guidance.value
    assert guidance is not None
    return guidance.source


def late(run: Run) -> bool:
    """Whether the forecast in force says that it lacks its weather."""
    said = run.controllers[0].forecasts.value
    assert said is not None
    return any({"run_late", "run_missing"} & set(of_farm) for of_farm in said.flags)


@pytest.mark.no_cover  # a hundred plans: counting lines would double their time
async def test_a_day_without_weather_runs_is_planned_on_a_forecast_that_says_so(scenario: Scenario, models: Path) -> None:
    told: list[ForecastCurrent] = []
    async with running(scenario, models, fault("forecast_missing", 0.0, 24.0 * HOUR_MIN)) as run:
        topic = topic_of(run.park.id, Channel.FORECAST_CURRENT)
        run.wire.world_bus.subscribe(topic, lambda name, payload: told.append(decode(ForecastCurrent, name, payload)))
        await run.until(24 * HOUR_MIN)
        planner = run.controllers[0].planner
        assert planner is not None
        assert planner.lost == 0
        assert sources(run) == "mpc"
        assert late(run)
        assert len(told) > 90
        await run.until(25 * HOUR_MIN)
        assert not late(run)


async def test_a_forecaster_that_fails_for_a_day_leaves_plans_on_its_last_word_and_then_the_rules(
    scenario: Scenario, models: Path
) -> None:
    async with running(scenario, models) as run:
        await run.until(HOUR_MIN)
        controller = run.controllers[0]
        sound = controller._foreteller  # noqa: SLF001  nobody else says
        assert isinstance(sound, Forecaster)

        async def fails(self: Forecaster, grid: TimeGrid) -> Told:
            raise ForecastError("no weather, no history, no models")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Forecaster, "tell", fails)
            await run.until(25 * HOUR_MIN)
            assert sources(run) in ("mpc", "last_plan", "rules")
            said = controller.forecasts.value
            assert said is not None
            assert said.issued_at < run.scenario.start + timedelta(hours=1, minutes=1)
        await run.until(27 * HOUR_MIN)
        said = controller.forecasts.value
        assert said is not None
        assert said.issued_at > run.scenario.start + timedelta(hours=26)
        assert sources(run) == "mpc"


async def test_a_solver_out_of_time_leaves_the_last_plan_and_then_the_rules_and_plans_come_back(
    scenario: Scenario, models: Path
) -> None:
    async with running(scenario, models) as run:
        await run.until(2 * HOUR_MIN)
        planner = run.controllers[0].planner
        assert planner is not None
        budget, planner.settings = planner.settings, SolveSettings(guard_s=NO_TIME_S)
        await run.until(2 * HOUR_MIN + 20)
        assert sources(run) == "last_plan"
        assert run.phase(BESS) is Phase.HELD
        await run.until(12 * HOUR_MIN)
        assert sources(run) == "rules"
        assert planner.lost == 40
        planner.settings = budget
        await run.until(12 * HOUR_MIN + 20)
        assert sources(run) == "mpc"
        assert planner.lost == 40
