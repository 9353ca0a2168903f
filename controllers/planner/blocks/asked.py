"""What is asked of assets and areas from outside: pins, contracts on feed-in, lines, and the plan that is already published.

Every one of them is elastic at a price, and what is not kept is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.blocks.connection import PlannedConnection
from controllers.planner.model import Term, term
from controllers.planner.problem import FeedIn, FlowLimit, Pin
from vpp.ids import AssetId
from vpp.units import FloatArray, IntArray

__all__ = ["Broken", "add_asked"]

#: (whose, what, columns): what is not kept.
Broken = tuple[str, str, IntArray]
_FARMS = ("wind", "solar")


def add_asked(ctx: BuildContext, planned: Sequence[Planned], connections: Sequence[PlannedConnection]) -> tuple[Broken, ...]:
    """Rows over the columns of assets and connections that stand already."""
    by_id = {p.asset_id: p for p in planned}
    broken: list[Broken] = []
    for asset_id, pin in ctx.problem.pins.items():
        broken += _pin(ctx, by_id[asset_id], pin)
    for duty in ctx.problem.feed_in:
        broken.append(_feed_in(ctx, duty, by_id, connections))
    for line in ctx.problem.flows:
        broken.append(_flow(ctx, line, by_id))
    _keep_published(ctx, by_id)
    return tuple(broken)


def _fixed(ctx: BuildContext, planned: Planned) -> FloatArray:
    return np.zeros(ctx.n) if planned.fixed_mw is None else planned.fixed_mw


def _pin(ctx: BuildContext, planned: Planned, pin: Pin) -> list[Broken]:
    """A person's word stands before every price but the balance's."""
    n, price = ctx.n, 0.5 * ctx.problem.unserved_cny_per_mwh * ctx.step_h
    above, below = (ctx.builder.columns(n, cost=price, item="pin") for _ in range(2))
    fixed = _fixed(ctx, planned)
    ctx.builder.rows(n, *planned.power, term(above, -1.0), high=pin.high_mw - fixed)
    ctx.builder.rows(n, *planned.power, term(below), low=pin.low_mw - fixed)
    return [(planned.asset_id, "pin_above_mwh", above), (planned.asset_id, "pin_below_mwh", below)]


def _feed_in(
    ctx: BuildContext, duty: FeedIn, by_id: Mapping[AssetId, Planned], connections: Sequence[PlannedConnection]
) -> Broken:
    """Energy that leaves the area, net of what comes in over the same interval, against its own generation."""
    park, n, h = ctx.problem.park, ctx.n, ctx.step_h
    columns: list[Term] = []
    for planned in connections:
        connection = park.connection(planned.connection_id)
        if duty.area not in (connection.area, connection.to):
            continue
        out, back = (planned.exported, planned.imported) if connection.area == duty.area else (planned.imported, planned.exported)
        columns += [term(out, h), term(back, -h)] if duty.each_interval else [term(out, h)]
    for kind in _FARMS:
        for farm in park.assets_of(kind, duty.area):
            columns.append(term(by_id[farm.id].quantities["generation_mw"], -duty.most_frac * h))
    over = ctx.builder.columns(n, cost=duty.price_cny_per_mwh * h, item="contract")
    columns.append(term(over, -h))
    if duty.each_interval:
        ctx.builder.rows(n, *columns, high=0.0)
    else:
        ctx.builder.rows(1, *((np.zeros_like(rows), cols, coefs) for rows, cols, coefs in columns), high=0.0)
    return duty.name, "feed_in_mwh", over


def _flow(ctx: BuildContext, line: FlowLimit, by_id: Mapping[AssetId, Planned]) -> Broken:
    n = ctx.n
    over = ctx.builder.columns(n, cost=line.price_cny_per_mwh * ctx.step_h, item="flow")
    terms: list[Term] = []
    fixed = np.zeros(n)
    for asset_id, per_mw in line.per_mw.items():
        planned = by_id[asset_id]
        terms += [(rows, columns, per_mw * coefficients) for rows, columns, coefficients in planned.power]
        fixed += per_mw * _fixed(ctx, planned)
    ctx.builder.rows(n, *terms, term(over, -1.0), high=line.limit_mw - fixed)
    ctx.builder.rows(n, *terms, term(over), low=-line.limit_mw - fixed)
    return line.name, "flow_mwh", over


def _keep_published(ctx: BuildContext, by_id: Mapping[AssetId, Planned]) -> None:
    """A price on what differs from the published plan, so that plans do not flap; it breaks no promise and is not unmet."""
    published = ctx.problem.published
    if published is None:
        return
    for asset_id, power_mw in published.power_mw.items():
        planned = by_id.get(asset_id)
        if planned is None or not planned.power:
            continue
        said = np.isfinite(power_mw)
        price = np.where(said, published.change_cny_per_mwh * ctx.step_h, 0.0)
        more, less = (ctx.builder.columns(ctx.n, cost=price, item="plan_change") for _ in range(2))
        target = np.where(said, np.nan_to_num(power_mw), 0.0) - _fixed(ctx, planned)
        ctx.builder.rows(ctx.n, *planned.power, term(more, -1.0), term(less), low=target, high=target)
