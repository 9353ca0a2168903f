"""A backlog item by item: one that breaks the contract or contradicts itself is refused by name, the others are taken. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import msgspec

from vpp.errors import WireError
from vpp.wire.codec import decode
from vpp.wire.messages import Backlog, BacklogItem
from vpp.wire.messages.compute import RefusedItem
from vpp.wire.messages.fields import Id, Instant, MagnitudeMw

__all__ = ["MOST_ITEMS", "contradictions", "read_backlog"]

#: More classes than this in one backlog are a flood; the first ones count.
MOST_ITEMS: Final = 2_000
#: A flood is read so far that its first classes count; what is longer than any broker would pass on is not read at all.
_MOST_BYTES: Final = 4_000_000
#: Schedulers tell releases and deadlines on a grid of quarters of an hour, so a window may look shorter than it is at both ends.
_GRID: Final = timedelta(minutes=30)
_MOST_CHARS: Final = 200


class _Envelope(msgspec.Struct, frozen=True):
    cluster: Id
    reported_at: Instant
    fast_band_mw: MagnitudeMw
    items: tuple[msgspec.Raw, ...]


def contradictions(item: BacklogItem) -> Iterator[tuple[str, str]]:
    """Fields that cannot be true together: name, and what is wrong with it."""
    if item.deadline <= item.release:
        yield "deadline", "does not come after release"
        return
    window_h = (item.deadline - item.release + _GRID) / timedelta(hours=1)
    if item.energy_mwh is not None and item.energy_mwh > item.max_mw * window_h:
        most = item.max_mw * window_h
        yield "energy_mwh", f"{item.energy_mwh:g} MWh do not fit between release and deadline at {item.max_mw:g} MW: {most:g}"
    if (item.energy_mwh is None) == (item.gpu_h is None):
        yield "energy_mwh", "needs one of energy_mwh and gpu_h"


def read_backlog(topic: str, payload: bytes) -> tuple[Backlog, tuple[RefusedItem, ...]]:
    """The items of a payload that are in order, and why each of the others is refused.

    Raises:
        WireError: The message itself is malformed, or longer than any may be; nothing of it counts.
    """
    try:
        # Nearly always all is in order, and in one process the payload is known already.
        whole = decode(Backlog, topic, payload)
    except WireError:
        return _one_by_one(topic, payload)
    wrong = {i: fault for i, item in enumerate(whole.items) if (fault := _fault(i, item)) is not None}
    if not wrong:
        return whole, ()
    kept = tuple(item for i, item in enumerate(whole.items) if i not in wrong)
    return msgspec.structs.replace(whole, items=kept), tuple(wrong.values())


def _one_by_one(topic: str, payload: bytes) -> tuple[Backlog, tuple[RefusedItem, ...]]:
    if len(payload) > _MOST_BYTES:
        decode(Backlog, topic, payload)  # says that it is too long
    try:
        envelope = msgspec.json.decode(payload, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        decode(Backlog, topic, payload)  # says what is wrong
        raise WireError(f"{topic}: is no backlog") from None
    kept, refused = [], []
    for i, raw in enumerate(envelope.items):
        if i >= MOST_ITEMS:
            refused.append(_beyond(i))
            continue
        try:
            item = msgspec.json.decode(raw, type=BacklogItem)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            rule, _, path = str(error).partition(" - at `$")
            refused.append(RefusedItem(item=i, where=path.strip("`.")[:80], rule=rule[:_MOST_CHARS]))
            continue
        fault = _fault(i, item)
        if fault is None:
            kept.append(item)
        else:
            refused.append(fault)
    backlog = Backlog(
        cluster=envelope.cluster, reported_at=envelope.reported_at, fast_band_mw=envelope.fast_band_mw, items=tuple(kept)
    )
    return backlog, tuple(refused)


def _fault(i: int, item: BacklogItem) -> RefusedItem | None:
    if i >= MOST_ITEMS:
        return _beyond(i)
    found = next(contradictions(item), None)
    return None if found is None else RefusedItem(item=i, where=found[0], rule=found[1][:_MOST_CHARS])


def _beyond(i: int) -> RefusedItem:
    return RefusedItem(item=i, where="", rule=f"more than {MOST_ITEMS} classes; merge some")
