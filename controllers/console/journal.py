"""What happened: refusals and devices that came and went, the newest first, in a bounded list."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from controllers.console.frame import Alarm
from controllers.console.palette import Level
from vpp.park import Park
from vpp.wire.messages import Ack, Status

__all__ = ["Journal"]

_KEPT: Final = 50
_LEVEL: Final = {"rejected": Level.ALARM, "clamped": Level.WARNING}


class Journal:
    """Notes a thing once: a device that clamps every command for the same reason gets one line until that changes."""

    def __init__(self, park: Park) -> None:
        self._names: dict[str, str] = {asset.id: asset.name_zh for asset in park.assets}
        self._lines: deque[Alarm] = deque(maxlen=_KEPT)
        self._answers: dict[str, tuple[str, str]] = {}

    def latest(self) -> tuple[Alarm, ...]:
        """All that is kept, the newest first."""
        return tuple(reversed(self._lines))

    def ack(self, asset_id: str, ack: Ack) -> None:
        """Notes a refusal, whole or in part."""
        answer = (ack.outcome, "" if ack.reason is None else ack.reason.code)
        if self._answers.get(asset_id) != answer and ack.outcome != "accepted":
            said = "" if ack.reason is None else f": {ack.reason.text or ack.reason.code}"
            self._note(_LEVEL[ack.outcome], ack.acked_at, f"{self._name(asset_id)} {ack.outcome} a command{said}")
        self._answers[asset_id] = answer

    def status(self, asset_id: str, before: Status | None, said: Status) -> None:
        """Notes that a device went, came back or changed hands; its first word is no news unless it is bad."""
        if said.changed_at is None or (before is None and said.online and said.mode == "remote"):
            return
        if before is None or (before.online, before.mode) != (said.online, said.mode):
            level = Level.NOTE if said.online else Level.WARNING
            now = f"is online, mode {said.mode}" if said.online else "went offline"
            self._note(level, said.changed_at, f"{self._name(asset_id)} {now}")

    def _note(self, level: Level, at: datetime, text: str) -> None:
        self._lines.append(Alarm(level, text, at))

    def _name(self, asset_id: str) -> str:
        return f"{asset_id} {self._names.get(asset_id, '')}".rstrip()
