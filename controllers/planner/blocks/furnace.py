"""Arc furnaces: heats as whole batches in casting sequences; what moves is the start.

A heat that starts in interval t draws its melting power first and its refining power after, and blocks a furnace from tap to tap.
While the caster runs (`active`) a heat must start often enough that no gap in the sequence grows too long. In an interval longer
than a quarter of an hour starts are spread evenly over it.
"""

from __future__ import annotations

import math

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import Term, first_before, lagged, spread, term, total
from controllers.planner.problem import HeatNeed
from vpp.park import Asset
from vpp.park.plates import ArcFurnacePlate
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray, s_to_h

__all__ = ["add_furnace", "heat_profile_mw", "heats_to_power"]

#: Steel a plan cannot promise is priced per heat and hour of lateness through the plate's late price, over this span. [h]
LATE_SPAN_H = 4.0
#: The tap-to-tap time is matched with whole intervals over at most so many heats.
LONGEST_PACE_HEATS = 8
#: Price of planning a heat that no furnace is free for: it will start later than planned. Far above what a quarter of an hour is
#: ever worth, so that only a furnace that is late already pays it. [CNY a heat and interval]
HURRIED_HEAT_CNY = 20_000.0
#: A sequence that breaks, or is shorter or longer than the caster's order, costs about a tundish. Elastic, so that a furnace
#: that is late never makes a plan infeasible. [CNY a heat]
BROKEN_SEQUENCE_CNY = 8_000.0
#: Starts are placed on quarters of an hour.
_QUARTER_H = 0.25


def heat_profile_mw(plate: ArcFurnacePlate, step_h: float) -> FloatArray:
    """Mean power of one heat over each interval after its start, shape (K,); its sum times `step_h` is the heat's energy."""
    power_on_h = _power_on_h(plate)
    edges: FloatArray = np.arange(math.ceil(power_on_h / step_h) + 1).astype(np.float64) * step_h
    profile: FloatArray = np.diff(_heat_mwh(plate, edges)) / step_h
    return profile


def heats_to_power(plate: ArcFurnacePlate, grid: TimeGrid) -> tuple[IntArray, IntArray, FloatArray]:
    """Mean power that a heat started in one interval draws in another: (interval drawn in, interval started in, MW)."""
    begin_h, step_h = grid.offset_h, grid.step_h
    parts = np.maximum(1, np.round(step_h / _QUARTER_H)).astype(int)
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    for s in range(grid.n):
        starts = begin_h[s] + step_h[s] * np.arange(parts[s]) / parts[s]
        last = int(np.searchsorted(begin_h, starts[-1] + _power_on_h(plate) - 1e-9))
        rows = np.arange(s, max(last, s + 1))
        after = begin_h[rows, np.newaxis] - starts
        energy = _heat_mwh(plate, after + step_h[rows, np.newaxis]) - _heat_mwh(plate, after)
        found.append((rows, np.full(rows.size, s), energy.mean(axis=1) / step_h[rows]))
    rows, columns, power = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, power


def _heat_mwh(plate: ArcFurnacePlate, after_h: FloatArray) -> FloatArray:
    """Energy that a heat has taken so long after its start."""
    melting_h = _melting_h(plate)
    refining_h = _power_on_h(plate) - melting_h
    refining_mw = plate.heat_mwh * (1.0 - plate.melting_energy_frac) / refining_h
    energy: FloatArray = np.clip(after_h, 0.0, melting_h) * plate.melting_mw
    return energy + np.clip(after_h - melting_h, 0.0, refining_h) * refining_mw


def _melting_h(plate: ArcFurnacePlate) -> float:
    return plate.heat_mwh * plate.melting_energy_frac / plate.melting_mw


def _power_on_h(plate: ArcFurnacePlate) -> float:
    return max(s_to_h(plate.power_on_s), _melting_h(plate) + 1e-6)


def add_furnace(ctx: BuildContext, asset: Asset) -> Planned:
    """Whole heat starts between the earliest and latest cumulative production, in sequences of bounded length and gap."""
    plate: ArcFurnacePlate = asset.plate
    need = ctx.problem.heats[asset.id]
    b, n = ctx.builder, ctx.n
    # An interval longer than a heat takes as many as follow one another in it.
    most = np.maximum(plate.furnaces, np.floor(plate.furnaces * ctx.step_h / s_to_h(plate.tap_to_tap_s) + 1e-9))
    starts = b.columns(n, high=most, integer=True)
    active = b.columns(n, high=1.0, integer=True)
    opened = b.columns(n, high=1.0, cost=1.0, item="casting")
    made = b.columns(n, high=need.earliest)
    late_price = plate.late_heat_cny * ctx.step_h / LATE_SPAN_H
    late_price[list(need.day_ends)] += plate.late_heat_cny
    late = b.columns(n, cost=late_price, item="heats_late")

    _keep_pace(ctx, plate, need, starts)
    b.rows(n, term(made), lagged(made, 1, -1.0), term(starts, -1.0), low=0.0, high=0.0)
    b.rows(n, term(made), term(late), low=need.latest)
    _cast_in_sequences(ctx, plate, need.sequence_open, (starts, active, opened))

    rows, started_in, mw = heats_to_power(plate, ctx.problem.grid)
    power: Term = (rows, starts[started_in], mw)
    fixed = need.running_mw + plate.auxiliary_mw
    ctx.draw(asset.area, power)
    ctx.draw_fixed(asset.area, fixed)
    quantities = {"heat_starts": starts, "caster_active": active}
    return Planned(
        asset.id,
        power=(power,),
        fixed_mw=fixed,
        quantities=quantities,
        batches=("heat_starts",),
        runs=("caster_active",),
        unmet={"heats_late_h": late},
    )


def _keep_pace(ctx: BuildContext, plate: ArcFurnacePlate, need: HeatNeed, starts: IntArray) -> None:
    """Furnaces follow their tap-to-tap time over the hours, although a heat is no whole number of intervals.

    In the intervals that a heat surely fills no furnace starts another; over a span that holds a whole number of heats there
    are no more than these. In between a start may slip by part of an interval, as it does in the melt shop. Both are elastic,
    so that a count rounded by one heat never makes a plan infeasible.
    """
    b, n, begin_h, step_h = ctx.builder, ctx.n, ctx.problem.grid.offset_h, ctx.step_h
    tap_h = s_to_h(plate.tap_to_tap_s)
    busy = np.array([sum(free > t for free in need.free_from_step) for t in range(n)], dtype=np.float64)
    hurried = b.columns(n, cost=HURRIED_HEAT_CNY, item="casting")
    tap_steps = tap_h / float(step_h[0])
    heats = min(range(1, LONGEST_PACE_HEATS + 1), key=lambda k: (round((k * tap_steps) % 1.0, 6), k))
    fine = int((step_h <= _QUARTER_H + 1e-9).sum())
    for span_heats in range(1, heats + 1):
        # Every number of heats in between as well, or slips would add up; where intervals are long the ends are enough.
        rows = n if span_heats in (1, heats) else fine
        first = first_before(begin_h[:rows], step_h[:rows], span_heats * tap_h)
        span_h = (begin_h + step_h)[:rows] - begin_h[first]
        room = np.maximum(plate.furnaces * span_heats, np.floor(plate.furnaces * span_h / tap_h + 1e-9))
        blocked = busy[:rows] if span_heats == 1 else 0.0
        b.rows(rows, spread(starts[:rows], first), term(hurried[:rows], -1.0), high=room - blocked)


def _cast_in_sequences(
    ctx: BuildContext, plate: ArcFurnacePlate, open_heats: int, columns: tuple[IntArray, IntArray, IntArray]
) -> None:
    starts, active, opened = columns
    b, n = ctx.builder, ctx.n
    most = np.maximum(plate.furnaces, np.floor(plate.furnaces * ctx.step_h / s_to_h(plate.tap_to_tap_s) + 1e-9))
    b.rows(n, term(starts), term(active, -most), high=0.0)
    was = np.zeros(n)
    was[0] = 1.0 if open_heats else 0.0
    b.rows(n, term(opened), term(active, -1.0), lagged(active, 1), low=-was)
    # Furnaces tap in turn; between their taps the caster bridges at most the allowed gap.
    rhythm_h = s_to_h(plate.tap_to_tap_s) / plate.furnaces + s_to_h(plate.sequence_gap_s)
    first = first_before(ctx.problem.grid.offset_h, ctx.step_h, rhythm_h)
    broken = b.columns(n, cost=BROKEN_SEQUENCE_CNY, item="casting")
    # A window that the horizon's start cuts off says nothing yet.
    whole = np.append(first[1:], n) > 0
    rows, cols, coefs = spread(starts, first)
    kept = whole[rows]
    began = (np.flatnonzero(whole), active[first[whole]], -np.ones(int(whole.sum())))
    b.rows(n, (rows[kept], cols[kept], coefs[kept]), term(broken), began, low=-1.0 * ~whole)
    # Sequences of bounded length: heats over the horizon between the fewest and the most that the opened sequences hold.
    odd = b.columns(2, cost=BROKEN_SEQUENCE_CNY, item="casting")
    fewest, longest = float(plate.sequence_heats_min), float(plate.sequence_heats_max)
    b.rows(1, total(starts), total(opened, -longest), total(odd[:1], -1.0), high=longest - open_heats)
    b.rows(1, total(starts), total(opened, -fewest), total(odd[1:]), low=-fewest)
