"""Problem to model: every asset's block, the connections, one balance an area, and what is asked from outside."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.planner.blocks import BLOCKS
from controllers.planner.blocks.asked import Broken, add_asked
from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.blocks.connection import PlannedArea, PlannedConnection, add_connection, close_area
from controllers.planner.model import LinearModel, ModelBuilder
from controllers.planner.problem import Problem
from vpp.errors import PlanError

__all__ = ["Blueprint", "draw"]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A model and how to read it.

    Args:
        spans: First column of each asset's own ones and the first behind them, in the order of `planned`.
    """

    model: LinearModel
    planned: tuple[Planned, ...]
    connections: tuple[PlannedConnection, ...]
    areas: tuple[PlannedArea, ...]
    broken: tuple[Broken, ...]
    spans: tuple[tuple[int, int], ...]


def draw(problem: Problem) -> Blueprint:
    """The model of a problem.

    Raises:
        PlanError: An asset's kind has no block, so the park cannot be planned as a whole.
    """
    ctx = BuildContext(problem, ModelBuilder())
    unknown = sorted({a.kind for a in problem.park.assets} - set(BLOCKS))
    if unknown:
        raise PlanError(f"no planner block for kind {', '.join(unknown)}; add it to controllers.planner.blocks.BLOCKS")
    # The loop that drains a hydrogen node comes after everything that fills it.
    ordered = sorted(problem.park.assets, key=lambda a: a.kind == "ammonia_loop")
    planned, spans = [], []
    for asset in ordered:
        first = ctx.builder.n_columns
        planned.append(BLOCKS[asset.kind](ctx, asset))
        spans.append((first, ctx.builder.n_columns))
    connections = tuple(add_connection(ctx, c) for c in problem.park.connections)
    broken = add_asked(ctx, planned, connections)
    areas = tuple(close_area(ctx, area) for area in problem.park.area_ids)
    return Blueprint(ctx.builder.build(), tuple(planned), connections, areas, broken, tuple(spans))
