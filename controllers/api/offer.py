"""What each connection can be promised to give up or take on, and the bound of its machines where nothing is promised yet. Pure.

The promise is the controller's last offer (`controllers.flexibility`), as long as it is young. The bound counts only what follows
commands now and tells its state; everything else stays at the power it was measured at. It is that of the machines themselves
(`vpp.flexibility.aggregate`): nothing beyond it can be kept, and what a plan owes elsewhere is not deducted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import structs

from controllers.api.live_state import AssetLive, ConnectionLive
from controllers.flexibility.table import MeterOffer, OfferTable
from vpp.assets import ASSET_KINDS, state_from_facts
from vpp.errors import AssetError
from vpp.flexibility import Fleet, aggregate
from vpp.flexibility.aggregate import HORIZONS_H
from vpp.ids import AreaId, ConnectionId
from vpp.park import Asset, Park

__all__ = ["FRESH", "ConnectionOffer", "HorizonOffer", "LeftOut", "Offer", "offer_of", "promised"]

_STEP_H: Final = float(HORIZONS_H[0])
_DIGITS: Final = 3
#: What telemetry says outside `state{}`, under the names that the kinds know.
_FROM_POWER: Final = ("power_mw", "demand_mw")


class HorizonOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be kept for so long, from now.

    Args:
        duration_h: How long. [h]
        give_mw: Least import is lower than the present one by so much; what the grid can be relieved of. [MW, never negative]
        take_mw: Most import is higher by so much; what the grid can be relieved from. [MW, never negative]
        limited_by: `connection` where its own limit binds before the machines do, each for give and take.
    """

    duration_h: float
    give_mw: float
    take_mw: float
    give_limited_by: str
    take_limited_by: str


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that is not counted, and why."""

    id: str
    reason: str


class ConnectionOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind one connection.

    Args:
        connection: Which.
        areas: Behind it.
        shared_with: Other connections that the same areas hang on: what is taken here is gone there.
        import_mw: Measured now; null where the meter is silent, and then nothing is offered. [MW]
        planned_mw: Of the current plan, for now. [MW]
        horizons: One a duration.
        counted: Assets that are counted.
        left_out: Those that are not.
    """

    connection: str
    areas: tuple[str, ...]
    shared_with: tuple[str, ...]
    import_mw: float | None
    planned_mw: float | None
    horizons: tuple[HorizonOffer, ...]
    counted: int
    left_out: tuple[LeftOut, ...]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Every connection to the grid.

    Args:
        at: When (UTC).
        basis: What the figures are, in a sentence.
        connections: One each; horizons from now on: of the promise at 99 %, or the bound of the machines where there is none.
        source: `promise` or `bound`.
        made_at: When the promise was made; null for a bound.
        age_s: How old it is. [s]
        promise: Starts over the next day, durations, confidences, costs; null where there is none.
    """

    at: datetime
    basis: str
    connections: tuple[ConnectionOffer, ...]
    source: str = "bound"
    made_at: datetime | None = None
    age_s: float | None = None
    promise: OfferTable | None = None

    def only(self, connection: str | None) -> Offer:
        """Of one connection; all of it for None."""
        if connection is None:
            return self
        rows = tuple(row for row in self.connections if row.connection == connection)
        table = None if self.promise is None else self.promise.only(connection)
        return structs.replace(self, connections=rows, promise=table)


#: An offer older than this is none: four of its periods.
FRESH: Final = timedelta(hours=1)
_SURE: Final = 0.99
PROMISE_BASIS: Final = (
    "what can be held at 50, 90 and 99 % over the courses of wind and sun, with heats, deadlines, stores, calls that stand and "
    "the limit on rebound; change against the import expected without a call"
)
BASIS: Final = (
    "outer bound of what the machines themselves can keep from their present states; what the plan owes elsewhere "
    "(heats, ammonia, deadlines) is not deducted, so it is an upper bound and no promise"
)


def offer_of(
    park: Park, at: datetime, assets: Sequence[AssetLive], connections: Sequence[ConnectionLive], held: Mapping[str, str]
) -> Offer:
    """What can be offered at an instant.

    Args:
        park: What is in service.
        at: Now (UTC).
        assets: The present of each.
        connections: The present of each.
        held: Assets that a person holds, with the reason, as in `override 12: local`.
    """
    behind = areas_behind(park)
    told = {kind: _state_names(park.assets_of(kind)[0]) for kind in {asset.kind for asset in park.assets}}
    out = {row.id: reason for row in assets if (reason := held.get(row.id) or _why_not(row, told[row.kind])) is not None}
    lives = {row.id: row for row in assets}
    counted = [asset for asset in park.assets if asset.id not in out]
    fleet, failed = _fleet(counted, lives, {ConnectionId(c): behind[c] for c in behind})
    out |= failed
    sums = aggregate(fleet, _STEP_H).connections
    rows = []
    for i, name in enumerate(behind):
        present = sum(lives[a.id].power_mw or 0.0 for a in counted if a.area in behind[name] and a.id not in out)
        low, high = sums.sustained_low_mw[i] - present, sums.sustained_high_mw[i] - present
        flow = next(c for c in connections if c.id == name)
        bounds = tuple(zip(map(float, low), map(float, high), strict=True))
        rows.append(_row(park, flow, behind, bounds, out))
    return Offer(at=at, basis=BASIS, connections=tuple(rows))


def promised(bound: Offer, table: OfferTable | None) -> Offer:
    """The offer with what is promised in the place of what only bounds it.

    Args:
        bound: Of the machines, now.
        table: The controller's last; None before the first. One that is older than an hour promises nothing any more.
    """
    if table is None or not timedelta(0) <= bound.at - table.at <= FRESH:
        return bound
    rows = tuple(_with_promise(row, table.meter(row.connection)) for row in bound.connections)
    return Offer(
        at=bound.at,
        basis=PROMISE_BASIS,
        connections=rows,
        source="promise",
        made_at=table.at,
        age_s=round((bound.at - table.at).total_seconds(), 1),
        promise=table,
    )


def _with_promise(row: ConnectionOffer, meter: MeterOffer | None) -> ConnectionOffer:
    if meter is None:
        return row
    horizons = []
    for duration_h in map(float, HORIZONS_H):
        cells = meter.now("give", duration_h), meter.now("take", duration_h)
        give, take = (0.0 if cell is None else cell.at(_SURE).power_mw for cell in cells)
        word = f"promise at {100 * _SURE:g} %"
        horizons.append(
            HorizonOffer(duration_h=duration_h, give_mw=give, take_mw=take, give_limited_by=word, take_limited_by=word)
        )
    return structs.replace(row, horizons=tuple(horizons))


def areas_behind(park: Park) -> dict[str, frozenset[AreaId]]:
    """By connection to the grid the areas that hang on it: its own, and those that reach the grid only over others."""
    own = {c.id: AreaId(c.area) for c in park.connections if c.is_grid}
    found: dict[str, frozenset[AreaId]] = {}
    for name, area in own.items():
        reached, front = {area}, [area]
        while front:
            here = front.pop()
            for c in park.connections_of(here):
                there = AreaId(c.to if c.area == here else c.area)
                # An area with a connection of its own counts there.
                if not c.is_grid and there not in reached and there not in own.values():
                    reached.add(there)
                    front.append(there)
        found[name] = frozenset(reached)
    return found


def _why_not(row: AssetLive, wanted: Collection[str]) -> str | None:
    if not row.counts:
        return f"is {row.mode}"
    if any(command.outcome == "rejected" for command in row.commands):
        return "rejected its last command"
    # Power and available power are all that some kinds want to know.
    if not set(row.state) & set(wanted) and not set(wanted) <= {*_FROM_POWER, "available_mw"}:
        return "does not tell its state"
    return None


def _state_names(asset: Asset) -> frozenset[str]:
    """The quantities that make up a state of the asset's kind."""
    kind = ASSET_KINDS[asset.kind]
    return frozenset(field.name for field in fields(kind.initial(kind.plate([asset.plate]))))


def _fleet(
    counted: Sequence[Asset], lives: Mapping[str, AssetLive], behind: Mapping[ConnectionId, Collection[AreaId]]
) -> tuple[Fleet, dict[str, str]]:
    """Assets in their present states; a kind whose states cannot be believed is left out as a whole, and named."""
    failed: dict[str, str] = {}
    for kind in {asset.kind for asset in counted}:
        mine = [asset for asset in counted if asset.kind == kind]
        try:
            _with_states(Fleet.of(mine, behind), lives)
        except AssetError as error:
            failed |= {asset.id: f"tells a state that cannot be: {error}" for asset in mine}
    fleet = Fleet.of([asset for asset in counted if asset.id not in failed], behind)
    return _with_states(fleet, lives), failed


def _with_states(fleet: Fleet, lives: Mapping[str, AssetLive]) -> Fleet:
    states = {}
    for group in fleet.groups:
        facts = [_facts(lives[asset_id]) for asset_id in group.ids]
        states[group.kind.name] = state_from_facts(type(group.state), facts, group.state)
    fleet = fleet.with_states(states)
    for group in fleet.groups:
        group.kind.feasible(group.plate, group.state, _STEP_H)
    return fleet


def _facts(row: AssetLive) -> dict[str, float]:
    power = row.power_mw or 0.0
    known = {**dict.fromkeys(_FROM_POWER, power), **row.state}
    return known if row.available_mw is None else {**known, "available_mw": row.available_mw}


def _row(
    park: Park,
    flow: ConnectionLive,
    behind: Mapping[str, frozenset[AreaId]],
    bounds: Sequence[tuple[float, float]],
    out: Mapping[str, str],
) -> ConnectionOffer:
    areas = behind[flow.id]
    mine = [asset for asset in park.assets if asset.area in areas]
    horizons = tuple(_horizon(flow, float(h), *pair) for h, pair in zip(HORIZONS_H, bounds, strict=True))
    return ConnectionOffer(
        connection=flow.id,
        areas=tuple(sorted(areas)),
        shared_with=tuple(name for name in behind if name != flow.id and behind[name] & areas),
        import_mw=flow.import_mw,
        planned_mw=flow.planned_mw,
        horizons=() if flow.import_mw is None else horizons,
        counted=sum(asset.id not in out for asset in mine),
        left_out=tuple(LeftOut(id=a.id, reason=out[a.id]) for a in mine if a.id in out),
    )


def _horizon(flow: ConnectionLive, duration_h: float, low: float, high: float) -> HorizonOffer:
    """Changes of import, cut off where the connection's own limit comes first."""
    present = flow.import_mw or 0.0
    give, take = max(0.0, -low), max(0.0, high)
    room_down, room_up = max(0.0, present + flow.export_limit_mw), max(0.0, flow.import_limit_mw - present)
    return HorizonOffer(
        duration_h=duration_h,
        give_mw=round(min(give, room_down), _DIGITS),
        take_mw=round(min(take, room_up), _DIGITS),
        give_limited_by="connection" if room_down < give else "machines",
        take_limited_by="connection" if room_up < take else "machines",
    )
