"""Wind and solar: what is available, curtailed from the top at a price."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import term
from vpp.park import Asset

#: How much dearer curtailment is at the start of a horizon than at its end.
SOONER_FRAC = 0.1


def add_source(ctx: BuildContext, asset: Asset) -> Planned:
    """Generation between nothing and what is available: `0 <= g <= available`, `-curtail * g` in the cost.

    Where there is too much now and later, a plan that fills its stores later is as good as one that fills them now, and the next
    plan puts it off again. What blows now is surer than what is forecast, so wasting it costs a little more.
    """
    available_mw = ctx.problem.available_mw.get(asset.id, np.zeros(ctx.n))
    end_h = ctx.problem.grid.offset_h + ctx.step_h
    price = ctx.problem.curtail_cny_per_mwh * (1.0 + SOONER_FRAC * (1.0 - end_h / end_h[-1]))
    used = ctx.builder.columns(ctx.n, high=available_mw, cost=-price * ctx.step_h, item="curtailment")
    ctx.builder.offset(float((price * available_mw * ctx.step_h).sum()), "curtailment")
    power = term(used, -1.0)
    ctx.draw(asset.area, power)
    return Planned(asset.id, power=(power,), quantities={"generation_mw": used})
