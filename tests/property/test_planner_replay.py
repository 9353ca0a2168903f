"""Plans of the whole park carried out step by step by the kinds' own physics, which know nothing of the planner's rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controllers.planner import Problem, Result, SolveSettings, solve
from controllers.planner.assemble import assemble
from controllers.planner.horizon import planning_grid
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from vpp.assets import ASSET_KINDS, state_from_facts
from vpp.assets.electrolyser import hydrogen_kg_per_h
from vpp.park import Asset, Park, load
from vpp.units import FloatArray, s_to_h

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
#: A windy and a calm morning of both scenario years, on different quarters of the hour.
MOMENTS = [(2026, 1.6, 0), (2026, 0.3, 1), (2030, 1.3, 2), (2030, 0.4, 3)]
STEP_H = 0.25
#: Of the solver, relative to a machine's rating.
SLACK_MW = 1e-4


@cache
def park_of(year: int) -> Park:
    return load(SEEDS, at=date(year, 10, 1))


@cache
def planned(year: int, wind: float, quarter: int) -> tuple[Problem, Result]:
    """A plan of the whole park when the wind blows so many times as hard as in the mean."""
    park = park_of(year)
    at = datetime(year, 10, 1, 0, 15 * quarter, tzinfo=UTC)
    situation = read_situation(park, at, None)
    forecast = Outlook.plain().forecast(park, planning_grid(at), {})
    swing = wind * (1.0 + 0.4 * np.sin(forecast.grid.offset_h / 5.0))
    forecast = replace(forecast, mean_frac=np.clip(forecast.mean_frac * swing, 0.0, 1.0))
    problem = assemble(park, situation.snapshot, forecast, {}, asks=situation.asks)
    return problem, solve(problem, SolveSettings())


def fine(problem: Problem) -> range:
    """Intervals of a quarter of an hour."""
    return range(int((problem.grid.step_h == STEP_H).sum()))


def start_of(problem: Problem, asset: Asset) -> tuple[Any, Any, Any]:
    kind = ASSET_KINDS[asset.kind]
    plate = kind.plate([asset.plate])
    initial = kind.initial(plate)
    return kind, plate, state_from_facts(type(initial), [problem.states[asset.id]], initial)


def carry_out(problem: Problem, result: Result, asset: Asset, before_step: Any = None) -> list[Any]:
    """States after each quarter; a power outside what the kind can do fails with its name and the quarter."""
    kind, plate, state = start_of(problem, asset)
    power_mw = result.assets[asset.id].power_mw
    states = []
    for t in fine(problem):
        if before_step is not None:
            state = before_step(kind, plate, state, t)
        band = kind.feasible(plate, state, STEP_H)
        low, high = float(band.low_mw[0]), float(band.high_mw[0])
        assert low - SLACK_MW <= power_mw[t] <= high + SLACK_MW, (
            f"{asset.id} in quarter {t}: {power_mw[t]} not in [{low}, {high}]"
        )
        state = kind.step(plate, state, np.clip(power_mw[t : t + 1], low, high), STEP_H)
        states.append(state)
    return states


@pytest.mark.parametrize("moment", MOMENTS)
def test_batteries_can_do_what_is_planned_and_end_where_the_plan_says(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    for asset in problem.park.assets_of("battery"):
        states = carry_out(problem, result, asset)
        planned_mwh = result.assets[asset.id].quantities["stored_mwh"][fine(problem).stop - 1]
        assert float(states[-1].soc_frac[0]) * asset.plate.energy_mwh == pytest.approx(planned_mwh, abs=0.02)


@pytest.mark.parametrize("moment", MOMENTS)
def test_compressed_air_starts_runs_above_its_minimum_and_never_does_both(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    for asset in problem.park.assets_of("compressed_air"):
        quantities = result.assets[asset.id].quantities
        mode = np.round(quantities["compressing"]) - np.round(quantities["generating"])

        def switch(kind: Any, plate: Any, state: Any, t: int, mode: FloatArray = mode) -> Any:
            return kind.with_mode(plate, state, mode[t : t + 1])

        carry_out(problem, result, asset, switch)
        assert np.minimum(quantities["charge_mw"], quantities["discharge_mw"]).max() < 1e-6
        running = np.abs(mode) > 0
        least = asset.plate.min_power_frac * asset.plate.power_mw * (1.0 - s_to_h(asset.plate.start_s) / problem.grid.step_h)
        assert np.all(np.abs(result.assets[asset.id].power_mw)[running] >= least[running] - 1e-6)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ["zinc_electrowinning", "copper_refining", "submerged_arc", "flexible_load"])
def test_loads_stay_in_their_bands_and_ramps(moment: tuple[int, float, int], kind: str) -> None:
    problem, result = planned(*moment)
    for asset in problem.park.assets_of(kind):
        carry_out(problem, result, asset)


@pytest.mark.parametrize("moment", MOMENTS)
def test_thermal_units_keep_minimum_load_ramp_and_times(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    for asset in problem.park.assets_of("thermal_unit"):
        units = result.assets[asset.id].quantities.get("units_on")

        def order(kind: Any, plate: Any, state: Any, t: int, units: FloatArray | None = units) -> Any:
            if units is None:
                return state
            # A unit is ordered so long before as its start takes; here all are on or off from the beginning.
            return kind.with_units(plate, state, np.round(units[t : t + 1]))

        carry_out(problem, result, asset, order)


@pytest.mark.parametrize("moment", MOMENTS)
def test_hydrogen_made_stored_and_used_adds_up_and_the_loop_follows(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    (fleet,), (loop,) = problem.park.assets_of("electrolyser"), problem.park.assets_of("ammonia_loop")
    kind, plate, _ = start_of(problem, fleet)
    quantities = result.assets[fleet.id].quantities
    on, standby = np.round(quantities["stacks_on"]), np.round(quantities["stacks_standby"])
    alone_mw = result.assets[fleet.id].power_mw - standby * fleet.plate.standby_frac * fleet.plate.stack_mw
    made = np.array([float(hydrogen_kg_per_h(plate, on[t : t + 1], alone_mw[t : t + 1])[0]) for t in range(problem.grid.n)])
    tank, rate = result.assets[loop.id].quantities["buffer_kg"], result.assets[loop.id].quantities["rate_t_per_h"]
    vented = result.assets[loop.id].quantities["vented_kg_per_h"]
    before = np.concatenate([[problem.states[loop.id]["buffer_kg"]], tank[:-1]])
    used = rate * loop.plate.hydrogen_kg_per_t
    residual = (made - vented - used) * problem.grid.step_h - (tank - before)
    # The plan's straight pieces lie on the kind's own curve at its points and below it between them.
    assert np.all(residual >= -0.5)
    assert residual.sum() <= 0.01 * (made * problem.grid.step_h).sum() + 1.0
    del kind

    def feed(kind: Any, plate: Any, state: Any, t: int) -> Any:
        del kind, plate
        return replace(state, hydrogen_in_kg_per_h=(made - vented)[t : t + 1])

    carry_out(problem, result, loop, feed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_stack_of_a_rotated_fleet_keeps_its_minimum_times(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    (fleet,) = problem.park.assets_of("electrolyser")
    on = np.round(result.assets[fleet.id].quantities["stacks_on"]).astype(int)
    begin_h = problem.grid.offset_h
    # The stack that has rested longest starts, the one that has run longest stops.
    running = [-np.inf] * int(problem.states[fleet.id]["stacks_on"])
    resting = [-np.inf] * (fleet.plate.stacks - len(running))
    for t, count in enumerate(on.tolist()):
        while len(running) < count:
            stopped_h = resting.pop(0)
            assert begin_h[t] - stopped_h >= fleet.plate.min_off_h - 1e-9
            running.append(begin_h[t])
        while len(running) > count:
            started_h = running.pop(0)
            assert begin_h[t] - started_h >= fleet.plate.min_on_h - 1e-9
            resting.append(begin_h[t])


@pytest.mark.parametrize("moment", MOMENTS)
def test_stacks_draw_between_least_and_greatest_load(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    (fleet,) = problem.park.assets_of("electrolyser")
    quantities, plate = result.assets[fleet.id].quantities, fleet.plate
    on = np.round(quantities["stacks_on"])
    alone_mw = result.assets[fleet.id].power_mw - np.round(quantities["stacks_standby"]) * plate.standby_frac * plate.stack_mw
    assert np.all(alone_mw >= on * plate.stack_mw * plate.min_load_frac - 1e-4)
    assert np.all(alone_mw <= on * plate.stack_mw * plate.max_load_frac + 1e-4)
    assert np.all(on + np.round(quantities["stacks_standby"]) <= plate.stacks)


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment[0] == 2030])
def test_no_heat_waits_for_its_furnace_longer_than_an_interval(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    (asset,) = problem.park.assets_of("arc_furnace")
    starts = np.round(result.assets[asset.id].quantities["heat_starts"]).astype(int)
    free_h = [-np.inf] * asset.plate.furnaces
    for t in fine(problem):
        for _ in range(starts[t]):
            planned_h = problem.grid.offset_h[t]
            begins_h = max(planned_h, min(free_h))
            assert begins_h - planned_h <= STEP_H + 1e-9
            free_h[free_h.index(min(free_h))] = begins_h + s_to_h(asset.plate.tap_to_tap_s)


@pytest.mark.parametrize("moment", MOMENTS)
def test_areas_balance_and_connections_keep_their_limits(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    park = problem.park
    for area in park.area_ids:
        drawn = sum(result.assets[a.id].power_mw for a in park.assets if a.area == area)
        crossed = np.zeros(problem.grid.n)
        for c in park.connections_of(area):
            flow = result.import_mw[c.id] - result.export_mw[c.id]
            crossed += flow if c.area == area else -flow
        assert np.abs(drawn - crossed).max() < 1e-3
    for c in park.connections:
        assert np.all(result.import_mw[c.id] <= c.import_limit_mw + 1e-6)
        assert np.all(result.export_mw[c.id] <= c.export_limit_mw + 1e-6)
        assert np.minimum(result.import_mw[c.id], result.export_mw[c.id]).max() < 1e-6


@pytest.mark.parametrize("moment", MOMENTS)
def test_feeders_stay_supplied_and_nothing_is_left_without_power(moment: tuple[int, float, int]) -> None:
    problem, result = planned(*moment)
    assert not [u for u in result.unmet if u.what in ("unserved_mwh", "surplus_mwh", "called_mwh")]
    for asset in problem.park.assets_of("feeder"):
        carry_out(problem, result, asset)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_bill_adds_up_and_the_gap_is_small(moment: tuple[int, float, int]) -> None:
    _, result = planned(*moment)
    assert sum(result.cost_items_cny.values()) == pytest.approx(result.objective_cny, abs=1.0)
    assert result.bound_cny <= result.objective_cny + 1e-6
    # In a storm energy is worth less than nothing, the relaxation burns a little in ways no machine can; gross cost is small.
    assert result.gap_frac < (0.002 if moment[1] < 1.0 else 0.02)
