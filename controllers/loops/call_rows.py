"""A call as it stands in the ledger: in the grid's words, as an event, and where it goes from where it is. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from controllers.store.rows import EventRow
from vpp.events import Event
from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import GridEvent

__all__ = ["event_of_row", "keeps_target", "next_state", "said_of"]

_OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
#: What is read at a meter is within its target if it misses it by no more than this. [MW]
_NEAR_MW: Final = 1.0


def said_of(row: EventRow) -> GridEvent:
    """A row in the grid's own words, with the import that counts."""
    return GridEvent(
        event_id=row.event_id,
        revision=row.revision,
        kind=row.kind,  # type: ignore[arg-type]  # the API takes no other
        target_mw=row.kept_mw,
        start=row.start,
        end=row.end,
        issued_at=row.asked_at,
        priority=row.priority,
        confidence=row.confidence,
        cancelled=row.state == "cancelled",
        asset=row.asset,
    )


def event_of_row(row: EventRow, at: datetime) -> Event:
    """A row as an event, received at an instant, with the import that was called for."""
    return Event(
        event_id=row.event_id,
        kind=row.kind,  # type: ignore[arg-type]  # the API takes no other
        connection=ConnectionId(row.connection),
        target_mw=row.target_mw,
        start=row.start,
        end=row.end,
        issued_at=row.asked_at,
        received_at=at,
        priority=row.priority,
        revision=row.revision,
        asset_id=None if row.asset is None else AssetId(row.asset),
    )


def next_state(row: EventRow, refused: str | None, at: datetime, kept: str) -> tuple[str, str] | None:
    """Where an event goes from where it is, and why; None if it stays. Pure.

    Args:
        row: As it stands.
        refused: Why it cannot be kept; None if it can.
        at: Now.
        kept: What became of it, in words.
    """
    if row.state in _OVER:
        return None
    if refused is not None and row.state != "running":
        return "refused", refused
    if row.state in ("received", "assessed") and at >= row.end:
        return "refused", "it was over before it could be judged"
    if row.state in ("received", "assessed"):
        return "accepted", "taken into plan and dispatch"
    if row.state == "accepted" and at >= row.start:
        return "running", f"binds since {row.start.isoformat()}"
    if row.state == "running" and at >= row.end:
        return "delivered", kept
    return None


def keeps_target(row: EventRow, read_mw: float) -> bool:
    """Whether a meter reads what was promised, or misses it by little. [MW]."""
    if row.kind in ("valley", "export_limit"):
        return read_mw >= row.kept_mw - _NEAR_MW
    return read_mw <= row.kept_mw + _NEAR_MW
