"""Zinc electrowinning (锌电积): below the protective current the metal dissolves again, so short reductions stop there."""

from __future__ import annotations

from typing import Final

from vpp.assets.band_load import BandLimits, BandLoad
from vpp.park.plates import ZincElectrowinningPlate
from vpp.units import MINUTES_PER_HOUR, s_to_h

__all__ = ["ZINC_ELECTROWINNING", "limits"]


def limits(plate: ZincElectrowinningPlate) -> BandLimits:
    """Reductions go down to the protective current, for a time; then the cells rest in the band for as long."""
    excursion_h = s_to_h(plate.reduction_max_s)
    return BandLimits(
        low_mw=plate.min_frac * plate.rated_mw,
        high_mw=plate.max_frac * plate.rated_mw,
        floor_mw=min(plate.protective_frac, plate.min_frac) * plate.rated_mw,
        quota_mw=plate.quota_frac * plate.rated_mw,
        excursion_h=excursion_h,
        recovery_h=excursion_h,
        ramp_mw_per_h=plate.ramp_frac_per_min * plate.rated_mw * MINUTES_PER_HOUR,
    )


ZINC_ELECTROWINNING: Final = BandLoad("zinc_electrowinning", limits)
