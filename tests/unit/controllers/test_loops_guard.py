"""The guard at work: an emergency call is one broadcast, at once; what is used up is left out; a successor leaves what stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import msgspec
import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.ladder import GuardFacts, Used
from controllers.edge import Edge
from controllers.edge.device import Applied, Reading
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from tests.world_builders import BATTERY, START, asset, connection, park
from vpp.ids import AssetId, ConnectionId
from vpp.park.plates import FeederPlate
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Arm, GridEvent, GridMeasurement, Setpoint, Shed, Switch, Target
from vpp.wire.topics import Channel, filter_of, topic_of

BESS, FEEDER, GRID = AssetId("bess.a"), AssetId("feeder.a"), ConnectionId("grid.a")
PLATE = FeederPlate(power_mw=8.0, breaker_s=0.2, calls_per_year=3, hours_per_year=20.0, call_cny_per_mwh=4_000.0)
PARK = park([asset(BESS, "battery", BATTERY, "a"), asset(FEEDER, "feeder", PLATE, "a")], [connection(GRID, "a")])


@dataclass
class Plain:
    """A device that does at once what it is told."""

    asset_id: str
    time: SimClock
    power_mw: float
    state: dict[str, float] = field(default_factory=dict)
    told: list[Setpoint] = field(default_factory=list)

    def read(self) -> Reading:
        return Reading(self.time.now(), self.power_mw, state=self.state)

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        self.told.append(setpoint)
        match setpoint:
            case Target(power_mw=power_mw):
                self.power_mw = power_mw
            case Switch(closed=closed):
                self.power_mw = 8.0 if closed else 0.0
        return Applied("accepted", self.power_mw)

    def safe_power_mw(self) -> float:
        return 8.0 if self.asset_id == FEEDER else 0.0


class Site:
    """Two devices with their edges, and the shipped controller, which nobody runs: only what it hears moves it."""

    def __init__(self) -> None:
        self.clock, self.bus = SimClock(START), LocalBus()
        self.battery, self.feeder = Plain(BESS, self.clock, 5.0), Plain(FEEDER, self.clock, 8.0)
        self.edges = [Edge(self.bus, device, "test", self.clock) for device in (self.battery, self.feeder)]
        self.sheds: list[Shed] = []
        self.arms: list[tuple[str, Arm]] = []
        self.bus.subscribe(filter_of("test", Channel.SHED), lambda t, p: self.sheds.append(decode(Shed, t, p)))
        self.bus.subscribe(filter_of("test", Channel.ASSET_ARM), lambda t, p: self.arms.append((t, decode(Arm, t, p))))
        self.noted: list[GuardFacts] = []
        self.controller = self.new_controller()
        self.report()

    def new_controller(self) -> Controller:
        controller = Controller(PARK, self.bus, self.clock, ControllerSettings(live=True))
        controller.guard.noted = self.noted.append
        controller.guard.arm_all()
        return controller

    def report(self) -> None:
        for edge in self.edges:
            edge.tick()

    def meter(self, import_mw: float) -> None:
        reading = GridMeasurement(measured_at=self.clock.now(), import_mw=import_mw)
        self.bus.post(topic_of("test", Channel.GRID_MEASUREMENT, GRID), encode(reading))

    def call(
        self, target_mw: float, *, revision: int = 1, cancelled: bool = False, kind: str = "emergency", after_s: float = 0.0
    ) -> None:
        at = self.clock.now()
        call = GridEvent(
            event_id="e1",
            revision=revision,
            kind=kind,  # type: ignore[arg-type]  # a test says which
            target_mw=target_mw,
            start=at + timedelta(seconds=after_s),
            end=START + timedelta(hours=1),
            issued_at=at,
            cancelled=cancelled,
        )
        self.bus.post(topic_of("test", Channel.GRID_EVENT, GRID), encode(call), qos=1)

    async def later(self, seconds: float) -> None:
        await self.clock.run_until(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_emergency_call_is_one_broadcast_that_every_device_obeys_before_the_call_is_answered(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    # 21.5 MW of the battery are too few for 24 MW.
    assert [(shed.step, shed.reason.code) for shed in site.sheds] == [(2, "emergency")]
    assert (site.battery.power_mw, site.feeder.power_mw) == (-16.5, 0.0)


def test_a_call_by_rest_is_answered_as_fast_as_one_over_the_bus(site: Site) -> None:
    site.meter(100.0)
    at = site.clock.now()
    end = START + timedelta(hours=1)
    call = GridEvent(event_id="e1", revision=1, kind="emergency", target_mw=85.0, start=at, end=end, issued_at=at)
    site.controller.inbox.called(GRID, call)
    assert [shed.step for shed in site.sheds] == [1]


def test_only_as_many_rungs_are_shed_as_the_call_takes(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    assert [shed.step for shed in site.sheds] == [1]
    assert site.feeder.power_mw == 8.0


def test_a_call_that_is_kept_already_moves_nobody(site: Site) -> None:
    site.meter(100.0)
    site.call(100.5)
    assert site.sheds == []


def test_any_other_kind_of_call_is_left_to_dispatch(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0, kind="peak")
    assert site.sheds == []


async def test_an_emergency_with_notice_begins_at_its_start(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0, after_s=30.0)
    assert site.sheds == []
    await site.later(30.0)
    site.controller.guard.repeat(site.clock.now())
    assert [shed.step for shed in site.sheds] == [1]


async def test_what_was_shed_is_first_seen_at_the_meter_before_more_is_shed(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    await site.later(1.0)
    site.report()
    site.meter(100.0)  # the meter is late
    assert [shed.step for shed in site.sheds] == [1]
    await site.later(3.0)
    site.meter(95.0)  # it was too little after all
    assert [shed.step for shed in site.sheds] == [1, 2]


async def test_a_broadcast_of_an_emergency_stands_to_its_end_though_the_controller_dies(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    assert site.sheds[0].until == START + timedelta(hours=1)
    await site.later(3_500.0)
    site.report()
    assert site.feeder.power_mw == 0.0
    await site.later(101.0)
    site.report()
    assert site.feeder.power_mw == 8.0


async def test_nothing_is_given_back_that_would_break_the_target_again(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    for _ in range(30):
        await site.later(5.0)
        site.report()
        site.meter(74.0)  # 2 MW of room, and the feeder takes 8
    assert {shed.step for shed in site.sheds} == {2}
    for _ in range(14):
        await site.later(5.0)
        site.report()
        site.meter(60.0)
    assert site.sheds[-1].step == 1
    assert site.feeder.power_mw == 8.0


async def test_a_call_that_is_taken_back_ends_the_ladder_step_by_step(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    site.call(76.0, revision=2, cancelled=True)
    for _ in range(30):
        await site.later(5.0)
        site.report()
        site.meter(100.0)
    steps = [shed.step for shed in site.sheds]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0
    assert site.feeder.power_mw == 8.0


async def test_a_broadcast_is_said_again_while_it_stands(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    await site.later(2.0)
    site.controller.guard.repeat(site.clock.now())
    assert [shed.step for shed in site.sheds] == [2, 2]


async def test_a_feeder_whose_calls_are_used_loses_its_place_and_the_reason_is_told(site: Site) -> None:
    before = len(site.arms)
    site.feeder.state = {"calls_left": 0.0, "hours_left_h": 5.0}
    site.report()
    await site.later(10.0)
    site.controller.guard.repeat(site.clock.now())
    assert [(topic.split("/")[-2], arm.places) for topic, arm in site.arms[before:] if not arm.places] == [(FEEDER, ())]
    [ladder] = site.noted[-1].ladders
    assert [(rung.step, rung.asset_id, rung.reason) for rung in ladder.rungs] == [
        (1, BESS, ""),
        (0, FEEDER, "all 3 calls of the year's contract are used"),
    ]


async def test_ladders_are_not_rearranged_while_one_stands(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    before = len(site.arms)
    site.feeder.state = {"calls_left": 0.0, "hours_left_h": 5.0}
    site.report()
    await site.later(10.0)
    site.controller.guard.repeat(site.clock.now())
    assert site.arms[before:] == []


async def test_who_was_shed_is_counted_in_times_and_hours(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    for _ in range(36):
        await site.later(10.0)
        site.controller.guard.repeat(site.clock.now())
    used = site.controller.guard.facts().used[FEEDER]
    assert used.calls == 1
    assert used.open_h == pytest.approx(350.0 / 3_600.0)


def test_the_next_controller_knows_what_stands_and_leaves_it_in_order(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    site.controller.guard.repeat(site.clock.now())
    kept = msgspec.json.decode(msgspec.json.encode(site.noted[-1]), type=GuardFacts)
    assert kept.ladders[0].step == 2
    successor = Controller(PARK, site.bus, site.clock, ControllerSettings(live=True))
    successor.guard.restore(kept)
    successor.guard.arm_all()
    successor.guard.repeat(site.clock.now())
    assert site.sheds[-1].step == 2
    assert successor.guard.facts().used[FEEDER].calls == 1


def test_a_year_that_is_over_is_forgotten(site: Site) -> None:
    facts = replace(site.controller.guard.facts(), year=2029, used={"feeder.a": Used(3, 1.0)})
    assert site.controller.guard.facts().used == {}
    site.controller.guard.restore(facts)
    assert site.controller.guard.facts().used == {}
