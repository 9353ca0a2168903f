"""From a relaxed answer to whole counts: bounds that hold every count where the answer, rounded, left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from controllers.planner.blocks.base import Planned
from controllers.planner.course import IN, OUT, best_course
from controllers.planner.draw import Blueprint
from vpp.ids import AreaId, AssetId
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = [
    "ROUND_BATCH_AT",
    "ROUND_SWITCH_AT",
    "Way",
    "courses_at_prices",
    "in_order",
    "netted_ties",
    "opposed_pairs",
    "rounded_bounds",
    "without_opposed",
]

#: A count this far above a whole number is rounded up; any monotone rule keeps "on" below "warm before".
ROUND_UP_ABOVE = 0.3
#: A batch starts in the interval in which its cumulative count passes this part of it; the others where the first is far from
#: the bound, as one casting sequence more or less is dear.
ROUND_BATCH_AT = (0.5, 0.35, 0.65)
#: A machine that runs in one of two directions does so from one of these shares of its rating on; whichever is cheaper. The first
#: is near rest, for starts that do not pay at part load.
ROUND_SWITCH_AT = (0.5, 0.2)
#: Pieces out of order by less than this are rounding. [MW]
OUT_OF_ORDER_MW = 1e-4
#: Powers below this do not flow. [MW]
IDLE_MW = 1e-6


@dataclass(frozen=True, slots=True)
class Way:
    """One way of rounding.

    Args:
        switch_at: From which share on a machine runs in a direction.
        batch_at: At which part of the next one a batch starts.
        courses: Direction of machines in every interval, where it is known already.
    """

    switch_at: float = ROUND_SWITCH_AT[0]
    batch_at: float = ROUND_BATCH_AT[0]
    courses: Mapping[AssetId, IntArray] = field(default_factory=dict)


def rounded_bounds(
    blueprint: Blueprint, x: FloatArray, low: FloatArray, high: FloatArray, way: Way | None = None
) -> tuple[FloatArray, FloatArray]:
    """Bounds that hold the counts.

    Args:
        blueprint: The model and how to read it.
        x: A relaxed answer.
        low: Lower bounds of all columns; not changed.
        high: Upper bounds.
        way: How; None for the first of each.
    """
    low, high, told = low.copy(), high.copy(), way or Way()
    for planned in blueprint.planned:
        for columns, whole in _whole(planned, x, told):
            low[columns] = high[columns] = whole
        started = np.zeros(0)
        for name in planned.batches:
            # Batches are rounded on their cumulative sum, so that no more and no fewer are made and none moves far.
            columns = planned.quantities[name]
            started = np.diff(np.floor(np.cumsum(x[columns]) + 1.0 - told.batch_at), prepend=0.0)
            low[columns] = high[columns] = started
        for name in planned.runs:
            low[planned.quantities[name]] = np.minimum(started, 1.0)
    return low, high


def courses_at_prices(
    blueprint: Blueprint, area_of: Mapping[AssetId, AreaId], row_dual: FloatArray, step_h: FloatArray
) -> dict[AssetId, IntArray]:
    """The best course of every machine with two directions at the prices of a relaxed answer."""
    price = {area.area: -row_dual[area.rows] / step_h for area in blueprint.areas}
    return {
        planned.asset_id: best_course(planned.machine, price[area_of[planned.asset_id]], step_h)
        for planned in blueprint.planned
        if planned.machine is not None
    }


def _whole(planned: Planned, x: FloatArray, way: Way) -> list[tuple[IntArray, FloatArray]]:
    found: list[tuple[IntArray, FloatArray]] = []
    inner_sum, inner_rounded = 0.0, 0.0
    summed: FloatArray
    for name in planned.nested:
        # Counts nest (on inside warm): their running sum is rounded, so that each stays inside the next.
        columns = planned.quantities[name]
        summed = x[columns] + inner_sum
        rounded = np.ceil(summed - ROUND_UP_ABOVE)
        found.append((columns, np.maximum(rounded - inner_rounded, 0.0)))
        inner_sum, inner_rounded = summed, rounded  # type: ignore[assignment]  # a number first, an array from then on
    if planned.switches:
        one, other = (planned.quantities[name] for name in planned.switches)
        # A relaxed machine that runs half in each direction only wastes energy: what is left of it net is what it is for.
        net = x[one] - x[other]
        course = way.courses.get(planned.asset_id)
        inward, outward = (net >= way.switch_at, -net >= way.switch_at) if course is None else (course == IN, course == OUT)
        found += [(one, inward.astype(float)), (other, outward.astype(float))]
    return found


def opposed_pairs(blueprint: Blueprint) -> tuple[IntArray, IntArray]:
    """Columns of powers of which only one may flow at a time: charge and discharge, import and export."""
    pairs = [tuple(p.quantities[name] for name in p.opposed) for p in blueprint.planned if p.opposed is not None]
    pairs += [(c.imported, c.exported) for c in blueprint.connections if c.priced]
    if not pairs:
        none = np.zeros(0, dtype=np.int64)
        return none, none
    one, other = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return one, other


def netted_ties(blueprint: Blueprint, x: FloatArray) -> FloatArray:
    """The same answer with only the net flow over each tie between areas: both ways at once costs nothing and means nothing."""
    x = x.copy()
    for planned in blueprint.connections:
        if not planned.priced:
            both = np.minimum(x[planned.imported], x[planned.exported])
            x[planned.imported] -= both
            x[planned.exported] -= both
    return x


def without_opposed(pairs: tuple[IntArray, IntArray], x: FloatArray, high: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Upper bounds that shut the smaller of two powers that flow at once, and where that was needed.

    Negative prices invite both at once; a branch is taken only where an answer does it, on the side of the net flow.
    """
    one, other = pairs
    both: BoolArray = np.minimum(x[one], x[other]) > IDLE_MW
    if not both.any():
        return high, both
    high = high.copy()
    smaller = np.where(x[one] >= x[other], other, one)[both]
    high[smaller] = 0.0
    return high, both


def rested_below_least(
    blueprint: Blueprint, x: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Bounds that let a machine rest where it would run below its least power, and whether that was needed."""
    low, high, needed = low.copy(), high.copy(), False
    for planned in blueprint.planned:
        for switch, below in planned.below_least.items():
            shut = planned.quantities[switch][x[below] > IDLE_MW]
            low[shut] = high[shut] = 0.0
            needed |= shut.size > 0
    return low, high, needed


def in_order(blueprint: Blueprint, x: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Bounds that make the pieces of a curve fill one after another, and whether that was needed.

    Where energy is worth less than nothing a plan would waste it in the poor piece before the good one is full; the real machine
    cannot. The counts are held already, so the pieces below the present power are filled and those above it shut.
    """
    low, high, needed = low.copy(), high.copy(), False
    for planned in blueprint.planned:
        if planned.pieces is None:
            continue
        pieces = planned.pieces
        filled = np.array([x[columns] for columns in pieces.columns])
        width = np.array(pieces.widths)[:, None] * np.round(x[pieces.count])
        skipped = np.zeros(filled.shape[1], dtype=bool)
        for k in range(len(pieces.columns) - 1):
            skipped |= (filled[k] < width[k] - OUT_OF_ORDER_MW) & (filled[k + 1 :].sum(axis=0) > OUT_OF_ORDER_MW)
        if not skipped.any():
            continue
        needed = True
        total, begins = filled.sum(axis=0), np.cumsum(width, axis=0) - width
        for k, columns in enumerate(pieces.columns):
            full = skipped & (begins[k] + width[k] <= total)
            empty = skipped & (begins[k] > total)
            low[columns[full]] = width[k][full]
            high[columns[empty]] = 0.0
    return low, high, needed
