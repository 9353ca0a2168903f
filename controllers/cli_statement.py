"""`vpp statement`: the statement of a month or a day, as a table, a page, a sheet and facts."""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

from controllers.cli_park import default_park_path
from controllers.statements import (
    RegisterFile,
    RegisterSource,
    Statement,
    StoreRegisters,
    build_statement,
    parse_span,
    statement_facts,
    statement_html,
    write_sheet,
)
from controllers.statements.words import item_words
from vpp.errors import AccountError, VppError
from vpp.park import load, load_record

__all__ = ["add_statement_command", "statement"]

_BAD_INPUT = 2
_NOTHING_CNY = 0.5
_WIDTH_WITHOUT_TERMINAL = 100


def add_statement_command(commands: Any) -> None:
    """Adds `statement` to the command line."""
    parser = commands.add_parser("statement", help="statement of a month or a day (结算单): HTML, CSV, JSON")
    parser.add_argument("--park", help="park file or folder (default: the project's own)")
    parser.add_argument("--month", metavar="YYYY-MM", help="the month")
    parser.add_argument("--day", metavar="DAY", help="one day, YYYY-MM-DD, or with --month the day of the month")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--store", metavar="URL", help="the service's store, as in sqlite:///out/state/vpp.sqlite3")
    source.add_argument(
        "--from-run",
        type=Path,
        metavar="FILE",
        help="registers that `vpp-sim run --registers FILE` wrote; without --month all of them",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="the statement as one page that needs no network")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a line for each party and quarter")
    parser.add_argument("--csv-step", choices=("quarter", "day", "span"), default="quarter", help="what a line of --csv spans")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the sums for machines")


def statement(told: argparse.Namespace) -> int:
    """Makes what was asked for.

    Returns:
        Exit status: 0, or 2 for bad input or where there is nothing to state.
    """
    try:
        made = _made(told)
        _write(told, made)
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
    console.print(statement_table(made))
    return 0


def statement_table(made: Statement) -> RenderableType:
    """The statement's first page for a terminal: cost by item, then each consumer."""
    bill = Table(box=box.SIMPLE, title=f"Statement 结算单 · {made.park.site.name_zh} · {made.span.label}", show_footer=True)
    items = made.totals.items_cny()
    bill.add_column("item 项目", footer="total 合计")
    bill.add_column("CNY", justify="right", footer=f"{sum(items.values()):,.2f}")
    for item, cost in items.items():
        if abs(cost) >= _NOTHING_CNY:
            word, zh, _ = item_words(item)
            bill.add_row(f"{zh} {word}", f"{cost:,.2f}")
    users = Table(box=box.SIMPLE)
    for column in ("consumer 用户", "MWh", "green 绿电", "CNY", "CNY/MWh"):
        users.add_column(column, justify="left" if column.startswith("consumer") else "right")
    for one in made.totals.loads():
        green = "" if one.green_frac is None else f"{100.0 * one.green_frac:.1f} %"
        price = "" if one.price_cny_per_mwh is None else f"{one.price_cny_per_mwh:,.1f}"
        users.add_row(f"{one.party.id} {one.party.name_zh}", f"{one.energy_mwh:,.1f}", green, f"{one.cost_cny:,.0f}", price)
    covered = "" if made.complete else f"provisional 暂估: registers cover {100.0 * made.covered_frac:.1f} % of the span"
    return Group(bill, users, covered)


def _made(told: argparse.Namespace) -> Statement:
    path = told.park or default_park_path()
    zone = load(path, at=load_record(path).opens()).zone
    span = parse_span(told.month, told.day, zone)
    return build_statement(_source(told), cache(lambda day: load(path, at=day)), span)


def _source(told: argparse.Namespace) -> RegisterSource:
    if told.from_run is not None:
        return RegisterFile.read(told.from_run)
    # Who asks for a statement wants no new, empty store.
    place = told.store.partition("sqlite:///")[2]
    if place and not Path(place).is_file():
        raise AccountError(f"--store: {place}: no such file; the service's store is vpp.sqlite3 in its state folder")
    # The store is heavy to import, and a file needs none.
    from controllers.store import open_store

    return StoreRegisters(open_store(told.store))


def _write(told: argparse.Namespace, made: Statement) -> None:
    for option, path, write in (
        ("--html", told.html, lambda stream: stream.write(statement_html(made))),
        ("--csv", told.csv, lambda stream: write_sheet(stream, made, told.csv_step)),
        (
            "--json",
            told.json,
            lambda stream: stream.write(json.dumps(statement_facts(made), ensure_ascii=False, indent=2) + "\n"),
        ),
    ):
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("w", encoding="utf-8", newline="") as stream:
                    write(stream)
            except OSError as error:
                raise AccountError(f"{option}: {path}: cannot be written: {error.strerror}") from error
