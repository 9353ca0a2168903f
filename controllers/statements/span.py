"""The span of a statement: a month, a day, or what a file holds; in park time, because a bill is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from vpp.errors import AccountError

__all__ = ["QUARTER", "Span", "SpanKind", "day_span", "month_span", "parse_span"]

QUARTER: Final = timedelta(minutes=15)
SpanKind: TypeAlias = Literal["month", "day", "span"]

_MONTH: Final = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open, in UTC.

    Args:
        kind: What a person calls it.
        label: As in `2030-10` or `2030-10-12`.
        start: First instant.
        end: No longer inside.
        month_start: Of the month that the first instant is in: the demand charge remembers it.
    """

    kind: SpanKind
    label: str
    start: datetime
    end: datetime
    month_start: datetime


def parse_span(month: str | None, day: str | None, zone: ZoneInfo) -> Span | None:
    """What `--month` and `--day` ask for; None where neither is given.

    Args:
        month: As in `2030-10`.
        day: As in `2030-10-12`, or the day of the month in `month`, as in `12`.
        zone: Park time.

    Raises:
        AccountError: Neither a month nor a day of it.
    """
    first = None if month is None else _first(month)
    if day is None:
        return None if first is None else month_span(first, zone)
    if first is not None and day.isdigit():
        found = _date(f"{month}-{int(day):02d}", f"--day: {day}: not a day of {month}")
    else:
        found = _date(day, f"--day: {day}: not a day; write YYYY-MM-DD, or with --month the day of the month")
    if first is not None and (found.year, found.month) != (first.year, first.month):
        raise AccountError(f"--day: {day}: not in the month {month}")
    return day_span(found, zone)


def month_span(first: date, zone: ZoneInfo) -> Span:
    """The whole month of a day."""
    start = first.replace(day=1)
    after = (start + timedelta(days=31)).replace(day=1)
    return Span("month", f"{start:%Y-%m}", _midnight(start, zone), _midnight(after, zone), _midnight(start, zone))


def day_span(day: date, zone: ZoneInfo) -> Span:
    """One day."""
    month_start = _midnight(day.replace(day=1), zone)
    return Span("day", day.isoformat(), _midnight(day, zone), _midnight(day + timedelta(days=1), zone), month_start)


def free_span(start: datetime, end: datetime, zone: ZoneInfo) -> Span:
    """From any quarter to any other."""
    first, last = start.astimezone(zone), (end - QUARTER).astimezone(zone)
    label = first.date().isoformat() if first.date() == last.date() else f"{first.date()} – {last.date()}"
    return Span("span", label, start, end, _midnight(first.date().replace(day=1), zone))


def _first(month: str) -> date:
    if not _MONTH.fullmatch(month):
        raise AccountError(f"--month: {month}: not a month; write YYYY-MM")
    return _date(f"{month}-01", f"--month: {month}: not a month; write YYYY-MM")


def _date(text: str, fault: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise AccountError(fault) from error


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
