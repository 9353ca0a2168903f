"""Batteries and compressed air: energy in, less energy out, wear and a value at the end."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned, keep_reserve
from controllers.planner.model import lagged, term
from vpp.park import Asset
from vpp.park.plates import BatteryPlate, CompressedAirPlate
from vpp.units import FloatArray, IntArray

__all__ = ["add_battery", "add_compressed_air"]

#: Value of stored energy at the horizon's end, as a share of the area's end value, over equal parts of the store from empty to
#: full: a concave curve, so that the last MWh is not hoarded like the first.
END_VALUE_SHARES = (1.0, 0.92, 0.84, 0.76)


def add_battery(ctx: BuildContext, asset: Asset) -> Planned:
    """`soc_t = soc_{t-1} + h (eta ch_t - dis_t / eta)`, wear on what is discharged, auxiliaries always drawn."""
    plate: BatteryPlate = asset.plate
    return _add_store(ctx, asset, plate, auxiliary_mw=plate.auxiliary_frac * plate.power_mw)


def add_compressed_air(ctx: BuildContext, asset: Asset) -> Planned:
    """A store without auxiliaries; its minimum power and start delay are kept by the dispatch, not by this relaxation."""
    return _add_store(ctx, asset, asset.plate, auxiliary_mw=0.0)


def _add_store(ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate, *, auxiliary_mw: float) -> Planned:
    builder, n, h = ctx.builder, ctx.n, ctx.step_h
    one_way = float(np.sqrt(plate.round_trip_frac))
    low_mwh, high_mwh = plate.soc_min_frac * plate.energy_mwh, plate.soc_max_frac * plate.energy_mwh
    start_mwh = ctx.problem.fact(asset.id, "soc_frac", plate.soc_min_frac) * plate.energy_mwh

    charge = builder.columns(n, high=plate.power_mw - auxiliary_mw)
    discharge = builder.columns(n, high=plate.power_mw, cost=plate.wear_cny_per_mwh * h)
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
    return Planned(asset.id, power=power, fixed_mw=auxiliary, quantities=quantities, store_rows=rows)


def _value_the_end(
    ctx: BuildContext, asset: Asset, plate: BatteryPlate | CompressedAirPlate, stored: IntArray, one_way: float
) -> None:
    """The last level is split over equal parts, each worth what its energy will bring, less losses and wear."""
    per_mwh = max(0.0, ctx.problem.end_values.energy_cny_per_mwh.get(asset.area, 0.0) - plate.wear_cny_per_mwh) * one_way
    width = (plate.soc_max_frac - plate.soc_min_frac) * plate.energy_mwh / len(END_VALUE_SHARES)
    parts: FloatArray = np.array(END_VALUE_SHARES) * per_mwh
    held = ctx.builder.columns(len(parts), high=width, cost=-parts)
    zeros = np.zeros(len(parts), dtype=np.int64)
    ctx.builder.rows(
        1,
        (zeros, held, np.ones(len(parts))),
        (zeros[:1], stored[-1:], -np.ones(1)),
        high=-plate.soc_min_frac * plate.energy_mwh,
    )
