"""Which command holds, and what follows when nobody renews it: pure, time is passed in.

The rules:

- A command is taken only when its pair `(epoch, seq)` is greater than that of the one that holds.
- When the lease has ended its epoch is forgotten: any other epoch may speak, also a lower one, so that a controller
  that lost its database does not lock the park. The last `seq` of each epoch is still known, so that no command ever
  acts twice, however late a copy of it arrives.
- `issued_at` only rejects what is stale.
- A lease runs on the device's monotonic seconds from receipt. After it: the points of the fallback profile, then a
  ramp to the safe power.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, assert_never

from vpp.wire.messages import Command, HeatStart, Limit, Setpoint, StackCounts, Switch, Target

__all__ = ["Lease", "LeaseRules", "Order", "Phase", "Verdict", "order_of_power"]

_MINUTE: Final = timedelta(minutes=1)
#: Epochs change with the leader; a device that has seen more of them within one staleness than this has other worries.
_EPOCHS_KNOWN: Final = 8


class Verdict(Enum):
    """What became of a command that arrived."""

    NEW = "new"
    REPEATED = "repeated"
    OLD = "old_command"
    STALE = "stale_command"


class Phase(Enum):
    """Who says what the device does."""

    IDLE = "idle"
    HELD = "held"
    FALLBACK = "fallback"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """When a command is stale.

    Args:
        max_age_s: Oldest `issued_at` that is taken; a command older than its own lease is stale in any case.
        clock_skew_s: How far the device's clock may differ from the controller's.
    """

    max_age_s: float = 10.0
    clock_skew_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the device should be doing: a setpoint and how fast to approach it."""

    setpoint: Setpoint
    ramp_mw_per_min: float | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The state of one device's lease; `receive` returns the next one.

    Args:
        held: The command that acted last; None before the first.
        received_s: When it came, on the device's monotonic clock.
        last_seq: The last number of each epoch that acted, newest epoch last.
    """

    held: Command | None = None
    received_s: float = 0.0
    last_seq: tuple[tuple[int, int], ...] = ()

    def receive(self, command: Command, now_s: float, now: datetime, rules: LeaseRules) -> tuple[Lease, Verdict]:
        """The lease after a command has arrived, and whether the command acts (only when `NEW`).

        Args:
            command: As decoded.
            now_s: The device's monotonic seconds.
            now: The device's clock, aware UTC.
            rules: When a command is stale.
        """
        held, epoch = self.held, command.epoch
        if held is not None and command.seq == held.seq and epoch == held.epoch:
            return self, Verdict.REPEATED
        others = self.last_seq
        for i, (known, seq) in enumerate(self.last_seq):
            if known == epoch:
                if command.seq <= seq:
                    return self, Verdict.OLD
                others = self.last_seq[:i] + self.last_seq[i + 1 :]
        if held is not None and epoch < held.epoch and self.phase(now_s) is Phase.HELD:
            return self, Verdict.OLD
        age_s = (now - command.issued_at).total_seconds()
        if age_s > min(rules.max_age_s, command.lease_s) + rules.clock_skew_s:
            return self, Verdict.STALE
        return Lease(command, now_s, (*others[1 - _EPOCHS_KNOWN :], (epoch, command.seq))), Verdict.NEW

    def phase(self, now_s: float) -> Phase:
        """Who says what the device does at a moment of its monotonic clock."""
        if self.held is None:
            return Phase.IDLE
        after_s = self._after_end_s(self.held, now_s)
        if after_s < 0.0:
            return Phase.HELD
        return Phase.FALLBACK if after_s < self.held.fallback.safe_after_s else Phase.SAFE

    def order(self, now_s: float, safe_power_mw: float) -> Order | None:
        """What the device should be doing at a moment; None: nothing but what it does.

        Args:
            now_s: The device's monotonic seconds.
            safe_power_mw: The device's own safe power in its present state. [MW, positive when consuming]
        """
        if self.held is None:
            return None
        command, fallback = self.held, self.held.fallback
        match self.phase(now_s):
            case Phase.IDLE:
                return None
            case Phase.HELD:
                return Order(command.command, command.ramp_mw_per_min)
            case Phase.FALLBACK:
                power_mw = self._profile_mw(command, now_s)
                if power_mw is None:
                    return Order(command.command, command.ramp_mw_per_min)
                return order_of_power(command.command, power_mw, command.ramp_mw_per_min)
            case Phase.SAFE:
                safe_mw = fallback.safe_power_mw if fallback.safe_power_mw is not None else safe_power_mw
                return order_of_power(command.command, self._ramped_mw(command, now_s, safe_mw), fallback.safe_ramp_mw_per_min)
            case other:
                assert_never(other)

    def _after_end_s(self, command: Command, now_s: float) -> float:
        return now_s - self.received_s - command.lease_s

    def _profile_mw(self, command: Command, now_s: float) -> float | None:
        """The power of the last point reached; None before the first, where the command itself goes on."""
        after_s = self._after_end_s(command, now_s)
        reached = [point.power_mw for point in command.fallback.points if point.after_s <= after_s]
        return reached[-1] if reached else None

    def _ramped_mw(self, command: Command, now_s: float, safe_mw: float) -> float:
        """The power on the way from the profile's last point to the safe power."""
        start_mw = self._profile_mw(command, now_s)
        if start_mw is None:
            start_mw = _power_of(command.command, safe_mw)
        since = timedelta(seconds=self._after_end_s(command, now_s) - command.fallback.safe_after_s)
        way_mw = command.fallback.safe_ramp_mw_per_min * (since / _MINUTE)
        if abs(safe_mw - start_mw) <= way_mw:
            return safe_mw
        return start_mw + way_mw if safe_mw > start_mw else start_mw - way_mw


def _power_of(setpoint: Setpoint, otherwise_mw: float) -> float:
    """The power a setpoint asks for; a limit lies on the side of the safe power; switches and heats name none."""
    match setpoint:
        case Target() | StackCounts():
            return setpoint.power_mw
        case Limit():
            return setpoint.max_power_mw if otherwise_mw >= 0.0 else -setpoint.max_power_mw
        case Switch() | HeatStart():
            return otherwise_mw
        case other:
            assert_never(other)


def order_of_power(last: Setpoint, power_mw: float, ramp_mw_per_min: float | None) -> Order | None:
    """A power said in the words of the last command, so that a device that knows limits is never sent a target.

    A limit keeps its meaning of a magnitude; stacks keep their counts, since the device's own protection knows best
    what a stack cannot do; a switch is closed wherever power is to flow; a heat that runs is finished by the furnace.
    """
    match last:
        case Target():
            return Order(Target(power_mw=power_mw), ramp_mw_per_min)
        case Limit():
            return Order(Limit(max_power_mw=abs(power_mw)), ramp_mw_per_min)
        case StackCounts():
            return Order(StackCounts(on=last.on, standby=last.standby, power_mw=max(0.0, power_mw)), ramp_mw_per_min)
        case Switch():
            return Order(Switch(closed=power_mw != 0.0), ramp_mw_per_min)
        case HeatStart():
            return None
        case other:
            assert_never(other)
