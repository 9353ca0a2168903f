"""What furnaces are about to draw: a heat that is told to start now is not yet in any measurement."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from controllers.dispatch.guidance import HeatOrder
from controllers.dispatch.snapshot import Reported
from vpp.park.plates import ArcFurnacePlate
from vpp.units import s_to_h

__all__ = ["starting_mw"]

_AT_ONCE: Final = timedelta(seconds=1)


def starting_mw(plate: ArcFurnacePlate, said: Reported, order: HeatOrder, at: datetime) -> float:
    """Power that heats due at this instant add to what the furnaces were measured to draw; 0 once they have begun. [MW].

    Args:
        plate: Of the furnaces.
        said: Their last word.
        order: Starts in the coming intervals, the one that runs first.
        at: Now.
    """
    due = [start for start, count in order.starts for _ in range(count) if start <= at]
    if not due:
        return 0.0
    since_h = s_to_h((at - due[0] + _AT_ONCE).total_seconds())
    in_heat_h = [s_to_h(said.state.get(f"furnace.{i}.in_heat_s", 0.0)) for i in range(plate.furnaces)]
    ready = sum(said.state.get(f"furnace.{i}.free_in_s", 0.0) <= 0.0 for i in range(plate.furnaces))
    begun = sum(0.0 < h <= since_h for h in in_heat_h)
    return plate.melting_mw * min(ready, max(len(due) - begun, 0))
