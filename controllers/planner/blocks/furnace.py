"""Arc furnaces: heats as whole batches in casting sequences; what moves is the start.

A heat that starts in interval t draws its melting power first and its refining power after, and blocks a furnace from tap to tap.
While the caster runs (`active`) a heat must start often enough that no gap in the sequence grows too long.
"""

from __future__ import annotations

import math

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import Term, lagged, term, window
from controllers.planner.problem import HeatNeed
from vpp.park import Asset
from vpp.park.plates import ArcFurnacePlate
from vpp.units import FloatArray, IntArray, s_to_h

__all__ = ["add_furnace", "heat_profile_mw"]

#: Steel a plan cannot promise is priced per heat and hour of lateness through the plate's late price, over this span. [h]
LATE_SPAN_H = 4.0
#: The tap-to-tap time is matched with whole intervals over at most so many heats.
LONGEST_PACE_HEATS = 8
#: Price of planning a heat that no furnace is free for: it will start later than planned. [CNY a heat and interval]
HURRIED_HEAT_CNY = 1_000.0
#: A sequence that breaks, or is shorter or longer than the caster's order, costs about a tundish. Elastic, so that a furnace
#: that is late never makes a plan infeasible. [CNY a heat]
BROKEN_SEQUENCE_CNY = 8_000.0


def heat_profile_mw(plate: ArcFurnacePlate, step_h: float) -> FloatArray:
    """Mean power of one heat over each interval after its start, shape (K,); its sum times `step_h` is the heat's energy."""
    melting_h = plate.heat_mwh * plate.melting_energy_frac / plate.melting_mw
    power_on_h = max(s_to_h(plate.power_on_s), melting_h + 1e-6)
    refining_mw = plate.heat_mwh * (1.0 - plate.melting_energy_frac) / (power_on_h - melting_h)
    edges = np.arange(math.ceil(power_on_h / step_h) + 1) * step_h
    energy = (
        np.minimum(edges, melting_h) * plate.melting_mw + np.clip(edges - melting_h, 0.0, power_on_h - melting_h) * refining_mw
    )
    profile: FloatArray = np.diff(energy) / step_h
    return profile


def add_furnace(ctx: BuildContext, asset: Asset) -> Planned:
    """Whole heat starts between the earliest and latest cumulative production, in sequences of bounded length and gap."""
    plate: ArcFurnacePlate = asset.plate
    need = ctx.problem.heats[asset.id]
    b, n, step_h = ctx.builder, ctx.n, float(ctx.step_h[0])
    starts = b.columns(n, high=plate.furnaces, integer=True)
    active = b.columns(n, high=1.0, integer=True)
    opened = b.columns(n, high=1.0, cost=1.0)
    total = b.columns(n, high=need.earliest)
    late_price = plate.late_heat_cny * ctx.step_h / LATE_SPAN_H
    late_price[list(need.day_ends)] += plate.late_heat_cny
    late = b.columns(n, cost=late_price)

    _keep_pace(ctx, plate, need, starts)
    b.rows(n, term(total), lagged(total, 1, -1.0), term(starts, -1.0), low=0.0, high=0.0)
    b.rows(n, term(total), term(late), low=need.latest)
    _cast_in_sequences(ctx, plate, need.sequence_open, (starts, active, opened))

    profile = heat_profile_mw(plate, step_h)
    power: tuple[Term, ...] = tuple(lagged(starts, lag, float(mw)) for lag, mw in enumerate(profile))
    fixed = need.running_mw + plate.auxiliary_mw
    ctx.draw(asset.area, *power)
    ctx.draw_fixed(asset.area, fixed)
    quantities = {"heat_starts": starts, "caster_active": active}
    return Planned(
        asset.id, power=power, fixed_mw=fixed, quantities=quantities, batches=("heat_starts",), unmet={"heats_late_h": late}
    )


def _keep_pace(ctx: BuildContext, plate: ArcFurnacePlate, need: HeatNeed, starts: IntArray) -> None:
    """Furnaces follow their tap-to-tap time over the hours, although a heat is no whole number of intervals.

    In the intervals that a heat surely fills no furnace starts another; over a span that holds a whole number of heats there
    are no more than these. In between a start may slip by part of an interval, as it does in the melt shop. Both are elastic,
    so that a count rounded by one heat never makes a plan infeasible.
    """
    b, n, step_h = ctx.builder, ctx.n, float(ctx.step_h[0])
    tap_steps = s_to_h(plate.tap_to_tap_s) / step_h
    surely = max(1, math.floor(tap_steps))
    busy = np.array([sum(free > t for free in need.free_from_step) for t in range(n)], dtype=np.float64)
    hurried = b.columns(n, cost=HURRIED_HEAT_CNY)
    b.rows(n, window(starts, surely), term(hurried, -1.0), high=plate.furnaces - busy)
    heats = min(range(1, LONGEST_PACE_HEATS + 1), key=lambda k: (round((k * tap_steps) % 1.0, 6), k))
    b.rows(n, window(starts, math.floor(heats * tap_steps)), term(hurried, -1.0), high=plate.furnaces * heats)


def _cast_in_sequences(
    ctx: BuildContext, plate: ArcFurnacePlate, open_heats: int, columns: tuple[IntArray, IntArray, IntArray]
) -> None:
    starts, active, opened = columns
    b, n, step_h = ctx.builder, ctx.n, float(ctx.step_h[0])
    b.rows(n, term(starts), term(active, -float(plate.furnaces)), high=0.0)
    was = np.zeros(n)
    was[0] = 1.0 if open_heats else 0.0
    b.rows(n, term(opened), term(active, -1.0), lagged(active, 1), low=-was)
    # Two furnaces tap in turn; between their taps the caster bridges at most the allowed gap.
    rhythm_h = s_to_h(plate.tap_to_tap_s) / plate.furnaces + s_to_h(plate.sequence_gap_s)
    reach = max(1, math.floor(rhythm_h / step_h))
    broken = b.columns(n, cost=BROKEN_SEQUENCE_CNY)
    rows, cols, coefs = window(starts, reach)
    full = rows >= reach - 1
    b.rows(
        n,
        (rows[full], cols[full], coefs[full]),
        term(broken),
        lagged(active, reach - 1, -1.0),
        low=-1.0 * (np.arange(n) < reach - 1),
    )
    # Sequences of bounded length: heats over the horizon between the fewest and the most that the opened sequences hold.
    zeros = np.zeros(n, dtype=np.int64)
    heats: Term = (zeros, starts, np.ones(n))
    odd = b.columns(2, cost=BROKEN_SEQUENCE_CNY)
    fewest, most = float(plate.sequence_heats_min), float(plate.sequence_heats_max)
    b.rows(1, heats, (zeros, opened, np.full(n, -most)), (zeros[:1], odd[:1], -np.ones(1)), high=most - open_heats)
    b.rows(1, heats, (zeros, opened, np.full(n, -fewest)), (zeros[:1], odd[1:], np.ones(1)), low=-fewest)
