"""A wind farm (风电场): a source; air, terrain and weather live in the forecast."""

from __future__ import annotations

from typing import Final

from vpp.assets.source import Source

__all__ = ["WIND"]

WIND: Final = Source("wind")
