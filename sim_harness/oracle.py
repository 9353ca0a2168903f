"""The true future of a world, made a second time from its seed: wind, sun, loads, arriving work and vehicles, prices.

Only what comes from outside is made: series that no policy can change. Nothing of the running world is touched; the plants
that stand here are fresh ones with the same luck, and they are only asked what they would like. What machines do by
chance (delays of the caster, trips, breakers that refuse) is not foretold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from sim_harness.clusters.cooling import Cooling
from sim_harness.clusters.discrete import DiscreteWork
from sim_harness.clusters.job_stream import Trace
from sim_harness.faults import Injector
from sim_harness.plants.base import Ambient, Plant
from sim_harness.plants.compute import ComputeCluster
from sim_harness.plants.ev_charging import EvCharging
from sim_harness.scenario import Scenario
from sim_harness.site import farms_of, plant_of
from sim_harness.weather.base import STEP, Weather
from vpp.ids import AssetId
from vpp.park import Park
from vpp.park.plates import ComputePlate
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray, hours, s_to_h

__all__ = ["Coming", "TrueFuture", "true_future"]

_FOLLOWERS: Final = ("base_load", "feeder")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Coming:
    """Work or vehicles still to come, in order of time; all shapes (N,).

    Args:
        release_h: Hours after the run's start.
        deadline_h: Hours after the run's start.
        energy_mwh: What it needs.
        group: Index of the job class, or 1 for a truck that swaps and 0 for a car.
    """

    release_h: FloatArray
    deadline_h: FloatArray
    energy_mwh: FloatArray
    group: IntArray

    @classmethod
    def of_rows(cls, rows: list[tuple[float, float, float, int]]) -> Coming:
        """From `(release_h, deadline_h, energy_mwh, group)` in any order."""
        table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 4)
        return cls(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.int64))


@dataclass(frozen=True, slots=True)
class TrueFuture:
    """What will be, in quarters of an hour from the run's start to some way beyond its end.

    Args:
        grid: The quarters.
        farms: Ids, the rows of `available_frac`.
        available_frac: Of capacity, shape (F, T).
        load_mw: By base load and feeder, what its users want, shape (T,).
        firm_mw: By cluster, idle power and work that does not wait, at the meter in the air of the hour, shape (T,).
        coming: By cluster and charging station.
        spot_cny_per_mwh: What energy comes to at the market, shape (T,); None where tariffs have the hours' prices.
    """

    grid: TimeGrid
    farms: tuple[AssetId, ...]
    available_frac: FloatArray
    load_mw: Mapping[AssetId, FloatArray]
    firm_mw: Mapping[AssetId, FloatArray]
    coming: Mapping[AssetId, Coming]
    spot_cny_per_mwh: FloatArray | None = None


def true_future(
    park: Park, scenario: Scenario, weather: Weather, jobs: Trace | None, faults: Injector, beyond: timedelta
) -> TrueFuture:
    """Looks ahead.

    Args:
        park: As the run has it.
        scenario: The run.
        weather: Of the run; where it ends earlier than is looked, its last day goes on.
        jobs: The trace that the run's work comes from.
        faults: Of the run: farms that will trip are known.
        beyond: How far behind the run's end.
    """
    n = int((scenario.end + beyond - scenario.start) / STEP)
    grid = TimeGrid.regular(scenario.start, STEP, n)
    asked = [a for kind in (*_FOLLOWERS, "compute", "ev_charging") for a in park.assets_of(kind)]
    fresh = {a.id: plant_of(park, scenario, a, jobs) for a in asked}
    farms = tuple(farm.asset_id for farm in farms_of(park))
    market = scenario.market(park)
    air_c = np.array([weather.temperature_c(_inside(weather, at)) for at in grid.starts])
    clusters = {i: p for i, p in fresh.items() if isinstance(p, ComputeCluster)}
    stations = {i: p for i, p in fresh.items() if isinstance(p, EvCharging)}
    coming = {i: _work(park.asset(i).plate, p, grid) for i, p in clusters.items()}
    coming |= {i: _vehicles(p, grid) for i, p in stations.items()}
    return TrueFuture(
        grid=grid,
        farms=farms,
        available_frac=_available(weather, farms, grid, faults),
        load_mw={a.id: _wanted_mw(fresh[a.id], scenario, grid) for kind in _FOLLOWERS for a in park.assets_of(kind)},
        firm_mw={i: _firm_mw(park.asset(i).plate, p, air_c) for i, p in clusters.items()},
        coming=coming,
        spot_cny_per_mwh=None if market is None else market.realised_on(grid),
    )


def _inside(weather: Weather, at: datetime) -> datetime:
    """The instant itself, or the same time of the last day that the weather has."""
    if at < weather.end:
        return at
    return at - -(-(at - weather.end + STEP) // _DAY) * _DAY


def _available(weather: Weather, farms: tuple[AssetId, ...], grid: TimeGrid, faults: Injector) -> FloatArray:
    there = sum(at + STEP <= weather.end for at in grid.starts)
    known = weather.available_frac_array(farms, grid.start, STEP, there)
    day = int(_DAY / STEP)
    index = np.arange(grid.n)
    late = index >= there
    index[late] = there - day + (index[late] - there) % day
    frac: FloatArray = known[:, np.maximum(index, 0)].copy()
    for t, at in enumerate(grid.starts):
        for farm in faults.tripped(at):
            if farm in farms:
                frac[farms.index(AssetId(farm)), t] = 0.0
    return frac


def _wanted_mw(plant: Plant, scenario: Scenario, grid: TimeGrid) -> FloatArray:
    """What users want, asked at the run's own control steps because their whims are drawn step by step."""
    step_s = scenario.control_step_s
    per_quarter, step = round(STEP.total_seconds() / step_s), timedelta(seconds=step_s)
    wanted_mw = np.empty((grid.n, per_quarter))
    for t, at in enumerate(grid.starts):
        for k in range(per_quarter):
            wanted_mw[t, k] = plant.intend(Ambient(at + k * step, step_s, 0.0)).power_mw
    mean_mw: FloatArray = wanted_mw.mean(axis=1)
    return mean_mw


def _firm_mw(plate: ComputePlate, cluster: ComputeCluster, air_c: FloatArray) -> FloatArray:
    arrivals, idle_mw = cluster.arrivals, plate.idle_frac * plate.rated_mw
    firm = np.empty(air_c.size)
    for t, temperature_c in enumerate(air_c):
        load_mw = idle_mw + arrivals.quarter(arrivals.index(t * STEP.total_seconds())).firm_mw
        cooling = Cooling(plate.pue_frac, load_mw)
        cooling.over(float(temperature_c), STEP.total_seconds())
        firm[t] = load_mw * cooling.steady_frac
    return firm


def _work(plate: ComputePlate, cluster: ComputeCluster, grid: TimeGrid) -> Coming:
    """Job by job where the world counts jobs, else what each quarter brings to each class."""
    arrivals = cluster.arrivals
    last = arrivals.index((grid.end - grid.start).total_seconds())
    rows: list[tuple[float, float, float, int]] = []
    if isinstance(cluster.work, DiscreteWork):
        stream, mw_per_gpu = cluster.work.stream, cluster.work.mw_per_gpu
        for index in range(last + 1):
            new = stream.quarter(index)
            energy_mwh = new.gpus * s_to_h(1.0) * new.run_s * mw_per_gpu
            columns = (new.release_s * s_to_h(1.0), new.deadline_s * s_to_h(1.0), energy_mwh, new.job_class)
            rows += list(zip(*(column.tolist() for column in columns), strict=True))
        return Coming.of_rows(rows)
    for index in range(last + 1):
        release_h = s_to_h(max(0.0, arrivals.begin_s(index)))
        for c, work_mw in enumerate(arrivals.quarter(index).work_mw):
            rows.append((release_h, release_h + plate.job_classes[c].slack_h, work_mw * hours(STEP), c))
    return Coming.of_rows(rows)


def _vehicles(station: EvCharging, grid: TimeGrid) -> Coming:
    came = station.arrivals.until((grid.end - grid.start).total_seconds())
    return Coming.of_rows([(s_to_h(v.at_s), s_to_h(v.leaves_s), v.energy_mwh, int(v.swaps)) for v in came])
