"""Many small messages in one piece: a thousand commands wake the broker a few times, not a thousand."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

__all__ = ["Cork"]

#: Linux alone has it; elsewhere every message goes by itself.
_OPTION: Final = getattr(socket, "TCP_CORK", None)


class Cork:
    """Holds back what is written to a socket until it is released; the kernel does so after 0.2 s in any case.

    Args:
        line: The socket; None for none, and then nothing happens.
    """

    def __init__(self, line: socket.socket | None) -> None:
        self._line = line
        self._holds = False

    def hold(self) -> None:
        """From here on."""
        if not self._holds:
            self._set(on=True)

    def release(self) -> None:
        """What was held goes out."""
        if self._holds:
            self._set(on=False)

    def _set(self, *, on: bool) -> None:
        self._holds = on
        if self._line is None or _OPTION is None:
            return
        # A line that has just broken shows by itself, where it is written to.
        with contextlib.suppress(OSError):
            self._line.setsockopt(socket.IPPROTO_TCP, _OPTION, int(on))
