"""What happened: refusals and devices that came and went, the newest first, in a bounded list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controllers.console.frame import Alarm
from controllers.console.palette import Level
from vpp.park import Park
from vpp.wire.messages import Ack, Status

__all__ = ["Journal"]

_KEPT: Final = 50
_LEVEL: Final = {"rejected": Level.ALARM, "clamped": Level.WARNING}


@dataclass(frozen=True, slots=True)
class _Event:
    """What may happen again: the same asset, the same thing, for the same reason."""

    asset_id: str
    what: str
    why: str


@dataclass(slots=True)
class _Entry:
    line: Alarm
    times: int


class Journal:
    """Notes a thing once: what happens again moves its line to the top and counts."""

    def __init__(self, park: Park) -> None:
        self._names: dict[str, str] = {asset.id: asset.name_zh for asset in park.assets}
        self._entries: dict[_Event, _Entry] = {}

    def latest(self) -> tuple[Alarm, ...]:
        """All that is kept, the newest first."""
        return tuple(_counted(entry) for entry in reversed(self._entries.values()))

    def ack(self, asset_id: str, ack: Ack) -> None:
        """Notes a refusal, whole or in part."""
        if ack.outcome != "accepted" and ack.reason is not None:
            said = f"{ack.outcome} a command: {ack.reason.text or ack.reason.code}"
            self._note(_Event(asset_id, ack.outcome, ack.reason.code), _LEVEL[ack.outcome], ack.acked_at, said)

    def status(self, asset_id: str, before: Status | None, said: Status) -> None:
        """Notes that a device went, came back or changed hands; the first word of one that is well is no news.

        A last will has no time of its own: that the device is gone shows in its mode, and here once it is back.
        """
        well = said.online and said.mode == "remote"
        if said.changed_at is None or (before is None and well):
            return
        if before is None or (before.online, before.mode) != (said.online, said.mode):
            now = f"is online, mode {said.mode}" if said.online else "went offline"
            self._note(_Event(asset_id, "status", now), Level.NOTE if well else Level.WARNING, said.changed_at, now)

    def _note(self, event: _Event, level: Level, at: datetime, text: str) -> None:
        before = self._entries.pop(event, None)
        name = f"{event.asset_id} {self._names.get(event.asset_id, '')}".rstrip()
        self._entries[event] = _Entry(Alarm(level, f"{name} {text}", at), 1 if before is None else before.times + 1)
        while len(self._entries) > _KEPT:
            del self._entries[next(iter(self._entries))]


def _counted(entry: _Entry) -> Alarm:
    if entry.times == 1:
        return entry.line
    return Alarm(entry.line.level, f"{entry.line.text} ({entry.times} times)", entry.line.at)
