"""A computing cluster: per job class a cumulative tube between "as late as deadlines allow" and "as early as releases allow"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import Term, lagged, term
from controllers.planner.problem import WorkItem
from vpp.park import Asset
from vpp.park.plates import ComputePlate, JobClass
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["add_compute", "tube_mwh"]

#: Two instants closer than this are one. [h]
_SAME_H = 1e-9


def tube_mwh(items: Sequence[WorkItem], grid: TimeGrid) -> tuple[FloatArray, FloatArray]:
    """Cumulative energy a class must, and may, have had by the end of each interval: latest and earliest, shape (T,). [MWh].

    An item released inside an interval may use the part of it that is left; one that is due inside it must be done by its start.
    """
    if not items:
        return np.zeros(grid.n), np.zeros(grid.n)
    end_h = (grid.offset_h + grid.step_h)[:, np.newaxis]
    # Beyond the horizon nothing is due; inside it a deadline counts for the last interval that ends before it.
    next_end_h = np.append(end_h[1:], end_h[-1:] + 2.0 * _SAME_H, axis=0)
    energy = np.array([item.energy_mwh for item in items])
    released = np.array([item.release_h for item in items]) < end_h - _SAME_H
    due = released & (np.array([item.deadline_h for item in items]) < next_end_h - _SAME_H)
    return (due * energy).sum(axis=1), (released * energy).sum(axis=1)


def add_compute(ctx: BuildContext, asset: Asset) -> Planned:
    """Served work per class inside its tube; waiting, and missing a deadline, have their prices."""
    plate: ComputePlate = asset.plate
    need = ctx.problem.compute[asset.id]
    ctx.draw_fixed(asset.area, need.firm_mw)
    room = np.maximum(need.max_mw - need.firm_mw, 0.0)
    served: dict[str, IntArray] = {}
    late: dict[str, IntArray] = {}
    terms: list[Term] = []
    for job_class in plate.job_classes:
        items = [item for item in need.items if item.job_class == job_class.name]
        columns, missed = _add_class(ctx, job_class, items)
        served[f"served_mw.{job_class.name}"] = columns
        late[f"late_mwh_h.{job_class.name}"] = missed
        terms.append(term(columns))
    ctx.builder.rows(ctx.n, *terms, high=room)
    ctx.draw(asset.area, *terms)
    return Planned(asset.id, power=tuple(terms), fixed_mw=need.firm_mw, quantities=served, unmet=late)


def _add_class(ctx: BuildContext, job_class: JobClass, items: Sequence[WorkItem]) -> tuple[IntArray, IntArray]:
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    latest, earliest = tube_mwh(items, ctx.problem.grid)
    wait_price = job_class.delay_cny_per_mwh / job_class.slack_h * h
    # Work left at the horizon's end still needs its energy: without that price a plan would wait for ever.
    wait_price[-1] += ctx.problem.end_values.work_cny_per_mwh
    power = b.columns(n)
    done = b.columns(n, high=earliest, cost=-wait_price)
    b.offset_cny += float((wait_price * earliest).sum())
    missed = b.columns(n, cost=job_class.miss_cny_per_mwh * h)
    b.rows(n, term(done), lagged(done, 1, -1.0), term(power, -h), low=0.0, high=0.0)
    b.rows(n, term(done), term(missed), low=latest)
    return power, missed
