"""What is heard and said reaches the ledger, whatever the disk does, and the loop never waits for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import event

from controllers.loops.recorder import Batch, Recorder
from controllers.store import Store, open_store
from sim_harness.clock import SimClock
from tests.world_builders import START
from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import GridEvent, GridMeasurement, Telemetry

BESS, GRID = AssetId("bess.a"), ConnectionId("grid.a")


def reading(second: int, **state: float) -> Telemetry:
    return Telemetry(measured_at=START + timedelta(seconds=second), power_mw=float(second), available_mw=9.0, state=state)


def recorder_on(store: Store) -> Recorder:
    return Recorder(store, SimClock(START + timedelta(minutes=1)).now, lambda _: None)


async def handed_over(recorder: Recorder) -> None:
    recorder.hand_over()
    if recorder.writing is not None:
        await recorder.writing


async def test_every_quantity_of_a_reading_is_kept_with_both_its_times(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder = recorder_on(store)
    recorder.telemetry(BESS, reading(5, soc_frac=0.5))
    recorder.measured(GRID, GridMeasurement(measured_at=START, import_mw=-7.0, frequency_hz=50.01))
    await handed_over(recorder)
    latest = store.latest()
    assert {key: row.value for key, row in latest.items()} == {
        (BESS, "power_mw"): 5.0,
        (BESS, "available_mw"): 9.0,
        (BESS, "soc_frac"): 0.5,
        (GRID, "import_mw"): 0.0,
        (GRID, "export_mw"): 7.0,
        (GRID, "frequency_hz"): 50.01,
    }
    kept = latest[BESS, "power_mw"]
    assert (kept.measured_at, kept.received_at) == (START + timedelta(seconds=5), START + timedelta(minutes=1))
    await recorder.last_word()
    store.close()


async def test_a_full_disk_is_said_once_and_what_waits_is_written_when_there_is_room_again(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder, room = recorder_on(store), [400]

    @event.listens_for(store.engine, "begin")
    def as_full_as_told(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={room[0]}")

    recorder.telemetry(BESS, reading(0))
    await handed_over(recorder)
    room[0] = 1  # not one page more than there are
    recorder.remember("big", lambda: b"x" * 500_000)
    recorder.telemetry(BESS, reading(1))
    await handed_over(recorder)
    assert "full" in recorder.trouble
    for second in range(2, 5):
        recorder.telemetry(BESS, reading(second))
        await handed_over(recorder)
    assert recorder.failures == 4
    room[0] = 10_000
    await handed_over(recorder)
    assert recorder.trouble == ""
    assert recorder.lost == 0
    times, values = store.series(BESS, "power_mw", START, START + timedelta(seconds=5), timedelta(seconds=1))
    assert len(times) == 5
    assert list(values) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert store.recall("big") is not None
    await recorder.last_word()
    store.close()


async def test_a_call_over_the_bus_stands_in_the_ledger_once_a_revision(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder = recorder_on(store)
    call = GridEvent(
        event_id="e",
        revision=1,
        kind="peak",
        target_mw=5.0,
        start=START,
        end=START + timedelta(hours=1),
        issued_at=START,
    )
    for said in (call, call, structs.replace(call, revision=2, target_mw=4.0), structs.replace(call, revision=2, cancelled=True)):
        recorder.called(GRID, said)
        await handed_over(recorder)
    (row,) = store.events()
    assert (row.revision, row.target_mw, row.state, row.who) == (2, 5.0, "cancelled", "grid")
    assert store.last_ask() == 3
    await recorder.last_word()
    store.close()


async def test_the_last_word_is_on_disk_when_the_controller_ends(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder = recorder_on(store)
    recorder.remember("epoch", lambda: b"7")
    recorder.alarm("a", "look here")
    await recorder.last_word()
    assert store.recall("epoch") == b"7"
    assert [alarm.text for alarm in store.alarms_open()] == ["look here"]
    store.close()


def test_of_too_much_the_newest_is_kept_and_of_two_words_the_later_one() -> None:
    older, newer = Batch(), Batch()
    older.memory["a"], newer.memory["a"] = (lambda: b"old"), (lambda: b"new")
    older.alarms["x"], newer.alarms["x"] = ("raised", START), (None, START)
    both = newer.after(older)
    assert both.memory["a"]() == b"new"
    assert both.alarms["x"][0] is None


@pytest.mark.parametrize("rows", [3_000])
async def test_the_loop_goes_on_while_a_batch_is_written(tmp_path: Path, rows: int) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder = recorder_on(store)
    for second in range(rows):
        recorder.telemetry(BESS, reading(second))
    recorder.hand_over()
    turns = 0
    writing = recorder.writing
    assert writing is not None
    while not writing.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    await recorder.last_word()
    store.close()
