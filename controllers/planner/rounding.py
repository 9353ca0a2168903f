"""From a relaxed answer to whole counts: bounds that hold every count where the answer, rounded, left it."""

from __future__ import annotations

import numpy as np

from controllers.planner.blocks.base import Planned
from controllers.planner.draw import Blueprint
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["ROUND_BATCH_AT", "ROUND_SWITCH_AT", "in_order", "netted_ties", "opposed_pairs", "rounded_bounds", "without_opposed"]

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


def rounded_bounds(
    blueprint: Blueprint,
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    switch_at: float = ROUND_SWITCH_AT[0],
    batch_at: float = ROUND_BATCH_AT[0],
) -> tuple[FloatArray, FloatArray]:
    """Bounds that hold the counts.

    Args:
        blueprint: The model and how to read it.
        x: A relaxed answer.
        low: Lower bounds of all columns; not changed.
        high: Upper bounds.
        switch_at: From which share on a machine runs in a direction.
        batch_at: At which part of the next one a batch starts.
    """
    low, high = low.copy(), high.copy()
    for planned in blueprint.planned:
        for columns, whole in _whole(planned, x, switch_at):
            low[columns] = high[columns] = whole
        started = np.zeros(0)
        for name in planned.batches:
            # Batches are rounded on their cumulative sum, so that no more and no fewer are made and none moves far.
            columns = planned.quantities[name]
            started = np.diff(np.floor(np.cumsum(x[columns]) + 1.0 - batch_at), prepend=0.0)
            low[columns] = high[columns] = started
        for name in planned.runs:
            low[planned.quantities[name]] = np.minimum(started, 1.0)
    return low, high


def _whole(planned: Planned, x: FloatArray, switch_at: float) -> list[tuple[IntArray, FloatArray]]:
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
        first = x[one] >= x[other]
        found.append((one, (first & (x[one] >= switch_at)).astype(float)))
        found.append((other, (~first & (x[other] >= switch_at)).astype(float)))
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
