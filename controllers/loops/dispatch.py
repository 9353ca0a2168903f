"""Every control period: one snapshot, one clearing, one order an asset."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from controllers.dispatch.bids import bids_of, machines, powers, ties_of
from controllers.dispatch.clear import clear
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.orders import LeaseTimes, Order, orders
from controllers.dispatch.overrides import with_overrides
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.registers import PeakMeter
from vpp.park import Park

__all__ = ["DispatchDesk", "decide", "run_dispatch"]


def decide(park: Park, snapshot: Snapshot, guidance: Guidance, leases: LeaseTimes) -> tuple[Order, ...]:
    """The pure part: what every asset shall do now."""
    snapshot, guidance = with_overrides(park, snapshot, guidance)
    bidders = machines(park, snapshot, guidance, leases.hold_s)
    cleared = clear(bids_of(bidders, park.area_ids), len(park.area_ids), ties_of(park, snapshot, leases.hold_s))
    price: dict[str, float] = {area: float(cleared.price_cny_per_mwh[i]) for i, area in enumerate(park.area_ids)}
    return orders(park, snapshot, guidance, powers(bidders, cleared.power_mw), price, leases)


@dataclass(frozen=True, slots=True)
class DispatchDesk:
    """All that the loop reads and writes.

    Args:
        park: What is in service.
        inbox: What devices said.
        guidance: Where plan or rules leave their last word.
        commander: Where orders go.
        peaks: The month's highest imports, metered here.
        leases: How long commands hold.
    """

    park: Park
    inbox: Inbox
    guidance: Mailbox[Guidance]
    commander: Commander
    peaks: PeakMeter
    leases: LeaseTimes = field(default_factory=LeaseTimes)


async def run_dispatch(ticks: AsyncIterator[datetime], desk: DispatchDesk) -> None:
    """The loop: read, decide, send."""
    async for at in ticks:
        snapshot = desk.inbox.snapshot(at)
        for connection, import_mw in snapshot.import_mw.items():
            desk.peaks.record(at, connection, import_mw)
        if desk.guidance.value is None:
            continue
        desk.commander.send_all(decide(desk.park, snapshot, desk.guidance.value, desk.leases))
