"""Keeps pauses out of a process that must answer in milliseconds.

Three of them were measured with a thousand assets: a full collection of garbage walked over everything that was ever imported
(0.2 s and more); every packet sent gave the interpreter's lock to the ledger's thread, which kept it for the usual 5 ms; and on a
busy machine every other process took its turn first.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

__all__ = ["keep_pauses_short", "run_tidy"]

#: A thread that works on and on lets another one go on after this. [s]
_SWITCH_S: Final = 2e-4
#: The young are looked at in every tick, the next older ones in every so many, everything that is not frozen in every so many.
_OLDER_EVERY: Final = 20
_ALL_EVERY: Final = 600
#: Before everybody else, where the system lets us (root, or a unit with `LimitNICE=`); at the usual place where it does not.
_NICE: Final = -10


def keep_pauses_short() -> None:
    """To be called once, when everything that stays has been made: it is not looked at again.

    From then on nothing is collected but by `run_tidy`.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(_SWITCH_S)


async def run_tidy(ticks: AsyncIterator[datetime]) -> None:
    """The loop: collects garbage when nobody waits for the processor.

    Args:
        ticks: Between those of dispatch.
    """
    n = 0
    async for _ in ticks:
        n += 1
        gc.collect(2 if n % _ALL_EVERY == 0 else 1 if n % _OLDER_EVERY == 0 else 0)
