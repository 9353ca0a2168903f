"""Backup while the service writes, and restore into a ledger on either database."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from controllers.cli import main
from controllers.store import AuditRow, EventRow, ForecastRow, OverrideRow, PlanRow, Reading, RegisterRow, Store, open_store
from controllers.store.backup import back_up, opened_backup
from controllers.store.restore import restore
from controllers.store.schema import METADATA
from tests.database import Database
from vpp.errors import StoreError

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
BATTERY = "bess.hongshan"


def filled(store: Store) -> None:
    """A row at least in every table."""
    store.write_registers([RegisterRow(subject=BATTERY, quantity="power_mw", start=NOW - QUARTER, mean=0.0, measured_share=1.0)])
    for at, value in ((NOW, 10.0), (NOW + QUARTER, 1.0 / 3.0)):
        store.write_readings([Reading(subject=BATTERY, quantity="power_mw", measured_at=at, received_at=at, value=value)])
    why = "试验\t'quoted' \\N \n\"line\""
    pin = OverrideRow(asset_id=BATTERY, kind="pin", power_mw=3.0, start=NOW, end=None, who="li", why=why, asked_at=NOW)
    store.ask_override(pin)
    call = EventRow(
        event_id="e1",
        connection="grid.hongshan",
        kind="peak",
        target_mw=5.0,
        start=NOW,
        end=NOW + QUARTER,
        who="grid",
        asked_at=NOW,
        changed_at=NOW,
    )
    store.ask_event(call)
    store.raise_alarm("broker", level="warning", text="away", at=NOW)
    store.remember("bytes", bytes(range(256)))
    store.save_plan(PlanRow(plan_id="p", made_at=NOW, source="mpc", gap_frac=None, cost_cny=1.5, facts=b"{}"))
    store.save_forecast(ForecastRow(issued_at=NOW, message=b"\x00\x01"))
    with store.engine.begin() as connection:
        connection.execute(
            METADATA.tables["said"].insert().values(asset_id="a", epoch=1, seq=2, word="ack", at=NOW, message=b"{}")
        )


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {name: sorted(map(tuple, connection.execute(table.select()))) for name, table in METADATA.tables.items()}
    engine.dispose()
    return rows


@pytest.fixture
def backup(url: str, tmp_path: Path) -> tuple[Path, dict[str, list[tuple[Any, ...]]]]:
    """Of a ledger on each kind of database, and what stood in it."""
    with closing(open_store(url)) as store:
        filled(store)
        back_up(url, tmp_path / "b" / "ledger.vpp", NOW)
    found = content(url)
    assert all(found.values())
    return tmp_path / "b" / "ledger.vpp", found


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path, backup: object) -> str:
    """An empty place, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.sqlite3'}"
    server: Database = request.getfixturevalue("postgres")
    return server.emptied()


def test_what_was_saved_on_one_database_is_the_same_on_the_other_and_goes_on(backup: Any, target: str) -> None:
    path, before = backup
    restore(path, target)
    assert content(target) == before
    with closing(open_store(target)) as store:
        assert store.raise_alarm("other", level="alarm", text="", at=NOW) == 2
        assert store.ask_override(OverrideRow(asset_id="x", kind="local", start=NOW, who="li", why="", asked_at=NOW)) == 2
        assert list(store.chain_faults()) == []


def test_the_file_is_its_owner_s_alone_and_opens_with_tools_that_everybody_has(backup: Any, tmp_path: Path) -> None:
    path, before = backup
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.parent.iterdir()) == [path]
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "x", filter="data")
    told = json.loads((tmp_path / "x" / "manifest.json").read_text())
    assert told["rows"] == {name: len(rows) for name, rows in sorted(before.items())}
    with closing(sqlite3.connect(tmp_path / "x" / "ledger.sqlite3")) as connection:
        assert connection.execute("SELECT why FROM overrides").fetchone()[0] == "试验\t'quoted' \\N \n\"line\""


_WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from controllers.store import AuditRow, Reading, open_store
store, at, n = open_store(sys.argv[1]), datetime(2030, 10, 2, tzinfo=UTC), 0
while True:
    at, n = at + timedelta(seconds=1), n + 1
    power = {"quantity": "power_mw", "measured_at": at, "received_at": at, "value": 1.0}
    store.write_readings([Reading(subject=f"a{k}", **power) for k in range(50)])
    store.audit(AuditRow(at=at, who="w", action=str(n), subject="", outcome="done", detail=""))
    print(n, flush=True)
"""


@contextmanager
def writer(url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, url], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def _until(process: subprocess.Popen[str], n: int) -> int:
    assert process.stdout is not None
    return next(int(line) for line in process.stdout if int(line) >= n)


def test_a_backup_while_somebody_writes_is_of_one_moment_and_holds_nobody_up(url: str, tmp_path: Path) -> None:
    path = tmp_path / "b.vpp"
    with writer(url) as process:
        before = _until(process, 20)
        manifest = back_up(url, path, NOW)
        # Nobody was held up: it goes on from there. What it said meanwhile waits in the pipe, so no line tells where it is now.
        _until(process, manifest.rows["audit"] + 20)
        assert process.poll() is None
    assert before <= manifest.rows["audit"]
    with opened_backup(path) as (_, engine):
        copy = Store(engine)
        assert list(copy.chain_faults()) == []
        with engine.connect() as connection:
            last = datetime(2030, 10, 2, tzinfo=UTC) + timedelta(seconds=manifest.rows["audit"])
            readings = connection.scalar(text("SELECT count(*) FROM readings"))
        # Readings go before their line of the audit, each in a transaction of its own.
        assert readings in (50 * manifest.rows["audit"], 50 * (manifest.rows["audit"] + 1))
        assert copy.latest()["a7", "power_mw"].measured_at in (last, last + timedelta(seconds=1))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A backup of a small ledger on SQLite."""
    url = f"sqlite:///{tmp_path / 'small.sqlite3'}"
    with closing(open_store(url)) as store:
        filled(store)
    back_up(url, tmp_path / "small.vpp", NOW)
    return tmp_path / "small.vpp"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_torn_backup_is_refused_and_nothing_is_done(small: Path, tmp_path: Path, share: float) -> None:
    whole = small.read_bytes()
    torn = tmp_path / "torn.vpp"
    torn.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StoreError, match=r"torn.vpp: this is no whole backup, nothing was done"):
        restore(torn, f"sqlite:///{tmp_path / 'new' / 'l.sqlite3'}")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_backup_with_a_byte_changed_is_refused_or_says_the_same(small: Path, tmp_path: Path) -> None:
    whole, refused = small.read_bytes(), 0
    wrong = tmp_path / "wrong.vpp"
    for at in range(20, len(whole), len(whole) // 40):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        wrong.write_bytes(changed)
        try:
            with opened_backup(wrong):
                # As when zeros are now copied from other zeros.
                assert gzip.decompress(changed) == gzip.decompress(whole)
        except StoreError as error:
            assert "nothing was done" in str(error)  # noqa: PT017  either is right
            refused += 1
    assert refused > 20


def _repacked(path: Path, out: Path, change: str, sums: bool) -> None:
    """The same backup with another ledger in it, its sums made anew or not."""
    with tarfile.open(path) as archive:
        parts = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    ledger = out.with_suffix(".sqlite3")
    ledger.write_bytes(parts["ledger.sqlite3"])
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute(change)
    parts["ledger.sqlite3"] = ledger.read_bytes()
    if sums:
        lines = (f"{hashlib.sha256(parts[name]).hexdigest()}  {name}\n" for name in ("manifest.json", "ledger.sqlite3"))
        parts["SHA256SUMS"] = "".join(lines).encode()
    with tarfile.open(out, "w:gz") as archive:
        for name, said in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(said)
            archive.addfile(entry, io.BytesIO(said))


def test_a_ledger_that_was_altered_inside_its_backup_is_known_by_its_hash(small: Path, tmp_path: Path) -> None:
    _repacked(small, tmp_path / "x.vpp", "UPDATE registers SET mean = 1e6", sums=False)
    with pytest.raises(StoreError, match=r"x.vpp: altered since it was made \(its SHA-256 is another\)"):
        restore(tmp_path / "x.vpp", f"sqlite:///{tmp_path / 'l.sqlite3'}")


def test_a_backup_of_a_newer_program_is_refused(small: Path, tmp_path: Path) -> None:
    _repacked(small, tmp_path / "x.vpp", "UPDATE alembic_version SET version_num = '0099'", sums=True)
    with pytest.raises(StoreError, match=r"x.vpp is of version 0099, this program knows"):
        restore(tmp_path / "x.vpp", f"sqlite:///{tmp_path / 'l.sqlite3'}")


def test_a_ledger_that_is_not_empty_is_left_alone_unless_it_may_be_replaced(url: str, small: Path) -> None:
    with closing(open_store(url)) as store:
        store.remember("mine", b"1")
        store.audit(AuditRow(at=NOW, who="zhao", action="a", subject="", outcome="done", detail=""))
    with pytest.raises(StoreError, match=r"not empty \(rows: audit 1, memory 2\): say --replace"):
        restore(small, url)
    with closing(open_store(url)) as store:
        assert store.recall("mine") == b"1"
    restore(small, url, replace=True)
    with closing(open_store(url)) as store:
        assert store.recall("mine") is None
        assert {row.who for row in store.audits(NOW, NOW + QUARTER)} == {"li", "grid"}


def test_a_ledger_in_use_is_not_restored_into(url: str, small: Path) -> None:
    with closing(open_store(url)) as store:
        store.recall("x")
        with pytest.raises(StoreError, match="in use: stop the service first"):
            restore(small, url, replace=True)
        assert store.recall("bytes") is None
    restore(small, url, replace=True)


def test_a_restore_that_fails_half_way_leaves_the_ledger_as_it_was(url: str, small: Path) -> None:
    with closing(open_store(url)) as store:
        store.remember("mine", b"1")
        with store.engine.begin() as connection:
            if "sqlite" in url:
                stop = "CREATE TRIGGER stop BEFORE INSERT ON said BEGIN SELECT RAISE(ABORT, 'stop'); END"
                connection.execute(text(stop))
            else:
                connection.execute(text("ALTER TABLE said ADD CHECK (epoch > 99)"))
    before = content(url)
    with pytest.raises(StoreError, match="^store: nothing was restored: [^\\n]*$"):
        restore(small, url, replace=True)
    assert content(url) == before


def test_a_ledger_of_the_first_version_can_be_saved_as_it_is(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "ledger" / "v0001_sqlite.sql"
    with closing(sqlite3.connect(tmp_path / "old.sqlite3")) as connection:
        connection.executescript(golden.read_text(encoding="utf-8"))
    manifest = back_up(f"sqlite:///{tmp_path / 'old.sqlite3'}", tmp_path / "old.vpp", NOW)
    assert (manifest.version, manifest.rows["audit"]) == ("0001", 4)
    target = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    restore(tmp_path / "old.vpp", target)
    with closing(open_store(target)) as store:
        assert len(store.plans(NOW, NOW + 2 * QUARTER)) == 2


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(["store", *words])
    out, err = capsys.readouterr()
    return status, out + err


def test_the_commands_say_what_they_did(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_store(url)) as store:
        filled(store)
        end = store.chain_end()
    file = tmp_path / "c.vpp"
    status, said = _said(capsys, "backup", str(file), "--store", url)
    assert (status, said.startswith("ok: 1"), f"in {file}" in said) == (0, True, True)
    status, said = _said(capsys, "restore", str(file), "--store", url)
    assert (status, said.count("\n")) == (2, 1)
    assert "say --replace" in said
    status, said = _said(capsys, "restore", str(file), "--store", url, "--replace")
    assert (status, "2030" in said or "restored" in said) == (0, True)
    assert _said(capsys, "check", "--store", url) == (
        0,
        f"ok: sound; the audit's chain ends with {end} (keep this elsewhere, for --end)\n",
    )
    assert _said(capsys, "check", "--backup", str(file), "--end", str(end))[0] == 0
    status, said = _said(capsys, "info", "--store", url)
    assert status == 0
    assert "readings" in said
    assert "2030-10-01 08:15:00" in said
    status, said = _said(capsys, "info", "--json", "--backup", str(file))
    facts = json.loads(said)
    assert {one["name"]: one["rows"] for one in facts["tables"]}["audit"] == 2
    assert facts["database"] == "sqlite"


def test_what_cannot_be_done_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'none.sqlite3'}"
    for words in (("backup", str(tmp_path / "b")), ("check",), ("info",), ("restore", str(tmp_path / "none"))):
        status, said = _said(capsys, *words, "--store", url)
        assert (status, said.count("\n")) == (2, 1), words
        assert "no such file" in said
    assert not (tmp_path / "b").exists()
    status, said = _said(capsys, "check", "--store", url, "--end", "7:x")
    assert (status, "is no end of a chain" in said) == (2, True)
