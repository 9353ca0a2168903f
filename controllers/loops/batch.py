"""What waits to be written into the ledger: bounded, the oldest goes first, and what went is counted and dated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controllers.store.rows import EventRow, ForecastRow, PlanRow, Reading
from vpp.ids import AssetId
from vpp.wire.messages import Ack, Command

__all__ = ["AlarmWord", "Batch", "Loss", "Planned", "Said"]

#: Some minutes of a large park.
_READINGS: Final = 500_000
_SAID: Final = 100_000
#: Half a day of quarters of an hour.
_PLANS: Final = 48
_FORECASTS: Final = 48
#: Of one alarm: raised and cleared so many times while nothing could be written.
_WORDS: Final = 40


@dataclass(frozen=True, slots=True)
class Said:
    """A command or an ack, with when it passed here."""

    asset_id: AssetId
    message: Command | Ack
    at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that is spelt out when it is written, and when it was made."""

    at: datetime
    row: Callable[[], PlanRow]


@dataclass(frozen=True, slots=True)
class AlarmWord:
    """An alarm is raised with a text, or is over with None."""

    text: str | None
    at: datetime


@dataclass(slots=True)
class Loss:
    """What was dropped because nothing could be written for too long.

    Args:
        counts: How much of what.
        first: When the oldest of it was heard.
        last: When the newest of it was.
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None

    def note(self, what: str, at: datetime) -> None:
        """One more."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {what}" for what, n in self.counts.items())
        span = (
            ""
            if self.first is None or self.last is None
            else f", heard from {self.first:%Y-%m-%d %H:%M:%S} to {self.last:%H:%M:%S} UTC"
        )
        return f"{counted}{span}"


@dataclass(slots=True)
class Batch:
    """What waits; commands and acks, readings, plans and forecasts have a bound each, the rest replaces its own older words.

    Args:
        loss: Where it is noted what a bound has cost.
    """

    loss: Loss = field(default_factory=Loss)
    readings: deque[Reading] = field(default_factory=deque)
    said: deque[Said] = field(default_factory=deque)
    plans: deque[Planned] = field(default_factory=deque)
    forecasts: deque[ForecastRow] = field(default_factory=deque)
    alarms: dict[str, deque[AlarmWord]] = field(default_factory=dict)
    memory: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    events: dict[str, EventRow] = field(default_factory=dict)

    def __len__(self) -> int:
        parts = (self.readings, self.said, self.plans, self.forecasts, self.alarms, self.memory, self.events)
        return sum(len(part) for part in parts)

    def read(self, row: Reading) -> None:
        """One reading more."""
        self.readings.append(row)
        self._bound_readings()

    def note(self, said: Said) -> None:
        """One command or ack more."""
        self.said.append(said)
        self._bound_said()

    def plan(self, planned: Planned) -> None:
        """One plan more."""
        self.plans.append(planned)
        self._bound_plans()

    def forecast(self, row: ForecastRow) -> None:
        """One forecast more."""
        self.forecasts.append(row)
        self._bound_plans()

    def alarm(self, key: str, word: AlarmWord) -> None:
        """Raised again it keeps the time at which it was raised first; both ends of one that came and went are kept."""
        words = self.alarms.setdefault(key, deque(maxlen=_WORDS))
        last = words[-1] if words else None
        if last is None or (last.text is None) != (word.text is None):
            words.append(word)
        elif word.text is not None:
            words[-1] = AlarmWord(word.text, last.at)

    def after(self, older: Batch) -> Batch:
        """Both together, the older one's words first; where both speak of the same, the newer one counts."""
        both = Batch(
            self.loss,
            deque((*older.readings, *self.readings)),
            deque((*older.said, *self.said)),
            deque((*older.plans, *self.plans)),
            deque((*older.forecasts, *self.forecasts)),
            older.alarms,
            {**older.memory, **self.memory},
            {**older.events, **self.events},
        )
        for key, words in self.alarms.items():
            for word in words:
                both.alarm(key, word)
        both._bound_readings()
        both._bound_said()
        both._bound_plans()
        return both

    # What is in a row stands in the order in which it was heard, so the first is the oldest.

    def _bound_readings(self) -> None:
        while len(self.readings) > _READINGS:
            self.loss.note("readings", self.readings.popleft().received_at)

    def _bound_said(self) -> None:
        while len(self.said) > _SAID:
            lost = self.said.popleft()
            self.loss.note("acks" if isinstance(lost.message, Ack) else "commands", lost.at)

    def _bound_plans(self) -> None:
        while len(self.plans) > _PLANS:
            self.loss.note("plans", self.plans.popleft().at)
        while len(self.forecasts) > _FORECASTS:
            lost = self.forecasts.popleft()
            self.loss.note("forecasts", lost.received_at or lost.issued_at)
