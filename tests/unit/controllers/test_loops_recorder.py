"""What is heard and said reaches the ledger, whatever the disk does, and the loop never waits for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import event
from structlog.testing import capture_logs

from controllers.loops import batch as waiting
from controllers.loops.batch import AlarmWord, Batch, Loss, Said
from controllers.loops.recorder import Recorder
from controllers.store import PlanRow, Store, open_store
from sim_harness.clock import SimClock
from tests.world_builders import START
from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import Command, FallbackProfile, GridEvent, GridMeasurement, Reason, Target, Telemetry

LATER = START + timedelta(minutes=1)
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
        asset="compute.a",
        confidence=0.9,
    )
    for said in (call, call, structs.replace(call, revision=2, target_mw=4.0), structs.replace(call, revision=2, cancelled=True)):
        recorder.called(GRID, said)
        await handed_over(recorder)
    (row,) = store.events()
    assert (row.revision, row.target_mw, row.state, row.who, row.asset) == (2, 5.0, "cancelled", "grid", "compute.a")
    assert row.confidence == 0.9
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


def test_of_two_words_the_later_one_counts_and_an_alarm_that_came_and_went_is_kept() -> None:
    older, newer = Batch(), Batch()
    older.memory["a"], newer.memory["a"] = (lambda: b"old"), (lambda: b"new")
    older.alarm("x", AlarmWord("raised", START))
    newer.alarm("x", AlarmWord("worse", LATER))
    newer.alarm("x", AlarmWord(None, LATER))
    newer.alarm("x", AlarmWord(None, LATER))
    both = newer.after(older)
    assert both.memory["a"]() == b"new"
    assert list(both.alarms["x"]) == [AlarmWord("worse", START), AlarmWord(None, LATER)]
    assert both.loss.counts == {}


def command(seq: int) -> Command:
    return Command(
        epoch=1,
        seq=seq,
        issued_at=START + timedelta(seconds=seq),
        command=Target(power_mw=float(seq)),
        lease_s=15.0,
        fallback=FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=1.0),
        plan_id="p",
        reason=Reason(code="mpc"),
    )


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds, only smaller."""
    for name, bound in (("_READINGS", 50), ("_SAID", 10), ("_FORECASTS", 2), ("_PLANS", 2)):
        monkeypatch.setattr(waiting, name, bound)


def test_the_bounds_are_those_of_the_documentation() -> None:
    assert (waiting._READINGS, waiting._SAID, waiting._PLANS, waiting._FORECASTS) == (500_000, 100_000, 48, 48)


@pytest.mark.usefixtures("narrow")
def test_beyond_a_bound_the_oldest_go_first_also_when_a_failed_batch_comes_back_and_it_is_counted_and_dated() -> None:
    loss = Loss()
    older, newer = Batch(loss), Batch(loss)
    for seq in range(8):
        older.note(Said(BESS, command(seq), START + timedelta(seconds=seq)))
    for seq in range(8, 15):
        newer.note(Said(BESS, command(seq), START + timedelta(seconds=seq)))
    both = newer.after(older)
    assert [said.message.seq for said in both.said] == list(range(5, 15))
    assert str(both.loss) == "5 commands, heard from 2030-09-30 16:00:00 to 16:00:04 UTC"


async def _away(recorder: Recorder, room: list[int]) -> None:
    room[0] = 1
    recorder.remember("big", lambda: b"x" * 500_000)
    await handed_over(recorder)
    assert recorder.trouble


def _with_room(store: Store) -> list[int]:
    """How many pages the database may have, as a disk would; to be changed."""
    room = [2_000]

    @event.listens_for(store.engine, "begin")
    def as_full_as_told(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={room[0]}")

    return room


async def test_commands_that_could_not_be_written_are_written_later_and_none_is_taken_for_old_news(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder = Recorder(store, SimClock(LATER).now, store.save_said)
    room = _with_room(store)
    recorder.sent(BESS, command(0))
    await handed_over(recorder)
    room[0] = 1
    for seq in range(1, 200):
        recorder.sent(BESS, command(seq))
    await handed_over(recorder)
    await handed_over(recorder)
    assert recorder.failures == 2
    room[0] = 2_000
    await handed_over(recorder)
    assert recorder.trouble == ""
    assert [row.seq for row in store.said(BESS, START, LATER + timedelta(hours=1))] == list(range(200))
    await recorder.last_word()
    store.close()


@pytest.mark.usefixtures("narrow")
async def test_what_was_lost_is_an_alarm_that_stands_until_it_is_seen(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder, room = recorder_on(store), _with_room(store)
    await _away(recorder, room)
    for second in range(60):
        recorder.telemetry(BESS, reading(second))
    assert recorder.lost == 70
    room[0] = 4_000
    for _ in range(3):
        await handed_over(recorder)
    alarms = {alarm.key: alarm for alarm in store.alarms_open()}
    assert alarms.keys() == {"ledger.away", "ledger.lost"}
    assert all(alarm.cleared_at is not None for alarm in alarms.values())
    assert "70 readings, heard from" in alarms["ledger.lost"].text
    assert "database or disk is full" in alarms["ledger.away"].text
    assert recorder.lost == 70
    kept = store.series(BESS, "power_mw", START, START + timedelta(seconds=60), timedelta(seconds=1))[1]
    assert [k for k, value in enumerate(kept) if value == value] == list(range(35, 60))
    await recorder.last_word()
    store.close()


async def test_who_ends_while_the_disk_is_full_says_what_goes_with_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder, room = recorder_on(store), _with_room(store)
    await _away(recorder, room)
    with capture_logs() as logs:
        await recorder.last_word()
    (line,) = [line for line in logs if line["event"] == "recorder.unwritten"]
    assert line["rows"] == 2  # what was to be remembered, and the alarm
    assert "full" in line["reason"]
    store.close()


async def test_what_was_written_before_the_disk_was_full_is_not_written_again(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    recorder, room = recorder_on(store), _with_room(store)
    recorder.alarm("came.and.went", "look")
    recorder.alarm("came.and.went", None)
    recorder.plan(
        "p", lambda: PlanRow(plan_id="p", made_at=START, source="mpc", gap_frac=None, cost_cny=None, facts=b"x" * 500_000)
    )
    room[0] = 1
    for failures in (1, 2):
        await handed_over(recorder)
        assert recorder.failures == failures
    assert recorder.written == 2
    room[0] = 4_000
    await handed_over(recorder)
    assert recorder.written == 3
    assert [alarm.key for alarm in store.alarms_open()].count("came.and.went") == 1
    assert store.plan("p") is not None
    await recorder.last_word()
    store.close()


async def test_a_device_whose_clock_is_ahead_is_an_alarm_until_it_is_right_again(tmp_path: Path) -> None:
    store, clock = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}"), SimClock(START)
    recorder = Recorder(store, clock.now, lambda _: None)
    recorder.telemetry(BESS, reading(3_600))
    for _ in range(2):
        await handed_over(recorder)
    (alarm,) = store.alarms_open()
    assert (alarm.key, alarm.cleared_at) == (f"clock.{BESS}", None)
    assert store.latest()[BESS, "power_mw"].measured_at == START
    await clock.run_until(START + timedelta(minutes=6))
    for second in (360, 361):
        recorder.telemetry(BESS, reading(second))
        await handed_over(recorder)
    await handed_over(recorder)
    (alarm,) = store.alarms_open()
    assert alarm.cleared_at is not None
    await recorder.last_word()
    store.close()


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
