from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers.bus.local import LocalBus
from sim_harness.grid.balance import Topology
from sim_harness.grid.conditions import limits_of, outages_of
from sim_harness.grid.events import ScenarioEvent, parse_events
from sim_harness.grid.gateway import GridGateway
from sim_harness.grid.surroundings import GridConditions
from sim_harness.plants.base import PushOrder
from sim_harness.world import World
from tests.world_builders import BASE, START, SteadyWeather, Stub, asset, connection, park, stub
from vpp.ids import ConnectionId
from vpp.park import Park, load
from vpp.wire.codec import decode, encode
from vpp.wire.messages import GridEvent, GridEventAnswer, GridMeasurement
from vpp.wire.topics import Channel, filter_of, topic_of

ROOT = Path(__file__).resolve().parents[3]
STEP_S = 10.0
GRID = ConnectionId("grid.a")


@pytest.fixture(scope="module")
def chifeng() -> Park:
    return load(ROOT / "seeds", at=date(2030, 10, 1))


def peak(**changes: Any) -> dict[str, Any]:
    return {"id": "p", "kind": "peak", "connection": "grid.d500", "start_h": 2, "duration_h": 1, "target_mw": 500, **changes}


def without(event: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in keys}


def test_a_good_list_becomes_events_without_a_word(chifeng: Park) -> None:
    raw = [
        peak(),
        {"id": "t", "kind": "unit_trip", "start_h": 1, "lost_mw": 2000},
        {"id": "l", "kind": "line_outage", "line": "l.aq_ds", "start_h": 0, "duration_h": 24},
        {"id": "b", "kind": "export_ban", "connection": "tie.songshan", "start_h": 3, "duration_h": 1, "notice_h": 0.5},
    ]
    events, faults = parse_events("x.yaml", raw, chifeng, 1.0)
    assert faults == []
    assert [e.kind for e in events] == ["peak", "unit_trip", "line_outage", "export_ban"]
    assert events[3].target_mw == 0.0
    assert events[3].issued_at(START) == START + timedelta(hours=2.5)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"a": 1}, "x.yaml: events: holds dict; write a list of events"),
        ([7], "x.yaml: events[0]: 7: an event is a mapping of keys to values"),
        ([peak(connection="grid.x")], "connection: 'grid.x': no such connection; known are grid.d500, tie.songshan"),
        ([peak(duration_h=-1)], "events[0]: duration_h: -1: input should be greater than 0"),
        ([peak(duration_h=30)], "events[0] (p): duration_h: 30: ends 32 h after the start, the run after 24 h"),
        ([peak(start_h=24)], "start_h: 24: the run is over after 24 h"),
        ([peak(kind="peek")], "kind: 'peek': is none of peak, valley"),
        ([peak(power=3)], "power: unknown key; known are id, kind"),
        ([without(peak(), "target_mw")], "target_mw: a peak needs target_mw or change_mw, exactly one"),
        ([peak(change_mw=20)], "target_mw and change_mw: a peak needs target_mw or change_mw, exactly one"),
        ([without(peak(), "duration_h")], "duration_h: missing; a peak needs it"),
        ([without(peak(), "connection")], "connection: missing; a peak is called on a connection"),
        ([peak(confidence=1.0)], "events[0]: confidence: 1.0: input should be less than or equal to 0.999"),
        ([peak(lost_mw=5)], "lost_mw: a peak loses no generation"),
        ([peak(), peak()], "id: 'p' is taken"),
        ([peak(cancel_h=9)], "cancel_h: 9: must lie between its notice and its end"),
        ([peak(kind="export_limit")], "target_mw: 500: an export_limit is the least import"),
        ([{"id": "t", "kind": "unit_trip", "start_h": 1}], "lost_mw: missing; say how much generation trips"),
        (
            [{"id": "l", "kind": "line_outage", "line": "l.x", "start_h": 0, "duration_h": 1}],
            "line: 'l.x': no such line; known are l.grid",
        ),
        (
            [{"id": "l", "kind": "line_outage", "line": "l.aq_cd", "start_h": 0, "duration_h": 1}],
            "line: 'l.aq_cd': is open on 2030-10-01 and cannot fail",
        ),
        (
            [{"id": "l", "kind": "line_outage", "line": "l.nh_yb", "circuits": 2, "start_h": 0, "duration_h": 1}],
            "circuits: 2: l.nh_yb has 1",
        ),
    ],
)
def test_a_fault_is_one_line_that_says_what_where_and_what_would_be_right(chifeng: Park, raw: Any, fault: str) -> None:
    events, faults = parse_events("x.yaml", raw, chifeng, 1.0)
    assert len(events) <= 1
    assert len(faults) == 1
    assert fault in faults[0]
    assert "\n" not in faults[0]


def outage(line: str, circuits: int = 1) -> ScenarioEvent:
    return ScenarioEvent(event_id="l", kind="line_outage", line=line, circuits=circuits, start_h=0.0, duration_h=1.0)


def test_a_call_at_a_clusters_own_meter_names_a_cluster_and_a_target(chifeng: Park) -> None:
    events, faults = parse_events("x.yaml", [peak(asset="compute.zhisuan1", target_mw=60)], chifeng, 1.0)
    assert (faults, [e.asset for e in events]) == ([], ["compute.zhisuan1"])
    for wrong, said in (
        ({"asset": "bess.hongshan"}, "no computing cluster"),
        ({"asset": "compute.aidc", "kind": "valley"}, "own meter"),
    ):
        _, [fault] = parse_events("x.yaml", [peak(**wrong)], chifeng, 1.0)
        assert said in fault


def test_one_circuit_out_for_days_leaves_the_limit_of_the_network_study(chifeng: Park) -> None:
    topology = Topology.of_park(chifeng)
    k = topology.connections.index(ConnectionId("tie.songshan"))
    limits = limits_of(chifeng, topology, (), outages_of([outage("l.aq_ds")]))
    assert limits.import_mw[k] == pytest.approx(290.0, abs=0.5)  # note of l.aq_ds in the study
    assert limits.export_mw[k] == limits.import_mw[k]
    assert limits.open == frozenset()
    assert limits_of(chifeng, topology, (), outages_of([outage("l.aq_ds", 2)])).open == {k}


def source(name: str, area: str, power_mw: float) -> Stub:
    return stub(name, area, -power_mw, -power_mw, 0.0, PushOrder.CURTAILMENT)


def load_of(name: str, area: str, power_mw: float) -> Stub:
    return stub(name, area, power_mw, 0.0, power_mw, PushOrder.SHEDDING)


def world_with(*events: ScenarioEvent, farm_mw: float = 0.0) -> World:
    plants = (load_of("mill", "a", 70.0), source("farm", "a", farm_mw))
    assets = [asset(plant.asset_id, "base_load", BASE, plant.area) for plant in plants]
    return World(park(assets, (connection("grid.a", "a"),)), plants, SteadyWeather(), START, GridConditions(tuple(events)))


def run(world: World, seconds: float, first_s: float = 0.0) -> None:
    for i in range(round(first_s / STEP_S), round((first_s + seconds) / STEP_S)):
        world.step(START + timedelta(seconds=i * STEP_S), STEP_S)


def call(kind: Any, target_mw: float, **changes: Any) -> ScenarioEvent:
    facts = {"event_id": "e", "connection": GRID, "start_h": 1 / 60, "duration_h": 1 / 60, **changes}
    return ScenarioEvent(kind=kind, target_mw=target_mw, **facts)


def test_import_above_a_called_limit_counts_as_a_violation_only_while_it_is_in_force() -> None:
    world = world_with(call("import_limit", 50.0))
    run(world, 300.0)
    assert world.truth().limit_violation_s == {GRID: 60.0}
    assert world.truth().excess_mwh.sum() == pytest.approx(20.0 / 60.0)


def test_a_peak_is_a_service_and_no_limit() -> None:
    world = world_with(call("peak", 50.0))
    run(world, 300.0)
    assert world.truth().limit_violation_s == {GRID: 0.0}


def test_an_export_ban_curtails_at_once_and_lets_go_at_its_end() -> None:
    world = world_with(call("export_ban", 0.0), farm_mw=100.0)
    run(world, 60.0)
    assert world.flows is not None
    assert world.flows.import_mw == {GRID: -30.0}
    run(world, 60.0, 60.0)
    assert world.flows.import_mw == {GRID: 0.0}
    run(world, 60.0, 120.0)
    assert world.flows.import_mw == {GRID: -30.0}


def test_a_change_is_counted_against_what_the_connection_drew_before() -> None:
    world = world_with(call("peak", 0.0, start_h=2.0, duration_h=0.5, notice_h=0.5, change_mw=15.0))
    run(world, 2 * 3600.0)
    [said] = world.grid.calls(START + timedelta(hours=2))
    assert (said.target_mw, said.change_mw) == (55.0, 15.0)


def test_a_unit_that_trips_lowers_the_frequency_that_plants_see() -> None:
    world = world_with(ScenarioEvent(event_id="t", kind="unit_trip", start_h=1 / 60, duration_h=0.25, lost_mw=2_000.0))
    run(world, 60.0)
    assert world.grid.frequency_hz() == pytest.approx(50.0, abs=1e-6)
    run(world, 10.0, 60.0)
    assert world.grid.frequency_hz() < 49.75
    run(world, 900.0, 70.0)
    assert world.grid.frequency_hz() == pytest.approx(50.0, abs=0.02)
    assert world.grid.frequency.lowest_hz == pytest.approx(49.5, abs=0.02)


def test_a_gateway_repeats_a_call_until_it_is_answered_and_then_seldom() -> None:
    asked = call("peak", 50.0, start_h=0.1, duration_h=0.1, cancel_h=0.15, notice_h=0.1, confidence=0.9)
    bus, world = LocalBus(), world_with(asked)
    gateway = GridGateway(bus, world.park, world.grid, seed=None)
    said: list[GridEvent] = []
    bus.subscribe(
        filter_of("test", Channel.GRID_EVENT), lambda topic, payload: said.append(decode(GridEvent, topic, payload)), qos=1
    )

    def pass_time(first_s: float, seconds: float) -> None:
        run(world, seconds, first_s)
        for i in range(round(first_s / STEP_S), round((first_s + seconds) / STEP_S)):
            gateway.report(START + timedelta(seconds=(i + 1) * STEP_S), {GRID: 70.0})

    pass_time(0.0, 60.0)
    assert [e.revision for e in said] == [1] * 6
    assert {e.confidence for e in said} == {0.9}
    answer = GridEventAnswer(epoch=1, seq=1, issued_at=START, event_id="e", revision=1, outcome="acknowledged")
    bus.post(topic_of("test", Channel.GRID_EVENT_ANSWER, "grid.a"), encode(answer), qos=1)
    said.clear()
    pass_time(60.0, 240.0)
    assert len(said) == 4
    assert gateway.answered["e", 1].answer.outcome == "acknowledged"
    said.clear()
    pass_time(300.0, 300.0)
    assert {(e.revision, e.cancelled) for e in said if e.cancelled} == {(2, True)}
    said.clear()
    pass_time(600.0, 200.0)
    assert max(e.issued_at for e in said) == START
    last = said[-1]
    said.clear()
    pass_time(800.0, 100.0)
    assert last.end == START + timedelta(seconds=720)
    assert said == []


def test_the_station_of_the_grid_tells_frequency_voltage_and_import() -> None:
    bus, world = LocalBus(), world_with()
    gateway = GridGateway(bus, world.park, world.grid, seed=5)
    said: list[GridMeasurement] = []
    bus.subscribe(
        filter_of("test", Channel.GRID_MEASUREMENT), lambda topic, payload: said.append(decode(GridMeasurement, topic, payload))
    )
    run(world, 10.0)
    gateway.report(START, {GRID: 70.0})
    assert said[0].frequency_hz == pytest.approx(50.0)
    assert said[0].voltage_kv is None  # this park has no network
    assert said[0].import_mw == pytest.approx(70.0, rel=0.002)
    assert said[0].import_mw != 70.0
