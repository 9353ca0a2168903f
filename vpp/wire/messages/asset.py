"""Between the controller and what stands beside a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import field

from vpp.wire.messages.base import Dated, Issued, Message, Reason, WireStruct
from vpp.wire.messages.fields import (
    Count,
    Id,
    Instant,
    LeaseSeconds,
    MagnitudeMw,
    Mode,
    Mw,
    Outcome,
    Quality,
    Quantity,
    RampMwPerMin,
    Seconds,
)


class Telemetry(Message, frozen=True, kw_only=True):
    """What the device's own meter says.

    Args:
        measured_at: When, on the device's clock; `t` on the wire.
        power_mw: At the asset's meter. [MW, positive when consuming]
        available_mw: What it could generate now; None where that is not known or not meant. [MW, never negative]
        state: Further quantities by name with unit, as in `soc_frac`; a missing one is left out.
        applied_epoch: Epoch of the last command that acted, 0 for none.
        applied_seq: Its number: proof for the controller when an ack was lost.
        quality: Of `power_mw`.
    """

    measured_at: Instant = field(name="t")
    power_mw: Mw
    available_mw: MagnitudeMw | None = None
    state: dict[str, Quantity] = field(default_factory=dict)
    applied_epoch: Count = 0
    applied_seq: Count = 0
    quality: Quality = "good"


class Status(Message, frozen=True, kw_only=True):
    """Whether the asset can be commanded; retained, and the last will says offline.

    Args:
        online: Whether something stands beside the device and listens.
        mode: `remote` follows commands, `local` is in somebody's hand, `fault` follows nothing.
        limits: By name with unit, as in `max_power_mw`.
        changed_at: None in the last will, whose moment only the broker knows.
    """

    online: bool
    mode: Mode
    limits: dict[str, Quantity] = field(default_factory=dict)
    changed_at: Instant | None = None


class Target(WireStruct, frozen=True, kw_only=True, tag_field="kind", tag="target"):
    """Hold this power."""

    power_mw: Mw


class Limit(WireStruct, frozen=True, kw_only=True, tag_field="kind", tag="limit"):
    """Run as you like within `-max_power_mw <= power_mw <= max_power_mw`: one meaning for source, load and store."""

    max_power_mw: MagnitudeMw


class HeatStart(Dated, frozen=True, kw_only=True, tag_field="kind", tag="heat_start"):
    """Start the next heat of one furnace; what runs is then finished by the furnace's own control."""

    furnace: Id
    start_at: Instant


class StackCounts(WireStruct, frozen=True, kw_only=True, tag_field="kind", tag="stack_counts"):
    """How many electrolyser stacks run and how many stand by warm; which ones, the device rotates itself."""

    on: Count
    standby: Count
    power_mw: MagnitudeMw


class Switch(WireStruct, frozen=True, kw_only=True, tag_field="kind", tag="switch"):
    """Close or open a feeder."""

    closed: bool


Setpoint: TypeAlias = Target | Limit | HeatStart | StackCounts | Switch


class FallbackPoint(WireStruct, frozen=True, kw_only=True):
    """From `after_s` after the end of the lease, this power until the next point."""

    after_s: Seconds
    power_mw: Mw


class FallbackProfile(WireStruct, frozen=True, kw_only=True):
    """What the device follows when nobody renews its lease: the plan's tail, then the safe power with a ramp.

    Args:
        points: In rising `after_s`; before the first, the command itself goes on.
        safe_after_s: When the tail ends and the ramp to the safe power begins, after the end of the lease. [s]
        safe_power_mw: None: the device's own. A number where only the controller knows, as under an event.
        safe_ramp_mw_per_min: How fast the safe power is approached.
    """

    points: tuple[FallbackPoint, ...] = ()
    safe_after_s: Seconds
    safe_power_mw: Mw | None = None
    safe_ramp_mw_per_min: RampMwPerMin


class Command(Issued, frozen=True, kw_only=True):
    """What an asset shall do, for how long, what follows if nobody speaks again, and why.

    Args:
        command: One of the five setpoints.
        ramp_mw_per_min: How fast to approach it; None: as fast as the device itself allows.
        lease_s: How long it holds, on the device's monotonic clock from receipt. [s]
        fallback: What follows the end of the lease.
        plan_id: The plan behind it.
        reason: Why.
    """

    command: Setpoint
    ramp_mw_per_min: RampMwPerMin | None = None
    lease_s: LeaseSeconds
    fallback: FallbackProfile
    plan_id: str
    reason: Reason

    def faults(self) -> Iterator[str]:
        """Points out of order, or a tail that goes on after the ramp to safety has begun."""
        after_s = [point.after_s for point in self.fallback.points]
        if any(right <= left for left, right in zip(after_s, after_s[1:], strict=False)):
            yield "$.fallback.points: after_s must rise"
        if after_s and after_s[-1] > self.fallback.safe_after_s:
            yield "$.fallback.safe_after_s: must not come before the last point"


class Ack(Message, frozen=True, kw_only=True):
    """What became of a command; `epoch` and `seq` are the command's own.

    Args:
        epoch: Of the command.
        seq: Of the command.
        acked_at: On the device's clock.
        outcome: `clamped`: followed as far as the device can.
        power_mw: The power it now goes to; None when its meter is silent. [MW, positive when consuming]
        reason: Why it was clamped or rejected.
    """

    epoch: Count
    seq: Count
    acked_at: Instant
    outcome: Outcome
    power_mw: Mw | None = None
    reason: Reason | None = None

    def faults(self) -> Iterator[str]:
        """A refusal that does not say why."""
        if self.outcome != "accepted" and self.reason is None:
            yield f"$.reason: {self.outcome} must say why"


class Reflex(WireStruct, frozen=True, kw_only=True):
    """A threshold that lives in the device itself.

    Args:
        quantity: Name in the device's own reading, as in `frequency_hz`.
        below: Acts under this value; None: not on this side.
        above: Acts over this value; None: not on this side.
        after_s: How long the value must be out. [s]
        hold_s: How long the reflex then holds. [s]
        then: What the device does.
    """

    quantity: str
    below: Quantity | None = None
    above: Quantity | None = None
    after_s: Seconds = 0.0
    hold_s: Seconds
    then: Setpoint


class LadderPlace(WireStruct, frozen=True, kw_only=True):
    """The device's place on a shedding ladder: it acts when the ladder goes to `step` or further."""

    ladder: Id
    step: Count
    then: Setpoint


class Arm(Issued, frozen=True, kw_only=True):
    """What the device does by itself; retained, so that who joins late is armed too."""

    reflexes: tuple[Reflex, ...] = ()
    places: tuple[LadderPlace, ...] = ()

    def faults(self) -> Iterator[str]:
        """A reflex that can never act, or a place that can never be left."""
        for i, reflex in enumerate(self.reflexes):
            if reflex.below is None and reflex.above is None:
                yield f"$.reflexes[{i}]: needs below or above"
        for i, place in enumerate(self.places):
            if place.step < 1:
                yield f"$.places[{i}].step: starts at 1; step 0 is the ladder at rest"


class Shed(Issued, frozen=True, kw_only=True):
    """One broadcast to all devices of a ladder.

    Args:
        ladder: Which.
        step: Every device whose place is at or below it acts; 0 releases all.
        until: When it ends if nothing else is said.
        reason: Why.
    """

    ladder: Id
    step: Count
    until: Instant
    reason: Reason
