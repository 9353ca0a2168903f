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
    """Columns of one connection: energy into its area and out of it. [MW]."""

    connection_id: ConnectionId
    imported: IntArray
    exported: IntArray


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
    imported = b.columns(n, high=terms.import_limit_mw, cost=terms.import_cny_per_mwh * h)
    exported = b.columns(n, high=terms.export_limit_mw, cost=-terms.export_cny_per_mwh * h)
    ctx.draw(connection.area, term(imported, -1.0), term(exported))
    if connection.to in ctx.problem.park.area_ids:
        ctx.draw(AreaId(connection.to), term(imported), term(exported, -1.0))
    if terms.demand_cny_per_mw > 0:
        above = b.columns(1, cost=terms.demand_cny_per_mw)
        b.rows(n, term(imported), (np.arange(n), np.repeat(above, n), -np.ones(n)), high=terms.peak_so_far_mw)
    return PlannedConnection(connection.id, imported, exported)


def close_area(ctx: BuildContext, area: AreaId) -> PlannedArea:
    """One balance: everything drawn in the area, less what it cannot serve or place, is nothing."""
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    price = ctx.problem.unserved_cny_per_mwh * h
    unserved, spilled = b.columns(n, cost=price), b.columns(n, cost=price)
    drawn = -ctx.drawn_mw.get(area, np.zeros(n))
    rows = b.rows(n, *ctx.balance[area], term(unserved, -1.0), term(spilled), low=drawn, high=drawn)
    return PlannedArea(area, rows, unserved, spilled)
