"""What an edge keeps on disk through outages, restarts and a disk that is full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controllers.bus.local import LocalBus
from controllers.edge import Edge, Lease, Phase
from controllers.edge.keep import DiskKeep
from tests.unit.controllers.test_edge_edge import ASSET, PARK, Battery, HandClock, command
from vpp.errors import AssetError
from vpp.wire.codec import encode
from vpp.wire.messages import Arm, Reflex, Target
from vpp.wire.topics import Channel, topic_of

AT = datetime(2030, 10, 1, tzinfo=UTC)
ARM = Arm(
    epoch=1,
    seq=1,
    issued_at=AT,
    reflexes=(Reflex(quantity="frequency_hz", below=49.8, hold_s=10.0, then=Target(power_mw=-80.0)),),
)


def keep(folder: Path, size: int = 100, boot_id: str = "one") -> DiskKeep:
    return DiskKeep(folder / "edge.sqlite3", size, boot_id)


def put(kept: DiskKeep, *payloads: str) -> int:
    return sum(kept.buffer.put(payload.encode()) for payload in payloads)


def left(kept: DiskKeep, n: int = 100) -> list[str]:
    return [payload.decode() for payload in kept.buffer.first(n)]


def test_readings_come_back_in_their_order_after_a_restart(tmp_path: Path) -> None:
    first = keep(tmp_path)
    put(first, "a", "b", "c")
    first.close()
    second = keep(tmp_path)
    second.buffer.drop(1)
    put(second, "d")
    assert (left(second), len(second.buffer)) == (["b", "c", "d"], 3)


def test_a_full_buffer_loses_the_oldest_and_says_how_many(tmp_path: Path) -> None:
    kept = keep(tmp_path, size=2)
    assert put(kept, "a", "b", "c", "d") == 2
    assert left(kept) == ["c", "d"]


def test_a_buffer_made_smaller_loses_the_oldest(tmp_path: Path) -> None:
    first = keep(tmp_path)
    put(first, "a", "b", "c")
    first.close()
    second = keep(tmp_path, size=2)
    assert (put(second, "d"), left(second)) == (2, ["c", "d"])


def test_while_the_disk_takes_nothing_readings_wait_in_memory_behind_those_on_disk(tmp_path: Path) -> None:
    kept = keep(tmp_path)
    put(kept, "a")
    kept._db.execute("PRAGMA query_only = ON")  # as a full disk: every write fails
    assert put(kept, "b", "c") == 0
    kept.remember_arm(ARM)
    assert left(kept) == ["a", "b", "c"]
    kept._db.execute("PRAGMA query_only = OFF")
    kept.buffer.drop(2)
    assert left(kept) == ["c"]


WRITER = """
import sys
from pathlib import Path
from controllers.edge.keep import DiskKeep
keep = DiskKeep(Path(sys.argv[1]), 1000, "one")
for number in range(50):
    keep.buffer.put(str(number).encode())
print("ready", flush=True)
sys.stdin.read()
"""


def test_readings_survive_a_kill_of_the_edge(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "edge.sqlite3")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert left(keep(tmp_path)) == [str(number) for number in range(50)]


def restarted(tmp_path: Path, elapsed_s: float, boot_id: str = "one") -> tuple[Edge, Battery]:
    """An edge that took a command at 0 s, was killed and started again, and looks at its device."""
    clock = HandClock()
    bus = LocalBus()
    before = keep(tmp_path)
    Edge(bus, Battery(clock), PARK, clock, keep=before)
    bus.post(topic_of(PARK, Channel.ASSET_COMMAND, ASSET), encode(command()))
    bus.post(topic_of(PARK, Channel.ASSET_ARM, ASSET), encode(ARM))
    before.close()
    clock = HandClock(elapsed_s)
    battery = Battery(clock)
    edge = Edge(LocalBus(), battery, PARK, clock, keep=keep(tmp_path, boot_id=boot_id))
    edge.tick()
    return edge, battery


def test_a_restart_within_the_lease_goes_on_with_the_command(tmp_path: Path) -> None:
    edge, battery = restarted(tmp_path, 5.0)
    assert (edge.phase, battery.reading.power_mw) == (Phase.HELD, 50.0)


def test_a_restart_after_the_lease_follows_the_fallback_where_it_stands(tmp_path: Path) -> None:
    edge, battery = restarted(tmp_path, 20.0)
    assert (edge.phase, battery.reading.power_mw) == (Phase.FALLBACK, 30.0)


def test_after_a_restart_of_the_machine_the_device_goes_to_safety(tmp_path: Path) -> None:
    edge, battery = restarted(tmp_path, 5.0, boot_id="another")
    assert (edge.phase, battery.reading.power_mw) == (Phase.SAFE, 0.0)


def test_a_restart_leaves_what_was_armed_armed(tmp_path: Path) -> None:
    restarted(tmp_path, 0.0)
    assert keep(tmp_path).arm() == ARM


def test_a_copy_of_a_command_from_before_the_restart_does_not_act_again(tmp_path: Path) -> None:
    edge, battery = restarted(tmp_path, 5.0)
    applied = list(battery.applied)
    edge._on_command(topic_of(PARK, Channel.ASSET_COMMAND, ASSET), encode(command()))
    assert (edge.counters.acted, edge.counters.repeated, battery.applied) == (0, 1, applied)


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "edge.sqlite3").write_text("no database, but long enough to be looked at as one" * 10)
    with pytest.raises(AssetError, match="edge.sqlite3: file is not a database"):
        keep(tmp_path)


def test_without_a_state_there_is_no_lease(tmp_path: Path) -> None:
    assert keep(tmp_path).lease(0.0) == Lease()
