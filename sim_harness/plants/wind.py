"""A wind farm (风电场)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sim_harness.plants.source import Source
from vpp.park.schema import Asset

__all__ = ["WindFarm"]

#: Nacelle anemometers behind turning blades guess what a curtailed farm could do (assumption, a few per cent).
_ESTIMATE_SPREAD_FRAC: Final = 0.03


class WindFarm(Source):
    """A wind farm."""

    def __init__(self, asset: Asset, *, start: datetime, seed: int) -> None:
        super().__init__(asset, start, seed, _ESTIMATE_SPREAD_FRAC)
