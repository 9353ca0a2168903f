"""What a cluster's cap may be: inside the next hours it only rises, but in an event that the signal names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import structs

from vpp.events import Event, Override, PinLimit, PinPower
from vpp.ids import AssetId
from vpp.wire.messages import Reason, ShiftEvent, ShiftInterval

__all__ = ["LOCKED", "Lowering", "kept_caps", "lowering"]

#: So far ahead a cap is a promise.
LOCKED: Final = timedelta(hours=4)
_EVENT, _OVERRIDE = "grid_event", "override"


@dataclass(frozen=True, slots=True)
class Lowering:
    """Why, and from when to when, a cap may fall inside the next hours."""

    start: datetime
    end: datetime
    name: str
    reason: Reason

    def event(self) -> ShiftEvent:
        """As it travels."""
        return ShiftEvent(event_id=self.name, start=self.start, end=self.end, reason=self.reason)


def lowering(events: Iterable[Event], overrides: Iterable[Override], cluster: AssetId, at: datetime) -> Lowering | None:
    """All that allows a lower cap inside the next hours, as one span under the first one's name; None where nothing does.

    Args:
        events: Calls of the grid that stand: any connection's, since power may reach it over others.
        overrides: What people have decided and what the grid asks of single meters; only a pin of this cluster counts.
        cluster: Whose cap.
        at: From here on.
    """
    until = at + LOCKED
    spans = [(e.start, e.end, e.event_id, _EVENT) for e in events if not e.is_floor and e.start < until and at < e.end]
    spans += [
        (o.start, o.end or until + LOCKED, o.event_id or f"override.{cluster}", _OVERRIDE if o.event_id is None else _EVENT)
        for o in overrides
        if o.asset_id == cluster and isinstance(o.pin, PinPower | PinLimit) and o.start < until and (o.end is None or at < o.end)
    ]
    if not spans:
        return None
    start, _, name, code = min(spans)
    text = ", ".join(sorted({other for _, _, other, _ in spans}))
    return Lowering(start, max(end for _, end, _, _ in spans), name, Reason(code=code, text=text[:200]))


def kept_caps(
    wanted: Sequence[ShiftInterval], before: Sequence[ShiftInterval], at: datetime, allowed: Lowering | None
) -> tuple[ShiftInterval, ...]:
    """The intervals with no cap below what was promised for the next hours, outside of what allows it.

    Where that begins or ends inside an interval the interval is cut there.

    Args:
        wanted: What the plan would publish.
        before: What was published last.
        at: This moment.
        allowed: See `lowering`.
    """
    promised = [(max(p.start, at), min(p.end, at + LOCKED), p.cap_mw) for p in before if p.start < at + LOCKED and at < p.end]
    found: list[ShiftInterval] = []
    for interval in wanted:
        for piece in _cut(interval, allowed):
            least_mw = 0.0
            if allowed is None or not (allowed.start <= piece.start and piece.end <= allowed.end):
                least_mw = max((mw for start, end, mw in promised if start < piece.end and piece.start < end), default=0.0)
            found.append(structs.replace(piece, cap_mw=least_mw) if piece.cap_mw < least_mw else piece)
    return tuple(found)


def _cut(interval: ShiftInterval, allowed: Lowering | None) -> Iterable[ShiftInterval]:
    inside = {at for at in (allowed.start, allowed.end) if interval.start < at < interval.end} if allowed is not None else set()
    edges = [interval.start, *sorted(inside), interval.end]
    return (structs.replace(interval, start=a, end=b) for a, b in zip(edges, edges[1:], strict=False))
