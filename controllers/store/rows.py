"""Rows of the ledger, as they go in and come out; times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

__all__ = [
    "AlarmRow",
    "AskRow",
    "AuditRow",
    "EventRow",
    "ForecastRow",
    "OverrideKind",
    "OverrideRow",
    "PlanRow",
    "PromiseRow",
    "Reading",
    "RegisterRow",
    "SaidRow",
]

OverrideKind: TypeAlias = Literal["local", "pin", "maintenance", "release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured value."""

    subject: str
    quantity: str
    measured_at: datetime
    received_at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow:
    """A quarter of an hour of one quantity.

    Args:
        subject: Asset or connection.
        quantity: As in `power_mw`.
        start: Of the quarter.
        mean: Over what was measured of it.
        measured_share: How much of it was, 0 to 1.
        received_at: When the last of it was heard; None where that is not known.
    """

    subject: str
    quantity: str
    start: datetime
    mean: float
    measured_share: float
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRow:
    """What a person decided about one asset; a release ends all that holds it.

    Args:
        number: Of the row; 0 before it is written.
        asset_id: The asset.
        kind: See `OverrideKind`.
        power_mw: For a pin. [MW, positive when consuming]
        start: From when.
        end: Until when; None until it is released.
        who: Who decided.
        why: Their reason.
        asked_at: In park time.
        closed_at: When it was ended by hand.
        closed_by: By whom.
    """

    number: int = 0
    asset_id: str
    kind: OverrideKind
    power_mw: float | None = None
    start: datetime
    end: datetime | None = None
    who: str
    why: str
    asked_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A call of the grid and the state of its life.

    Args:
        number: Of the row; 0 before it is written. It stays the same over all revisions.
        event_id: The caller's own name of it.
        connection: Where.
        asset: The cluster at whose own meter it is counted; None for the connection's meter.
        kind: As in `vpp.events.EventKind`.
        target_mw: Import to keep, negative for export; with `asset` the most that its meter may read. [MW]
        start: From when.
        end: Until when.
        priority: The lower goes first.
        note: Of the caller.
        who: Who called.
        asked_at: When it was first received, in park time.
        revision: Counts the changes by the caller.
        state: received, assessed, accepted, refused, running, delivered, settled or cancelled.
        reason: Why it is in that state.
        changed_at: When its state last changed.
        confidence: How surely the caller wants it kept.
        asked_mw: Change against the import expected without it; None before it was assessed. [MW]
        accepted_mw: How much of that is promised. [MW]
        held_mw: Import that is kept in mind, where it is another than the target: a call taken in part. [MW]
        possible_mw: Import that can be held now, where that is less than was promised; None while all of it can. [MW]
    """

    number: int = 0
    event_id: str
    connection: str
    kind: str
    target_mw: float
    start: datetime
    end: datetime
    priority: int = 0
    note: str = ""
    who: str
    asked_at: datetime
    revision: int = 1
    state: str = "received"
    reason: str = ""
    changed_at: datetime
    confidence: float = 0.99
    asked_mw: float | None = None
    accepted_mw: float | None = None
    held_mw: float | None = None
    asset: str | None = None
    possible_mw: float | None = None

    @property
    def kept_mw(self) -> float:
        """Import that counts: what was taken of the target. [MW]."""
        return self.target_mw if self.held_mw is None else self.held_mw


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    """What was promised of one revision of a call; see `EventRow`."""

    revision: int
    asked_mw: float
    accepted_mw: float
    held_mw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRow:
    """Something new for the controller, in order of arrival.

    Args:
        number: Of the ask; every change of an override or event is one more.
        kind: override or event.
        row: Number of the override or event that is new or has changed.
    """

    number: int
    kind: str
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """Something that should not be; raised again it stays one alarm until it is cleared."""

    number: int
    key: str
    level: str
    text: str
    raised_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who asked for what, and what became of it."""

    at: datetime
    who: str
    action: str
    subject: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """A plan.

    Args:
        plan_id: Its identity.
        made_at: When.
        source: What made it.
        gap_frac: How far from the best it may be.
        cost_cny: Expected.
        facts: Everything it says, as JSON (`controllers.planner.publish.plan_facts`).
        received_at: When the ledger learned of it; None before it is written stands for `made_at`.
    """

    plan_id: str
    made_at: datetime
    source: str
    gap_frac: float | None
    cost_cny: float | None
    facts: bytes
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRow:
    """A forecast, as it was published (`vpp.wire.messages.ForecastCurrent`).

    Args:
        issued_at: Of which moment it is.
        message: As JSON.
        received_at: When the ledger learned of it; None before it is written stands for `issued_at`.
    """

    issued_at: datetime
    message: bytes
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidRow:
    """A command or an ack, as it went over the wire.

    Args:
        asset_id: To or from whom.
        word: command or ack.
        epoch: Of the command.
        seq: Of the command.
        at: When it passed, in park time.
        message: As JSON.
    """

    asset_id: str
    word: str
    epoch: int
    seq: int
    at: datetime
    message: bytes
