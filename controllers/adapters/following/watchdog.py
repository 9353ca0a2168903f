"""A process of its own that gives back what the adapter holds when the adapter cannot: killed, hung, or gone for good.

Its standard input is a pipe from the adapter that nobody writes to: its end is the adapter's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeAlias

from controllers.adapters.following.moves import Held
from controllers.adapters.following.trace import Trace, read_trace, write_trace
from vpp.errors import SchedulerError

__all__ = ["GiveBack", "mind"]

#: Gives back what is held.
GiveBack: TypeAlias = Callable[[Held], Coroutine[Any, Any, None]]

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.5
_RETRY_S: Final = 1.0


def mind(path: Path, give_back: GiveBack) -> int:
    """Minds one trace until it holds nothing and its adapter is gone, or another watchdog minds it.

    Args:
        path: Of the trace.
        give_back: Gives back what is held; raises `SchedulerError` when it must be tried again.
    """
    # Whoever ends the adapter's group does not mean the one that cleans up after it.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    alone = False
    while True:
        alone = _wait(alone)
        try:
            trace = read_trace(path)
            if trace is None or trace.watchdog != os.getpid():
                return 0
            if trace.held.nothing and alone and trace.lease_until_s <= time.monotonic():
                return 0
            if time.monotonic() >= trace.lease_until_s and not trace.held.nothing:
                asyncio.run(give_back(trace.held))
                _gave_back(path, trace)
        except SchedulerError as error:
            log.warning("follower.watchdog_waits error=%s", error)
            time.sleep(_RETRY_S)


def _gave_back(path: Path, trace: Trace) -> None:
    log.warning("follower.gave_back paused=%d closed=%d", len(trace.held.paused), len(trace.held.closed))
    now = read_trace(path)
    if now is not None and now.watchdog == os.getpid() and now.lease_until_s == trace.lease_until_s:
        write_trace(path, Trace(Held(), trace.lease_until_s, trace.watchdog))


def _wait(alone: bool) -> bool:
    """A moment; tells whether the adapter has ended."""
    if alone:
        time.sleep(_LOOK_S)
        return True
    ready, _, _ = select.select([sys.stdin], [], [], _LOOK_S)
    return bool(ready) and os.read(sys.stdin.fileno(), 1) == b""
