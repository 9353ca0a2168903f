"""What the API answers, and what it never loses, when something dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from controllers.api.process import start_token
from controllers.api.roles import Role
from controllers.settings import Settings
from controllers.store import open_store
from tests.api_service import CLUSTER, GRID, PARK_PATH, FieldTalk, RunningApi, running_api, until
from tests.console_builders import NOW

LATER = (NOW + timedelta(hours=2)).isoformat()
PIN = {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 3.0, "end": LATER, "why": "thermal test"}
WORK = {"job_class": "day", "energy_mwh": 1.0, "release": NOW.isoformat(), "deadline": LATER, "max_mw": 5.0, "tier": 3}

_PROGRAM = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from controllers.api.process import run_api
from controllers.settings import ApiSettings, ClockSettings, Settings
from vpp.errors import VppError
from vpp.park import load
park, state_dir, broker, port = sys.argv[1:]
settings = Settings(park=Path(park), state_dir=Path(state_dir), api=ApiSettings(port=int(port)),
                    clock=ClockSettings(start=datetime(2030, 10, 7, 2, 15, tzinfo=UTC)))
try:
    run_api(settings, load(park, at=date(2030, 10, 1)), broker, on_ready=lambda address: print(address, flush=True))
except VppError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("faults")) as service:
        yield service


@contextmanager
def process(state_dir: Path, broker: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The API as a process of its own, and its address."""
    words = [sys.executable, "-c", _PROGRAM, str(PARK_PATH), str(state_dir), broker, str(port)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        lines = (line.strip() for line in child.stdout)
        yield child, next((line for line in lines if line.startswith("http")), "")
    finally:
        child.kill()
        child.communicate(timeout=20)


def _client(address: str, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=20.0, trust_env=False, verify=False
    )


def test_what_was_answered_survives_a_kill_and_nothing_else_came_of_it(api: RunningApi, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    with process(tmp_path, api.broker.url) as (child, address), _client(address, start_token(settings)) as client:
        numbers = [client.post("/v1/overrides", json=PIN | {"power_mw": float(n)}).json()["number"] for n in range(3)]
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10.0)
    with closing(open_store(settings.store_url)) as store:
        assert [row.number for row in store.overrides_open(NOW)] == numbers
        assert [ask.row for ask in store.asks_after(0)] == numbers
    with process(tmp_path, api.broker.url) as (child, address), _client(address, start_token(settings)) as client:
        assert len(client.get("/v1/overrides").json()["overrides"]) == 3


def test_it_ends_gently_when_it_is_asked_to_also_with_a_stream_open(api: RunningApi, tmp_path: Path) -> None:
    with (
        process(tmp_path, api.broker.url) as (child, address),
        _client(address, start_token(Settings(state_dir=tmp_path))) as client,
    ):
        with client.stream("GET", "/v1/stream") as lines:
            assert next(lines.iter_lines()) == "event: state"
            began_s = time.monotonic()
            child.terminate()
            child.wait(10.0)
        assert time.monotonic() - began_s < 8.0
        assert child.returncode in (0, -signal.SIGTERM)


def test_a_port_that_is_taken_is_one_clear_line(api: RunningApi, tmp_path: Path) -> None:
    port = int(api.address.rpartition(":")[2])
    words = [sys.executable, "-c", _PROGRAM, str(PARK_PATH), str(tmp_path), api.broker.url, str(port)]
    found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 1
    assert f"api: 127.0.0.1:{port}: Address already in use" in found.stderr
    assert found.stderr.count("\n") == 1


def _wait_for_bus(client: httpx.Client, word: str) -> Any:
    return until(lambda: (said := client.get("/readyz").json())["checks"]["bus"] == word and said, 20.0)


def test_without_a_broker_people_are_still_heard_and_schedulers_are_told_to_try_again(tmp_path: Path) -> None:
    with running_api(tmp_path) as service:
        operator, scheduler = service.as_(Role.OPERATOR), service.as_(Role.SCHEDULER)
        _wait_for_bus(operator, "ok")
        service.in_loop(service.broker.stop()).result(10.0)
        _wait_for_bus(operator, "not connected")
        assert operator.get("/readyz").status_code == 503
        assert operator.get("/v1/live").json()["connected"] is False
        assert operator.post("/v1/overrides", json=PIN).status_code == 201
        body = {"items": [WORK | {"preemptible": True}]}
        refused = scheduler.post(f"/v1/compute/{CLUSTER}/backlog", json=body)
        assert (refused.status_code, refused.json()["code"]) == (503, "bus_away")
        service.in_loop(service.broker.start()).result(20.0)
        _wait_for_bus(operator, "ok")
        assert scheduler.post(f"/v1/compute/{CLUSTER}/backlog", json=body).status_code == 200
        FieldTalk(service).telemetry("bess.hongshan", -4.0)
        until(lambda: operator.get("/v1/live/bess.hongshan").json()["power_mw"] == -4.0)


def test_what_the_store_does_not_take_is_refused_and_the_present_goes_on(tmp_path: Path) -> None:
    with running_api(tmp_path) as service:
        operator, grid = service.as_(Role.OPERATOR), service.as_(Role.GRID)
        with closing(sqlite3.connect(service.settings.state_dir / "vpp.sqlite3")) as ledger:
            for table in ("overrides", "events"):
                ledger.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
            ledger.commit()
        refused = operator.post("/v1/overrides", json=PIN)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_away")
        assert "nothing was done" in refused.json()["detail"]
        start = (NOW + timedelta(minutes=30)).isoformat()
        call = {"event_id": "e1", "connection": GRID, "kind": "peak", "target_mw": 50.0, "start": start, "end": LATER}
        assert grid.post("/v1/events", json=call).status_code == 503
        assert operator.get("/v1/live").status_code == 200
        with closing(sqlite3.connect(service.settings.state_dir / "vpp.sqlite3")) as ledger:
            for table in ("overrides", "events"):
                ledger.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")
            ledger.commit()
        assert operator.post("/v1/overrides", json=PIN).status_code == 201


def test_requests_that_wait_for_the_store_do_not_hold_up_what_is_live(tmp_path: Path) -> None:
    with running_api(tmp_path) as service:
        operator = service.as_(Role.OPERATOR)
        operator.get("/v1/live")
        with closing(sqlite3.connect(service.settings.state_dir / "vpp.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")  # somebody else writes, for long
            waiting = [service.as_(Role.OPERATOR) for _ in range(12)]
            with ThreadPoolExecutor(12) as pool:
                asked = [pool.submit(c.post, "/v1/overrides", json=PIN | {"power_mw": float(n)}) for n, c in enumerate(waiting)]
                for _ in range(20):
                    assert operator.get("/v1/live", timeout=2.0).status_code == 200
                assert not any(one.done() for one in asked)
                other.rollback()
                assert {one.result(20.0).status_code for one in asked} == {201}


def test_that_the_ledger_is_not_written_is_an_alarm_that_needs_no_ledger(tmp_path: Path) -> None:
    with running_api(tmp_path) as service:
        operator = service.as_(Role.OPERATOR)
        assert operator.get("/readyz").json()["checks"]["ledger"] == "ok"
        with closing(open_store(service.settings.store_url)) as store:
            store.remember("controller.health", b'{"at": "2020-01-01T00:00:00+00:00"}')
        FieldTalk(service).plan()
        alarm = until(lambda: next(iter(operator.get("/v1/alarms").json()["alarms"]), None))
        assert (alarm["key"], alarm["number"]) == ("ledger.unwritten", 0)
        assert "not written since 2020" in operator.get("/readyz").json()["checks"]["ledger"]
        refused = operator.post("/v1/alarms/0/acknowledge", json={"note": "seen"})
        assert (refused.status_code, refused.json()["code"]) == (409, "cannot_acknowledge")
