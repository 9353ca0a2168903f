"""The controller's books: what is found when they are opened, and what the next controller learns from them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from controllers.books import Books, open_books
from controllers.bus.local import LocalBus
from controllers.dispatch.guidance import BandGuidance, ConnectionGuidance, Guidance, StackOrder, StoreGuidance, TailPoint
from controllers.service import Controller, ControllerSettings
from controllers.settings import Settings
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, START, asset, connection, park
from vpp.errors import StoreError
from vpp.ids import AssetId, ConnectionId
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
        from controllers.store import open_store

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
