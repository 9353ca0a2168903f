"""How big an asset is, in one number for lists and totals."""

from __future__ import annotations

from functools import singledispatch
from typing import Final, Literal, NamedTuple, TypeAlias

from vpp.park import plates as p
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, SECONDS_PER_MINUTE

__all__ = ["Rating", "Role", "ramp_mw_per_min", "rating", "rating_of_plate", "reach_mw"]

#: Names of ramps on plates, shares of the rating, with the minutes that each is counted in.
_RAMPS: Final = (("ramp_frac_per_min", 1.0), ("ramp_frac_per_h", MINUTES_PER_HOUR), ("ramp_frac_per_s", 1.0 / SECONDS_PER_MINUTE))

Role: TypeAlias = Literal["wind", "solar", "thermal", "storage", "flexible_load", "base_load", "other"]


class Rating(NamedTuple):
    """Size of an asset; never negative, the role says which way power flows.

    Args:
        role: What it is to the park's balance.
        power_mw: Rated power; the mean for a base load. [MW]
        energy_mwh: What a store holds; None for all others. [MWh]
    """

    role: Role
    power_mw: float
    energy_mwh: float | None = None


def rating(asset: Asset) -> Rating:
    """The size of an asset; see `rating_of_plate`."""
    return rating_of_plate(asset.plate)


def reach_mw(asset: Asset) -> tuple[float, float]:
    """The least and the most that an asset of its size may draw. [MW]."""
    size = rating(asset)
    match size.role:
        case "wind" | "solar" | "thermal":
            return -size.power_mw, 0.0
        case "storage":
            return -size.power_mw, size.power_mw
        case _:
            return 0.0, size.power_mw


def ramp_mw_per_min(asset: Asset) -> float | None:
    """How fast its power can change; None where the plate names no ramp. [MW/min]."""
    for name, minutes in _RAMPS:
        ramp_frac: float | None = getattr(asset.plate, name, None)
        if ramp_frac is not None:
            return ramp_frac * rating(asset).power_mw / minutes
    return None


@singledispatch
def rating_of_plate(plate: object) -> Rating:
    """The size of a plate; a kind from outside registers its own with `.register`, or shows none."""
    return Rating("other", 0.0)


@rating_of_plate.register
def _wind(plate: p.WindPlate) -> Rating:
    return Rating("wind", plate.capacity_mw)


@rating_of_plate.register
def _solar(plate: p.SolarPlate) -> Rating:
    return Rating("solar", plate.capacity_mw)


@rating_of_plate.register
def _thermal_unit(plate: p.ThermalUnitPlate) -> Rating:
    return Rating("thermal", plate.units * plate.unit_mw)


@rating_of_plate.register
def _battery(plate: p.BatteryPlate) -> Rating:
    return Rating("storage", plate.power_mw, plate.energy_mwh)


@rating_of_plate.register
def _compressed_air(plate: p.CompressedAirPlate) -> Rating:
    return Rating("storage", plate.power_mw, plate.energy_mwh)


@rating_of_plate.register
def _electrolyser(plate: p.ElectrolyserPlate) -> Rating:
    return Rating("flexible_load", plate.stacks * plate.stack_mw)


@rating_of_plate.register
def _ammonia_loop(plate: p.AmmoniaLoopPlate) -> Rating:
    return Rating("flexible_load", plate.own_load_mw)


@rating_of_plate.register
def _arc_furnace(plate: p.ArcFurnacePlate) -> Rating:
    return Rating("flexible_load", plate.furnaces * plate.melting_mw)


@rating_of_plate.register
def _submerged_arc(plate: p.SubmergedArcPlate) -> Rating:
    return Rating("flexible_load", plate.furnaces * plate.furnace_mw)


@rating_of_plate.register(p.ZincElectrowinningPlate)
@rating_of_plate.register(p.CopperRefiningPlate)
@rating_of_plate.register(p.FlexibleLoadPlate)
@rating_of_plate.register(p.ComputePlate)
def _rated(plate: p.ZincElectrowinningPlate | p.CopperRefiningPlate | p.FlexibleLoadPlate | p.ComputePlate) -> Rating:
    return Rating("flexible_load", plate.rated_mw)


@rating_of_plate.register(p.EvChargingPlate)
@rating_of_plate.register(p.FeederPlate)
def _power(plate: p.EvChargingPlate | p.FeederPlate) -> Rating:
    return Rating("flexible_load", plate.power_mw)


@rating_of_plate.register
def _base_load(plate: p.BaseLoadPlate) -> Rating:
    return Rating("base_load", plate.mean_mw)
