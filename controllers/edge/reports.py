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
from vpp.errors import WireError
from vpp.wire.codec import encode
from vpp.wire.messages import Ack, Command, Mode, Status, Telemetry
from vpp.wire.topics import Channel, topic_of

__all__ = ["ReportCounters", "Reports"]

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


class Reports:
    """The outgoing half of an edge.

    Args:
        bus: Where to.
        park: Id of the park.
        asset: Id of the asset.
        buffer_size: Readings kept while the bus is away; the oldest go first.
        backfill_per_tick: Buffered readings sent with each live one once it is back.
    """

    def __init__(self, bus: Bus, park: str, asset: str, buffer_size: int, backfill_per_tick: int) -> None:
        self._bus, self._asset = bus, asset
        self._telemetry = topic_of(park, Channel.ASSET_TELEMETRY, asset)
        self._status = topic_of(park, Channel.ASSET_STATUS, asset)
        self._ack = topic_of(park, Channel.ASSET_ACK, asset)
        self._buffer_size, self._backfill_per_tick = buffer_size, backfill_per_tick
        self._buffer: deque[bytes] = deque()
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
            if payload is not None:
                self._keep(payload)
            return
        if payload is not None:
            self._bus.post(self._telemetry, payload)
            self.counters.sent += 1
        # After the live one, and a few at a time: the present is more urgent than the past.
        for _ in range(min(len(self._buffer), self._backfill_per_tick)):
            self._bus.post(self._telemetry, self._buffer.popleft())
            self.counters.backfilled += 1

    def _keep(self, payload: bytes) -> None:
        if len(self._buffer) >= self._buffer_size:
            self._buffer.popleft()
            self.counters.lost += 1
        self._buffer.append(payload)

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
            log.warning("edge.unreadable asset=%s rule=%s", self._asset, error)
            return None


def _known(values: Mapping[str, float]) -> dict[str, float]:
    if isinstance(values, dict) and all(map(math.isfinite, values.values())):
        return values
    return {name: value for name, value in values.items() if math.isfinite(value)}
