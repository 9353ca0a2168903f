"""Least-cost dispatch as an auction of the park with itself: exact, vectorised, explained by one price an area.

Every machine bids the worth of drawing one more MW, in segments from the bottom of its band: a battery what the energy will be
worth later, an electrolyser what its hydrogen is worth, a connection what import costs and export earns, a wind farm what it
costs to waste. Segments are taken from the dearest down until the area balances; the last one taken sets the price.

Areas hang on each other by ties with limits, as a tree. What an area would draw through its tie, from the most it may send to
the most it may take, is a row of segments again, so it bids in the area above like one more machine; that is exact, because a sum
of falling bids, cut off at a limit, is a falling bid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Bids", "Cleared", "Tie", "clear"]

#: A flow this near to a limit is at it. [MW]
_AT_LIMIT_MW = 1e-9


@dataclass(frozen=True, slots=True)
class Bids:
    """Segments of every machine.

    Args:
        base_mw: Power at the bottom of each machine's band, positive when consuming, shape (machines,).
        area: Index of each machine's area, shape (machines,).
        owner: Machine of each segment, shape (segments,).
        width_mw: How much more it can draw in the segment, shape (segments,), not negative.
        worth_cny_per_mwh: What drawing it is worth, falling within a machine, shape (segments,).
    """

    base_mw: FloatArray
    area: IntArray
    owner: IntArray
    width_mw: FloatArray
    worth_cny_per_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class Tie:
    """A connection between two areas.

    Args:
        below: Index of the area it is the connection of; an area is below one tie at most.
        above: Index of the area at its other end.
        import_limit_mw: Most that may flow into `below`.
        export_limit_mw: Most that may flow out of it.
    """

    below: int
    above: int
    import_limit_mw: float
    export_limit_mw: float


@dataclass(frozen=True, slots=True)
class Cleared:
    """The dispatch.

    Args:
        power_mw: Of each machine, shape (machines,).
        price_cny_per_mwh: Worth of the last segment taken, by area, shape (areas,); the same where no tie between binds; NaN
            where nothing could move.
        unmet_mw: Demand no segment could take back (positive) or supply none could take (negative), by area, shape (areas,).
        flow_mw: Over each tie into the area below, shape (ties,).
    """

    power_mw: FloatArray
    price_cny_per_mwh: FloatArray
    unmet_mw: FloatArray
    flow_mw: FloatArray


@dataclass(slots=True)
class _Pool:
    """What an area and all that hangs below it would draw: the least, then pieces of segments from the dearest down."""

    base_mw: float
    segment: IntArray
    width_mw: FloatArray

    def cut(self, low_mw: float, high_mw: float) -> tuple[float, FloatArray, FloatArray]:
        """Its pieces inside a range of the pool's power: what of each must be taken to reach `low_mw`, and what may be on top."""
        summed = np.cumsum(self.width_mw)
        before = summed - self.width_mw
        forced = np.clip(low_mw - self.base_mw - before, 0.0, self.width_mw)
        within = np.clip(high_mw - self.base_mw - before, 0.0, self.width_mw)
        return float(summed[-1]) if len(summed) else 0.0, forced, np.maximum(within - forced, 0.0)


def clear(bids: Bids, areas: int, ties: Sequence[Tie] = ()) -> Cleared:
    """Balances every area at least cost for all of them together.

    Args:
        bids: See `Bids`.
        areas: Number of areas.
        ties: Between them; without any, every area balances by itself.

    Raises:
        PlanError: Ties make a ring, or an area is below two.
    """
    pools = _own_pools(bids, areas)
    taken, unmet = np.zeros_like(bids.width_mw), np.zeros(areas)
    for area, tie in _upwards(areas, ties):
        pool = pools[area]
        low, high = (0.0, 0.0) if tie is None else (-tie.export_limit_mw, tie.import_limit_mw)
        in_all, forced, on_top = pool.cut(low, high)
        taken[pool.segment] += forced
        unmet[area] = max(pool.base_mw - high, 0.0) + min(pool.base_mw + in_all - low, 0.0)
        if tie is not None:
            drawn = min(max(pool.base_mw + float(forced.sum()), low), high)
            pools[tie.above] = _joined(pools[tie.above], _Pool(drawn, pool.segment, on_top), bids)
    power = bids.base_mw + np.bincount(bids.owner, weights=taken, minlength=bids.base_mw.shape[0])
    flow = _flows(np.bincount(bids.area, weights=power, minlength=areas) - unmet, areas, ties)
    return Cleared(power, _prices(bids, taken, areas, ties, flow), unmet, flow)


def _own_pools(bids: Bids, areas: int) -> list[_Pool]:
    base = np.bincount(bids.area, weights=bids.base_mw, minlength=areas)
    home = bids.area[bids.owner]
    order = np.lexsort((-bids.worth_cny_per_mwh, home))
    edges = np.searchsorted(home[order], np.arange(areas + 1))
    found = [order[first:last] for first, last in zip(edges, edges[1:], strict=False)]
    return [_Pool(float(base[z]), own, bids.width_mw[own]) for z, own in enumerate(found)]


def _joined(above: _Pool, below: _Pool, bids: Bids) -> _Pool:
    segment = np.concatenate([above.segment, below.segment])
    width = np.concatenate([above.width_mw, below.width_mw])
    order = np.argsort(-bids.worth_cny_per_mwh[segment], kind="stable")
    return _Pool(above.base_mw + below.base_mw, segment[order], width[order])


def _upwards(areas: int, ties: Sequence[Tie]) -> list[tuple[int, Tie | None]]:
    """Areas with the tie they hang on, every area after all that hang on it."""
    if not ties:
        return [(area, None) for area in range(areas)]
    tie_of: dict[int, Tie] = {}
    for tie in ties:
        if tie.below in tie_of:
            raise PlanError(f"dispatch: area {tie.below} hangs on two ties; areas must form a tree")
        tie_of[tie.below] = tie
    depths = []
    for area in range(areas):
        depth, at = 0, area
        while at in tie_of:
            at, depth = tie_of[at].above, depth + 1
            if depth > areas:
                raise PlanError(f"dispatch: ties make a ring through area {area}; areas must form a tree")
        depths.append(depth)
    return [(area, tie_of.get(area)) for area in sorted(range(areas), key=lambda area: -depths[area])]


def _flows(net_mw: FloatArray, areas: int, ties: Sequence[Tie]) -> FloatArray:
    """Over each tie: what its area and all below it draw beside what stays unmet there."""
    within, index = net_mw.copy(), {tie.below: k for k, tie in enumerate(ties)}
    flow: FloatArray = np.zeros(len(ties))
    for area, tie in _upwards(areas, ties):
        if tie is not None:
            flow[index[area]] = within[area]
            within[tie.above] += within[area]
    return flow


def _prices(bids: Bids, taken: FloatArray, areas: int, ties: Sequence[Tie], flow: FloatArray) -> FloatArray:
    """Cheapest segment taken among all areas that no binding tie parts."""
    group = np.arange(areas)
    for tie, mw in zip(ties, flow, strict=True):
        if -tie.export_limit_mw + _AT_LIMIT_MW < mw < tie.import_limit_mw - _AT_LIMIT_MW:
            group[group == group[tie.below]] = group[tie.above]
    moved = np.flatnonzero(taken > 0.0)
    price = np.full(areas, np.inf)
    np.minimum.at(price, group[bids.area[bids.owner[moved]]], bids.worth_cny_per_mwh[moved])
    found = price[group]
    found[np.isinf(found)] = np.nan
    return found
