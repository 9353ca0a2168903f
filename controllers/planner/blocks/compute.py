"""A computing cluster: per job class a cumulative tube between "as late as deadlines allow" and "as early as releases allow"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.blocks.fixed import add_fixed_load
from controllers.planner.model import Term, lagged, term
from controllers.planner.problem import WorkItem
from vpp.park import Asset
from vpp.park.plates import ComputePlate, EvChargingPlate, JobClass
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

__all__ = ["add_charging", "add_compute", "tube_mwh"]

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
    most_mw, release_h = np.array([item.max_mw for item in items]), np.array([item.release_h for item in items])
    begun_h = np.maximum(end_h - np.maximum(release_h, 0.0), 0.0)
    released = release_h < end_h - _SAME_H
    with np.errstate(invalid="ignore"):
        could = np.where(released, np.fmin(most_mw * begun_h, energy), 0.0)
    due = released & (np.array([item.deadline_h for item in items]) < next_end_h - _SAME_H)
    earliest = could.sum(axis=1)
    # What could not be done by then whatever is planned is missed already, and no reason to plan more than there is.
    return np.minimum((due * energy).sum(axis=1), earliest), earliest


def add_compute(ctx: BuildContext, asset: Asset) -> Planned:
    """Served work per class inside its tube; waiting, and missing a deadline, have their prices."""
    plate: ComputePlate = asset.plate
    need = ctx.problem.compute[asset.id]
    ctx.draw_fixed(asset.area, need.firm_mw)
    room = np.maximum(need.max_mw - need.firm_mw, 0.0)
    slowed = _slow_down(ctx, plate, need.firm_mw)
    served: dict[str, IntArray] = {}
    late: dict[str, IntArray] = {}
    rows: dict[str, IntArray] = {}
    terms: list[Term] = []
    for job_class in plate.job_classes:
        items = [item for item in need.items if item.job_class == job_class.name]
        columns, missed, rows[job_class.name] = _add_class(ctx, job_class, items)
        served[f"served_mw.{job_class.name}"] = columns
        late[f"late_mwh_h.{job_class.name}"] = missed
        terms.append(term(columns))
    ctx.builder.rows(ctx.n, *terms, high=room)
    terms.append(term(slowed, -1.0))
    ctx.draw(asset.area, *terms)
    served["slowed_mw"] = slowed
    return Planned(asset.id, power=tuple(terms), fixed_mw=need.firm_mw, quantities=served, value_rows=rows, unmet=late)


def add_charging(ctx: BuildContext, asset: Asset) -> Planned:
    """Vehicles that wait and are due: one tube; a fixed load where the problem says nothing of what may move."""
    plate: EvChargingPlate = asset.plate
    need = ctx.problem.charging.get(asset.id)
    if need is None:
        return add_fixed_load(ctx, asset)
    job = JobClass(
        name=asset.id, share_frac=1.0, slack_h=plate.slack_h, delay_cny_per_mwh=plate.delay_cny_per_mwh,
        miss_cny_per_mwh=plate.miss_cny_per_mwh,
    )  # fmt: skip
    power, missed, rows = _add_class(ctx, job, need.items)
    ctx.builder.rows(ctx.n, term(power), high=np.maximum(need.max_mw - need.firm_mw, 0.0))
    ctx.draw(asset.area, term(power))
    ctx.draw_fixed(asset.area, need.firm_mw)
    quantities, late = {"power_mw": power}, {"late_mwh_h": missed}
    return Planned(asset.id, power=(term(power),), fixed_mw=need.firm_mw, quantities=quantities, store_rows=rows, unmet=late)


def _slow_down(ctx: BuildContext, plate: ComputePlate, firm_mw: FloatArray) -> IntArray:
    """Running work loses throughput at its price, as far as the tiers allow; tier 0 is never touched."""
    busy = np.maximum(firm_mw - plate.idle_frac * plate.rated_mw, 0.0)
    may_lose = sum(share * loss for share, loss in zip(plate.tier_frac[1:], plate.tier_loss_frac[1:], strict=True))
    return ctx.builder.columns(
        ctx.n, high=busy * may_lose, cost=plate.throughput_cny_per_mwh * ctx.step_h, item="compute_throughput"
    )


def _add_class(ctx: BuildContext, job_class: JobClass, items: Sequence[WorkItem]) -> tuple[IntArray, IntArray, IntArray]:
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    latest, earliest = tube_mwh(items, ctx.problem.grid)
    wait_price = job_class.delay_cny_per_mwh / job_class.slack_h * h
    # Work left at the horizon's end still needs its energy: without that price a plan would wait for ever.
    wait_price[-1] += ctx.problem.end_values.work_cny_per_mwh
    power = b.columns(n)
    done = b.columns(n, high=earliest, cost=-wait_price, item="compute_delay")
    b.offset(float((wait_price * earliest).sum()), "compute_delay")
    missed = b.columns(n, cost=job_class.miss_cny_per_mwh * h, item="compute_missed")
    rows = b.rows(n, term(done), lagged(done, 1, -1.0), term(power, -h), low=0.0, high=0.0)
    b.rows(n, term(done), term(missed), low=latest)
    return power, missed, rows
