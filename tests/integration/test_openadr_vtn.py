"""The VTN as an operator and as sites see it: real server, real store, and the park's own door behind it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from controllers.adapters.openadr3.vtn.book import ObjectBook
from controllers.adapters.openadr3.vtn.notify import callback_fault
from controllers.api.roles import Role
from tests.api_service import GRID, RunningApi, until
from tests.openadr_rig import SECRETS, RunningVtn, event_words, running_vtn

THERMS = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "THERMS"}


@pytest.fixture(scope="module")
def vtn(api: RunningApi) -> Iterator[RunningVtn]:
    with running_vtn(api, refusals_max=500) as running:
        yield running


@pytest.fixture(scope="module")
def operator(vtn: RunningVtn) -> httpx.Client:
    return vtn.as_("operator")


@pytest.fixture(scope="module")
def park(operator: httpx.Client) -> str:
    return next(str(one["id"]) for one in operator.get("/programs").json() if one["programName"] == "park")


def _audit(api: RunningApi, who: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.as_(Role.OPERATOR).get("/v1/audit", params={"who": who}).json()["rows"]
    return rows


def _event(api: RunningApi, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.as_(Role.GRID).get(f"/v1/events/{name}").json()
    return found


def test_a_secret_is_taken_as_basic_and_in_the_body(vtn: RunningVtn) -> None:
    secret = SECRETS["site.a"][0]
    basic = {"Authorization": "Basic " + base64.b64encode(f"site.a:{secret}".encode()).decode()}
    url = httpx.get(f"{vtn.url}/auth/server").json()["tokenURL"]
    by_header = httpx.post(url, data={"grant_type": "client_credentials"}, headers=basic)
    by_body = httpx.post(url, data={"grant_type": "client_credentials", "client_id": "site.a", "client_secret": secret})
    both = httpx.post(url, data={"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, headers=basic)
    wrong = httpx.post(url, data={"grant_type": "client_credentials", "client_id": "site.a", "client_secret": "guess"})
    other = httpx.post(url, data={"grant_type": "password"}, headers=basic)
    assert (by_header.status_code, by_body.status_code) == (200, 200)
    assert by_header.json()["token_type"] == "Bearer"
    assert "write_reports" in by_header.json()["scope"].split()
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert (other.status_code, other.json()["error"]) == (400, "unsupported_grant_type")


def test_a_narrower_token_does_less(vtn: RunningVtn) -> None:
    headers = {"Authorization": f"Bearer {vtn.token('operator', scope='read_targets')}"}
    assert httpx.get(f"{vtn.url}/programs", headers=headers).status_code == 200
    assert httpx.post(f"{vtn.url}/programs", headers=headers, json={"programName": "x"}).status_code == 403


def test_guessing_secrets_closes_the_door(api: RunningApi) -> None:
    with running_vtn(api, refusals_max=3) as vtn:
        words = {"grant_type": "client_credentials", "client_id": "site.a", "client_secret": "guess"}
        codes = [httpx.post(f"{vtn.url}/auth/token", data=words).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert any("client id or secret" in row["detail"] for row in _audit(api, "openadr.vtn"))


def test_without_a_token_nothing_is_told(vtn: RunningVtn) -> None:
    for path in ("/programs", "/events", "/reports", "/vens", "/resources", "/subscriptions", "/notifiers"):
        answer = httpx.get(f"{vtn.url}{path}")
        assert (answer.status_code, answer.json()["status"]) == (401, 401)
    changed = vtn.token("operator")[:-2] + "xx"
    assert httpx.get(f"{vtn.url}/programs", headers={"Authorization": f"Bearer {changed}"}).status_code == 401


def test_a_limit_becomes_a_call_and_its_life_becomes_reports(api: RunningApi, operator: httpx.Client, park: str) -> None:
    made = operator.post("/events", json=event_words(park, eventName="evening peak", priority=2)).json()
    name = f"oadr.{made['id']}.0.{GRID}.import_limit"
    called = _event(api, name)
    assert (called["kind"], called["target_mw"], called["by"], called["priority"]) == (
        "import_limit",
        30.0,
        "openadr.operator",
        2,
    )
    assert called["state"] == "received"
    api.store.set_event_state(called["number"], "running", "test", api.settings.clock.start)  # type: ignore[arg-type]

    def curtailed() -> bool:
        rows = operator.get("/reports", params={"eventID": made["id"]}).json()
        return any("RUNNING_CURTAILED" in str(row["resources"]) for row in rows)

    until(curtailed)
    report = operator.get("/reports", params={"eventID": made["id"]}).json()[0]
    kinds = {row["payloadType"] for row in report["payloadDescriptors"]}
    assert {"USAGE", "BASELINE", "OPERATING_STATE", "LOAD_SHED_DELTA_AVAILABLE"} <= kinds
    assert any(row["action"] == "event.ask" and row["subject"] == name for row in _audit(api, "openadr.operator"))


def test_a_changed_event_amends_its_call_and_a_deleted_one_cancels_it(api: RunningApi, operator: httpx.Client, park: str) -> None:
    made = operator.post("/events", json=event_words(park)).json()
    name = f"oadr.{made['id']}.0.{GRID}.import_limit"
    changed = operator.put(f"/events/{made['id']}", json=event_words(park, value=25_000))
    assert changed.status_code == 200
    assert (_event(api, name)["target_mw"], _event(api, name)["revision"]) == (25.0, 2)
    # A change that is refused leaves event and call as they are, also where a part of it could have been taken.
    mixed = event_words(park, value=20_000)
    mixed["intervals"].append({"id": 1, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [9e9]}]})
    assert operator.put(f"/events/{made['id']}", json=mixed).status_code == 400
    assert _event(api, name)["target_mw"] == 25.0
    assert len(operator.get(f"/events/{made['id']}").json()["intervals"]) == 1
    other = operator.put(f"/events/{made['id']}", json=event_words(park, "EXPORT_CAPACITY_LIMIT", 10_000))
    assert other.status_code == 200
    export = f"oadr.{made['id']}.0.{GRID}.export_limit"
    assert (_event(api, name)["state"], _event(api, export)["target_mw"]) == ("cancelled", -10.0)
    assert operator.delete(f"/events/{made['id']}").status_code == 200
    assert _event(api, export)["state"] == "cancelled"
    assert operator.get(f"/events/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "value", "calls"),
    [
        ("EXPORT_CAPACITY_LIMIT", 12_000, {"export_limit": -12.0}),
        ("DISPATCH_SETPOINT", 20_000, {"peak": 20.0, "valley": 20.0}),
        ("SIMPLE", 2, {"peak": 20.0}),
        ("SIMPLE", 0, {}),
        ("ALERT_GRID_EMERGENCY", "frequency falls", {"emergency": 5.0}),
        ("PRICE", 0.31, {}),
        ("GHG", 512.2, {}),
    ],
)
def test_each_payload_type_means_something_here(
    api: RunningApi, operator: httpx.Client, park: str, kind: str, value: Any, calls: dict[str, float]
) -> None:
    answer = operator.post("/events", json=event_words(park, kind, value))
    assert answer.status_code == 201, answer.text
    rows = api.as_(Role.GRID).get("/v1/events").json()["events"]
    mine = {row["kind"]: row["target_mw"] for row in rows if row["event_id"].startswith(f"oadr.{answer.json()['id']}")}
    assert mine == calls


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"value": 10_000_000.0}, "carries between"),
        ({"value": -5.0}, "not negative"),
        ({"value": "lots"}, "needs one number"),
        ({"kind": "CHARGE_STATE_SETPOINT"}, "does not follow"),
        ({"targets": ["grid.elsewhere"]}, "name no connection"),
        ({"intervalPeriod": {"start": "2020-01-01T00:00:00Z", "duration": "PT1H"}}, "past"),
        ({"intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "-PT1H"}}, "not positive"),
        ({"intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "P9999Y"}}, "are allowed"),
        ({"intervalPeriod": None}, "no start"),
        ({"kind": "SIMPLE", "value": 7}, "a level is"),
        ({"payloadDescriptors": [THERMS]}, "KW or MW"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason_and_audited(
    api: RunningApi, operator: httpx.Client, park: str, words: dict[str, Any], why: str
) -> None:
    before = len(operator.get("/events", params={"programID": park}).json())
    answer = operator.post("/events", json=event_words(park, **words))
    assert answer.status_code == 400
    assert why in answer.json()["detail"]
    assert len(operator.get("/events", params={"programID": park}).json()) == before
    assert any(row["outcome"] == "refused" and why in row["detail"] for row in _audit(api, "openadr.operator"))


def test_null_stands_for_what_was_not_said(operator: httpx.Client, park: str) -> None:
    words = event_words(park, eventName=None, duration=None, priority=None, reportDescriptors=None, payloadDescriptors=None)
    words["intervals"][0]["intervalPeriod"] = None
    made = operator.post("/events", json=words)
    assert made.status_code == 201, made.text
    assert None not in made.json().values()


def test_the_same_named_event_sent_again_calls_nothing_twice(operator: httpx.Client, park: str) -> None:
    first = operator.post("/events", json=event_words(park, eventName="twice")).json()
    again = operator.post("/events", json=event_words(park, eventName="twice"))
    assert again.json()["id"] == first["id"]
    keyed = [operator.post("/events", json=event_words(park), headers={"Idempotency-Key": "k1"}).json()["id"] for _ in range(2)]
    assert keyed[0] == keyed[1]


def test_who_may_not_call_calls_nothing_and_is_in_the_audit(api: RunningApi, vtn: RunningVtn, park: str) -> None:
    for name in ("market", "site.a"):
        assert vtn.as_(name).post("/events", json=event_words(park)).status_code == 403
        assert any(row["outcome"] == "refused" and "may" in row["detail"] for row in _audit(api, f"openadr.{name}"))


def test_a_site_sees_what_is_meant_for_it_and_nothing_of_others(vtn: RunningVtn, operator: httpx.Client, park: str) -> None:
    market, a, b = vtn.as_("market"), vtn.as_("site.a"), vtn.as_("site.b")
    program = market.post("/programs", json={"programName": "tariff"}).json()["id"]
    ven = a.post("/vens", json={"objectType": "VEN_VEN_REQUEST", "venName": "site a"}).json()
    assert a.post("/vens", json={"objectType": "VEN_VEN_REQUEST", "venName": "site a"}).status_code == 409
    forged = {"objectType": "BL_VEN_REQUEST", "venName": "x", "clientID": "site.a", "targets": ["group-2"]}
    assert a.post("/vens", json=forged).status_code == 403
    provisioned = {"objectType": "BL_VEN_REQUEST", "venName": "site a", "clientID": "site.a", "targets": ["group-1"]}
    assert market.put(f"/vens/{ven['id']}", json=provisioned).status_code == 200
    kept = a.put(f"/vens/{ven['id']}", json={"objectType": "VEN_VEN_REQUEST", "venName": "site a"}).json()
    assert kept["targets"] == ["group-1"]
    for_a = market.post("/events", json=event_words(program, "PRICE", 0.3, targets=["group-1"])).json()["id"]
    for_all = market.post("/events", json=event_words(program, "PRICE", 0.4, targets=None)).json()["id"]
    assert {one["id"] for one in a.get("/events").json()} == {for_a, for_all}
    assert {one["id"] for one in b.get("/events").json()} == {for_all}
    assert b.get(f"/events/{for_a}").status_code == 404
    report = {"eventID": for_a, "clientName": "site a", "resources": [{"resourceName": "meter", "intervals": []}]}
    made = a.post("/reports", json=report).json()
    assert made["clientID"] == "site.a"
    assert b.post("/reports", json=report).status_code == 409
    assert b.get("/reports").json() == []
    assert b.get(f"/reports/{made['id']}").status_code == 404
    assert b.get(f"/vens/{ven['id']}").status_code == 404
    assert b.delete(f"/vens/{ven['id']}").status_code == 404
    resource = {"objectType": "VEN_RESOURCE_REQUEST", "resourceName": "meter", "venID": ven["id"]}
    assert a.post("/resources", json=resource).status_code == 201
    assert b.post("/resources", json=resource).status_code == 404
    assert [one["resourceName"] for one in a.get("/resources", params={"venID": ven["id"]}).json()] == ["meter"]
    assert operator.put(f"/programs/{program}", json={"programName": "mine now"}).status_code == 403
    assert operator.delete(f"/events/{for_all}").status_code == 403
    assert a.get(f"/programs/{park}").status_code == 404


def test_pages_and_filters(vtn: RunningVtn) -> None:
    market = vtn.as_("market")
    program = market.post("/programs", json={"programName": "pages"}).json()["id"]
    made = [market.post("/events", json=event_words(program, "PRICE", i)).json()["id"] for i in range(5)]
    old = {"start": "2020-01-01T00:00:00Z", "duration": "PT1H"}
    past = market.post("/events", json=event_words(program, "PRICE", 9, intervalPeriod=old)).json()["id"]
    ask = {"programID": program, "skip": 1, "limit": 2}
    assert [one["id"] for one in market.get("/events", params=ask).json()] == made[1:3]
    active = {one["id"] for one in market.get("/events", params={"programID": program, "active": "true"}).json()}
    assert past not in active
    assert active == set(made)
    assert market.get("/events", params={"limit": 51}).status_code == 400
    assert market.get("/events", params={"skip": -1}).status_code == 400


def test_what_was_written_is_there_after_a_restart(api: RunningApi) -> None:
    with running_vtn(api) as first:
        made = first.as_("market").post("/programs", json={"programName": "kept", "targets": ["g"]}).json()
    with running_vtn(api) as second:
        assert second.as_("market").get(f"/programs/{made['id']}").json() == made


def test_a_call_whose_caller_never_got_an_answer_is_taken_back(api: RunningApi) -> None:
    with running_vtn(api) as first:
        operator = first.as_("operator")
        program = next(one["id"] for one in operator.get("/programs").json() if one["programName"] == "park")
        made = operator.post("/events", json=event_words(program)).json()["id"]
    # As after a crash between the call at the door and the answer to the operator.
    book = ObjectBook(api.settings.state_dir / "openadr" / "vtn.sqlite3")
    record = book.get("EVENT", made)
    assert record is not None
    book.put(msgspec.structs.replace(record, pending=True))
    book.close()
    with running_vtn(api) as second:
        assert second.as_("operator").get(f"/events/{made}").status_code == 404
    assert _event(api, f"oadr.{made}.0.{GRID}.import_limit")["state"] == "cancelled"


def test_without_the_service_nothing_is_called_and_the_operator_is_told(api: RunningApi) -> None:
    with running_vtn(api, api_url="http://127.0.0.1:1") as vtn:
        operator = vtn.as_("operator")
        program = next(one["id"] for one in operator.get("/programs").json() if one["programName"] == "park")
        before = len(operator.get("/events").json())
        answer = operator.post("/events", json=event_words(program))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert len(operator.get("/events").json()) == before


class _Hook(BaseHTTPRequestHandler):
    heard: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.heard.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(503 if len(self.heard) == 1 else 200)
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        pass


def test_a_notice_that_is_not_taken_is_sent_again(vtn: RunningVtn) -> None:
    heard: list[tuple[str, bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Hook", (_Hook,), {"heard": heard}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    market = vtn.as_("market")
    place = {
        "objects": ["PROGRAM"],
        "operations": ["CREATE"],
        "callbackUrl": f"http://127.0.0.1:{server.server_port}/x",
        "bearerToken": "t",
    }
    made = market.post("/subscriptions", json={"clientName": "m", "objectOperations": [place]}).json()
    market.post("/programs", json={"programName": "told"})
    until(lambda: len(heard) >= 2)
    server.shutdown()
    server.server_close()
    market.delete(f"/subscriptions/{made['id']}")
    assert heard[0] == heard[1]
    assert heard[1][0] == "Bearer t"
    assert b'"operation":"CREATE"' in heard[1][1]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://10.0.0.1/x", "http://localhost:1/", "file:///etc/passwd", "http://[::1]/"]
)
def test_a_client_cannot_make_us_knock_inside(url: str) -> None:
    assert callback_fault(url, ()) is not None


def test_a_public_or_allowed_address_may_be_called() -> None:
    assert callback_fault("https://203.0.114.7/hook", ()) is None
    assert callback_fault("http://10.1.2.3/hook", ("10.1.0.0/16",)) is None


def test_nobody_has_more_objects_than_agreed(api: RunningApi, tmp_path: Path) -> None:
    with running_vtn(api, objects_max=1) as vtn:
        site = vtn.as_("site.b")
        words = {"clientName": "b", "objectOperations": []}
        assert [site.post("/subscriptions", json=words).status_code for _ in range(2)] == [201, 403]
