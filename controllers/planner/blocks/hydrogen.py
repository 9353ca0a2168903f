"""Electrolysers, the hydrogen tank and the ammonia loop."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Pieces, Planned, keep_reserve
from controllers.planner.model import Term, first_since, lagged, spread, term, total
from vpp.park import Asset
from vpp.park.plates import AmmoniaLoopPlate, ElectrolyserPlate
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray, kwh_per_nm3_to_mwh_per_kg, s_to_h

__all__ = ["add_ammonia_loop", "add_electrolyser", "hydrogen_curve"]

#: What an empty tank costs a plan: far above any value of hydrogen, so that only a starved loop pays it. [CNY/kg]
HYDROGEN_LACK_CNY_PER_KG = 200.0
#: A cold start beyond the starts a stack may have is priced as so many; only counts that were rounded up pay it.
EXCESS_START_FACTOR = 10.0
#: Nothing starts faster than this in a plan, whose shortest interval is a quarter of an hour. [h]
_SHORTEST_START_H = 1e-6


def hydrogen_curve(plate: ElectrolyserPlate) -> tuple[FloatArray, FloatArray]:
    """Power and production of one stack that is on, from minimum load up: breakpoints, both shape (K,). [MW], [kg/h]."""
    low, high = plate.min_load_frac, plate.max_load_frac
    inner = [x for x in plate.load_frac if low < x < high]
    load = np.array([low, *inner, high])
    # Between the plate's points production is straight in power, as the kind itself reckons.
    specific = np.array([kwh_per_nm3_to_mwh_per_kg(s) for s in plate.specific_kwh_per_nm3])
    points = np.array(plate.load_frac)
    kg_per_h = np.interp(load, points, points * plate.stack_mw / specific)
    return load * plate.stack_mw, kg_per_h


def add_electrolyser(ctx: BuildContext, asset: Asset) -> Planned:
    """Counts of identical stacks: `on + standby <= N`, a cold stack warms up for a while before it can be on."""
    plate: ElectrolyserPlate = asset.plate
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    power_mw, kg_per_h = hydrogen_curve(plate)
    on = b.columns(n, high=plate.stacks, integer=True)
    standby = b.columns(n, high=plate.stacks, integer=True)
    warmed = b.columns(n, cost=plate.cold_start_cny, item="starts")
    started = b.columns(n, cost=plate.warm_start_cny, item="starts")
    widths, slopes = np.diff(power_mw), np.diff(kg_per_h) / np.diff(power_mw)
    above = [b.columns(n) for _ in widths]
    for columns, width in zip(above, widths, strict=True):
        b.rows(n, term(columns), term(on, -float(width)), high=0.0)
    if widths.size > 1:
        # Worth less than nothing, energy would fill poor pieces first; no load of the stacks lies below the curve's chord.
        chord = float(widths @ slopes / widths.sum())
        b.rows(n, *(term(columns, float(slope) - chord) for columns, slope in zip(above, slopes, strict=True)), low=0.0)
    b.rows(n, term(on), term(standby), high=plate.stacks)
    _tie_starts(ctx, asset, plate, (on, standby, warmed, started))

    power: tuple[Term, ...] = (term(on, float(power_mw[0])), term(standby, plate.standby_frac * plate.stack_mw))
    power += tuple(term(columns) for columns in above)
    ctx.draw(asset.area, *power)
    made = ctx.hydrogen[plate.hydrogen_node]
    made.append(term(on, float(kg_per_h[0])))
    made.extend(term(columns, float(slope)) for columns, slope in zip(above, slopes, strict=True))
    # Elastic, as the counts are rounded after the relaxation and their sum may then pass the quota.
    excess = b.columns(1, cost=EXCESS_START_FACTOR * plate.cold_start_cny, item="hasty")
    quota = plate.starts_per_day * plate.stacks * h.sum() / HOURS_PER_DAY
    b.rows(1, total(warmed), term(excess, -1.0), high=quota)
    quantities = {"stacks_on": on, "stacks_standby": standby, "cold_starts": warmed}
    pieces = Pieces(tuple(above), tuple(widths.tolist()), on)
    return Planned(asset.id, power=power, quantities=quantities, nested=("stacks_on", "stacks_standby"), pieces=pieces)


def _tie_starts(
    ctx: BuildContext, asset: Asset, plate: ElectrolyserPlate, columns: tuple[IntArray, IntArray, IntArray, IntArray]
) -> None:
    """Starts, stops and their times, each in hours, so that they hold on intervals of any length."""
    on, standby, warmed, started = columns
    b, n, begin_h = ctx.builder, ctx.n, ctx.problem.grid.offset_h
    on_now = min(ctx.problem.fact(asset.id, "stacks_on", 0.0), plate.stacks)
    hot_now = min(on_now + ctx.problem.fact(asset.id, "stacks_standby", 0.0), plate.stacks)
    soon_now = min(hot_now + ctx.problem.fact(asset.id, "stacks_starting", 0.0), plate.stacks)
    was_hot, was_on = np.zeros(n), np.zeros(n)
    was_hot[0], was_on[0] = soon_now, on_now
    b.rows(n, term(warmed), term(on, -1.0), term(standby, -1.0), lagged(on, 1), lagged(standby, 1), low=-was_hot)
    stopped = b.columns(n)
    b.rows(n, term(started), term(stopped, -1.0), term(on, -1.0), lagged(on, 1), low=-was_on, high=-was_on)
    # A stack must have been warm for a whole cold start before it can carry load; one warming up now is cold until it reports.
    cold_h = max(s_to_h(plate.cold_start_s), _SHORTEST_START_H)
    first = first_since(begin_h, cold_h + _SHORTEST_START_H)
    for lag in range(1, int((np.arange(n) - first).max()) + 1):
        reaches = begin_h - np.concatenate([np.full(min(lag, n), -np.inf), (begin_h + ctx.step_h)[: max(n - lag, 0)]]) < cold_h
        reaches[:lag] = begin_h[:lag] < cold_h
        limit = np.where(reaches, np.where(np.arange(n) < lag, hot_now, 0.0), float(plate.stacks))
        held = np.where(reaches, -1.0, 0.0)
        b.rows(n, term(on), lagged(on, lag, held), lagged(standby, lag, held), high=limit)
    # Elastic: counts are rounded after the relaxation, and one stack too few must not make a plan infeasible.
    hasty = b.columns(n, cost=plate.cold_start_cny, item="hasty")
    locked = np.where(begin_h < ctx.problem.fact(asset.id, "locked_on_h", 0.0), on_now, 0.0)
    b.rows(n, spread(started, first_since(begin_h, plate.min_on_h)), term(on, -1.0), term(hasty, -1.0), high=-locked)
    resting = np.where(begin_h < ctx.problem.fact(asset.id, "locked_off_h", 0.0), plate.stacks - hot_now, 0.0)
    # A stack kept warm has not been purged: only those that were stopped and are not on again wait out the minimum.
    b.rows(n, spread(stopped, first_since(begin_h, plate.min_off_h)), term(on), term(hasty, -1.0), high=plate.stacks - resting)


def add_ammonia_loop(ctx: BuildContext, asset: Asset) -> Planned:
    """`tank_t = tank_{t-1} + h (made - vented - need * rate)`; the loop ramps slowly and never below its minimum."""
    plate: AmmoniaLoopPlate = asset.plate
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    rate_now = ctx.problem.fact(asset.id, "rate_t_per_h", plate.min_load_frac * plate.loop_t_per_h)
    tank_now = float(np.clip(ctx.problem.fact(asset.id, "buffer_kg", 0.0), 0.0, plate.buffer_kg))
    down = ctx.problem.fact(asset.id, "tripped", 0.0) > 0
    # A tripped loop comes back by its own sequence; the plan may only count on what it can then reach.
    low = 0.0 if down else min(rate_now, plate.min_load_frac * plate.loop_t_per_h)
    rate = b.columns(n, low=low, high=plate.loop_t_per_h, cost=-plate.netback_cny_per_t * h, item="ammonia_income")
    tank = b.columns(n, high=plate.buffer_kg)
    vented = b.columns(n, cost=plate.vent_cny_per_kg * h, item="hydrogen_vented")
    lacking = b.columns(n, cost=HYDROGEN_LACK_CNY_PER_KG * h, item="hydrogen_lacking")
    before = np.zeros(n)
    before[0] = tank_now
    flows = [(rows, columns, -coefficients * h[rows]) for rows, columns, coefficients in ctx.hydrogen[plate.hydrogen_node]]
    rows = b.rows(
        n,
        term(tank),
        lagged(tank, 1, -1.0),
        term(vented, h),
        term(lacking, -h),
        term(rate, plate.hydrogen_kg_per_t * h),
        *flows,
        low=before,
        high=before,
    )
    keep_reserve(ctx, asset, tank)
    # Means of neighbouring intervals differ by what the ramp does from the middle of one to the middle of the next.
    apart_h = h.copy()
    apart_h[1:] = 0.5 * (h[1:] + h[:-1])
    ramp = plate.ramp_frac_per_h * plate.loop_t_per_h * apart_h
    first = np.zeros(n)
    first[0] = rate_now
    b.rows(n, term(rate), lagged(rate, 1, -1.0), low=first - ramp, high=first + ramp)
    end = b.columns(1, high=plate.buffer_kg, cost=-ctx.problem.end_values.hydrogen_cny_per_kg, item="end_value")
    zero = np.zeros(1, dtype=np.int64)
    b.rows(1, (zero, end, np.ones(1)), (zero, tank[-1:], -np.ones(1)), high=0.0)
    fixed = np.full(n, plate.own_load_mw * plate.own_load_fixed_frac)
    power = term(rate, plate.own_load_mw * (1.0 - plate.own_load_fixed_frac) / plate.loop_t_per_h)
    ctx.draw_fixed(asset.area, fixed)
    ctx.draw(asset.area, power)
    quantities = {"rate_t_per_h": rate, "buffer_kg": tank, "vented_kg_per_h": vented}
    unmet = {"hydrogen_kg": lacking}
    owed_t = ctx.problem.ammonia_owed_t.get(asset.id)
    if owed_t is not None:
        # What the tank holds more at the end will be contract ammonia, what it holds less was taken from tomorrow's.
        short = b.columns(1, cost=plate.shortfall_cny_per_t, item="ammonia_shortfall")
        stored_t = (zero, tank[-1:], np.full(1, 1.0 / plate.hydrogen_kg_per_t))
        b.rows(1, total(rate, h), stored_t, term(short), low=owed_t + tank_now / plate.hydrogen_kg_per_t)
        unmet["ammonia_t"] = short
    return Planned(
        asset.id, power=(power,), fixed_mw=fixed, quantities=quantities, store_rows=rows, room=(0.0, plate.buffer_kg), unmet=unmet
    )
