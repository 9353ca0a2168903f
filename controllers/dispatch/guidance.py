"""What dispatch follows until the next plan: worths, commitments and set-points for the interval that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import Placement, Reason

__all__ = [
    "BandGuidance",
    "ConnectionGuidance",
    "Guidance",
    "HeatOrder",
    "ShiftGuidance",
    "StackOrder",
    "StoreGuidance",
    "TailPoint",
]


@dataclass(frozen=True, slots=True)
class StoreGuidance:
    """When a store moves.

    Args:
        charge_below_cny_per_mwh: It draws when the area's price is below this.
        discharge_above_cny_per_mwh: It delivers when the price is above this; never below the other.
        planned_mw: What the plan has it do; where worths tie, dispatch stays here. None without a plan.
    """

    charge_below_cny_per_mwh: float
    discharge_above_cny_per_mwh: float
    planned_mw: float | None = None


@dataclass(frozen=True, slots=True)
class StackOrder:
    """How many stacks run and stand by, what their hydrogen is worth, and the planned power where worths tie."""

    on: int
    standby: int
    hydrogen_cny_per_kg: float
    planned_mw: float | None = None


@dataclass(frozen=True, slots=True)
class HeatOrder:
    """Starts of heats in the coming intervals, in order of time, as `(start, how many)`."""

    starts: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True)
class ConnectionGuidance:
    """Prices at a connection now, and the import above which the month's peak would grow."""

    import_cny_per_mwh: float
    export_cny_per_mwh: float
    free_import_mw: float
    above_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class BandGuidance:
    """A machine that dispatch may move inside a band, each MW of it at its worth: a smelter, a generating unit, a feeder.

    Args:
        low_mw: Bottom of the band, negative for one that generates. [MW]
        segments: `(width_mw, worth_cny_per_mwh)` from the bottom up, worth falling.
        switched: Whether it is on or off as a whole; it is then on where more than half of the band was taken.
    """

    low_mw: float
    segments: tuple[tuple[float, float], ...]
    switched: bool = False

    @property
    def high_mw(self) -> float:
        """Top of the band. [MW]."""
        return self.low_mw + sum(width for width, _ in self.segments)


@dataclass(frozen=True, slots=True)
class TailPoint:
    """Planned power of an asset from an instant on, for its fallback profile."""

    at: datetime
    power_mw: float


@dataclass(frozen=True, slots=True)
class ShiftGuidance:
    """What a computing cluster is asked for, interval by interval.

    Args:
        edges: T + 1 instants.
        cap_mw: Never more, T of them.
        target_mw: Asked for, T of them.
        floor_mw: Guaranteed, T of them.
        green_share_frac: Of the area's supply, T of them.
        carbon_kg_per_mwh: Of the area's supply, T of them.
        price_cny_per_mwh: Of one more MWh, T of them.
        confidence_frac: Chance that the green supply behind the target comes, T of them.
        placements: Work to send to other clusters and to take from them.
    """

    edges: tuple[datetime, ...]
    cap_mw: tuple[float, ...]
    target_mw: tuple[float, ...]
    floor_mw: tuple[float, ...]
    green_share_frac: tuple[float, ...]
    carbon_kg_per_mwh: tuple[float, ...]
    price_cny_per_mwh: tuple[float, ...]
    confidence_frac: tuple[float, ...]
    placements: tuple[Placement, ...] = ()


@dataclass(frozen=True, slots=True)
class Guidance:
    """Everything dispatch needs beside the snapshot.

    Args:
        plan_id: Behind every command.
        source: What made it, as in `mpc` or `rules`.
        held_mw: Set-points of slow assets that dispatch does not move.
        bands: Machines that move inside a band.
        tails: The plan's continuation per asset.
        reasons: Why an asset does what it does, where it is not the plan's price.
    """

    plan_id: str
    source: str
    connections: Mapping[ConnectionId, ConnectionGuidance]
    stores: Mapping[AssetId, StoreGuidance] = field(default_factory=dict)
    stacks: Mapping[AssetId, StackOrder] = field(default_factory=dict)
    heats: Mapping[AssetId, HeatOrder] = field(default_factory=dict)
    shifts: Mapping[AssetId, ShiftGuidance] = field(default_factory=dict)
    held_mw: Mapping[AssetId, float] = field(default_factory=dict)
    bands: Mapping[AssetId, BandGuidance] = field(default_factory=dict)
    tails: Mapping[AssetId, tuple[TailPoint, ...]] = field(default_factory=dict)
    curtail_cny_per_mwh: float = 50.0
    reasons: Mapping[AssetId, Reason] = field(default_factory=dict)
