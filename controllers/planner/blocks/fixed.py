"""Loads that only follow their users, and assets the economic plan leaves where they are."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from vpp.park import Asset


def add_fixed_load(ctx: BuildContext, asset: Asset) -> Planned:
    """The expected power, drawn whatever it costs."""
    load_mw = ctx.problem.load_mw.get(asset.id, np.zeros(ctx.n))
    ctx.draw_fixed(asset.area, load_mw)
    return Planned(asset.id, fixed_mw=load_mw)


def add_idle(ctx: BuildContext, asset: Asset) -> Planned:
    """An asset kept as it is: its present power goes on (interruptible feeders, units that are off by default)."""
    power_mw = np.full(ctx.n, ctx.problem.fact(asset.id, "power_mw", 0.0))
    ctx.draw_fixed(asset.area, power_mw)
    return Planned(asset.id, fixed_mw=power_mw)
