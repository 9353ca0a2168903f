"""A process of its own that gives back what the adapter holds when the adapter cannot: killed, hung, or gone for good.

    python -m controllers.adapters.slurm.watchdog TRACE [SLURM_CONF]

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
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from controllers.adapters.slurm.moves import Held
from controllers.adapters.slurm.slurm import Slurm
from controllers.adapters.slurm.trace import Trace, read_trace, undo, write_trace
from vpp.errors import SchedulerError

__all__ = ["main", "mind"]

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.5
_RETRY_S: Final = 1.0


def main(words: Sequence[str] | None = None) -> int:
    """Minds one trace until it holds nothing and its adapter is gone, or another watchdog minds it."""
    # Whoever ends the adapter's group does not mean the one that cleans up after it.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    path, *conf = list(sys.argv[1:] if words is None else words)
    return mind(Path(path), Slurm(conf[0] if conf else ""))


def mind(path: Path, slurm: Slurm) -> int:
    """The loop itself."""
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
                asyncio.run(undo(slurm, trace.held))
                _gave_back(path, trace)
        except SchedulerError as error:
            log.warning("slurm.watchdog_waits error=%s", error)
            time.sleep(_RETRY_S)


def _gave_back(path: Path, trace: Trace) -> None:
    log.warning("slurm.gave_back paused=%d closed=%d", len(trace.held.paused), len(trace.held.closed))
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


if __name__ == "__main__":
    sys.exit(main())
