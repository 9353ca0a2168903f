"""What an asset was told, why, and how it stands, in as few words as a table cell holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from controllers.console.flows import category_of
from controllers.console.frame import AssetFrame, Ordered
from controllers.console.palette import KINDS, STORE
from controllers.console.receipts import lease_end
from controllers.console.text import MISSING, gauge, mw, percent
from vpp.wire.messages import (
    Command,
    ComputeShift,
    ComputeTelemetry,
    HeatStart,
    Limit,
    ShiftInterval,
    StackCounts,
    Switch,
    Target,
    Telemetry,
)

__all__ = ["interval_at", "kind_word", "lease", "state", "told", "why"]

#: Reason codes that dispatch uses, in a word; any other is shown as it is.
_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {"mpc": "plan", "rules": "rules", "curtailed": "surplus", "held": "cannot move"}
)
#: A heat booked further ahead than this only holds the furnace.
_FAR: Final = timedelta(hours=12)
#: Less than this, or than what a store takes for itself, means rest. [MW]
_REST_MW: Final = 0.05
#: A limit at nameplate, or generation at what is available, within this share is no limit.
_FREE_FRAC: Final = 0.995
_GAUGE_CELLS: Final = 6


def kind_word(kind: str) -> str:
    """The word for a kind; an unknown one is its own."""
    return KINDS.get(kind, (kind.replace("_", " "), ""))[0]


def told(asset: AssetFrame, now: datetime, zone: ZoneInfo) -> str:
    """The set-point in words, in MW where it holds a power."""
    if asset.shift is not None:
        interval = interval_at(asset.shift, now)
        target = "" if interval is None else f", target {mw(interval.target_mw)}"
        return f"cap {mw(asset.shift.cap_now_mw)}{target}"
    if len(asset.orders) == 1:
        return _setpoint(asset, asset.orders[0].command, now, zone)
    heats = [order.command.command for order in asset.orders if isinstance(order.command.command, HeatStart)]
    starts = [_heat(heat, now, zone) for heat in sorted(heats, key=lambda heat: heat.start_at)]
    return f"heats {' '.join(starts)}" if starts else MISSING


def _setpoint(asset: AssetFrame, command: Command, now: datetime, zone: ZoneInfo) -> str:
    match command.command:
        case Target(power_mw=power) if category_of(asset.asset.kind) == STORE:
            plate = asset.asset.plate
            own_use_mw = getattr(plate, "auxiliary_frac", 0.0) * plate.power_mw
            if abs(power) < own_use_mw + _REST_MW:
                return "rest"
            return f"charge {mw(power)}" if power > 0.0 else f"discharge {mw(-power)}"
        case Target(power_mw=power):
            return f"hold {mw(power)}"
        case Limit(max_power_mw=most):
            capacity_mw = getattr(asset.asset.plate, "capacity_mw", None)
            free = capacity_mw is not None and most >= _FREE_FRAC * capacity_mw
            return "run free" if free else f"at most {mw(most)}"
        case StackCounts(on=on, standby=standby, power_mw=power):
            return f"{mw(power)}: {on} on" + (f" {standby} warm" if standby else "")
        case HeatStart() as heat:
            return f"heat {_heat(heat, now, zone)}"
        case Switch(closed=closed):
            return "switch on" if closed else "switch off"


def _heat(heat: HeatStart, now: datetime, zone: ZoneInfo) -> str:
    if heat.start_at <= now:
        return "now"
    return "later" if heat.start_at - now > _FAR else f"{heat.start_at.astimezone(zone):%H:%M}"


def why(asset: AssetFrame, now: datetime) -> str:
    """Reason and price behind the last command."""
    if asset.shift is not None:
        interval = interval_at(asset.shift, now)
        return "" if interval is None else f"{_REASONS['mpc']} @{interval.price_cny_per_mwh:.0f}"
    if not asset.orders:
        return ""
    reason = asset.orders[0].command.reason
    word = _REASONS.get(reason.code, reason.code.replace("_", " "))
    if reason.price_cny_per_mwh is None:
        return word if reason.limit is None else f"{word}: {reason.limit}"
    return f"{word} @{reason.price_cny_per_mwh:.0f}"


def lease(asset: AssetFrame, now: datetime) -> str:
    """Whether the last command was taken, and how long it still holds; of several parts, the one that stands worst."""
    if asset.shift is not None and isinstance(asset.report, ComputeTelemetry):
        taken = asset.report.applied_revision >= asset.shift.revision
        return f"{'✓' if taken else '…'} r{asset.shift.revision}"
    if not asset.orders:
        return ""
    order = min(asset.orders, key=lambda o: (_standing(o), lease_end(o.command)))
    left_s = (lease_end(order.command) - now).total_seconds()
    mark = ("✗", "…", "~", "✓")[_standing(order)]
    return f"{mark} {left_s:.0f}s" if left_s > 0.0 else f"{mark} over"


def _standing(order: Ordered) -> int:
    """0 rejected, 1 no answer yet, 2 clamped, 3 taken."""
    if order.ack is None:
        return 3 if order.proven else 1
    return {"rejected": 0, "clamped": 2, "accepted": 3}[order.ack.outcome]


def state(asset: AssetFrame, zone: ZoneInfo) -> str:
    """The quantity that matters for the kind, or when one that is lost was last heard; empty where there is neither."""
    if asset.report is None or asset.heard_at is None:
        return ""
    if asset.known_mw is None:
        return f"heard {asset.heard_at.astimezone(zone):%H:%M:%S}"
    word = _STATES.get(asset.asset.kind)
    return "" if word is None else word(asset)


def _source(asset: AssetFrame) -> str:
    if not isinstance(asset.report, Telemetry) or asset.report.available_mw is None:
        return ""
    available, given = asset.report.available_mw, max(-asset.report.power_mw, 0.0)
    if given >= _FREE_FRAC * available - _REST_MW:
        return "all it can"
    return f"cut {mw(available - given)} of {mw(available)}"


def _store(asset: AssetFrame) -> str:
    soc_frac = asset.state.get("soc_frac")
    return "" if soc_frac is None else _level(soc_frac)


def _buffer(asset: AssetFrame) -> str:
    held_kg = asset.state.get("buffer_kg")
    if held_kg is None:
        return ""
    return f"H2 {_level(held_kg / asset.asset.plate.buffer_kg)}"


def _level(level_frac: float) -> str:
    """A filled bar and its share, as tight as a cell needs it."""
    return f"{gauge(level_frac, _GAUGE_CELLS)} {percent(level_frac).replace(' ', '')}"


def _stacks(asset: AssetFrame) -> str:
    on, warm = asset.state.get("stacks_on"), asset.state.get("stacks_standby")
    if on is None:
        return ""
    return f"{on:.0f} on" + ("" if warm is None else f", {warm:.0f} warm")


def _heats(asset: AssetFrame) -> str:
    begun, due = asset.state.get("heats_today"), asset.state.get("heats_due")
    return "" if begun is None or due is None else f"heat {begun:.0f}/{due:.0f}"


def _waiting(asset: AssetFrame) -> str:
    if asset.backlog is None:
        return ""
    return f"{mw(sum(item.energy_mwh or 0.0 for item in asset.backlog.items))} MWh wait"


def interval_at(shift: ComputeShift, now: datetime) -> ShiftInterval | None:
    """The interval of a signal that holds an instant; None outside its horizon."""
    return next((i for i in shift.intervals if i.start <= now < i.end), None)


#: How each kind stands; a kind that is not here says nothing more than its power.
_STATES: Final[Mapping[str, Callable[[AssetFrame], str]]] = MappingProxyType(
    {
        "wind": _source,
        "solar": _source,
        "battery": _store,
        "compressed_air": _store,
        "ammonia_loop": _buffer,
        "electrolyser": _stacks,
        "arc_furnace": _heats,
        "compute": _waiting,
    }
)
