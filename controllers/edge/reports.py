"""What an edge says: status, telemetry with back-fill after an outage, acknowledgements."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controllers.bus.base import Bus
from controllers.edge.device import Applied, Reading
from controllers.edge.keep import Buffer
from vpp.errors import WireError
from vpp.wire.codec import encode
from vpp.wire.messages import Ack, Command, Mode, Status, Telemetry
from vpp.wire.topics import Channel, topic_of

__all__ = ["BackfillRules", "ReportCounters", "Reports"]

log = logging.getLogger(__name__)
_STATUS_EVERY_S: Final = 7_200.0


@dataclass(slots=True)
class ReportCounters:
    """What became of readings.

    Args:
        sent: Live.
        backfilled: Sent after an outage, with their original times.
        lost: The buffer could not hold them.
        unreadable: The meter was silent or said what no meter can.
    """

    sent: int = 0
    backfilled: int = 0
    lost: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class BackfillRules:
    """How the readings of an outage are sent after it.

    Args:
        per_tick: At most so many with each live one.
        resend_s: So much of what was sent before a line was found dead is sent again, since nobody knows what of it arrived:
            as long as a dead line can go unnoticed. 0: nothing is. [s]
    """

    per_tick: int = 60
    resend_s: float = 0.0


class Reports:
    """The outgoing half of an edge.

    Args:
        bus: Where to.
        park: Id of the park.
        asset: Id of the asset.
        buffer: Where readings wait while the bus is away.
        rules: How it is emptied.
    """

    def __init__(self, bus: Bus, park: str, asset: str, buffer: Buffer, rules: BackfillRules) -> None:
        self._bus, self._asset = bus, asset
        self._telemetry = topic_of(park, Channel.ASSET_TELEMETRY, asset)
        self._status = topic_of(park, Channel.ASSET_STATUS, asset)
        self._ack = topic_of(park, Channel.ASSET_ACK, asset)
        self._buffer, self._rules = buffer, rules
        #: Sent on a line of which nobody knew yet whether it was dead: moment of the device's clock and bytes.
        self._unsure: deque[tuple[datetime, bytes]] = deque()
        self._under_way, self._sent_on = 0, 0
        self._said: tuple[Mode, dict[str, float], int] | None = None
        self._said_s = 0.0
        self.counters = ReportCounters()

    def post_ack(self, command: Command, applied: Applied, now: datetime) -> None:
        """Answers a command."""
        ack = Ack(
            epoch=command.epoch,
            seq=command.seq,
            acked_at=now,
            outcome=applied.outcome,
            power_mw=applied.power_mw if math.isfinite(applied.power_mw) else None,
            reason=applied.reason,
        )
        self._bus.post(self._ack, encode(ack))

    def post_status(self, reading: Reading, now_s: float) -> None:
        """Says how the asset can be commanded when that has changed, after each new connection, and every two hours.

        After a new connection because the last will may just have said offline; every two hours because one that nobody could
        read would leave the asset out for good.
        """
        said = self._said
        if (
            said is not None
            and said[0] == reading.mode
            and said[1] == reading.limits
            and said[2] == self._bus.counters.connections
            and now_s - self._said_s < _STATUS_EVERY_S
        ):
            return
        limits = _known(reading.limits)
        connections = self._bus.counters.connections
        if said != (reading.mode, limits, connections) or now_s - self._said_s >= _STATUS_EVERY_S:
            self._said_s = now_s
            # A copy: a device may hand out its own mapping, and what was said must not change with it.
            self._said = (reading.mode, dict(limits), connections)
            status = Status(online=True, mode=reading.mode, limits=limits, changed_at=reading.measured_at)
            self._bus.post(self._status, encode(status), qos=1, retain=True)

    def post_offline(self, now: datetime) -> None:
        """Says that nobody stands beside the device any more."""
        self._said = None
        status = Status(online=False, mode="fault", changed_at=now)
        self._bus.post(self._status, encode(status), qos=1, retain=True)

    def post_telemetry(self, reading: Reading, applied: tuple[int, int]) -> None:
        """Sends a reading, or keeps it while the bus is away."""
        payload = self._payload(reading, applied)
        if not self._bus.connected:
            self._under_way = 0
            while self._unsure:
                self._keep(self._unsure.popleft()[1])
            if payload is not None:
                self._keep(payload)
            return
        if payload is not None:
            self._bus.post(self._telemetry, payload)
            self.counters.sent += 1
            self._note_unsure(reading.measured_at, payload)
        # After the live one, and a few at a time: the present is more urgent than the past.
        self._backfill()

    def _backfill(self) -> None:
        """Forgets what went out in the period before, if the line has held since, and sends what comes next."""
        connections = self._bus.counters.connections
        if self._under_way and self._sent_on == connections:
            self._buffer.drop(self._under_way)
        self._under_way, self._sent_on = 0, connections
        if not len(self._buffer):
            return
        for payload in self._buffer.first(self._rules.per_tick):
            self._bus.post(self._telemetry, payload)
            self.counters.backfilled += 1
            self._under_way += 1

    def _note_unsure(self, at: datetime, payload: bytes) -> None:
        if self._rules.resend_s <= 0.0:
            return
        self._unsure.append((at, payload))
        while (at - self._unsure[0][0]).total_seconds() > self._rules.resend_s:
            self._unsure.popleft()

    def _keep(self, payload: bytes) -> None:
        self.counters.lost += self._buffer.put(payload)

    def _payload(self, reading: Reading, applied: tuple[int, int]) -> bytes | None:
        """The reading as bytes; None when its power is not known, for silence says so better than a zero."""
        available_mw = reading.available_mw
        try:
            return encode(
                Telemetry(
                    measured_at=reading.measured_at,
                    power_mw=reading.power_mw,
                    available_mw=available_mw if available_mw is None or math.isfinite(available_mw) else None,
                    state=_known(reading.state),
                    applied_epoch=applied[0],
                    applied_seq=applied[1],
                    quality=reading.quality,
                )
            )
        except WireError as error:
            self.counters.unreadable += 1
            n = self.counters.unreadable
            # The first, second, fourth ...: a meter that is silent for days must not fill the disk.
            if n & (n - 1) == 0:
                log.warning("edge.unreadable asset=%s count=%d rule=%s", self._asset, n, error)
            return None


def _known(values: Mapping[str, float]) -> dict[str, float]:
    if isinstance(values, dict) and all(map(math.isfinite, values.values())):
        return values
    return {name: value for name, value in values.items() if math.isfinite(value)}
