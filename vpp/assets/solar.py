"""A photovoltaic station (光伏电站): a source; air, terrain and weather live in the forecast."""

from __future__ import annotations

from typing import Final

from vpp.assets.source import Source

__all__ = ["SOLAR"]

SOLAR: Final = Source("solar")
