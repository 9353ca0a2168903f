"""What a device does by itself: armed reflexes and its place on a shedding ladder; pure, time is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from vpp.wire.messages import Arm, Reflex, Setpoint, Shed

__all__ = ["Protection"]


@dataclass(frozen=True, slots=True)
class Protection:
    """What is armed and what acts; every method returns the next state.

    Args:
        arm: The newest; None before the first.
        sheds: The newest broadcast of each ladder.
        out_since_s: For each reflex, since when its quantity is out of bounds; None while it is inside.
        holds_until_s: For each reflex, until when it acts; None while it does not.
    """

    arm: Arm | None = None
    sheds: tuple[Shed, ...] = ()
    out_since_s: tuple[float | None, ...] = ()
    holds_until_s: tuple[float | None, ...] = ()

    def armed(self, arm: Arm) -> Protection:
        """After a new arming; one that is not newer changes nothing."""
        if self.arm is not None and arm.order <= self.arm.order:
            return self
        if self.arm is not None and arm.reflexes == self.arm.reflexes:
            # Only the place has changed: what acts goes on.
            return replace(self, arm=arm)
        none: tuple[float | None, ...] = (None,) * len(arm.reflexes)
        return replace(self, arm=arm, out_since_s=none, holds_until_s=none)

    def shed(self, shed: Shed, now: datetime) -> Protection:
        """After a broadcast; one that is not newer than the one in force, or already over, changes nothing."""
        in_force = next((s for s in self.sheds if s.ladder == shed.ladder and now < s.until), None)
        if shed.until <= now or (in_force is not None and shed.order <= in_force.order):
            return self
        return replace(self, sheds=(*(s for s in self.sheds if s.ladder != shed.ladder), shed))

    def measured(self, values: Mapping[str, float], now_s: float) -> Protection:
        """After a reading: starts reflexes whose quantity has been out for long enough, ends those that are over."""
        if self.arm is None or not self.arm.reflexes:
            return self
        out_since_s, holds_until_s = list(self.out_since_s), list(self.holds_until_s)
        for i, reflex in enumerate(self.arm.reflexes):
            since_s, until_s = out_since_s[i], holds_until_s[i]
            if not _is_out(reflex, values.get(reflex.quantity)):
                out_since_s[i] = None
                if until_s is not None and now_s >= until_s:
                    holds_until_s[i] = None
                continue
            since_s = since_s if since_s is not None else now_s
            out_since_s[i] = since_s
            if now_s - since_s >= reflex.after_s:
                holds_until_s[i] = now_s + reflex.hold_s
        return replace(self, out_since_s=tuple(out_since_s), holds_until_s=tuple(holds_until_s))

    def demand(self, now: datetime) -> Setpoint | None:
        """What protection asks of the device now, before any command: a reflex first, then the ladder."""
        if self.arm is None:
            return None
        for reflex, until_s in zip(self.arm.reflexes, self.holds_until_s, strict=True):
            if until_s is not None:
                return reflex.then
        for shed in self.sheds:
            reached = [p for p in self.arm.places if p.ladder == shed.ladder and p.step <= shed.step and now < shed.until]
            if reached:
                return max(reached, key=lambda place: place.step).then
        return None


def _is_out(reflex: Reflex, value: float | None) -> bool:
    """Whether a value is out of bounds; one that is missing or NaN never is."""
    if value is None:
        return False
    return (reflex.below is not None and value < reflex.below) or (reflex.above is not None and value > reflex.above)
