"""Where work that may run anywhere is to run: the plan's prices say how much energy goes from which cluster to which. Pure.

A class is mobile where its job class says so in the park's record (tier and data permit it), by the same name in every cluster
that takes it. A move is worth the difference between the cheapest energy before the deadline here and there, each within the room
that its cluster has and with what waiting costs, less what the move costs. Clusters of one area share a price and exchange
nothing. Prices hold for little steps only, so a plan moves little, and the next one, a quarter of an hour later, sees what has
become of it. The plan decides energy; which jobs go, the schedulers decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.planner.problem import Problem, WorkItem
from controllers.planner.result import Result
from vpp.ids import AssetId
from vpp.park import Asset
from vpp.park.plates import JobClass
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["MOVE_CNY_PER_MWH", "Move", "Site", "placed", "sites_of"]

#: What moving data and beginning from a checkpoint elsewhere is taken to cost; assumption. [CNY/MWh]
MOVE_CNY_PER_MWH: Final = 20.0
#: Of the energy that fits into the next hour of the target's room, one plan fills so much at most.
_STEP_FRAC: Final = 0.25
#: Work whose deadline is nearer stays: a move takes up to a quarter of an hour, and plans may be wrong.
_LEAST_SLACK_H: Final = 2.0
_TINY_MWH: Final = 0.01


@dataclass(frozen=True, slots=True)
class Move:
    """So much work of one class is to go from one cluster to another.

    Args:
        job_class: Its name in both.
        source: Where it waits.
        target: Where it is to run.
        energy_mwh: At the source's meter. [MWh]
        gain_cny_per_mwh: What the plan thinks it is worth.
    """

    job_class: str
    source: AssetId
    target: AssetId
    energy_mwh: float
    gain_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster in a plan.

    Args:
        cluster: Its record.
        items: What waits, and what is expected.
        room_mw: What it could draw beyond the plan, shape (T,). [MW]
        served_mw: What the plan gives to each class, shape (T,). [MW]
        price_cny_per_mwh: Of one more MWh in its area, shape (T,).
    """

    cluster: Asset
    items: tuple[WorkItem, ...]
    room_mw: FloatArray
    served_mw: Mapping[str, FloatArray]
    price_cny_per_mwh: FloatArray


def sites_of(problem: Problem, result: Result) -> tuple[Site, ...]:
    """All clusters of a plan."""
    found = []
    for cluster in problem.park.assets_of("compute"):
        need, schedule = problem.compute[cluster.id], result.assets[cluster.id]
        served = {c.name: schedule.quantities[f"served_mw.{c.name}"] for c in cluster.plate.job_classes}
        room = np.maximum(need.max_mw - schedule.power_mw, 0.0)
        found.append(Site(cluster, need.items, room, served, result.area_price_cny_per_mwh[cluster.area]))
    return tuple(found)


def placed(sites: Sequence[Site], grid: TimeGrid) -> tuple[Move, ...]:
    """The moves of one plan, at most one for each source and class, the most worthwhile first."""
    room = {site.cluster.id: _step_mwh(site, grid) for site in sites}
    found: list[Move] = []
    for wish in sorted(_wishes(sites, grid), key=lambda m: (-m.gain_cny_per_mwh, m.source, m.target, m.job_class)):
        sent = {(m.source, m.job_class) for m in found}
        # A cluster that takes does not send in the same plan.
        if (wish.source, wish.job_class) in sent or any(wish.source == m.target or wish.target == m.source for m in found):
            continue
        energy = min(wish.energy_mwh, room[wish.target])
        if energy > _TINY_MWH:
            room[wish.target] -= energy
            found.append(Move(wish.job_class, wish.source, wish.target, energy, wish.gain_cny_per_mwh))
    return tuple(found)


def _wishes(sites: Sequence[Site], grid: TimeGrid) -> Iterator[Move]:
    for source in sites:
        for job_class in _mobile(source.cluster):
            name = job_class.name
            items = [i for i in source.items if i.job_class == name and _may_move(i)]
            waits = sum(item.energy_mwh for item in items)
            if waits <= _TINY_MWH:
                continue
            deadline_h = min(item.deadline_h for item in items)
            waiting = job_class.delay_cny_per_mwh / job_class.slack_h * grid.offset_h
            inside = grid.offset_h + grid.step_h <= deadline_h
            for target in sites:
                if target.cluster.area == source.cluster.area or name not in {c.name for c in _mobile(target.cluster)}:
                    continue
                step = min(waits, _step_mwh(target, grid))
                own = (source.room_mw + source.served_mw[name]) * grid.step_h
                here = _mean((source.price_cny_per_mwh + waiting)[inside], own[inside], step)
                there = _mean((target.price_cny_per_mwh + waiting)[inside], (target.room_mw * grid.step_h)[inside], step)
                gain = here - there - MOVE_CNY_PER_MWH
                if step > _TINY_MWH and np.isfinite(gain) and gain > 0.0:
                    yield Move(name, source.cluster.id, target.cluster.id, step, gain)


def _mean(price: FloatArray, fits_mwh: FloatArray, energy_mwh: float) -> float:
    """Mean price of the cheapest so much energy; not finite where there is too little."""
    order = np.argsort(price, kind="stable")
    used = np.diff(np.minimum(np.cumsum(fits_mwh[order]), energy_mwh), prepend=0.0)
    if energy_mwh <= 0.0 or used.sum() < energy_mwh - _TINY_MWH:
        return float("nan")
    return float((used * price[order]).sum() / energy_mwh)


def _mobile(cluster: Asset) -> tuple[JobClass, ...]:
    return tuple(c for c in cluster.plate.job_classes if c.mobile)


def _may_move(item: WorkItem) -> bool:
    """Work that is there and has time; what is only expected has not come yet."""
    return item.release_h <= 0.0 and item.deadline_h > _LEAST_SLACK_H


def _step_mwh(site: Site, grid: TimeGrid) -> float:
    near = grid.offset_h < 1.0
    return _STEP_FRAC * float((site.room_mw[near] * grid.step_h[near]).sum())
