"""The weather adapter against a real HTTP server that answers, fails, cuts off and hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from controllers.adapters.weather import OpenMeteo
from controllers.clock import WallClock

RECORDED = Path(__file__).parents[1] / "golden" / "weather"
GOOD = (RECORDED / "chifeng_20301001T0012Z.json").read_bytes()
REFUSED = (RECORDED / "chifeng_20301001T1212Z.json").read_bytes()


@contextmanager
def service(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A server that gives its answers in turn, the last one for ever, and remembers what it was asked."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            asked.append(parse_qs(urlsplit(self.path).query))
            status, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/forecast", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def source(url: str) -> OpenMeteo:
    return OpenMeteo(url, WallClock(start=datetime(2030, 10, 1, 0, 12, tzinfo=UTC)), timeout_s=2.0, attempts=2, pause_s=0.01)


async def test_an_answer_is_fetched_for_the_place_and_stamped_by_the_clock() -> None:
    with service((200, GOOD)) as (url, asked):
        answer = await source(url).fetch(42.3, 118.9)
    assert answer is not None
    assert answer.received_at.year == 2030
    assert asked[0]["latitude"] == ["42.3000"]


async def test_a_service_that_fails_once_is_asked_again() -> None:
    with service((503, b"busy"), (200, GOOD)) as (url, asked), capture_logs() as logs:
        assert await source(url).fetch(42.3, 118.9) is not None
    assert len(asked) == 2
    assert [line["event"] for line in logs] == ["weather.fetch_failed"]


@pytest.mark.parametrize(("status", "body"), [(200, REFUSED), (200, GOOD[:500]), (500, b"")])
async def test_a_service_that_keeps_failing_leaves_nothing_and_a_warning(status: int, body: bytes) -> None:
    with service((status, body)) as (url, _), capture_logs() as logs:
        assert await source(url).fetch(42.3, 118.9) is None
    assert [line["attempt"] for line in logs] == [1, 2]


async def test_a_service_that_is_not_there_is_no_exception() -> None:
    with capture_logs() as logs:
        assert await source("http://127.0.0.1:9/v1/forecast").fetch(42.3, 118.9) is None
    assert len(logs) == 2
