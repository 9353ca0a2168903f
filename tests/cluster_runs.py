"""The two models of a cluster on the same days: the same plate, the same intensity of work, the same signals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from controllers.client import SchedulerClient
from sim_harness.clusters.job_stream import Trace
from sim_harness.plants.compute import ClusterModel, ComputeCluster
from sim_harness.scenario import SEEDS
from tests.plant_runs import CLUSTER_ID, PARK, Desk
from tests.world_builders import START, asset
from vpp.park import load as load_park
from vpp.park.plates import ComputePlate
from vpp.units import FloatArray

#: What the days of a comparison ask for, hour by hour of each day, as a share of the rating: held at night, all at noon.
SHIFTING = np.where((np.arange(24) >= 2) & (np.arange(24) < 10), 1.0, 0.55)
CAP_FRAC, CAP_HOURS = 0.75, 3


def aidc_plate() -> ComputePlate:
    """The AIDC as the seeds hold it: 40 MW at the meter, 60 % of its work deferrable."""
    park = load_park(SEEDS, at=date(2030, 10, 1))
    plate: ComputePlate = next(a.plate for a in park.assets if a.id == "compute.aidc")
    return plate


def desk_of(
    plate: ComputePlate,
    model: ClusterModel,
    *,
    dt_s: float = 60.0,
    seed: int = 1,
    temperature_c: float = 10.0,
    trace: Trace | None = None,
) -> Desk:
    """A cluster of either model with its client, and a park that sends it signals."""
    desk = Desk(plate, dt_s=dt_s, seed=seed, temperature_c=temperature_c)
    cluster = ComputeCluster(asset(CLUSTER_ID, "compute", plate, "s"), START, np.random.default_rng(seed), model, trace)
    client = SchedulerClient(desk.bus, PARK, CLUSTER_ID, desk.run.time, fallback_cap_mw=plate.rated_mw, on_shift=cluster.on_shift)
    cluster.connect(client)
    desk.cluster, desk.run.plants = cluster, (cluster,)
    return desk


@dataclass(frozen=True, slots=True)
class Story:
    """What one model made of the days.

    Args:
        power_mw: Mean of each quarter hour over the days of `SHIFTING`, shape (days * 96,).
        event_mw: Every step from an hour before the cap to three hours after it.
        totals: Counters at the end of the days.
        lost: Firm throughput lost inside the cap. [MWh]
    """

    power_mw: FloatArray
    event_mw: FloatArray
    totals: dict[str, float]
    lost: float


def live_through(desk: Desk, days: int) -> Story:
    """Days that shift work, an ordinary day, then a cap of a quarter for three hours."""
    rated_mw = desk.plate.rated_mw
    for _ in range(days):
        for share in SHIFTING:
            desk.hours_at(1, float(share) * rated_mw)
    power = np.array(desk.run.power_mw)
    quarter = round(900.0 / desk.run.dt_s)
    totals = dict(desk.cluster.totals())
    desk.hours_at(8, rated_mw)
    hour = round(3600.0 / desk.run.dt_s)
    before_mw = float(np.mean(desk.run.power_mw[-hour:]))
    lost = desk.cluster.totals()["lost_throughput_mwh"]
    desk.hours_at(CAP_HOURS, rated_mw, cap_mw=CAP_FRAC * before_mw)
    lost = desk.cluster.totals()["lost_throughput_mwh"] - lost
    desk.hours_at(3, rated_mw)
    event = np.array(desk.run.power_mw[-hour * (4 + CAP_HOURS) :])
    return Story(power.reshape(-1, quarter).mean(axis=1), event, totals, lost)
