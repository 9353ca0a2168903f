"""The ammonia contract's month so far: what was made and what the tank gained against an even pace."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controllers.dispatch.snapshot import Reported, Snapshot
from vpp.ids import AssetId
from vpp.park import Park
from vpp.park.offtake import ammonia_arrears_t, ammonia_owed_t
from vpp.units import hours

__all__ = ["OfftakeMeter"]

#: Readings further apart than this say nothing of what was made between them; an even pace is then taken for it.
_TOGETHER: Final = timedelta(hours=1)


@dataclass(slots=True)
class _Loop:
    """One loop's month: since when, the tank then, what was made, and the last reading."""

    opened_at: datetime
    opened_kg: float
    read_at: datetime
    rate_t_per_h: float
    stored_kg: float
    made_t: float = 0.0


@dataclass(slots=True)
class OfftakeMeter:
    """Adds up each loop's output from its telemetry. A month that nobody saw the beginning of is taken to be on its pace.

    Args:
        park: Whose loops, and in whose time months begin.
    """

    park: Park
    _loops: dict[AssetId, _Loop] = field(default_factory=dict)

    def observe(self, snapshot: Snapshot) -> None:
        """Books one look; loops that are silent are passed over."""
        for asset in self.park.assets_of("ammonia_loop"):
            said = snapshot.assets.get(asset.id)
            if said is not None and "rate_t_per_h" in said.state and "buffer_kg" in said.state:
                self._book(asset.id, said, snapshot.at)

    def arrears_t(self) -> dict[AssetId, float]:
        """By loop, how far the month is behind its contract, negative where it is ahead; empty before the first look."""
        found = {}
        for asset_id, loop in self._loops.items():
            span_h = hours(loop.read_at - loop.opened_at)
            plate = self.park.asset(asset_id).plate
            found[asset_id] = ammonia_arrears_t(plate, span_h, loop.made_t, loop.stored_kg - loop.opened_kg)
        return found

    def _book(self, asset_id: AssetId, said: Reported, at: datetime) -> None:
        rate, stored = said.state["rate_t_per_h"], said.state["buffer_kg"]
        loop = self._loops.get(asset_id)
        if loop is None or self._month(loop.read_at) != self._month(at):
            self._loops[asset_id] = _Loop(at, stored, at, rate, stored)
            return
        apart = at - loop.read_at
        if apart <= timedelta(0):
            return
        paced_t = ammonia_owed_t(self.park.asset(asset_id).plate, hours(apart))
        loop.made_t += 0.5 * (loop.rate_t_per_h + rate) * hours(apart) if apart <= _TOGETHER else paced_t
        loop.read_at, loop.rate_t_per_h, loop.stored_kg = at, rate, stored

    def _month(self, at: datetime) -> tuple[int, int]:
        local = at.astimezone(self.park.zone)
        return local.year, local.month
