"""Lines and transformers in a plan: rows only for those that it would overload, since rows for all cost half as much again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.planner.asks import flow_limits, lines_at_risk
from controllers.planner.problem import FlowLimit
from controllers.planner.result import AssetSchedule
from vpp.ids import AssetId
from vpp.park import Park

__all__ = ["LineWatch"]

#: Flow beyond a limit that is no more than the solver's tolerance. [MW]
_TINY_MW: Final = 1e-3


@dataclass(slots=True)
class LineWatch:
    """The branches of a park that its own assets can overload.

    Args:
        limits: Each with what an MW of every asset adds to its flow.
        kept: Those that a plan has overloaded; they have rows from then on.
    """

    limits: tuple[FlowLimit, ...]
    kept: frozenset[str] = frozenset()

    @classmethod
    def of(cls, park: Park) -> LineWatch:
        """Of a park as of one day; one without a main bus has nothing to watch."""
        return cls(flow_limits(park, lines_at_risk(park)))

    def learn(self, assets: Mapping[AssetId, AssetSchedule]) -> bool:
        """Whether a schedule overloads branches that have no rows yet; they are kept from now on."""
        new = frozenset(limit.name for limit in self.limits if limit.name not in self.kept and _overloads(limit, assets))
        self.kept |= new
        return bool(new)


def _overloads(limit: FlowLimit, assets: Mapping[AssetId, AssetSchedule]) -> bool:
    parts = [share * assets[i].power_mw for i, share in limit.per_mw.items() if i in assets]
    return bool(parts) and float(np.abs(np.sum(parts, axis=0)).max()) > limit.limit_mw + _TINY_MW
