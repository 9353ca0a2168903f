"""Kueue's own means: a workload laid aside, the quota of a ClusterQueue, its stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lightkube.resources.core_v1 import Node, Pod

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.moves import Ask, Contract, Held, Moves, Placed
from controllers.adapters.kube.api import Access, Kueue
from controllers.adapters.kube.mirror import Mirror
from controllers.adapters.kube.objects import Object, Seen, see
from controllers.adapters.kube.quota import Limit, is_held
from controllers.adapters.kube.settings import KubeSettings
from controllers.clock import WallClock
from controllers.edge.edge import Timepiece
from vpp.errors import SchedulerError
from vpp.units import KW_PER_MW
from vpp.wire.messages import Placement, ShiftInterval

__all__ = ["KubeHands"]


@dataclass(slots=True)
class _Mirrors:
    nodes: Mirror[Node]
    pods: Mirror[Pod]
    workloads: Mirror[Any]
    cluster_queues: Mirror[Any]
    local_queues: Mirror[Any]

    def all(self) -> tuple[Mirror[Any], ...]:
        return (self.nodes, self.pods, self.workloads, self.cluster_queues, self.local_queues)


class KubeHands:
    """One Kubernetes with Kueue, see `Hands`.

    Args:
        settings: How it is set up.
        clock: For run times.
    """

    def __init__(self, settings: KubeSettings, clock: Timepiece) -> None:
        self._settings, self._clock = settings, clock
        s = settings
        self._access = Access(s.kubeconfig, s.cluster, s.kueue_version, s.gpu_resource, s.command_s)
        self._kueue: Kueue | None = None
        self._mirrors: _Mirrors | None = None
        self._seen: Seen | None = None
        self._queues: tuple[Object, ...] = ()

    @classmethod
    def of(cls, settings: KubeSettings) -> KubeHands:
        """By a file's word."""
        return cls(settings, WallClock())

    @property
    def kind(self) -> str:
        """For the log."""
        return "kube"

    @property
    def lingers(self) -> bool:
        """A pod that is told to end draws power until it has."""
        return True

    @property
    def home(self) -> str:
        """One cluster, and no federation."""
        return ""

    def sent(self, asked: Sequence[Placement], queue: Queue, contract: Contract, ask: Ask) -> tuple[Placed, ...]:
        """None: a workload that is queued here cannot be handed to another Kueue."""
        return ()

    @contextlib.asynccontextmanager
    async def open(self, wake: asyncio.Event) -> AsyncIterator[None]:
        """Watches all that matters while inside."""
        async with self._access.connected() as kueue:
            quiet_s, client = max(self._settings.lease_s, 1.0), kueue.client
            self._kueue, self._mirrors = (
                kueue,
                _Mirrors(
                    Mirror(client, Node, wake.set, quiet_s),
                    Mirror(client, Pod, wake.set, quiet_s),
                    Mirror(client, kueue.workload, wake.set, quiet_s),
                    Mirror(client, kueue.cluster_queue, wake.set, quiet_s),
                    Mirror(client, kueue.local_queue, wake.set, quiet_s),
                ),
            )
            tasks = [asyncio.create_task(mirror.run()) for mirror in self._mirrors.all()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._kueue = self._mirrors = None

    async def queue(self) -> Queue:
        """All workloads, pods and nodes, as the watches have them."""
        if self._mirrors is None:
            raise SchedulerError("not connected")
        found = [await mirror.all(self._settings.command_s) for mirror in self._mirrors.all()]
        nodes, pods, workloads, self._queues, local_queues = found
        self._seen = see(nodes, pods, workloads, local_queues, self._settings, self._clock.now())
        return self._seen.queue

    def true(self, held: Held, queue: Queue) -> Held:
        """Marks in the API server say it all; so an adapter that begins anew finds what one before it has left."""
        closed = frozenset(str(q["metadata"]["name"]) for q in self._queues if is_held(q, self._settings.cluster))
        return Held(frozenset(job.job_id for job in queue.jobs if job.state == "suspended"), closed)

    def meant(self, held: Held, moves: Moves) -> Held:
        """All that was held, all that is about to be, and every queue whose quota may have to be lowered."""
        limited = moves.until is None or bool(moves.put_off) or math.isfinite(moves.room_mw)
        ours = frozenset(name for name, rule in self._settings.rules.items() if rule.may_wait)
        there = frozenset(str(q["metadata"]["name"]) for q in self._queues)
        return Held(held.paused | frozenset(moves.pause), held.closed | (ours & there if limited else frozenset()))

    async def carry_out(self, moves: Moves, queue: Queue, meant: Held) -> Held:
        """Queues first, so that what is laid aside makes no room for something else."""
        if self._kueue is None or self._mirrors is None or self._seen is None:
            raise SchedulerError("not connected")
        mirrors = self._mirrors
        limits = self._limits(moves, self._seen)
        for known in self._queues:
            if (limit := limits.get(str(known["metadata"]["name"]))) is not None:
                await self._kueue.limit(known, limit, mirrors.cluster_queues.take)
        await self._kueue.lay_aside(moves.pause, mirrors.workloads.take)
        await self._kueue.take_up(moves.resume, mirrors.workloads.take)
        queues = await mirrors.cluster_queues.all(self._settings.command_s)
        closed = frozenset(str(q["metadata"]["name"]) for q in queues if is_held(q, self._settings.cluster))
        return Held(meant.paused - frozenset(moves.resume), closed)

    def _limits(self, moves: Moves, seen: Seen) -> dict[str, Limit]:
        """What may run in each queue after the moves: what runs, what goes on, what may start, and its share of the room left."""
        names = [str(q["metadata"]["name"]) for q in self._queues]
        ours = [name for name in names if name in self._settings.rules and self._settings.rules[name].may_wait]
        paused, resumed, later = frozenset(moves.pause), frozenset(moves.resume), frozenset(moves.put_off)
        starts = moves.until is not None
        used: dict[str, dict[str, int]] = {name: defaultdict(int) for name in ours}
        coming: dict[str, int] = dict.fromkeys(ours, 0)
        for job_id, work in seen.works.items():
            job = work.job
            if job.job_class not in used:
                continue
            if job.state == "running" and job_id not in paused:
                for flavor, gpus in work.flavors.items():
                    used[job.job_class][flavor] += gpus
            elif job_id in resumed or (job.state == "pending" and starts and job_id not in later):
                coming[job.job_class] += job.gpus
        gpu_mw = self._settings.power.gpu_kw * self._settings.power.pue / KW_PER_MW
        if starts and not later and not math.isfinite(moves.room_mw):
            return {name: Limit() for name in ours}
        room = math.floor(moves.room_mw / gpu_mw + 1e-6) if starts and math.isfinite(moves.room_mw) else 0
        share = room // max(len(ours), 1)
        limits = {}
        for i, name in enumerate(ours):
            extra = coming[name] + share + (room - share * len(ours) if i == 0 else 0)
            stop = not starts and extra == 0
            limits[name] = Limit(None if stop else sum(used[name].values()) + extra, used[name], stop)
        return limits

    async def look_ahead(self, intervals: Iterable[ShiftInterval], queue: Queue, now: datetime) -> None:
        """Kueue has no means for a cap that comes later: it is lowered when its time comes."""

    async def give_back(self, held: Held) -> None:
        """All that carries our mark, whatever was written down."""
        async with self._access.connected() as kueue:
            await kueue.give_back()

    def watchdog(self) -> Sequence[str]:
        """It needs the way to the API server, and in whose name."""
        a = self._access
        return ("controllers.adapters.kube.watchdog", a.kubeconfig, a.cluster, a.version, a.resource)
