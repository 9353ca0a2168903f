"""From a plan to what dispatch follows in the interval that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from msgspec import structs

from controllers.dispatch.guidance import (
    ConnectionGuidance,
    Guidance,
    HeatOrder,
    ShiftGuidance,
    StackOrder,
    StoreGuidance,
    TailPoint,
)
from controllers.planner.blocks.source import SOONER_FRAC
from controllers.planner.placement import Move, placed, sites_of
from controllers.planner.problem import ConnectionTerms, Problem
from controllers.planner.read import GRID_FACTOR
from controllers.planner.result import Result
from forecasting.forecast import Forecast
from vpp.ids import AreaId, AssetId, PlanId
from vpp.park import Asset, Park
from vpp.units import KW_PER_MW, FloatArray
from vpp.wire.messages import Placement

__all__ = ["GRID_FACTOR", "PEAK_PRICE_CNY_PER_MWH", "grid_carbon_kg_per_mwh", "guidance_of"]

#: Import that would lift the month's peak beyond what the plan pays for, while a quarter of an hour runs. It is only there to
#: make everything that can move go first; what it costs in the end is the demand charge.
PEAK_PRICE_CNY_PER_MWH = 3_000.0
#: How many intervals of the plan a device keeps for the time when nobody renews its lease.
_TAIL_STEPS = 3
#: Work that is to go elsewhere is asked for until the next plan.
_PLACE_WITHIN = timedelta(minutes=15)
#: Less than this that running work is to lose needs no cap. [MW]
_SLOWED_MW = 0.05


def guidance_of(plan_id: PlanId, problem: Problem, result: Result, forecast: Forecast, at: datetime) -> Guidance:
    """What dispatch follows at an instant inside the plan.

    Args:
        plan_id: Named by every command.
        problem: What was asked.
        result: What was answered.
        forecast: Behind the problem, for the confidence of the compute-shift signal.
        at: An instant of the grid.
    """
    t = result.grid.index(at)
    park = problem.park
    price = {c.id: problem.connections[c.id] for c in park.connections}
    hydrogen = {a.plate.hydrogen_node: _value(result, a, t) for a in park.assets_of("ammonia_loop")}
    heats = {a.id: _heats(result, a, t) for a in park.assets_of("arc_furnace")}
    slow = (*park.assets_of("ammonia_loop"), *(a for a in park.assets if "power_mw" in result.assets[a.id].quantities))
    return Guidance(
        plan_id=plan_id,
        source="mpc",
        connections={
            c.id: ConnectionGuidance(
                import_cny_per_mwh=float(price[c.id].import_cny_per_mwh[t]),
                export_cny_per_mwh=float(price[c.id].export_cny_per_mwh[t]),
                free_import_mw=max(price[c.id].peak_so_far_mw, float(_near(price[c.id], result.import_mw[c.id]).max())),
                above_cny_per_mwh=PEAK_PRICE_CNY_PER_MWH,
            )
            for c in park.connections
        },
        stores={a.id: _store(result, a, t) for kind in ("battery", "compressed_air") for a in park.assets_of(kind)},
        stacks={
            a.id: _stacks(result, a, t, hydrogen.get(a.plate.hydrogen_node, park.prices.hydrogen_cny_per_kg))
            for a in park.assets_of("electrolyser")
        },
        heats=heats,
        shifts=_with_placements(
            {a.id: _shift(problem, result, forecast, a, t) for a in park.assets_of("compute")},
            # A plan that goes on has said so already: work is not to be sent twice.
            placed(sites_of(problem, result), problem.grid) if t == 0 else (),
            at + _PLACE_WITHIN,
        ),
        held_mw={a.id: float(result.assets[a.id].power_mw[t]) for a in slow},
        tails={a.id: _tail(result, a, t) for a in park.assets},
        # As the plan's first interval: at the plain price what a store gives up later would tie with wasting wind now.
        curtail_cny_per_mwh=problem.curtail_cny_per_mwh * (1.0 + SOONER_FRAC),
    )


def _near(terms: ConnectionTerms, import_mw: FloatArray) -> FloatArray:
    return import_mw[: terms.near_steps] if terms.near_steps else import_mw


def _value(result: Result, asset: Asset, t: int) -> float:
    values = result.assets[asset.id].store_value
    return 0.0 if values is None else float(values[t])


def _store(result: Result, asset: Asset, t: int) -> StoreGuidance:
    """A stored MWh is worth `v`: charging pays below `v * eta`, discharging above `v / eta` and the wear."""
    value, one_way = _value(result, asset, t), float(np.sqrt(asset.plate.round_trip_frac))
    power_mw = float(result.assets[asset.id].power_mw[t])
    return StoreGuidance(value * one_way, value / one_way + asset.plate.wear_cny_per_mwh, power_mw)


def _stacks(result: Result, asset: Asset, t: int, hydrogen_cny_per_kg: float) -> StackOrder:
    schedule = result.assets[asset.id]
    on, standby = (round(float(schedule.quantities[name][t])) for name in ("stacks_on", "stacks_standby"))
    return StackOrder(on, standby, hydrogen_cny_per_kg, float(schedule.power_mw[t]))


def _heats(result: Result, asset: Asset, t: int) -> HeatOrder:
    starts = result.assets[asset.id].quantities["heat_starts"]
    at = result.grid.starts
    return HeatOrder(tuple((at[i], round(float(starts[i]))) for i in range(t, result.grid.n) if starts[i] > 0.5))


def _tail(result: Result, asset: Asset, t: int) -> tuple[TailPoint, ...]:
    power_mw, starts = result.assets[asset.id].power_mw, result.grid.starts
    last = min(t + _TAIL_STEPS, result.grid.n - 1)
    return tuple(TailPoint(starts[k], float(power_mw[k])) for k in range(t + 1, last + 1))


def _shift(problem: Problem, result: Result, forecast: Forecast, asset: Asset, t: int) -> ShiftGuidance:
    target = result.assets[asset.id].power_mw[t:]
    firm, cap_mw = problem.compute[asset.id].firm_mw[t:], problem.compute[asset.id].max_mw
    green, sure = _green_share(problem, result, asset.area)[t:], _confidence(problem, result, forecast, asset.area)[t:]
    capped = np.clip(target, 0.0, cap_mw)
    # Running work gives way to a cap, not to a target; where it is promised higher already, that stands (see `dispatch.caps`).
    slowed = result.assets[asset.id].quantities["slowed_mw"][t:] > _SLOWED_MW
    caps = np.where(slowed, capped, cap_mw)
    return ShiftGuidance(
        edges=result.grid.edges[t:],
        cap_mw=tuple(caps.tolist()),
        target_mw=tuple(capped.tolist()),
        floor_mw=tuple(np.minimum(firm, capped).tolist()),
        green_share_frac=tuple(green.tolist()),
        carbon_kg_per_mwh=tuple(((1.0 - green) * grid_carbon_kg_per_mwh(problem.park)).tolist()),
        price_cny_per_mwh=tuple(result.area_price_cny_per_mwh[asset.area][t:].tolist()),
        confidence_frac=tuple(sure.tolist()),
    )


def _with_placements(
    shifts: dict[AssetId, ShiftGuidance], moves: tuple[Move, ...], until: datetime
) -> dict[AssetId, ShiftGuidance]:
    """Each move stands in the signals of both of its clusters."""
    found = dict(shifts)
    for move in moves:
        sent = Placement(
            job_class=move.job_class, direction="send", peer=move.target, energy_mwh=round(move.energy_mwh, 3), until=until
        )
        taken = structs.replace(sent, direction="take", peer=move.source)
        for cluster, place in ((move.source, sent), (move.target, taken)):
            found[cluster] = replace(found[cluster], placements=(*found[cluster].placements, place))
    return found


def grid_carbon_kg_per_mwh(park: Park) -> float:
    """Emissions of imported energy, by the park's own grid factor; 0 when the park file names none."""
    factors = {factor.id: factor.kg_per_kwh for factor in park.emission_factors}
    return factors.get(GRID_FACTOR, 0.0) * KW_PER_MW


def _generation(result: Result, problem: Problem, area: AreaId) -> FloatArray:
    farms = [a for kind in ("wind", "solar") for a in problem.park.assets_of(kind, area)]
    return -sum((result.assets[a.id].power_mw for a in farms), start=np.zeros(problem.grid.n))


def _green_share(problem: Problem, result: Result, area: AreaId) -> FloatArray:
    """Own wind and sun over all that is drawn from them and from the connections of the area."""
    own = _generation(result, problem, area)
    bought = sum((result.import_mw[c.id] for c in problem.park.connections_of(area)), start=np.zeros(problem.grid.n))
    share: FloatArray = np.clip(own / np.maximum(own + bought, 1e-9), 0.0, 1.0)
    return share


def _confidence(problem: Problem, result: Result, forecast: Forecast, area: AreaId) -> FloatArray:
    """Chance that the generation the plan uses is there, all farms of the area taken to err together (the cautious case)."""
    rows: Mapping[AssetId, int] = {i: forecast.row(i) for i in forecast.asset_ids}
    farms = [a for kind in ("wind", "solar") for a in problem.park.assets_of(kind, area)]
    if not farms:
        return np.zeros(problem.grid.n)
    quantiles = sum(forecast.quantile_frac[rows[a.id]] * a.plate.capacity_mw for a in farms)
    used, levels = _generation(result, problem, area), np.array(forecast.quantile_levels)
    below = [np.interp(u, q, levels, left=0.0, right=1.0) for u, q in zip(used, np.asarray(quantiles), strict=True)]
    # At night all quantiles are nothing and no interpolation is meant: what counts on nothing cannot fail.
    sure: FloatArray = np.where(used > 1e-9, 1.0 - np.array(below), 1.0)
    return sure
