"""Copper electrorefining (铜电解精炼): cathode quality allows a narrow band and nothing below it, not even briefly."""

from __future__ import annotations

from typing import Final

from vpp.assets.band_load import BandLimits, BandLoad
from vpp.park.plates import CopperRefiningPlate
from vpp.units import MINUTES_PER_HOUR

__all__ = ["COPPER_REFINING", "limits"]


def limits(plate: CopperRefiningPlate) -> BandLimits:
    """The band that quality allows; no excursion."""
    return BandLimits(
        low_mw=plate.min_frac * plate.rated_mw,
        high_mw=plate.max_frac * plate.rated_mw,
        floor_mw=plate.min_frac * plate.rated_mw,
        quota_mw=plate.quota_frac * plate.rated_mw,
        excursion_h=0.0,
        recovery_h=0.0,
        ramp_mw_per_h=plate.ramp_frac_per_min * plate.rated_mw * MINUTES_PER_HOUR,
    )


COPPER_REFINING: Final = BandLoad("copper_refining", limits)
