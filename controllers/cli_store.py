"""`vpp store`: backup and restore of the service's ledger, what is in it, and whether it is sound."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vpp.errors import StoreError, VppError

if TYPE_CHECKING:
    # The database is heavy to import, and most commands need none.
    from sqlalchemy import Engine

__all__ = ["add_store_command", "store"]

_FAULTY: Final = 1
_BAD_INPUT: Final = 2
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
#: From one unit of size to the next.
_STEP: Final = 10.0**3
_WIDTH_WITHOUT_TERMINAL: Final = 110


def add_store_command(commands: Any) -> None:
    """Adds `store` to the command line."""
    parser = commands.add_parser("store", help="the service's ledger: backup, restore, check, info")
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    backup = words.add_parser("backup", help="write all of it into one file, also while the service runs")
    backup.add_argument("file", type=Path, metavar="FILE", help="the backup; one that is there is replaced")
    restore = words.add_parser("restore", help="put a backup into a ledger, of whichever database; the service must be stopped")
    restore.add_argument("file", type=Path, metavar="FILE", help="the backup")
    restore.add_argument("--replace", action="store_true", help="what is in the ledger now may be lost")
    check = words.add_parser("check", help="is it sound: pages, tables, and the audit's chain; each fault in one line")
    check.add_argument("--end", metavar="NUMBER:HASH", help="an end of the audit's chain, as an earlier check has printed it")
    info = words.add_parser("info", help="what is in it: rows, span and size of each table")
    info.add_argument("--json", action="store_true", help="the same facts for machines")
    for one in (check, info):
        one.add_argument("--backup", type=Path, metavar="FILE", help="of this backup, not of the ledger")
    for one in (backup, restore, check, info):
        one.add_argument("--store", metavar="URL", help="the ledger (default: as the settings say)")
        one.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; VPP_... in the environment go before it")


def store(told: argparse.Namespace) -> int:
    """Does what was asked for.

    Returns:
        Exit status: 0; 1 for a ledger that is not sound; 2 for bad input or where nothing could be done.
    """
    words = {"backup": _backup, "restore": _restore, "check": _check, "info": _info}
    try:
        return words[told.word](told)
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT


def _backup(told: argparse.Namespace) -> int:
    from controllers.clock import WallClock
    from controllers.store.backup import back_up

    made = back_up(_url(told), told.file, WallClock().now())
    size = _size(told.file.stat().st_size)
    sys.stdout.write(f"ok: {sum(made.rows.values())} rows of version {made.version} ({made.database}) in {told.file}, {size}\n")
    return 0


def _restore(told: argparse.Namespace) -> int:
    from controllers.store.restore import restore

    made = restore(told.file, _url(told), replace=told.replace)
    said = f"{sum(made.rows.values())} rows of {made.made_at:%Y-%m-%d %H:%M:%S} UTC ({made.database}, version {made.version})"
    sys.stdout.write(f"ok: restored {said}; the service may be started\n")
    return 0


def _check(told: argparse.Namespace) -> int:
    from controllers.store import Store
    from controllers.store.chain import ChainEnd
    from controllers.store.facts import faults_of

    try:
        kept = None if told.end is None else ChainEnd.parse(told.end)
    except ValueError as error:
        raise StoreError(f"--end: {error}") from error
    with _engine(told) as engine:
        faults = list(faults_of(engine, kept))
        end = "" if faults else Store(engine).chain_end()
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    if faults:
        return _FAULTY
    sys.stdout.write(f"ok: sound; the audit's chain ends with {end} (keep this elsewhere, for --end)\n")
    return 0


def _info(told: argparse.Namespace) -> int:
    from controllers.store.facts import LedgerFacts, ledger_facts

    with _engine(told) as engine:
        facts: LedgerFacts = ledger_facts(engine)
    if told.json:
        sys.stdout.write(json.dumps(asdict(facts), default=datetime.isoformat, indent=2) + "\n")
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"{facts.database} · version {facts.version or 'none yet'} · {_size(facts.size_bytes)}"
    table = Table(box=box.SIMPLE, title=title)
    for column in ("table", "rows", "first (UTC)", "last (UTC)", "size"):
        table.add_column(column, justify="right" if column in ("rows", "size") else "left", no_wrap=True)
    for one in facts.tables:
        size = "" if one.size_bytes is None else _size(one.size_bytes)
        table.add_row(one.name, f"{one.rows:,}", _time(one.first), _time(one.last), size)
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    Console(file=sys.stdout, width=width, highlight=False).print(table)
    return 0


@contextmanager
def _engine(told: argparse.Namespace) -> Iterator[Engine]:
    """The ledger's, or that of a copy of what is in a backup."""
    from controllers.store.backup import opened_backup
    from controllers.store.engine import engine_of

    if told.backup is not None:
        with opened_backup(told.backup) as (_, engine):
            yield engine
        return
    engine = engine_of(_url(told))
    try:
        yield engine
    finally:
        engine.dispose()


def _url(told: argparse.Namespace) -> str:
    from controllers.settings import load_settings

    return load_settings(told.config, given={"store": {"url": told.store}}).store_url


def _size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < _STEP:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= _STEP
    return f"{size_bytes:.1f} {_UNITS[-1]}"


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
