"""Every control period: one snapshot, one clearing, one order an asset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controllers.dispatch.bids import bids_of, machines, powers, ties_of
from controllers.dispatch.called import with_called_bands
from controllers.dispatch.clear import clear
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.orders import LeaseTimes, Order, orders
from controllers.dispatch.overrides import with_overrides
from controllers.dispatch.snapshot import Snapshot
from controllers.dispatch.trim import Trim
from controllers.loops.commander import Commander
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.registers import PeakMeter
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park

__all__ = ["Decision", "DispatchDesk", "decide", "run_dispatch"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What every asset shall do now, and the import that comes of it, by connection. [MW]."""

    orders: tuple[Order, ...]
    flow_mw: Mapping[ConnectionId, float]


def decide(park: Park, snapshot: Snapshot, guidance: Guidance, leases: LeaseTimes) -> Decision:
    """The pure part."""
    snapshot, guidance = with_overrides(park, snapshot, guidance)
    guidance = with_called_bands(park, snapshot, guidance, leases.hold_s)
    bidders = machines(park, snapshot, guidance, leases.hold_s)
    cleared = clear(bids_of(bidders, park.area_ids), len(park.area_ids), ties_of(park, snapshot, leases.hold_s))
    price: dict[str, float] = {area: float(cleared.price_cny_per_mwh[i]) for i, area in enumerate(park.area_ids)}
    power_mw = powers(bidders, cleared.power_mw)
    inner = (c.id for c in park.connections if not c.is_grid)
    flow = dict(zip(inner, cleared.flow_mw.tolist(), strict=True))
    flow |= {c.id: -power_mw[AssetId(c.id)] for c in park.connections if c.is_grid}
    return Decision(orders(park, snapshot, guidance, power_mw, price, leases), flow)


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
    trim = Trim()
    async for at in ticks:
        snapshot = desk.inbox.snapshot(at)
        for connection, import_mw in snapshot.import_mw.items():
            desk.peaks.record(at, connection, import_mw)
        if desk.guidance.value is None:
            continue
        trim = trim.seen(desk.park, at, snapshot.import_mw)
        snapshot = replace(snapshot, events=trim.applied(snapshot.events, at))
        decided = decide(desk.park, snapshot, desk.guidance.value, desk.leases)
        trim = trim.cleared(at, decided.flow_mw)
        desk.commander.send_all(decided.orders)
