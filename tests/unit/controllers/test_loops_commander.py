"""Commands go out numbered, are repeated until confirmed, and are not repeated for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.orders import Order
from controllers.loops.commander import Commander, ShiftOrder
from sim_harness.clock import SimClock
from tests.world_builders import START
from vpp.ids import AssetId
from vpp.wire.codec import decode
from vpp.wire.messages import (
    Ack,
    Command,
    ComputeShift,
    FallbackProfile,
    HeatStart,
    Outcome,
    Reason,
    Setpoint,
    ShiftInterval,
    StackCounts,
    Target,
)
from vpp.wire.topics import Channel, filter_of, parse, topic_of

BESS, DC = AssetId("bess.a"), AssetId("compute.a")
LEASE_S = 15.0


class Desk:
    """A commander on a bus, and everything it said to assets."""

    def __init__(self) -> None:
        self.clock, self.bus = SimClock(START), LocalBus()
        self.heard: list[Command] = []
        self.told: list[tuple[AssetId, Command]] = []
        self.bus.subscribe(filter_of("test", Channel.ASSET_COMMAND), self._hear)
        self.commander = Commander(self.bus, "test", self.clock)

    def _hear(self, topic: str, payload: bytes) -> None:
        said = decode(Command, topic, payload)
        self.heard.append(said)
        self.told.append((AssetId(parse(topic).subject), said))

    def ack(self, *, epoch: int | None = None, seq: int | None = None, outcome: Outcome = "accepted") -> None:
        last = self.heard[-1]
        why = None if outcome == "accepted" else Reason(code="soc_floor")
        ack = Ack(
            epoch=last.epoch if epoch is None else epoch,
            seq=last.seq if seq is None else seq,
            acked_at=START,
            outcome=outcome,
            power_mw=1.0,
            reason=why,
        )
        self.commander.acknowledged(BESS, ack)

    def send(self, *orders: Order) -> bool:
        """Whether any of them went out."""
        return self.commander.send_all(orders) > 0

    def ack_all(self, newest: int) -> None:
        """Everybody answers the newest commands; whom they are for is not in them."""
        for topic, said in self.told[len(self.told) - newest :]:
            ack = Ack(epoch=said.epoch, seq=said.seq, acked_at=START, outcome="accepted", power_mw=1.0)
            self.commander.acknowledged(topic, ack)

    async def wait(self, seconds: float) -> None:
        await self.clock.run_until(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def order(power_mw: float = 5.0, setpoint: Setpoint | None = None, part: str = "") -> Order:
    return Order(
        BESS,
        setpoint or Target(power_mw=power_mw),
        power_mw,
        tolerance_mw=0.1,
        lease_s=LEASE_S,
        fallback=FallbackProfile(safe_after_s=1800.0, safe_ramp_mw_per_min=3.0),
        plan_id="plan.1",
        reason=Reason(code="mpc"),
        part=part,
    )


def shift() -> ShiftOrder:
    hour = ShiftInterval(
        start=START,
        end=START + timedelta(hours=1),
        cap_mw=30.0,
        target_mw=20.0,
        floor_mw=10.0,
        green_share_frac=0.9,
        carbon_kg_per_mwh=0.0,
        price_cny_per_mwh=200.0,
        confidence_frac=0.8,
    )
    return ShiftOrder(DC, START + timedelta(minutes=45), 30.0, (hour,))


def test_numbers_rise_within_an_epoch(desk: Desk) -> None:
    for power_mw in (1.0, 2.0, 3.0):
        desk.send(order(power_mw))
    assert [(c.epoch, c.seq) for c in desk.heard] == [(desk.commander.epoch, n) for n in (1, 2, 3)]


def test_a_new_leader_starts_above_the_epoch_before_even_when_the_clock_went_back() -> None:
    ahead = int(START.timestamp() * 1_000.0) + 5_000
    assert Commander(LocalBus(), "test", SimClock(START), last_epoch=ahead).epoch == ahead + 1
    assert Commander(LocalBus(), "test", SimClock(START)).epoch == ahead - 5_000


def test_a_command_carries_set_point_lease_fallback_plan_and_reason(desk: Desk) -> None:
    told = order()
    desk.send(told)
    (sent,) = desk.heard
    assert (sent.command, sent.lease_s, sent.fallback) == (told.setpoint, told.lease_s, told.fallback)
    assert (sent.plan_id, sent.reason, sent.issued_at) == ("plan.1", told.reason, START)


async def test_an_order_without_an_ack_is_repeated_under_a_new_number(desk: Desk) -> None:
    desk.send(order())
    await desk.wait(1.0)
    assert desk.send(order())
    assert [c.seq for c in desk.heard] == [1, 2]


async def test_a_confirmed_set_point_is_not_sent_again_before_half_its_lease(desk: Desk) -> None:
    desk.send(order())
    desk.ack()
    await desk.wait(LEASE_S / 2.0 - 0.1)
    assert not desk.send(order())
    assert len(desk.heard) == 1


async def test_a_confirmed_set_point_is_renewed_at_half_its_lease(desk: Desk) -> None:
    desk.send(order())
    desk.ack()
    await desk.wait(LEASE_S / 2.0)
    assert desk.send(order())


def test_a_change_within_the_tolerance_waits_and_a_larger_one_goes_out_at_once(desk: Desk) -> None:
    desk.send(order(5.0))
    desk.ack()
    assert not desk.send(order(5.09))
    assert desk.send(order(5.2))


def test_small_steps_do_not_add_up_unseen(desk: Desk) -> None:
    desk.send(order(5.0))
    desk.ack()
    assert [desk.send(order(5.0 + 0.04 * k)) for k in (1, 2, 3)] == [False, False, True]


def test_one_stack_more_goes_out_at_once(desk: Desk) -> None:
    desk.send(order(setpoint=StackCounts(on=4, standby=0, power_mw=5.0)))
    desk.ack()
    assert desk.send(order(setpoint=StackCounts(on=5, standby=0, power_mw=5.0)))


def test_each_furnace_is_confirmed_by_itself(desk: Desk) -> None:
    first, second = (order(setpoint=HeatStart(furnace=f"furnace.{i}", start_at=START), part=f"furnace.{i}") for i in (0, 1))
    desk.send(first)
    desk.send(second)
    desk.ack()
    assert not desk.send(second)
    assert desk.send(first)


async def test_news_does_not_wait_behind_leases(desk: Desk) -> None:
    stores = [replace(order(), asset_id=AssetId(f"bess.s{k}")) for k in range(20)]
    desk.ack_all(desk.commander.send_all(stores))
    await desk.wait(LEASE_S / 2.0)
    desk.heard.clear()
    changed = replace(stores[-1], power_mw=9.0, setpoint=Target(power_mw=9.0))
    desk.send(*stores[:-1], changed)
    assert len(desk.heard) == 20
    assert desk.heard[0].command == Target(power_mw=9.0)


async def test_leases_that_began_together_come_apart(desk: Desk) -> None:
    stores = [replace(order(), asset_id=AssetId(f"bess.s{k}")) for k in range(100)]
    sent = []
    for _ in range(60):
        sent.append(desk.commander.send_all(stores))
        desk.ack_all(sent[-1])
        await desk.wait(1.0)
    assert sent[0] == 100
    # Half a lease is 7.5 s: 13.3 a second, once the first together have passed.
    assert max(sent[20:]) <= 20
    assert sum(sent[20:]) / 40 == pytest.approx(100 / 7.5, rel=0.15)


def test_an_ack_of_another_epoch_changes_nothing(desk: Desk) -> None:
    desk.send(order())
    desk.ack(epoch=desk.commander.epoch - 1)
    assert desk.commander.unconfirmed() == {BESS}
    assert not desk.commander.counters.outcomes


def test_an_ack_of_an_older_command_does_not_confirm_the_newer(desk: Desk) -> None:
    desk.send(order(1.0))
    desk.send(order(9.0))
    desk.ack(seq=1)
    assert desk.commander.unconfirmed() == {BESS}


async def test_an_ack_is_counted_once_with_its_delay(desk: Desk) -> None:
    desk.send(order())
    await desk.wait(0.25)
    desk.ack(outcome="clamped")
    desk.ack(outcome="clamped")
    assert desk.commander.unconfirmed() == frozenset()
    assert desk.commander.counters.outcomes == {"clamped": 1}
    assert list(desk.commander.counters.ack_delay_s) == [0.25]


def test_a_shift_is_retained_for_a_scheduler_that_joins_late(desk: Desk) -> None:
    desk.commander.shift(shift())
    seen: list[ComputeShift] = []
    desk.bus.subscribe(filter_of("test", Channel.COMPUTE_SHIFT), lambda t, p: seen.append(decode(ComputeShift, t, p)))
    assert [(s.cluster, s.revision, s.cap_now_mw) for s in seen] == [(DC, 1, 30.0)]


def test_revisions_of_a_shift_rise_and_the_last_one_stands(desk: Desk) -> None:
    desk.commander.shift(shift())
    desk.commander.shift(shift())
    topic = topic_of("test", Channel.COMPUTE_SHIFT, DC)
    assert decode(ComputeShift, topic, desk.bus.retained[topic]).revision == 2


def test_a_command_is_never_retained(desk: Desk) -> None:
    desk.send(order())
    assert desk.bus.retained == {}
