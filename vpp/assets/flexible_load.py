"""A load that runs anywhere in a band against a daily quota, such as carbon capture (碳捕集)."""

from __future__ import annotations

from typing import Final

from vpp.assets.band_load import BandLimits, BandLoad
from vpp.park.plates import FlexibleLoadPlate
from vpp.units import MINUTES_PER_HOUR

__all__ = ["FLEXIBLE_LOAD", "limits"]


def limits(plate: FlexibleLoadPlate) -> BandLimits:
    """The band; below it the process would stop."""
    return BandLimits(
        low_mw=plate.min_frac * plate.rated_mw,
        high_mw=plate.max_frac * plate.rated_mw,
        floor_mw=plate.min_frac * plate.rated_mw,
        quota_mw=plate.quota_frac * plate.rated_mw,
        excursion_h=0.0,
        recovery_h=0.0,
        ramp_mw_per_h=plate.ramp_frac_per_min * plate.rated_mw * MINUTES_PER_HOUR,
    )


FLEXIBLE_LOAD: Final = BandLoad("flexible_load", limits)
