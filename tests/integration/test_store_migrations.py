"""From one version of the ledger to the next, from a real old one, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hatchling.builders.wheel import WheelBuilder
from sqlalchemy import Engine, create_engine, event, inspect, text

from controllers.store import Reading, open_store
from controllers.store.migrations import FIRST, HEAD, SCRIPTS, migrate, version_of
from controllers.store.schema import METADATA
from vpp.errors import StoreError

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "ledger"
NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
BATTERY = "bess.hongshan"


@pytest.fixture
def bare(url: str) -> Iterator[Engine]:
    """A database with nothing in it."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def old(bare: Engine) -> Engine:
    """A ledger of the first version, as the program of that time left it."""
    name = bare.dialect.name
    script = (GOLDEN / f"v0001_{name}.sql").read_text(encoding="utf-8")
    if name == "sqlite":
        with closing(sqlite3.connect(str(bare.url.database))) as connection:
            connection.executescript(script)
    else:
        with bare.begin() as connection:
            connection.exec_driver_sql(script.replace("%", "%%"))
    return bare


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_server_default": True}), METADATA))


def test_a_new_ledger_is_what_the_program_believes_it_is(url: str, bare: Engine) -> None:
    open_store(url).close()
    assert version_of(bare) == HEAD
    assert differences(bare) == []


def test_an_old_ledger_becomes_what_the_program_believes_it_is(url: str, old: Engine) -> None:
    open_store(url).close()
    assert version_of(old) == HEAD
    assert differences(old) == []
    keys = {table: inspect(old).get_pk_constraint(table)["constrained_columns"] for table in METADATA.tables}
    assert keys == {name: [column.name for column in table.primary_key] for name, table in METADATA.tables.items()}
    assert "sqlite" not in url or {"forecasts_0001", "plans_0001"}.isdisjoint(inspect(old).get_table_names())


def test_a_missing_column_would_be_seen(url: str, bare: Engine) -> None:
    open_store(url).close()
    with bare.begin() as connection:
        connection.execute(text("ALTER TABLE minutes DROP COLUMN received_at"))
    assert len(differences(bare)) == 1


def test_the_newest_script_is_what_the_program_writes() -> None:
    script = ScriptDirectory(str(SCRIPTS))
    assert script.get_heads() == [HEAD]
    assert [step.revision for step in reversed(list(script.walk_revisions()))] == [f"{n:04d}" for n in range(1, int(HEAD) + 1)]


def test_all_that_stood_in_an_old_ledger_is_there_after_it_was_adopted(url: str, old: Engine) -> None:
    with closing(open_store(url)) as store:
        assert store.recall("epoch") == b"7\x00\xff"
        override = store.override(1)
        assert override is not None
        assert (override.why, override.closed_by) == ("试验 'quoted'; test", "li")
        assert [(event.event_id, event.asset) for event in store.events()] == [("e1", None)]
        assert [(ask.kind, ask.row) for ask in store.asks_after(0)] == [("override", 1), ("event", 1), ("override", 1)]
        assert [alarm.acknowledged_by for alarm in store.alarms_open()] == ["li"]
        assert [row.word for row in store.said(BATTERY, NOW, NOW + QUARTER)] == ["command", "ack"]
        plans = store.plans(NOW, NOW + HOUR)
        assert [(plan.plan_id, plan.received_at) for plan in plans] == [
            ("plan.20301001T081500", NOW + QUARTER),
            ("plan.20301001T080000", NOW),
        ]
        forecast = store.forecast(NOW)
        assert forecast is not None
        assert (forecast.message, forecast.received_at) == (b'{"a":1}', NOW - HOUR)
        (register,) = store.registers(NOW, NOW + QUARTER)
        assert (register.mean, register.received_at) == (15.0, None)
        audits = store.audits(NOW, NOW + HOUR)
        assert [row.action for row in audits] == ["alarm.acknowledge", "override.close", "event.ask", "override.ask"]
        assert list(store.chain_faults()) == []


def test_an_adopted_ledger_goes_on_where_it_stood(url: str, old: Engine) -> None:
    with closing(open_store(url)) as store:
        assert store.raise_alarm("other", level="alarm", text="", at=NOW) == 2
        store.remember("epoch", b"8")
        rows = [Reading(subject=BATTERY, quantity="power_mw", measured_at=at, received_at=at, value=7.0) for at in (NOW + HOUR,)]
        store.write_readings(rows)
        # The old one froze at a reading of a clock that was an hour fast, dated a quarter later than this.
        assert store.latest()[BATTERY, "power_mw"].value == 7.0
        store.acknowledge_alarm(2, "zhao", NOW)
        assert store.chain_end().number == 5
        assert list(store.chain_faults()) == []


def test_a_ledger_that_was_left_half_made_is_made_whole(url: str, old: Engine) -> None:
    with old.begin() as connection:
        for table in ("registers", "audit", "said"):
            connection.execute(text(f"DROP TABLE {table}"))
    open_store(url).close()
    assert differences(old) == []


def test_a_ledger_of_a_newer_program_is_refused_in_one_line_and_left_as_it_is(url: str, bare: Engine) -> None:
    open_store(url).close()
    with bare.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(StoreError, match=r"^store: the ledger is of version 0099, this program knows 0001 to \d+: run the newer"):
        open_store(url)
    assert version_of(bare) == "0099"


def test_what_fails_half_way_leaves_the_ledger_as_it_was(url: str, old: Engine) -> None:
    failing = create_engine(url)

    @event.listens_for(failing, "before_cursor_execute")
    def no_index(_c: object, _k: object, statement: str, *_: object) -> None:
        if "plans_by_receipt" in statement:
            raise OSError("as if the machine had stopped here")

    with pytest.raises(OSError, match="as if"):
        migrate(failing)
    failing.dispose()
    assert version_of(old) is None
    assert "received_at" not in {column["name"] for column in inspect(old).get_columns("forecasts")}
    open_store(url).close()
    assert differences(old) == []


@pytest.mark.parametrize("made", [False, True])
def test_many_who_open_it_at_once_bring_it_up_once(url: str, request: pytest.FixtureRequest, made: bool) -> None:
    if made:
        request.getfixturevalue("old")
    line = f"from controllers.store import open_store; open_store({url!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", line], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    engine = create_engine(url)
    assert differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(HEAD,)]
    engine.dispose()


def test_it_can_be_brought_to_a_version_in_between(bare: Engine) -> None:
    migrate(bare, FIRST)
    assert version_of(bare) == FIRST
    migrate(bare)
    assert differences(bare) == []


def test_the_wheel_carries_the_scripts(tmp_path: Path) -> None:
    (made,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(made) as wheel:
        inside = {name for name in wheel.namelist() if name.startswith("controllers/store/migrations/versions/")}
    assert inside == {path.relative_to(ROOT).as_posix() for path in (SCRIPTS / "versions").glob("v*.py")}
