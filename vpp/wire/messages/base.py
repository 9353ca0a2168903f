"""What all messages have in common."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta, structs

from vpp.wire.messages.fields import Code, Count, Instant, Quantity, Text


class WireStruct(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message."""


class Dated(WireStruct, frozen=True, kw_only=True):
    """A part with instants: one in another zone becomes UTC where it enters, so that inside there is only one."""

    def __post_init__(self) -> None:
        for name in _instant_fields(self.__class__):
            at = getattr(self, name)
            # Most are in UTC already, and this runs for every message.
            if at is not None and getattr(at, "tzinfo", UTC) is not UTC and at.utcoffset() is not None:
                structs.force_setattr(self, name, at.astimezone(UTC))


@cache
def _instant_fields(kind: type[WireStruct]) -> tuple[str, ...]:
    return tuple(f.name for f in structs.fields(kind) if f.type in (Instant, Instant | None))


class Message(Dated, frozen=True, kw_only=True):
    """What travels on a topic.

    Args:
        schema_version: Counts additions within one major version, which the topic names; any from 1 on is read.
    """

    schema_version: Annotated[int, Meta(ge=1)] = 1

    def faults(self) -> Iterator[str]:
        """One line for each rule broken between fields; what one field alone may hold stands in its type."""
        return iter(())


class Issued(Message, frozen=True, kw_only=True):
    """What a controller sends.

    Args:
        epoch: Term of the leader that sends: `max(UTC milliseconds, last + 1)` at each change of leader.
        seq: Counts up within an epoch.
        issued_at: Only to reject what is stale, never to order.
    """

    epoch: Count
    seq: Count
    issued_at: Instant

    @property
    def order(self) -> tuple[int, int]:
        """The pair that a receiver takes only when it is greater than its last."""
        return (self.epoch, self.seq)


class Reason(WireStruct, frozen=True, kw_only=True):
    """Why: a code for machines, a text for people, and the price and limit behind it where they decided.

    Args:
        code: As in `price_low`, `connection_limit`, `soc_floor`.
        text: One sentence for a person.
        price_cny_per_mwh: The marginal price that decided. [CNY/MWh]
        limit: Name of the limit that binds, as in `connection.east.import`.
    """

    code: Code
    text: Text = ""
    price_cny_per_mwh: Quantity | None = None
    limit: Text | None = None


def edge_faults(name: str, edges: tuple[datetime, ...]) -> Iterator[str]:
    """A line for the first edge that does not come after the one before it."""
    for left, right in zip(edges, edges[1:], strict=False):
        if right <= left:
            yield f"{name}: {right.isoformat()} does not come after {left.isoformat()}"
            return
