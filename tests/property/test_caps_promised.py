"""A cap that was published for the next hours never falls, but in an event that the signal names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.bus.local import LocalBus
from controllers.dispatch.caps import LOCKED, lowering
from controllers.loops.commander import Commander, ShiftOrder
from tests.world_builders import START
from vpp.events import Event, Override, PinLimit
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import decode
from vpp.wire.messages import ComputeShift, ShiftInterval
from vpp.wire.topics import Channel, topic_of

CLUSTER = AssetId("compute.a")
MINUTE = timedelta(minutes=1)
FACTS = {"green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 300.0, "confidence_frac": 0.9}


@dataclass
class HandClock:
    """Time that moves by hand."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - START).total_seconds()


@dataclass(frozen=True)
class Step:
    """Time passes, then a signal is published, perhaps under a new leader."""

    passes: timedelta
    lengths: tuple[timedelta, ...]
    caps_mw: tuple[float, ...]
    called: tuple[timedelta, timedelta] | None
    pinned: tuple[timedelta, timedelta | None] | None
    new_leader: bool


minutes = st.integers(0, 400).map(lambda n: n * MINUTE)
lengths = st.integers(1, 240).map(lambda n: n * MINUTE)
spans = st.tuples(minutes, lengths)
parts = st.lists(st.tuples(lengths, st.floats(0.0, 100.0)), min_size=1, max_size=6)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    told = draw(parts)
    pinned = draw(st.one_of(st.none(), st.tuples(minutes, st.one_of(st.none(), lengths))))
    called = draw(st.one_of(st.none(), spans))
    passes = draw(st.integers(0, 90)) * MINUTE
    return Step(passes, tuple(t for t, _ in told), tuple(c for _, c in told), called, pinned, draw(st.booleans()))


def intervals(step: Step, at: datetime) -> tuple[ShiftInterval, ...]:
    found = []
    for length, cap_mw in zip(step.lengths, step.caps_mw, strict=True):
        found.append(ShiftInterval(start=at, end=at + length, cap_mw=cap_mw, target_mw=0.0, floor_mw=0.0, **FACTS))
        at += length
    return tuple(found)


def events_of(step: Step, at: datetime) -> tuple[Event, ...]:
    if step.called is None:
        return ()
    start = at + step.called[0]
    return (Event("e1", "peak", ConnectionId("grid"), 0.0, start, start + step.called[1], at, at),)


def overrides_of(step: Step, at: datetime) -> tuple[Override, ...]:
    if step.pinned is None:
        return ()
    start, length = at + step.pinned[0], step.pinned[1]
    end = None if length is None else start + length
    return (Override(CLUSTER, PinLimit(0.0, 1.0), start, end, "somebody", "maintenance", at, at),)


def cap_at(signal: ComputeShift, at: datetime) -> float | None:
    return next((i.cap_mw for i in signal.intervals if i.start <= at < i.end), None)


@settings(deadline=None)
@given(st.lists(steps(), min_size=2, max_size=6))
def test_a_promised_cap_never_falls_but_in_an_event_that_is_named(course: list[Step]) -> None:
    clock, bus = HandClock(), LocalBus()
    topic = topic_of("test", Channel.COMPUTE_SHIFT, CLUSTER)
    commander = Commander(bus, "test", clock)
    before: ComputeShift | None = None
    for step in course:
        clock.at += step.passes
        if step.new_leader:
            commander = Commander(bus, "test", clock, commander.epoch)
        now = clock.at
        commander.may_lower = lambda cluster, step=step, now=now: lowering(
            events_of(step, now), overrides_of(step, now), cluster, now
        )
        commander.shift(ShiftOrder(CLUSTER, now + LOCKED, 0.0, intervals(step, now)))
        signal = decode(ComputeShift, topic, bus.retained[topic])
        assert sum((i.end - i.start for i in signal.intervals), timedelta(0)) == sum(step.lengths, timedelta(0))
        assert signal.cap_now_mw == cap_at(signal, now)
        if before is not None:
            edges = {i.start for s in (before, signal) for i in s.intervals} | {now}
            for at in (e for e in edges if now <= e < now + LOCKED):
                was, is_now = cap_at(before, at), cap_at(signal, at)
                named = signal.event is not None and signal.event.start <= at < signal.event.end
                assert was is None or is_now is None or is_now >= was or named
        before = signal


@given(steps())
def test_what_the_plan_wants_goes_out_as_it_is_where_nothing_was_promised(step: Step) -> None:
    clock, bus = HandClock(), LocalBus()
    Commander(bus, "test", clock).shift(ShiftOrder(CLUSTER, START + LOCKED, 0.0, intervals(step, START)))
    signal = decode(ComputeShift, topic_of("test", Channel.COMPUTE_SHIFT, CLUSTER), bus.retained.popitem()[1])
    assert signal.intervals == intervals(step, START)
    assert signal.event is None


def test_inside_an_event_the_cap_falls_at_once_and_the_interval_is_cut_at_its_edges() -> None:
    clock, bus = HandClock(), LocalBus()
    commander = Commander(bus, "test", clock)
    hour = Step(0 * MINUTE, (60 * MINUTE,), (60.0,), None, None, False)
    commander.shift(ShiftOrder(CLUSTER, START + LOCKED, 60.0, intervals(hour, START)))
    event = Event("e1", "peak", ConnectionId("grid"), 0.0, START + 10 * MINUTE, START + 40 * MINUTE, START, START)
    commander.may_lower = lambda cluster: lowering((event,), (), cluster, START)
    low = Step(0 * MINUTE, (60 * MINUTE,), (20.0,), None, None, False)
    commander.shift(ShiftOrder(CLUSTER, START + LOCKED, 20.0, intervals(low, START)))
    topic = topic_of("test", Channel.COMPUTE_SHIFT, CLUSTER)
    signal = decode(ComputeShift, topic, bus.retained[topic])
    assert [((i.end - i.start) / MINUTE, i.cap_mw) for i in signal.intervals] == [(10.0, 60.0), (30.0, 20.0), (20.0, 60.0)]
    assert (signal.event.event_id, signal.cap_now_mw) == ("e1", 60.0)
