"""Wind and solar: what is available, curtailed from the top at a price."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import term
from vpp.park import Asset


def add_source(ctx: BuildContext, asset: Asset) -> Planned:
    """Generation between nothing and what is available: `0 <= g <= available`, `-curtail * g` in the cost."""
    available_mw = ctx.problem.available_mw.get(asset.id, np.zeros(ctx.n))
    price = ctx.problem.curtail_cny_per_mwh
    used = ctx.builder.columns(ctx.n, high=available_mw, cost=-price * ctx.step_h, item="curtailment")
    ctx.builder.offset(float(price * (available_mw * ctx.step_h).sum()), "curtailment")
    power = term(used, -1.0)
    ctx.draw(asset.area, power)
    return Planned(asset.id, power=(power,), quantities={"generation_mw": used})
