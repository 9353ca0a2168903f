"""Deferrable work job by job: a queue, gangs on nodes, checkpoints, power caps. Nothing is done per job between its events.

All running jobs share one power cap, so they share one speed, and one *virtual clock* counts the seconds that each has
run at full speed. A job that starts at virtual second V and needs w seconds ends at V + w whatever the caps do on the way: ends
lie in a heap ordered by virtual time and are met, not looked for. Checkpoints come by the clock on the wall. Energy and work are
integrated from the number of busy accelerators per class.

The scheduler decides once a cycle. It starts jobs by their latest start, the earliest first; holds what can wait when less is
asked; pauses the jobs with the most slack at their next checkpoint when that is not enough (nothing is lost, resuming costs a
warm-up); and caps power at once. Jobs are killed only when firm work needs their accelerators or the power itself is gone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np

from sim_harness.clusters.fluid_work import RAMP_UP_FRAC_PER_MIN
from sim_harness.clusters.hardware import GPUS_PER_NODE, Hardware, Nodes
from sim_harness.clusters.job_profile import DueProfile, due_profile
from sim_harness.clusters.job_stream import JobStream, NewJobs
from sim_harness.clusters.job_table import JobState, JobTable
from sim_harness.clusters.moved import LEAST_SLACK_S, Cargo, JobCargo
from sim_harness.clusters.quarter_sums import AsItComes
from sim_harness.clusters.work import Bucket, Due, Order, Ran
from sim_harness.plants.base import Balance
from vpp.errors import ScenarioError
from vpp.park.plates import ComputePlate
from vpp.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE, FloatArray, IntArray

__all__ = ["CYCLE_S", "RESTART_S", "DiscreteWork"]

#: A scheduler looks at its queue once a minute at least.
CYCLE_S: Final = 60.0
#: Loading a checkpoint back before progress is made. Assumption.
RESTART_S: Final = 120.0
#: A job starts this long before its latest start whatever is asked.
URGENT_S: Final = 900.0
#: Only jobs with this much slack beyond that are paused.
PAUSE_SLACK_S: Final = SECONDS_PER_HOUR
#: Queue, deadlines and backlog are looked through this often.
SCAN_S: Final = 300.0
#: Differences from what is asked below this share of the accelerators start no pause.
BAND_FRAC: Final = 0.005
#: Jobs behind one that does not fit that may overtake it in a cycle.
OVERTAKING: Final = 4
_NOTHING_GPU_S: Final = 1.0
_COUNTED: Final = ("arrived", "opening", "done", "done_late", "paused", "killed", "started", "sent", "taken")


@dataclass(slots=True)
class _Wish:
    """One cycle's order in accelerators."""

    room: float
    hard_room: float
    wanted: float
    reserved_nodes: int


class DiscreteWork:
    """The queue and the running jobs of one cluster.

    Args:
        plate: Classes, rating, tiers.
        hardware: The machines.
        stream: What arrives.
    """

    def __init__(self, plate: ComputePlate, hardware: Hardware, stream: JobStream) -> None:
        self.classes = plate.job_classes
        n = len(self.classes)
        self._hardware, self._stream = hardware, stream
        self._mw = hardware.mw_per_gpu
        self._mwh = hardware.mw_per_gpu / SECONDS_PER_HOUR
        self._ramp_gpu_per_s = RAMP_UP_FRAC_PER_MIN * plate.rated_mw / SECONDS_PER_MINUTE / self._mw
        self._band = BAND_FRAC * hardware.gpus
        self._tier = np.array([c.tier for c in self.classes])
        self._jobs, self._nodes = JobTable(), Nodes(hardware.nodes)
        self._waiting: list[tuple[float, int]] = []
        self._running: list[tuple[float, int]] = []
        self._leaving: list[tuple[float, int]] = []
        self._coming: list[float] = []
        self._next, self._next_row, self._quarter = 0, 0, 0
        self._now_s = self._virtual_s = 0.0
        self._speeds: list[tuple[float, float, float]] = [(0.0, 0.0, 1.0)]  # since when, at which virtual second, how fast
        self._busy, self._leaving_gpus = 0, 0
        self._busy_of = [0] * n
        self._tokens = 0.0
        self._pause_again_s, self._paused_for = 0.0, math.inf
        self._scan_at_s = 0.0
        self._soon: list[tuple[float, int]] = []
        self._profile: DueProfile | None = None
        # In GPU-seconds, per class.
        self._arrived, self._done, self._missed = [0.0] * n, [0.0] * n, [0.0] * n
        self._idle_left, self._delayed = [0.0] * n, [0.0] * n
        self._overhead = self._lost = 0.0
        self._opening = [0.0] * n
        self._moved = [0.0] * n
        self._guests: list[NewJobs] = []
        self.deadline_misses = 0
        self._count = dict.fromkeys(
            ("arrived", "opening", "done", "done_late", "paused", "killed", "started", "sent", "taken"), 0
        )
        self._jobs_of = [0, 0, 0]  # waiting, running, paused
        self._comes = AsItComes(n, stream.arrivals)
        self._ran = Ran(0.0, 0.0, 0.0, 0.0)
        self._open()

    @property
    def stream(self) -> JobStream:
        """Where its jobs come from; a quarter is drawn once."""
        return self._stream

    @property
    def mw_per_gpu(self) -> float:
        """What a busy accelerator adds to idle power. [MW]."""
        return self._mw

    # What the cluster reads -------------------------------------------------------------------------------------------------

    @property
    def waiting_mwh(self) -> list[float]:
        """Work left of each class, running jobs' included."""
        return [
            (o + a + m - d) * self._mwh for o, a, m, d in zip(self._opening, self._arrived, self._moved, self._done, strict=True)
        ]

    @property
    def arrived_mwh(self) -> list[float]:
        """Work released since the start, per class."""
        return [x * self._mwh for x in self._arrived]

    @property
    def done_mwh(self) -> list[float]:
        """Work done and kept, per class."""
        return [x * self._mwh for x in self._done]

    @property
    def missed_mwh(self) -> list[float]:
        """Work that was left when its deadline passed, per class."""
        return [x * self._mwh for x in self._missed]

    @property
    def delayed_mwh_h(self) -> list[float]:
        """Work that stood still, times how long it did, per class."""
        return [x * self._mwh / SECONDS_PER_HOUR for x in self._delayed]

    @property
    def held_mw(self) -> float:
        """What running jobs draw under the lowest measured cap."""
        return self._busy * self._mw * self._hardware.curve.least_frac

    @property
    def full_mw(self) -> float:
        """What running jobs draw without a cap."""
        return self._busy * self._mw

    @property
    def can_run_capped(self) -> bool:
        """All running jobs share one power cap."""
        return True

    @property
    def backlog_every_s(self) -> float:
        """As often as the queue is looked through."""
        return SCAN_S

    @property
    def jobs(self) -> JobTable:
        """All jobs that are not long gone."""
        return self._jobs

    def due(self) -> Due:
        """All work by when it must be done: a job that takes hours must be done hour by hour before its deadline."""
        profile = self._look()
        need = profile.need_gpu_s.sum(axis=0)
        # Where nothing has to be done yet nothing is due.
        first = int(np.searchsorted(need, _NOTHING_GPU_S, side="right"))
        return Due(profile.edge_s[first:], need[first:] * self._mwh)

    def buckets(self, index: int) -> tuple[Bucket, ...]:
        """What is left of a class, by when it must be done; each bucket is due at the beginning of its span, to be safe."""
        profile = self._look()
        return profile.buckets(index, self._now_s, self._mwh, self._mw)

    def most_urgent(self) -> int | None:
        """The class whose work must be done first."""
        return self._look().first_class

    def counters(self) -> Mapping[str, float]:
        """Jobs by what became of them, work by what it cost beside itself."""
        due = [x * self._mwh for x in self._comes.due_gpu_s(self._now_s)]
        counters = {f"jobs_{name}": float(value) for name, value in self._count.items()}
        counters |= {f"work_due_mwh.{c.name}": mwh for c, mwh in zip(self.classes, due, strict=True)}
        counters |= {
            "jobs_missed": float(self.deadline_misses),
            "work_due_mwh": sum(due),
            "work_opening_mwh": sum(self._opening) * self._mwh,
            "work_restart_mwh": self._overhead * self._mwh,
            "work_lost_mwh": self._lost * self._mwh,
        }
        return counters

    def stocks(self) -> Mapping[str, float]:
        """Jobs by where they are, and busy accelerators."""
        waiting, running, paused = self._jobs_of
        return {
            "jobs_waiting": float(waiting),
            "jobs_running": float(running),
            "jobs_paused": float(paused),
            "gpus_busy": float(self._busy),
            "nodes_empty": float(self._nodes.empty),
        }

    def laws(self, owner: str) -> tuple[Balance, ...]:
        """Work and jobs that came are done or are found in the table; accelerators are busy with jobs of the table."""
        jobs, rows = self._jobs, self._jobs.unfinished()
        # The rest of the quarter is drawn and not released yet.
        rows = rows[rows < self._next_row]
        left = np.bincount(
            jobs.job_class[rows], jobs.need_s(rows, self._virtual_s) * jobs.gpus[rows], minlength=len(self.classes)
        ).tolist()
        came = [a + o + m for a, o, m in zip(self._arrived, self._opening, self._moved, strict=True)]
        work = [
            Balance(f"{owner}.work.{c.name}", (came[i] - self._done[i] - left[i]) * self._mwh, came[i] * self._mwh, "MWh")
            for i, c in enumerate(self.classes)
        ]
        count = self._count
        all_jobs = count["arrived"] + count["opening"] + count["taken"] - count["sent"]
        by_state = np.bincount(jobs.state[rows], minlength=len(JobState)).tolist()
        stray = sum(abs(a - b) for a, b in zip(self._jobs_of, (by_state[0], by_state[1] + by_state[2], by_state[3]), strict=True))
        runs = rows[(jobs.state[rows] == JobState.RUNNING) | (jobs.state[rows] == JobState.LEAVING)]
        return (
            *work,
            Balance(f"{owner}.jobs", float(all_jobs - count["done"] - rows.size), float(all_jobs), "jobs"),
            Balance(f"{owner}.jobs.states", float(stray), float(all_jobs), "jobs"),
            Balance(f"{owner}.gpus", float(self._busy - int(jobs.gpus[runs].sum())), float(self._hardware.gpus), "GPUs"),
        )

    # Work that goes elsewhere -----------------------------------------------------------------------------------------------

    @property
    def moved_mwh(self) -> list[float]:
        """Work that came from other clusters, less what went there, per class."""
        return [x * self._mwh for x in self._moved]

    def hand_over(self, index: int, work_mwh: float, most_gpus: int) -> Cargo | None:
        """Jobs that wait or are paused leave the queue, those with the latest start first."""
        table, now_s = self._jobs, self._now_s
        rows: list[int] = []
        left_gpu_s = work_mwh / self._mwh
        for latest_s, row in sorted(self._waiting, reverse=True):
            need = table.at_gpus[row] * table.at_left_s[row]
            if latest_s < now_s + LEAST_SLACK_S or left_gpu_s <= 0.0:
                break
            if table.at_class[row] == index and table.at_gpus[row] <= most_gpus and need <= left_gpu_s:
                rows.append(row)
                left_gpu_s -= need
        if not rows:
            return None
        at, gone = np.array(rows), frozenset(rows)
        job_class, checkpoint_s = table.job_class[at], table.checkpoint_s[at]
        jobs = NewJobs(np.full(at.size, now_s), table.gpus[at], table.left_s[at], table.deadline_s[at], job_class, checkpoint_s)
        self._waiting = [entry for entry in self._waiting if entry[1] not in gone]
        heapify(self._waiting)
        gpu_s = float((jobs.gpus * jobs.run_s).sum())
        paused = int((table.state[at] == JobState.PAUSED).sum())
        self._jobs_of[0] -= at.size - paused
        self._jobs_of[2] -= paused
        table.state[at] = JobState.DONE
        self._idle_left[index] -= gpu_s
        self._moved[index] -= gpu_s
        self._count["sent"] += at.size
        self._profile = None
        return JobCargo(jobs)

    def take_in(self, index: int, cargo: Cargo) -> None:
        """Jobs come; they are in the queue with the next quarter of an hour."""
        if not isinstance(cargo, JobCargo):
            raise ScenarioError(["a cluster counted job by job takes no fluid"])
        jobs = replace(cargo.jobs, job_class=np.full(cargo.jobs.gpus.size, index))
        self._guests.append(jobs)

    # A step -----------------------------------------------------------------------------------------------------------------

    def intend(self, order: Order, dt_s: float) -> Ran:
        """Let the step pass, cycle by cycle; nothing but a blackout can come between."""
        cycles = max(1, math.ceil(dt_s / CYCLE_S - 1e-9))
        power = work = full = 0.0
        for _ in range(cycles):
            drawn, done, busy = self._cycle(order, dt_s / cycles)
            power, work, full = power + drawn, work + done, full + busy
        share = self._mw / dt_s
        comes_mw = min(self._comes.mean_gpus(self._now_s - dt_s) * self._mw, order.free_mw)
        self._ran = Ran(power * share, work * share, full * share, comes_mw)
        return self._ran

    def settle(self, carried_frac: float, dt_s: float) -> Ran:
        """Where power was missing, jobs are killed until the rest can be carried."""
        del dt_s
        ran = self._ran
        if carried_frac >= 1.0 - 1e-12:
            return ran
        self._kill_down_to(int(self._busy * max(0.0, carried_frac)))
        return Ran(ran.power_mw * carried_frac, ran.work_mw * carried_frac, ran.full_mw, ran.comes_mw)

    def _cycle(self, order: Order, dt_s: float) -> tuple[float, float, float]:
        """One cycle of the scheduler; GPU-seconds of power, of work, and of power without a cap."""
        now_s = self._now_s
        if now_s >= self._scan_at_s:
            self._scan(now_s)
        self._arrive(now_s)
        wish = self._wish(order)
        free_gpus = self._hardware.gpus - wish.reserved_nodes * GPUS_PER_NODE
        if self._busy > free_gpus:
            self._kill_down_to(free_gpus)
        self._tokens = min(self._tokens + self._ramp_gpu_per_s * dt_s, self._ramp_gpu_per_s * SECONDS_PER_MINUTE)
        committed = self._busy - self._leaving_gpus
        if self._leaving_gpus and committed < wish.wanted - self._band:
            self._stay(wish.wanted - committed)
        elif committed > wish.wanted + self._band and self._may_pause(now_s, wish.wanted):
            self._pause_excess(committed - wish.wanted, capped=self._busy > max(wish.room, wish.wanted))
        if self._waiting:
            self._start(now_s, wish)
        return self._pass(wish.room, dt_s)

    def _wish(self, order: Order) -> _Wish:
        mw = self._mw
        room = order.room_mw / mw
        hard_room = room / self._hardware.curve.least_frac
        wanted = max(min(max(order.asked_mw, order.least_mw), order.room_mw) / mw, min(order.capped_mw / mw, hard_room))
        reserved = math.ceil(order.firm_mw / mw / GPUS_PER_NODE - 1e-9)
        return _Wish(room, hard_room, wanted, min(reserved, self._hardware.nodes))

    def _open(self) -> None:
        """Jobs that run when the world begins, as many as always run."""
        jobs = self._stream.running_at_start()
        first = self._jobs.add(jobs)
        table, phase = self._jobs, np.linspace(0.0, 1.0, jobs.gpus.size, endpoint=False)
        self._comes.add(jobs)
        self._comes.forget_due(jobs)
        for row in range(first, table.n):
            gpus = table.at_gpus[row]
            need = gpus * table.at_left_s[row]
            c = table.at_class[row]
            self._opening[c] += need
            node = self._nodes.place(gpus, 0)
            if node is None:
                self._queue(row, JobState.WAITING)
                continue
            # Checkpoints of jobs that run already lie anywhere in their interval.
            self._run(row, node, -float(phase[row - first]) * table.at_checkpoint_s[row])
        self._count["opening"] = table.n - first
        self._next_row = table.n

    def _arrive(self, now_s: float) -> None:
        while self._stream.arrivals.begin_s(self._quarter) <= now_s:
            self._drop_old()
            guests_s = self._add_guests(now_s)
            jobs = self._stream.quarter(self._quarter)
            self._jobs.add(jobs)
            self._comes.add(jobs)
            # A quarter is drawn when it begins: what the last one left over is released first, then what has come from elsewhere.
            self._coming = self._coming[self._next :] + guests_s + jobs.release_s.tolist()
            self._next = 0
            self._quarter += 1
        coming, i = self._coming, self._next
        if i >= len(coming) or coming[i] > now_s:
            return
        table = self._jobs
        while i < len(coming) and coming[i] <= now_s:
            row = self._next_row
            need = table.at_gpus[row] * table.at_left_s[row]
            c = table.at_class[row]
            if table.at_guest[row]:
                self._moved[c] += need
                self._count["taken"] += 1
            else:
                self._arrived[c] += need
                self._count["arrived"] += 1
            self._delayed[c] += need * (now_s - coming[i])
            self._queue(row, JobState.WAITING)
            self._next_row = row + 1
            i += 1
        self._next = i

    def _add_guests(self, now_s: float) -> list[float]:
        """Rows for jobs that have come from other clusters; when each is released."""
        found: list[float] = []
        for jobs in self._guests:
            first = self._jobs.add(jobs)
            self._jobs.guest[first : first + jobs.gpus.size] = 1
            found += [max([now_s, *self._coming[self._next :]])] * jobs.gpus.size  # none before what the last quarter left over
        self._guests = []
        return found

    def _queue(self, row: int, state: JobState) -> None:
        table = self._jobs
        left_s = table.at_left_s[row]
        table.at_state[row] = state
        self._jobs_of[0 if state is JobState.WAITING else 2] += 1
        self._idle_left[table.at_class[row]] += table.at_gpus[row] * left_s
        heappush(self._waiting, (table.at_deadline_s[row] - left_s, row))

    def _start(self, now_s: float, wish: _Wish) -> None:
        """Start jobs by their latest start while more is wanted and there is room; urgent ones whatever is wanted."""
        waiting, table = self._waiting, self._jobs
        passed: list[tuple[float, int]] = []
        urgent_until_s = now_s + URGENT_S
        reserved, most = wish.reserved_nodes, max(wish.room, wish.wanted)
        while waiting:
            latest_s, row = waiting[0]
            urgent = latest_s <= urgent_until_s
            gpus = table.at_gpus[row]
            if urgent:
                fits = self._busy + gpus <= wish.hard_room
            else:
                if self._busy - self._leaving_gpus + 1 > wish.wanted or self._tokens <= 0.0:
                    break
                # Half a gang too much is nearer to what is asked than half a gang too little.
                fits = self._busy + gpus <= most and self._busy - self._leaving_gpus + 0.5 * gpus <= wish.wanted
            node = self._nodes.place(gpus, reserved) if fits else None
            if node is None:
                if len(passed) == OVERTAKING:
                    break
                passed.append(heappop(waiting))
                continue
            heappop(waiting)
            paused = table.at_state[row] == JobState.PAUSED
            self._jobs_of[2 if paused else 0] -= 1
            self._idle_left[table.at_class[row]] -= gpus * table.at_left_s[row]
            self._tokens -= gpus
            # A job that stood still loads its checkpoint first: its need holds that already.
            self._run(row, node, now_s + (RESTART_S if table.at_resumed[row] else 0.0))
            self._count["started"] += 1
        for entry in passed:
            heappush(waiting, entry)

    def _run(self, row: int, node: int, from_s: float) -> None:
        table = self._jobs
        gpus = table.at_gpus[row]
        end_v = self._virtual_s + table.at_left_s[row]
        table.at_node[row], table.at_state[row] = node, JobState.RUNNING
        table.at_end_v[row], table.at_from_s[row] = end_v, from_s
        self._busy += gpus
        self._busy_of[table.at_class[row]] += gpus
        self._jobs_of[1] += 1
        heappush(self._running, (end_v, row))

    def _pass(self, room: float, dt_s: float) -> tuple[float, float, float]:
        """Time passes at one speed; jobs end and pause on the way."""
        busy = self._busy
        power_frac, speed = 1.0, 1.0
        if busy > room + 1e-9:
            curve = self._hardware.curve
            power_frac = max(room / busy, curve.least_frac)
            speed = curve.throughput(power_frac)
        if speed != self._speeds[-1][2]:
            self._speeds.append((self._now_s, self._virtual_s, speed))
        self._now_s += dt_s
        before_v = self._virtual_s
        self._virtual_s = after_v = before_v + speed * dt_s
        done, delayed, idle = self._done, self._delayed, self._idle_left
        for c, gpus in enumerate(self._busy_of):
            done[c] += gpus * (after_v - before_v)
            delayed[c] += idle[c] * dt_s
        gone = 0.0
        running, leaving = self._running, self._leaving
        while running and running[0][0] <= after_v:
            end_v, row = heappop(running)
            gone += self._finish(row, end_v, speed)
        while leaving and leaving[0][0] <= self._now_s:
            at_s, row = heappop(leaving)
            if self._jobs.at_state[row] == JobState.LEAVING:
                gone += self._pause(row, max(before_v, after_v - (self._now_s - at_s) * speed), speed)
        if self._soon and self._soon[-1][0] <= self._now_s:
            self._miss(speed)
        work = busy * (after_v - before_v) - gone
        full = busy * dt_s - gone / speed if speed > 0.0 else busy * dt_s
        return full * power_frac, work, full

    def _finish(self, row: int, end_v: float, speed: float) -> float:
        """A job is done; virtual GPU-seconds of the cycle that it did not use."""
        table = self._jobs
        if table.at_state[row] not in (JobState.RUNNING, JobState.LEAVING) or table.at_end_v[row] != end_v:
            return 0.0
        self._vacate(row)
        table.at_state[row] = JobState.DONE
        unused = table.at_gpus[row] * (self._virtual_s - end_v)
        self._done[table.at_class[row]] -= unused
        self._count["done"] += 1
        at_s = self._now_s - (self._virtual_s - end_v) / speed
        if table.at_missed[row] or at_s > table.at_deadline_s[row]:
            self._count["done_late"] += 1
        return float(unused)

    def _pause(self, row: int, at_v: float, speed: float) -> float:
        """A job stands still at a checkpoint; virtual GPU-seconds of the cycle that it did not use."""
        table = self._jobs
        gpus, c = table.at_gpus[row], table.at_class[row]
        unused = gpus * (self._virtual_s - at_v)
        self._done[c] -= unused
        self._stop(row, table.at_end_v[row] - at_v)
        self._count["paused"] += 1
        self._delayed[c] += gpus * table.at_left_s[row] * (self._virtual_s - at_v) / speed
        return float(unused)

    def _stop(self, row: int, useful_s: float) -> None:
        """Back to the queue with so much left to do, and a checkpoint to load before."""
        table = self._jobs
        self._vacate(row)
        overhead = table.at_gpus[row] * RESTART_S
        self._overhead += overhead
        self._done[table.at_class[row]] -= overhead
        table.at_left_s[row] = useful_s + RESTART_S
        table.at_resumed[row] = 1
        self._queue(row, JobState.PAUSED)

    def _vacate(self, row: int) -> None:
        table = self._jobs
        gpus = table.at_gpus[row]
        self._nodes.free(gpus, table.at_node[row])
        self._busy -= gpus
        self._busy_of[table.at_class[row]] -= gpus
        self._jobs_of[1] -= 1
        if table.at_state[row] == JobState.LEAVING:
            self._leaving_gpus -= gpus

    # Less than runs ---------------------------------------------------------------------------------------------------------

    def _may_pause(self, now_s: float, wanted: float) -> bool:
        """Once a minute, or when clearly less is asked: those that could not pause a moment ago still cannot."""
        if now_s < self._pause_again_s and wanted > self._paused_for - self._band:
            return False
        self._pause_again_s, self._paused_for = now_s + CYCLE_S, wanted
        return True

    def _pause_excess(self, excess: float, capped: bool) -> None:
        """Mark jobs to pause at their next checkpoint, until what is too much is covered."""
        table, v, now_s = self._jobs, self._virtual_s, self._now_s
        rows = table.running()
        left_s, step, from_s = table.end_v[rows] - v, table.checkpoint_s[rows], table.from_s[rows]
        steps = np.maximum(np.floor((now_s - from_s) / np.maximum(step, 1e-9)) + 1.0, 1.0)
        next_s = np.where(step > 0.0, from_s + steps * step, np.maximum(now_s, from_s))
        gpus = table.gpus[rows]
        slack_s = table.deadline_s[rows] - now_s - left_s - RESTART_S
        may = slack_s > URGENT_S + PAUSE_SLACK_S
        if not capped:
            # What is done before it could pause goes by itself; under a cap it would take long.
            ends = now_s + left_s <= next_s
            excess -= float(gpus[ends].sum())
            may &= ~ends
        rows, next_s, gpus, slack_s = rows[may], next_s[may], gpus[may], slack_s[may]
        for k in self._victims(rows, slack_s).tolist():
            if excess < 0.5 * int(gpus[k]):
                break
            row = int(rows[k])
            table.at_state[row] = JobState.LEAVING
            self._leaving_gpus += int(gpus[k])
            heappush(self._leaving, (float(next_s[k]), row))
            excess -= int(gpus[k])

    def _victims(self, rows: IntArray, slack_s: FloatArray) -> IntArray:
        """Highest tier first, in it the most slack."""
        return np.lexsort((rows, -slack_s, -self._tier[self._jobs.job_class[rows]]))

    def _stay(self, wanted: float) -> None:
        """Jobs that were to pause run on after all, those whose checkpoint is nearest first."""
        leaving, table = self._leaving, self._jobs
        while leaving and wanted > 0.0:
            _, row = heappop(leaving)
            if table.at_state[row] == JobState.LEAVING:
                table.at_state[row] = JobState.RUNNING
                self._leaving_gpus -= table.at_gpus[row]
                wanted -= table.at_gpus[row]

    def _kill_down_to(self, gpus: int) -> None:
        """Take accelerators at once, by tier and slack; work since the last checkpoint is lost."""
        table, v = self._jobs, self._virtual_s
        rows = table.unfinished()
        rows = rows[(table.state[rows] == JobState.RUNNING) | (table.state[rows] == JobState.LEAVING)]
        slack_s = table.deadline_s[rows] - (table.end_v[rows] - v)
        for k in self._victims(rows, slack_s).tolist():
            if self._busy <= gpus:
                break
            row = int(rows[k])
            from_s, step = table.at_from_s[row], table.at_checkpoint_s[row]
            n, c = table.at_gpus[row], table.at_class[row]
            if self._now_s < from_s:
                # Still loading: what was booked for the rest of that comes back.
                kept_v = min(v + from_s - self._now_s, table.at_end_v[row])
                self._overhead -= n * (kept_v - v)
                self._done[c] += n * (kept_v - v)
            else:
                kept_s = from_s + math.floor((self._now_s - from_s) / step) * step if step > 0.0 else self._now_s
                kept_v = self._virtual_at(kept_s)
                lost = n * (v - kept_v)
                self._lost += lost
                self._done[c] -= lost
            self._stop(row, table.at_end_v[row] - kept_v)
            self._count["killed"] += 1

    def _virtual_at(self, time_s: float) -> float:
        """The virtual second at a second of the last hour; before the world began jobs ran at full speed."""
        met = (entry for entry in reversed(self._speeds) if entry[0] <= time_s)
        since_s, since_v, speed = next(met, self._speeds[0])
        return since_v + (time_s - since_s) * (speed if time_s >= since_s else 1.0)

    # Looking through the queue ----------------------------------------------------------------------------------------------

    def _look(self) -> DueProfile:
        if self._profile is None:
            jobs = self._jobs
            rows = jobs.unfinished()
            rows = rows[rows < self._next_row]
            self._profile = due_profile(
                jobs.deadline_s[rows],
                jobs.need_s(rows, self._virtual_s),
                jobs.gpus[rows],
                jobs.job_class[rows],
                len(self.classes),
                self._now_s,
            )
        return self._profile

    def _scan(self, now_s: float) -> None:
        """The deadlines of the next minutes, and a new profile when somebody asks for it."""
        self._scan_at_s = now_s + SCAN_S
        self._profile = None
        while len(self._speeds) > 1 and self._speeds[1][0] < now_s - SECONDS_PER_HOUR:
            del self._speeds[0]
        table = self._jobs
        rows = np.flatnonzero(table.deadline_s[: self._next_row] <= now_s + SCAN_S + CYCLE_S)
        rows = rows[(table.state[rows] != JobState.DONE) & (table.missed[rows] == 0)]
        self._soon = sorted(zip(table.deadline_s[rows].tolist(), rows.tolist(), strict=True), reverse=True)

    def _miss(self, speed: float) -> None:
        """Deadlines passed in this cycle with work left."""
        table = self._jobs
        while self._soon and self._soon[-1][0] <= self._now_s:
            deadline_s, row = self._soon.pop()
            state = table.at_state[row]
            if state == JobState.DONE:
                continue
            if state in (JobState.RUNNING, JobState.LEAVING):
                left_s = table.at_end_v[row] - self._virtual_s + (self._now_s - deadline_s) * speed
            else:
                left_s = table.at_left_s[row]
            table.at_missed[row] = 1
            self.deadline_misses += 1
            self._missed[table.at_class[row]] += table.at_gpus[row] * max(0.0, left_s)

    def _drop_old(self) -> None:
        """Rows of jobs long done make room; whoever remembers a row counts anew."""
        head = self._jobs.compact()
        if not head:
            return
        self._next_row -= head
        for name in ("_waiting", "_running", "_leaving", "_soon"):
            setattr(self, name, [(key, row - head) for key, row in getattr(self, name) if row >= head])
