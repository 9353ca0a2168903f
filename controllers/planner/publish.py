"""A result as others read it: the plan of the model, and the facts that `vpp plan` writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import numpy as np

from controllers.planner.guide import grid_carbon_kg_per_mwh
from controllers.planner.problem import Problem
from controllers.planner.result import Binding, Result
from vpp.assets import ASSET_KINDS, state_from_facts
from vpp.ids import AssetId, PlanId
from vpp.park import Asset
from vpp.plan import AssetPlan, Plan, Unmet, ValueCurve
from vpp.units import FloatArray

__all__ = ["heats_of", "plan_facts", "plan_of"]

#: How long a device follows the plan's tail when nobody speaks to it, before it takes its safe power.
FALLBACK: Final = timedelta(minutes=45)
_DIGITS: Final = 4
_STATUS: Final = {"optimal": "optimal", "incumbent": "incumbent", "none": "rules"}


def plan_of(plan_id: PlanId, problem: Problem, result: Result) -> Plan:
    """The result as a plan of the model layer, with worths, limits and what is not met."""
    words: dict[str, list[str]] = {}
    for one in result.binding:
        words.setdefault(one.where, []).append(f"{result.grid.starts[one.step].isoformat()} {one.words()}")
    return Plan(
        plan_id=plan_id,
        made_at=result.grid.start,
        grid=result.grid,
        assets={
            asset_id: AssetPlan(
                asset_id=asset_id,
                power_mw=schedule.power_mw,
                available_mw=problem.available_mw.get(asset_id),
                value=result.curves.get(asset_id),
                binding=tuple(words.get(asset_id, ())),
            )
            for asset_id, schedule in result.assets.items()
        },
        status=_STATUS[result.status],  # type: ignore[arg-type]  # literals above
        gap_frac=result.gap_frac,
        cost_items_cny=result.cost_items_cny,
        unmet=tuple(Unmet(f"{u.where}.{u.what}", u.amount, u.reason) for u in result.unmet),
    )


def heats_of(result: Result, asset: Asset) -> list[dict[str, object]]:
    """Heats with their times: several of one interval follow one another in it."""
    starts = np.round(result.assets[asset.id].quantities["heat_starts"]).astype(int)
    found: list[dict[str, object]] = []
    for step, count in enumerate(starts.tolist()):
        begin, length = result.grid.starts[step], timedelta(hours=float(result.grid.step_h[step]))
        fine = length <= timedelta(minutes=15)
        for k in range(count):
            at = begin if fine else begin + length * k / count
            found.append({"asset": asset.id, "start": at.isoformat(), "heat_mwh": asset.plate.heat_mwh, "firm": fine})
    return found


def plan_facts(problem: Problem, result: Result) -> dict[str, Any]:
    """Everything a plan says, as plain values: units in the keys, one number an interval."""
    park, plan = problem.park, plan_of(PlanId(f"plan.{result.grid.start:%Y%m%dT%H%M%S}"), problem, result)
    return {
        "plan_id": plan.plan_id,
        "park": park.id,
        "source": result.source,
        "status": result.status,
        "objective": result.objective_cny,
        "bound": result.bound_cny,
        "gap_cny": result.gap_cny,
        "gap_frac": result.gap_frac,
        "gross_cny": result.gross_cny,
        "cost_items_cny": {k: round(v, 2) for k, v in result.cost_items_cny.items()},
        "emissions_t": round(result.emissions_t, 3),
        "edges": [edge.isoformat() for edge in result.grid.edges],
        "assets": {asset.id: _asset(problem, result, asset) for asset in park.assets},
        "areas": {a: {"price_cny_per_mwh": _row(p)} for a, p in result.area_price_cny_per_mwh.items()},
        "connections": {
            c.id: {"import_mw": _row(result.import_mw[c.id]), "export_mw": _row(result.export_mw[c.id])} for c in park.connections
        },
        "heats": [heat for asset in park.assets_of("arc_furnace") for heat in heats_of(result, asset)],
        "compute_shift": {a.id: _shift(problem, result, a) for a in park.assets_of("compute")},
        "ammonia": {a.id: _ammonia(problem, result, a) for a in park.assets_of("ammonia_loop")},
        "value_curves": {i: _curve(curve) for i, curve in result.curves.items()},
        "fallback": {a.id: _fallback(problem, plan, a) for a in park.assets},
        "unmet": [{"where": u.where, "what": u.what, "amount": round(u.amount, 4), "reason": u.reason} for u in result.unmet],
        "binding": [_binding(result, one) for one in result.binding],
    }


def _row(values: FloatArray) -> list[float]:
    rounded: list[float] = (np.round(values, _DIGITS) + 0.0).tolist()
    return rounded


def _asset(problem: Problem, result: Result, asset: Asset) -> dict[str, Any]:
    schedule = result.assets[asset.id]
    facts: dict[str, Any] = {"kind": asset.kind, "area": asset.area, "power_mw": _row(schedule.power_mw)}
    if asset.id in problem.available_mw:
        facts["available_mw"] = _row(problem.available_mw[asset.id])
        facts["curtailed_mw"] = _row(np.maximum(problem.available_mw[asset.id] + schedule.power_mw, 0.0))
    facts |= {name: _row(values) for name, values in schedule.quantities.items() if name != "power_mw"}
    if schedule.store_value is not None:
        facts["store_value"] = _row(schedule.store_value)
    facts |= {f"store_value.{name}": _row(values) for name, values in schedule.values.items()}
    return facts


def _shift(problem: Problem, result: Result, asset: Asset) -> list[dict[str, object]]:
    """The compute-shift intervals: cap, target and floor with the price and the carbon of the area's energy."""
    need, schedule = problem.compute[asset.id], result.assets[asset.id]
    generated = -sum(
        (result.assets[a.id].power_mw for kind in ("wind", "solar") for a in problem.park.assets_of(kind, asset.area)),
        start=np.zeros(result.grid.n),
    )
    bought = sum((result.import_mw[c.id] for c in problem.park.connections_of(asset.area)), start=np.zeros(result.grid.n))
    green = np.clip(generated / np.maximum(generated + bought, 1e-9), 0.0, 1.0)
    carbon = (1.0 - green) * grid_carbon_kg_per_mwh(problem.park)
    price = result.area_price_cny_per_mwh[asset.area]
    return [
        {
            "start": result.grid.edges[t].isoformat(),
            "end": result.grid.edges[t + 1].isoformat(),
            "cap_mw": round(need.max_mw, _DIGITS),
            "target_mw": round(float(min(schedule.power_mw[t], need.max_mw)), _DIGITS),
            "floor_mw": round(float(min(need.firm_mw[t], schedule.power_mw[t], need.max_mw)), _DIGITS),
            "green_share_frac": round(float(green[t]), _DIGITS),
            "carbon_kg_per_mwh": round(float(carbon[t]), _DIGITS),
            "price_cny_per_mwh": round(float(price[t]), _DIGITS),
        }
        for t in range(result.grid.n)
    ]


def _ammonia(problem: Problem, result: Result, asset: Asset) -> dict[str, float]:
    quantities, step_h = result.assets[asset.id].quantities, problem.grid.step_h
    return {
        "ammonia_t": round(float((quantities["rate_t_per_h"] * step_h).sum()), _DIGITS),
        "owed_t": round(problem.ammonia_owed_t.get(asset.id, 0.0), _DIGITS),
        "buffer_end_kg": round(float(quantities["buffer_kg"][-1]), _DIGITS),
        "vented_kg": round(float((quantities["vented_kg_per_h"] * step_h).sum()), _DIGITS),
    }


def _curve(curve: ValueCurve) -> dict[str, list[float]]:
    return {"level_breaks": _row(curve.level_breaks), "value": _row(curve.value_cny_per_mwh)}


def _fallback(problem: Problem, plan: Plan, asset: Asset) -> dict[str, object]:
    """What travels with each command: the plan's tail, then the safe power of the asset's own kind."""
    tail = plan.fallback(asset.id, plan.grid.start, FALLBACK)
    return {
        "tail": [{"from": at.isoformat(), "power_mw": round(power, _DIGITS)} for at, power in tail],
        "then_mw": round(_safe_mw(problem, asset.id), _DIGITS),
    }


def _safe_mw(problem: Problem, asset_id: AssetId) -> float:
    asset = problem.park.asset(asset_id)
    kind = ASSET_KINDS[asset.kind]
    plate = kind.plate([asset.plate])
    state = state_from_facts(type(kind.initial(plate)), [problem.states.get(asset_id, {})], kind.initial(plate))
    return float(kind.safe_power_mw(plate, state)[0])


def _binding(result: Result, one: Binding) -> dict[str, object]:
    return {
        "start": result.grid.starts[one.step].isoformat(),
        "where": one.where,
        "what": one.what,
        "limit": round(one.limit, _DIGITS),
        "worth_cny": round(one.worth_cny, 2),
        "words": one.words(),
    }
