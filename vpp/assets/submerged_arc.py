"""Submerged-arc furnaces (矿热炉): a band by the hour; a full hold is short, and the furnace must recover its heat after it."""

from __future__ import annotations

from typing import Final

from vpp.assets.band_load import BandLimits, BandLoad
from vpp.park.plates import SubmergedArcPlate
from vpp.units import MINUTES_PER_HOUR, s_to_h

__all__ = ["SUBMERGED_ARC", "limits"]


def limits(plate: SubmergedArcPlate) -> BandLimits:
    """Holds go down to nothing, for a time; then the furnace recovers in its band."""
    rated_mw = plate.furnaces * plate.furnace_mw
    return BandLimits(
        low_mw=plate.min_frac * rated_mw,
        high_mw=plate.max_frac * rated_mw,
        floor_mw=0.0,
        quota_mw=plate.quota_frac * rated_mw,
        excursion_h=s_to_h(plate.hold_max_s),
        recovery_h=s_to_h(plate.recovery_s),
        ramp_mw_per_h=plate.ramp_frac_per_min * rated_mw * MINUTES_PER_HOUR,
    )


SUBMERGED_ARC: Final = BandLoad("submerged_arc", limits)
