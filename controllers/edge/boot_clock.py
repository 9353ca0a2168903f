"""A clock that goes on where the process stops: leases survive a restart of the edge, and a sleep of the machine."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Final

from controllers.clock import WallClock

__all__ = ["BootClock", "boot_id"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class BootClock:
    """Wall time for stamps; for leases the seconds since the machine started, the same in every process."""

    def __init__(self) -> None:
        self._wall = WallClock()

    def now(self) -> datetime:
        """Aware UTC."""
        return self._wall.now()

    def monotonic_s(self) -> float:
        """Seconds since the machine started; where the kernel counts them, those it slept too."""
        boot_time = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def boot_id() -> str:
    """Of the machine's present run; empty where nothing says it, and then a lease ends with the process."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
