"""Heats behind a meter: what they draw at their worst, because a level is held minute by minute and a plan knows means. Pure.

A relaxed plan lets heats flow evenly through an hour. Furnaces do not: one melts at full power for half an hour, two of them
sometimes together, and the caster decides: a young casting sequence must go on and the day's heats must stay possible, whatever
the plan would like. So a promise to stay below a level counts all furnaces at full melting power, and a promise to stay above one
counts on none. What moving heats brings comes on top of what was promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controllers.planner.draw import Blueprint
from controllers.planner.model import Term
from controllers.planner.problem import Problem
from vpp.ids import AreaId, ConnectionId
from vpp.park import Park
from vpp.units import FloatArray

__all__ = ["Batches", "batches_behind"]


@dataclass(frozen=True, slots=True)
class Batches:
    """The heats of one furnace group.

    Args:
        drawn: What starts draw, as in the plan's balance.
        running_mw: Mean power of heats that have begun, shape (T,). [MW]
        worst_mw: All furnaces at full melting power; 0 where no heat runs or is owed. [MW]
    """

    drawn: Term
    running_mw: FloatArray
    worst_mw: float

    def power_mw(self, x: FloatArray) -> FloatArray:
        """Mean power of all heats of an answer, shape (T,)."""
        rows, columns, mw = self.drawn
        power: FloatArray = self.running_mw + np.bincount(rows, weights=mw * x[columns], minlength=self.running_mw.size)
        return power


def _areas_behind(park: Park, meter: Sequence[ConnectionId]) -> set[AreaId]:
    """Areas that hang on some connections, over ties too."""
    areas: set[AreaId] = set()
    front = [AreaId(park.connection(c).area) for c in meter]
    while front:
        here = front.pop()
        if here not in areas:
            areas.add(here)
            front += [AreaId(c.to if c.area == here else c.area) for c in park.connections_of(here) if not c.is_grid]
    return areas


def batches_behind(problem: Problem, blueprint: Blueprint, meter: Sequence[ConnectionId]) -> tuple[Batches, ...]:
    """Those that stand behind some connections, over ties too."""
    park, areas, found = problem.park, _areas_behind(problem.park, meter), []
    for planned in blueprint.planned:
        asset = park.asset(planned.asset_id)
        if not planned.batches or asset.area not in areas or planned.asset_id not in problem.heats:
            continue
        need = problem.heats[planned.asset_id]
        some = bool(need.running_mw.any() or need.earliest.any())
        worst_mw = asset.plate.furnaces * asset.plate.melting_mw if some else 0.0
        found.append(Batches(planned.power[0], need.running_mw, worst_mw))
    return tuple(found)
