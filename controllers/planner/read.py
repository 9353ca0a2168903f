"""From a solver's answer to a result: schedules, prices, what is not kept, which limits bind, the bill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from controllers.planner.blocks.base import Planned
from controllers.planner.draw import Blueprint
from controllers.planner.problem import Problem
from controllers.planner.result import AssetSchedule, Binding, PlanSource, PlanStatus, Result, Unmet
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["UNMET_TOLERANCE", "FoundAnswer", "nothing_found", "promises", "read_result"]

#: Below this an unmet amount is rounding of the solver, not a promise broken.
UNMET_TOLERANCE = 1e-4
#: So many limits of an interval are told, the dearest first.
BINDING_TOLD = 4
#: A limit whose room would save less than this says nothing. [CNY a unit]
BINDING_WORTH_CNY = 1.0
#: Emission factor of imported energy: Chifeng hangs on the Northeast grid.
GRID_FACTOR = "northeast_2023"
_REASONS = {
    "unserved_mwh": "supply, stores and connections of the area give no more",
    "surplus_mwh": "nothing in the area takes more, and its connections let no more out",
    "heats_late_h": "the furnaces do not catch up with the production order",
    "hydrogen_kg": "the tank is empty and the stacks that run make no more",
    "quota_mwh": "the shortfall is cheaper than the energy, or the band and the hours left do not hold the day's quota",
    "late_mwh_h": "work is due before it can be served within the meter's limit, or serving it costs more than its deadline",
    "ammonia_t": "hydrogen is dearer than the shortfall, or the loop cannot ramp so fast",
    "called_mwh": "customers were called off at their price, the last resort before load is lost",
    "must_run_unit_h": "a unit that heat needs cannot be on in time",
    "event_above_mwh": "nothing more can be shed or supplied at less than the event's price",
    "event_below_mwh": "nothing more can be taken at less than the event's price",
    "rebound_mwh": "what was shed is due again",
    "pin_above_mwh": "the pin contradicts a physical limit",
    "pin_below_mwh": "the pin contradicts a physical limit",
    "feed_in_mwh": "the area can neither use nor store what it generates at less than the contract's price",
    "flow_mwh": "nothing relieves the line at less than its price",
}


class FoundAnswer(Protocol):
    """What is read."""

    x: FloatArray
    row_dual: FloatArray
    column_dual: FloatArray
    objective_cny: float
    bound_cny: float


def nothing_found(problem: Problem) -> Result:
    """The answer where there is none."""
    return Result(problem.grid, "none", np.inf, -np.inf, {}, {}, {}, {}, ())


def read_result(problem: Problem, blueprint: Blueprint, answer: FoundAnswer, *, status: PlanStatus, source: PlanSource) -> Result:
    """Everything a plan says, from columns and duals."""
    x, dual, h = answer.x, answer.row_dual, problem.grid.step_h
    assets = {p.asset_id: _schedule(p, x, dual, problem.grid.n) for p in blueprint.planned}
    imports = {c.connection_id: x[c.imported] for c in blueprint.connections}
    return Result(
        grid=problem.grid,
        status=status,
        objective_cny=answer.objective_cny,
        bound_cny=answer.bound_cny,
        assets=assets,
        area_price_cny_per_mwh={a.area: -dual[a.rows] / h for a in blueprint.areas},
        import_mw=imports,
        export_mw={c.connection_id: x[c.exported] for c in blueprint.connections},
        unmet=_unmet(blueprint, x, problem.grid),
        source=source,
        cost_items_cny=blueprint.model.cost_items_cny(x),
        binding=_binding(blueprint, answer, problem.grid.n),
        emissions_t=_emissions_t(problem, assets, imports),
    )


def _schedule(planned: Planned, x: FloatArray, dual: FloatArray, n: int) -> AssetSchedule:
    power = np.zeros(n) if planned.fixed_mw is None else planned.fixed_mw.copy()
    for rows, columns, coefficients in planned.power:
        np.add.at(power, rows, coefficients * x[columns])
    value = None if planned.store_rows is None else -dual[planned.store_rows]
    values = {name: -dual[rows] for name, rows in planned.value_rows.items()}
    return AssetSchedule(planned.asset_id, power, {name: x[c] for name, c in planned.quantities.items()}, value, values)


def promises(blueprint: Blueprint) -> list[tuple[str, str, IntArray]]:
    """Whose promise, which, and the columns whose positive value breaks it."""
    named: list[tuple[str, str, IntArray]] = [
        (p.asset_id, what, columns) for p in blueprint.planned for what, columns in p.unmet.items()
    ]
    named += [(a.area, "unserved_mwh", a.unserved) for a in blueprint.areas]
    named += [(a.area, "surplus_mwh", a.spilled) for a in blueprint.areas]
    named += [broken for c in blueprint.connections for broken in c.unmet]
    return [*named, *blueprint.broken]


def _unmet(blueprint: Blueprint, x: FloatArray, grid: TimeGrid) -> tuple[Unmet, ...]:
    found: list[Unmet] = []
    for where, what, columns in promises(blueprint):
        by_interval = columns.shape == grid.step_h.shape
        amount = float((x[columns] * (grid.step_h if by_interval else np.ones(columns.shape))).sum())
        if amount > UNMET_TOLERANCE:
            since = grid.starts[int(np.argmax(x[columns] > UNMET_TOLERANCE))] if by_interval else None
            found.append(Unmet(where, what, amount, _REASONS.get(what.split(".")[0], ""), since))
    return tuple(found)


def _binding(blueprint: Blueprint, answer: FoundAnswer, n: int) -> tuple[Binding, ...]:
    """Quantities at a limit of their own whose room has a worth; counts that were only rounded are no limits."""
    model = blueprint.model
    named: list[tuple[str, str, IntArray]] = [
        (p.asset_id, what, columns)
        for p in blueprint.planned
        for what, columns in p.quantities.items()
        if what != "generation_mw"  # the forecast, and no limit of the park's
    ]
    for planned in blueprint.connections:
        named += [(planned.connection_id, "import_mw", planned.imported), (planned.connection_id, "export_mw", planned.exported)]
    found = _peaks(blueprint, answer)
    for where, what, columns in named:
        if columns.shape != (n,) or model.integer[columns].any():
            continue
        worth = answer.column_dual[columns]
        for at_most, limit, saves in ((True, model.high[columns], -worth), (False, model.low[columns], worth)):
            # Zero as a lower limit is no news: nothing flows because nothing pays.
            tells = (
                (saves > BINDING_WORTH_CNY)
                & np.isfinite(limit)
                & (at_most | (limit != 0.0))
                & (model.low[columns] < model.high[columns])
            )
            tells &= np.abs(answer.x[columns] - limit) < 1e-6 * (1.0 + np.abs(limit))
            found += [Binding(int(t), where, what, at_most, float(limit[t]), float(saves[t])) for t in np.flatnonzero(tells)]
    found.sort(key=lambda one: (one.step, -one.worth_cny))
    told: list[Binding] = []
    for one in found:
        if sum(other.step == one.step for other in told[-BINDING_TOLD:]) < BINDING_TOLD:
            told.append(one)
    return tuple(told)


def _peaks(blueprint: Blueprint, answer: FoundAnswer) -> list[Binding]:
    """Intervals whose import sets the month's peak, and with it the demand charge."""
    found: list[Binding] = []
    for planned in blueprint.connections:
        if planned.peak_rows is None:
            continue
        worth = -answer.row_dual[planned.peak_rows]
        for t in np.flatnonzero(worth > BINDING_WORTH_CNY).tolist():
            limit = float(answer.x[planned.imported[t]])
            found.append(Binding(t, planned.connection_id, "month_peak_import_mw", True, limit, float(worth[t])))
    return found


def _emissions_t(problem: Problem, assets: Mapping[AssetId, AssetSchedule], imports: Mapping[ConnectionId, FloatArray]) -> float:
    """CO2 of grid energy by the park's own factor, and of fuel by each plate."""
    park, h = problem.park, problem.grid.step_h
    factors = {factor.id: factor.kg_per_kwh for factor in park.emission_factors}
    grid_t_per_mwh = factors.get(GRID_FACTOR, 0.0)
    from_grid = sum(float((imports[c.id] * h).sum()) for c in park.connections if c.is_grid)
    burnt = sum(
        float((np.maximum(-assets[a.id].power_mw, 0.0) * h).sum()) * float(a.plate.emission_t_per_mwh)
        for a in park.assets_of("thermal_unit")
    )
    return grid_t_per_mwh * from_grid + burnt
