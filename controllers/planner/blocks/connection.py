"""Connections: energy crosses only here, at a tariff, within limits; the month's highest import has its own price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controllers.planner.blocks.base import BuildContext
from controllers.planner.model import Term, term
from controllers.planner.problem import Held, Rebound
from vpp.ids import AreaId, ConnectionId
from vpp.park import Connection
from vpp.units import IntArray

__all__ = ["PlannedConnection", "add_connection", "close_area"]

#: More than any connection carries.
_ANY_MW = 1e5


@dataclass(frozen=True, slots=True)
class PlannedConnection:
    """Columns of one connection [MW], whether its energy has a price, what calls do not get, rows of the month's peak."""

    connection_id: ConnectionId
    imported: IntArray
    exported: IntArray
    priced: bool
    unmet: tuple[tuple[str, str, IntArray], ...] = ()
    peak_rows: IntArray | None = None


@dataclass(frozen=True, slots=True)
class PlannedArea:
    """Rows and elastic columns of one area's balance."""

    area: AreaId
    rows: IntArray
    unserved: IntArray
    spilled: IntArray


def add_connection(ctx: BuildContext, connection: Connection) -> PlannedConnection:
    """Import and export between limits; the peak column pays for what rises above the month's highest so far."""
    terms = ctx.problem.connections[connection.id]
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    imported = b.columns(n, high=terms.import_limit_mw, cost=terms.import_cny_per_mwh * h, item="energy")
    exported = b.columns(n, high=terms.export_limit_mw, cost=-terms.export_cny_per_mwh * h, item="export")
    ctx.draw(connection.area, term(imported, -1.0), term(exported))
    if connection.to in ctx.problem.park.area_ids:
        ctx.draw(AreaId(connection.to), term(imported), term(exported, -1.0))
    peak: IntArray | None = None
    if terms.demand_cny_per_mw > 0:
        share = np.array([terms.near_frac, 1.0 - terms.near_frac]) if terms.near_steps else np.ones(1)
        above = b.columns(share.size, cost=terms.demand_cny_per_mw * share, item="demand_charge")
        of_step = above[(np.arange(n) >= terms.near_steps).astype(np.int64)] if terms.near_steps else np.repeat(above, n)
        peak = b.rows(n, term(imported), (np.arange(n), of_step, -np.ones(n)), high=terms.peak_so_far_mw)
    unmet = _answer_calls(ctx, connection, imported, exported)
    priced = bool(terms.import_cny_per_mwh.any() or terms.export_cny_per_mwh.any())
    return PlannedConnection(connection.id, imported, exported, priced, unmet, peak)


def _answer_calls(
    ctx: BuildContext, connection: Connection, imported: IntArray, exported: IntArray
) -> tuple[tuple[str, str, IntArray], ...]:
    """What events ask of the net import, and what may be taken back after them; both elastic and named."""
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    unmet: list[tuple[str, str, IntArray]] = []
    # A grid connection has one of each even where nothing is asked: a call then changes bounds only, and the model stays kept.
    spare = 1 if connection.is_grid else 0
    calls = ctx.problem.held.get(connection.id, ())
    for held in (*calls, *[_nothing_asked(n)] * (spare - len(calls))):
        over, under = (b.columns(n, cost=held.price_cny_per_mwh * h, item="event_missed") for _ in range(2))
        b.rows(n, term(imported), term(exported, -1.0), term(over, -1.0), high=held.high_mw)
        b.rows(n, term(imported), term(exported, -1.0), term(under), low=held.low_mw)
        unmet += [(held.name, "event_above_mwh", over), (held.name, "event_below_mwh", under)]
    backs = ctx.problem.rebounds.get(connection.id, ())
    for back in (*backs, *[Rebound("", None, 0.0, (), 0.0, 1.0)] * (spare - len(backs))):
        unmet.append((back.name, "rebound_mwh", _limit_rebound(ctx, back, imported, exported)))
    return tuple(unmet)


def _limit_rebound(ctx: BuildContext, back: Rebound, imported: IntArray, exported: IntArray) -> IntArray:
    """Net import after an event at most so far above what it was before; where and when stands in bounds only."""
    b, n = ctx.builder, ctx.n
    over = b.columns(n, cost=back.price_cny_per_mwh * ctx.step_h, item="rebound")
    known = back.before_step is None
    before = b.columns(1, low=back.before_mw if known else -_ANY_MW, high=back.before_mw if known else _ANY_MW)
    reference, limit = np.full(n, np.inf), np.full(n, np.inf)
    if back.before_step is not None:
        reference[back.before_step] = 0.0
    limit[list(back.steps)] = back.most_mw
    level: Term = (np.arange(n), np.repeat(before, n), np.ones(n))
    b.rows(n, level, term(imported, -1.0), term(exported), high=reference)
    b.rows(n, term(imported), term(exported, -1.0), term(over, -1.0), (level[0], level[1], -level[2]), high=limit)
    return over


def _nothing_asked(n: int) -> Held:
    return Held("", np.full(n, -np.inf), np.full(n, np.inf), 1.0)


def close_area(ctx: BuildContext, area: AreaId) -> PlannedArea:
    """One balance: everything drawn in the area, less what it cannot serve or place, is nothing."""
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    price = ctx.problem.unserved_cny_per_mwh * h
    unserved, spilled = b.columns(n, cost=price, item="unserved"), b.columns(n, cost=price, item="surplus")
    drawn = -ctx.drawn_mw.get(area, np.zeros(n))
    rows = b.rows(n, *ctx.balance[area], term(unserved, -1.0), term(spilled), low=drawn, high=drawn)
    return PlannedArea(area, rows, unserved, spilled)
