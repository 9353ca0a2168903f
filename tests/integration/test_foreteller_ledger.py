"""What farms could have given, read out of a real ledger of either kind; and a token that is shown to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from controllers.cli import main
from controllers.foreteller.ledger_power import LedgerPower
from controllers.store import Reading, RegisterRow, open_store
from vpp.ids import AssetId

START = datetime(2030, 10, 1, tzinfo=UTC)
QUARTER, SECOND = timedelta(minutes=15), timedelta(seconds=1)
WIND = AssetId("wind.a")


def test_registers_and_readings_say_the_same_in_both_databases(url: str) -> None:
    store = open_store(url)
    registers = [
        RegisterRow(
            subject=WIND,
            quantity="available_mw",
            start=START + k * QUARTER,
            mean=40.0 + k,
            measured_share=1.0,
            received_at=None if k == 0 else START + (k + 1) * QUARTER,
        )
        for k in range(4)
    ]
    store.write_registers(registers)
    begin = START + 4 * QUARTER
    store.write_readings(
        Reading(subject=WIND, quantity="available_mw", measured_at=at, received_at=at + SECOND, value=80.0)
        for at in (begin + k * 10 * SECOND for k in range(90))
    )
    ledger = LedgerPower.at(url)
    known_at = begin + QUARTER
    told = ledger.available(WIND, 100.0, known_at=known_at, start=START, end=known_at)
    assert told.value.tolist() == pytest.approx([0.40, 0.41, 0.42, 0.43, 0.80])
    # A register without a receipt was written by the settlement, five minutes after its end.
    early = START + QUARTER + timedelta(minutes=4)
    assert ledger.available(WIND, 100.0, known_at=early, start=START, end=early).value.size == 0
    assert ledger.first_at([WIND, AssetId("wind.b")]) == START
    assert ledger.first_at([AssetId("wind.b")]) is None
    ledger.engine.dispose()
    store.close()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A server that sends whoever asks on to another path of its own, and remembers what was shown there."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
            if self.path == "/elsewhere":
                shown.append(self.headers["Authorization"])
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", shown
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_token_is_not_taken_along_to_another_address(
    elsewhere: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    address, shown = elsewhere
    assert main(["status", "--url", address, "--token", "secret"]) == 1
    assert shown == []
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1", "no address"])
def test_only_http_is_asked(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", address, "--token", "secret"]) == 1
    assert "no service answers" in capsys.readouterr().err
