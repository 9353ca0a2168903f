"""Numbers and widths: what fits into so many cells of a terminal, where a Chinese character takes two."""

from __future__ import annotations

import math
from typing import Final

from rich.cells import cell_len, set_cell_size

from vpp.units import HOURS_PER_DAY, MINUTES_PER_HOUR, MS_PER_S, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

__all__ = ["MISSING", "age", "delay", "fit", "gauge", "mw", "percent"]

#: Missing is a state of its own, never zero and never NaN.
MISSING: Final = "–"
_FULL, _EMPTY = "█", "░"
_SMALL_MW: Final = 9.95


def mw(value: float | None) -> str:
    """A power for a person: whole megawatts, tenths below ten.

    >>> mw(1234.4), mw(-7.26), mw(-0.01), mw(float("nan"))
    ('1,234', '-7.3', '0', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) < _SMALL_MW:
        text = f"{value:.1f}"
        return "0" if text in ("0.0", "-0.0") else text
    return f"{value:,.0f}"


def percent(share_frac: float | None, digits: int = 0) -> str:
    """A share for a person.

    >>> percent(0.634), percent(None)
    ('63 %', '–')
    """
    if share_frac is None or not math.isfinite(share_frac):
        return MISSING
    return f"{share_frac * 100.0:.{digits}f} %"


def age(seconds: float) -> str:
    """A length of time in its two largest words.

    >>> age(42.0), age(480.0), age(5400.0), age(200_000.0)
    ('42 s', '8 min', '1 h 30 min', '2 d 7 h')
    """
    if seconds < SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    minutes = int(seconds // SECONDS_PER_MINUTE)
    if seconds < SECONDS_PER_HOUR:
        return f"{minutes} min"
    hours = int(minutes // MINUTES_PER_HOUR)
    if hours < HOURS_PER_DAY:
        return f"{hours} h {int(minutes % MINUTES_PER_HOUR)} min"
    return f"{int(hours // HOURS_PER_DAY)} d {int(hours % HOURS_PER_DAY)} h"


def delay(seconds: float) -> str:
    """A short delay.

    >>> delay(0.0084), delay(3.25)
    ('8 ms', '3.2 s')
    """
    return f"{seconds * MS_PER_S:.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"


def gauge(level_frac: float, cells: int) -> str:
    """A level as a bar of so many cells.

    >>> gauge(0.5, 6)
    '███░░░'
    """
    full = round(min(max(level_frac, 0.0), 1.0) * cells)
    return _FULL * full + _EMPTY * (cells - full)


def fit(text: str, cells: int) -> str:
    """The text in exactly so many cells: filled with blanks, or cut with an ellipsis.

    >>> fit("风电场", 8), fit("风电场", 4)
    ('风电场  ', '风… ')
    """
    if cell_len(text) <= cells:
        return text + " " * (cells - cell_len(text))
    return set_cell_size(set_cell_size(text, cells - 1).rstrip() + "…", cells) if cells > 0 else ""
