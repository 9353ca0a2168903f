"""Where registers come from: the store, or a file that a simulated run wrote."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from controllers.statements.span import QUARTER
from vpp.accounts import Columns, RegisterLike, Registers, registers_of, registers_of_columns
from vpp.errors import AccountError
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["RegisterFile", "RegisterSource", "StoreRegisters"]

_START: Final = "start"


class RegisterSource(Protocol):
    """Whoever can tell quarter-hour registers."""

    def registers(self, park: Park, start: datetime, end: datetime) -> Registers | None:
        """Registers from the first to the last quarter that anything is known of in a span; None where nothing is.

        Args:
            park: As of the span's last day.
            start: First instant (UTC).
            end: No longer inside.
        """
        ...

    def whole(self) -> tuple[datetime, datetime] | None:
        """The span of all registers, where the source is small enough to be shown whole."""
        ...


class RegisterStore(Protocol):
    """What is needed of the store."""

    def registers(self, start: datetime, end: datetime) -> Iterable[RegisterLike]:
        """Rows whose quarter begins in `[start, end)`."""
        ...


@dataclass(frozen=True, slots=True)
class StoreRegisters:
    """The service's store.

    Args:
        store: Open for reading.
    """

    store: RegisterStore

    def registers(self, park: Park, start: datetime, end: datetime) -> Registers | None:
        """As `RegisterSource`; a quarter without a row between two others is a gap."""
        rows = list(self.store.registers(start, end))
        if not rows:
            return None
        first, last = min(row.start for row in rows), max(row.start for row in rows)
        return registers_of(park, TimeGrid.regular(first, QUARTER, (last - first) // QUARTER + 1), rows)

    def whole(self) -> tuple[datetime, datetime] | None:
        """A store grows for ever: a span must be named."""
        return None


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """A CSV of registers: `start` (UTC), then a column for each `subject/quantity`; an empty cell was not measured.

    Args:
        path: Where it was read from.
        starts: Of its quarters, in order.
        values: By subject and quantity, shape (T,).
    """

    path: Path
    starts: tuple[datetime, ...]
    values: Mapping[tuple[str, str], FloatArray]

    @classmethod
    def read(cls, path: Path) -> RegisterFile:
        """The file, checked.

        Raises:
            AccountError: It cannot be read, or is no such file; the line and the column are named.
        """
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.reader(stream))
        except (OSError, UnicodeDecodeError) as error:
            raise AccountError(f"{path}: cannot be read: {error}") from error
        if len(rows) < 2 or not rows[0] or rows[0][0] != _START:
            raise AccountError(
                f"{path}: no registers; the first line must be `{_START}` and columns like `wind.songshan/power_mw`"
            )
        names = [_name(path, name) for name in rows[0][1:]]
        starts = tuple(_instant(path, line, row) for line, row in enumerate(rows[1:], start=2))
        for line, (left, right) in enumerate(zip(starts, starts[1:], strict=False), start=3):
            if right <= left:
                raise AccountError(f"{path}, line {line}: {right.isoformat()} does not come after the line before")
        values = np.array([_numbers(path, line, row, len(names)) for line, row in enumerate(rows[1:], start=2)])
        return cls(path, starts, {name: values[:, column] for column, name in enumerate(names)})

    def registers(self, park: Park, start: datetime, end: datetime) -> Registers | None:
        """As `RegisterSource`."""
        inside = [t for t, at in enumerate(self.starts) if start <= at < end]
        if not inside:
            return None
        first, last = self.starts[inside[0]], self.starts[inside[-1]]
        grid = TimeGrid.regular(first, QUARTER, (last - first) // QUARTER + 1)
        at = {edge: t for t, edge in enumerate(grid.starts)}
        if any(self.starts[t] not in at for t in inside):
            raise AccountError(f"{self.path}: quarters must begin at the full quarter after {first.isoformat()}")
        to = [at[self.starts[t]] for t in inside]
        columns: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
        for name, values in self.values.items():
            mean: FloatArray = np.full(grid.n, np.nan)
            mean[to] = values[inside]
            columns[name] = mean, np.isfinite(mean).astype(np.float64)
        return registers_of_columns(park, grid, columns)

    def whole(self) -> tuple[datetime, datetime] | None:
        """From the first quarter to the end of the last."""
        return self.starts[0], self.starts[-1] + QUARTER


def write_registers(path: Path, starts: Iterable[datetime], columns: Columns) -> None:
    """Writes what `RegisterFile.read` reads; a mean that is NaN becomes an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([_START, *(f"{subject}/{quantity}" for subject, quantity in columns)])
        means = np.array([mean for mean, _ in columns.values()]).T
        for at, row in zip(starts, means.tolist(), strict=True):
            writer.writerow([at.isoformat(), *("" if value != value else repr(value) for value in row)])


def _name(path: Path, text: str) -> tuple[str, str]:
    subject, slash, quantity = text.partition("/")
    if not (subject and slash and quantity):
        raise AccountError(f"{path}, line 1: column {text!r} must be subject and quantity, as in `wind.songshan/power_mw`")
    return subject, quantity


def _instant(path: Path, line: int, row: list[str]) -> datetime:
    try:
        at = datetime.fromisoformat(row[0])
    except (IndexError, ValueError) as error:
        raise AccountError(f"{path}, line {line}: no instant in the first column; write 2030-10-01T00:00:00+00:00") from error
    if at.tzinfo is None:
        raise AccountError(f"{path}, line {line}: {row[0]} names no zone; write 2030-10-01T00:00:00+00:00")
    return at.astimezone(UTC)


def _numbers(path: Path, line: int, row: list[str], wanted: int) -> list[float]:
    if len(row) != wanted + 1:
        raise AccountError(f"{path}, line {line}: {len(row) - 1} values for {wanted} columns")
    try:
        return [float(cell) if cell else float("nan") for cell in row[1:]]
    except ValueError as error:
        raise AccountError(f"{path}, line {line}: {error}; an empty cell is a gap") from error
