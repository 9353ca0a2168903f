"""The small interface between an asset kind and the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from controllers.planner.course import TwoWay
from controllers.planner.model import ModelBuilder, Term, term
from controllers.planner.problem import Problem
from vpp.ids import AreaId, AssetId
from vpp.park import Asset
from vpp.units import FloatArray, IntArray

__all__ = ["Block", "BuildContext", "Pieces", "Planned", "keep_reserve"]


@dataclass(slots=True)
class BuildContext:
    """The model being built, and the balances that blocks add their terms to.

    Args:
        problem: What is planned.
        builder: Columns and rows so far.
        balance: Terms of each area's balance: power drawn counts positive, row i is interval i. [MW]
        drawn_mw: Power drawn that is no decision, by area, shape (T,). [MW]
        hydrogen: Terms of each hydrogen node's balance: production counts positive. [kg/h]
    """

    problem: Problem
    builder: ModelBuilder
    balance: dict[AreaId, list[Term]] = field(default_factory=lambda: defaultdict(list))
    drawn_mw: dict[AreaId, FloatArray] = field(default_factory=dict)
    hydrogen: dict[str, list[Term]] = field(default_factory=lambda: defaultdict(list))

    @property
    def n(self) -> int:
        """Number of intervals."""
        return self.problem.grid.n

    @property
    def step_h(self) -> FloatArray:
        """Length of each interval, shape (T,)."""
        return self.problem.grid.step_h

    def draw(self, area: AreaId, *terms: Term) -> None:
        """Adds decided power to an area's balance."""
        self.balance[area].extend(terms)

    def draw_fixed(self, area: AreaId, power_mw: FloatArray) -> None:
        """Adds power that is no decision."""
        self.drawn_mw[area] = self.drawn_mw.get(area, np.zeros(self.n)) + power_mw


def keep_reserve(ctx: BuildContext, asset: Asset, stored: IntArray) -> None:
    """Prices every unit that a store lacks of its reserve, every hour; nothing where the problem names none."""
    reserve = ctx.problem.reserves.get(asset.id)
    if reserve is None:
        return
    missing = ctx.builder.columns(ctx.n, cost=reserve.price_cny_per_unit_h * ctx.step_h, item="reserve")
    ctx.builder.rows(ctx.n, term(stored), term(missing), low=reserve.level)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Straight pieces of a concave curve: where energy has a worth they fill in order by themselves.

    Args:
        columns: One array a piece, the best first.
        widths: Of each, for one machine.
        count: Machines that are on.
    """

    columns: tuple[IntArray, ...]
    widths: tuple[float, ...]
    count: IntArray


@dataclass(frozen=True, slots=True)
class Planned:
    """How to read an asset's schedule from a solution.

    Args:
        asset_id: Whose.
        power: Columns and coefficients that sum to its power in each interval.
        fixed_mw: Power that is no decision, shape (T,).
        quantities: Named columns worth reading, as in `stacks_on`, `soc_mwh`, `starts`.
        store_rows: Rows of its store's balance; their dual is the value of what is stored.
        room: Least and most that the store of `store_rows` holds, in its own unit.
        value_rows: Rows of the balances of several stores by name, where one asset has more than one.
        nested: Counts that are relaxed first and rounded after, the inner one first, as in stacks that are on inside those warm.
        batches: Starts of batches, rounded on their cumulative sum.
        runs: What must run wherever a batch starts, as the caster does.
        switches: Directions of which at most one is 1: inward and outward.
        machine: What runs in them.
        below_least: By direction, how far its power stays below the machine's least.
        opposed: Two powers that must never flow at once.
        pieces: Powers that fill one after another, each with its width for one machine, and the count of machines.
        unmet: Named columns whose positive value is a promise not kept; one an interval is summed over time, as its name says:
            `late_mwh_h` is MWh late times hours of lateness, a column in kg/h makes `hydrogen_kg`.
    """

    asset_id: AssetId
    power: tuple[Term, ...] = ()
    fixed_mw: FloatArray | None = None
    quantities: dict[str, IntArray] = field(default_factory=dict)
    store_rows: IntArray | None = None
    room: tuple[float, float] | None = None
    value_rows: dict[str, IntArray] = field(default_factory=dict)
    nested: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    machine: TwoWay | None = None
    below_least: dict[str, IntArray] = field(default_factory=dict)
    opposed: tuple[str, str] | None = None
    pieces: Pieces | None = None
    unmet: dict[str, IntArray] = field(default_factory=dict)


Block: TypeAlias = Callable[[BuildContext, Asset], Planned]
