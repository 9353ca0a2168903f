"""What was measured: as it came for two days, means over minutes for ninety, quarter hours for ever.

At each full quarter of an hour series are rolled up, from the earliest moment that was written since, so that what an edge
had buffered still finds its way into minutes and quarters that were closed. A minute counts as measured when anything was
heard in it; a quarter's mean is that of its measured minutes, its share is how many there were. Which series have quarters
at all is decided by who settles: the first one is written from outside, from then on they are kept right here.

A reading that is dated far ahead comes from a clock that is wrong: nothing can be measured after it was received. It counts at
the moment it was received, as IEC 60870-5-101 has a control centre do with a time tag that is marked invalid, and is told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from controllers.store import schema as t
from controllers.store.bulk import AHEAD, write_bulk
from controllers.store.journal import Memories
from controllers.store.rows import Reading, RegisterRow
from vpp.units import FloatArray, IntArray

__all__ = ["Readings"]

Series: TypeAlias = tuple[str, str]

SECONDS_KEPT: Final = timedelta(hours=48)
MINUTES_KEPT: Final = timedelta(days=90)
_MINUTE: Final = timedelta(minutes=1)
_QUARTER: Final = timedelta(minutes=15)
_MINUTES_OF_A_QUARTER: Final = _QUARTER / _MINUTE
_SUBJECT_SIZE, _QUANTITY_SIZE = t.SUBJECT_SIZE, t.QUANTITY_SIZE
_MICRO: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Up to when everything is rolled up; outlives the process.
_ROLLED: Final = "store.rolled"


def _fits(row: Reading) -> bool:
    named = len(row.subject) <= _SUBJECT_SIZE and len(row.quantity) <= _QUANTITY_SIZE
    return named and "\x00" not in row.subject + row.quantity and math.isfinite(row.value)


class Readings(Memories):
    """Series of values; written by one thread of one process, read by any.

    Args:
        engine: Of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        #: Readings left out because no column can hold them; by subject, readings that were dated ahead.
        self.unfit = 0
        self.ahead = Counter[str]()
        self._dirty: dict[Series, datetime] = {}
        self._closed: datetime | None = None
        #: What `_ROLLED` says in the ledger; None before it was read.
        self._mark: datetime | None = None

    def write_readings(self, rows: Iterable[Reading]) -> None:
        """Writes readings; of one moment the last word stands. At each full quarter it rolls up what there is.

        What no column can hold is left out and counted: one device with an odd name must not stop the ledger.
        """
        asked = tuple(rows)
        fit = [row for row in asked if _fits(row)]
        given = [row if row.measured_at - row.received_at <= AHEAD else replace(row, measured_at=row.received_at) for row in fit]
        if given:
            for row in given:
                series = row.subject, row.quantity
                since = self._dirty.get(series)
                if since is None or row.measured_at < since:
                    self._dirty[series] = row.measured_at
            self._reopen(min(row.measured_at for row in given))
            with self._begin() as connection:
                write_bulk(connection, given)
            self._roll(_floor(max(row.received_at for row in given), _QUARTER))
        self.unfit += len(asked) - len(fit)
        self.ahead.update(was.subject for was, row in zip(fit, given, strict=True) if was is not row)

    def write_registers(self, rows: Iterable[RegisterRow]) -> None:
        """Writes quarter hours as they are; of one quarter the last word stands."""
        given = [asdict(row) for row in rows]
        if given:
            with self._begin() as connection:
                _upsert(connection, t.REGISTERS, given)

    def latest(self) -> Mapping[Series, Reading]:
        """The newest of each series."""
        with self._begin() as connection:
            rows = [Reading(**row) for row in connection.execute(select(t.LATEST)).mappings()]
        return {(row.subject, row.quantity): row for row in rows}

    def registers(self, start: datetime, end: datetime) -> tuple[RegisterRow, ...]:
        """Rows whose quarter begins in the span."""
        at = t.REGISTERS.c.start
        with self._begin() as connection:
            rows = connection.execute(select(t.REGISTERS).where(at >= start, at < end).order_by(at)).mappings()
            return tuple(RegisterRow(**row) for row in rows)

    def series(
        self, subject: str, quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[tuple[datetime, ...], FloatArray]:
        """Means over steps that begin at `start`; NaN where nothing was measured.

        Each part of the span is read from the coarsest table that still serves the step, and from a coarser one where the finer
        is no longer kept.

        Returns:
            Starts of the steps and their means, both (n,).
        """
        times, means = self.many_series((subject,), quantity, start, end, step)
        return times, means[0]

    def many_series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[tuple[datetime, ...], FloatArray]:
        """As `series`, for many at once.

        Returns:
            Starts of the steps (n,), and the means of each subject, in their order (subjects, n).
        """
        n = max(0, -(-(end - start) // step))
        weighted, weight = np.zeros(len(subjects) * n), np.zeros(len(subjects) * n)
        with self._begin() as connection:
            for table, first, last in self._sources(start, end, step):
                points = _points(connection, table, (subjects, quantity), first, last)
                if table is t.REGISTERS:
                    settled = {subjects[k] for k in np.unique(points.whose)}
                    missing = [subject for subject in subjects if subject not in settled]  # nobody settles these
                    points = points.and_those_of(
                        subjects, _points(connection, t.MINUTES, (missing, quantity), first, last), missing
                    )
                k = points.whose * n + np.maximum(0, (points.at - t.micros_of(start)) // (step // _MICRO))
                weighted += np.bincount(k, points.value * points.seconds, weighted.size)
                weight += np.bincount(k, points.seconds, weight.size)
        means: FloatArray = np.divide(weighted, weight, out=np.full(weight.size, np.nan), where=weight > 0.0)
        return tuple(start + k * step for k in range(n)), means.reshape(len(subjects), n)

    def _sources(self, start: datetime, end: datetime, step: timedelta) -> Iterator[tuple[Table, datetime, datetime]]:
        """Which table serves which part of a span."""
        rolled = self._rolled() or _EPOCH
        by_quarter = rolled if step >= _QUARTER and not (start - _EPOCH) % _QUARTER else rolled - MINUTES_KEPT
        by_minute = max(by_quarter, rolled if step >= _MINUTE else rolled - SECONDS_KEPT)
        marks = (start, min(max(by_quarter, start), end), min(max(by_minute, start), end), end)
        for table, (first, last) in zip((t.REGISTERS, t.MINUTES, t.READINGS), pairwise(marks), strict=True):
            if first < last:
                yield table, first, last

    def _rolled(self) -> datetime | None:
        kept = self.recall(_ROLLED)
        return None if kept is None else datetime.fromisoformat(kept.decode())

    def _reopen(self, at: datetime) -> None:
        """A late reading takes the mark back first, so that a process that ends before the next roll leaves word of it."""
        self._mark = self._mark or self._rolled()
        if self._mark is not None and at < self._mark:
            mark = _floor(at, _QUARTER)
            self.remember(_ROLLED, mark.isoformat().encode())
            self._mark = mark

    def _roll(self, until: datetime) -> None:
        """Rolls up to a full quarter, once for each; what a killed process left undone is found by the mark it left."""
        if self._closed is None:
            self._closed = self._rolled()
            since = self._closed or _EPOCH
            for series in self.latest():
                self._dirty[series] = min(since, self._dirty.get(series, since))
        if self._closed is not None and until <= self._closed:
            return
        due = {series: _floor(at, _QUARTER) for series, at in self._dirty.items() if at < until}
        with self._begin() as connection:
            oldest = until - SECONDS_KEPT
            # Of a quarter before that some seconds are gone already, and what is left of it says nothing.
            whole = _EPOCH if self._closed is None else self._closed - SECONDS_KEPT
            spans = [_bound(series, since=max(since, whole), until=until) for series, since in due.items()]
            if spans:
                connection.execute(_ROLL_MINUTES[connection.dialect.name], spans)
                connection.execute(_ROLL_QUARTERS[connection.dialect.name], spans)
                connection.execute(_forget(t.READINGS), [_bound(series, until=oldest) for series in due])
                connection.execute(_forget(t.MINUTES), [_bound(series, until=until - MINUTES_KEPT) for series in due])
        self.remember(_ROLLED, until.isoformat().encode())
        self._mark = until
        self._dirty = {series: until if series in due else at for series, at in self._dirty.items()}
        self._closed = until


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _EPOCH) % step


@dataclass(frozen=True, slots=True)
class _Points:
    """Rows of several series; all (rows,).

    Args:
        whose: Place of the subject among those that were asked for.
        at: When, in microseconds since 1970.
        value: What.
        seconds: For how long it speaks.
    """

    whose: IntArray
    at: IntArray
    value: FloatArray
    seconds: FloatArray

    def and_those_of(self, subjects: Sequence[str], others: _Points, names: Sequence[str]) -> _Points:
        """With rows that were asked for under other places."""
        if not others.at.size:
            return self
        places = {subject: k for k, subject in enumerate(subjects)}
        whose = np.array([places[name] for name in names], dtype=np.int64)[others.whose]
        return _Points(
            np.concatenate((self.whose, whose)),
            np.concatenate((self.at, others.at)),
            np.concatenate((self.value, others.value)),
            np.concatenate((self.seconds, others.seconds)),
        )


def _points(connection: Connection, table: Table, series: tuple[Sequence[str], str], start: datetime, end: datetime) -> _Points:
    subjects, quantity = series
    at = table.c.start if table is t.REGISTERS else table.c.measured_at
    micros: ColumnElement[int] = type_coerce(at, BigInteger)
    if table is t.REGISTERS:
        value, seconds = table.c.mean, table.c.measured_share * _QUARTER.total_seconds()
    else:
        value, seconds = table.c.value, literal(_MINUTE.total_seconds() if table is t.MINUTES else 1.0)
    rows: Sequence[Any] = ()
    if subjects:
        theirs = and_(table.c.subject.in_(subjects), table.c.quantity == quantity, at >= start, at < end)
        rows = connection.execute(select(table.c.subject, micros, value, seconds).where(theirs)).all()
    names, first, second, third = zip(*rows, strict=True) if rows else ((), (), (), ())
    places = {subject: k for k, subject in enumerate(subjects)}
    return _Points(
        np.array([places[name] for name in names], dtype=np.int64),
        np.array(first, dtype=np.int64),
        np.array(second, dtype=np.float64),
        np.array(third, dtype=np.float64),
    )


def _bound(series: Series, **more: datetime) -> dict[str, Any]:
    return {"subject": series[0], "quantity": series[1], **more}


def _upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Inserts; a row that is there already is replaced."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [c.name for c in table.primary_key]
    values = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)


def _roll(dialect: Any, source: Table, target: Table, step: timedelta) -> Any:
    """Means of a series over steps, out of a finer table; a share of measured minutes for quarters."""
    micros: ColumnElement[int] = type_coerce(source.c.measured_at, BigInteger)
    begins = type_coerce(micros - micros % (step // _MICRO), t.Instant)
    mean, known = func.avg(source.c.value), func.max(source.c.received_at)
    columns: list[Any] = [source.c.subject, source.c.quantity, begins.label("begins"), mean, known]
    names = ["subject", "quantity", "measured_at", "value", "received_at"]
    if target is t.REGISTERS:
        columns.append(func.count() / _MINUTES_OF_A_QUARTER)
        names = ["subject", "quantity", "start", "mean", "received_at", "measured_share"]
    mine = and_(
        source.c.subject == bindparam("subject"),
        source.c.quantity == bindparam("quantity"),
        source.c.measured_at >= bindparam("since", type_=t.Instant),
        source.c.measured_at < bindparam("until", type_=t.Instant),
    )
    if target is t.REGISTERS:
        mine = and_(mine, exists().where(target.c.subject == bindparam("subject"), target.c.quantity == bindparam("quantity")))
    found = select(*columns).where(mine).group_by(source.c.subject, source.c.quantity, begins)
    statement = dialect.insert(target).from_select(names, found)
    values = {name: statement.excluded[name] for name in names[3:]}
    return statement.on_conflict_do_update(index_elements=names[:3], set_=values)


def _forget(table: Table) -> Any:
    mine = and_(table.c.subject == bindparam("subject"), table.c.quantity == bindparam("quantity"))
    return delete(table).where(mine, table.c.measured_at < bindparam("until", type_=t.Instant))


_DIALECTS: Final = {"sqlite": sqlite, "postgresql": postgresql}
_ROLL_MINUTES: Final = {name: _roll(dialect, t.READINGS, t.MINUTES, _MINUTE) for name, dialect in _DIALECTS.items()}
_ROLL_QUARTERS: Final = {name: _roll(dialect, t.MINUTES, t.REGISTERS, _QUARTER) for name, dialect in _DIALECTS.items()}
