"""The statement as CSV: a line for each party and quarter, day, or the whole span."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TextIO, TypeAlias

import numpy as np

from controllers.statements.build import Statement
from vpp.accounts import GREEN, Origin
from vpp.accounts.registers import MIN_MEASURED_FRAC
from vpp.units import FloatArray, IntArray

__all__ = ["SheetStep", "write_sheet"]

SheetStep: TypeAlias = Literal["quarter", "day", "span"]

#: Opens with Chinese names in a spreadsheet only if the file says what it is.
BYTE_ORDER_MARK: Final = "\ufeff"


def write_sheet(stream: TextIO, statement: Statement, step: SheetStep = "quarter") -> None:
    """Writes lines in the order of time, then of parties.

    Sums over the lines of one quarter are the park's: every party is in, stores net. A party whose meter was silent in all of a
    line's time has empty cells, not zeros.

    Args:
        stream: Open for text, `newline=""`.
        statement: What is written.
        step: What one line spans.
    """
    accounts = statement.accounts
    index, labels = _groups(statement, step)
    count = len(labels)

    def sums(values: FloatArray) -> FloatArray:
        """Shape (N, T, ...) to (G, N, ...)."""
        out: FloatArray = np.zeros((count, values.shape[0], *values.shape[2:]))
        np.add.at(out, index, np.moveaxis(values, 1, 0))
        return out

    energy, origin, cost = sums(accounts.energy_mwh), sums(accounts.origin_mwh), sums(accounts.cost_cny)
    due = np.isfinite(accounts.measured_frac)
    told = sums(np.nan_to_num(accounts.measured_frac)) / np.maximum(sums(due.astype(np.float64)), 1.0)
    silent = sums((due & (accounts.measured_frac < MIN_MEASURED_FRAC)).astype(np.float64)) >= sums(
        np.ones_like(due, dtype=np.float64)
    )
    green = origin[:, :, list(GREEN)].sum(axis=2)
    short = sums(accounts.short_mwh)
    table = np.concatenate(
        [
            energy[:, :, np.newaxis],
            origin,
            sums(accounts.through_store_mwh)[:, :, np.newaxis],
            np.where(energy > 0.0, green / np.where(energy > 0.0, energy, 1.0), np.nan)[:, :, np.newaxis],
            short[:, :, np.newaxis],
            sums(accounts.emission_t)[:, :, np.newaxis],
            cost,
            cost.sum(axis=2, keepdims=True),
        ],
        axis=2,
    )
    table[silent] = np.nan
    stream.write(BYTE_ORDER_MARK)
    writer = csv.writer(stream)
    writer.writerow(_head(accounts.items))
    writer.writerows(_lines(statement, labels, table, told))


def _head(items: Sequence[str]) -> list[str]:
    return [
        *("start", "party", "role", "area", "name_zh", "energy_mwh"),
        *(f"{origin.name.lower()}_mwh" for origin in Origin),
        *("through_store_mwh", "green_frac", "certificates_matched_by_quarter_mwh", "co2_t"),
        *(f"{item}_cny" for item in items),
        *("cost_cny", "measured_frac"),
    ]


def _lines(statement: Statement, labels: Sequence[str], table: FloatArray, told: FloatArray) -> Iterator[list[str]]:
    who = [[p.id, p.role, p.area, p.name_zh] for p in statement.accounts.parties]
    for label, rows, shares in zip(labels, table.tolist(), told.tolist(), strict=True):
        for names, row, share in zip(who, rows, shares, strict=True):
            yield [label, *names, *("" if value != value else f"{value:.10g}" for value in row), f"{share:.4g}"]


def _groups(statement: Statement, step: SheetStep) -> tuple[IntArray, list[str]]:
    """The line of each interval, and what lines are called: when they start, in park time."""
    grid, zone = statement.accounts.grid, statement.park.zone
    if step == "quarter":
        return np.arange(grid.n), [start.astimezone(zone).isoformat(timespec="minutes") for start in grid.starts]
    if step == "day":
        return statement.days.index, [day.isoformat() for day in statement.days.days]
    return np.zeros(grid.n, dtype=np.int64), [statement.span.label]
