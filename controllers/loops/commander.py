"""Commands out, acks in: numbered, leased, repeated until confirmed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Final

from msgspec import structs

from controllers.bus.base import Bus
from controllers.clock import Clock
from controllers.dispatch.caps import Lowering, kept_caps
from controllers.dispatch.orders import Order
from controllers.flexibility.assess import Verdict
from controllers.loops.ear import Mouth, Mute
from vpp.ids import AssetId, ConnectionId
from vpp.units import MS_PER_S
from vpp.wire.codec import decode, encode
from vpp.wire.messages import (
    Ack,
    Arm,
    Backlog,
    BacklogAnswer,
    Command,
    ComputeShift,
    GridEvent,
    GridEventAnswer,
    Message,
    Placement,
    Reason,
    RefusedItem,
    Shed,
    ShiftInterval,
)
from vpp.wire.topics import Channel, filter_of, topic_of

__all__ = ["Commander", "CommandCounters", "ShiftOrder", "Stamp"]

#: More than a day of a large park's commands; a service that runs for months must not remember them all.
_DELAYS_KEPT: Final = 100_000
#: Share of a lease after which it is renewed: an ack that is lost can be missed once.
_RENEWED_AT: Final = 0.5
#: So many faults of a backlog are told one by one; a flood has one rule for all of them.
_MOST_FAULTS: Final = 500


@dataclass(frozen=True, slots=True)
class ShiftOrder:
    """One compute-shift signal, before it is numbered."""

    cluster: AssetId
    valid_until: datetime
    cap_now_mw: float
    intervals: tuple[ShiftInterval, ...]
    placements: tuple[Placement, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every message of a controller carries."""

    epoch: int
    seq: int
    issued_at: datetime


@dataclass(slots=True)
class CommandCounters:
    """What went out and came back; delays are in the clock's own seconds, the newest of them only."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    ack_delay_s: deque[float] = field(default_factory=lambda: deque(maxlen=_DELAYS_KEPT))


@dataclass(slots=True)
class _Sent:
    order: Order
    seq: int
    sent_s: float
    asked_s: float
    command: Command
    acked: bool = False


class Commander:
    """Numbers what goes out and remembers what is not yet confirmed.

    Args:
        bus: Where commands go.
        park: The park's id.
        clock: For stamps and leases.
        last_epoch: Of the leader before, 0 for none.
    """

    def __init__(self, bus: Bus, park: str, clock: Clock, last_epoch: int = 0) -> None:
        self._bus, self._park, self._clock = bus, park, clock
        self.epoch = max(int(clock.now().timestamp() * MS_PER_S), last_epoch + 1)
        self._seq = 0
        self._revision = 0
        self._last: dict[tuple[AssetId, str], _Sent] = {}
        self._waiting: dict[int, tuple[AssetId, _Sent]] = {}
        self._shifts: dict[str, ComputeShift] = {}
        self._refused: dict[AssetId, tuple[int, tuple[RefusedItem, ...]]] = {}
        #: When leases were last renewed, and how many more can be before the flow is no longer even.
        self._renewed_s, self._even = clock.monotonic_s(), 0.0
        #: What allows the cap of a cluster to fall inside the hours for which it is promised.
        self.may_lower: Callable[[AssetId], Lowering | None] = _never
        self.counters = CommandCounters()
        #: Who notes what was said.
        self.mouth: Mouth = Mute()
        # What the leader before us has promised stands on the broker, and is kept.
        bus.subscribe(filter_of(park, Channel.COMPUTE_SHIFT), self._on_shift, qos=1)

    def now(self) -> datetime:
        """Park time, as it stands in every stamp."""
        return self._clock.now()

    def stamp(self) -> Stamp:
        """The next number, for whatever a controller sends."""
        self._seq += 1
        return Stamp(self.epoch, self._seq, self._clock.now())

    def publish(self, channel: Channel, message: Message) -> None:
        """Posts something for anyone to follow, retained."""
        self._bus.post(topic_of(self._park, channel), encode(message), qos=1, retain=True)
        self.mouth.published(channel, message)

    def arm(self, asset_id: AssetId, arm: Arm) -> None:
        """Arms what a device does by itself; retained, so that one that joins late is armed too."""
        self._bus.post(topic_of(self._park, Channel.ASSET_ARM, asset_id), encode(arm), qos=1, retain=True)

    def shed(self, shed: Shed) -> None:
        """One broadcast to all who stand on a ladder; said again by whoever wants it kept up."""
        self._bus.post(topic_of(self._park, Channel.SHED, shed.ladder), encode(shed))

    def resend(self, asset_id: AssetId, command: Command) -> None:
        """Says again what the one before us said and nobody confirmed, under our own number."""
        stamp = self.stamp()
        again = structs.replace(command, epoch=stamp.epoch, seq=stamp.seq, issued_at=stamp.issued_at)
        self.counters.sent += 1
        self._bus.post(topic_of(self._park, Channel.ASSET_COMMAND, asset_id), encode(again))
        self.mouth.sent(asset_id, again)

    def send_all(self, orders: Iterable[Order]) -> int:
        """Sends what is new, was not confirmed, or whose lease is half over.

        What is news goes first: it must not wait behind a thousand leases. Leases that began together come apart: some are
        renewed before their half is over, as many as keeps the flow even.

        Returns:
            How many went out.
        """
        now_s = self._clock.monotonic_s()
        held, sent = list[tuple[float, Order]](), 0
        for order in orders:
            last = self._last.get((order.asset_id, order.part))
            if last is None or not last.acked or not _same(last.order, order):
                self._send(order, last, now_s)
                sent += 1
            else:
                held.append(((now_s - last.sent_s) / order.lease_s, order))
        return sent + self._renew(held, now_s)

    def _renew(self, held: list[tuple[float, Order]], now_s: float) -> int:
        since_s, self._renewed_s = now_s - self._renewed_s, now_s
        self._even = min(self._even + sum(since_s / order.lease_s for _, order in held) / _RENEWED_AT, float(len(held)))
        held.sort(key=itemgetter(0), reverse=True)
        sent = 0
        for used, order in held:
            if used < (_RENEWED_AT if self._even < 1.0 else _RENEWED_AT / 2.0):
                break
            self._send(order, self._last[order.asset_id, order.part], now_s)
            self._even = max(self._even - 1.0, 0.0)
            sent += 1
        return sent

    def _send(self, order: Order, last: _Sent | None, now_s: float) -> None:
        stamp = self.stamp()
        command = Command(
            epoch=stamp.epoch,
            seq=stamp.seq,
            issued_at=stamp.issued_at,
            command=order.setpoint,
            lease_s=order.lease_s,
            fallback=order.fallback,
            plan_id=order.plan_id,
            reason=order.reason,
        )
        asked_s = now_s
        if last is not None:
            self._waiting.pop(last.seq, None)
            asked_s = now_s if last.acked else last.asked_s
        sent = self._last[order.asset_id, order.part] = _Sent(order, stamp.seq, now_s, asked_s, command)
        self._waiting[stamp.seq] = (order.asset_id, sent)
        self.counters.sent += 1
        self._bus.post(topic_of(self._park, Channel.ASSET_COMMAND, order.asset_id), encode(command))
        self.mouth.sent(order.asset_id, command)

    def shift(self, order: ShiftOrder) -> None:
        """Publishes a compute-shift signal; it is retained, so that a scheduler that joins late follows at once.

        Here, and nowhere else, a cap that was promised for the next hours is kept; see `controllers.dispatch.caps`.
        """
        stamp = self.stamp()
        last, allowed = self._shifts.get(order.cluster), self.may_lower(order.cluster)
        promised = last.intervals if last is not None else ()
        intervals = kept_caps(order.intervals, promised, stamp.issued_at, allowed)
        caps = [i.cap_mw for i in intervals if i.start <= stamp.issued_at < i.end]
        self._revision += 1
        signal = ComputeShift(
            epoch=stamp.epoch,
            seq=stamp.seq,
            issued_at=stamp.issued_at,
            cluster=order.cluster,
            revision=self._revision,
            valid_until=order.valid_until,
            cap_now_mw=caps[0] if caps else order.cap_now_mw,
            intervals=intervals,
            event=allowed.event() if allowed is not None else None,
            placements=order.placements,
        )
        self._shifts[order.cluster] = signal
        self.counters.sent += 1
        self._bus.post(topic_of(self._park, Channel.COMPUTE_SHIFT, order.cluster), encode(signal), qos=1, retain=True)
        self.mouth.published(Channel.COMPUTE_SHIFT, signal)

    def answer_backlog(self, cluster: AssetId, said: Backlog, refused: tuple[RefusedItem, ...]) -> None:
        """Tells a scheduler which items of its backlog do not count, and when they do again."""
        told = (len(said.items), tuple(refused))
        if not refused and cluster not in self._refused:
            return  # all is in order, as always
        if self._refused.get(cluster) == told:
            return  # said already; a backlog is told again every minute
        self._refused[cluster] = told
        if not refused:
            del self._refused[cluster]
        answer = BacklogAnswer(
            cluster=cluster,
            reported_at=said.reported_at,
            accepted_items=len(said.items),
            refused_items=len(refused),
            reasons=refused[:_MOST_FAULTS],
        )
        self._bus.post(topic_of(self._park, Channel.COMPUTE_BACKLOG_ANSWER, cluster), encode(answer), qos=1, retain=True)

    def _on_shift(self, topic: str, payload: bytes) -> None:
        signal = decode(ComputeShift, topic, payload)
        held = self._shifts.get(signal.cluster)
        if held is None or signal.order > held.order:
            self._shifts[signal.cluster] = signal

    def answer(self, connection: ConnectionId, said: GridEvent, refused: Reason | None, verdict: Verdict | None = None) -> None:
        """Tells the grid that an event has arrived, what is promised, or why it is refused; again each time it is called."""
        stamp = self.stamp()
        answer = GridEventAnswer(
            epoch=stamp.epoch,
            seq=stamp.seq,
            issued_at=stamp.issued_at,
            event_id=said.event_id,
            revision=said.revision,
            outcome="refused" if refused is not None else "acknowledged" if verdict is None else "accepted",
            asked_mw=None if verdict is None else verdict.asked_mw,
            accepted_mw=None if verdict is None else verdict.accepted_mw,
            held_mw=None if verdict is None or refused is not None else verdict.target_mw,
            # How surely a cluster keeps a call at its own meter is not worked out, so it is not said.
            confidence=None if verdict is None or said.asset is not None else verdict.confidence,
            reason=refused if verdict is None else verdict.reason,
        )
        self._bus.post(topic_of(self._park, Channel.GRID_EVENT_ANSWER, connection), encode(answer), qos=1)

    def acknowledged(self, asset_id: AssetId, ack: Ack) -> None:
        """Books an ack; one for another controller's or an older command changes nothing."""
        who, sent = self._waiting.get(ack.seq, (None, None))
        if sent is None or who != asset_id or ack.epoch != self.epoch:
            return
        del self._waiting[ack.seq]
        sent.acked = True
        self.counters.outcomes[ack.outcome] += 1
        self.counters.ack_delay_s.append(self._clock.monotonic_s() - sent.sent_s)

    def unconfirmed(self) -> frozenset[AssetId]:
        """Assets whose last command has no ack: their power is not counted on."""
        return frozenset(asset_id for asset_id, _ in self._waiting.values())

    def told_mw(self, asset_id: AssetId) -> float | None:
        """Power behind the last order to a whole asset; None if it was never told anything. [MW]."""
        last = self._last.get((asset_id, ""))
        return None if last is None else last.order.power_mw

    def open_commands(self) -> tuple[tuple[AssetId, Command], ...]:
        """Commands that nobody has confirmed yet, for whoever takes over."""
        return tuple((asset_id, sent.command) for asset_id, sent in self._waiting.values())

    def overdue(self, after_s: float) -> frozenset[AssetId]:
        """Assets that were told something so long ago, again and again since, and have said nothing to it."""
        latest_s = self._clock.monotonic_s() - after_s
        return frozenset(asset_id for asset_id, sent in self._waiting.values() if sent.asked_s <= latest_s)


def _never(cluster: AssetId) -> Lowering | None:
    """Without anybody who knows of events no promise is broken."""
    return None


def _same(before: Order, now: Order) -> bool:
    if type(before.setpoint) is not type(now.setpoint):
        return False
    if abs(before.power_mw - now.power_mw) > now.tolerance_mw:
        return False
    # What is counted (stacks, heats, switches) has no tolerance.
    return before.setpoint == now.setpoint or hasattr(now.setpoint, "power_mw") and not hasattr(now.setpoint, "on")
