"""Interruptible feeders: an emergency with a price, within the hours and calls that the year has left."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import term, total
from vpp.park import Asset
from vpp.park.plates import FeederPlate

__all__ = ["add_feeder"]


def add_feeder(ctx: BuildContext, asset: Asset) -> Planned:
    """What its customers draw, less what a call takes from them at its price."""
    plate: FeederPlate = asset.plate
    fact = ctx.problem.fact
    demand = ctx.problem.load_mw.get(asset.id, np.full(ctx.n, fact(asset.id, "demand_mw", fact(asset.id, "power_mw", 0.0))))
    callable_now = fact(asset.id, "calls_left", float(plate.calls_per_year)) >= 1.0 or fact(asset.id, "closed", 1.0) < 1.0
    cut = ctx.builder.columns(
        ctx.n, high=demand if callable_now else 0.0, cost=plate.call_cny_per_mwh * ctx.step_h, item="feeder_calls"
    )
    hours_left = fact(asset.id, "hours_left_h", plate.hours_per_year)
    ctx.builder.rows(1, total(cut, ctx.step_h), high=hours_left * max(float(demand.max(initial=0.0)), 1e-9))
    ctx.draw(asset.area, term(cut, -1.0))
    ctx.draw_fixed(asset.area, demand)
    return Planned(
        asset.id, power=(term(cut, -1.0),), fixed_mw=demand, quantities={"interrupted_mw": cut}, unmet={"called_mwh": cut}
    )
