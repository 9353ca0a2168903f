"""Drivers for plants in tests: time passes, and the island may push."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from controllers.bus.local import LocalBus
from controllers.client import SchedulerClient
from sim_harness.plants.ammonia_loop import AmmoniaLoop
from sim_harness.plants.arc_furnace import ArcFurnaces
from sim_harness.plants.base import Ambient, Intent, Plant
from sim_harness.plants.compute import ComputeCluster
from sim_harness.plants.electrolyser import Electrolyser, HydrogenNode
from tests.world_builders import CLUSTER, FURNACES, LOOP, STACKS, START, asset
from vpp.park.plates import AmmoniaLoopPlate, ArcFurnacePlate, ComputePlate, ElectrolyserPlate
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Backlog, ComputeShift, ComputeTelemetry, ShiftInterval, ShiftResponse
from vpp.wire.topics import Channel, topic_of

MANY_STACKS = replace(STACKS, stacks=130, warm_start_s=180.0, cold_start_s=2700.0)
PARK, CLUSTER_ID = "test", "compute.x"


class Time:
    """When it is in a test."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - START).total_seconds()


class Run:
    """Lets time pass over plants that settle in the order given."""

    def __init__(self, *plants: Plant, dt_s: float = 60.0, temperature_c: float = 10.0) -> None:
        self.plants, self.dt_s, self.temperature_c, self.time = plants, dt_s, temperature_c, Time()
        self.power_mw: list[float] = []

    def step(self, push: Callable[[Intent], float] | None = None) -> list[Intent]:
        """One step; `push` says what the first plant is left with."""
        ambient = Ambient(self.time.at, self.dt_s, self.temperature_c)
        intents = [plant.intend(ambient) for plant in self.plants]
        for i, (plant, intent) in enumerate(zip(self.plants, intents, strict=True)):
            plant.settle(push(intent) if push is not None and i == 0 else intent.power_mw, ambient)
        self.power_mw.append(self.plants[0].power_mw)
        self.time.at += timedelta(seconds=self.dt_s)
        return intents

    def hours(self, hours: float, push: Callable[[Intent], float] | None = None) -> None:
        for _ in range(round(hours * 3600.0 / self.dt_s)):
            self.step(push)


class Tank:
    """A hydrogen node that only counts."""

    def __init__(self, level_frac: float = 0.5) -> None:
        self.level_frac = level_frac
        self.received_kg = 0.0

    def deliver(self, hydrogen_kg: float) -> None:
        self.received_kg += hydrogen_kg


def electrolyser(
    nominal_kg_per_h: float = 6_500.0, *, plate: ElectrolyserPlate = MANY_STACKS, node: HydrogenNode | None = None, seed: int = 1
) -> Electrolyser:
    tank = node if node is not None else Tank()
    return Electrolyser(
        asset("h2.x", "electrolyser", plate, "island"), tank, nominal_kg_per_h, START, np.random.default_rng(seed)
    )


def ammonia(level_frac: float = 0.5, plate: AmmoniaLoopPlate = LOOP) -> AmmoniaLoop:
    return AmmoniaLoop(asset("nh3.x", "ammonia_loop", plate, "island"), START, level_frac)


def furnaces(plate: ArcFurnacePlate = FURNACES, *, start: datetime = START, seed: int = 1) -> ArcFurnaces:
    return ArcFurnaces(asset("eaf.x", "arc_furnace", plate, "h"), start, np.random.default_rng(seed))


def cluster(plate: ComputePlate = CLUSTER, *, seed: int = 1) -> ComputeCluster:
    return ComputeCluster(asset(CLUSTER_ID, "compute", plate, "s"), START, np.random.default_rng(seed))


class Desk:
    """A cluster with its client on a bus, and a park that sends signals and listens."""

    def __init__(self, plate: ComputePlate = CLUSTER, *, dt_s: float = 60.0, seed: int = 1, temperature_c: float = 10.0) -> None:
        self.cluster = cluster(plate, seed=seed)
        self.run = Run(self.cluster, dt_s=dt_s, temperature_c=temperature_c)
        self.bus, self.plate = LocalBus(), plate
        client = SchedulerClient(
            self.bus, PARK, CLUSTER_ID, self.run.time, fallback_cap_mw=plate.rated_mw, on_shift=self.cluster.on_shift
        )
        self.cluster.connect(client)
        self.responses: list[ShiftResponse] = []
        self.backlogs: list[Backlog] = []
        self.telemetry: list[ComputeTelemetry] = []
        self._revision = 0
        self._listen(Channel.COMPUTE_RESPONSE, ShiftResponse, self.responses)
        self._listen(Channel.COMPUTE_BACKLOG, Backlog, self.backlogs)
        self._listen(Channel.COMPUTE_TELEMETRY, ComputeTelemetry, self.telemetry)

    def _listen(self, channel: Channel, kind: type, into: list) -> None:  # type: ignore[type-arg]  # one list a kind
        self.bus.subscribe(topic_of(PARK, channel, CLUSTER_ID), lambda topic, payload: into.append(decode(kind, topic, payload)))

    def send(self, target_mw: float, *, cap_mw: float | None = None, valid_h: float = 1.0, hours: int = 48) -> ShiftResponse:
        """A signal that asks the same of every hour."""
        self._revision += 1
        at, cap = self.run.time.at, self.plate.rated_mw if cap_mw is None else cap_mw
        intervals = tuple(
            ShiftInterval(
                start=at + timedelta(hours=i),
                end=at + timedelta(hours=i + 1),
                cap_mw=cap,
                target_mw=min(target_mw, cap),
                floor_mw=0.0,
                green_share_frac=0.5,
                carbon_kg_per_mwh=500.0,
                price_cny_per_mwh=300.0,
                confidence_frac=0.9,
            )
            for i in range(hours)
        )
        shift = ComputeShift(
            epoch=1,
            seq=self._revision,
            issued_at=at,
            cluster=CLUSTER_ID,
            revision=self._revision,
            valid_until=at + timedelta(hours=valid_h),
            cap_now_mw=cap,
            intervals=intervals,
        )
        self.bus.post(topic_of(PARK, Channel.COMPUTE_SHIFT, CLUSTER_ID), encode(shift), qos=1, retain=True)
        return self.responses[-1]

    def hours_at(self, hours: int, target_mw: float, *, cap_mw: float | None = None) -> None:
        """Hours under a signal that is renewed each hour."""
        for _ in range(hours):
            self.send(target_mw, cap_mw=cap_mw)
            self.run.hours(1.0)
