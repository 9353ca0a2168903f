"""Work goes from one cluster's queue to another's where both signals say so, and nothing of it is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.bus.local import LocalBus
from controllers.client import SchedulerClient
from sim_harness.clusters.moved import Exchange
from sim_harness.plants.compute import ClusterModel, ComputeCluster
from tests.cluster_runs import aidc_plate
from tests.plant_runs import PARK, Run
from tests.world_builders import START, asset
from vpp.park.plates import ComputePlate
from vpp.wire.codec import encode
from vpp.wire.messages import ComputeShift, Placement, ShiftInterval
from vpp.wire.topics import Channel, topic_of

A, B = "compute.a", "compute.b"
CLASS = "slack_72h"
HOURS_HELD = 3.0


def plate(*, mobile: bool) -> ComputePlate:
    seeds = aidc_plate()
    return replace(seeds, job_classes=tuple(replace(c, mobile=mobile and c.name == CLASS) for c in seeds.job_classes))


class Pair:
    """Two clusters whose deferrable work has been held for some hours."""

    def __init__(self, model: ClusterModel, *, mobile: bool = True) -> None:
        self.bus, self.seq = LocalBus(), 0
        self.clusters = {i: self._cluster(i, model, mobile, seed) for seed, i in enumerate((A, B))}
        self.run = Run(*self.clusters.values())
        for i, cluster in self.clusters.items():
            clock = self.run.time
            rated_mw = aidc_plate().rated_mw
            client = SchedulerClient(self.bus, PARK, i, clock, fallback_cap_mw=rated_mw, on_shift=cluster.on_shift)
            cluster.connect(client)
        self.exchange = Exchange(list(self.clusters.values()))
        self.post(A)
        self.post(B)
        self.run.hours(HOURS_HELD)

    @staticmethod
    def _cluster(cluster: str, model: ClusterModel, mobile: bool, seed: int) -> ComputeCluster:
        return ComputeCluster(asset(cluster, "compute", plate(mobile=mobile), "s"), START, np.random.default_rng(seed), model)

    def post(self, cluster: str, *places: Placement) -> None:
        self.seq += 1
        now = self.run.time.now() if hasattr(self, "run") else START
        facts = {"green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 300.0, "confidence_frac": 0.9}
        hold = ShiftInterval(start=now, end=now + timedelta(hours=48), cap_mw=40.0, target_mw=0.0, floor_mw=0.0, **facts)
        shift = ComputeShift(
            epoch=1, seq=self.seq, issued_at=now, cluster=cluster, revision=self.seq, valid_until=now + timedelta(hours=48),
            cap_now_mw=40.0, intervals=(hold,), placements=places,
        )  # fmt: skip
        self.bus.post(topic_of(PARK, Channel.COMPUTE_SHIFT, cluster), encode(shift), qos=1, retain=True)

    def place(self, energy_mwh: float) -> tuple[Placement, Placement]:
        until = self.run.time.now() + timedelta(minutes=15)
        send = Placement(job_class=CLASS, direction="send", peer=B, energy_mwh=energy_mwh, until=until)
        return send, Placement(job_class=CLASS, direction="take", peer=A, energy_mwh=energy_mwh, until=until)

    def hours(self, hours: float) -> None:
        for _ in range(round(hours * 60)):
            self.exchange.carry(self.run.time.now())
            self.run.step()

    def moved(self, cluster: str) -> float:
        return self.clusters[cluster].totals()[f"work_moved_mwh.{CLASS}"]

    def balanced(self) -> None:
        for cluster in self.clusters.values():
            for law in cluster.balances():
                assert abs(law.residual) <= 1e-6 * max(law.size, 1.0), law


@pytest.mark.parametrize("model", ["fluid", "discrete"])
def test_what_both_are_told_goes_once_and_every_balance_holds(model: ClusterModel) -> None:
    pair = Pair(model)
    send, take = pair.place(4.0)
    before = pair.clusters[A].stock()[f"waiting_mwh.{CLASS}"]
    assert before > 5.0
    pair.post(A, send)
    pair.post(B, take)
    pair.hours(0.5)
    assert -4.0 - 1e-6 <= pair.moved(A) < -2.0
    assert pair.moved(B) == pytest.approx(-pair.moved(A))
    pair.balanced()
    pair.hours(0.5)
    assert pair.moved(A) >= -4.0 - 1e-6  # the same signal moves nothing again
    missed = sum(c.totals()["deadline_misses"] for c in pair.clusters.values())
    assert missed == 0


@pytest.mark.parametrize("model", ["fluid", "discrete"])
def test_nothing_goes_where_the_taker_knows_nothing_of_it_or_it_is_too_late(model: ClusterModel) -> None:
    pair = Pair(model)
    send, take = pair.place(4.0)
    pair.post(A, send)
    pair.hours(0.1)
    assert pair.moved(A) == 0.0
    pair.run.hours(0.5)
    pair.post(B, take)
    pair.hours(0.1)
    assert pair.moved(A) == 0.0


def test_a_class_that_is_not_mobile_stays_whatever_the_signal_says() -> None:
    pair = Pair("discrete", mobile=False)
    send, take = pair.place(4.0)
    pair.post(A, send)
    pair.post(B, take)
    pair.hours(0.5)
    assert (pair.moved(A), pair.moved(B)) == (0.0, 0.0)


def test_moved_jobs_keep_their_deadlines_and_stand_in_the_backlog_of_the_taker() -> None:
    pair = Pair("discrete")
    work = pair.clusters[B].work
    index = [c.name for c in work.classes].index(CLASS)
    before = sum(bucket.left_mwh for bucket in work.buckets(index))
    send, take = pair.place(4.0)
    pair.post(A, send)
    pair.post(B, take)
    pair.hours(0.5)
    after = work.buckets(index)
    assert sum(bucket.left_mwh for bucket in after) >= before + pair.moved(B) - 0.1
    # What came had waited for hours: none of it is due later than work of its class that comes now.
    assert max(bucket.deadline_s for bucket in after) < pair.run.time.monotonic_s() + (72.0 + 24.0) * 3600.0
    jobs = {i: c.totals()["jobs_sent"] + c.totals()["jobs_taken"] for i, c in pair.clusters.items()}
    assert jobs[A] == jobs[B] > 0.0
