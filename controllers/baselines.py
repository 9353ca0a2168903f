"""What a connection would have drawn without a call, as settlement rules estimate it from the days before (基线负荷).

Batch loads and whatever a controller shifts anyway have no usual day; for them the schedule declared before the call is the
baseline, which needs no estimate but has an error all the same. Each of the other rules takes the 15-min registers before the
event and returns the baseline over the event's own intervals. Days are park days;
days on which an event was called are left out, because they say nothing about a day without one. A rule that finds fewer days
than it asks for uses those there are and says how many; with none there is no baseline, and none is invented.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = [
    "BASELINE_RULES",
    "DECLARED_SOURCE",
    "Baseline",
    "BaselineError",
    "BaselineRule",
    "Registers",
    "baseline",
    "baseline_error",
    "days_that_count",
    "error_of",
]

BaselineRule: TypeAlias = Literal["jiangsu", "beijing", "caiso"]

_SATURDAY: Final = 5
DECLARED_SOURCE: Final = "declared schedule: the plan known before the call, for batch loads and for what we ourselves shift"
#: An error is measured on so many of the last days.
_ERROR_DAYS: Final = 20
#: Same-day adjustment: the hours before the event that are compared, with a gap in which the park may already prepare.
_ADJUST_FROM: Final = timedelta(hours=4)
_ADJUST_UNTIL: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DayChoice:
    """How a rule chooses and averages days.

    Args:
        days: How many days it looks back to, of those that count.
        working_days_only: Whether weekends and holidays are left out.
        best: How many of them, those with the highest mean over the event's hours, are averaged.
        adjust_most_frac: Most that the same-day adjustment may change; 0 for no adjustment.
        source: Where the rule is written.
    """

    days: int
    working_days_only: bool
    best: int
    adjust_most_frac: float
    source: str


BASELINE_RULES: Final[Mapping[BaselineRule, DayChoice]] = {
    "jiangsu": DayChoice(5, True, 5, 0.0, "Jiangsu demand response rules: mean of the last 5 working days"),
    "beijing": DayChoice(10, False, 5, 0.0, "Beijing demand response rules: highest 5 of the last 10 days"),
    "caiso": DayChoice(10, True, 10, 0.2, "CAISO tariff, 10-in-10 with same-day adjustment of up to 20 %"),
}


@dataclass(frozen=True, slots=True)
class Registers:
    """Metered import of one connection.

    Args:
        grid: Equal intervals.
        import_mw: Mean over each, negative when exporting, shape (T,); NaN where nothing was metered. [MW]
        zone: Park time.
        holidays: Days that are no working days although the calendar says so.
        event_days: Days on which something was called.
    """

    grid: TimeGrid
    import_mw: FloatArray
    zone: ZoneInfo
    holidays: Collection[date] = ()
    event_days: Collection[date] = ()

    def mean_mw(self, start: datetime, end: datetime) -> float:
        """Mean import over `[start, end)`; NaN if any interval of it is missing."""
        values = [self.at(t) for t in _starts(start, end, self.grid)]
        return float(np.mean(values)) if values else float("nan")

    def at(self, start: datetime) -> float:
        """Import of the interval that starts at an instant; NaN outside the registers."""
        if not self.grid.start <= start < self.grid.end:
            return float("nan")
        return float(self.import_mw[self.grid.index(start)])


@dataclass(frozen=True, slots=True)
class Baseline:
    """The estimate, and what it stands on.

    Args:
        import_mw: Over the event's intervals, shape (K,). [MW]
        days: The days that were averaged.
        adjusted_by_frac: What the same-day adjustment multiplied by; 1 for none.
    """

    import_mw: FloatArray
    days: tuple[date, ...]
    adjusted_by_frac: float


def baseline(rule: BaselineRule, registers: Registers, start: datetime, end: datetime) -> Baseline | None:
    """Import over an event's intervals as a rule estimates it; None if no day before it counts.

    Args:
        rule: Which one.
        registers: Of the connection, at least those before the event.
        start: Of the event (UTC), on an edge of the registers.
        end: Of the event (UTC).
    """
    chosen = BASELINE_RULES[rule]
    found: list[tuple[float, date, FloatArray]] = []
    for day, back in _days_before(registers, start, chosen):
        values = np.array([registers.at(t - back) for t in _starts(start, end, registers.grid)])
        if not np.isnan(values).any():
            found.append((float(values.mean()), day, values))
        if len(found) == chosen.days:
            break
    if not found:
        return None
    best = sorted(found, key=lambda one: -one[0])[: chosen.best]
    mean_mw: FloatArray = np.mean([values for _, _, values in best], axis=0)
    factor = _adjustment(chosen, registers, start, [start.astimezone(registers.zone).date() - day for _, day, _ in best])
    return Baseline(mean_mw * factor, tuple(sorted(day for _, day, _ in best)), factor)


@dataclass(frozen=True, slots=True)
class BaselineError:
    """How far estimates lay from the meter on days without a call.

    Args:
        days: How many.
        mean_error_mw: Estimate less meter: above zero it pays the park too much. [MW]
        rmse_mw: Root of the mean square over all their intervals. [MW]
        mean_abs_import_mw: Of the meter, to measure it by. [MW]
    """

    days: int
    mean_error_mw: float
    rmse_mw: float
    mean_abs_import_mw: float


def baseline_error(
    rule: BaselineRule, registers: Registers, start: datetime, end: datetime, most_days: int = _ERROR_DAYS
) -> BaselineError | None:
    """A rule's error at the same hours of the last days on which nothing was called; None if there is no such day.

    Each day is estimated as if it were called, from the days before it alone.

    Args:
        rule: Which one.
        registers: Of the connection.
        start: Of the event (UTC), on an edge of the registers.
        end: Of the event (UTC).
        most_days: The newest so many.
    """
    estimated: list[FloatArray] = []
    metered: list[FloatArray] = []
    for _, back in _days_before(registers, start, BASELINE_RULES[rule]):
        found = baseline(rule, registers, start - back, end - back)
        actual = np.array([registers.at(t - back) for t in _starts(start, end, registers.grid)])
        if found is not None and not np.isnan(actual).any():
            estimated.append(found.import_mw)
            metered.append(actual)
        if len(metered) == most_days:
            break
    return error_of(np.array(estimated), np.array(metered)) if metered else None


def error_of(estimated_mw: FloatArray, metered_mw: FloatArray) -> BaselineError:
    """The error of estimates, days by intervals, shape (D, K) each. [MW]."""
    wrong = estimated_mw - metered_mw
    return BaselineError(
        days=len(wrong),
        mean_error_mw=float(wrong.mean()),
        rmse_mw=float(np.sqrt((wrong**2).mean())),
        mean_abs_import_mw=float(np.abs(metered_mw).mean()),
    )


def days_that_count(rule: BaselineRule, registers: Registers, start: datetime) -> tuple[date, ...]:
    """Days before an event that a rule may look at, the nearest first, whether they were metered or not."""
    today = start.astimezone(registers.zone).date()
    return tuple(today - back for _, back in _days_before(registers, start, BASELINE_RULES[rule]))


def _starts(start: datetime, end: datetime, grid: TimeGrid) -> list[datetime]:
    step = grid.edges[1] - grid.edges[0]
    return [start + i * step for i in range(max(0, int(np.ceil((end - start) / step))))]


def _days_before(registers: Registers, start: datetime, rule: DayChoice) -> list[tuple[date, timedelta]]:
    """Days that count, the nearest first, with how far back each lies."""
    today = start.astimezone(registers.zone).date()
    first = registers.grid.start.astimezone(registers.zone).date()
    found = []
    for back in range(1, (today - first).days + 1):
        day = today - timedelta(days=back)
        works = day.weekday() < _SATURDAY and day not in registers.holidays
        if day not in registers.event_days and (works or not rule.working_days_only):
            found.append((day, timedelta(days=back)))
    return found


def _adjustment(rule: DayChoice, registers: Registers, start: datetime, backs: list[timedelta]) -> float:
    """Today's level before the event against the same hours of the days averaged, within the rule's limit."""
    if rule.adjust_most_frac == 0.0:
        return 1.0
    span = (start - _ADJUST_FROM, start - _ADJUST_UNTIL)
    today = registers.mean_mw(*span)
    then = float(np.mean([registers.mean_mw(span[0] - back, span[1] - back) for back in backs]))
    if not (np.isfinite(today) and np.isfinite(then)) or then == 0.0:
        return 1.0
    return float(np.clip(today / then, 1.0 - rule.adjust_most_frac, 1.0 + rule.adjust_most_frac))
