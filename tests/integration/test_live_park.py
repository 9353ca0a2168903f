"""`vpp-sim live`, which is `make run`, as a stranger types it: broker, world and controller in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

#: Long enough for four interpreters on two busy cores.
PATIENCE_S = 120.0


def children_of(pid: int) -> set[int]:
    """All living descendants of a process."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            child = int(stat.parent.name)
            found |= {child} | children_of(child)
    return found


@pytest.fixture
def live(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    program = Path(sys.executable).with_name("vpp-sim")
    words = [str(program), "live", "first-month", "--speed", "10", "--port", "0"]
    # Told to leave its caches here; a session of its own, so that the interrupt reaches this park and nobody else.
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it prints, up to the line that begins with the word."""
    lines: list[str] = []
    end_s = time.monotonic() + PATIENCE_S
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith(word) or time.monotonic() > end_s:
            break
    return lines


def asked(address: str, token: str) -> dict[str, Any]:
    """The park as the API sees it."""
    request = urllib.request.Request(f"{address}/v1/live", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10.0) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def until(holds: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, what
        time.sleep(0.2)


def test_the_park_comes_alive_a_killed_part_comes_back_and_an_interrupt_ends_everything_it_started(
    live: subprocess.Popen[str],
) -> None:
    said = {line.split()[0]: line.split()[1] for line in lines_until(live, "screen")}
    assert said["broker"].startswith("mqtt://127.0.0.1:")

    def commanded() -> bool:
        assets = asked(said["screen"], said["token"])["assets"]
        return sum(bool(asset["commands"]) and asset["power_mw"] is not None for asset in assets) > 3

    until(commanded, "devices report and are commanded")
    family = children_of(live.pid)
    assert len(family) >= 4, "broker, world, controller and API run in processes of their own"
    api = next(pid for pid in family if b"api" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    os.kill(api, signal.SIGKILL)
    again = lines_until(live, "screen")[-1].split()[1]
    until(lambda: len(asked(again, said["token"])["assets"]) > 3, "the API is back")
    family |= children_of(live.pid)
    os.killpg(live.pid, signal.SIGINT)
    assert live.wait(timeout=30.0) == 0
    for _ in range(50):
        left = {pid for pid in family if Path(f"/proc/{pid}").exists()}
        if not left:
            break
        time.sleep(0.1)
    assert left == set()
