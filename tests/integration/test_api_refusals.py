"""Calls of the grid that must not be taken: each is refused with its reason, written nowhere but into the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.clock import WallClock
from controllers.token_secret import token_secret
from tests.api_service import GRID, RunningApi, running_api
from tests.console_builders import NOW

START, END = NOW + timedelta(minutes=30), NOW + timedelta(hours=2)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("refusals")) as service:
        yield service


@pytest.fixture(scope="module")
def grid(api: RunningApi) -> httpx.Client:
    return api.as_(Role.GRID, name="dispatch.centre")


def call(**said: Any) -> dict[str, Any]:
    asked = {"event_id": "e", "connection": GRID, "kind": "peak", "target_mw": 50.0}
    return asked | {"start": START.isoformat(), "end": END.isoformat()} | said


def audited(api: RunningApi, who: str) -> list[str]:
    """What the audit says of somebody's refusals, newest first."""
    rows = api.store.audits(NOW - timedelta(days=1), NOW + timedelta(days=1))
    return [row.detail for row in rows if row.who == who and row.outcome == "refused"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (call(target_mw=10_000.0), "carries between"),
        (call(target_mw=1e9), "target_mw"),
        (call(target_mw="NaN"), "target_mw"),
        (call(end=(START - timedelta(hours=1)).isoformat()), "must come after start"),
        (call(end=START.isoformat()), "must come after start"),
        (call(start=(NOW - timedelta(days=2)).isoformat(), end=(NOW - timedelta(days=1)).isoformat()), "is past"),
        (call(start=(NOW - timedelta(days=1)).isoformat()), "is past"),
        (call(start=(NOW + timedelta(days=4_000)).isoformat(), end=(NOW + timedelta(days=4_001)).isoformat()), "ahead"),
        (call(end=(START + timedelta(days=900)).isoformat()), "h after start"),
        (call(connection="grid.moon"), "no such connection"),
        (call(kind="party"), "kind"),
        (call(start="tomorrow"), "start"),
        (call(watts=5), "no such field"),
        ({"event_id": "e"}, "connection"),
    ],
)
def test_what_is_malformed_absurd_past_or_backwards_is_refused_and_audited(
    api: RunningApi, grid: httpx.Client, body: dict[str, Any], reason: str
) -> None:
    before = len(audited(api, "dispatch.centre"))
    answer = grid.post("/v1/events", json=body)
    assert (answer.status_code, "\n" in answer.json()["detail"]) == (422, False)
    assert reason in answer.json()["detail"]
    lines = audited(api, "dispatch.centre")
    assert len(lines) == before + 1
    assert reason in lines[0]
    assert api.store.event("e") is None


def test_what_is_no_json_at_all_is_refused_and_audited(api: RunningApi, grid: httpx.Client) -> None:
    before = len(audited(api, "dispatch.centre"))
    assert grid.post("/v1/events", content=b"{half", headers={"Content-Type": "application/json"}).status_code == 422
    assert len(audited(api, "dispatch.centre")) == before + 1


def test_a_call_that_contradicts_itself_under_its_own_name_is_refused_and_audited(api: RunningApi, grid: httpx.Client) -> None:
    assert grid.post("/v1/events", json=call(event_id="twice")).status_code == 201
    answer = grid.post("/v1/events", json=call(event_id="twice", kind="valley"))
    assert answer.status_code == 409
    assert "another kind" in audited(api, "dispatch.centre")[0]
    row = api.store.event("twice")
    assert row is not None
    assert row.kind == "peak"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SCHEDULER])
def test_who_is_not_the_grid_may_not_call_and_that_is_audited(api: RunningApi, role: Role) -> None:
    somebody = api.as_(role, name=f"not.grid.{role}")
    assert somebody.post("/v1/events", json=call(event_id="stolen")).status_code == 403
    assert "may not POST /v1/events; it takes the right to call: grid, admin" in audited(api, f"not.grid.{role}")[0]
    assert api.store.event("stolen") is None


def test_a_token_that_was_taken_back_opens_nothing_when_it_is_replayed_and_that_is_audited(api: RunningApi) -> None:
    holder = api.as_(Role.GRID, name="replayed")
    assert holder.post("/v1/events", json=call(event_id="before")).status_code == 201
    assert holder.request("DELETE", "/v1/token").status_code < 300
    answer = holder.post("/v1/events", json=call(event_id="after"))
    assert answer.status_code == 401
    assert "taken back" in answer.json()["detail"]
    assert any("taken back" in line for line in audited(api, "127.0.0.1"))
    assert api.store.event("after") is None


def test_a_token_whose_life_is_over_or_that_somebody_else_signed_opens_nothing_and_that_is_audited(api: RunningApi) -> None:
    caller, now = Caller("old", Role.GRID), WallClock().now()
    over = mint(token_secret(api.settings.state_dir), caller, now - timedelta(hours=2), timedelta(hours=1))
    forged = mint(b"somebody else's secret, long enough to sign with", caller, now, timedelta(hours=1))
    for text, reason in ((over, "expired"), (forged, "not ours")):
        answer = api.client(text).post("/v1/events", json=call(event_id="ghost"))
        assert answer.status_code == 401
        assert reason in answer.json()["detail"]
        assert any(reason in line for line in audited(api, "127.0.0.1"))
    assert api.store.event("ghost") is None
