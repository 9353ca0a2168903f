"""What the park intends: schedules by asset, what they cost, what they do not meet, and what stored things are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import numpy as np

from vpp.errors import PlanError
from vpp.ids import AssetId, PlanId
from vpp.timegrid import TimeGrid, require_utc
from vpp.units import FloatArray

__all__ = ["AssetPlan", "Plan", "PlanStatus", "Unmet", "ValueCurve"]

#: Proven to the gap asked for; stopped early; the last plan moved on; each kind's own rules.
PlanStatus: TypeAlias = Literal["optimal", "incumbent", "shifted", "rules"]


@dataclass(frozen=True, slots=True)
class ValueCurve:
    """Worth of one more unit in a store, by its level: a staircase, so that not all stores switch at one price.

    Args:
        level_breaks: Levels at which the worth changes, increasing, shape (n - 1,); in the store's own unit.
        value_cny_per_mwh: Worth below the first break, between breaks, above the last; not rising, shape (n,).

    >>> curve = ValueCurve(np.array([10.0, 50.0]), np.array([600.0, 400.0, 250.0]))
    >>> curve.at(np.array([5.0, 10.0, 80.0])).tolist()
    [600.0, 400.0, 250.0]
    """

    level_breaks: FloatArray
    value_cny_per_mwh: FloatArray

    def __post_init__(self) -> None:
        if self.value_cny_per_mwh.shape != (self.level_breaks.shape[0] + 1,):
            raise PlanError(
                f"value curve: {self.level_breaks.shape[0]} breaks need {self.level_breaks.shape[0] + 1} values, "
                f"not {self.value_cny_per_mwh.shape}"
            )
        if not bool(np.all(np.diff(self.level_breaks) > 0.0)):
            raise PlanError("value curve: level_breaks must increase")
        if not bool(np.all(np.diff(self.value_cny_per_mwh) <= 0.0)):
            raise PlanError("value curve: a fuller store cannot be worth more per unit; value_cny_per_mwh must not rise")

    def at(self, level: FloatArray) -> FloatArray:
        """Worth of one more unit at each level, shape of `level`; on a break the worth above it."""
        worth: FloatArray = self.value_cny_per_mwh[np.searchsorted(self.level_breaks, level, side="right")]
        return worth


@dataclass(frozen=True, slots=True)
class Unmet:
    """What a plan does not meet: the amount carries its unit in the name of what is missing, as in `ammonia_t`."""

    what: str
    amount: float
    reason: str


@dataclass(frozen=True, slots=True)
class AssetPlan:
    """One asset over the plan's grid.

    Args:
        power_mw: Positive when consuming, shape (T,). [MW]
        available_mw: What a source could generate, shape (T,); None for what is not a source. [MW]
        value: Worth of its store; None for what stores nothing.
        binding: The limits that hold the schedule where it is, in words.
    """

    asset_id: AssetId
    power_mw: FloatArray
    available_mw: FloatArray | None = None
    value: ValueCurve | None = None
    binding: tuple[str, ...] = ()

    @property
    def curtailed_mw(self) -> FloatArray:
        """What is available and not generated, shape (T,); nothing for what is not a source."""
        if self.available_mw is None:
            return np.zeros_like(self.power_mw)
        return self.available_mw + self.power_mw


@dataclass(frozen=True, slots=True)
class Plan:
    """What the park intends from `grid.start` on.

    Args:
        plan_id: Its identity.
        made_at: When it was made. (UTC)
        grid: T intervals.
        assets: By asset.
        status: How good it is; a plan is never missing, it only gets plainer.
        gap_frac: How far the cost may be from the best, relative to it; NaN where no bound is known.
        cost_items_cny: Expected cost by item; their sum is the plan's cost. [CNY]
        unmet: What it does not meet.
    """

    plan_id: PlanId
    made_at: datetime
    grid: TimeGrid
    assets: Mapping[AssetId, AssetPlan]
    status: PlanStatus
    gap_frac: float
    cost_items_cny: Mapping[str, float]
    unmet: tuple[Unmet, ...] = ()

    def __post_init__(self) -> None:
        require_utc(self.made_at, "made_at")
        for asset_id, asset in self.assets.items():
            for name, series in (("power_mw", asset.power_mw), ("available_mw", asset.available_mw)):
                if series is not None and series.shape != (self.grid.n,):
                    raise PlanError(f"plan {self.plan_id}, {asset_id}: {name} has {series.shape}, the grid {self.grid.n} steps")

    @property
    def cost_cny(self) -> float:
        """Expected cost in all."""
        return float(sum(self.cost_items_cny.values()))

    def power_at(self, asset_id: AssetId, at: datetime) -> float:
        """Planned power of an asset at an instant, in MW.

        Raises:
            PlanError: The plan does not hold the asset.
            TimeGridError: The instant is outside the plan.
        """
        return float(self._asset(asset_id).power_mw[self.grid.index(at)])

    def fallback(self, asset_id: AssetId, at: datetime, span: timedelta) -> tuple[tuple[datetime, float], ...]:
        """The plan's tail for an asset: (from when, power) over `span` from `at`, shorter where the plan ends.

        It travels with every command; after it a device takes its safe power.

        Raises:
            PlanError: The plan does not hold the asset.
        """
        power_mw = self._asset(asset_id).power_mw
        until = min(at + span, self.grid.end)
        return tuple(
            (max(start, at), float(power_mw[i]))
            for i, (start, end) in enumerate(zip(self.grid.edges, self.grid.edges[1:], strict=False))
            if end > at and start < until
        )

    def _asset(self, asset_id: AssetId) -> AssetPlan:
        if asset_id not in self.assets:
            raise PlanError(f"plan {self.plan_id} holds no asset {asset_id!r}")
        return self.assets[asset_id]
