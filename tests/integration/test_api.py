"""The API as somebody outside sees it: real broker, real store, real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from controllers.api.app import describe
from controllers.api.openapi import render
from controllers.api.roles import Role
from controllers.flexibility.table import MeterOffer, OfferTable
from controllers.store import open_store
from tests.api_service import CLUSTER, GRID, FieldTalk, RunningApi, running_api, until
from tests.console_builders import NOW
from vpp.wire import messages as m
from vpp.wire.codec import decode_any
from vpp.wire.topics import Channel, filter_of, topic_of

OPEN = {"/healthz", "/readyz"}
DOCUMENT = describe()
ROUTES = [(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations]
LATER = (NOW + timedelta(hours=2)).isoformat()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("api")) as service:
        FieldTalk(service).devices()
        FieldTalk(service).orders()
        FieldTalk(service).plan()
        FieldTalk(service).forecast()
        FieldTalk(service).shift()
        yield service


@pytest.fixture(scope="module")
def viewer(api: RunningApi) -> httpx.Client:
    return api.as_(Role.VIEWER)


@pytest.fixture(scope="module")
def operator(api: RunningApi) -> httpx.Client:
    return api.as_(Role.OPERATOR, name="li")


@pytest.fixture(scope="module")
def grid(api: RunningApi) -> httpx.Client:
    return api.as_(Role.GRID, name="dispatch.centre")


@pytest.fixture(scope="module")
def scheduler(api: RunningApi) -> httpx.Client:
    return api.as_(Role.SCHEDULER, name="slurm")


@pytest.fixture(scope="module")
def admin(api: RunningApi) -> httpx.Client:
    return api.as_(Role.ADMIN, name="root")


def _path(path: str) -> str:
    for name, value in (("{cluster}", CLUSTER), ("{asset_id}", "bess.hongshan"), ("{number}", "1"), ("{event_id}", "e1")):
        path = path.replace(name, value)
    return path.replace("{plan_id}", "p1").replace("{key_id}", "k1")


def _asked(client: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response:
    return client.request(method, path, json=body)


def _pin(**said: Any) -> dict[str, Any]:
    return {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 3.0, "end": LATER, "why": "thermal test"} | said


def _call(event_id: str, **said: Any) -> dict[str, Any]:
    start = (NOW + timedelta(minutes=30)).isoformat()
    asked = {"event_id": event_id, "connection": GRID, "kind": "peak", "target_mw": 50.0, "start": start, "end": LATER}
    return asked | said


def _line(answer: httpx.Response, status: int) -> str:
    """The one clear line of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail: str = answer.json()["detail"]
    assert "\n" not in detail
    return detail


# Who is let in


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] not in OPEN])
def test_every_route_but_health_answers_401_without_a_token(api: RunningApi, method: str, path: str) -> None:
    answer = _asked(api.client(None), method, _path(path), {})
    assert "Authorization: Bearer" in _line(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_nothing_is_served_that_the_description_does_not_name(api: RunningApi) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert api.client(None).get(path).status_code == 404
    assert api.client(None).get("/v1/openapi.json").status_code == 401


@pytest.mark.parametrize("role", list(Role))
def test_each_role_is_refused_every_route_beyond_its_rights(api: RunningApi, role: Role) -> None:
    allowed = {
        Role.VIEWER: {("GET", p) for _, p in ROUTES} - {("GET", "/v1/audit"), ("GET", "/v1/keys")},
        Role.OPERATOR: {(way, p) for way, p in ROUTES if way == "GET" or "overrides" in p or "alarms" in p}
        - {("GET", "/v1/keys")},
        Role.SCHEDULER: {(way, p) for way, p in ROUTES if "/compute/" in p},
        Role.GRID: {(way, p) for way, p in ROUTES if "/events" in p or p == "/v1/flexibility"},
        Role.ADMIN: set(ROUTES),
    }[role]
    own = {("POST", "/v1/token"), ("DELETE", "/v1/token"), ("GET", "/v1/whoami")}
    client = api.as_(role)
    for method, path in ROUTES:
        if path in OPEN or (method, path) in allowed | own:
            continue
        assert str(role) in _line(_asked(client, method, _path(path), {}), 403)


def test_a_scheduler_gets_no_further_with_another_cluster(api: RunningApi) -> None:
    other = api.as_(Role.SCHEDULER, cluster="compute.other")
    assert "speaks for compute.other" in _line(other.get(f"/v1/compute/{CLUSTER}/shift"), 403)


def test_a_key_gets_a_token_that_works_until_it_is_taken_back(api: RunningApi, admin: httpx.Client) -> None:
    made = admin.post("/v1/keys", json={"name": "wang", "role": "operator"}).json()
    by_key = api.client(made["key"])
    token = by_key.post("/v1/token", json={"life_s": 60}).json()["token"]
    by_token = api.client(token)
    assert by_token.get("/v1/whoami").json()["name"] == "wang"
    assert "prolongs itself" in _line(by_token.post("/v1/token"), 403)
    assert by_token.delete("/v1/token").status_code == 200
    assert "taken back" in _line(by_token.get("/v1/whoami"), 401)
    assert by_key.get("/v1/whoami").status_code == 200
    assert admin.delete(f"/v1/keys/{made['facts']['id']}").json()["revoked_at"]
    assert "revoked" in _line(by_key.get("/v1/whoami"), 401)
    assert made["key"] not in admin.get("/v1/keys").text


def test_a_key_for_a_cluster_that_is_not_there_is_refused(admin: httpx.Client) -> None:
    body = {"name": "slurm", "role": "scheduler", "cluster": "compute.moon"}
    assert "no such cluster" in _line(admin.post("/v1/keys", json=body), 422)
    assert "names its cluster" in _line(admin.post("/v1/keys", json={"name": "slurm", "role": "scheduler"}), 422)


def test_guessing_closes_the_door_and_leaves_a_line_in_the_audit(tmp_path: Path) -> None:
    with running_api(tmp_path, refusals_max=3) as service:
        guess = service.client("vpp_000000000000_" + "A" * 43)
        assert [guess.get("/v1/park").status_code for _ in range(5)] == [401, 401, 429, 429, 429]
        assert int(guess.get("/v1/park").headers["retry-after"]) > 0
        admin = service.as_(Role.ADMIN)
        rows = admin.get("/v1/audit").json()["rows"]
        assert [row["outcome"] for row in rows] == ["refused"] * 3
        assert "too many wrong" in rows[0]["detail"]


def test_what_was_refused_for_want_of_rights_is_in_the_audit(
    api: RunningApi, viewer: httpx.Client, operator: httpx.Client
) -> None:
    viewer.post("/v1/overrides", json=_pin())
    row = operator.get("/v1/audit", params={"who": "test.viewer"}).json()["rows"][0]
    assert (row["action"], row["outcome"]) == ("POST /v1/overrides", "refused")


# The present


def test_all_assets_are_answered_at_once_with_power_command_and_reason(api: RunningApi, viewer: httpx.Client) -> None:
    def live() -> Any:
        said = viewer.get("/v1/live").json()
        rows = {row["id"]: row for row in said["assets"]}
        return said if said["plan_id"] and rows["bess.hongshan"]["commands"] else None

    said = until(live)
    rows = {row["id"]: row for row in said["assets"]}
    assert len(rows) == len(api.park.assets)
    assert rows["bess.hongshan"]["power_mw"] == -12.0
    assert rows["bess.hongshan"]["commands"][0]["reason"]["code"] == "mpc"
    one = viewer.get("/v1/live/bess.hongshan").json()
    assert one["planned_mw"] == -12.0


def test_the_park_and_its_assets_say_what_they_are_and_what_is_assumed(viewer: httpx.Client, api: RunningApi) -> None:
    assert [area["id"] for area in viewer.get("/v1/park").json()["areas"]] == list(api.park.area_ids)
    asset = viewer.get("/v1/assets/bess.hongshan").json()
    assert asset["low_mw"] == -asset["plate"]["power_mw"] == -asset["high_mw"]
    assert set(asset["assumed"]) <= set(asset["plate"])
    assert len(viewer.get("/v1/assets", params={"area": "hongshan"}).json()["assets"]) == len(api.park.assets_of(area="hongshan"))
    assert "no such asset" in _line(viewer.get("/v1/assets/bess.moon"), 404)


def test_the_plan_and_the_forecast_of_now_are_there_with_their_quantiles(viewer: httpx.Client) -> None:
    plan = until(lambda: (said := viewer.get("/v1/plans/current")).status_code == 200 and said.json())
    assert (plan["source"], len(plan["edges"])) == ("mpc", 97)
    forecast = viewer.get("/v1/forecasts", params={"subject": "wind.hongshan"}).json()
    assert [row["id"] for row in forecast["series"]] == ["wind.hongshan"]
    assert len(forecast["levels"]) == len(forecast["series"][0]["values"][0]) == 7


def test_the_grid_sees_what_a_connection_can_give_now(grid: httpx.Client) -> None:
    offer = until(lambda: (rows := grid.get("/v1/flexibility").json()["connections"])[0]["horizons"] and rows[0])
    assert (offer["connection"], offer["horizons"][0]["duration_h"]) == (GRID, 0.25)
    assert offer["horizons"][0]["take_mw"] > 0.0
    assert "no connection" in _line(grid.get("/v1/flexibility", params={"connection": "grid.moon"}), 404)


def test_the_grid_sees_what_is_promised_once_the_controller_has_made_an_offer(api: RunningApi, grid: httpx.Client) -> None:
    at = datetime.fromisoformat(grid.get("/v1/flexibility").json()["at"])
    meter = MeterOffer(connection=GRID, response_s={"give": 2.0}, ramp_mw_per_min={"give": 30.0}, cells=())
    table = OfferTable(
        at=at, courses=16, confidences=(0.5, 0.9, 0.99), worth_cny_per_mwh=3000.0, events=(), learnt_from="", meters=(meter,)
    )
    api.store.remember("flexibility.current", msgspec.json.encode(table))
    found = grid.get("/v1/flexibility").json()
    assert (found["source"], found["promise"]["meters"][0]["connection"]) == ("promise", GRID)
    assert 0.0 <= found["age_s"] < 60.0
    # No window of an hour stands in it, so nothing is promised for one; what the machines could do is no answer to that.
    assert {row["give_mw"] for row in found["connections"][0]["horizons"]} == {0.0}
    api.store.remember("flexibility.current", b"of another version")
    assert grid.get("/v1/flexibility").json()["source"] == "bound"


def test_a_stream_tells_the_state_and_then_what_changes(api: RunningApi, viewer: httpx.Client, operator: httpx.Client) -> None:
    found: list[tuple[str, Any]] = []
    enough = threading.Event()

    def read() -> None:
        with viewer.stream("GET", "/v1/stream", params={"pace_s": 0.2, "kinds": ["asset", "override"]}) as lines:
            name = ""
            for line in lines.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found.append((name, json.loads(line.removeprefix("data: "))))
                    if {"state", "assets", "override"} <= {kind for kind, _ in found}:
                        enough.set()
                        return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until(lambda: bool(found))
    FieldTalk(api).telemetry("bess.hongshan", -7.5)
    made = operator.post("/v1/overrides", json=_pin(asset_id="wind.hongshan", power_mw=-1.0)).json()
    assert enough.wait(10.0), [name for name, _ in found]
    reader.join(5.0)
    assert found[0][0] == "state"
    assert any(row["power_mw"] == -7.5 for name, rows in found if name == "assets" for row in rows)
    operator.delete(f"/v1/overrides/{made['number']}")


def test_a_stream_tells_what_the_controller_makes_of_an_event(api: RunningApi, viewer: httpx.Client, grid: httpx.Client) -> None:
    states: list[str] = []
    reader = threading.Thread(target=lambda: states.extend(_states(viewer)), daemon=True)
    number = grid.post("/v1/events", json=_call("followed")).json()["number"]
    reader.start()
    until(lambda: "vpp_streams_open 1" in viewer.get("/metrics").text)
    api.store.set_event_state(number, "accepted", "", NOW)
    reader.join(10.0)
    # Whether the stream was open before the call itself was told of is chance.
    assert states in (["accepted"], ["received", "accepted"])


def _states(viewer: httpx.Client) -> list[str]:
    """The states of the call that the stream tells of, up to the first that the controller gave it."""
    states: list[str] = []
    with viewer.stream("GET", "/v1/stream", params={"kinds": "event"}) as lines:
        for line in lines.iter_lines():
            if line.startswith('data: {"id":"followed"'):
                states.append(json.loads(line.removeprefix("data: "))["event"]["state"])
                if states[-1] != "received":
                    break
    return states


def test_a_stream_of_something_unknown_is_refused(viewer: httpx.Client) -> None:
    assert "there are asset" in _line(viewer.get("/v1/stream", params={"kinds": "gossip"}), 422)


# Overrides


def test_an_override_is_on_disk_when_it_is_answered_and_the_controller_is_rung(api: RunningApi, operator: httpx.Client) -> None:
    bells = api.heard(filter_of(api.park.id, Channel.ASK))
    answer = operator.post("/v1/overrides", json=_pin())
    row = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/overrides/{row['number']}")
    other = open_store(api.settings.store_url)
    assert [o.asset_id for o in other.overrides_open(NOW + timedelta(minutes=1)) if o.number == row["number"]] == [
        "bess.hongshan"
    ]
    other.close()
    until(lambda: bool(bells))
    ask = decode_any(*bells[0])
    assert isinstance(ask, m.Ask)
    assert (ask.kind, ask.number) == ("override", row["number"])
    assert row["by"] == "li"
    operator.delete(f"/v1/overrides/{row['number']}")


def test_an_override_sent_twice_is_one_and_another_persons_is_another(api: RunningApi, operator: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: operator.post("/v1/overrides", json=_pin(power_mw=4.0)), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert api.as_(Role.OPERATOR, name="zhao").post("/v1/overrides", json=_pin(power_mw=4.0)).status_code == 201
    operator.post("/v1/overrides", json={"kind": "release", "asset_id": "bess.hongshan", "why": "done"})


def test_an_override_stands_until_it_is_released(operator: httpx.Client) -> None:
    local = {"kind": "local", "asset_id": "h2.envision", "why": "leak test"}
    made = operator.post("/v1/overrides", json=local).json()
    stands = operator.get("/v1/overrides", params={"asset_id": "h2.envision"}).json()["overrides"]
    assert [row["number"] for row in stands] == [made["number"]]
    body = {"kind": "release", "asset_id": "h2.envision", "why": "tight again"}
    assert operator.post("/v1/overrides", json=body).json()["released"] == [made["number"]]
    assert operator.get("/v1/overrides", params={"asset_id": "h2.envision"}).json()["overrides"] == []
    assert "no such override stands" in _line(operator.delete(f"/v1/overrides/{made['number']}"), 404)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"power_mw": 10_000.0}, "bess.hongshan runs between"),
        ({"power_mw": 1e7}, "body.pin.power_mw: 10000000.0: input should be less than or equal to 100000"),
        ({"end": (NOW - timedelta(hours=1)).isoformat()}, "body.end"),
        ({"start": LATER, "end": NOW.isoformat()}, "must come after start"),
        ({"end": "2030-10-07T12:00:00"}, "body.pin.end"),
        ({"asset_id": "bess.moon"}, "no such asset"),
        ({"why": ""}, "body.pin.why"),
        ({"watts": 5}, "body.pin.watts: 5: no such field"),
        ({"kind": "hold"}, "body"),
    ],
)
def test_an_absurd_override_is_refused_in_one_line_and_not_written(
    operator: httpx.Client, said: dict[str, Any], line: str
) -> None:
    before = operator.get("/v1/overrides").json()["overrides"]
    assert line in _line(operator.post("/v1/overrides", json=_pin(**said)), 422)
    assert operator.get("/v1/overrides").json()["overrides"] == before


def test_every_fault_of_a_request_is_named_at_once(operator: httpx.Client) -> None:
    answer = operator.post("/v1/overrides", json={"kind": "pin", "asset_id": "Bess", "power_mw": "much"})
    assert {fault["where"].removeprefix("body.pin.") for fault in answer.json()["faults"]} == {
        "asset_id",
        "power_mw",
        "end",
        "why",
    }
    assert "(and 3 more)" in _line(answer, 422)


# Events


def test_the_same_call_again_changes_nothing_and_another_under_its_name_is_refused(grid: httpx.Client) -> None:
    first, again = (grid.post("/v1/events", json=_call("same")) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert "another target_mw" in _line(grid.post("/v1/events", json=_call("same", target_mw=60.0)), 409)


def test_one_call_sent_many_times_at_once_is_one_event(grid: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: grid.post("/v1/events", json=_call("storm")), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.json()["number"] for answer in answers}) == 1


def test_an_event_is_amended_under_a_new_revision_and_cancelled_once(grid: httpx.Client) -> None:
    grid.post("/v1/events", json=_call("life"))
    amended = grid.patch("/v1/events/life", json={"target_mw": 80.0}).json()
    assert (amended["revision"], amended["target_mw"], amended["state"]) == (2, 80.0, "received")
    cancelled = grid.delete("/v1/events/life").json()
    assert cancelled["state"] == "cancelled"
    assert grid.delete("/v1/events/life").json() == cancelled
    assert "is cancelled" in _line(grid.patch("/v1/events/life", json={"target_mw": 10.0}), 409)


def test_an_event_shows_the_state_that_the_controller_gives_it(api: RunningApi, grid: httpx.Client) -> None:
    number = grid.post("/v1/events", json=_call("judged")).json()["number"]
    api.store.set_event_state(number, "refused", "absurd: the park draws nothing there", NOW + timedelta(seconds=3))
    row = grid.get("/v1/events/judged").json()
    assert (row["state"], row["reason"]) == ("refused", "absurd: the park draws nothing there")
    assert "is refused" in _line(grid.delete("/v1/events/judged"), 409)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"target_mw": 10_000.0}, "grid.hongshan carries between"),
        ({"connection": "grid.moon"}, "no such connection"),
        ({"start": (NOW - timedelta(days=1)).isoformat(), "end": (NOW - timedelta(hours=20)).isoformat()}, "is past"),
        ({"end": NOW.isoformat()}, "must come after start"),
        ({"event_id": "a b"}, "body.event_id"),
        ({"kind": "party"}, "body.kind"),
    ],
)
def test_an_absurd_call_is_refused_in_one_line(grid: httpx.Client, said: dict[str, Any], line: str) -> None:
    assert line in _line(grid.post("/v1/events", json=_call("absurd") | said), 422)
    assert grid.get("/v1/events/absurd").status_code == 404


# Compute


def _work(**said: Any) -> dict[str, Any]:
    item = {"job_class": "day", "energy_mwh": 10.0, "release": NOW.isoformat(), "deadline": LATER, "max_mw": 5.0, "tier": 3}
    return item | {"preemptible": True} | said


def test_a_backlog_is_taken_item_by_item_and_stands_at_the_broker(api: RunningApi, scheduler: httpx.Client) -> None:
    body = {"fast_band_mw": 2.0, "items": [_work(), _work(max_mw=1e4), _work(energy_mwh=9.0)]}
    said = scheduler.post(f"/v1/compute/{CLUSTER}/backlog", json=body).json()
    assert (said["accepted"], said["accepted_mwh"]) == (2, 19.0)
    assert [fault["where"] for fault in said["refused"]] == ["items.1.max_mw"]
    kept = api.heard(topic_of(api.park.id, Channel.COMPUTE_BACKLOG, CLUSTER))
    until(lambda: bool(kept))
    backlog = decode_any(*kept[0])
    assert isinstance(backlog, m.Backlog)
    assert [item.energy_mwh for item in backlog.items] == [10.0, 9.0]
    found = until(lambda: scheduler.get(f"/v1/compute/{CLUSTER}/backlog").json()["backlog"])
    assert len(found["items"]) == 2


def test_a_report_that_is_wrong_throughout_leaves_the_one_before(scheduler: httpx.Client) -> None:
    path = f"/v1/compute/{CLUSTER}/backlog"
    scheduler.post(path, json={"items": [_work(energy_mwh=7.0)]})
    until(lambda: scheduler.get(path).json()["backlog"]["items"][0]["energy_mwh"] == 7.0)
    assert "all 1 items are refused" in _line(scheduler.post(path, json={"items": [_work(deadline=NOW.isoformat())]}), 422)
    assert scheduler.get(path).json()["backlog"]["items"][0]["energy_mwh"] == 7.0


def test_a_scheduler_reads_its_signal_and_answers_it(api: RunningApi, scheduler: httpx.Client) -> None:
    said = until(lambda: (row := scheduler.get(f"/v1/compute/{CLUSTER}/shift").json())["signal"] and row)
    assert (said["signal"]["cap_now_mw"], said["valid"]) == (38.0, True)
    heard = api.heard(topic_of(api.park.id, Channel.COMPUTE_RESPONSE, CLUSTER))
    answer = {"revision": 3, "accepted": "all"}
    assert scheduler.post(f"/v1/compute/{CLUSTER}/response", json=answer).status_code == 200
    until(lambda: bool(heard))
    assert "the last signal" in _line(scheduler.post(f"/v1/compute/{CLUSTER}/response", json=answer | {"revision": 9}), 422)
    assert "$.intervals" in _line(scheduler.post(f"/v1/compute/{CLUSTER}/response", json=answer | {"accepted": "part"}), 422)


# Records


def test_alarms_stay_until_somebody_has_seen_them(api: RunningApi, operator: httpx.Client) -> None:
    api.store.raise_alarm("asset.silent.wind.hongshan", level="alarm", text="wind.hongshan is silent", at=NOW)
    (alarm,) = operator.get("/v1/alarms").json()["alarms"]
    seen = operator.post(f"/v1/alarms/{alarm['number']}/acknowledge", json={"note": "sent somebody"}).json()
    assert (seen["acknowledged_by"], alarm["acknowledged_by"]) == ("li", None)
    assert "no such alarm" in _line(operator.post("/v1/alarms/999/acknowledge"), 404)


def test_what_was_asked_is_in_the_audit_with_who_asked(operator: httpx.Client) -> None:
    number = operator.post("/v1/overrides", json=_pin()).json()["number"]
    operator.delete(f"/v1/overrides/{number}")
    rows = operator.get("/v1/audit", params={"who": "li"}).json()["rows"]
    assert {"override.ask", "override.close"} <= {row["action"] for row in rows}


# Health


def test_health_is_open_and_readiness_names_what_is_missing(api: RunningApi, tmp_path: Path) -> None:
    assert api.client(None).get("/healthz").json() == {"status": "ok"}
    ready = until(lambda: (said := api.client(None).get("/readyz")).status_code == 200 and said.json())
    assert ready["checks"] == {"store": "ok", "bus": "ok", "controller": "ok", "ledger": "ok"}
    with running_api(tmp_path) as fresh:
        said = fresh.client(None).get("/readyz")
        assert (said.status_code, said.json()["checks"]["controller"]) == (503, "not heard yet")


def test_promtool_finds_nothing_wrong_with_the_metrics(api: RunningApi, viewer: httpx.Client) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (on Debian: apt-get install prometheus)")
    viewer.get("/v1/live")
    loops = {"dispatch": {"restarts": 1, "overruns": 0}}
    health = {"dispatch_late_p99_s": 0.004, "ack_p99_s": 0.011, "commands": 12, "rows_written": 9, "rows_lost": 0, "loops": loops}
    api.store.remember("controller.health", json.dumps(health).encode())
    until(lambda: 'vpp_loop_restarts_total{loop="dispatch"} 1.0' in viewer.get("/metrics").text)
    text = viewer.get("/metrics").text
    found = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=30)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert 'vpp_asset_power_watts{area="hongshan",asset="base.hongshan"} 1.11e+08' in text
    assert 'vpp_http_requests_total{method="GET",route="/v1/live",status="200"}' in text


def test_the_published_description_is_the_services_own() -> None:
    published = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
    assert published.read_text(encoding="utf-8") == render(), "run python -m controllers.api.openapi"


def test_every_answer_of_the_description_is_defined_in_it() -> None:
    schemas = set(DOCUMENT["components"]["schemas"])
    text = json.dumps(DOCUMENT)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= schemas


def test_what_the_framework_itself_refuses_is_one_line_too(viewer: httpx.Client, grid: httpx.Client) -> None:
    assert "not found" in _line(viewer.get("/v1/nothing"), 404)
    assert "not allowed" in _line(viewer.post("/v1/park"), 405)
    as_json = {"content-type": "application/json"}
    assert "1048576 bytes" in _line(grid.post("/v1/events", content=b"x" * 2_000_000, headers=as_json), 413)
    assert "1048576 bytes" in _line(grid.post("/v1/events", content=iter([b"x" * 600_000] * 2), headers=as_json), 413)
    assert _line(grid.post("/v1/events", content=b"{not json", headers={"content-type": "application/json"}), 422)
