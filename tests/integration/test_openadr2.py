"""OpenADR 2.0b towards older sites. The site's client is openleadr too, in a process of its own: no other could be had."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controllers.adapters.openadr2.signals import signal_of
from controllers.adapters.openadr3.words import Event
from tests.api_service import running_api, until
from tests.openadr_rig import SECRETS, RunningVtn, event_words, running_vtn

pytest.importorskip("openleadr", reason="openleadr is not installed (extra openadr2)")
OLD_PATH = "/OpenADR2/Simple/2.0b"
SITE = Path(__file__).resolve().parents[1] / "old_site.py"


@pytest.fixture(scope="module")
def vtn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVtn]:
    with running_api(tmp_path_factory.mktemp("api")) as api, running_vtn(api) as running:
        yield running


@contextmanager
def _running(*words: object) -> Iterator[list[str]]:
    """A process and what it says; ended with the block."""
    process = subprocess.Popen([sys.executable, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines: list[str] = []
    assert process.stdout is not None
    out = process.stdout
    reader = threading.Thread(target=lambda: lines.extend(out), daemon=True)
    reader.start()
    yield lines
    process.terminate()
    process.wait(10.0)
    reader.join(5.0)
    out.close()


@contextmanager
def _bridge(vtn: RunningVtn, folder: Path) -> Iterator[str]:
    """The command itself: the library's warnings are its own, in a process of its own."""
    secret, config = folder / "secret", folder / "old.toml"
    secret.write_text(SECRETS["site.b"][0], encoding="utf-8")
    secret.chmod(0o600)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    site = f'[[sites]]\nven_name = "old"\nclient_id = "site.b"\nclient_secret_file = "{secret}"\n'
    config.write_text(f'vtn_url = "{vtn.url}"\nport = {port}\npoll_s = 0.3\n{site}', encoding="utf-8")
    with _running("-m", "controllers.cli", "openadr", "old", "--config", config) as lines:
        until(lambda: any(line.startswith("openadr2") for line in list(lines)), 20.0)
        yield f"http://127.0.0.1:{port}" + OLD_PATH


def _soon(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251  the site's own clock


def test_an_older_site_gets_its_event_and_its_answer_comes_back(vtn: RunningVtn, tmp_path: Path) -> None:
    market = vtn.as_("market")
    program = market.post("/programs", json={"programName": "older sites"}).json()["id"]
    period = {"start": _soon(30), "duration": "PT1H"}
    words = event_words(program, "SIMPLE", 2, targets=None, intervalPeriod=period)
    with _bridge(vtn, tmp_path) as url, _running(SITE, url, "old", "optOut") as lines:
        until(lambda: any(line.startswith("registered") for line in list(lines)), 20.0)
        made = market.post("/events", json=words).json()["id"]
        until(lambda: any("SIMPLE 2" in line for line in list(lines)), 20.0)
        (report,) = until(lambda: market.get("/reports", params={"eventID": made}).json(), 20.0)
        assert (report["clientID"], report["reportName"]) == ("site.b", "optOut")
        assert report["resources"][0]["intervals"][0]["payloads"][0]["values"] == ["IDLE_OPTED_OUT"]
        market.delete(f"/events/{made}")
        until(lambda: any("cancelled" in line for line in list(lines)), 20.0)


def test_who_is_not_named_is_not_registered(vtn: RunningVtn, tmp_path: Path) -> None:
    with _bridge(vtn, tmp_path) as url, _running(SITE, url, "stranger", "optIn") as lines:
        until(lambda: lines, 20.0)
        assert not any(line.startswith("registered registration") for line in list(lines))


def test_payloads_and_intervals_are_carried_over() -> None:
    words = event_words("p", "IMPORT_CAPACITY_LIMIT", 500.0)
    words["intervals"].append({"id": 1, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [400]}]})
    event = Event.model_validate(words)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    signal = signal_of(event, now)
    assert not isinstance(signal, str)
    assert (signal.name, [one.value for one in signal.intervals]) == ("LOAD_CONTROL", [500.0, 400.0])
    assert signal.intervals[1].start - signal.intervals[0].start == timedelta(hours=1)
    assert "none of its payload types" in str(signal_of(Event.model_validate(event_words("p", "GHG", 1.0)), now))
