"""Who looks after the embedded broker while the world runs: kills it where a scenario says so, and brings it back."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from typing import Final

from controllers.bus.broker import EmbeddedBroker

__all__ = ["BrokerKeeper"]

#: A broker that died by itself is started again after this long, as by a supervisor.
_BACK_AFTER: Final = timedelta(seconds=60)


class BrokerKeeper:
    """Asked once a control period.

    Args:
        broker: A running child.
    """

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.broker = broker
        self._down_since: datetime | None = None
        self._planned = False

    async def tend(self, at: datetime, *, wanted_down: bool) -> bool:
        """Kills the broker as kill -9 does, or starts one that is down; True when it has just come back."""
        if wanted_down:
            self._planned = True
            if self.broker.pid is not None:
                os.kill(self.broker.pid, signal.SIGKILL)
                await self.broker.wait()
        if self.broker.pid is not None:
            return False
        self._down_since = self._down_since or at
        if wanted_down or not (self._planned or at - self._down_since >= _BACK_AFTER):
            return False
        await self.broker.start()
        self._down_since, self._planned = None, False
        return True
