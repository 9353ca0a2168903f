"""What each kind draws at most and at least when nobody commands it, from its nameplate alone.

The range is that of the steady safe mode, after the fallback profile (the tail of the last plan, 15 to 60 minutes) has run out.
It counts on profiles that outlast what cannot be broken off: a heat in the furnace has been tapped, stacks that had just started
have passed their minimum time.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Final, NamedTuple

import numpy as np

from vpp.park import plates as p
from vpp.park.schema import Asset

__all__ = ["SafeRange", "safe_power_range_mw", "safe_range_of_plate"]

#: A week has two weekend days of seven; night is eight hours of the day in the profile of a base load.
_WEEKEND_SHARE: Final = 2 / 7
_NIGHT_SHARE: Final = 1 / 3


class SafeRange(NamedTuple):
    """Power in safe mode, positive when consuming.

    Args:
        low_mw: Least; negative is generation. [MW]
        high_mw: Most. [MW]
        curtails: Whether generation below `high_mw` gives way to the connection's own limit reflex.
    """

    low_mw: float
    high_mw: float
    curtails: bool = False


def safe_power_range_mw(asset: Asset) -> SafeRange:
    """The range that an asset's safe power lies in; see `safe_range_of_plate`."""
    return safe_range_of_plate(asset.plate)


@singledispatch
def safe_range_of_plate(plate: object) -> SafeRange:
    """The range of a plate's safe power; a kind from outside registers its own with `.register`, or counts as nothing."""
    return SafeRange(0.0, 0.0)


@safe_range_of_plate.register
def _wind(plate: p.WindPlate) -> SafeRange:
    return SafeRange(-plate.capacity_mw, 0.0, curtails=True)


@safe_range_of_plate.register
def _solar(plate: p.SolarPlate) -> SafeRange:
    return SafeRange(-plate.capacity_mw, 0.0, curtails=True)


@safe_range_of_plate.register
def _thermal_unit(plate: p.ThermalUnitPlate) -> SafeRange:
    """Generation that does not give way: minimum load, or up to the rating where steam leads."""
    load_frac = 1.0 if plate.heat_led else plate.min_load_frac
    return SafeRange(-plate.units * plate.unit_mw * load_frac, 0.0)


@safe_range_of_plate.register
def _battery(plate: p.BatteryPlate) -> SafeRange:
    """Idle, but its auxiliaries run."""
    auxiliary_mw = plate.power_mw * plate.auxiliary_frac
    return SafeRange(auxiliary_mw, auxiliary_mw)


@safe_range_of_plate.register
def _electrolyser(plate: p.ElectrolyserPlate) -> SafeRange:
    """Warm standby at most."""
    return SafeRange(0.0, plate.stacks * plate.stack_mw * plate.standby_frac)


@safe_range_of_plate.register
def _ammonia_loop(plate: p.AmmoniaLoopPlate) -> SafeRange:
    """Between a tripped loop and one at minimum load, as long as the buffer lasts."""
    fixed_mw = plate.own_load_mw * plate.own_load_fixed_frac
    return SafeRange(fixed_mw, fixed_mw + (plate.own_load_mw - fixed_mw) * plate.min_load_frac)


@safe_range_of_plate.register
def _arc_furnace(plate: p.ArcFurnacePlate) -> SafeRange:
    """The running heat is tapped within the fallback profile, no new one is started; then only auxiliaries run."""
    return SafeRange(0.0, plate.auxiliary_mw)


@safe_range_of_plate.register
def _zinc(plate: p.ZincElectrowinningPlate) -> SafeRange:
    return SafeRange(plate.rated_mw * plate.protective_frac, plate.rated_mw * plate.min_frac)


@safe_range_of_plate.register
def _copper(plate: p.CopperRefiningPlate) -> SafeRange:
    return SafeRange(plate.rated_mw * plate.min_frac, plate.rated_mw * plate.min_frac)


@safe_range_of_plate.register
def _submerged_arc(plate: p.SubmergedArcPlate) -> SafeRange:
    return SafeRange(0.0, plate.furnaces * plate.furnace_mw * plate.min_frac)


@safe_range_of_plate.register
def _flexible_load(plate: p.FlexibleLoadPlate) -> SafeRange:
    return SafeRange(0.0, plate.rated_mw * plate.min_frac)


@safe_range_of_plate.register
def _compute(plate: p.ComputePlate) -> SafeRange:
    """Work that cannot wait goes on under the deepest caps its tiers allow; deferrable work is held."""
    firm_frac = max(0.0, plate.mean_use_frac - plate.idle_frac) * (1 - plate.deferrable_frac)
    kept_frac = sum(
        share * (float(np.interp(1 - loss, plate.cap_throughput_frac, plate.cap_power_frac)) if loss > 0 else 1.0)
        for share, loss in zip(plate.tier_frac, plate.tier_loss_frac, strict=True)
    )
    return SafeRange(plate.rated_mw * plate.idle_frac, plate.rated_mw * (plate.idle_frac + firm_frac * kept_frac))


@safe_range_of_plate.register
def _ev_charging(plate: p.EvChargingPlate) -> SafeRange:
    """What is due is charged, at worst at every bay."""
    return SafeRange(0.0, plate.power_mw)


@safe_range_of_plate.register
def _feeder(plate: p.FeederPlate) -> SafeRange:
    """Breakers stay closed without a command."""
    return SafeRange(0.0, plate.power_mw)


@safe_range_of_plate.register
def _base_load(plate: p.BaseLoadPlate) -> SafeRange:
    """The lowest and highest hour of a profile whose mean over the week is `mean_mw`."""
    day_mw = plate.mean_mw / ((1 + plate.weekend_frac * _WEEKEND_SHARE) * (1 + plate.night_frac * _NIGHT_SHARE))
    levels = [
        day_mw * (1 + weekend) * (1 + night) * (1 + winter)
        for weekend in (0.0, plate.weekend_frac)
        for night in (0.0, plate.night_frac)
        for winter in (0.0, plate.winter_frac)
    ]
    return SafeRange(min(levels), max(levels))
