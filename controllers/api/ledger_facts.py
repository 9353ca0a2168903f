"""What stands in the ledger, as it is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from controllers.api.problem import Fault
from vpp.wire.messages import Ack, Backlog, Command, ComputeShift, ForecastSeries, Reason, ShiftResponse

__all__ = [
    "AlarmFacts",
    "AlarmList",
    "AuditFacts",
    "AuditList",
    "BacklogAnswer",
    "BacklogFacts",
    "CommandFacts",
    "CommandList",
    "Cost",
    "EventFacts",
    "EventList",
    "ForecastFacts",
    "Measurement",
    "Measurements",
    "OverrideFacts",
    "OverrideList",
    "PlanFacts",
    "PlanHead",
    "PlanList",
    "PlanRow",
    "Released",
    "ShiftFacts",
]


class OverrideFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided about one asset.

    Args:
        number: Of the row in the ledger.
        asset_id: Which asset.
        kind: local, pin, release or maintenance.
        power_mw: For a pin. [MW, positive when consuming]
        start: From when.
        end: Until when; null until it is released.
        by: Who.
        why: Their reason.
        asked_at: When, in park time.
        closed_at: When it was released; null as long as it stands.
        closed_by: By whom.
    """

    number: int
    asset_id: str
    kind: str
    power_mw: float | None
    start: datetime
    end: datetime | None
    by: str
    why: str
    asked_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None


class OverrideList(msgspec.Struct, frozen=True, kw_only=True):
    """Overrides, oldest first."""

    at: datetime
    overrides: tuple[OverrideFacts, ...]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """Overrides that a release has ended."""

    asset_id: str
    number: int
    released: tuple[int, ...]


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A call of the grid and where it is in its life.

    Args:
        number: Of the row in the ledger.
        event_id: The caller's own name of it.
        connection: Where.
        kind: What is asked.
        target_mw: Import to keep, negative for export; with `asset` the most that its meter may read. [MW]
        start: From when.
        end: Until when.
        priority: The lower goes first.
        note: Of the caller.
        revision: Counts the changes.
        state: received, assessed, accepted, refused, running, delivered, settled or cancelled.
        reason: Why it is in that state.
        by: Who called.
        asked_at: When it was received, in park time.
        changed_at: When its state last changed.
        confidence: How surely it is to be kept.
        asked_mw: Change of import that it asks against what is expected without it; null before it was assessed. [MW]
        accepted_mw: How much of that is promised; less than asked where it is accepted in part. [MW]
        held_mw: Import that is held for it: the target, or what can be held of it; null where it stands without a promise. [MW]
        asset: The computing cluster at whose own meter it is counted; null for the connection's meter.
        possible_mw: Import that can be held now, where that is less than was promised; null while all of it can be held. [MW]
    """

    number: int
    event_id: str
    connection: str
    kind: str
    target_mw: float
    start: datetime
    end: datetime
    priority: int
    note: str
    revision: int
    state: str
    reason: str
    by: str
    asked_at: datetime
    changed_at: datetime
    confidence: float = 0.99
    asked_mw: float | None = None
    accepted_mw: float | None = None
    held_mw: float | None = None
    asset: str | None = None
    possible_mw: float | None = None


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """Events, oldest first."""

    at: datetime
    events: tuple[EventFacts, ...]


class AlarmFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Something that should not be, and stays until somebody has seen it.

    Args:
        number: Of the row in the ledger.
        key: What it is about; raised again it stays one alarm.
        level: note, warning or alarm.
        text: One line.
        text_zh: The same in Chinese.
        raised_at: When.
        acknowledged_at: When somebody saw it.
        acknowledged_by: Who.
        cleared_at: When it was over.
    """

    number: int
    key: str
    level: str
    text: str
    raised_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    cleared_at: datetime | None = None
    text_zh: str = ""


class AlarmList(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms that stand, or that nobody has seen yet."""

    at: datetime
    alarms: tuple[AlarmFacts, ...]


class AuditFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what, and what became of it."""

    at: datetime
    who: str
    action: str
    subject: str
    outcome: str
    detail: str


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    """The audit, newest first."""

    rows: tuple[AuditFacts, ...]


class CommandFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it was sent, with its reason, and what the device answered.

    Args:
        at: When it was sent, in park time.
        command: As it went over the wire.
        acked_at: When the answer came; null without one, and where the command only renewed a lease.
        ack: The answer.
    """

    at: datetime
    command: Command
    acked_at: datetime | None = None
    ack: Ack | None = None


class CommandList(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to one asset, oldest first; a command that only renewed a lease is not repeated."""

    asset_id: str
    commands: tuple[CommandFacts, ...]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One series; `times` are starts of intervals, or instants where readings are given as they came."""

    subject: str
    quantity: str
    times: list[datetime]
    values: list[float | None]


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """Series over one span."""

    start: datetime
    end: datetime
    step_s: float
    series: tuple[Measurement, ...]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a plan's expected cost. [CNY]."""

    item: str
    cost_cny: float


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """One asset or connection over the plan's intervals."""

    id: str
    power_mw: list[float]


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in one line.

    Args:
        plan_id: Named by every command that follows from it.
        made_at: When.
        source: What made it, as in `mpc`, `last_plan`, `rules`.
        gap_frac: How far from the best it may be.
        cost_cny: Expected; null where none was worked out.
        unmet: How much it does not meet.
    """

    plan_id: str
    made_at: datetime
    source: str
    gap_frac: float | None
    cost_cny: float | None
    unmet: int


class PlanList(msgspec.Struct, frozen=True, kw_only=True):
    """Plans, newest first."""

    plans: tuple[PlanHead, ...]


class PlanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and its explanation.

    Args:
        plan_id: Its identity.
        made_at: When.
        source: What made it.
        gap_frac: How far from the best it may be.
        edges: T + 1 instants.
        assets: Each over T intervals, positive when consuming.
        connections: Each over T intervals, import positive.
        unmet: What it does not meet, by how much, and what stands in the way.
        binding: Limits that hold it, with what one more unit of room would save.
        cost_items: Expected cost by item, the largest first.
        more: Whatever else the planner has written down.
    """

    plan_id: str
    made_at: datetime
    source: str
    gap_frac: float | None
    edges: tuple[datetime, ...]
    assets: tuple[PlanRow, ...]
    connections: tuple[PlanRow, ...]
    unmet: tuple[Reason, ...]
    binding: tuple[dict[str, Any], ...] = ()
    cost_items: tuple[Cost, ...] = ()
    more: dict[str, Any] = msgspec.field(default_factory=dict)


class ForecastFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of what is expected: for each interval one row with a value at each level.

    Args:
        issued_at: When it was made.
        edges: T + 1 instants.
        levels: Of the quantiles, rising.
        series: One for each farm and load.
        stale: Whether it has aged into persistence or climatology.
    """

    issued_at: datetime
    edges: tuple[datetime, ...]
    levels: tuple[float, ...]
    series: tuple[ForecastSeries, ...]
    stale: bool


class ShiftFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The compute-shift signal to a cluster, and what its scheduler said to it.

    Args:
        cluster: Which.
        signal: The last; null before the first.
        valid: Whether the park still renews it.
        response: The scheduler's last answer; null without one.
    """

    cluster: str
    signal: ComputeShift | None
    valid: bool
    response: ShiftResponse | None


class BacklogFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The work that a cluster has reported; null before the first report."""

    cluster: str
    backlog: Backlog | None


class BacklogAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What of a report was taken.

    Args:
        cluster: Whose.
        accepted: Items that were taken.
        accepted_mwh: Their energy, as far as it was given as energy. [MWh]
        refused: Faults of the others; `where` names the item by its place.
    """

    cluster: str
    accepted: int
    accepted_mwh: float
    refused: tuple[Fault, ...]
