"""Plants of the other kinds for tests, each with its plate and a stream of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from sim_harness.plants.base import Ambient
from sim_harness.plants.battery import Battery
from sim_harness.plants.compressed_air import CompressedAir
from sim_harness.plants.copper_refining import CopperRefining
from sim_harness.plants.ev_charging import EvCharging
from sim_harness.plants.feeder import Feeder
from sim_harness.plants.flexible_load import FlexibleLoad
from sim_harness.plants.station import Station
from sim_harness.plants.submerged_arc import SubmergedArc
from sim_harness.plants.thermal_unit import ThermalUnit
from sim_harness.plants.zinc_electrowinning import ZincElectrowinning
from tests import builders
from tests.plant_runs import ammonia, electrolyser, furnaces
from tests.world_builders import BATTERY, START, asset
from vpp.park.plates import Plate

ZONE = ZoneInfo("Asia/Shanghai")


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def zinc(seed: int = 1, *, start: datetime = START, **changes: float) -> ZincElectrowinning:
    return ZincElectrowinning(asset("zn.x", "zinc_electrowinning", builders.zinc(**changes), "h"), start, ZONE)


def copper(seed: int = 1, *, start: datetime = START, **changes: float) -> CopperRefining:
    return CopperRefining(asset("cu.x", "copper_refining", builders.copper_refining(**changes), "h"), start, ZONE)


def flexible(seed: int = 1, *, start: datetime = START, **changes: float) -> FlexibleLoad:
    return FlexibleLoad(asset("ccus.x", "flexible_load", builders.flexible_load(**changes), "h"), start, ZONE)


def submerged_arc(seed: int = 1, *, start: datetime = START, **changes: float) -> SubmergedArc:
    plate: Plate = builders.submerged_arc(**changes)
    return SubmergedArc(asset("saf.x", "submerged_arc", plate, "h"), start, ZONE, rng(seed))


def thermal(seed: int = 1, *, start: datetime = START, **changes: object) -> ThermalUnit:
    return ThermalUnit(asset("coal.x", "thermal_unit", builders.thermal_unit(**changes), "h"), start, ZONE, rng(seed))


def compressed_air(seed: int = 1, *, soc_frac: float = 0.5, start: datetime = START, **changes: float) -> CompressedAir:
    plate = builders.compressed_air(**changes)
    return CompressedAir(asset("caes.x", "compressed_air", plate, "h"), start, rng(seed), soc_frac)


def charging(seed: int = 1, *, start: datetime = START, **changes: float) -> EvCharging:
    return EvCharging(asset("ev.x", "ev_charging", builders.ev_charging(**changes), "h"), start, ZONE, rng(seed))


def feeder(seed: int = 1, *, start: datetime = START, **changes: float) -> Feeder:
    return Feeder(asset("shed.x", "feeder", builders.feeder(**changes), "h"), start, ZONE, rng(seed))


def battery(seed: int = 1) -> Battery:
    return Battery(asset("bess.x", "battery", BATTERY, "h"), start=START, seed=seed, soc_frac=0.5)


#: Every kind whose plant is a station, by a name for test ids.
STATIONS: dict[str, Callable[[int], Station]] = {
    "zinc_electrowinning": zinc,
    "copper_refining": copper,
    "flexible_load": flexible,
    "submerged_arc": submerged_arc,
    "thermal_unit": thermal,
    "compressed_air": compressed_air,
    "ev_charging": charging,
    "feeder": feeder,
    "battery": battery,
    "electrolyser": lambda seed: electrolyser(seed=seed),
    "ammonia_loop": lambda seed: ammonia(),
    "arc_furnace": lambda seed: furnaces(seed=seed),
}


def pass_time(
    plant: Station, hours: float, *, dt_s: float = 60.0, temperature_c: float = 10.0, at: datetime = START, supplied: float = 1.0
) -> list[float]:
    """Let time pass over one plant; its powers. `supplied` is the share of its intent that it gets.

    A plant is told its instant by the ambient, so that `at` of a second call goes on where the first ended only if told so.
    """
    powers: list[float] = []
    for k in range(round(hours * 3600.0 / dt_s)):
        ambient = Ambient(at + timedelta(seconds=k * dt_s), dt_s, temperature_c)
        plant.settle(plant.intend(ambient).power_mw * supplied, ambient)
        powers.append(plant.power_mw)
    return powers


def worst_residual(plant: Station) -> float:
    """The largest residual of its laws against their size."""
    return max(abs(law.residual) / max(law.size, 1.0) for law in plant.balances())
