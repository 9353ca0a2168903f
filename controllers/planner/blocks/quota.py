"""Loads in a band with a quota: electrowinning, refining, submerged arc, carbon capture."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import term
from vpp.park import Asset
from vpp.park.plates import CopperRefiningPlate, FlexibleLoadPlate, SubmergedArcPlate, ZincElectrowinningPlate


def add_quota_load(ctx: BuildContext, asset: Asset) -> Planned:
    """Power anywhere in the band; what the horizon's quota lacks is a priced shortfall."""
    plate: ZincElectrowinningPlate | CopperRefiningPlate | SubmergedArcPlate | FlexibleLoadPlate = asset.plate
    rated_mw = plate.furnaces * plate.furnace_mw if isinstance(plate, SubmergedArcPlate) else plate.rated_mw
    n, h = ctx.n, ctx.step_h
    power = ctx.builder.columns(n, low=plate.min_frac * rated_mw, high=plate.max_frac * rated_mw)
    short = ctx.builder.columns(1, cost=plate.shortfall_cny_per_mwh)
    zeros = np.zeros(n, dtype=np.int64)
    owed_mwh = plate.quota_frac * rated_mw * float(h.sum()) + ctx.problem.fact(asset.id, "owed_mwh", 0.0)
    rows = ctx.builder.rows(1, (zeros, power, h), (zeros[:1], short, np.ones(1)), low=owed_mwh)
    drawn = term(power)
    ctx.draw(asset.area, drawn)
    return Planned(
        asset.id, power=(drawn,), quantities={"power_mw": power}, store_rows=np.repeat(rows, n), unmet={"quota_mwh": short}
    )
