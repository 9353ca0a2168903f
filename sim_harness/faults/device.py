"""A device that lies, freezes or refuses, and a clock that is wrong: between the edge and the plant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controllers.edge import Applied, Device, Reading, Timepiece
from sim_harness.faults.schedule import Window
from vpp.wire.messages import Reason, Setpoint

__all__ = ["FaultyDevice", "SkewedClock"]


class SkewedClock:
    """A device's clock that is sometimes ahead or behind; its monotonic seconds are right, as a quartz's are.

    Args:
        clock: The right one.
        windows: When it is wrong.
    """

    def __init__(self, clock: Timepiece, windows: Sequence[Window]) -> None:
        self._clock, self._windows = clock, tuple(windows)

    def now(self) -> datetime:
        """What the device takes for UTC."""
        now = self._clock.now()
        return now + self.skew(now)

    def monotonic_s(self) -> float:
        """Seconds since some moment."""
        return self._clock.monotonic_s()

    def skew(self, at: datetime) -> timedelta:
        """How far it is ahead."""
        return timedelta(seconds=sum(w.entry.number("skew_s") for w in self._windows if w.holds(at)))


class FaultyDevice:
    """A device as its edge sees it while something is wrong with its meter, its sensors or its obedience.

    Args:
        device: The sound one.
        clock: Real time, to know when which fault holds, and the skew of the device's own.
        windows: Faults of this asset.
    """

    def __init__(self, device: Device, clock: Timepiece, windows: Sequence[Window]) -> None:
        self._device, self._clock = device, clock
        self._windows = tuple(windows)
        self._skewed = SkewedClock(clock, [w for w in windows if w.kind == "clock_skew"])
        self._stuck: tuple[int, Reading] | None = None

    @property
    def asset_id(self) -> str:
        """As in topics."""
        return self._device.asset_id

    def read(self) -> Reading:
        """What the meter shows: the truth, a lie, or what it showed before it got stuck."""
        now, reading = self._clock.now(), self._device.read()
        for window in self._windows:
            if not window.holds(now):
                continue
            if window.kind == "lying_meter":
                reading = replace(reading, power_mw=reading.power_mw * window.entry.number("factor"))
            elif window.kind == "stuck_sensor":
                if self._stuck is None or self._stuck[0] != window.number:
                    self._stuck = (window.number, reading)
                # The clock goes on while the values stand: nothing in the message says that they are old.
                reading = replace(self._stuck[1], measured_at=reading.measured_at)
        skew = self._skewed.skew(now)
        return replace(reading, measured_at=reading.measured_at + skew) if skew else reading

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Follows, or says no."""
        now = self._clock.now()
        for window in self._windows:
            if window.kind == "refused_command" and window.holds(now):
                reason = Reason(code="refused", text=f"{self.asset_id}: the local control takes no command now")
                return Applied("rejected", self._device.read().power_mw, reason)
        return self._device.apply(setpoint, ramp_mw_per_min)

    def safe_power_mw(self) -> float:
        """The device's own."""
        return self._device.safe_power_mw()
