"""A photovoltaic station (光伏电站)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sim_harness.plants.source import Source
from vpp.park.schema import Asset

__all__ = ["SolarStation"]

#: Reference inverters that are left uncurtailed show what the rest could do (assumption).
_ESTIMATE_SPREAD_FRAC: Final = 0.015


class SolarStation(Source):
    """A photovoltaic station."""

    def __init__(self, asset: Asset, *, start: datetime, seed: int) -> None:
        super().__init__(asset, start, seed, _ESTIMATE_SPREAD_FRAC)
