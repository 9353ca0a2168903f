"""Units that burn coal or biomass: counts of units on, with minimum load, ramps, times and start costs."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import Term, first_since, lagged, spread, term
from vpp.park import Asset
from vpp.park.plates import ThermalUnitPlate
from vpp.units import MINUTES_PER_HOUR, IntArray

__all__ = ["add_thermal_unit"]

#: A unit that may not stop yet, or may not start yet, and was rounded to do so. [CNY a unit and interval]
HASTY_CNY = 5_000.0


def add_thermal_unit(ctx: BuildContext, asset: Asset) -> Planned:
    """Fuel for what is generated, starts for what comes on; steam-led units follow their steam and are no decision."""
    plate: ThermalUnitPlate = asset.plate
    on_now = min(ctx.problem.fact(asset.id, "units_on", 0.0), float(plate.units))
    if plate.heat_led:
        return _follow_steam(ctx, asset, plate, on_now)
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    must = min(ctx.problem.must_run.get(asset.id, 0), plate.units)
    # Off by default: the plan does not start what the park keeps in reserve, but lives with what runs.
    most = max(on_now, float(must)) if plate.off_by_default else float(plate.units)
    on = b.columns(n, high=most, integer=True)
    started = b.columns(n, cost=plate.start_cost_cny, item="starts")
    stopped = b.columns(n)
    was = np.zeros(n)
    was[0] = on_now
    b.rows(n, term(on), lagged(on, 1, -1.0), term(started, -1.0), term(stopped), low=was, high=was)
    _keep_times(ctx, asset, plate, on_now, (on, started, stopped))
    generated = b.columns(n, cost=plate.fuel_cost_cny_per_mwh * h, item="fuel")
    least, most = _load_mw(ctx, asset, plate)
    b.rows(n, term(generated), term(on, -most), high=0.0)
    b.rows(n, term(generated), term(on, -least), low=0.0)
    cold = b.columns(n, cost=HASTY_CNY * h, item="must_run")
    b.rows(n, term(on), term(cold), low=float(must))
    _keep_ramp(ctx, asset, plate, (on, started, stopped, generated))
    power: Term = term(generated, -1.0)
    ctx.draw(asset.area, power)
    quantities = {"units_on": on, "unit_starts": started, "power_mw": generated}
    return Planned(asset.id, power=(power,), quantities=quantities, nested=("units_on",), unmet={"must_run_unit_h": cold})


def _load_mw(ctx: BuildContext, asset: Asset, plate: ThermalUnitPlate) -> tuple[float, float]:
    """Least and most of one unit: district heat raises the one and lowers the other, as the plant itself reports. [MW]."""
    fact = ctx.problem.fact
    least = min(max(fact(asset.id, "least_frac", plate.min_load_frac), plate.min_load_frac), 1.0)
    return plate.unit_mw * least, plate.unit_mw * min(max(fact(asset.id, "most_frac", 1.0), least), 1.0)


def _follow_steam(ctx: BuildContext, asset: Asset, plate: ThermalUnitPlate, on_now: float) -> Planned:
    least = on_now * plate.unit_mw * plate.min_load_frac
    now = ctx.problem.fact(asset.id, "steam_generation_mw", max(least, -ctx.problem.fact(asset.id, "power_mw", 0.0)))
    steam = ctx.problem.steam_mw.get(asset.id, np.full(ctx.n, now))
    ctx.draw_fixed(asset.area, -steam)
    ctx.builder.offset(float((steam * ctx.step_h).sum()) * plate.fuel_cost_cny_per_mwh, "fuel")
    return Planned(asset.id, fixed_mw=-steam)


def _keep_times(
    ctx: BuildContext, asset: Asset, plate: ThermalUnitPlate, on_now: float, columns: tuple[IntArray, IntArray, IntArray]
) -> None:
    on, started, stopped = columns
    b, n, begin_h = ctx.builder, ctx.n, ctx.problem.grid.offset_h
    fact = ctx.problem.fact
    hasty = b.columns(n, cost=HASTY_CNY, item="hasty")
    locked = np.where(begin_h < fact(asset.id, "locked_on_h", 0.0), on_now, 0.0)
    b.rows(n, spread(started, first_since(begin_h, plate.min_on_h)), term(on, -1.0), term(hasty, -1.0), high=-locked)
    off_now = plate.units - on_now
    resting = np.where(begin_h < fact(asset.id, "locked_off_h", 0.0), off_now, 0.0)
    b.rows(n, spread(stopped, first_since(begin_h, plate.min_off_h)), term(on), term(hasty, -1.0), high=plate.units - resting)
    # A unit is ordered a start's length ahead: none that is off now can be on before.
    soon = on_now + np.where(begin_h >= fact(asset.id, "start_left_h", plate.start_h), fact(asset.id, "units_starting", 0.0), 0.0)
    limit = np.where(begin_h + 1e-9 < plate.start_h, np.minimum(soon, plate.units), float(plate.units))
    b.rows(n, term(on), term(hasty, -1.0), high=limit)


def _keep_ramp(
    ctx: BuildContext, asset: Asset, plate: ThermalUnitPlate, columns: tuple[IntArray, IntArray, IntArray, IntArray]
) -> None:
    """Units on move within the ramp; one that comes or goes brings or takes its minimum load."""
    on, started, stopped, generated = columns
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    apart_h = h.copy()
    apart_h[1:] = np.minimum(0.5 * (h[1:] + h[:-1]), h[1:])
    per_unit = plate.ramp_frac_per_min * plate.unit_mw * MINUTES_PER_HOUR * apart_h
    (least, most), first = _load_mw(ctx, asset, plate), np.zeros(n)
    on_now = min(ctx.problem.fact(asset.id, "units_on", 0.0), float(plate.units))
    was = -ctx.problem.fact(asset.id, "power_mw", -on_now * least)
    first[0] = float(np.clip(was, on_now * least, on_now * most))
    jump = lagged(generated, 1, -1.0)
    b.rows(n, term(generated), jump, term(on, -per_unit), term(started, -(least - np.minimum(per_unit, least))), high=first)
    b.rows(n, term(generated), jump, term(on, per_unit), term(stopped, np.full(n, plate.unit_mw)), low=first)
