"""The VEN beside a running service. The operator's VTN is ours in one part, and a stand-in that fails on purpose in the others.

No independent VTN could be had, so requests are judged by a mock server made from the specification's own file.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from controllers.adapters.openadr3.ven.follower import Follower
from controllers.adapters.openadr3.ven.process import follow_vtn
from controllers.adapters.openadr3.ven.settings import CallbackSettings, VenSettings
from controllers.api.roles import Role
from tests.api_service import GRID, RunningApi, until
from tests.console_builders import NOW
from tests.openadr_rig import AGREED, SECRETS, event_words, running_vtn
from tests.openadr_spec import SPEC_PATH, mend_answers

JUDGE = SPEC_PATH.parents[2] / "tools" / "oadr3-mock"
KEPT = Path(__file__).resolve().parents[2] / "out" / "oadr3-mock"


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


class _Running:
    """A follower in the service's loop."""

    def __init__(self, api: RunningApi, settings: VenSettings, **more: Any) -> None:
        self._api, self._up = api, threading.Event()
        self.follower: Follower
        self._serving = api.in_loop(self._run(settings, more))
        assert self._up.wait(20.0), self._serving.exception(0) if self._serving.done() else "the VEN is not up"

    async def _run(self, settings: VenSettings, more: dict[str, Any]) -> None:
        def ready(follower: Follower) -> None:
            self.follower = follower
            self._up.set()

        self._task = asyncio.ensure_future(follow_vtn(settings, ready, **more))
        await asyncio.wait({self._task})

    def stop(self) -> None:
        self._api._loop.call_soon_threadsafe(self._task.cancel)
        self._serving.result(20.0)
        assert self._task.cancelled() or self._task.exception() is None


@contextmanager
def _following(api: RunningApi, folder: Path, url: str, **more: Any) -> Iterator[Follower]:
    clocks = {name: more.pop(name) for name in ("now", "monotonic_s") if name in more}
    words: dict[str, Any] = {
        "vtn_url": url,
        "client_id": "site.a",
        "client_secret_file": _file(folder, "secret", SECRETS["site.a"][0]),
        "ven_name": "chifeng",
        "agreements": (AGREED,),
        "poll_s": 0.2,
        "report_s": 0.2,
        "api_url": api.address,
        "state_dir": api.settings.state_dir,
    }
    running = _Running(api, VenSettings(**{**words, **more}), **clocks)
    try:
        yield running.follower
    finally:
        running.stop()
        (api.settings.state_dir / "openadr" / "ven.json").unlink(missing_ok=True)


def _call(api: RunningApi, event_id: str, tail: str = f"0.{GRID}.import_limit") -> dict[str, Any]:
    found: dict[str, Any] = api.as_(Role.GRID).get(f"/v1/events/oadr3.{event_id}.{tail}").json()
    return found


def _audit(api: RunningApi) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.as_(Role.OPERATOR).get("/v1/audit", params={"who": "openadr.ven"}).json()["rows"]
    return rows


@pytest.mark.parametrize("credentials", ["body", "basic"])
def test_an_operators_event_is_called_changed_cancelled_and_reported(api: RunningApi, tmp_path: Path, credentials: str) -> None:
    callback = CallbackSettings(port=0, token_file=_file(tmp_path, "token", "knock-knock"))
    # A poll an hour: all that happens within seconds happens because the VTN has knocked.
    with (
        running_vtn(api) as vtn,
        _following(api, tmp_path, vtn.url, credentials=credentials, callback=callback, poll_s=3600.0, report_s=0.1),
    ):
        market = vtn.as_("market")
        until(lambda: market.get("/subscriptions", params={"clientName": "chifeng"}).json())
        assert [one["venName"] for one in market.get("/vens").json()].count("chifeng") == 1
        program = market.post("/programs", json={"programName": f"of the operator {credentials}"}).json()["id"]
        made = market.post("/events", json=event_words(program, targets=None)).json()["id"]
        called = until(lambda: _found(_call(api, made)))
        assert (called["target_mw"], called["by"]) == (30.0, "openadr.ven")
        market.put(f"/events/{made}", json=event_words(program, value=12_000, targets=None))
        until(lambda: _call(api, made)["target_mw"] == 12.0)
        report = until(lambda: market.get("/reports", params={"eventID": made}).json())[0]
        assert report["clientName"] == "chifeng"
        market.delete(f"/events/{made}")
        until(lambda: _call(api, made)["state"] == "cancelled")


def _found(row: dict[str, Any]) -> dict[str, Any] | None:
    return row if "event_id" in row else None


def test_an_event_that_cannot_be_kept_is_refused_back_with_the_reason(api: RunningApi, tmp_path: Path) -> None:
    with running_vtn(api) as vtn, _following(api, tmp_path, vtn.url):
        market = vtn.as_("market")
        program = market.post("/programs", json={"programName": "absurd"}).json()["id"]
        huge = market.post("/events", json=event_words(program, value=1e7, targets=None)).json()["id"]
        report = until(lambda: market.get("/reports", params={"eventID": huge}).json())[0]
        assert "refused: body.target_mw" in report["reportName"]
        assert report["resources"][0]["intervals"][0]["payloads"] == [{"type": "OPERATING_STATE", "values": ["IDLE_OPTED_OUT"]}]
        past = event_words(program, targets=None, intervalPeriod={"start": "2020-01-01T00:00:00Z", "duration": "PT1H"})
        late = market.post("/events", json=past).json()["id"]
        report = until(lambda: market.get("/reports", params={"eventID": late}).json())[0]
        assert "past" in report["reportName"]
    refused = [row for row in _audit(api) if row["outcome"] == "refused"]
    assert any(late in row["subject"] and "past" in row["detail"] for row in refused)
    assert any(huge in row["subject"] and "carries between" in row["detail"] for row in refused)


class _StandIn:
    """A VTN of somebody else that can be told to fail: what it answers, and what it was asked."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.fail = 0
        self.taken_tokens = {"t1"}
        self.next_token = "t1"
        self.date: str | None = None
        self.tokens_given = 0
        self.reports: list[dict[str, Any]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.answer(self, None)

            def do_POST(self) -> None:
                stand_in.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            do_PUT = do_POST  # noqa: N815  a name of the library

            def date_time_string(self, timestamp: float | None = None) -> str:
                return stand_in.date or super().date_time_string(timestamp)

            def log_message(self, *_words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: Any, body: bytes | None) -> None:
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        if self.fail:
            return self._send(request, self.fail, {"title": "down"})
        if path == "/auth/server":
            return self._send(request, 200, {"tokenURL": f"{self.url}/auth/token"})
        if path == "/auth/token":
            self.tokens_given += 1
            return self._send(request, 200, {"access_token": self.next_token, "token_type": "Bearer", "expires_in": 3600})
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.taken_tokens:
            return self._send(request, 401, {"title": "Unauthorized"})
        if body is not None:
            said = json.loads(body)
            self.reports += [said] if path.startswith("/reports") else []
            return self._send(request, 200 if request.command == "PUT" else 201, {**said, "id": "made-here"})
        rows = {"/events": self.events, "/programs": [{"id": "p", "programName": "p"}]}.get(path, [])
        return self._send(request, 200, rows if query.get("skip", ["0"]) == ["0"] else [])

    @staticmethod
    def _send(request: Any, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(raw)))
        request.end_headers()
        request.wfile.write(raw)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def stand_in() -> Iterator[_StandIn]:
    vtn = _StandIn()
    yield vtn
    vtn.close()


def _theirs(name: str, **more: Any) -> dict[str, Any]:
    return {**event_words("p", **more), "id": name, "modificationDateTime": "2030-01-01T00:00:00Z"}


def test_what_was_called_outlives_a_lost_vtn_and_is_not_called_twice(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    stand_in.events = [_theirs("lost-1")]
    with _following(api, tmp_path, stand_in.url) as follower:
        until(lambda: _found(_call(api, "lost-1")))
        stand_in.fail = 503
        until(lambda: follower._failures >= 1)
        assert _call(api, "lost-1")["state"] == "received"
        stand_in.fail = 0
        until(lambda: follower._failures == 0)
        assert (_call(api, "lost-1")["revision"], _call(api, "lost-1")["state"]) == (1, "received")


def test_a_change_that_is_refused_leaves_what_was_taken(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    stand_in.events = [_theirs("kept-1")]
    with _following(api, tmp_path, stand_in.url):
        until(lambda: _found(_call(api, "kept-1")))
        stand_in.events = [{**_theirs("kept-1", value=9e9), "modificationDateTime": "2030-01-01T01:00:00Z"}]
        until(lambda: any("refused: " in said["reportName"] for said in stand_in.reports))
        assert (_call(api, "kept-1")["target_mw"], _call(api, "kept-1")["state"]) == (30.0, "received")


def test_a_token_that_is_not_taken_any_more_is_renewed(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    with _following(api, tmp_path, stand_in.url):
        until(lambda: stand_in.tokens_given == 1)
        stand_in.next_token = "t2"
        stand_in.taken_tokens = {"t2"}
        stand_in.events = [_theirs("renewed-1")]
        until(lambda: _found(_call(api, "renewed-1")))
        assert stand_in.tokens_given == 2


def test_a_token_is_renewed_before_it_ends(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    clock_s = [0.0]
    with _following(api, tmp_path, stand_in.url, monotonic_s=lambda: clock_s[0]):
        until(lambda: stand_in.tokens_given == 1)
        clock_s[0] = 3580.0
        until(lambda: stand_in.tokens_given == 2)


def test_clocks_that_differ_are_noticed_and_ours_is_followed(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=10)  # noqa: TID251  the stand-in's own clock
    stand_in.date = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")
    stand_in.events = [_theirs("skewed-1")]
    with _following(api, tmp_path, stand_in.url) as follower:
        called = until(lambda: _found(_call(api, "skewed-1")))
        assert follower.vtn.skew_s == pytest.approx(600.0, abs=30.0)
    assert datetime.fromisoformat(called["start"]) == NOW + timedelta(hours=1)


def test_one_malformed_event_does_not_keep_others_out(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    broken = {**_theirs("broken-1"), "intervals": [{"id": "one", "payloads": "none"}]}
    stand_in.events = [broken, 17, {"no": "id"}, _theirs("sound-1")]
    with _following(api, tmp_path, stand_in.url):
        until(lambda: _found(_call(api, "sound-1")))
        until(lambda: any(said["eventID"] == "broken-1" for said in stand_in.reports))
    said = next(one for one in stand_in.reports if one["eventID"] == "broken-1")
    assert said["reportName"].startswith("refused: intervals.0")
    assert any("broken-1" in row["subject"] and row["outcome"] == "refused" for row in _audit(api))


def test_whoever_knocks_without_the_word_wakes_nobody(api: RunningApi, tmp_path: Path, stand_in: _StandIn) -> None:
    import httpx

    callback = CallbackSettings(port=0, token_file=_file(tmp_path, "token", "the word"))
    with _following(api, tmp_path, stand_in.url, callback=callback) as follower:
        assert follower.callback_url is not None
        assert httpx.post(follower.callback_url, json={}).status_code == 401
        assert httpx.post(follower.callback_url, json={}, headers={"Authorization": "Bearer the word"}).status_code == 200


@pytest.mark.skipif(not JUDGE.exists(), reason="no judge of requests here (../shared/tools/oadr3-mock)")
def test_every_request_keeps_to_the_specification(api: RunningApi, tmp_path: Path) -> None:
    """The judge answers with examples; they are moved to where the park can be called, so that reports follow too."""
    document = yaml.safe_load(SPEC_PATH.read_text(encoding="utf-8"))
    schemas = mend_answers(document)["components"]["schemas"]
    schemas["dateTime"]["example"] = (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    schemas["valuesMap"]["properties"]["type"]["example"] = "IMPORT_CAPACITY_LIMIT"
    schemas["valuesMap"]["properties"]["values"]["example"] = [30_000]
    schemas["target"]["example"] = GRID
    schemas["duration"].pop("default")
    schemas["eventPayloadDescriptor"]["properties"]["units"] = {"type": "string", "example": "KW"}
    schemas["eventRequest"]["properties"].pop("reportDescriptors")
    spec = tmp_path / "openadr3.yaml"
    spec.write_text(yaml.safe_dump(document), encoding="utf-8")
    KEPT.mkdir(parents=True, exist_ok=True)
    subprocess.run([JUDGE, "down", KEPT], check=True)
    subprocess.run([JUDGE, "up", KEPT, "--spec", spec, "--port", "18733"], check=True, timeout=180, capture_output=True)
    token = _file(tmp_path, "token", "of the callback")
    try:
        callback = CallbackSettings(port=0, token_file=token)
        url = "http://127.0.0.1:18733"
        with _following(api, tmp_path, url, token_url=f"{url}/auth/token", callback=callback) as follower:
            until(lambda: any(known.report_id and known.calls for known in follower.memory.events.values()), 20.0)
        log = (KEPT / "log").read_text(encoding="utf-8", errors="replace")
        verdict = subprocess.run([JUDGE, "log", KEPT], capture_output=True, text=True, check=False)
    finally:
        subprocess.run([JUDGE, "down", KEPT], check=True)
    assert verdict.returncode == 0, verdict.stdout
    for request in (
        "post /auth/token",
        "get /programs",
        "get /events",
        "get /vens",
        "get /subscriptions",
        "post /vens",
        "post /subscriptions",
        "post /reports",
    ):
        assert request in log.lower(), request
