"""Batteries and compressed air: energy in, less energy out, wear and a value at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned, keep_reserve
from controllers.planner.course import IN, OUT, REST, TwoWay
from controllers.planner.model import lagged, term
from vpp.park import Asset
from vpp.park.plates import BatteryPlate, CompressedAirPlate
from vpp.units import FloatArray, IntArray, s_to_h

__all__ = ["add_battery", "add_compressed_air"]

#: Value of stored energy at the horizon's end, as a share of the area's end value, over equal parts of the store from empty to
#: full: a concave curve, so that the last MWh is not hoarded like the first.
END_VALUE_SHARES = (1.0, 0.92, 0.84, 0.76)

#: Hours over which a cavern's turning round is counted.
TURN_H = 8.0

#: A machine planned below its minimum: it would run for part of the interval and stop. [CNY/MWh below]
BELOW_MINIMUM_CNY_PER_MWH = 3_000.0


def add_battery(ctx: BuildContext, asset: Asset) -> Planned:
    """`soc_t = soc_{t-1} + h (eta ch_t - dis_t / eta)`, wear on what is discharged, auxiliaries always drawn."""
    plate: BatteryPlate = asset.plate
    return _add_store(ctx, asset, plate, auxiliary_mw=plate.auxiliary_frac * plate.power_mw)


def add_compressed_air(ctx: BuildContext, asset: Asset) -> Planned:
    """A store whose machine runs in one direction or rests: minimum power, a start that takes time and money.

    The two directions are whole numbers, so that the 65 % of its round trip never burn energy at a negative price.
    """
    plate: CompressedAirPlate = asset.plate
    planned = _add_store(ctx, asset, plate, auxiliary_mw=0.0)
    b, n = ctx.builder, ctx.n
    mode_now = ctx.problem.fact(asset.id, "mode", 0.0)
    modes: list[IntArray] = []
    starts: list[IntArray] = []
    below_least: dict[str, IntArray] = {}
    for name, switch, sign in (("charge_mw", "compressing", 1.0), ("discharge_mw", "generating", -1.0)):
        power = planned.quantities[name]
        running = b.columns(n, high=1.0, integer=True)
        started = b.columns(n, high=1.0, cost=plate.start_cost_cny, item="starts")
        was = np.zeros(n)
        was[0] = 1.0 if mode_now == sign else 0.0
        b.rows(n, term(started), term(running, -1.0), lagged(running, 1), low=-was)
        # The machine gives nothing while it starts.
        run_frac = np.clip(1.0 - s_to_h(plate.start_s) / ctx.step_h, 0.0, 1.0)
        b.rows(n, term(power), term(running, -plate.power_mw), term(started, plate.power_mw * (1.0 - run_frac)), high=0.0)
        # Elastic, so that a direction rounded up beside a full or empty cavern never makes a plan infeasible.
        below = b.columns(n, cost=BELOW_MINIMUM_CNY_PER_MWH * ctx.step_h, item="hasty")
        least_mw = plate.min_power_frac * plate.power_mw
        b.rows(n, term(power), term(below), term(running, -least_mw), term(started, least_mw * (1.0 - run_frac)), low=0.0)
        below_least[switch] = below
        modes.append(running)
        starts.append(started)
    b.rows(n, term(modes[0]), term(modes[1]), high=1.0)
    _start_to_turn_round(ctx, plate, planned, starts)
    quantities = {**planned.quantities, "compressing": modes[0], "generating": modes[1]}
    quantities |= {"compressing_starts": starts[0], "generating_starts": starts[1]}
    machine = _two_way(ctx, asset, plate)
    return replace(
        planned, quantities=quantities, switches=("compressing", "generating"), machine=machine, below_least=below_least
    )


def _start_to_turn_round(ctx: BuildContext, plate: CompressedAirPlate, planned: Planned, starts: list[IntArray]) -> None:
    """What goes in and out over some hours fills or empties the room at most once, and once more with every start.

    No whole machine breaks this; without it a relaxed one runs half in each direction for hours and burns energy without a start.
    """
    room_mwh = (plate.soc_max_frac - plate.soc_min_frac) * plate.energy_mwh
    one_way, begin_h = float(np.sqrt(plate.round_trip_frac)), ctx.problem.grid.offset_h
    if room_mwh <= 0.0:
        return
    for first_h in np.arange(0.0, begin_h[-1], TURN_H / 2.0):
        inside = np.flatnonzero((begin_h >= first_h - 1e-9) & (begin_h < first_h + TURN_H - 1e-9))
        zeros, h = np.zeros(inside.size, dtype=np.int64), ctx.step_h[inside]
        ctx.builder.rows(
            1,
            (zeros, planned.quantities["charge_mw"][inside], one_way * h / room_mwh),
            (zeros, planned.quantities["discharge_mw"][inside], h / one_way / room_mwh),
            *((zeros, started[inside], -np.ones(inside.size)) for started in starts),
            high=1.0,
        )


def _two_way(ctx: BuildContext, asset: Asset, plate: CompressedAirPlate) -> TwoWay:
    mode = ctx.problem.fact(asset.id, "mode", 0.0)
    return TwoWay(
        power_mw=plate.power_mw,
        least_mw=plate.min_power_frac * plate.power_mw,
        one_way_frac=float(np.sqrt(plate.round_trip_frac)),
        run_frac=np.clip(1.0 - s_to_h(plate.start_s) / ctx.step_h, 0.0, 1.0),
        start_cost_cny=plate.start_cost_cny,
        wear_cny_per_mwh=plate.wear_cny_per_mwh,
        room_mwh=(plate.soc_min_frac * plate.energy_mwh, plate.soc_max_frac * plate.energy_mwh),
        stored_mwh=ctx.problem.fact(asset.id, "soc_frac", plate.soc_min_frac) * plate.energy_mwh,
        mode=REST if mode == 0.0 else IN if mode > 0.0 else OUT,
        end_cny=tuple(_end_parts(ctx, asset, plate).tolist()),
    )


def _add_store(ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate, *, auxiliary_mw: float) -> Planned:
    builder, n, h = ctx.builder, ctx.n, ctx.step_h
    one_way = float(np.sqrt(plate.round_trip_frac))
    low_mwh, high_mwh = plate.soc_min_frac * plate.energy_mwh, plate.soc_max_frac * plate.energy_mwh
    start_mwh = ctx.problem.fact(asset.id, "soc_frac", plate.soc_min_frac) * plate.energy_mwh

    charge = builder.columns(n, high=plate.power_mw - auxiliary_mw)
    discharge = builder.columns(n, high=plate.power_mw, cost=plate.wear_cny_per_mwh * h, item="wear")
    # A store that telemetry reports outside its own band may come back, but not go further out.
    stored = builder.columns(n, low=min(low_mwh, start_mwh), high=max(high_mwh, start_mwh))
    before = np.zeros(n)
    before[0] = start_mwh
    rows = builder.rows(
        n,
        term(stored),
        lagged(stored, 1, -1.0),
        term(charge, -one_way * h),
        term(discharge, h / one_way),
        low=before,
        high=before,
    )
    keep_reserve(ctx, asset, stored)
    _value_the_end(ctx, asset, plate, stored)
    power = (term(charge), term(discharge, -1.0))
    ctx.draw(asset.area, *power)
    auxiliary = np.full(n, auxiliary_mw)
    ctx.draw_fixed(asset.area, auxiliary)
    quantities = {"charge_mw": charge, "discharge_mw": discharge, "stored_mwh": stored}
    return Planned(
        asset.id,
        power=power,
        fixed_mw=auxiliary,
        quantities=quantities,
        store_rows=rows,
        room=(low_mwh, high_mwh),
        opposed=("charge_mw", "discharge_mw"),
    )


def _value_the_end(ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate, stored: IntArray) -> None:
    """The last level is split over equal parts, each worth what its energy will bring, less losses and wear."""
    width = (plate.soc_max_frac - plate.soc_min_frac) * plate.energy_mwh / len(END_VALUE_SHARES)
    parts = _end_parts(ctx, asset, plate)
    held = ctx.builder.columns(len(parts), high=width, cost=-parts, item="end_value")
    zeros = np.zeros(len(parts), dtype=np.int64)
    ctx.builder.rows(
        1,
        (zeros, held, np.ones(len(parts))),
        (zeros[:1], stored[-1:], -np.ones(1)),
        high=-plate.soc_min_frac * plate.energy_mwh,
    )


def _end_parts(ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate) -> FloatArray:
    """Worth of a MWh in each part. [CNY/MWh]."""
    fixed = ctx.problem.end_values.stored_cny_per_mwh
    if fixed is not None:
        return np.full(len(END_VALUE_SHARES), fixed)
    one_way = float(np.sqrt(plate.round_trip_frac))
    per_mwh = max(0.0, ctx.problem.end_values.energy_cny_per_mwh.get(asset.area, 0.0) - plate.wear_cny_per_mwh) * one_way
    return np.array(END_VALUE_SHARES) * per_mwh
