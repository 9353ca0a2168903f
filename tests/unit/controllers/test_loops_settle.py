"""Registers of a quarter, out of what was read, and the end of an event's life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controllers.loops.settle import QUARTER, missing_in, registers_of, run_settle
from controllers.store import EventRow, Reading, open_store
from controllers.supervisor import no_trouble
from tests.world_builders import BASE, START, asset, connection, park
from vpp.ids import AssetId, ConnectionId

LOAD, GRID = AssetId("base.a"), ConnectionId("grid.a")
PARK = park([asset(LOAD, "base_load", BASE, "a")], [connection(GRID, "a")])


def reading(quantity: str, minute: float, value: float, subject: str = LOAD) -> Reading:
    at = START + timedelta(minutes=minute)
    return Reading(subject=subject, quantity=quantity, measured_at=at, received_at=at, value=value)


def test_a_register_is_the_mean_of_what_was_measured_and_says_how_much_that_was(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    store.write_readings([reading("power_mw", minute, 60.0 if minute < 5 else 90.0) for minute in range(10)])
    store.write_readings([reading("import_mw", 3.0, 44.0, GRID), reading("temperature_c", 3.0, 20.0)])
    rows = {(row.subject, row.quantity): row for row in registers_of(store, missing_in(store, PARK, START), START)}
    assert set(rows) == {(LOAD, "power_mw"), (GRID, "import_mw")}
    assert rows[LOAD, "power_mw"].mean == pytest.approx(75.0)
    assert rows[LOAD, "power_mw"].measured_share == pytest.approx(10 / 15)
    store.close()


async def test_a_quarter_is_settled_when_stragglers_had_their_time_and_an_event_with_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    store.write_readings([reading("power_mw", minute, 60.0) for minute in range(15)])
    event = EventRow(
        event_id="e",
        connection=GRID,
        kind="peak",
        target_mw=5.0,
        start=START,
        end=START + timedelta(minutes=10),
        who="grid",
        asked_at=START,
        state="delivered",
        reason="target kept in 9 of 9 looks",
        changed_at=START,
    )
    store.ask_event(event)
    seen: list[int] = []

    async def ticks() -> AsyncIterator[datetime]:
        for minute in (16, 19, 21):
            yield START + timedelta(minutes=minute)
            seen.append(len(store.registers(START, START + QUARTER)))

    await run_settle(ticks(), store, PARK, no_trouble)
    assert seen == [0, 0, 1]
    (settled,) = store.events()
    assert (settled.state, settled.reason) == ("settled", "target kept in 9 of 9 looks; registers are there")
    store.close()
