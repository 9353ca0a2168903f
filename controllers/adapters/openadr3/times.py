"""Times of OpenADR 3: RFC 3339 instants, ISO 8601 durations, and the two special values "now" and "for ever". Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from vpp.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE

__all__ = ["FOR_EVER", "duration_of", "duration_text", "instant_of", "instant_text", "uri_text"]

#: "A duration of P9999Y may indicate infinity", as a span that may still be added to any date of ours.
FOR_EVER: Final = timedelta(days=365_000)
_INSTANT: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
#: "A start of 0001-01-01 or 0001-01-01T00:00:00 may indicate now."
_NOW: Final = re.compile(r"0001-01-01(T00:00:00(Z|\+00:00)?)?")
_DURATION: Final = re.compile(
    r"(-?)P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)([DW]))?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_DAYS_PER_YEAR: Final = 365
_DAYS_PER_MONTH: Final = 30
_DAYS_PER_WEEK: Final = 7


def instant_text(text: str) -> str:
    """The text itself, if it is an instant.

    Raises:
        ValueError: It is none.
    """
    if not _NOW.fullmatch(text):
        shape = _INSTANT.fullmatch(text)
        if shape is None:
            raise ValueError("is no RFC 3339 date-time with a zone, as in 2030-01-01T10:00:00Z")
        date(int(shape[1]), int(shape[2]), int(shape[3]))
    return text


def instant_of(text: str, now: datetime) -> datetime:
    """What an instant means (UTC).

    Args:
        text: See `instant_text`.
        now: What "now" stands for.

    Raises:
        ValueError: It is none, or out of the calendar.

    >>> instant_of("2030-01-01T08:00:00+08:00", datetime(2030, 1, 1, tzinfo=UTC)).isoformat()
    '2030-01-01T00:00:00+00:00'
    """
    if _NOW.fullmatch(text):
        return now
    shape = _INSTANT.fullmatch(instant_text(text))
    assert shape is not None  # instant_text has seen it
    # Python knows no leap second: the second before it stands for it.
    second = min(int(shape[6]), 59)
    zone = "+00:00" if shape[8] in "Zz" else shape[8]
    fraction = (shape[7] or "")[:7].ljust(7, "0") if shape[7] else ""
    plain = f"{shape[1]}-{shape[2]}-{shape[3]}T{shape[4]}:{shape[5]}:{second:02d}{fraction}{zone}"
    try:
        return datetime.fromisoformat(plain).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of the calendar") from error


def duration_text(text: str) -> str:
    """The text itself, if it is a duration.

    Raises:
        ValueError: It is none.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError("is no ISO 8601 duration, as in PT1H")
    return text


def duration_of(text: str) -> timedelta:
    """How long a duration is; months count 30 days and years 365, and whatever is longer than a thousand years is for ever.

    Raises:
        ValueError: It is none.

    >>> duration_of("P1DT1H30M"), duration_of("-PT15M"), duration_of("P9999Y") == FOR_EVER
    (datetime.timedelta(days=1, seconds=5400), datetime.timedelta(days=-1, seconds=85500), True)
    """
    shape = _DURATION.fullmatch(duration_text(text))
    assert shape is not None  # duration_text has seen it
    sign, years, months, many, unit, hour, minute, second = shape.groups()
    days = int(years or 0) * _DAYS_PER_YEAR + int(months or 0) * _DAYS_PER_MONTH
    days += int(many or 0) * (_DAYS_PER_WEEK if unit == "W" else 1)
    seconds = int(hour or 0) * SECONDS_PER_HOUR + int(minute or 0) * SECONDS_PER_MINUTE + float(second or 0.0)
    try:
        span = min(timedelta(days=days, seconds=seconds), FOR_EVER)
    except OverflowError:
        span = FOR_EVER
    return -span if sign else span


def uri_text(text: str) -> str:
    """The text itself, if it is a URI (RFC 3986, by its characters).

    Raises:
        ValueError: It is none.
    """
    if not _URI.fullmatch(text):
        raise ValueError("is no URI")
    return text
