"""Batteries and compressed air: energy in, less energy out, wear and a value at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned, keep_reserve
from controllers.planner.model import lagged, term
from vpp.park import Asset
from vpp.park.plates import BatteryPlate, CompressedAirPlate
from vpp.units import FloatArray, IntArray, s_to_h

__all__ = ["add_battery", "add_compressed_air"]

#: Value of stored energy at the horizon's end, as a share of the area's end value, over equal parts of the store from empty to
#: full: a concave curve, so that the last MWh is not hoarded like the first.
END_VALUE_SHARES = (1.0, 0.92, 0.84, 0.76)

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
    for name, sign in (("charge_mw", 1.0), ("discharge_mw", -1.0)):
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
        modes.append(running)
    b.rows(n, term(modes[0]), term(modes[1]), high=1.0)
    quantities = {**planned.quantities, "compressing": modes[0], "generating": modes[1]}
    return replace(planned, quantities=quantities, switches=("compressing", "generating"))


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
    _value_the_end(ctx, asset, plate, stored, one_way)
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


def _value_the_end(
    ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate, stored: IntArray, one_way: float
) -> None:
    """The last level is split over equal parts, each worth what its energy will bring, less losses and wear."""
    per_mwh = max(0.0, ctx.problem.end_values.energy_cny_per_mwh.get(asset.area, 0.0) - plate.wear_cny_per_mwh) * one_way
    width = (plate.soc_max_frac - plate.soc_min_frac) * plate.energy_mwh / len(END_VALUE_SHARES)
    parts: FloatArray = np.array(END_VALUE_SHARES) * per_mwh
    fixed = ctx.problem.end_values.stored_cny_per_mwh
    if fixed is not None:
        parts = np.full(len(END_VALUE_SHARES), fixed)
    held = ctx.builder.columns(len(parts), high=width, cost=-parts, item="end_value")
    zeros = np.zeros(len(parts), dtype=np.int64)
    ctx.builder.rows(
        1,
        (zeros, held, np.ones(len(parts))),
        (zeros[:1], stored[-1:], -np.ones(1)),
        high=-plate.soc_min_frac * plate.energy_mwh,
    )
