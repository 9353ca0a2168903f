"""The controller's books: what is found when they are opened, and what the next controller learns from them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controllers.books import Books, open_books
from controllers.bus.local import LocalBus
from controllers.dispatch.guidance import BandGuidance, ConnectionGuidance, Guidance, StackOrder, StoreGuidance, TailPoint
from controllers.flexibility.correction import Correction
from controllers.loops.forecast import Told
from controllers.loops.recorder import Recorder
from controllers.loops.watchman import Watchman
from controllers.loops.worker import InlineWorker
from controllers.service import Controller, ControllerSettings
from controllers.settings import Settings
from controllers.store import AlarmRow, Store, open_store
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, START, asset, connection, park
from vpp.errors import ForecastError, StoreError
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.wire.messages import Reason

BESS, GRID = AssetId("bess.a"), ConnectionId("grid.a")
PARK = park([asset(BESS, "battery", BATTERY, "a"), asset(AssetId("base.a"), "base_load", BASE, "a")], [connection(GRID, "a")])
GUIDANCE = Guidance(
    "plan.1",
    "mpc",
    {GRID: ConnectionGuidance(700.0, 150.0, 200.0, 30_000.0)},
    stores={BESS: StoreGuidance(300.0, 600.0, 5.0)},
    stacks={AssetId("h2.a"): StackOrder(3, 1, 20.0)},
    bands={AssetId("zn.a"): BandGuidance(5.0, ((3.0, 400.0),))},
    tails={BESS: (TailPoint(START, 4.0),)},
    reasons={BESS: Reason(code="override", text="Li: inspection")},
)


def settings_in(folder: Path) -> Settings:
    return Settings(state_dir=folder)


def test_a_first_start_has_lost_nothing(tmp_path: Path) -> None:
    opened = open_books(settings_in(tmp_path), "now")
    assert opened.loss == ""
    opened.store.close()
    again = open_books(settings_in(tmp_path), "now")
    assert again.loss == ""
    again.store.close()


@pytest.mark.parametrize("by_whom", ["nobody", "another process"])
def test_a_database_that_is_gone_is_noticed_also_when_another_process_has_made_a_new_one(tmp_path: Path, by_whom: str) -> None:
    open_books(settings_in(tmp_path), "now").store.close()
    for file in tmp_path.glob("vpp.sqlite3*"):
        file.unlink()
    if by_whom == "another process":
        open_store(settings_in(tmp_path).store_url).close()
    opened = open_books(settings_in(tmp_path), "now")
    assert "the database was lost" in opened.loss
    opened.store.close()
    assert open_books(settings_in(tmp_path), "now").loss == ""


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    open_books(settings_in(tmp_path), "now").store.close()
    for file in tmp_path.glob("vpp.sqlite3*"):
        file.unlink()
    (tmp_path / "vpp.sqlite3").write_bytes(b"this is not a database, it only looks like a file" * 100)
    opened = open_books(settings_in(tmp_path), "20301001")
    assert "put aside as vpp.sqlite3.broken-20301001" in opened.loss
    assert (tmp_path / "vpp.sqlite3.broken-20301001").exists()
    opened.store.close()


def test_a_ledger_that_is_only_locked_is_never_put_aside(tmp_path: Path) -> None:
    open_books(settings_in(tmp_path), "now").store.close()
    with closing(sqlite3.connect(tmp_path / "vpp.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            open_books(settings_in(tmp_path), "20301001")
    assert not list(tmp_path.glob("*.broken-*"))


async def test_the_next_controller_goes_on_under_a_greater_number_with_the_same_guidance_and_peaks(tmp_path: Path) -> None:
    clock = SimClock(START)

    async def one_life(guidance: Guidance | None) -> Controller:
        books = Books(open_books(settings_in(tmp_path), "now"), clock)
        controller = Controller(PARK, LocalBus(), clock, ControllerSettings(live=True), before=books.remembered())
        books.attach(controller, LocalBus())
        if guidance is not None:
            controller.guidance.value = guidance
            controller.peaks.record(START, GRID, 50.0)
        books._note_state(controller, START)  # noqa: SLF001  what the recorder's loop does every second
        await books.close()
        return controller

    first = await one_life(GUIDANCE)
    second = await one_life(None)
    assert second.commander.epoch > first.commander.epoch
    assert second.guidance.value == GUIDANCE
    assert second.peaks.facts() == first.peaks.facts()


async def test_accepted_calls_are_watched_where_something_is_promised_and_nowhere_else(tmp_path: Path) -> None:
    clock, bus = SimClock(START), LocalBus()
    books = Books(open_books(settings_in(tmp_path), "now"), clock)
    plain = Controller(PARK, bus, clock, ControllerSettings(live=True))
    assert "promises" not in {loop.name for loop in books.attach(plain, bus)}
    promising = Controller(PARK, bus, clock, ControllerSettings(live=True), Untrained())
    promising.offer(InlineWorker(), Correction())
    watched = list(promising.also_watch)
    assert "promises" in {loop.name for loop in books.attach(promising, bus)}
    assert len(promising.also_watch) == len(watched) + 1
    await books.close()


async def standing(watchman: Watchman, recorder: Recorder, store: Store, at: datetime) -> list[AlarmRow]:
    """Alarms that stand after a look."""
    watchman.look(at)
    recorder.hand_over()
    if recorder.writing is not None:
        await recorder.writing
    return [alarm for alarm in store.alarms_open() if alarm.cleared_at is None]


class Untrained:
    """A forecaster that has nothing to say yet."""

    async def tell(self, grid: TimeGrid) -> Told:
        raise ForecastError("still training")


async def test_rules_before_the_first_plan_are_no_alarm_and_rules_after_it_are(tmp_path: Path) -> None:
    clock, bus = SimClock(START), LocalBus()
    controller = Controller(PARK, bus, clock, ControllerSettings(live=True), Untrained())
    with closing(open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")) as store:
        recorder = Recorder(store, clock.now, lambda _: None)
        watchman = Watchman(controller, bus, recorder)

        async def alarms_at(after: timedelta, source: str) -> list[str]:
            controller.guidance.value = replace(GUIDANCE, source=source)
            return [alarm.text for alarm in await standing(watchman, recorder, store, START + after)]

        assert await alarms_at(timedelta(minutes=1), "rules") == []
        assert await alarms_at(timedelta(minutes=2), "mpc") == []
        assert await alarms_at(timedelta(minutes=3), "rules") == ["there is no new plan; rules in force"]
        await recorder.last_word()


async def test_a_first_plan_that_never_comes_is_an_alarm_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    clock, bus = SimClock(START), LocalBus()
    controller = Controller(PARK, bus, clock, ControllerSettings(live=True), Untrained())
    controller.guidance.value = replace(GUIDANCE, source="rules")
    with closing(open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")) as store:
        recorder = Recorder(store, clock.now, lambda _: None)
        watchman = Watchman(controller, bus, recorder)
        for minutes in (0, 16):
            watchman.look(START + timedelta(minutes=minutes))
        await recorder.last_word()
        assert [alarm.text for alarm in store.alarms_open()] == ["there is no new plan; rules in force"]


class UnmetBus(LocalBus):
    """Its broker has not answered yet."""

    there = False

    @property
    def connected(self) -> bool:
        return self.there


async def test_a_first_connection_is_waited_for_and_one_that_was_lost_is_an_alarm_at_once(tmp_path: Path) -> None:
    clock, bus = SimClock(START), UnmetBus()
    controller = Controller(PARK, bus, clock, ControllerSettings(live=True), Untrained())
    with closing(open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")) as store:
        recorder = Recorder(store, clock.now, lambda _: None)
        watchman = Watchman(controller, bus, recorder)

        async def open_at(seconds: float, there: bool) -> list[str]:
            bus.there = there
            return [alarm.key for alarm in await standing(watchman, recorder, store, START + timedelta(seconds=seconds))]

        assert await open_at(5, there=False) == []
        assert await open_at(125, there=False) == ["broker.away"]
        assert await open_at(130, there=True) == []
        assert await open_at(135, there=False) == ["broker.away"]
        await recorder.last_word()
