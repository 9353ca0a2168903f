"""`vpp serve` as a park company starts it, with a weather service that may die, a history file, and a park on its broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd

from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.clock import WallClock
from forecasting.known import WeatherRuns
from sim_harness.scenario import Scenario
from sim_harness.site import Site
from sim_harness.weather.base import Weather
from vpp.park import Park
from vpp.series import to_stamp

__all__ = ["Served", "WeatherService", "playing", "serving", "weather_service", "write_history"]

RECORDED = Path(__file__).parent / "golden" / "weather" / "chifeng_20301001T0012Z.json"
PATIENCE_S = 150.0
_HOURS = 120


@dataclass
class WeatherService:
    """A small HTTP server that gives the recorded answer, its hours moved to the day that is asked for in park time.

    Args:
        clock: Park time.
        asked: How often it was asked.
    """

    clock: WallClock
    url: str = ""
    asked: int = 0
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        service, recorded = self, json.loads(RECORDED.read_text(encoding="utf-8"))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
                service.asked += 1
                day = service.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
                hourly = {name: (values * 3)[:_HOURS] for name, values in recorded["hourly"].items() if name != "time"}
                hourly["time"] = [f"{day + timedelta(hours=k):%Y-%m-%dT%H:%M}" for k in range(_HOURS)]
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({**recorded, "hourly": hourly}).encode())

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/forecast"

    def die(self) -> None:
        """Nobody listens at its address any more."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None


@contextmanager
def weather_service(clock: WallClock) -> Iterator[WeatherService]:
    service = WeatherService(clock)
    service.start()
    try:
        yield service
    finally:
        service.die()


def write_history(folder: Path, park: Park, weather: Weather, start: datetime, days: int) -> tuple[Path, Path]:
    """Power and runs of the days before an instant as tables, as a park company would hand over."""
    farms = [a for a in park.assets if a.kind in ("wind", "solar")]
    power, runs = [], []
    for farm in farms:
        past = weather.history(farm.id, start - timedelta(days=days), start)
        stamps = pd.to_datetime(past.measured_at).tz_localize("UTC")
        power.append(pd.DataFrame({"asset_id": farm.id, "measured_at": stamps, "available_frac": past.value}))
        told = weather.runs_known(farm.id, start)
        if told.n:
            runs.append(_run_rows(farm.id, told, start - timedelta(days=days)))
    files = folder / "history.parquet", folder / "runs.parquet"
    pd.concat(power).to_parquet(files[0])
    pd.concat(runs).to_parquet(files[1])
    return files


def _run_rows(farm: str, told: WeatherRuns, since: datetime) -> pd.DataFrame:
    keep = told.issued_at >= to_stamp(since)
    issued, received, value = told.issued_at[keep], told.received_at[keep], told.value[keep]
    index = pd.MultiIndex.from_product([range(issued.size), told.lead_h], names=["run", "lead_h"])
    frame = pd.DataFrame(value.reshape(-1, value.shape[2]), index=index, columns=list(told.features)).reset_index()
    frame["issued_at"] = pd.to_datetime(issued[frame["run"]]).tz_localize("UTC")
    frame["received_at"] = pd.to_datetime(received[frame["run"]]).tz_localize("UTC")
    frame["asset_id"] = farm
    return frame.drop(columns="run")


@dataclass
class Served:
    """A running service, and the lines that it has printed.

    Args:
        process: `vpp serve`.
        state_dir: Its own folder.
        lines: What it printed.
    """

    process: subprocess.Popen[str]
    state_dir: Path
    lines: list[str] = field(default_factory=list)

    def said(self, word: str) -> str:
        """The second word of the line that begins with a word; waits for it."""
        line: list[str] = []

        def there() -> bool:
            line[:] = next((one.split() for one in list(self.lines) if one.startswith(f"{word} ")), [])
            return bool(line)

        self.until(there, f"a line that begins with {word}")
        return line[1]

    def line(self, word: str) -> str:
        self.said(word)
        return next(one for one in self.lines if one.startswith(f"{word} "))

    def asked(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.said('screen')}{path}", headers={"Authorization": f"Bearer {self.said('token')}"}
        )
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            return json.load(answer)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Out of its ledger, while it runs."""
        with sqlite3.connect(f"file:{self.state_dir / 'vpp.sqlite3'}?mode=ro", uri=True) as ledger:
            return ledger.execute(query).fetchall()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end_s, f"{what}; it said {self.lines}; its log ends {self.log()[-3000:]}"
            assert self.process.poll() is None, f"the service has ended: {self.lines}"
            time.sleep(0.1)

    def log(self) -> str:
        path = self.state_dir / "log" / "controller.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@contextmanager
def serving(config: Path, state_dir: Path) -> Iterator[Served]:
    """`vpp serve --config FILE` in a session of its own, ended by an interrupt."""
    program = Path(sys.executable).with_name("vpp")
    process = subprocess.Popen(
        [str(program), "serve", "--config", str(config)],
        cwd=config.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    served = Served(process, state_dir)
    assert process.stdout is not None
    lines = process.stdout
    reading = threading.Thread(target=lambda: served.lines.extend(iter(lines.readline, "")), daemon=True)
    reading.start()
    try:
        yield served
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60.0) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reading.join()
        lines.close()


@contextmanager
def playing(park: Park, scenario: Scenario, weather: Weather, url: str, clock: WallClock, step_s: float) -> Iterator[None]:
    """The park's devices on a broker, in a thread of their own, until the end of the block."""
    loop, over = asyncio.new_event_loop(), asyncio.Event()
    failed: list[BaseException] = []

    async def play() -> None:
        patient = MqttSettings(first_retry_s=0.05, last_retry_s=0.5)
        async with connected_bus(url, "world", settings=patient) as bus:
            site = Site(park, scenario, weather, lambda _: bus, clock)
            step, before = timedelta(seconds=step_s), scenario.start
            async for at in clock.every(step):
                while before + step <= at:
                    site.world.step(before, step_s)
                    before += step
                site.report(before)
                if over.is_set():
                    return

    def run() -> None:
        try:
            loop.run_until_complete(play())
        except BaseException as error:  # noqa: BLE001  told in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=30.0)
        loop.close()
    assert not failed, failed
