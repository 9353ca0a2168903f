"""What the world asks of a plant, and what a plant may see of the world.

Each control step has two halves. First every plant says what it *intends* to draw and how far its own local control would
let the area's frequency push it. Then the area is balanced, and every plant *settles*: it carries the step out at the power
it was left with and books what came of it. Nothing here knows a controller: commands reach a plant as a `controllers.edge`
device or, for a computing cluster, through `controllers.client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from vpp.ids import AreaId, AssetId

__all__ = ["Ambient", "Balance", "Intent", "Plant", "PushOrder"]


@dataclass(frozen=True, slots=True)
class Ambient:
    """What surrounds every plant during one step.

    Args:
        at: Start of the step (UTC).
        dt_s: Its length. [s]
        temperature_c: Outdoor air. [°C]
        available_frac: Available output of each wind and solar farm, 0..1 of capacity, mean over the step.
        running_frac: Share of each of them that is not out of service, 0..1; whole where left out.
        frequency_hz: Of the synchronous area the plant hangs on, at the start of the step. [Hz]
    """

    at: datetime
    dt_s: float
    temperature_c: float
    available_frac: Mapping[AssetId, float] = field(default_factory=dict)
    frequency_hz: float = 50.0
    running_frac: Mapping[AssetId, float] = field(default_factory=dict)


class PushOrder(IntEnum):
    """Who is pushed first when an area's supply and demand differ (grid-forming storage, then the reflexes)."""

    GRID_FORMING = 0
    FAST_LOAD = 1
    CURTAILMENT = 2
    SHEDDING = 3
    NEVER = 9


@dataclass(frozen=True, slots=True)
class Intent:
    """What a plant would draw over the step by itself, and how far it can be pushed within the step.

    Args:
        power_mw: Mean power it intends, positive when consuming. [MW]
        low_mw: The least its local control could be pushed to (a surplus of demand pushes down). [MW]
        high_mw: The most (a surplus of supply pushes up). [MW]
        order: When its turn comes to be pushed.
    """

    power_mw: float
    low_mw: float
    high_mw: float
    order: PushOrder


@dataclass(frozen=True, slots=True)
class Balance:
    """One conservation law of a plant or area since the run began: `residual` should be rounding against `size`."""

    name: str
    residual: float
    size: float
    unit: str


class Plant(Protocol):
    """A machine in the world.

    `totals` are counters since the run began, with units in their names (`discharged_mwh`, `hydrogen_kg`, `heats_done`);
    `stock` is what it holds now (`stored_mwh`, `hydrogen_kg`, `waiting_mwh`). Both are truth: the score is computed from them.
    """

    @property
    def asset_id(self) -> AssetId:
        """Its id."""
        ...

    @property
    def area(self) -> AreaId:
        """The supply area it stands in."""
        ...

    @property
    def power_mw(self) -> float:
        """Mean power of the last step, positive when consuming."""
        ...

    def intend(self, ambient: Ambient) -> Intent:
        """What it would draw over the coming step."""
        ...

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Carry the step out at the power the area's balance left it with."""
        ...

    def totals(self) -> Mapping[str, float]:
        """Counters since the run began."""
        ...

    def stock(self) -> Mapping[str, float]:
        """What it holds now."""
        ...

    def balances(self) -> tuple[Balance, ...]:
        """Its conservation laws, for the check at the end of every run."""
        ...
