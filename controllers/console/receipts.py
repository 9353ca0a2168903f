"""Commands and what became of them: the last to each part of an asset, and how the latest ones fared."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from controllers.console.frame import Ordered
from vpp.wire.messages import Ack, Command, HeatStart, Telemetry

__all__ = ["Receipts", "lease_end"]

#: Over so many commands the share that was confirmed is taken.
_LOOK_BACK: Final = 500


def lease_end(command: Command) -> datetime:
    """When a command runs out if nothing renews it, by the sender's clock."""
    return command.issued_at + timedelta(seconds=command.lease_s)


@dataclass(slots=True)
class _Sent:
    asset_id: str
    command: Command
    ack: Ack | None = None


class Receipts:
    """Pairs commands with acks.

    Times are those that sender and device wrote into their messages, so a delay is as right as their clocks agree.
    """

    def __init__(self) -> None:
        self._recent: deque[_Sent] = deque(maxlen=_LOOK_BACK)
        self._last: dict[str, dict[str, _Sent]] = {}

    def command(self, asset_id: str, command: Command) -> None:
        """Takes a command; an old or doubled one is not shown as the last."""
        part = command.command.furnace if isinstance(command.command, HeatStart) else ""
        parts = self._last.setdefault(asset_id, {})
        newest = max((sent.command.order for sent in parts.values()), default=(-1, -1))
        if command.order <= newest:
            return
        if bool(part) != any(parts):
            parts.clear()  # what the whole asset was told ends what its parts were told, and the other way round
        sent = _Sent(asset_id, command)
        parts[part] = sent
        self._recent.append(sent)

    def ack(self, asset_id: str, ack: Ack) -> None:
        """Books an ack on its command, if that is among the latest."""
        for sent in reversed(self._recent):
            if sent.asset_id == asset_id and sent.command.order == (ack.epoch, ack.seq):
                sent.ack = sent.ack or ack
                return

    def orders(self, asset_id: str, telemetry: Telemetry | None) -> tuple[Ordered, ...]:
        """The last command to each part of an asset, in the order of their names."""
        parts = self._last.get(asset_id, {})
        applied = (0, 0) if telemetry is None else (telemetry.applied_epoch, telemetry.applied_seq)
        return tuple(
            Ordered(sent.command, sent.ack, applied == sent.command.order)
            for _, sent in sorted(parts.items(), key=lambda p: p[0])
        )

    def newest(self) -> Command | None:
        """The command that was issued last, to whomever."""
        return max((sent.command for sent in self._recent), key=lambda c: c.issued_at, default=None)

    def ack_frac(self, now: datetime) -> float | None:
        """Share of the latest commands that were confirmed; one whose lease still runs may yet be."""
        due = [sent for sent in self._recent if sent.ack is not None or now > lease_end(sent.command)]
        return sum(sent.ack is not None for sent in due) / len(due) if due else None

    def ack_delay_s(self) -> float | None:
        """Median delay of the latest confirmed commands."""
        delays = [(s.ack.acked_at - s.command.issued_at).total_seconds() for s in self._recent if s.ack is not None]
        return median(delays) if delays else None
