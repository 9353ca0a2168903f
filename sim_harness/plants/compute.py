"""A computing cluster (智算集群) at its own meter, cooling included; only the compute-shift signal commands it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import numpy as np

from controllers.client import SchedulerClient
from sim_harness.clusters.arrivals import Arrivals
from sim_harness.clusters.cap_curve import CapCurve
from sim_harness.clusters.cooling import Cooling, Overhead
from sim_harness.clusters.discrete import DiscreteWork
from sim_harness.clusters.firm import TIERS, FirmTiers, Slowed
from sim_harness.clusters.fluid_work import FluidWork
from sim_harness.clusters.hardware import Hardware
from sim_harness.clusters.job_stream import CHECKPOINT_BAND, JobStream, Trace, sizes_or_fitted, widest_gpus
from sim_harness.clusters.latest import LOOK_AHEAD_S, LatestSchedule, with_arrivals
from sim_harness.clusters.moved import Cargo
from sim_harness.clusters.promise import Needs, Promise, promise
from sim_harness.clusters.shifted import Shifted
from sim_harness.clusters.work import Due, Order, Ran, Work
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from vpp.errors import ScenarioError
from vpp.ids import AreaId, AssetId
from vpp.park import Asset
from vpp.park.plates import ComputePlate
from vpp.units import SECONDS_PER_MINUTE, s_to_h
from vpp.wire.messages import AcceptedInterval, BacklogItem, ComputeShift

__all__ = ["ClusterModel", "ComputeCluster", "FirmMix"]

#: Job by job, or as a fluid of classes.
ClusterModel: TypeAlias = Literal["discrete", "fluid"]

#: Room for deferrable work is judged with this much more firm work than the week's highest.
FIRM_MARGIN: Final = 1.1
#: Accelerators for firm work are kept free this far ahead, with this margin over what the week lets expect.
AHEAD_S: Final = 30.0 * SECONDS_PER_MINUTE
AHEAD_MARGIN: Final = 1.05
_NOTHING_MW: Final = 1e-9
_NOTHING_MWH: Final = 1e-6
#: Why a cap may fall when the grid has called for it; see `controllers.dispatch.caps`.
_GRID_CALL: Final = "grid_event"
_SAME_FRAC: Final = 0.001


@dataclass(frozen=True, slots=True)
class FirmMix:
    """Firm work that never changes, with a curve of throughput against power for each tier."""

    curves: tuple[CapCurve, ...]


@dataclass(slots=True)
class _Step:
    """What the cluster is about to do: powers at the meter at the plate's PUE, before cooling has its say."""

    over: Overhead = Overhead(1.0, 0.0)
    idle_mw: float = 0.0
    firm_mw: float = 0.0
    slowed: Slowed = Slowed(0.0, 0.0)
    ran: Ran = Ran(0.0, 0.0, 0.0, 0.0)

    @property
    def load_mw(self) -> float:
        return self.idle_mw + self.slowed.power_mw + self.ran.power_mw


class ComputeCluster:
    """The cluster and its scheduler.

    Without a signal work runs as it comes. Under one, deferrable work follows the target of the interval, but never so late that
    work on hand misses its deadline; the cap is kept: by power caps at once, by pauses at checkpoints within the half hour, by
    holding jobs back for hours, and at the cost of firm throughput where the contract of the tiers allows it. A cap below that is
    refused.

    Args:
        asset: Its nameplate.
        start: Beginning of the run (UTC).
        rng: Its own stream.
        model: How deferrable work is counted.
        trace: Public job trace that sizes and hours of arrival come from; None for those fitted to it.
        firm: What the firm work of a test bed is; None for services with a day and a week, on the plate's curve.
    """

    def __init__(
        self,
        asset: Asset,
        start: datetime,
        rng: np.random.Generator,
        model: ClusterModel = "fluid",
        trace: Trace | None = None,
        firm: FirmMix | None = None,
    ) -> None:
        if not isinstance(asset.plate, ComputePlate):
            raise ScenarioError([f"{asset.id}: kind {asset.kind} is no computing cluster"])
        plate = asset.plate
        self._asset, self._plate, self._start = asset, plate, start
        self._hardware = hardware = Hardware.of_plate(plate)
        job_rng = rng.spawn(1)[0]
        hours = None if trace is None else trace.hours_for(hardware)
        self.arrivals = Arrivals(plate, start, rng, hours, steady=firm is not None)
        if model == "fluid":
            self.work: Work = FluidWork(plate, self.arrivals)
        else:
            stream = JobStream(plate, hardware, self.arrivals, sizes_or_fitted(trace), job_rng)
            self.work = DiscreteWork(plate, hardware, stream)
        self._tiers = FirmTiers(plate, None if firm is None else firm.curves)
        self._idle_mw = hardware.idle_mw
        self._most_mw = min(plate.rated_mw, plate.it_mw * plate.pue_frac)
        self._kept_free_mw = self._idle_mw + FIRM_MARGIN * self.arrivals.firm_peak_mw
        self._work_mean_mw = float(sum(self.arrivals.work_mean_mw))
        self._client: SchedulerClient | None = None
        self._promises: tuple[Promise, ...] = ()
        self._time_s = 0.0
        self._prepared_at: datetime | None = None
        self._step = _Step()
        self._power_mw = self._idle_mw + self.arrivals.firm_mean_mw + sum(self.arrivals.work_mean_mw)
        self._cooling = Cooling(plate.pue_frac, self._power_mw)
        self._intended_mw = self._power_mw
        self._latest = LatestSchedule()
        self._shifted = Shifted(self.arrivals)
        self._told_s = -math.inf
        self._order = sorted(range(len(plate.job_classes)), key=lambda c: plate.job_classes[c].slack_h)
        self._totals = dict.fromkeys(_COUNTERS, 0.0)
        self._lost_by_tier = [0.0] * TIERS

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
            least_mw=lambda s: self._least_meter_mw(s, self._idle_mw + firm_mw(s) - saving_mw(firm_mw(s))),
            firm_mw=lambda s: pue * (self._idle_mw + firm_mw(s)),
            rated_mw=self._plate.rated_mw,
        )
        self._promises = promise(shift.intervals, self._start, self._time_s, needs, self._due())
        self._latest.take_caps(self._promises, self._time_s, self._kept_free_mw, self._room_mw(), pue)
        instead = tuple(
            AcceptedInterval(start=self._at(p.start_s), end=self._at(p.end_s), power_mw=p.power_mw)
            for p in self._promises
            if p.power_mw is not None
        )
        refused = sum(p.cap_mw > p.asked_mw + _NOTHING_MW for p in self._promises)
        note = f"{refused} caps are too low for protected tiers or deadlines" if refused else ""
        self._client.respond(shift.revision, "part" if instead else "all", instead=instead, note=note)

    @property
    def shift(self) -> ComputeShift | None:
        """The signal that it follows; None without one that is valid."""
        return self._client.shift if self._client is not None and self._client.is_valid else None

    @property
    def widest_gpus(self) -> int:
        """No job is wider than a quarter of the machines."""
        return widest_gpus(self._hardware)

    def hand_over(self, job_class: str, energy_mwh: float, most_gpus: int) -> Cargo | None:
        """Work of a class leaves for another cluster: up to so much energy at the meter, none where the class is not mobile."""
        index = self._index_of_mobile(job_class)
        return None if index is None else self.work.hand_over(index, energy_mwh / self._pue, most_gpus)

    def take_in(self, job_class: str, cargo: Cargo) -> None:
        """Work of a class comes from another cluster."""
        index = self._index_of_mobile(job_class)
        if index is None:
            raise ScenarioError([f"{self.asset_id}: {job_class} is no mobile class here"])
        self.work.take_in(index, cargo)

    def _index_of_mobile(self, job_class: str) -> int | None:
        classes = self._plate.job_classes
        return next((i for i, c in enumerate(classes) if c.name == job_class and c.mobile), None)

    def report(self) -> None:
        """Telemetry, and every minute the backlog; to be called once a control period when a client is connected."""
        if self._client is None:
            return
        step = self._step
        asked_mw = step.firm_mw + step.ran.full_mw
        done_mw = step.firm_mw - step.slowed.lost_mw + step.ran.work_mw
        throughput = min(1.0, max(0.0, done_mw / asked_mw)) if asked_mw > 0.0 else None
        self._client.report_power(self._power_mw, throughput_frac=throughput, state=self.state())
        if self._time_s - self._told_s >= self.work.backlog_every_s - 1e-6:
            self._told_s = self._time_s
            self._client.report_backlog(self._backlog(), fast_band_mw=self.fast_band_mw)

    @property
    def fast_band_mw(self) -> float:
        """What power caps can take within seconds: from firm work within its tiers, from running jobs down to the lowest cap."""
        jobs_mw = self.work.full_mw * (1.0 - self._hardware.curve.least_frac)
        return self._pue * (self._tiers.saving_mw(self._step.firm_mw) + jobs_mw)

    def state(self) -> Mapping[str, float]:
        """What telemetry says beside power; `.0`, `.1` number the classes by slack, the shortest first."""
        quarter = self.arrivals.quarter(self.arrivals.index(max(0.0, self._time_s - 1.0)))
        due_mw = min(self._least_mw(LOOK_AHEAD_S), self._most_mw)
        urgent = self.work.most_urgent() if due_mw > 0.0 else None
        waiting, arrived = self.work.waiting_mwh, self.work.arrived_mwh
        pue = self._pue
        state = {
            "idle_mw": pue * self._idle_mw,
            "firm_mw": pue * self._step.firm_mw,
            "deferrable_mw": pue * self._step.ran.power_mw,
            # The part of firm work that caps can take; `fast_band_mw` of the backlog holds running jobs, too.
            "fast_band_mw": pue * self._tiers.saving_mw(self._step.firm_mw),
            "pue_frac": pue * self._plate.pue_frac,
        }
        for j, c in enumerate(self._order):
            state[f"waiting_mwh.{j}"] = max(0.0, waiting[c])
            state[f"arriving_mw.{j}"] = quarter.work_mw[c]
            state[f"arrived_mwh.{j}"] = arrived[c]
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
        carried_frac, tier0_mw, idle_short_mw = 1.0, 0.0, 0.0
        if power_mw < self._intended_mw - _NOTHING_MW:
            carried_frac, tier0_mw, idle_short_mw = self._give_way(step.load_mw - step.over.load_mw(power_mw))
        step.ran = self.work.settle(carried_frac, dt_s)
        step.idle_mw -= idle_short_mw
        load_mw = step.load_mw
        # Cooling is shared out by load; where no machine runs, it is booked with the idle ones.
        pue = power_mw / load_mw if load_mw > _NOTHING_MW else 0.0
        count = self._totals
        count["energy_mwh"] += power_mw * dt_h
        count["idle_mwh"] += (pue * step.idle_mw if pue > 0.0 else power_mw) * dt_h
        count["firm_mwh"] += pue * step.slowed.power_mw * dt_h
        count["deferrable_mwh"] += pue * step.ran.power_mw * dt_h
        count["firm_done_mwh"] += (step.firm_mw - step.slowed.lost_mw) * dt_h
        count["lost_throughput_mwh"] += step.slowed.lost_mw * dt_h
        count["slowed_jobs_mwh"] += max(0.0, step.ran.full_mw - step.ran.work_mw) * dt_h
        count["tier0_curtailed_mwh"] += tier0_mw * dt_h
        for tier, lost_mw in enumerate(step.slowed.lost_by_tier_mw):
            self._lost_by_tier[tier] += lost_mw * dt_h
        self._shifted.add(self._time_s, step.ran.power_mw * dt_h, step.ran.comes_mw * dt_h)
        self._time_s += dt_s
        self._cooling.follow(load_mw)
        self._latest.carry(step.ran.work_mw, self._room_mw(), dt_s)
        self._power_mw = power_mw

    def totals(self) -> Mapping[str, float]:
        """Energy at the meter and work at the plate's PUE, the work in all and per class, as in `work_done_mwh.slack_6h`."""
        work = self.work
        totals = self._totals | {"deadline_misses": float(work.deadline_misses), "shifted_mwh": self._shifted.mwh}
        totals |= {f"lost_throughput_mwh.tier{tier}": mwh for tier, mwh in enumerate(self._lost_by_tier)}
        rows = {
            "work_arrived_mwh": work.arrived_mwh,
            "work_done_mwh": work.done_mwh,
            "delayed_mwh_h": work.delayed_mwh_h,
            "missed_mwh": work.missed_mwh,
            "work_moved_mwh": work.moved_mwh,
        }
        for name, values in rows.items():
            totals[name] = sum(values)
            totals |= {f"{name}.{c.name}": value for c, value in zip(self._plate.job_classes, values, strict=True)}
        return {**totals, **work.counters()}

    def stock(self) -> Mapping[str, float]:
        """Work that is left, in all and per class."""
        waiting = self.work.waiting_mwh
        stock = {f"waiting_mwh.{c.name}": w for c, w in zip(self._plate.job_classes, waiting, strict=True)}
        return {"waiting_mwh": sum(waiting), **stock, **self.work.stocks()}

    def balances(self) -> tuple[Balance, ...]:
        """Arrived work is done or left, per class; energy is idle, firm and deferrable; lost throughput is that of the tiers."""
        count = self._totals
        parts = count["energy_mwh"] - count["idle_mwh"] - count["firm_mwh"] - count["deferrable_mwh"]
        lost = count["lost_throughput_mwh"] - sum(self._lost_by_tier)
        return (
            Balance(f"{self.asset_id}.energy", parts, count["energy_mwh"], "MWh"),
            Balance(f"{self.asset_id}.lost_throughput", lost, count["lost_throughput_mwh"], "MWh"),
            *self.work.laws(self.asset_id),
        )

    @property
    def _pue(self) -> float:
        """Power at the meter over load at the plate's PUE, once cooling has followed."""
        return self._cooling.steady_frac

    def _prepare(self, ambient: Ambient) -> None:
        plate, dt_s = self._plate, ambient.dt_s
        over = self._cooling.over(ambient.temperature_c, dt_s)
        firm_mw = self.arrivals.quarter(self.arrivals.index(self._time_s)).firm_mw
        limit_mw = min(over.load_mw(plate.rated_mw), self._most_mw)
        idle_mw = min(self._idle_mw, limit_mw)
        firm_mw = min(firm_mw, limit_mw - idle_mw)
        cap_mw = min(limit_mw, over.load_mw(self._cap_mw()))
        if self._latest.is_due(self._time_s):
            self._latest.look(self._due(), self._time_s, self._room_mw())
        held_mw = min(self.work.held_mw, limit_mw - idle_mw - firm_mw)
        over_mw = idle_mw + firm_mw + held_mw - cap_mw
        called = self._called()
        if called:
            over_mw = max(over_mw, self._given_up_mw(firm_mw, cap_mw - idle_mw - firm_mw))
        slowed = self._tiers.slow(firm_mw, over_mw) if over_mw > 0.0 else Slowed(firm_mw, 0.0)
        base_mw = idle_mw + slowed.power_mw
        best_frac, _ = self._hardware.curve.best
        target_mw = self._target_mw()
        asked_mw = max(0.0, min(cap_mw, math.inf if target_mw is None else over.load_mw(target_mw)) - idle_mw - firm_mw)
        order = Order(
            room_mw=max(0.0, cap_mw - base_mw),
            # Firm work has its way again as soon as jobs have paused: they are not to stay in the room that it was slowed for.
            asked_mw=min(asked_mw, self._jobs_before_a_cap_mw(over, idle_mw, firm_mw)),
            capped_mw=min(self._step.ran.comes_mw, max(0.0, cap_mw - base_mw) / best_frac) if called else 0.0,
            least_mw=self._least_mw(dt_s),
            free_mw=limit_mw - idle_mw - firm_mw,
            firm_mw=max(firm_mw, AHEAD_MARGIN * self.arrivals.expected_firm_mw(self._time_s + AHEAD_S)),
        )
        ran = self.work.intend(order, dt_s)
        self._step = _Step(over, idle_mw, firm_mw, slowed, ran)
        self._intended_mw = over.meter_mw(base_mw + ran.power_mw)

    def _give_way(self, short_mw: float) -> tuple[float, float, float]:
        """Power is missing: the share of deferrable work carried, and what tier 0 and idle machines lose, in MW."""
        step = self._step
        jobs_mw = step.ran.power_mw
        cut_mw = min(short_mw, jobs_mw)
        carried_frac = 1.0 - cut_mw / jobs_mw if jobs_mw > 0.0 else 1.0
        short_mw -= cut_mw
        firm_mw, tier0_mw = step.slowed.power_mw, self._tiers.share[0] * step.firm_mw
        cut_mw = min(short_mw, firm_mw)
        lost0_mw = max(0.0, cut_mw - max(0.0, firm_mw - tier0_mw))
        # Without power no throughput: what a blackout takes is lost in full, by the highest tiers first.
        lost_mw, by_tier, left_mw = 0.0, list(step.slowed.lost_by_tier_mw), cut_mw
        for tier in range(TIERS - 1, -1, -1):
            more_mw = min(left_mw, self._tiers.share[tier] * step.firm_mw - by_tier[tier])
            by_tier[tier] += more_mw
            left_mw -= more_mw
        lost_mw = sum(by_tier)
        step.slowed = Slowed(firm_mw - cut_mw, lost_mw, tuple(by_tier))
        return carried_frac, lost0_mw, max(0.0, short_mw - cut_mw)

    def _called(self) -> bool:
        """Whether a call of the grid holds now, and nothing less is asked for than its cap.

        Then as much work as possible is done under it: jobs run on under power caps, and flexible tiers give what costs less
        throughput than jobs make of it. Everywhere else what can wait waits, and nothing that runs is slowed down.
        """
        client, target_mw = self._client, self._target_mw()
        if client is None or client.shift is None or target_mw is None or not self.work.can_run_capped:
            return False
        event, now = client.shift.event, self._at(self._time_s)
        if event is None or event.reason.code != _GRID_CALL or not event.start <= now < event.end:
            return False
        return target_mw >= (1.0 - _SAME_FRAC) * client.cap_now_mw()

    def _given_up_mw(self, firm_mw: float, room_mw: float) -> float:
        """What firm work leaves to jobs, beyond the room that there is for them. [MW]."""
        best_frac, per_power = self._hardware.curve.best
        wanted_mw = best_frac * self._step.ran.comes_mw - room_mw
        return min(max(wanted_mw, 0.0), self._tiers.saving_below_mw(firm_mw, per_power))

    def _jobs_before_a_cap_mw(self, over: Overhead, idle_mw: float, firm_mw: float) -> float:
        """Jobs that may run now, lest a cap that is announced finds more of them than caps alone can hold down. [MW].

        A pause takes until the next checkpoint, so a cap deeper than that needs it begun before; one that is not needs nothing.
        """
        until_s = self._time_s + self._pausing_s
        floor_mw = idle_mw + firm_mw - self._tiers.saving_mw(firm_mw)
        most_mw = math.inf
        for p in self._promises:
            if p.start_s > until_s:
                break
            if p.start_s > self._time_s:
                # The cap that was asked: what can be kept of it is what this raises.
                room_mw = over.load_mw(max(p.asked_mw, p.deadlines_mw)) - floor_mw
                most_mw = min(most_mw, max(0.0, room_mw) / self._hardware.curve.least_frac)
        return most_mw

    @property
    def _pausing_s(self) -> float:
        """By then every job that is to pause has come to a checkpoint. [s]."""
        return CHECKPOINT_BAND[1] * self._plate.checkpoint_s

    def _held_mw(self, time_s: float) -> float:
        """What running jobs still draw at a second ahead under the lowest cap, while they reach their checkpoints, in MW."""
        pausing_s, ahead_s = self._pausing_s, time_s - self._time_s
        left_frac = 1.0 - ahead_s / pausing_s if pausing_s > 0.0 else 0.0
        return self.work.held_mw * max(0.0, left_frac)

    def _least_meter_mw(self, time_s: float, load_mw: float) -> float:
        """The meter at a second ahead, when all but that load has been cut now: jobs pause and cooling follows only by then."""
        load_mw += self._held_mw(time_s)
        return self._cooling.meter_after_mw(load_mw, time_s - self._time_s)

    def _cap_mw(self) -> float:
        if self._client is None:
            return self._plate.rated_mw
        kept = next((p for p in self._promises if p.start_s <= self._time_s < p.end_s), None)
        cap_mw = self._client.cap_now_mw()
        return cap_mw if kept is None else max(cap_mw, kept.deadlines_mw)

    def _target_mw(self) -> float | None:
        if self._client is None or not self._client.is_valid:
            return None
        interval = self._client.interval_now()
        return interval.target_mw if interval is not None else None

    def _room_mw(self) -> float:
        """Room for deferrable work that can be counted on without caps, at the plate's PUE, in MW."""
        certain_mw: float = self._most_mw / max(1.0, self._pue) - self._kept_free_mw
        return max(certain_mw, self._work_mean_mw)

    def _due(self) -> Due:
        slack_h = [job_class.slack_h for job_class in self._plate.job_classes]
        return with_arrivals(self.work.due(), self._time_s, self.arrivals.work_mean_mw, slack_h)

    def _least_mw(self, dt_s: float) -> float:
        return self._latest.least_mw(self._room_mw(), dt_s)

    def _backlog(self) -> tuple[BacklogItem, ...]:
        plate = self._plate
        return tuple(
            BacklogItem(
                job_class=job_class.name,
                energy_mwh=bucket.left_mwh,
                release=self._at(bucket.release_s),
                deadline=self._at(bucket.deadline_s),
                max_mw=min(bucket.max_mw, plate.rated_mw - self._idle_mw),
                tier=job_class.tier,
                preemptible=True,
                checkpoint_s=plate.checkpoint_s,
            )
            for c, job_class in enumerate(plate.job_classes)
            for bucket in self.work.buckets(c)
            if bucket.left_mwh > _NOTHING_MWH
        )

    def _at(self, time_s: float) -> datetime:
        return self._start + timedelta(seconds=time_s)


_COUNTERS: Final = (
    "energy_mwh",
    "idle_mwh",
    "firm_mwh",
    "deferrable_mwh",
    "firm_done_mwh",
    "lost_throughput_mwh",
    "slowed_jobs_mwh",
    "tier0_curtailed_mwh",
)
