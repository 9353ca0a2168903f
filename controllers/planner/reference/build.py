"""Park-96 straight as arrays: the model as the specification writes it, every daily or final condition in a bound.

Columns that belong to several groups lie group by group, each over all steps, so that one expression builds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.planner.model import LinearModel, ModelBuilder, Term
from controllers.planner.reference.data import JOBS, STEP_H, STEPS_PER_DAY, STORES, Park96, Profiles, Start
from vpp.units import KG_PER_T, FloatArray, IntArray

__all__ = ["Columns", "ReferenceModel", "build"]

BASE_MW: Final = 120.0
IMPORT_MW, EXPORT_MW = 400.0, 200.0
CURTAIL_CNY: Final = 50.0
MIN_FRAC: Final = 0.25
SEGMENT_FRAC: Final = 0.25
STANDBY_FRAC: Final = 0.02
KG_PER_MWH_AT_MIN: Final = 18.8
#: Specific energy in the three segments above minimum: 48, 52 and 57 MWh a tonne.
KG_PER_MWH: Final = (KG_PER_T / 48.0, KG_PER_T / 52.0, KG_PER_T / 57.0)
WARM_CNY_PER_MW, COLD_CNY_PER_MW = 6.0, 60.0
TANK_KG, TANK_END_KG = 16_000.0, 8_000.0
HYDROGEN_KG_PER_T: Final = 178.0
LOOP_T_PER_H: Final = (9.6, 32.0)
LOOP_RAMP_T_PER_H: Final = 1.28
LOOP_MWH_PER_T: Final = 0.65
AMMONIA_CNY_PER_T: Final = 2000.0
AMMONIA_T_PER_DAY: Final = 422.4
HEAT_MW: Final = 60.0
HEAT_STEPS, HEAT_CYCLE_STEPS = 3, 4
HEATS_PER_DAY: Final = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each quantity of the specification stands; shape (groups, T) or (T,)."""

    on: IntArray
    standby: IntArray
    started: IntArray
    stopped: IntArray
    warmed: IntArray
    above: IntArray
    discharge: IntArray
    charge: IntArray
    stored: IntArray
    served: IntArray
    done: IntArray
    rate: IntArray
    made: IntArray
    tank: IntArray
    heats: IntArray
    heats_total: IntArray
    bought: IntArray
    sold: IntArray
    curtailed: IntArray


@dataclass(frozen=True, slots=True)
class ReferenceModel:
    """The model and how to read it."""

    park: Park96
    start: Start
    model: LinearModel
    columns: Columns


@dataclass(slots=True)
class _Draft:
    park: Park96
    start: Start
    profiles: Profiles
    builder: ModelBuilder
    n: int
    balance: list[Term]

    def block(self, rows: int, low: FloatArray | float, high: FloatArray | float, cost: FloatArray | float = 0.0) -> IntArray:
        """Columns of shape (rows, T); bounds and costs broadcast to it."""
        return self._columns(rows, (low, high, cost), integer=False)

    def counts(self, rows: int, high: FloatArray | float) -> IntArray:
        """Whole columns of shape (rows, T)."""
        return self._columns(rows, (0.0, high, 0.0), integer=True)

    def _columns(self, rows: int, numbers: tuple[FloatArray | float, ...], *, integer: bool) -> IntArray:
        low, high, cost = (np.broadcast_to(np.asarray(value, dtype=float), (rows, self.n)).ravel() for value in numbers)
        return self.builder.columns(rows * self.n, low=low, high=high, cost=cost, integer=integer).reshape(rows, self.n)


def build(park: Park96, profiles: Profiles, start: Start | None = None) -> ReferenceModel:
    """The model from a state on, over all steps of the profiles.

    Args:
        park: Its form and size.
        profiles: Shape (T,) each, from `start.step` on.
        start: The state before step 0; None for the published one.
    """
    begun = start or Start.of(park)
    draft = _Draft(park, begun, profiles, ModelBuilder(), profiles.wind_mw.size, [])
    electrolysis, hydrogen = _electrolysers(draft)
    stores = _stores(draft)
    jobs = _jobs(draft)
    ammonia = _ammonia(draft, hydrogen)
    heats = _furnaces(draft)
    grid = _balance(draft)
    columns = Columns(*electrolysis, *stores, *jobs, *ammonia, *heats, *grid)
    return ReferenceModel(park, begun, draft.builder.build(), columns)


def _electrolysers(draft: _Draft) -> tuple[tuple[IntArray, ...], list[Term]]:
    park, b, was, n = draft.park, draft.builder, draft.start, draft.n
    groups, most, rating_mw = park.groups, float(park.modules), park.module_mw
    width = SEGMENT_FRAC * rating_mw
    on, standby = draft.counts(groups, most), draft.counts(groups, most)
    started = draft.block(groups, 0.0, np.inf, WARM_CNY_PER_MW * rating_mw)
    # What the last step started or loads above half may not stop in step 0.
    may_stop = np.full((groups, n), np.inf)
    may_stop[:, 0] = np.floor(was.on - was.started - np.maximum(was.above_mw[1], was.above_mw[2]) / width + 1e-6)
    stopped = draft.block(groups, 0.0, np.maximum(may_stop, 0.0))
    warmed = draft.block(groups, 0.0, np.inf, COLD_CNY_PER_MW * rating_mw)
    x1, x2, x3 = (draft.block(groups, 0.0, np.inf) for _ in range(3))

    rows = groups * n
    b.rows(rows, _at(on), _at(standby), high=most)
    before_on = _first(draft, was.on)
    b.rows(rows, _at(on), _ago(on, -1.0), _at(started, -1.0), _at(stopped), low=before_on, high=before_on)
    warm_before = _first(draft, was.on + was.standby)
    b.rows(rows, _at(warmed), _at(on, -1.0), _at(standby, -1.0), _ago(on), _ago(standby), low=-warm_before)
    b.rows(rows, _at(x1), _at(on, -width), high=0.0)
    for segment in (x2, x3):
        b.rows(rows, _at(segment), _at(on, -width), _at(started, width), _ahead(stopped, width), high=0.0)
    b.rows(rows, _at(started), _ahead(stopped), _at(on, -1.0), high=0.0)
    load_before = _first(draft, was.above_mw.sum(axis=0))
    b.rows(rows, _at(x3), _ago(x1, -1.0), _ago(x2, -1.0), _ago(x3, -1.0), high=load_before)
    b.rows(rows, _ago(x3), _at(x1, -1.0), _at(x2, -1.0), _at(x3, -1.0), high=-_first(draft, was.above_mw[2]))

    power = [(on, MIN_FRAC * rating_mw), (standby, STANDBY_FRAC * rating_mw), (x1, 1.0), (x2, 1.0), (x3, 1.0)]
    draft.balance += [_summed(columns, -mw) for columns, mw in power]
    made = [(on, KG_PER_MWH_AT_MIN * MIN_FRAC * rating_mw), *zip((x1, x2, x3), KG_PER_MWH, strict=True)]
    hydrogen = [_summed(columns, -STEP_H * kg) for columns, kg in made]
    return (on, standby, started, stopped, warmed, np.stack([x1, x2, x3])), hydrogen


def _stores(draft: _Draft) -> tuple[IntArray, ...]:
    count, n = len(STORES), draft.n
    power, energy, round_trip, wear = (
        np.array([getattr(store, name) for store in STORES])[:, None]
        for name in ("power_mw", "energy_mwh", "round_trip_frac", "wear_cny_per_mwh")
    )
    discharge = draft.block(count, 0.0, power, STEP_H * wear)
    charge = draft.block(count, 0.0, power)
    least = np.zeros((count, n))
    least[:, -1] = 0.5 * energy[:, 0]
    stored = draft.block(count, least, energy)
    efficiency = np.broadcast_to(np.sqrt(round_trip), (count, n)).ravel()
    before = _first(draft, draft.start.stored_mwh)
    terms = (
        _at(stored),
        _ago(stored, -1.0),
        (np.arange(count * n), charge.ravel(), -STEP_H * efficiency),
        (np.arange(count * n), discharge.ravel(), STEP_H / efficiency),
    )
    draft.builder.rows(count * n, *terms, low=before, high=before)
    draft.balance += [_summed(discharge), _summed(charge, -1.0)]
    return discharge, charge, stored


def _jobs(draft: _Draft) -> tuple[IntArray, ...]:
    count, n = len(JOBS), draft.n
    energy, release, deadline, most = (
        np.array([getattr(job, name) for job in JOBS])[:, None] for name in ("energy_mwh", "release_h", "deadline_h", "max_mw")
    )
    end_h = (draft.start.step + np.arange(1, n + 1)) * STEP_H
    due = energy * np.floor((end_h - deadline) / 24.0 + 1.0 + 1e-9)
    released = energy * np.ceil((end_h - release) / 24.0 - 1e-9)
    served = draft.block(count, 0.0, most)
    done = draft.block(count, np.maximum(due, 0.0), np.maximum(released, 0.0))
    before = _first(draft, draft.start.done_mwh)
    draft.builder.rows(count * n, _at(done), _ago(done, -1.0), _at(served, -STEP_H), low=before, high=before)
    draft.balance.append(_summed(served, -1.0))
    return served, done


def _ammonia(draft: _Draft, hydrogen: list[Term]) -> tuple[IntArray, ...]:
    b, was, n = draft.builder, draft.start, draft.n
    rate = draft.block(1, *LOOP_T_PER_H, -STEP_H * AMMONIA_CNY_PER_T)
    owed = np.zeros(n)
    owed[draft_day_ends(was.step, n)] = AMMONIA_T_PER_DAY
    # Owed since the first midnight, whatever of it is made already.
    least = np.where(owed > 0.0, AMMONIA_T_PER_DAY * (was.step // STEPS_PER_DAY) + np.cumsum(owed), 0.0)
    made = draft.block(1, least, np.inf)
    full = np.zeros(n)
    full[-1] = TANK_END_KG
    tank = draft.block(1, full, TANK_KG)
    before_made, before_kg = _first(draft, np.array([was.made_t])), _first(draft, np.array([was.tank_kg]))
    b.rows(n, _at(made), _ago(made, -1.0), _at(rate, -STEP_H), low=before_made, high=before_made)
    b.rows(n, _at(tank), _ago(tank, -1.0), *hydrogen, _at(rate, STEP_H * HYDROGEN_KG_PER_T), low=before_kg, high=before_kg)
    before = _first(draft, np.array([was.ammonia_t_per_h]))
    b.rows(n, _at(rate), _ago(rate, -1.0), low=before - LOOP_RAMP_T_PER_H, high=before + LOOP_RAMP_T_PER_H)
    draft.balance.append(_summed(rate, -LOOP_MWH_PER_T))
    return rate[0], made[0], tank[0]


def _furnaces(draft: _Draft) -> tuple[IntArray, ...]:
    park, b, was, n = draft.park, draft.builder, draft.start, draft.n
    groups, most = park.furnace_groups, float(park.furnaces_per_group)
    high = np.full((groups, n), most)
    high[:, -(HEAT_STEPS - 1) :] = 0.0
    heats = draft.counts(groups, high)
    ends = draft_day_ends(was.step, n)
    least, greatest = np.zeros(n), np.full(n, np.inf)
    order = HEATS_PER_DAY * most * (was.step // STEPS_PER_DAY + 1.0 + np.arange(len(ends)))
    least[ends] = greatest[ends] = order
    total = draft.block(groups, least, greatest)
    before = _first(draft, was.heats)
    b.rows(groups * n, _at(total), _ago(total, -1.0), _at(heats, -1.0), low=before, high=before)
    recent = np.zeros((groups, n))
    for step in range(HEAT_CYCLE_STEPS - 1):
        recent[:, step] = was.recent_heats[: HEAT_CYCLE_STEPS - 1 - step].sum(axis=0)
    within = [_ago(heats, 1.0, lag) for lag in range(HEAT_CYCLE_STEPS)]
    b.rows(groups * n, *within, high=(most - recent).ravel())
    draft.balance += [_summed(heats, -HEAT_MW, lag) for lag in range(HEAT_STEPS)]
    return heats, total


def _balance(draft: _Draft) -> tuple[IntArray, ...]:
    profiles, n = draft.profiles, draft.n
    available = profiles.wind_mw + profiles.pv_mw
    bought = draft.block(1, 0.0, IMPORT_MW, STEP_H * profiles.buy_cny_per_mwh)
    sold = draft.block(1, 0.0, EXPORT_MW, -STEP_H * profiles.sell_cny_per_mwh)
    curtailed = draft.block(1, 0.0, available, STEP_H * CURTAIL_CNY)
    running = np.zeros(n)
    for step in range(HEAT_STEPS - 1):
        running[step] = HEAT_MW * draft.start.recent_heats[: HEAT_STEPS - 1 - step].sum()
    needed = BASE_MW + running - available
    terms = (*draft.balance, _at(bought), _at(sold, -1.0), _at(curtailed, -1.0))
    draft.builder.rows(n, *terms, low=needed, high=needed)
    return bought[0], sold[0], curtailed[0]


def draft_day_ends(first: int, n: int) -> IntArray:
    """Steps of the horizon that end a day."""
    return np.flatnonzero((first + np.arange(1, n + 1)) % STEPS_PER_DAY == 0)


def _first(draft: _Draft, value: FloatArray) -> FloatArray:
    """The value of each group in its step 0, nothing after; flat."""
    flat = np.zeros((value.size, draft.n))
    flat[:, 0] = value
    return flat.ravel()


def _at(columns: IntArray, coefficient: float = 1.0) -> Term:
    flat = columns.ravel()
    return np.arange(flat.size), flat, np.full(flat.size, coefficient)


def _ago(columns: IntArray, coefficient: float = 1.0, lag: int = 1) -> Term:
    """Each group's column `lag` steps before, in the row of now."""
    rows = np.arange(columns.size).reshape(columns.shape)[:, lag:].ravel()
    earlier = columns[:, : columns.shape[1] - lag].ravel()
    return rows, earlier, np.full(earlier.size, coefficient)


def _ahead(columns: IntArray, coefficient: float = 1.0) -> Term:
    rows = np.arange(columns.size).reshape(columns.shape)[:, :-1].ravel()
    later = columns[:, 1:].ravel()
    return rows, later, np.full(later.size, coefficient)


def _summed(columns: IntArray, coefficient: float = 1.0, lag: int = 0) -> Term:
    """All groups together in the row of the step, `lag` steps later."""
    groups, n = columns.shape
    earlier = columns[:, : n - lag].ravel()
    return np.tile(np.arange(lag, n), groups), earlier, np.full(earlier.size, coefficient)
