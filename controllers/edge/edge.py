"""The edge: between the bus and one device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from controllers.bus.base import Bus, Will
from controllers.edge.device import Applied, Device
from controllers.edge.keep import Keep, MemoryKeep
from controllers.edge.lease import LeaseRules, Order, Phase, Verdict, order_of_power
from controllers.edge.protection import Protection
from controllers.edge.reports import BackfillRules, ReportCounters, Reports
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Arm, Command, HeatStart, Reason, Setpoint, Shed, Status
from vpp.wire.topics import Channel, filter_of, topic_of

__all__ = ["Edge", "EdgeCounters", "EdgeSettings", "Timepiece", "offline_will"]

_REFUSALS: Final = {
    Verdict.OLD: "a newer command has been taken",
    Verdict.STALE: "issued too long ago by the device's clock; compare the clocks",
    Verdict.REPEATED: "its lease has ended; send a new one",
}


class Timepiece(Protocol):
    """The part of a clock that a device needs."""

    def now(self) -> datetime:
        """Aware UTC, only for stamps and for what is stale."""
        ...

    def monotonic_s(self) -> float:
        """Leases run on this."""
        ...


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How an edge behaves.

    Args:
        rules: When a command is stale.
        buffer_size: Readings kept while the bus is away; the oldest go first.
        backfill_per_tick: Buffered readings sent per tick once it is back, after the live one.
        resend_s: So much of what was sent before a line was found dead is sent again. [s]
    """

    rules: LeaseRules = LeaseRules()
    buffer_size: int = 3_600
    backfill_per_tick: int = 60
    resend_s: float = 0.0


@dataclass(slots=True)
class EdgeCounters:
    """What an edge has done.

    Args:
        acted: Commands that acted.
        refused: Commands that were old or stale, or copies that came after the lease.
        repeated: Copies of the command that holds, acknowledged again.
    """

    acted: int = 0
    refused: int = 0
    repeated: int = 0


def offline_will(park: str, asset: str) -> Will:
    """What the broker says when this edge vanishes; a connection carries one will, so one edge a connection."""
    return Will(topic_of(park, Channel.ASSET_STATUS, asset), encode(Status(online=False, mode="fault")))


class Edge:
    """Takes commands for one device, acknowledges them, follows the fallback without them, and reports.

    Precedence: somebody's hand on the device (`local`), armed protection, the command that holds, its fallback. Before
    the first command the device is left to itself.

    Args:
        bus: Where commands come from.
        device: What it stands beside.
        park: Id of the park.
        clock: The device's own.
        settings: How it behaves.
        keep: What it keeps through outages and restarts; None: in memory, the buffer of the settings' size.
    """

    def __init__(
        self,
        bus: Bus,
        device: Device,
        park: str,
        clock: Timepiece,
        settings: EdgeSettings | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._bus, self._device, self._clock = bus, device, clock
        self._settings = settings if settings is not None else EdgeSettings()
        self._keep = keep if keep is not None else MemoryKeep(self._settings.buffer_size)
        backfill = BackfillRules(self._settings.backfill_per_tick, self._settings.resend_s)
        self._reports = Reports(bus, park, device.asset_id, self._keep.buffer, backfill)
        self._lease, self._protection = self._keep.lease(clock.monotonic_s()), Protection()
        armed = self._keep.arm()
        if armed is not None:
            self._protection = self._protection.armed(armed)
        self._reading = device.read()
        self._ordered: Order | None = None
        self._answer: Applied | None = None
        self._applied = (0, 0)
        self._protected: Setpoint | None = None
        self.counters = EdgeCounters()
        bus.subscribe(topic_of(park, Channel.ASSET_COMMAND, device.asset_id), self._on_command)
        # At QoS 0, though retained: each new connection brings it again, and a thousand subscriptions at QoS 1 are a thousand
        # consumers that the embedded broker must make before the park is back.
        bus.subscribe(topic_of(park, Channel.ASSET_ARM, device.asset_id), self._on_arm)
        bus.subscribe(filter_of(park, Channel.SHED), self._on_shed)

    @property
    def phase(self) -> Phase:
        """Who says what the device does now."""
        return self._lease.phase(self._clock.monotonic_s())

    @property
    def reports(self) -> ReportCounters:
        """What became of its readings."""
        return self._reports.counters

    def tick(self) -> None:
        """One period: reads the device, follows protection or fallback, reports."""
        before, self._reading = self._reading, self._device.read()
        if before.mode != "remote" and self._reading.mode == "remote":
            # Whoever had it in hand may have left it anywhere.
            self._ordered = None
        self._protection = self._protection.measured(self._reading.state, self._clock.monotonic_s())
        self._follow()
        self._reports.post_status(self._reading, self._clock.monotonic_s())
        self._reports.post_telemetry(self._reading, self._applied)

    def goodbye(self) -> None:
        """Says offline before an orderly end, for which a broker does not speak the last will."""
        self._reports.post_offline(self._clock.now())

    def _on_command(self, topic: str, payload: bytes) -> None:
        command = decode(Command, topic, payload)
        rules = self._settings.rules
        self._lease, verdict = self._lease.receive(command, self._clock.monotonic_s(), self._clock.now(), rules)
        match verdict:
            case Verdict.NEW:
                self._keep.remember_lease(self._lease)
                self.counters.acted += 1
                answer = self._act(command)
            case Verdict.REPEATED if self._answer is not None and self.phase is Phase.HELD:
                self.counters.repeated += 1
                answer = self._answer
            case _:
                self.counters.refused += 1
                answer = self._refusal(verdict.value, _REFUSALS[verdict])
        self._reports.post_ack(command, answer, self._clock.now())

    def _on_arm(self, topic: str, payload: bytes) -> None:
        before, arm = self._protection.arm, decode(Arm, topic, payload)
        self._protection = self._protection.armed(arm)
        if self._protection.arm is not before:
            self._keep.remember_arm(arm)
        self._follow()

    def _on_shed(self, topic: str, payload: bytes) -> None:
        self._protection = self._protection.shed(decode(Shed, topic, payload), self._clock.now())
        self._follow()

    def _act(self, command: Command) -> Applied:
        """What a new command does at once."""
        order = Order(command.command, command.ramp_mw_per_min)
        if self._protection.demand(self._clock.now()) is not None:
            reason = Reason(code="protection", text="a reflex or the shedding ladder holds the device; follows after it")
            self._answer = Applied("clamped", self._reading.power_mw, reason)
            return self._answer
        if isinstance(command.command, HeatStart) and order == self._ordered and self._answer is not None:
            # A renewal of the lease names the same heat: it is started once.
            return self._note(command, self._answer)
        return self._note(command, self._apply(order))

    def _note(self, command: Command, answer: Applied) -> Applied:
        """Keeps the answer for copies of the command that may still come, and the proof that it acted."""
        self._answer = answer
        if answer.outcome != "rejected":
            self._applied = command.order
        return answer

    def _follow(self) -> None:
        """Brings the device to what protection or the lease asks for, where that has changed."""
        demand = self._protection.demand(self._clock.now())
        if demand is None and self._protected is None and self._does_what_is_held():
            return
        safe_mw = self._device.safe_power_mw()
        if demand is not None:
            order: Order | None = Order(demand, None)
        else:
            order = self._lease.order(self._clock.monotonic_s(), safe_mw)
            if order is None and self._protected is not None and self._lease.held is None:
                # Nobody has said yet what comes after protection: the safe power.
                order = order_of_power(self._protected, safe_mw, None)
        self._protected = demand
        if order is None or order == self._ordered:
            return
        applied, held = self._apply(order), self._lease.held
        if held is not None and demand is None and self.phase is Phase.HELD:
            self._note(held, applied)

    def _does_what_is_held(self) -> bool:
        """Whether the command that holds is what the device was last told, as it is in almost every period."""
        held, told = self._lease.held, self._ordered
        return (
            held is not None
            and told is not None
            and told.setpoint is held.command
            and told.ramp_mw_per_min == held.ramp_mw_per_min
            and self.phase is Phase.HELD
        )

    def _apply(self, order: Order) -> Applied:
        if self._reading.mode != "remote":
            return self._refusal(f"mode_{self._reading.mode}", "the device does not follow commands in this mode")
        applied = self._device.apply(order.setpoint, order.ramp_mw_per_min)
        # What was refused is asked again in the next period: the reason may have gone.
        self._ordered = None if applied.outcome == "rejected" else order
        return applied

    def _refusal(self, code: str, text: str) -> Applied:
        return Applied("rejected", self._reading.power_mw, Reason(code=code, text=text))
