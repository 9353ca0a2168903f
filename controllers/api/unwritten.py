"""Whether the controller still writes the ledger, seen from outside: an alarm about that could not be written either."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from controllers.alarm_words import alarm_zh
from controllers.api.ledger_facts import AlarmFacts

__all__ = ["UNWRITTEN", "unwritten"]

UNWRITTEN: Final = "ledger.unwritten"
#: The controller notes its health four times a minute. Also at sixty times the clock this is some seconds of the machine.
_PATIENCE: Final = timedelta(minutes=3)


def unwritten(health: Mapping[str, object], heard_at: datetime | None, at: datetime) -> AlarmFacts | None:
    """An alarm without a number, which stands as long as it is so; None as long as the ledger is written.

    Args:
        health: As the controller last noted it.
        heard_at: When the controller last said anything on the bus; None if it never did.
        at: Now (UTC).
    """
    noted = health.get("at")
    if not isinstance(noted, str) or heard_at is None:
        return None
    noted_at = datetime.fromisoformat(noted)
    # What is away itself is another alarm's affair.
    if heard_at - noted_at <= _PATIENCE or at - heard_at > _PATIENCE:
        return None
    text = f"the controller works, but has written nothing since {noted_at:%Y-%m-%dT%H:%MZ}: see to its disk or database"
    return AlarmFacts(
        number=0, key=UNWRITTEN, level="alarm", text=text, raised_at=noted_at + _PATIENCE, text_zh=alarm_zh(UNWRITTEN, text, {})
    )
