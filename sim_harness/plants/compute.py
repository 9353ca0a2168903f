"""A computing cluster (智算集群) at its own meter, cooling included; only the compute-shift signal commands it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.client import SchedulerClient
from sim_harness.clusters.arrivals import Arrivals
from sim_harness.clusters.firm import FirmTiers, Slowed
from sim_harness.clusters.fluid import Due, FluidJobs
from sim_harness.clusters.latest import LOOK_AHEAD_S, LatestSchedule, with_arrivals
from sim_harness.clusters.promise import Needs, Promise, promise
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from vpp.errors import ScenarioError
from vpp.ids import AreaId, AssetId
from vpp.park import Asset
from vpp.park.plates import ComputePlate
from vpp.units import SECONDS_PER_MINUTE, s_to_h
from vpp.wire.messages import AcceptedInterval, BacklogItem, ComputeShift

__all__ = ["ComputeCluster"]

#: Cooling and conversion grow with the outdoor air around this temperature; the plate's PUE holds there. Assumptions.
PUE_AT_C: Final = 10.0
PUE_PER_C: Final = 0.02
PUE_BAND: Final = (0.7, 1.6)
#: Deferrable work comes up no faster than this, of the rating: a cluster does not jump. Assumption.
RAMP_UP_FRAC_PER_MIN: Final = 0.05
#: Room for deferrable work is judged with this much more firm work than the week's highest.
FIRM_MARGIN: Final = 1.1
BACKLOG_EVERY_S: Final = 60.0
BUCKETS_PER_CLASS: Final = 4
_NOTHING_MW: Final = 1e-9
_NOTHING_MWH: Final = 1e-6


@dataclass(slots=True)
class _Step:
    """What the cluster is about to do: powers at the meter at the plate's PUE, before cooling has its say."""

    pue: float = 1.0
    idle_mw: float = 0.0
    firm_mw: float = 0.0
    slowed: Slowed = Slowed(0.0, 0.0)
    served_mw: float = 0.0
    as_it_comes_mw: float = 0.0


class ComputeCluster:
    """The cluster and its scheduler.

    Without a signal work runs as it comes. Under one, deferrable work follows the target of the interval, the earliest deadline
    first, but never so late that work on hand misses its deadline; the cap is kept, at the cost of firm throughput where the
    contract of the tiers allows it, and refused below that. Running work pauses only at checkpoints.

    Args:
        asset: Its nameplate.
        start: Beginning of the run (UTC).
        rng: Its own stream.
    """

    def __init__(self, asset: Asset, start: datetime, rng: np.random.Generator) -> None:
        if not isinstance(asset.plate, ComputePlate):
            raise ScenarioError([f"{asset.id}: kind {asset.kind} is no computing cluster"])
        plate = asset.plate
        self._asset, self._plate, self._start = asset, plate, start
        self.arrivals = Arrivals(plate, start, rng)
        self.jobs = FluidJobs(plate.job_classes)
        self._tiers = FirmTiers(plate)
        self._idle_mw = plate.idle_frac * plate.rated_mw
        self._most_mw = min(plate.rated_mw, plate.it_mw * plate.pue_frac)
        self._client: SchedulerClient | None = None
        self._promises: tuple[Promise, ...] = ()
        self._time_s, self._pue = 0.0, 1.0
        self._prepared_at: datetime | None = None
        self._step = _Step()
        self._intended_mw = self._power_mw = self._idle_mw + self.arrivals.firm_mean_mw
        self._served_mw = self._comes_mw = sum(self.arrivals.work_mean_mw)
        self._comes_mwh = 0.0
        self._latest = LatestSchedule()
        self._told_s = -math.inf
        self._totals = dict.fromkeys(_COUNTERS, 0.0)

    @property
    def asset_id(self) -> AssetId:
        """Its id."""
        return self._asset.id

    @property
    def area(self) -> AreaId:
        """The supply area it stands in."""
        return self._asset.area

    @property
    def power_mw(self) -> float:
        """Mean power of the last step."""
        return self._power_mw

    def connect(self, client: SchedulerClient) -> None:
        """Follow the signals that this client hears; it must call `on_shift` with each."""
        self._client = client

    def on_shift(self, shift: ComputeShift) -> None:
        """A new signal: work out what of it can be kept, and say so."""
        if self._client is None:
            raise ScenarioError([f"{self.asset_id}: a signal came before a client was connected"])
        saving_mw = self._tiers.saving_mw
        firm_mw, pue = self.arrivals.expected_firm_mw, self._pue
        needs = Needs(
            least_mw=lambda s: pue * (self._idle_mw + firm_mw(s) - saving_mw(firm_mw(s))),
            firm_mw=lambda s: pue * (self._idle_mw + firm_mw(s)),
            rated_mw=self._plate.rated_mw,
        )
        self._promises = promise(shift.intervals, self._start, self._time_s, needs, self._due())
        kept_free_mw = self._idle_mw + FIRM_MARGIN * self.arrivals.firm_peak_mw
        self._latest.take_caps(self._promises, self._time_s, kept_free_mw, self._room_mw(), self._pue)
        instead = tuple(
            AcceptedInterval(start=self._at(p.start_s), end=self._at(p.end_s), power_mw=p.power_mw)
            for p in self._promises
            if p.power_mw is not None
        )
        refused = sum(p.cap_mw > p.asked_mw + _NOTHING_MW for p in self._promises)
        note = f"{refused} caps are too low for protected tiers or deadlines" if refused else ""
        self._client.respond(shift.revision, "part" if instead else "all", instead=instead, note=note)

    def report(self) -> None:
        """Telemetry, and every minute the backlog; to be called once a control period when a client is connected."""
        if self._client is None:
            return
        asked_mw = self._step.firm_mw + self._served_mw
        done_mw = asked_mw - self._step.slowed.lost_mw
        throughput = min(1.0, max(0.0, done_mw / asked_mw)) if asked_mw > 0.0 else None
        self._client.report_power(self._power_mw, throughput_frac=throughput, state=self.state())
        if self._time_s - self._told_s >= BACKLOG_EVERY_S - 1e-6:
            self._told_s = self._time_s
            self._client.report_backlog(self._backlog(), fast_band_mw=self._fast_band_mw())

    def state(self) -> Mapping[str, float]:
        """What telemetry says beside power; `.0`, `.1` number the classes by slack, the shortest first."""
        quarter = self.arrivals.quarter(self.arrivals.index(max(0.0, self._time_s - 1.0)))
        due_mw, urgent = min(self._least_mw(LOOK_AHEAD_S), self._most_mw), self.jobs.most_urgent()
        state = {
            "idle_mw": self._pue * self._idle_mw,
            "firm_mw": self._pue * self._step.firm_mw,
            "deferrable_mw": self._pue * self._served_mw,
            "fast_band_mw": self._fast_band_mw(),
            "pue_frac": self._pue * self._plate.pue_frac,
        }
        order = sorted(range(len(self.jobs.classes)), key=lambda c: self.jobs.classes[c].slack_h)
        for j, c in enumerate(order):
            state[f"waiting_mwh.{j}"] = self.jobs.waiting_mwh[c]
            state[f"arriving_mw.{j}"] = quarter.work_mw[c]
            state[f"arrived_mwh.{j}"] = self.jobs.arrived_mwh[c]
            state[f"due_mw.{j}"] = due_mw if c == urgent else 0.0
        return state

    def intend(self, ambient: Ambient) -> Intent:
        """Work arrives, the scheduler decides; no frequency pushes a cluster."""
        if ambient.at != self._prepared_at:
            self._prepared_at = ambient.at
            self._prepare(ambient)
        return Intent(self._intended_mw, self._intended_mw, self._intended_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Do the work that the power carries; what is missing is taken from deferrable work first, from tier 0 last."""
        step, dt_s, dt_h = self._step, ambient.dt_s, s_to_h(ambient.dt_s)
        tier0_mw = idle_short_mw = 0.0
        if power_mw < self._intended_mw - _NOTHING_MW:
            tier0_mw, idle_short_mw = self._give_way((self._intended_mw - power_mw) / step.pue)
        count = self._totals
        count["energy_mwh"] += power_mw * dt_h
        count["idle_mwh"] += step.pue * (step.idle_mw - idle_short_mw) * dt_h
        count["firm_mwh"] += step.pue * step.slowed.power_mw * dt_h
        count["deferrable_mwh"] += step.pue * step.served_mw * dt_h
        count["firm_done_mwh"] += (step.firm_mw - step.slowed.lost_mw) * dt_h
        count["lost_throughput_mwh"] += step.slowed.lost_mw * dt_h
        count["tier0_curtailed_mwh"] += tier0_mw * dt_h
        count["shifted_mwh"] += abs(step.served_mw - step.as_it_comes_mw) * dt_h / 2.0
        self.jobs.serve(step.served_mw * dt_h)
        self._comes_mwh = max(0.0, self._comes_mwh - step.as_it_comes_mw * dt_h)
        self._time_s += dt_s
        self.jobs.pass_time(self._time_s, dt_s)
        self._latest.carry(step.served_mw, self._room_mw(), dt_s)
        self._served_mw, self._comes_mw = step.served_mw, step.as_it_comes_mw
        self._power_mw = power_mw

    def totals(self) -> Mapping[str, float]:
        """Energy at the meter and work at the plate's PUE, the work in all and per class, as in `work_done_mwh.slack_6h`."""
        jobs = self.jobs
        totals = self._totals | {"deadline_misses": float(jobs.deadline_misses)}
        rows = {
            "work_arrived_mwh": jobs.arrived_mwh,
            "work_done_mwh": jobs.done_mwh,
            "delayed_mwh_h": jobs.delayed_mwh_h,
            "missed_mwh": jobs.missed_mwh,
        }
        for name, values in rows.items():
            totals[name] = sum(values)
            totals |= {f"{name}.{job_class.name}": value for job_class, value in zip(jobs.classes, values, strict=True)}
        return totals

    def stock(self) -> Mapping[str, float]:
        """Work that waits, in all and per class."""
        stock = {"waiting_mwh": self.jobs.all_waiting_mwh}
        stock |= {f"waiting_mwh.{c.name}": w for c, w in zip(self.jobs.classes, self.jobs.waiting_mwh, strict=True)}
        return stock

    def balances(self) -> tuple[Balance, ...]:
        """Arrived work is done or waits, per class; energy is idle, firm and deferrable."""
        count, jobs = self._totals, self.jobs
        parts = count["energy_mwh"] - count["idle_mwh"] - count["firm_mwh"] - count["deferrable_mwh"]
        work = (
            Balance(f"{self.asset_id}.work.{job_class.name}", jobs.left_over_mwh(i), jobs.arrived_mwh[i], "MWh")
            for i, job_class in enumerate(jobs.classes)
        )
        return (Balance(f"{self.asset_id}.energy", parts, count["energy_mwh"], "MWh"), *work)

    def _prepare(self, ambient: Ambient) -> None:
        plate, dt_h = self._plate, s_to_h(ambient.dt_s)
        firm_mw = self._receive(dt_h)
        if self._latest.is_due(self._time_s):
            self._latest.look(self._due(), self._time_s, self._room_mw())
        warmer = 1.0 + PUE_PER_C * (ambient.temperature_c - PUE_AT_C)
        self._pue = (1.0 + (plate.pue_frac - 1.0) * min(max(warmer, PUE_BAND[0]), PUE_BAND[1])) / plate.pue_frac
        limit_mw = min(plate.rated_mw / self._pue, self._most_mw)
        idle_mw = min(self._idle_mw, limit_mw)
        firm_mw = min(firm_mw, limit_mw - idle_mw)
        cap_mw = min(limit_mw, self._cap_mw() / self._pue)
        over_mw = idle_mw + firm_mw - cap_mw
        slowed = self._tiers.slow(firm_mw, over_mw) if over_mw > 0.0 else Slowed(firm_mw, 0.0)
        base_mw = idle_mw + slowed.power_mw
        served_mw = self._choose(base_mw, max(0.0, cap_mw - base_mw), ambient.dt_s)
        comes_mw, free_mw = self._comes_mwh / dt_h, limit_mw - idle_mw - firm_mw
        comes_mw = min(self._ramped(self._comes_mw, comes_mw, ambient.dt_s), free_mw, comes_mw)
        self._step = _Step(self._pue, idle_mw, firm_mw, slowed, served_mw, comes_mw)
        self._intended_mw = self._pue * (base_mw + served_mw)

    def _receive(self, dt_h: float) -> float:
        """Deferrable work of the step is released; the firm work of it, in MW."""
        index = self.arrivals.index(self._time_s)
        quarter, release_s = self.arrivals.quarter(index), self.arrivals.begin_s(index)
        for c, work_mw in enumerate(quarter.work_mw):
            self.jobs.arrive(c, work_mw * dt_h, release_s)
            self._comes_mwh += work_mw * dt_h
        return quarter.firm_mw

    def _choose(self, base_mw: float, room_mw: float, dt_s: float) -> float:
        """Deferrable power: what the target leaves, or all that waits; never less than deadlines need, in MW."""
        all_mw = self.jobs.all_waiting_mwh / s_to_h(dt_s)
        target_mw = self._target_mw()
        asked_mw = all_mw if target_mw is None else max(0.0, target_mw / self._pue - base_mw)
        served_mw = max(self._ramped(self._served_mw, asked_mw, dt_s), self._least_mw(dt_s))
        return min(served_mw, room_mw, all_mw)

    def _ramped(self, before_mw: float, asked_mw: float, dt_s: float) -> float:
        """Up by a ramp, down as jobs reach their checkpoints."""
        most_mw = before_mw + RAMP_UP_FRAC_PER_MIN * self._plate.rated_mw * dt_s / SECONDS_PER_MINUTE
        pausing = min(1.0, dt_s / self._plate.checkpoint_s) if self._plate.checkpoint_s > 0.0 else 1.0
        return min(max(asked_mw, before_mw * (1.0 - pausing)), most_mw)

    def _give_way(self, short_mw: float) -> tuple[float, float]:
        """Power that was intended is not there; what tier 0 and idle machines lose of it, in MW."""
        step = self._step
        cut_mw = min(short_mw, step.served_mw)
        step.served_mw -= cut_mw
        short_mw -= cut_mw
        firm_mw, tier0_mw = step.slowed.power_mw, self._tiers.share[0] * step.firm_mw
        cut_mw = min(short_mw, firm_mw)
        lost0_mw = max(0.0, cut_mw - max(0.0, firm_mw - tier0_mw))
        # Without power no throughput: what a blackout takes is lost in full.
        step.slowed = Slowed(firm_mw - cut_mw, min(step.firm_mw, step.slowed.lost_mw + cut_mw))
        return lost0_mw, short_mw - cut_mw

    def _cap_mw(self) -> float:
        if self._client is None:
            return self._plate.rated_mw
        kept = next((p for p in self._promises if p.start_s <= self._time_s < p.end_s), None)
        cap_mw = self._client.cap_now_mw()
        return max(cap_mw, kept.cap_mw) if kept is not None and kept.cap_mw > kept.asked_mw else cap_mw

    def _target_mw(self) -> float | None:
        if self._client is None or not self._client.is_valid:
            return None
        interval = self._client.interval_now()
        return interval.target_mw if interval is not None else None

    def _room_mw(self) -> float:
        """Room for deferrable work that can be counted on without caps, at the plate's PUE, in MW."""
        certain_mw = self._most_mw / max(1.0, self._pue) - self._idle_mw - FIRM_MARGIN * self.arrivals.firm_peak_mw
        return max(certain_mw, sum(self.arrivals.work_mean_mw))

    def _due(self) -> Due:
        slack_h = [job_class.slack_h for job_class in self.jobs.classes]
        return with_arrivals(self.jobs.due(), self._time_s, self.arrivals.work_mean_mw, slack_h)

    def _least_mw(self, dt_s: float) -> float:
        return self._latest.least_mw(self._room_mw(), dt_s)

    def _fast_band_mw(self) -> float:
        return self._pue * self._tiers.saving_mw(self._step.firm_mw)

    def _backlog(self) -> tuple[BacklogItem, ...]:
        plate, items = self._plate, []
        for c, job_class in enumerate(self.jobs.classes):
            cohorts = self.jobs.cohorts(c)
            size = max(1, math.ceil(len(cohorts) / BUCKETS_PER_CLASS))
            for i in range(0, len(cohorts), size):
                bucket = cohorts[i : i + size]
                energy_mwh = sum(cohort.left_mwh for cohort in bucket)
                if energy_mwh > _NOTHING_MWH:
                    # The bucket is due when its first cohort is: safe, and known to the planner no later than that.
                    item = BacklogItem(
                        job_class=job_class.name,
                        energy_mwh=energy_mwh,
                        release=self._at(bucket[0].release_s),
                        deadline=self._at(bucket[0].deadline_s),
                        max_mw=plate.rated_mw - self._idle_mw,
                        tier=job_class.tier,
                        preemptible=True,
                        checkpoint_s=plate.checkpoint_s,
                    )
                    items.append(item)
        return tuple(items)

    def _at(self, time_s: float) -> datetime:
        return self._start + timedelta(seconds=time_s)


_COUNTERS: Final = (
    "energy_mwh",
    "idle_mwh",
    "firm_mwh",
    "deferrable_mwh",
    "firm_done_mwh",
    "lost_throughput_mwh",
    "tier0_curtailed_mwh",
    "shifted_mwh",
)
