"""The commands that ask a running service, typed as people type them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from controllers.api.roles import Role
from controllers.cli import main
from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable, Promise
from tests.api_service import GRID, FieldTalk, RunningApi, running_api, until
from tests.console_builders import NOW


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("cli")) as service:
        talk = FieldTalk(service)
        talk.devices()
        talk.orders()
        talk.plan()
        service.store.raise_alarm("broker", level="warning", text="the broker was away for 5 min", at=NOW)
        viewer = service.as_(Role.VIEWER)
        until(lambda: viewer.get("/v1/live").json()["plan_id"])
        yield service


class Terminal:
    """Types a command and reads what it says."""

    def __init__(self, api: RunningApi, capsys: pytest.CaptureFixture[str]) -> None:
        self._api, self._capsys = api, capsys

    def types(self, words: str, *more: str, role: Role = Role.OPERATOR) -> tuple[int, str, str]:
        told = [*words.split(), *more, "--url", self._api.address, "--token", self._api.token(role)]
        status = main(told)
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def right(self, words: str, *more: str, role: Role = Role.OPERATOR) -> str:
        status, out, err = self.types(words, *more, role=role)
        assert (status, err) == (0, "")
        return out

    def wrong(self, words: str, *more: str, role: Role = Role.OPERATOR) -> tuple[int, str]:
        status, out, err = self.types(words, *more, role=role)
        assert out == ""
        assert err.count("\n") == 1
        return status, err.strip()


@pytest.fixture
def terminal(api: RunningApi, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(api, capsys)


def test_status_shows_each_asset_with_power_command_and_reason_and_the_alarms(terminal: Terminal, api: RunningApi) -> None:
    out = terminal.right("status")
    assert all(asset.id in out for asset in api.park.assets)
    line = next(line for line in out.splitlines() if line.startswith("bess.hongshan"))
    assert all(word in line for word in ("remote", "-12.0", "target -12.0", "✓", "mpc", "312 CNY/MWh"))
    assert "the broker was away for 5 min" in out
    assert "Forecasts 预测" in out


def test_status_writes_the_same_facts_for_machines(terminal: Terminal, api: RunningApi) -> None:
    facts = json.loads(terminal.right("status --json"))
    assert len(facts["live"]["assets"]) == len(api.park.assets)
    assert facts["alarms"][0]["key"] == "broker"


def test_an_asset_is_pinned_seen_and_given_back(terminal: Terminal) -> None:
    said = terminal.right("override pin bess.hongshan --power-mw -3 --for 2h --why", "thermal test")
    assert "bess.hongshan pin at -3 MW" in said
    listed = terminal.right("override list")
    assert all(word in listed for word in ("bess.hongshan", "pin", "-3", "test.operator", "thermal test"))
    number = said.split()[1].rstrip(":")
    assert f"ended: {number}" in terminal.right("override release bess.hongshan")
    assert "no override stands" in terminal.right("override list")


def test_a_window_and_a_local_asset_are_booked_and_ended_by_number(terminal: Terminal) -> None:
    window = terminal.right("override maintenance h2.envision --start +1h --for 8h --why", "new membranes")
    local = terminal.right("override local wind.hongshan --why", "blade inspection")
    for said in (window, local):
        number = said.split()[1].rstrip(":")
        assert "ended" in terminal.right(f"override release {number}")


def test_a_call_is_made_amended_listed_and_taken_back(terminal: Terminal) -> None:
    words = f"event call peak-1 --connection {GRID} --kind peak --target-mw 50 --start +30m --for 2h"
    assert "peak-1 revision 1: received" in terminal.right(words, role=Role.GRID)
    assert "revision 2" in terminal.right("event amend peak-1 --target-mw 70 --end +3h", role=Role.GRID)
    assert "peak-1" in terminal.right("event list", role=Role.GRID)
    assert "cancelled" in terminal.right("event cancel peak-1", role=Role.GRID)


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ("override pin bess.hongshan --power-mw 10000 --for 2h --why test", 2, "bess.hongshan runs between"),
        ("override pin bess.hongshan --power-mw 3 --why test", 2, "say for how long"),
        ("override pin bess.hongshan --power-mw 3 --for soon --why test", 2, "--for: soon: no length of time"),
        ("override local bess.hongshan --start 08:00 --why test", 2, "--start: 08:00: no instant"),
        ("override maintenance h2.envision --why test", 2, "say from when"),
        ("override release bess.moon", 2, "no such asset"),
        ("override release 4711", 1, "no such override stands"),
        ("event cancel nothing", 1, "operator test.operator may not DELETE"),
        ("token keys", 1, "may not GET /v1/keys"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(terminal: Terminal, words: str, status: int, line: str) -> None:
    said = terminal.wrong(words)
    assert said[0] == status
    assert line in said[1]


def test_an_admin_makes_lists_and_revokes_keys(terminal: Terminal) -> None:
    said = terminal.right("token key --name wang --role viewer", role=Role.ADMIN)
    assert said.startswith("vpp_")
    key_id = said.split("_")[1]
    assert key_id in terminal.right("token keys", role=Role.ADMIN)
    assert "is revoked" in terminal.right(f"token revoke {key_id}", role=Role.ADMIN)


def test_without_a_service_or_a_token_the_line_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VPP_TOKEN", raising=False)
    assert main(["status", "--url", "http://127.0.0.1:9", "--token", "x"]) == 1
    assert "no service answers" in capsys.readouterr().err
    assert main(["status", "--url", "http://127.0.0.1:9"]) == 1
    assert "vpp token operator" in capsys.readouterr().err


def test_a_token_from_the_services_own_machine_opens_the_service(
    api: RunningApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPP_STATE_DIR", str(api.settings.state_dir))
    assert main(["token", "viewer", "--hours", "1"]) == 0
    made = capsys.readouterr().out.strip()
    assert api.client(made).get("/v1/whoami").json()["role"] == "viewer"


def test_a_length_beyond_what_a_token_lives_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "viewer", "--hours", "1000"]) == 2
    assert f"for up to {timedelta(days=7).days} days" in capsys.readouterr().err


def test_the_offer_is_asked_for_by_the_same_words_and_a_bound_is_no_promise(
    terminal: Terminal, api: RunningApi, tmp_path: Path
) -> None:
    status, out, err = terminal.types("flexibility", role=Role.GRID)
    assert (status, GRID in out) == (1, True)
    assert "promises nothing yet" in err
    at = datetime.fromisoformat(api.as_(Role.GRID).get("/v1/flexibility").json()["at"])
    promises = tuple(
        Promise(confidence=c, power_mw=mw, import_mw=60.0 - mw, cost_cny=900.0, cost_cny_per_mwh=300.0)
        for c, mw in ((0.5, 41.0), (0.9, 32.0), (0.99, 23.0))
    )
    cells = tuple(
        OfferCell(direction=way, start=at, duration_h=1.0, expected_import_mw=60.0, promises=promises) for way in ("give", "take")
    )
    meter = MeterOffer(connection=GRID, response_s={"give": 2.0, "take": None}, ramp_mw_per_min={"give": 23.0}, cells=cells)
    table = OfferTable(
        at=at, courses=20, confidences=(0.5, 0.9, 0.99), worth_cny_per_mwh=3000.0, events=(), learnt_from="", meters=(meter,)
    )
    api.store.remember("flexibility.current", msgspec.json.encode(table))
    plot = tmp_path / "offer.png"
    shown = terminal.right("flexibility", "--plot", str(plot), role=Role.GRID)
    assert "23 (32, 41) 300" in shown
    assert "90 % in 2 s" in shown
    assert plot.read_bytes().startswith(b"\x89PNG")
