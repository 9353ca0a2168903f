"""What comes from outside a plan: an event that the grid calls, an override that a person sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan
from typing import Final, Literal, TypeAlias

from vpp.errors import PlanError
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import require_utc

__all__ = ["Event", "EventKind", "EventStatus", "Override", "Pin", "PinLimit", "PinLocal", "PinOut", "PinPower"]

#: Less import at the peak; more at the valley; a limit on import or on export; at once and above all else.
EventKind: TypeAlias = Literal["peak", "valley", "import_limit", "export_limit", "emergency"]
#: Kinds that bound import from below; all others bound it from above.
_FLOORS: Final = frozenset({"valley", "export_limit"})
EventStatus: TypeAlias = Literal["announced", "acknowledged", "active", "done", "refused", "cancelled"]


@dataclass(frozen=True, slots=True)
class Event:
    """A call of the grid on one connection.

    Args:
        event_id: The caller's identity of it.
        kind: See `EventKind`.
        connection: Where it is called.
        target_mw: Import that the connection is to keep, negative for export: at least for valley and export limit, at most for
            all others. [MW]
        start: From when. (UTC)
        end: Until when, no longer inside. (UTC)
        issued_at: When the caller sent it. (UTC)
        received_at: When it became known here. (UTC)
        priority: The lower goes first; two events on one connection are served in this order.
        status: See `EventStatus`.
        revision: Of the caller, counting up with each change.
        asset_id: At whose own meter it is counted; `target_mw` is then the most that it may draw. None for the connection's.
    """

    event_id: str
    kind: EventKind
    connection: ConnectionId
    target_mw: float
    start: datetime
    end: datetime
    issued_at: datetime
    received_at: datetime
    priority: int = 0
    status: EventStatus = "announced"
    revision: int = 1
    asset_id: AssetId | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end", "issued_at", "received_at"):
            require_utc(getattr(self, name), name)
        if self.end <= self.start:
            raise PlanError(f"event {self.event_id}: end {self.end} is not after start {self.start}")
        if isnan(self.target_mw):
            raise PlanError(f"event {self.event_id}: target_mw is missing; an event without a target asks for nothing")

    @property
    def is_floor(self) -> bool:
        """Whether import must not be lower than the target; otherwise it must not be higher."""
        return self.kind in _FLOORS

    @property
    def notice(self) -> timedelta:
        """Time between knowing and start; negative if it came too late."""
        return self.start - self.received_at

    def in_force(self, at: datetime) -> bool:
        """Whether it binds at an instant: inside its span, and neither refused, cancelled nor done."""
        return self.start <= at < self.end and self.status not in ("refused", "cancelled", "done")


@dataclass(frozen=True, slots=True)
class PinPower:
    """Hold this power in MW, positive when consuming."""

    power_mw: float


@dataclass(frozen=True, slots=True)
class PinLimit:
    """Stay within these powers in MW."""

    low_mw: float
    high_mw: float


@dataclass(frozen=True, slots=True)
class PinLocal:
    """Leave the asset to its own control room: count with its telemetry, command nothing."""


@dataclass(frozen=True, slots=True)
class PinOut:
    """Do not count on the asset, it is being worked on: command nothing, and plan as if it stood still."""


Pin: TypeAlias = PinPower | PinLimit | PinLocal | PinOut


@dataclass(frozen=True, slots=True)
class Override:
    """What a person decided about one asset, and who answers for it.

    Args:
        asset_id: The asset.
        pin: What it is to do.
        start: From when. (UTC)
        end: Until when; None until someone lifts it. (UTC)
        who: Who set it.
        why: Their reason, kept in the audit.
        issued_at: When they set it. (UTC)
        received_at: When it became known here. (UTC)
        event_id: The call of the grid that it stands for; None for a person's own decision.
    """

    asset_id: AssetId
    pin: Pin
    start: datetime
    end: datetime | None
    who: str
    why: str
    issued_at: datetime
    received_at: datetime
    event_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("start", "issued_at", "received_at"):
            require_utc(getattr(self, name), name)
        if self.end is not None and require_utc(self.end, "end") <= self.start:
            raise PlanError(f"override of {self.asset_id}: end {self.end} is not after start {self.start}")
        if isinstance(self.pin, PinLimit) and self.pin.low_mw > self.pin.high_mw:
            raise PlanError(f"override of {self.asset_id}: low_mw {self.pin.low_mw} is above high_mw {self.pin.high_mw}")
        if not self.who.strip() or not self.why.strip():
            raise PlanError(f"override of {self.asset_id}: who and why must be said; someone will ask")

    def in_force(self, at: datetime) -> bool:
        """Whether it binds at an instant."""
        return self.start <= at and (self.end is None or at < self.end)
