"""What the park intended, interval by interval: the plan that was in force when each of them began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from controllers.bus.base import Bus
from vpp.errors import WireError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray
from vpp.wire.codec import decode
from vpp.wire.messages import PlanCurrent
from vpp.wire.topics import Channel, filter_of

__all__ = ["PlanEar"]


class PlanEar:
    """Listens to what the controller publishes; keeps one power an interval and asset, not every plan.

    Args:
        bus: Where it listens.
        park: The park's id.
    """

    def __init__(self, bus: Bus, park: str) -> None:
        self._kept: dict[datetime, dict[str, float]] = {}
        self._last: PlanCurrent | None = None
        #: Plans that could not be read; a malformed message never ends a run.
        self.malformed = 0
        self._gaps_frac: list[float] = []
        bus.subscribe(filter_of(park, Channel.PLAN_CURRENT), self._on_plan)

    def planned_mw(self, assets: Sequence[AssetId], grid: TimeGrid) -> FloatArray:
        """Planned power over a grid in MW, shape (A, T); NaN where no plan was in force or it did not name the asset."""
        kept = {**self._kept, **_intervals(self._last, None)}
        planned: FloatArray = np.full((len(assets), grid.n), np.nan)
        row_of = {asset_id: row for row, asset_id in enumerate(assets)}
        for t, start in enumerate(grid.starts):
            for asset_id, power_mw in kept.get(start, {}).items():
                if asset_id in row_of:
                    planned[row_of[AssetId(asset_id)], t] = power_mw
        return planned

    def plans(self) -> dict[str, float] | None:
        """How many plans were published, and how far from their bounds at most; None where there was none."""
        if not self._gaps_frac:
            return None
        gaps_frac = np.array(self._gaps_frac)
        return {"made": float(gaps_frac.size), "gap_frac_mean": float(gaps_frac.mean()), "gap_frac_max": float(gaps_frac.max())}

    def _on_plan(self, topic: str, payload: bytes) -> None:
        try:
            plan = decode(PlanCurrent, topic, payload)
        except WireError:
            self.malformed += 1
            return
        if plan.gap_frac is not None:
            self._gaps_frac.append(plan.gap_frac)
        self._kept.update(_intervals(self._last, plan.edges[0]))
        self._last = plan


def _intervals(plan: PlanCurrent | None, until: datetime | None) -> dict[datetime, dict[str, float]]:
    """Power by interval and asset of what a plan ruled before a newer one began."""
    if plan is None:
        return {}
    starts = [start for start in plan.edges[:-1] if until is None or start < until]
    return {start: {one.id: one.power_mw[t] for one in plan.assets} for t, start in enumerate(starts)}
