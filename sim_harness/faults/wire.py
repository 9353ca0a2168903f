"""A bad wire: the world's side of the bus, on which messages are lost, late, doubled, out of order or broken.

It stands on the world's side only, so that every message passes it once, in process and over a broker alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.bus.base import Bus, BusCounters, Handler
from controllers.edge import Timepiece
from sim_harness.faults.schedule import Window
from vpp.errors import WireError
from vpp.wire.topics import Channel, matches, parse

__all__ = ["FaultyBus", "MESSAGE_KINDS"]

MESSAGE_KINDS: Final = ("lost", "late", "doubled", "reordered", "malformed", "silent_device")
#: A message out of order comes after so many others of its direction; after this long it comes in any case.
_BEHIND: Final = 3
_LONGEST_WAIT: Final = timedelta(seconds=60)
_TOPICS_KEPT: Final = 10_000
_FROM_SCHEDULERS: Final = (Channel.COMPUTE_BACKLOG, Channel.COMPUTE_RESPONSE, Channel.COMPUTE_TELEMETRY, Channel.COMPUTE_SHIFT)

_Pass = Callable[[bytes], None]


@dataclass(slots=True, eq=False)
class _Held:
    """A message that waits."""

    due: datetime
    behind: int
    inward: bool
    payload: bytes
    go: _Pass


class FaultyBus:
    """A bus with faults.

    Args:
        bus: The sound one behind it.
        root: Topic under which the park's filters stand, as in `vpp/v1/chifeng`.
        clock: To know when which fault holds.
        windows: Faults of messages and silent devices.
        random: Luck of each fault, by its number.
        acted: Told of each message that a fault took.
    """

    def __init__(
        self,
        bus: Bus,
        root: str,
        clock: Timepiece,
        windows: Sequence[Window],
        random: Callable[[Window], np.random.Generator],
        acted: Callable[[Window], None],
    ) -> None:
        self._bus, self._root, self._clock, self._random, self._acted = bus, root, clock, random, acted
        self._windows = tuple(w for w in windows if w.kind in MESSAGE_KINDS)
        self._by_topic: dict[str, tuple[Window, ...]] = {}
        self._held: list[_Held] = []

    @property
    def connected(self) -> bool:
        """As the bus behind it."""
        return self._bus.connected

    @property
    def counters(self) -> BusCounters:
        """Of the bus behind it."""
        return self._bus.counters

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Sends what a device or scheduler says, or what is left of it."""

        def go(what: bytes) -> None:
            self._bus.post(topic, what, qos=qos, retain=retain)

        self._pass(topic, payload, qos, inward=False, go=go)

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """Calls the handler for what comes through."""

        def arrives(topic: str, payload: bytes) -> None:
            self._pass(topic, payload, qos, inward=True, go=lambda what: handler(topic, what))

        self._bus.subscribe(topic_filter, arrives, qos)

    async def flush(self) -> None:
        """As the bus behind it; what is held back stays held back."""
        await self._bus.flush()

    def release(self) -> None:
        """Lets go what has waited for its time; to be called once a control period."""
        now = self._clock.now()
        self._let_go([held for held in self._held if held.due <= now])

    def _pass(self, topic: str, payload: bytes, qos: int, *, inward: bool, go: _Pass) -> None:
        now = self._clock.now()
        for window in self._of(topic):
            if not window.holds(now) or (window.kind == "lost" and qos > 0 and not window.target):
                continue  # what a broker has acknowledged is only lost where a scenario names it
            if window.kind == "silent_device" or self._random(window).random() < window.entry.number("share_frac"):
                self._acted(window)
                taken = self._take(window, payload, now, inward=inward, go=go)
                if taken is None:
                    return
                payload = taken
        go(payload)
        self._overtake(inward)

    def _take(self, window: Window, payload: bytes, now: datetime, *, inward: bool, go: _Pass) -> bytes | None:
        """What of a message goes on now; None for nothing."""
        match window.kind:
            case "late":
                delay = timedelta(seconds=window.entry.number("delay_s"))
                self._held.append(_Held(now + delay, -1, inward, payload, go))
                return None
            case "reordered":
                self._held.append(_Held(now + _LONGEST_WAIT, _BEHIND, inward, payload, go))
                return None
            case "doubled":
                go(payload)
                return payload
            case "malformed":
                return _broken(payload, self._random(window))
            case _:
                return None

    def _overtake(self, inward: bool) -> None:
        """A message has passed: those that it overtook are one nearer to their turn."""
        if not self._held:
            return
        for held in self._held:
            if held.inward is inward and held.behind > 0:
                held.behind -= 1
        self._let_go([held for held in self._held if held.behind == 0])

    def _let_go(self, ready: list[_Held]) -> None:
        for held in ready:
            if held in self._held:
                self._held.remove(held)
                try:
                    held.go(held.payload)
                except WireError:  # a handler refuses what came late and broken; there is no bus around this call to count it
                    self.counters.malformed["late"] += 1

    def _of(self, topic: str) -> tuple[Window, ...]:
        found = self._by_topic.get(topic)
        if found is None:
            if len(self._by_topic) >= _TOPICS_KEPT:
                self._by_topic.clear()
            found = self._by_topic[topic] = tuple(w for w in self._windows if self._befalls(w, topic))
        return found

    def _befalls(self, window: Window, topic: str) -> bool:
        if window.kind == "silent_device":
            said = parse(topic)
            return said.subject == window.target and (said.channel.value.startswith("asset/") or said.channel in _FROM_SCHEDULERS)
        return matches(f"{self._root}/{window.target or '#'}", topic)


def _broken(payload: bytes, random: np.random.Generator) -> bytes:
    """Bytes as sick devices send them: cut off, not text, not JSON, or JSON that means something else."""
    match int(random.integers(5)):
        case 0:
            return payload[: int(random.integers(len(payload)))]
        case 1:
            at = int(random.integers(len(payload)))
            return payload[:at] + b"\xff" + payload[at + 1 :]
        case 2:
            return b"null"
        case 3:
            return payload.replace(b":", b";", 1)
        case _:
            return b'{"t":"yesterday","power_mw":"much"}'
