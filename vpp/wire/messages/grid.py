"""What the grid asks of a connection, and what the park answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from vpp.wire.messages.base import Issued, Message, Reason, edge_faults
from vpp.wire.messages.fields import Confidence, Count, EventId, Id, Instant, MagnitudeMw, Mw, Quantity

#: Less import at the peak; more at the valley; a limit on import or export; at once and above all else.
GridEventKind: TypeAlias = Literal["peak", "valley", "import_limit", "export_limit", "emergency"]
GridEventOutcome: TypeAlias = Literal["acknowledged", "accepted", "refused"]


class GridPrice(Message, frozen=True, kw_only=True):
    """The market's day-ahead curve at a connection, as far as it is published.

    Args:
        issued_at: When it was published.
        edges: T + 1 instants, rising.
        energy_cny_per_mwh: Energy alone, without network and fees, T of them; negative where the market pays. [CNY/MWh]
    """

    issued_at: Instant
    edges: Annotated[tuple[Instant, ...], Meta(min_length=2)]
    energy_cny_per_mwh: tuple[Quantity, ...]

    def faults(self) -> Iterator[str]:
        """Edges that do not rise, or another number of prices."""
        yield from edge_faults("$.edges", self.edges)
        if len(self.energy_cny_per_mwh) != len(self.edges) - 1:
            yield f"$.energy_cny_per_mwh: {len(self.energy_cny_per_mwh)} values for {len(self.edges) - 1} intervals"


class GridEvent(Message, frozen=True, kw_only=True):
    """A call of the grid on one connection, repeated until it is answered, and again now and then until it is over.

    A receiver takes only a revision greater than its last of the same event; the same one again changes nothing.

    Args:
        event_id: The caller's identity of it.
        revision: Counts up with each change of the event.
        kind: What is asked.
        target_mw: Import that the connection is to keep, negative for export: at most for peak, import_limit and emergency, at
            least for valley and export_limit. [MW]
        change_mw: The change against what the caller expects without the call, where it counts so; for information. [MW]
        asset: A computing cluster at whose own meter the call is counted, instead of at the connection's; `target_mw` is then the
            most that this meter may read, and what stores beside it do counts for nothing.
        start: From when.
        end: Until when, no longer inside.
        issued_at: When the caller first sent it.
        priority: The lower goes first.
        confidence: How surely it is to be kept.
        cancelled: Whether the caller takes it back.
    """

    event_id: EventId
    revision: Annotated[int, Meta(ge=1)]
    kind: GridEventKind
    target_mw: Mw
    change_mw: MagnitudeMw | None = None
    asset: Id | None = None
    start: Instant
    end: Instant
    issued_at: Instant
    priority: Count = 0
    confidence: Confidence = 0.99
    cancelled: bool = False

    def faults(self) -> Iterator[str]:
        """An event that ends before it starts, or asks one meter for more."""
        if self.end <= self.start:
            yield f"$.end: {self.end.isoformat()} does not come after start {self.start.isoformat()}"
        if self.asset is not None and self.kind in ("valley", "export_limit"):
            yield f"$.asset: a {self.kind} is called on a connection, not on the meter of {self.asset}"


class GridEventAnswer(Issued, frozen=True, kw_only=True):
    """What the park says to one revision of an event.

    Args:
        event_id: Which event.
        revision: Which revision of it.
        outcome: Acknowledged: it has arrived and is kept in mind; accepted: it will be kept; refused: it will not.
        asked_mw: Change of import that it asks against what is expected without it. [MW]
        accepted_mw: How much of that is promised; less than asked where it is taken in part. [MW]
        held_mw: Import that is held: the target, or what can be held of it. [MW]
        confidence: Of the promise.
        reason: Why it was refused, taken in part, or can be held.
    """

    event_id: EventId
    revision: Annotated[int, Meta(ge=1)]
    outcome: GridEventOutcome
    asked_mw: MagnitudeMw | None = None
    accepted_mw: MagnitudeMw | None = None
    held_mw: Mw | None = None
    confidence: Confidence | None = None
    reason: Reason | None = None
