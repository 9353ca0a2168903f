"""A call at one cluster's own meter: by REST and by hand, judged out of the real ledger, kept over a restart, proven there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from controllers.adapters.openadr3.asks import Agreement
from controllers.api.roles import Role
from controllers.bus.local import LocalBus
from controllers.cli import main
from controllers.flexibility.assess import Verdict
from controllers.loops.asks import AskDesk
from controllers.loops.inbox import Inbox
from controllers.proof import Proof, prove
from controllers.proof.source import evidence_of
from controllers.store import EventRow, Reading, Store, open_store
from controllers.store.rows import PlanRow
from tests.api_service import RunningApi, until
from tests.builders import compute
from tests.console_builders import NOW
from tests.openadr_rig import event_words, running_vtn
from tests.world_builders import BASE, START, asset, connection, park
from vpp.events import PinLimit
from vpp.ids import AssetId, ConnectionId
from vpp.park import load
from vpp.wire.codec import encode
from vpp.wire.messages import Backlog, ComputeTelemetry, GridEvent, Reason
from vpp.wire.topics import Channel, topic_of

ROOT = Path(__file__).resolve().parents[2]
SEEDS, GUIDE = ROOT / "seeds", ROOT / "docs" / "connect_grid.md"
CENTRE, D500 = "compute.zhisuan1", "grid.d500"
DC, GRID, HOUR = AssetId("compute.a"), ConnectionId("grid.a"), timedelta(hours=1)
PARK = park([asset(DC, "compute", compute(rated_mw=40.0), "a"), asset("base.a", "base_load", BASE, "a")], [connection(GRID, "a")])


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """The service of the whole park, whose clusters hang on the grid."""
    service = RunningApi(tmp_path_factory.mktemp("meter"))
    service.settings = replace(service.settings, park=SEEDS)
    service.park = load(SEEDS, at=date(2030, 10, 7))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def grid(api: RunningApi) -> httpx.Client:
    return api.as_(Role.GRID, name="dispatch.centre")


def asked(event_id: str, **said: Any) -> dict[str, Any]:
    start, end = (NOW + timedelta(minutes=m) for m in (30, 90))
    facts = {"event_id": event_id, "connection": D500, "asset": CENTRE, "kind": "peak", "target_mw": 60.0}
    return facts | {"start": start.isoformat(), "end": end.isoformat()} | said


def test_it_is_taken_told_listed_and_amended_at_its_meter(grid: httpx.Client, api: RunningApi) -> None:
    first = grid.post("/v1/events", json=asked("meter-1"))
    assert first.status_code == 201, first.text
    assert first.json()["asset"] == CENTRE
    assert grid.post("/v1/events", json=asked("meter-1")).status_code == 200
    other = grid.post("/v1/events", json=asked("meter-1", asset="compute.zhisuan2"))
    assert (other.status_code, "another asset" in other.json()["detail"]) == (409, True)
    assert grid.post("/v1/events", json=asked("line-1", asset=None)).status_code == 201
    amended = grid.patch("/v1/events/meter-1", json={"target_mw": 55.0}).json()
    assert (amended["asset"], amended["target_mw"], amended["revision"]) == (CENTRE, 55.0, 2)
    listed = grid.get("/v1/events", params={"asset": CENTRE}).json()["events"]
    assert [one["event_id"] for one in listed] == ["meter-1"]
    row = api.store.event("meter-1")
    assert row is not None
    assert row.asset == CENTRE


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"asset": "bess.hongshan"}, "body.asset: 'bess.hongshan': no such computing cluster; only such a meter can be called"),
        ({"asset": "compute.moon"}, "behind grid.d500 there are compute.aidc, compute.zhisuan1"),
        ({"connection": "tie.hongshan"}, "body.asset: 'compute.zhisuan1': is not behind tie.hongshan; clusters there: none"),
        (
            {"kind": "valley"},
            "body.kind: 'valley': asks for more; at the meter of a cluster there are peak, import_limit, emergency",
        ),
        ({"target_mw": 60_000.0}, "body.target_mw: 60000: compute.zhisuan1 draws between 0 and"),
        ({"target_mw": -1.0}, "body.target_mw: -1: compute.zhisuan1 draws between 0 and"),
    ],
)
def test_what_cannot_be_at_a_meter_is_refused_in_one_line(grid: httpx.Client, said: dict[str, Any], line: str) -> None:
    answer = grid.post("/v1/events", json=asked("meter-no", **said))
    assert answer.status_code == 422
    assert line in answer.json()["detail"]
    assert grid.get("/v1/events/meter-no").status_code == 404


def test_it_is_called_and_listed_by_hand(api: RunningApi, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--url", api.address, "--token", api.token(Role.GRID)]
    words = f"event call by-hand --connection {D500} --asset {CENTRE} --kind peak --target-mw 50 --start +30m --for 1h"
    assert main([*words.split(), *to]) == 0
    assert f"peak at the meter of {CENTRE} behind {D500}, 50 MW" in capsys.readouterr().out
    assert main(["event", "list", *to]) == 0
    (line,) = (row for row in capsys.readouterr().out.splitlines() if row.startswith("by-hand"))
    assert CENTRE in line


def test_the_example_of_the_page_calls_a_meter(api: RunningApi, grid: httpx.Client) -> None:
    (example,) = re.findall(r"^```sh meter\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    words = {"PATH": os.environ["PATH"], "VPP": api.address, "AUTH": f"Authorization: Bearer {api.token(Role.GRID)}"}
    words |= {"JSON": "Content-Type: application/json", "no_proxy": "127.0.0.1"}
    words |= {name: (NOW + timedelta(hours=h)).isoformat() for name, h in (("START", 2), ("END", 3))}
    ran = subprocess.run(["bash", "-ec", example], env=words, capture_output=True, text=True, check=False, timeout=30)
    assert ran.returncode == 0, ran.stderr
    assert grid.get("/v1/events/centre-1").json()["asset"] == CENTRE


def test_an_event_of_openadr_names_the_cluster_and_is_reported_at_its_meter(api: RunningApi, grid: httpx.Client) -> None:
    agreed = (Agreement(connection=D500), Agreement(connection=D500, asset=CENTRE, emergency_mw=40.0))
    with running_vtn(api, agreements=agreed) as vtn:
        operator = vtn.as_("operator")
        program = next(str(one["id"]) for one in operator.get("/programs").json() if one["programName"] == "park")
        more = operator.post("/events", json=event_words(program, "DISPATCH_SETPOINT", 50_000.0, targets=[CENTRE]))
        assert (more.status_code, f"{CENTRE} is called by its most alone" in more.text) == (400, True)
        made = operator.post("/events", json=event_words(program, value=50_000.0, targets=[CENTRE]))
        assert made.status_code == 201, made.text
        name = f"oadr.{made.json()['id']}.0.{CENTRE}.import_limit"
        called = grid.get(f"/v1/events/{name}").json()
        assert (called["connection"], called["asset"], called["target_mw"]) == (D500, CENTRE, 50.0)

        def reported() -> list[Any]:
            return [r for one in operator.get("/reports", params={"eventID": made.json()["id"]}).json() for r in one["resources"]]

        until(lambda: bool(reported()))
        # What the connection could give says nothing of this meter, and is not told in its name.
        kinds = {p["type"] for r in reported() for i in r["intervals"] for p in i["payloads"]}
        assert ({r["resourceName"] for r in reported()}, kinds) == ({CENTRE}, {"OPERATING_STATE"})


# Judged, kept in mind and read back.


@dataclass
class Office:
    """A desk on a real ledger, with a cluster that has spoken."""

    store: Store
    now: datetime = START
    told: list[tuple[GridEvent, Reason | None, Verdict | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = LocalBus()
        self.inbox = Inbox(self.bus, PARK.id, lambda: self.now)
        self.desk = AskDesk(PARK, self.store, self.inbox, lambda: None, lambda: self.now)
        self.desk.tell = lambda _, said, why, verdict: self.told.append((said, why, verdict))

    def speaks(self, power_mw: float = 30.0) -> None:
        state = {"idle_mw": 10.0, "firm_mw": 13.0, "fast_band_mw": 2.0}
        said = ComputeTelemetry(cluster=DC, measured_at=self.now, power_mw=power_mw, state=state)
        self.bus.post(topic_of(PARK.id, Channel.COMPUTE_TELEMETRY, DC), encode(said))
        backlog = Backlog(cluster=DC, reported_at=self.now, fast_band_mw=9.0, items=())
        self.bus.post(topic_of(PARK.id, Channel.COMPUTE_BACKLOG, DC), encode(backlog))

    async def looks(self, times: int = 4) -> EventRow:
        for _ in range(times):
            await self.desk.look()
            await asyncio.sleep(0.01)
        row = self.store.event("e1")
        assert row is not None
        return row

    def ceilings(self) -> dict[str, object]:
        return {o.asset_id: o.pin for o in self.inbox.snapshot(self.now).overrides}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path / 'ledger.sqlite'}")) as ledger:
        yield ledger


def declares(store: Store, power_mw: float, made_at: datetime = START) -> None:
    edges = [(START + 0.25 * k * HOUR).isoformat() for k in range(33)]
    facts = {"edges": edges, "assets": {DC: {"power_mw": [power_mw] * 32}}, "connections": {}}
    row = PlanRow(
        plan_id=f"p.{made_at}", made_at=made_at, source="mpc", gap_frac=0.0, cost_cny=0.0, facts=msgspec.json.encode(facts)
    )
    store.save_plan(row)


def row(**said: Any) -> EventRow:
    values: dict[str, Any] = {
        "event_id": "e1", "connection": GRID, "asset": DC, "kind": "peak", "target_mw": 15.0, "start": START + 2 * HOUR,
        "end": START + 3 * HOUR, "who": "grid", "asked_at": START, "changed_at": START,
    }  # fmt: skip
    return EventRow(**values | said)


async def test_below_the_floor_it_is_taken_in_part_and_binds_the_cluster_alone(store: Store) -> None:
    office = Office(store)
    office.speaks()
    declares(store, 30.0)
    declares(store, 12.0, made_at=START + timedelta(seconds=1))  # what is planned with the call is no declaration
    store.ask_event(row())
    known = await office.looks()
    assert (known.state, known.asked_mw, known.accepted_mw, known.held_mw) == ("accepted", 15.0, 9.0, 21.0)
    assert "the cluster can go down to 21.00 MW" in known.reason
    assert office.ceilings() == {DC: PinLimit(0.0, 21.0)}
    assert office.inbox.snapshot(START).events == ()
    [(said, refused, verdict)] = office.told
    assert (said.asset, refused, verdict and verdict.outcome) == (DC, None, "part")


async def test_after_a_restart_it_binds_the_cluster_again_and_not_the_connection(store: Store) -> None:
    before = Office(store)
    before.speaks()
    declares(store, 30.0)
    store.ask_event(row())
    await before.looks()
    after = Office(store)
    await after.looks(1)
    assert after.ceilings() == {DC: PinLimit(0.0, 21.0)}
    assert after.inbox.snapshot(START).events == ()


@pytest.mark.parametrize(
    ("speaks", "plans", "why"), [(False, True, "its scheduler is silent"), (True, False, "no plan for compute.a was known")]
)
async def test_what_cannot_be_worked_out_is_taken_and_not_promised(store: Store, speaks: bool, plans: bool, why: str) -> None:
    office = Office(store)
    if speaks:
        office.speaks()
    if plans:
        declares(store, 30.0)
    store.ask_event(row())
    known = await office.looks()
    assert (known.state, known.accepted_mw, known.held_mw) == ("accepted", None, None)
    assert "nothing is promised" in known.reason
    assert why in known.reason
    assert office.ceilings() == {DC: PinLimit(0.0, 15.0)}


async def test_two_calls_at_one_meter_are_not_promised_the_same_power(store: Store) -> None:
    office = Office(store)
    office.speaks()
    declares(store, 30.0)
    store.ask_event(row(target_mw=22.0))
    await office.looks()
    store.ask_event(row(event_id="e2", target_mw=21.0))
    await office.looks()
    first, second = store.event("e1"), store.event("e2")
    assert first is not None
    assert second is not None
    assert (first.asked_mw, first.accepted_mw) == (8.0, 8.0)
    # 30 MW were declared, 22 are left of them: the second asks one more, and both together get no more than there is.
    assert (second.state, second.asked_mw, second.accepted_mw) == ("accepted", 1.0, 1.0)


async def test_whether_it_is_kept_is_looked_up_at_the_clusters_meter(store: Store) -> None:
    office = Office(store)
    office.speaks()
    declares(store, 30.0)
    store.ask_event(row(target_mw=25.0, start=START + timedelta(minutes=5), end=START + timedelta(minutes=35)))
    await office.looks()
    office.now = START + timedelta(minutes=6)
    office.speaks(24.9)
    await office.looks(2)
    office.now = START + timedelta(minutes=7)
    office.speaks(27.0)
    await office.looks(1)
    office.now = START + timedelta(minutes=36)
    known = await office.looks(1)
    assert known.state == "delivered"
    assert known.reason == "target kept in 1 of 2 looks"


def test_the_facts_for_machines_name_the_meter(api: RunningApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["event", "list", "--json", "--url", api.address, "--token", api.token(Role.GRID)]) == 0
    assert CENTRE in {one["asset"] for one in json.loads(capsys.readouterr().out)["events"]}


# Proven.

BEGAN = NOW - timedelta(hours=2)
SECOND_DC = AssetId("compute.b")
TWO_PARK = park(
    [asset(i, "compute", compute(rated_mw=40.0), "a") for i in (DC, SECOND_DC)] + [asset("base.a", "base_load", BASE, "a")],
    [connection(GRID, "a")],
)


def delivered(  # noqa: PLR0913  a made-up hour
    store: Store, own: str, other: str, meter: str, other_mw: float = 20.0, declared_mw: float = 20.0, **said: Any
) -> None:
    """20 MW declared at one meter, 12 MW metered in the hour of the call; the connection reads what it always reads."""
    end = BEGAN + HOUR
    facts: dict[str, Any] = {"event_id": "done", "connection": meter, "asset": own, "target_mw": 12.0, "held_mw": 12.0}
    facts |= {"start": BEGAN, "end": end, "asked_at": BEGAN - timedelta(minutes=20), "state": "delivered"}
    store.ask_event(row(**facts | {"asked_mw": 8.0, "accepted_mw": 8.0} | said))
    rows = []
    for k in range(-3_600, 7_200, 10):
        at, inside = BEGAN + timedelta(seconds=k), 0 <= k < 3_600
        for subject, quantity, value in (
            (own, "power_mw", 12.0 if inside else 20.0),
            (other, "power_mw", other_mw if inside else 20.0),
            (meter, "import_mw", 100.0),
        ):
            rows.append(Reading(subject=subject, quantity=quantity, measured_at=at, received_at=at, value=value))
    store.write_readings(rows)
    edges = [(BEGAN + timedelta(minutes=15 * k - 60)).isoformat() for k in range(33)]
    plan = {"edges": edges, "connections": {meter: {"import_mw": [150.0] * 32, "export_mw": [0.0] * 32}}}
    plan["assets"] = {own: {"power_mw": [declared_mw] * 32}, other: {"power_mw": [20.0] * 32}}
    made = BEGAN - timedelta(hours=1)
    facts_of_plan = msgspec.json.encode(plan)
    store.save_plan(PlanRow(plan_id="before", made_at=made, source="mpc", gap_frac=0.0, cost_cny=0.0, facts=facts_of_plan))


def check(proof: Proof, name: str) -> tuple[str, str]:
    return next((one.verdict, one.text) for one in proof.checks if name in one.name)


def test_it_is_delivered_at_the_clusters_meter_against_its_own_declared_schedule(store: Store) -> None:
    delivered(store, DC, SECOND_DC, GRID)
    proof = prove(evidence_of(store, TWO_PARK, "done", NOW))
    assert (proof.verdict, proof.rule, proof.promised_mw, proof.event.asset) == ("kept", "declared", 8.0, DC)
    assert proof.settled is not None
    # The connection would say 50 MW, and a response that never came.
    assert (proof.settled.reference_mw, proof.settled.requested_mw, proof.settled.delivered_mw) == (20.0, 8.0, 8.0)
    assert [(one.asset_id, one.gave_mw) for one in proof.assets] == [(DC, 8.0)]
    assert [check(proof, name)[0] for name in ("work moved", "import moved", "schedule above")] == ["clear"] * 3


def test_work_that_went_to_the_cluster_next_door_is_seen(store: Store) -> None:
    delivered(store, DC, SECOND_DC, GRID, other_mw=27.5)
    verdict, text = check(prove(evidence_of(store, TWO_PARK, "done", NOW)), "work moved")
    assert verdict == "look"
    assert "others +7.5 MW against their schedules (compute.b +7.5)" in text


def test_a_schedule_that_asked_for_more_than_was_drawn_before_the_call_is_seen(store: Store) -> None:
    delivered(store, DC, SECOND_DC, GRID, declared_mw=28.0)
    proof = prove(evidence_of(store, TWO_PARK, "done", NOW))
    assert proof.settled is not None
    assert proof.settled.delivered_mw == 16.0  # of which the cluster gave 8 MW
    assert check(proof, "schedule above") == (
        "look",
        "-8.0 MW against the declared schedule in the 20 min before the start; up to 1.6 MW below it is usual",
    )
    assert check(proof, "import moved")[0] == "clear"


def test_the_same_megawatts_sold_at_the_connection_above_are_seen_and_those_of_a_neighbour_are_not(store: Store) -> None:
    delivered(store, DC, SECOND_DC, GRID)
    span = {"start": BEGAN, "end": BEGAN + HOUR, "state": "delivered"}
    store.ask_event(row(event_id="next.door", asset=SECOND_DC, **span))
    assert check(prove(evidence_of(store, TWO_PARK, "done", NOW)), "two events")[0] == "clear"
    store.ask_event(row(event_id="above", asset=None, **span))
    verdict, text = check(prove(evidence_of(store, TWO_PARK, "done", NOW)), "two events")
    assert verdict == "look"
    assert "above" in text
    assert "next.door" not in text


def test_what_nobody_worked_out_is_not_told_as_promised(store: Store) -> None:
    delivered(store, DC, SECOND_DC, GRID, held_mw=None, asked_mw=None, accepted_mw=None)
    assert prove(evidence_of(store, TWO_PARK, "done", NOW)).promised_mw is None


def test_the_proof_of_a_meter_is_told_by_rest_and_printed(
    api: RunningApi, grid: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered(api.store, CENTRE, "compute.zhisuan2", D500)
    told = grid.get("/v1/events/done/proof").json()
    assert (told["verdict"], told["event"]["asset"], told["settled"]["delivered_mw"]) == ("kept", CENTRE, 8.0)
    page = tmp_path / "proof.html"
    words = ["event", "proof", "done", "--html", str(page), "--url", api.address, "--token", api.token(Role.GRID)]
    assert main(words) == 0
    assert f"{CENTRE}  target 12.00 MW" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "Power at the cluster" in text
    assert f"{CENTRE}, its own meter 自有电表, behind {D500}" in text
