"""Loads that only follow their users."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from vpp.park import Asset


def add_fixed_load(ctx: BuildContext, asset: Asset) -> Planned:
    """The expected power, drawn whatever it costs."""
    load_mw = ctx.problem.load_mw.get(asset.id, np.zeros(ctx.n))
    ctx.draw_fixed(asset.area, load_mw)
    return Planned(asset.id, fixed_mw=load_mw)
