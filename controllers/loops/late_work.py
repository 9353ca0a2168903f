"""Computing work that the plan sees missing its deadline: told while somebody can still do something about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from controllers.planner.result import Unmet

__all__ = ["late_work"]

_LATE: Final = "late_mwh_h."
#: Less lateness than this in two days is rounding, or work that was late before it was told of. [MWh h]
_LEAST_MWH_H: Final = 1.0
_MINUTE: Final = "%Y-%m-%dT%H:%MZ"


def late_work(unmet: Sequence[Unmet], at: datetime) -> Mapping[str, str]:
    """Alarms by key, one for each cluster.

    Args:
        unmet: What the last plan cannot keep.
        at: Now (UTC).
    """
    found: dict[str, list[Unmet]] = {}
    for item in unmet:
        if item.what.startswith(_LATE) and item.amount >= _LEAST_MWH_H:
            found.setdefault(item.where, []).append(item)
    return {f"deadline.{cluster}": _text(cluster, items, at) for cluster, items in found.items()}


def _text(cluster: str, items: Sequence[Unmet], at: datetime) -> str:
    classes = ", ".join(f"{item.what.removeprefix(_LATE)} {item.amount:.1f} MWh h" for item in items)
    known = [item.since for item in items if item.since is not None]
    when = "" if not known else f" from {max(min(known), at):{_MINUTE}} on"
    return f"work on {cluster} will miss its deadline{when}: {classes}"
