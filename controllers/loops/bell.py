"""How one part of the controller wakes another before its period is over."""

from __future__ import annotations

import asyncio

from controllers.clock import Clock

__all__ = ["Bell"]


class Bell:
    """Rung by anybody, heard by one loop; many rings before it is heard are one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        #: How often it was rung.
        self.rings = 0

    def ring(self) -> None:
        """Wakes who waits, or who will wait next."""
        self.rings += 1
        self._rung.set()

    def quiet(self) -> None:
        """Forgets the rings so far."""
        self._rung.clear()

    @property
    def is_rung(self) -> bool:
        """Whether somebody rang since it was quiet."""
        return self._rung.is_set()

    async def within(self, clock: Clock, wait_s: float) -> bool:
        """Waits for a ring, at most so many park seconds; whether there was one."""
        if self._rung.is_set() or wait_s <= 0.0:
            return self._rung.is_set()
        sleeping = asyncio.ensure_future(clock.sleep(wait_s))
        ringing = asyncio.ensure_future(self._rung.wait())
        try:
            await asyncio.wait((sleeping, ringing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Not awaited: a cancellation of ours must not be taken for theirs.
            sleeping.cancel()
            ringing.cancel()
        return self._rung.is_set()
