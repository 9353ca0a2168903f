"""The qualification test (能力测试) on the simulated park: steps are called, and judged against the world that was not called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np

from controllers.proof.qualification import Certificate, Qualification, Tested, TestStep, certify
from sim_harness.declared import Declarations
from sim_harness.grid.events import ScenarioEvent
from sim_harness.proof import Twin, proofs_of_run
from sim_harness.run import Progress, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.truth import Truth
from vpp.errors import ScenarioError
from vpp.ids import ConnectionId
from vpp.units import HOURS_PER_DAY

__all__ = ["QualifyOptions", "qualify"]

#: Kinds of assets that are no consumers.
_NO_LOAD: Final = frozenset({"wind", "solar", "thermal_unit", "battery", "compressed_air"})
#: After the last step so much is watched, for its rebound. [h]
_AFTER_H: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifyOptions:
    """How the park is tested.

    Args:
        connection: Whose import is called; None for the grid connection with the largest limit.
        up_mw: Less import that the park declares. [MW]
        down_mw: More import. [MW]
        begin_h: Hour of the scenario's first day at which the test begins. [h]
    """

    connection: ConnectionId | None = None
    up_mw: float
    down_mw: float
    begin_h: float = 8.0


def qualify(scenario: Scenario, test: Qualification, how: QualifyOptions, options: RunOptions) -> Certificate:
    """Runs the world without the test first, so that each step can ask for its change against it; then the test.

    Args:
        scenario: The world; its own calls are left out, its faults and its luck stay.
        test: Thresholds and steps.
        how: What is declared.
        options: Who controls.

    Raises:
        ScenarioError: The park has no connection to the grid, or the test begins on no whole quarter.
        BalanceError: Something does not add up.
    """
    connection = how.connection or _largest(scenario)
    alone = _test_day(scenario, test, how)
    steps = tuple(_step(step, connection, how) for step in test.steps)
    twin = _ran(alone, replace(options, watch=steps, progress=_half(options.progress, 0.0)))
    calls = tuple(_by_target(step, alone, twin) for step in steps)
    heard = Declarations()
    told = replace(options, watch=steps, progress=_half(options.progress, 0.5), prepare=heard.attach)
    mine = _ran(replace(alone, events=calls), told)
    proofs = proofs_of_run(calls, alone.start, mine, twin, declared=heard)
    where = f"simulated park 仿真园区, scenario {scenario.name}, seed {scenario.seed}, policy {options.policy}"
    tested = Tested(where=where, declared_mw=(how.up_mw, how.down_mw), normal_load_mw=_normal_load_mw(twin.truth))
    return certify(test, tested, proofs)


def _step(step: TestStep, connection: ConnectionId, how: QualifyOptions) -> ScenarioEvent:
    return ScenarioEvent(
        event_id=f"qualify.{step.id}",
        kind=step.kind,
        connection=connection,
        start_h=step.start_h,
        duration_h=step.duration_h,
        change_mw=step.share_frac * (how.up_mw if step.kind == "peak" else how.down_mw),
    )


def _by_target(call: ScenarioEvent, alone: Scenario, twin: Twin) -> ScenarioEvent:
    """The target that asks for the change against what the connection draws without the test, in the mean over the step."""
    steps = twin.trace.steps(call.connection or ConnectionId(""), call.start(alone.start), call.end(alone.start))
    level_mw = float(np.average(steps[2], weights=steps[1]))
    change_mw = call.change_mw or 0.0
    target_mw = level_mw + change_mw if call.kind == "valley" else level_mw - change_mw
    return replace(call, target_mw=target_mw, change_mw=None)


def _half(progress: Progress | None, done: float) -> Progress | None:
    return None if progress is None else lambda share: progress(done + share / 2.0)


def _ran(scenario: Scenario, options: RunOptions) -> Twin:
    outcome = run_scenario(scenario, options)
    return Twin(outcome.trace, outcome.truth)


def _test_day(scenario: Scenario, test: Qualification, how: QualifyOptions) -> Scenario:
    if (how.begin_h * 4.0) % 1.0:
        raise ScenarioError([f"--begin: {how.begin_h:g}: must be on a quarter of an hour"])
    own = tuple(event for event in scenario.events if not event.is_call)
    if own:
        raise ScenarioError([f"{scenario.name}: has events of the grid of its own; take a scenario without"])
    days = (np.ceil((test.length_h + _AFTER_H) * 4.0) / 4.0) / HOURS_PER_DAY
    start = scenario.start + timedelta(hours=how.begin_h)
    return replace(scenario, start=start, days=float(days), events=(), history_days=0, strata=None)


def _largest(scenario: Scenario) -> ConnectionId:
    grid = [c for c in load_park_of(scenario).connections if c.is_grid]
    if not grid:
        raise ScenarioError([f"{scenario.name}: its park has no connection to the grid; there is nothing to test"])
    return max(grid, key=lambda c: c.import_limit_mw).id


def _normal_load_mw(truth: Truth) -> float:
    """Mean of what all consumers drew where nothing was called. [MW]."""
    rows = np.array([truth.park.asset(asset_id).kind not in _NO_LOAD for asset_id in truth.assets])
    return float(truth.energy_mwh[rows].sum() / truth.grid.step_h.sum())
