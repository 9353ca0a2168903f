"""Connections: energy crosses only here, at a tariff, within limits; the month's highest import has its own price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controllers.planner.blocks.base import BuildContext
from controllers.planner.model import term
from vpp.ids import AreaId, ConnectionId
from vpp.park import Connection
from vpp.units import IntArray

__all__ = ["PlannedConnection", "add_connection", "close_area"]


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
        above = b.columns(1, cost=terms.demand_cny_per_mw, item="demand_charge")
        peak = b.rows(n, term(imported), (np.arange(n), np.repeat(above, n), -np.ones(n)), high=terms.peak_so_far_mw)
    unmet = _answer_calls(ctx, connection, imported, exported)
    priced = bool(terms.import_cny_per_mwh.any() or terms.export_cny_per_mwh.any())
    return PlannedConnection(connection.id, imported, exported, priced, unmet, peak)


def _answer_calls(
    ctx: BuildContext, connection: Connection, imported: IntArray, exported: IntArray
) -> tuple[tuple[str, str, IntArray], ...]:
    """What events ask of the net import, and what may be taken back after them; both elastic and named."""
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    unmet: list[tuple[str, str, IntArray]] = []
    for held in ctx.problem.held.get(connection.id, ()):
        over, under = (b.columns(n, cost=held.price_cny_per_mwh * h, item="event_missed") for _ in range(2))
        b.rows(n, term(imported), term(exported, -1.0), term(over, -1.0), high=held.high_mw)
        b.rows(n, term(imported), term(exported, -1.0), term(under), low=held.low_mw)
        unmet += [(held.name, "event_above_mwh", over), (held.name, "event_below_mwh", under)]
    for back in ctx.problem.rebounds.get(connection.id, ()):
        over = b.columns(n, cost=back.price_cny_per_mwh * h, item="rebound")
        steps = np.array(back.steps, dtype=np.int64)
        rows = np.arange(steps.size)
        terms = [(rows, imported[steps], np.ones(rows.size)), (rows, exported[steps], -np.ones(rows.size))]
        terms.append((rows, over[steps], -np.ones(rows.size)))
        if back.before_step is not None:
            before = np.full(rows.size, back.before_step)
            terms += [(rows, imported[before], -np.ones(rows.size)), (rows, exported[before], np.ones(rows.size))]
        b.rows(rows.size, *terms, high=back.most_mw + (back.before_mw if back.before_step is None else 0.0))
        unmet.append((back.name, "rebound_mwh", over))
    return tuple(unmet)


def close_area(ctx: BuildContext, area: AreaId) -> PlannedArea:
    """One balance: everything drawn in the area, less what it cannot serve or place, is nothing."""
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    price = ctx.problem.unserved_cny_per_mwh * h
    unserved, spilled = b.columns(n, cost=price, item="unserved"), b.columns(n, cost=price, item="surplus")
    drawn = -ctx.drawn_mw.get(area, np.zeros(n))
    rows = b.rows(n, *ctx.balance[area], term(unserved, -1.0), term(spilled), low=drawn, high=drawn)
    return PlannedArea(area, rows, unserved, spilled)
