"""From what was cleared and what the plan has decided to one order an asset, each with its fallback and its reason."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from controllers.dispatch.compressed_air import air_band
from controllers.dispatch.guidance import Guidance, HeatOrder, TailPoint
from controllers.dispatch.snapshot import Reported, Snapshot
from vpp.ids import AssetId
from vpp.park import Asset, Park
from vpp.park.plates import ArcFurnacePlate
from vpp.units import s_to_h
from vpp.wire.messages import FallbackPoint, FallbackProfile, HeatStart, Limit, Reason, Setpoint, StackCounts, Switch, Target

__all__ = ["LeaseTimes", "Order", "orders"]

#: A change smaller than this share of the rating is not worth a message before the lease is half over.
_TOLERANCE_FRAC = 0.002
#: The safe power is approached over about this long. [min]
_SAFE_RAMP_MIN = 5.0
#: A heat booked for a furnace that has none in sight: the booking holds the furnace, and moves when the plan finds a time.
_FAR = timedelta(hours=24)
#: One for each rating in the park.
_PROFILES_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long commands hold (DESIGN: 15 s for fast assets, 120 s for slow ones), and the plan's tail after them.

    Args:
        fast_s: Lease of fast assets. [s]
        slow_s: Lease of slow assets and of booked heats. [s]
        tail_s: How long the plan's tail is followed after the lease. [s]
        hold_s: A store may not bid energy that it could not keep up for this long. [s]
        periods: A lease is at least so many control periods: it is renewed at its half, and a renewal that was lost can be said
            again before it ends.
    """

    fast_s: float = 15.0
    slow_s: float = 120.0
    tail_s: float = 1_800.0
    hold_s: float = 120.0
    periods: float = 4.0

    def at_period(self, control: timedelta) -> LeaseTimes:
        """The same, stretched where the control period asks for it: a lease must outlast the time between two commands."""
        control_s = control.total_seconds()
        least_s = self.periods * control_s
        return replace(
            self,
            fast_s=max(self.fast_s, least_s),
            slow_s=max(self.slow_s, least_s),
            hold_s=max(self.hold_s, control_s),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What one asset shall do, before it is numbered.

    Args:
        part: Part of the asset that is meant, as a furnace; empty for the whole.
        power_mw: The power behind the set-point, to judge whether it moved.
        tolerance_mw: A change smaller than this does not go out before half the lease has passed.
    """

    asset_id: AssetId
    setpoint: Setpoint
    power_mw: float
    tolerance_mw: float
    lease_s: float
    fallback: FallbackProfile
    plan_id: str
    reason: Reason
    part: str = ""


@dataclass(frozen=True, slots=True)
class _Making:
    snapshot: Snapshot
    guidance: Guidance
    leases: LeaseTimes

    def order(self, asset: Asset, setpoint: Setpoint, power_mw: float, rating_mw: float, reason: Reason) -> Order:
        fast = not isinstance(setpoint, HeatStart) and asset.kind in ("wind", "solar", "battery", "electrolyser")
        lease_s = self.leases.fast_s if fast else self.leases.slow_s
        return Order(
            asset.id,
            setpoint,
            power_mw,
            tolerance_mw=_TOLERANCE_FRAC * rating_mw,
            lease_s=lease_s,
            fallback=self._fallback(asset, rating_mw, lease_s),
            plan_id=self.guidance.plan_id,
            reason=reason,
            part=setpoint.furnace if isinstance(setpoint, HeatStart) else "",
        )

    def _fallback(self, asset: Asset, rating_mw: float, lease_s: float) -> FallbackProfile:
        """The plan's tail, then the device's own safe power; without a plan the command goes on for as long."""
        ramp = max(rating_mw / _SAFE_RAMP_MIN, 0.1)
        tail = self.guidance.tails.get(asset.id, ())
        # A furnace booked for later goes back to its own schedule, which needs no tail.
        if not tail or asset.kind == "arc_furnace":
            return _without_tail(self.leases.tail_s, ramp)
        end = self.snapshot.at + timedelta(seconds=lease_s)
        first = bisect_right(tail, end, key=_instant)
        last = bisect_right(tail, end + timedelta(seconds=self.leases.tail_s), lo=first, key=_instant)
        points = tuple(FallbackPoint(after_s=(p.at - end).total_seconds(), power_mw=p.power_mw) for p in tail[first:last])
        return FallbackProfile(points=points, safe_after_s=self.leases.tail_s, safe_ramp_mw_per_min=ramp)


def _instant(point: TailPoint) -> datetime:
    return point.at


@lru_cache(_PROFILES_KEPT)
def _without_tail(tail_s: float, ramp_mw_per_min: float) -> FallbackProfile:
    return FallbackProfile(points=(), safe_after_s=tail_s, safe_ramp_mw_per_min=ramp_mw_per_min)


def orders(
    park: Park,
    snapshot: Snapshot,
    guidance: Guidance,
    cleared_mw: Mapping[AssetId, float],
    price_cny_per_mwh: Mapping[str, float],
    leases: LeaseTimes,
) -> tuple[Order, ...]:
    """One order for every asset that can be commanded and was heard.

    Args:
        park: What is in service.
        snapshot: Every device's last word; silent or local ones get no order.
        guidance: The plan's commitments.
        cleared_mw: Power of each asset after clearing.
        price_cny_per_mwh: Clearing price of each area; NaN where nothing moved.
        leases: How long commands hold.
    """
    making = _Making(snapshot, guidance, leases)
    found: list[Order] = []
    for asset in park.assets:
        said = snapshot.assets.get(asset.id)
        if said is None or not said.online:
            continue
        price = price_cny_per_mwh[asset.area]
        found += _of_asset(making, asset, said, cleared_mw.get(asset.id, said.power_mw), price)
    return tuple(found)


def _of_asset(making: _Making, asset: Asset, said: Reported, power_mw: float, price: float) -> Iterator[Order]:
    guidance = making.guidance
    reason = guidance.reasons.get(asset.id) or _reason(guidance, price)
    if asset.id in guidance.stores:
        if asset.kind == "compressed_air":
            told_mw = air_band(asset.plate, said, guidance.stores[asset.id], s_to_h(making.leases.hold_s)).told_mw
            power_mw = power_mw if told_mw is None else told_mw
        yield making.order(asset, Target(power_mw=power_mw), power_mw, asset.plate.power_mw, reason)
    elif asset.id in guidance.stacks:
        stacks = guidance.stacks[asset.id]
        setpoint = StackCounts(on=stacks.on, standby=stacks.standby, power_mw=max(power_mw, 0.0))
        yield making.order(asset, setpoint, power_mw, asset.plate.stacks * asset.plate.stack_mw, reason)
    elif asset.id in guidance.heats:
        yield from _heat_orders(making, asset, said, guidance.heats[asset.id], reason)
    elif asset.id in guidance.bands:
        band = guidance.bands[asset.id]
        rating_mw = max(abs(band.low_mw), abs(band.high_mw), 1.0)
        if band.switched:
            closed = power_mw - band.low_mw > (band.high_mw - band.low_mw) / 2.0
            yield making.order(asset, Switch(closed=closed), band.high_mw if closed else band.low_mw, rating_mw, reason)
        else:
            yield making.order(asset, Target(power_mw=power_mw), power_mw, rating_mw, reason)
    elif asset.id in guidance.held_mw:
        held = guidance.held_mw[asset.id]
        yield making.order(asset, Target(power_mw=held), held, max(abs(held), 1.0), reason)
    elif asset.kind in ("wind", "solar") and said.available_mw is not None:
        curtailed = power_mw > -said.available_mw + 1e-6
        limit_mw = max(-power_mw, 0.0) if curtailed else asset.plate.capacity_mw
        why = Reason(code="curtailed", text="more than the area can use, store or send out") if curtailed else reason
        yield making.order(asset, Limit(max_power_mw=limit_mw), limit_mw, asset.plate.capacity_mw, why)


def _heat_orders(making: _Making, asset: Asset, said: Reported, heats: HeatOrder, reason: Reason) -> Iterator[Order]:
    """Deals the next starts to the furnaces in the order in which they come free; every furnace holds one booking."""
    plate: ArcFurnacePlate = asset.plate
    at = making.snapshot.at
    full_mw = plate.furnaces * plate.melting_mw + plate.auxiliary_mw
    if heats.starts and heats.starts[0][0] <= at and heats.starts[0][1] >= plate.furnaces and making.guidance.source == "rules":
        # Nothing speaks against starting: the furnaces' own schedule keeps the caster's rhythm better than we could.
        yield making.order(asset, Target(power_mw=full_mw), full_mw, full_mw, reason)
        return
    free_s = {i: said.state.get(f"furnace.{i}.free_in_s", 0.0) for i in range(plate.furnaces)}
    starts = [start for start, count in heats.starts for _ in range(count)]
    for i in sorted(free_s, key=lambda i: free_s[i]):
        ready = at + timedelta(seconds=free_s[i])
        start = _take(starts, ready, plate)
        booking = HeatStart(
            furnace=f"furnace.{i}", start_at=start if start is not None else at.replace(minute=0, second=0) + _FAR
        )
        yield making.order(asset, booking, full_mw, full_mw, reason)


def _take(starts: list[datetime], ready: datetime, plate: ArcFurnacePlate) -> datetime | None:
    """The first start this furnace can make, a little late if need be; it is then nobody else's."""
    slack = timedelta(seconds=plate.tap_to_tap_s / 2.0)
    for i, start in enumerate(starts):
        if start + slack >= ready:
            return starts.pop(i)
    return None


def _reason(guidance: Guidance, price: float) -> Reason:
    if price != price:  # noqa: PLR0124  NaN: nothing in the area could move
        return Reason(code="held", text=f"{guidance.source}: nothing can move")
    return Reason(code=guidance.source, text="", price_cny_per_mwh=price)
