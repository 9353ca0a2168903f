"""Identity: ids like `wind.songshan`, typed so that one kind of id cannot stand in for another."""

from __future__ import annotations

import re
from typing import NewType

from vpp.errors import IdError

AssetId = NewType("AssetId", str)
AreaId = NewType("AreaId", str)
ConnectionId = NewType("ConnectionId", str)
ParkId = NewType("ParkId", str)
BusId = NewType("BusId", str)
PlanId = NewType("PlanId", str)

#: Ids travel in MQTT topics and become NATS subjects: no blanks, slashes, wildcards; dots separate words.
ID_PATTERN = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")


def check_id(text: str) -> str:
    """The id itself, if it can travel in a topic.

    Raises:
        IdError: It holds anything but lower-case letters, digits, `_` and single dots.

    >>> check_id("wind.songshan")
    'wind.songshan'
    """
    if not ID_PATTERN.fullmatch(text):
        raise IdError(f"id {text!r}: use lower-case letters, digits, '_' and single dots, as in 'wind.songshan'")
    return text
