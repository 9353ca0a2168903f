"""`vpp-sim live`, which is `make run`, as a stranger types it: broker, world and controller in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Long enough to train the forecasters on two busy cores.
PATIENCE_S = 240.0


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
    words = [str(program), "live", "first-month", "--speed", "60"]
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
    """What it prints, up to the line with the word."""
    lines: list[str] = []
    end_s = time.monotonic() + PATIENCE_S
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if word in line or time.monotonic() > end_s:
            break
    return lines


def test_the_park_comes_alive_and_an_interrupt_ends_everything_it_started(live: subprocess.Popen[str]) -> None:
    lines = lines_until(live, "by mpc")
    assert any("mqtt://127.0.0.1:" in line for line in lines)
    assert "by mpc" in lines[-1], lines
    family = children_of(live.pid)
    assert len(family) >= 2, "broker and controller run in processes of their own"
    os.killpg(live.pid, signal.SIGINT)
    assert live.wait(timeout=30.0) == 0
    for _ in range(50):
        left = {pid for pid in family if Path(f"/proc/{pid}").exists()}
        if not left:
            break
        time.sleep(0.1)
    assert left == set()
