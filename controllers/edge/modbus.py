"""A device that speaks Modbus/TCP, as the edge wants it: how it is now, a setpoint that is read back, its safe power."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections import Counter
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Final, assert_never

from controllers.edge.device import Applied, Reading
from controllers.edge.edge import Timepiece
from controllers.edge.modbus_link import LinkError, ModbusLink, RefusedError, spans_of
from controllers.edge.register_map import DeviceMap, Number
from vpp.errors import AssetError
from vpp.wire.messages import HeatStart, Limit, Mode, Reason, Setpoint, StackCounts, Switch, Target

__all__ = ["ModbusDevice"]

log = logging.getLogger(__name__)

_CONFIRM_EVERY_S: Final = 0.02
#: What a poll may take on top of the write it makes wait.
_PATIENCE: Final = 4.0
_BEATS: Final = 65_536


@dataclass(frozen=True, slots=True)
class _Write:
    """Registers to write in a row, each then read back, and the power that follows."""

    steps: tuple[tuple[int, tuple[int, ...]], ...]
    applied: Applied
    done: Future[Applied] = field(default_factory=Future)


class ModbusDevice:
    """Polls in a thread of its own, so that a slow device never holds up the bus; writes wait for their answer.

    A device that does not answer for `silent_after` polls is in fault: it says no power, follows nothing, and is asked again
    at every poll. A number outside its bounds in the map is not believed: power makes the reading unknown, anything else is
    left out.

    Args:
        asset_id: As in topics.
        device_map: What its registers mean.
        link: To the device.
        clock: The device's own.
    """

    def __init__(self, asset_id: str, device_map: DeviceMap, link: ModbusLink, clock: Timepiece) -> None:
        self._asset_id, self._map, self._link, self._clock = asset_id, device_map, link, clock
        self._spans = spans_of(device_map)
        self._writes: queue.Queue[_Write | None] = queue.Queue()
        self._thread = threading.Thread(target=self._live, name=f"modbus.{asset_id}", daemon=True)
        self._last: Reading | None = None
        self._failed_polls, self._beat = 0, 0
        self._noted: Counter[str] = Counter()

    @property
    def asset_id(self) -> str:
        """As in topics."""
        return self._asset_id

    def start(self) -> None:
        """Begins to poll."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and the connection; the device goes on with what it was last told."""
        self._writes.put(None)
        self._thread.join()

    def read(self) -> Reading:
        """The newest reading; when it is older than the map allows, the power is not known and the device in fault."""
        last = self._last
        if last is None:
            return Reading(self._clock.now(), math.nan, mode="fault", quality="invalid")
        age_s = (self._clock.now() - last.measured_at).total_seconds()
        if age_s <= self._map.silent_after * (self._map.poll_s + self._map.timeout_s):
            return last
        return Reading(self._clock.now(), math.nan, mode="fault", limits=last.limits, quality="invalid")

    def safe_power_mw(self) -> float:
        """As the map says."""
        return self._map.safe_power_mw

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Writes a setpoint and reads it back; what is not read back as written is rejected.

        Args:
            setpoint: A kind that the map has a register for; others are rejected.
            ramp_mw_per_min: Written first where the map has a register for it; without one the device has its own.
        """
        try:
            write = self._write_of(setpoint, ramp_mw_per_min)
        except AssetError as error:
            return self._rejected("out_of_range", str(error))
        if write is None:
            return self._rejected("not_for_me", f"the map has no register for {type(setpoint).__name__}")
        if self.read().mode == "fault":
            return self._rejected("device_silent", "the device does not answer")
        self._writes.put(write)
        try:
            return write.done.result(_PATIENCE * self._map.timeout_s + self._map.confirm_s)
        except FutureTimeoutError:
            write.done.cancel()
            return self._rejected("device_silent", "the device takes too long")

    def _write_of(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> _Write | None:
        """What to write; None for a kind that the device does not know."""
        writes = self._map.write
        match setpoint:
            case Target():
                made = self._power_write(writes.target_mw, setpoint.power_mw)
            case Limit():
                made = self._power_write(writes.limit_mw, setpoint.max_power_mw)
            case Switch():
                toggle = writes.switch
                if toggle is None:
                    return None
                raw = toggle.closed if setpoint.closed else toggle.open
                made = _Write(((toggle.register, (raw,)),), Applied("accepted", self._power_mw()))
            case HeatStart() | StackCounts():
                return None
            case other:
                assert_never(other)
        ramp = writes.ramp_mw_per_min
        if made is None or ramp is None or ramp_mw_per_min is None:
            return made
        first = (ramp.register, ramp.encoded(ramp.within(ramp_mw_per_min), self._map.word_order))
        return _Write((first, *made.steps), made.applied)

    def _power_write(self, number: Number | None, asked_mw: float) -> _Write | None:
        if number is None:
            return None
        words = number.encoded(number.within(asked_mw), self._map.word_order)
        # What the device now goes to is what the registers say, not what rounding took away.
        power_mw = number.value(words, self._map.word_order)
        if number.within(asked_mw) == asked_mw:
            return _Write(((number.register, words),), Applied("accepted", power_mw))
        reason = Reason(code="map_limit", text=f"the map allows {number.bounds} MW in register {number.register}")
        return _Write(((number.register, words),), Applied("clamped", power_mw, reason))

    def _live(self) -> None:
        """The thread: polls when it is due, writes in between."""
        due_s = time.monotonic()
        while True:
            try:
                write = self._writes.get(timeout=max(0.0, due_s - time.monotonic()))
            except queue.Empty:
                self._poll()
                due_s = max(due_s + self._map.poll_s, time.monotonic())
                continue
            if write is None:
                break
            if write.done.set_running_or_notify_cancel():
                write.done.set_result(self._written(write))
        self._link.close()

    def _written(self, write: _Write) -> Applied:
        try:
            for register, words in write.steps:
                self._link.write(register, words)
                fault = self._not_read_back(register, words)
                if fault is not None:
                    return self._rejected("not_read_back", fault)
        except RefusedError as error:
            return self._rejected("device_refuses", str(error))
        except LinkError as error:
            self._link.close()
            return self._rejected("device_silent", str(error))
        return write.applied

    def _not_read_back(self, register: int, words: tuple[int, ...]) -> str | None:
        """What is read instead of what was written; None when the device has taken it."""
        end_s = time.monotonic() + self._map.confirm_s
        while (read := self._link.read("holding", register, len(words))) != words:
            if time.monotonic() >= end_s:
                return f"wrote {_shown(words)} to register {register}, it reads {_shown(read)}"
            time.sleep(_CONFIRM_EVERY_S)
        return None

    def _poll(self) -> None:
        try:
            found = {span: self._link.read(*span) for span in self._spans}
            if self._map.write.heartbeat is not None:
                self._beat = (self._beat + 1) % _BEATS
                self._link.write(self._map.write.heartbeat, (self._beat,))
        except LinkError as error:
            self._link.close()
            self._failed_polls += 1
            self._note("edge.modbus_failed", str(error))
            if self._failed_polls >= self._map.silent_after:
                self._last = None
            return
        self._failed_polls = 0
        self._noted.pop("edge.modbus_failed", None)
        self._last = self._reading({(table, first + i): w for (table, first, _), ws in found.items() for i, w in enumerate(ws)})

    def _reading(self, words: dict[tuple[str, int], int]) -> Reading:
        def value(name: str, number: Number) -> float:
            raw = [words[number.table, number.register + i] for i in range(number.words)]
            measured = number.value(raw, self._map.word_order)
            if measured == number.within(measured) or math.isnan(measured):
                return measured
            fault = f"{name}: register {number.register} says {measured:g}, the map allows {number.bounds}"
            self._note("edge.unbelieved", fault, name)
            return math.nan

        read = self._map.read
        power_mw = value("read.power_mw", read.power_mw)
        return Reading(
            self._clock.now(),
            power_mw,
            None if read.available_mw is None else value("read.available_mw", read.available_mw),
            {name: value(f"read.state.{name}", number) for name, number in read.state.items()},
            self._mode(words),
            {name: value(f"read.limits.{name}", number) for name, number in read.limits.items()},
            "invalid" if math.isnan(power_mw) else "good",
        )

    def _mode(self, words: dict[tuple[str, int], int]) -> Mode:
        word = self._map.read.mode
        if word is None:
            return "remote"
        raw = words[word.table, word.register]
        if raw not in word.values:
            fault = f"read.mode: register {word.register} says {raw}, the map knows {sorted(word.values)}"
            self._note("edge.unbelieved", fault, "read.mode")
        return word.values.get(raw, "fault")

    def _power_mw(self) -> float:
        return math.nan if self._last is None else self._last.power_mw

    def _rejected(self, code: str, text: str) -> Applied:
        return Applied("rejected", self._power_mw(), Reason(code=code, text=text[:400]))

    def _note(self, event: str, fault: str, what: str = "") -> None:
        """Logs the first, second, fourth ... time: a device that is away for days must not fill the disk."""
        self._noted[event + what] += 1
        n = self._noted[event + what]
        if n & (n - 1) == 0:
            log.warning("%s asset=%s count=%d fault=%s", event, self._asset_id, n, fault)


def _shown(words: tuple[int, ...]) -> str:
    return " ".join(str(word) for word in words)
