"""Nameplates: what is written on a machine, one frozen record a kind.

A plate says what an asset *is*; what it can do now is `vpp.assets`, how it really behaves is `sim_harness.plants`. Fields are
the keys a person writes in a park file, each with its unit; their bounds are checked when the file is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field

__all__ = [
    "PLATES",
    "AmmoniaLoopPlate",
    "ArcFurnacePlate",
    "BaseLoadPlate",
    "BatteryPlate",
    "CompressedAirPlate",
    "ComputePlate",
    "CopperRefiningPlate",
    "ElectrolyserPlate",
    "EvChargingPlate",
    "FeederPlate",
    "FlexibleLoadPlate",
    "Plate",
    "SolarPlate",
    "SubmergedArcPlate",
    "ThermalUnitPlate",
    "WindPlate",
    "ZincElectrowinningPlate",
]

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveFraction: TypeAlias = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
#: A relative change that leaves something: -8 % is -0.08.
Swing: TypeAlias = Annotated[float, Field(gt=-1, lt=1, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1)]

_STRICT: Final = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindPlate:
    """A wind farm (风电场)."""

    __pydantic_config__ = _STRICT
    capacity_mw: Positive
    capacity_factor_frac: Fraction
    ramp_frac_per_min: Positive = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarPlate:
    """A photovoltaic station (光伏电站)."""

    __pydantic_config__ = _STRICT
    capacity_mw: Positive
    capacity_factor_frac: Fraction
    ramp_frac_per_min: Positive = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalUnitPlate:
    """Identical units that burn coal or biomass (火电/生物质机组); `heat_led` ones follow a steam duty."""

    __pydantic_config__ = _STRICT
    fuel: Annotated[str, Field(pattern="^(coal|biomass)$")]
    units: Count
    unit_mw: Positive
    min_load_frac: Fraction
    ramp_frac_per_min: Positive
    start_h: NonNegative
    start_cost_cny: NonNegative
    min_on_h: NonNegative
    min_off_h: NonNegative
    fuel_cost_cny_per_mwh: NonNegative
    emission_t_per_mwh: NonNegative
    heat_bound_months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()
    heat_led: bool = False
    off_by_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPlate:
    """A battery station (电化学储能): power at its grid terminals, energy between empty and full."""

    __pydantic_config__ = _STRICT
    power_mw: Positive
    energy_mwh: Positive
    round_trip_frac: PositiveFraction
    soc_min_frac: Fraction
    soc_max_frac: Fraction
    wear_cny_per_mwh: NonNegative
    auxiliary_frac: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedAirPlate:
    """Compressed-air storage (压缩空气储能): slower than a battery, with a minimum power and a start in each direction."""

    __pydantic_config__ = _STRICT
    power_mw: Positive
    energy_mwh: Positive
    round_trip_frac: PositiveFraction
    soc_min_frac: Fraction = 0.0
    soc_max_frac: PositiveFraction = 1.0
    min_power_frac: Fraction
    start_s: NonNegative
    start_cost_cny: NonNegative
    wear_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectrolyserPlate:
    """A fleet of identical alkaline stacks (碱性电解槽), counted and not listed.

    `specific_kwh_per_nm3` holds plant energy (AC) at the loads of `load_frac`; power between two points is convex in hydrogen.
    `hydrogen_node` names the buffer that the fleet fills.
    """

    __pydantic_config__ = _STRICT
    stacks: Count
    stack_mw: Positive
    min_load_frac: Fraction
    max_load_frac: Positive
    load_frac: tuple[Positive, ...]
    specific_kwh_per_nm3: tuple[Positive, ...]
    standby_frac: Fraction
    cold_start_s: NonNegative
    warm_start_s: NonNegative
    cold_start_cny: NonNegative
    warm_start_cny: NonNegative
    min_on_h: NonNegative
    min_off_h: NonNegative
    starts_per_day: Positive
    ramp_frac_per_s: Positive
    hydrogen_node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmmoniaLoopPlate:
    """Hydrogen buffer and ammonia synthesis loop (储氢缓冲罐 + 合成氨回路)."""

    __pydantic_config__ = _STRICT
    loop_t_per_h: Positive
    min_load_frac: Fraction
    ramp_frac_per_h: Positive
    hydrogen_kg_per_t: Positive
    own_load_mw: NonNegative
    own_load_fixed_frac: Fraction
    buffer_kg: Positive
    vent_cny_per_kg: NonNegative
    trip_cny_per_t: NonNegative
    netback_cny_per_t: NonNegative
    contract_frac: Fraction
    shortfall_cny_per_t: NonNegative
    target_t_per_a: Positive
    hydrogen_node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcFurnacePlate:
    """Identical electric arc furnaces (电弧炉) feeding one caster: heats in casting sequences."""

    __pydantic_config__ = _STRICT
    furnaces: Count
    tap_weight_t: Positive
    melting_mw: Positive
    refining_frac: PositiveFraction
    heat_mwh: Positive
    melting_energy_frac: PositiveFraction
    power_on_s: Positive
    tap_to_tap_s: Positive
    auxiliary_mw: NonNegative
    heats_per_day: Count
    sequence_heats_min: Count
    sequence_heats_max: Count
    sequence_gap_s: NonNegative
    hold_max_s: NonNegative
    hold_price_cny_per_mwh: NonNegative
    late_heat_cny: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class ZincElectrowinningPlate:
    """Zinc electrowinning (锌电积): a band, a daily quota, and a protective current below which metal dissolves again."""

    __pydantic_config__ = _STRICT
    rated_mw: Positive
    min_frac: Fraction
    max_frac: Positive
    quota_frac: PositiveFraction
    protective_frac: Fraction
    ramp_frac_per_min: Positive
    reduction_max_s: NonNegative
    reduction_price_cny_per_mwh: NonNegative
    shortfall_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class CopperRefiningPlate:
    """Copper electrorefining (铜电解精炼): a narrow band that quality allows."""

    __pydantic_config__ = _STRICT
    rated_mw: Positive
    min_frac: Fraction
    max_frac: Positive
    quota_frac: PositiveFraction
    ramp_frac_per_min: Positive
    shortfall_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmergedArcPlate:
    """Submerged-arc furnaces (矿热炉): a band by the hour, and a full hold that must be short and rare."""

    __pydantic_config__ = _STRICT
    furnaces: Count
    furnace_mw: Positive
    min_frac: Fraction
    max_frac: Positive
    quota_frac: PositiveFraction
    ramp_frac_per_min: Positive
    hold_max_s: NonNegative
    recovery_s: NonNegative
    hold_price_cny_per_mwh: NonNegative
    shortfall_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexibleLoadPlate:
    """A load that can run anywhere in a band against a daily quota, such as carbon capture (碳捕集)."""

    __pydantic_config__ = _STRICT
    rated_mw: Positive
    min_frac: Fraction
    max_frac: Positive
    quota_frac: Fraction
    ramp_frac_per_min: Positive
    shortfall_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """One class of deferrable computing work (可延迟算力任务): how long it may wait and what waiting costs.

    `mobile` work may run in any cluster that has a mobile class of the same name: its tier and its data permit it.
    """

    __pydantic_config__ = _STRICT
    name: Annotated[str, Field(min_length=1)]
    share_frac: Fraction
    slack_h: Positive
    delay_cny_per_mwh: NonNegative
    miss_cny_per_mwh: NonNegative
    tier: Annotated[int, Field(ge=0, le=3)] = 3
    mobile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputePlate:
    """A computing cluster (智算集群) at its own meter: PUE included, storage beside it counted apart.

    `tier_frac` shares the work that is not deferrable over tiers 0 (never touched) to 3; `tier_loss_frac` is the throughput each
    tier may lose in an event.
    """

    __pydantic_config__ = _STRICT
    rated_mw: Positive
    it_mw: Positive
    pue_frac: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    idle_frac: Fraction
    mean_use_frac: Fraction
    deferrable_frac: Fraction
    job_classes: Annotated[tuple[JobClass, ...], Field(min_length=1)]
    tier_frac: tuple[Fraction, Fraction, Fraction, Fraction]
    tier_loss_frac: tuple[Fraction, Fraction, Fraction, Fraction]
    throughput_cny_per_mwh: NonNegative
    checkpoint_s: NonNegative
    cap_power_frac: tuple[PositiveFraction, ...]
    cap_throughput_frac: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvChargingPlate:
    """Charging and battery swapping of vehicles (充换电站): work that arrives, waits and is due."""

    __pydantic_config__ = _STRICT
    power_mw: Positive
    swap_bays: Annotated[int, Field(ge=0)]
    energy_mwh_per_day: Positive
    slack_h: Positive
    delay_cny_per_mwh: NonNegative
    miss_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederPlate:
    """An interruptible feeder (可中断负荷馈线): on or off within seconds, so many times and hours a year."""

    __pydantic_config__ = _STRICT
    power_mw: Positive
    breaker_s: NonNegative
    calls_per_year: Annotated[int, Field(ge=0)]
    hours_per_year: NonNegative
    call_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLoadPlate:
    """Load that only follows its users (基础负荷): a weekly profile around a mean, a little more in winter."""

    __pydantic_config__ = _STRICT
    mean_mw: Positive
    winter_frac: Swing
    weekend_frac: Swing
    night_frac: Swing
    unserved_cny_per_mwh: NonNegative = field(default=10_000.0)


Plate: TypeAlias = (
    WindPlate
    | SolarPlate
    | ThermalUnitPlate
    | BatteryPlate
    | CompressedAirPlate
    | ElectrolyserPlate
    | AmmoniaLoopPlate
    | ArcFurnacePlate
    | ZincElectrowinningPlate
    | CopperRefiningPlate
    | SubmergedArcPlate
    | FlexibleLoadPlate
    | ComputePlate
    | EvChargingPlate
    | FeederPlate
    | BaseLoadPlate
)

#: The kind as written in a park file, and its plate. A kind from outside is added with `vpp.park.register_plate`.
PLATES: Final[dict[str, type]] = {
    "wind": WindPlate,
    "solar": SolarPlate,
    "thermal_unit": ThermalUnitPlate,
    "battery": BatteryPlate,
    "compressed_air": CompressedAirPlate,
    "electrolyser": ElectrolyserPlate,
    "ammonia_loop": AmmoniaLoopPlate,
    "arc_furnace": ArcFurnacePlate,
    "zinc_electrowinning": ZincElectrowinningPlate,
    "copper_refining": CopperRefiningPlate,
    "submerged_arc": SubmergedArcPlate,
    "flexible_load": FlexibleLoadPlate,
    "compute": ComputePlate,
    "ev_charging": EvChargingPlate,
    "feeder": FeederPlate,
    "base_load": BaseLoadPlate,
}
