"""Plates, states and small asset sets that tests share; real objects only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from vpp.assets import ASSET_KINDS, AssetKind
from vpp.ids import AreaId, AssetId
from vpp.park import plates as p

__all__ = ["COMMANDS", "EXAMPLE_PLATES", "FIT_STATE", "SimpleAsset", "example_asset", "random_state"]


@dataclass(frozen=True, slots=True)
class SimpleAsset:
    """As much of an asset as the model asks for."""

    id: AssetId
    kind: str
    area: AreaId
    plate: Any


def battery(**changes: Any) -> p.BatteryPlate:
    return replace(
        p.BatteryPlate(
            power_mw=30.0,
            energy_mwh=120.0,
            round_trip_frac=0.88,
            soc_min_frac=0.05,
            soc_max_frac=0.95,
            wear_cny_per_mwh=60.0,
            auxiliary_frac=0.005,
        ),
        **changes,
    )


def compressed_air(**changes: Any) -> p.CompressedAirPlate:
    return replace(
        p.CompressedAirPlate(
            power_mw=100.0,
            energy_mwh=400.0,
            round_trip_frac=0.65,
            min_power_frac=0.25,
            start_s=300.0,
            start_cost_cny=2000.0,
            wear_cny_per_mwh=20.0,
        ),
        **changes,
    )


def electrolyser(**changes: Any) -> p.ElectrolyserPlate:
    return replace(
        p.ElectrolyserPlate(
            stacks=130,
            stack_mw=5.0,
            min_load_frac=0.3,
            max_load_frac=1.05,
            load_frac=(0.3, 0.6, 1.0, 1.05),
            specific_kwh_per_nm3=(4.9, 4.78, 5.0, 5.05),
            standby_frac=0.02,
            cold_start_s=2700.0,
            warm_start_s=180.0,
            cold_start_cny=800.0,
            warm_start_cny=150.0,
            min_on_h=1.0,
            min_off_h=0.5,
            starts_per_day=4.0,
            ramp_frac_per_s=0.05,
            hydrogen_node="h2",
        ),
        **changes,
    )


def ammonia_loop(**changes: Any) -> p.AmmoniaLoopPlate:
    return replace(
        p.AmmoniaLoopPlate(
            loop_t_per_h=45.0,
            min_load_frac=0.3,
            ramp_frac_per_h=0.2,
            hydrogen_kg_per_t=178.0,
            own_load_mw=28.0,
            own_load_fixed_frac=0.4,
            buffer_kg=120_000.0,
            vent_cny_per_kg=20.0,
            trip_cny_per_t=12_000.0,
            netback_cny_per_t=2300.0,
            contract_frac=0.85,
            shortfall_cny_per_t=1200.0,
            target_t_per_a=320_000.0,
            hydrogen_node="h2",
        ),
        **changes,
    )


def thermal_unit(**changes: Any) -> p.ThermalUnitPlate:
    return replace(
        p.ThermalUnitPlate(
            fuel="coal",
            units=2,
            unit_mw=135.0,
            min_load_frac=0.5,
            ramp_frac_per_min=0.015,
            start_h=4.0,
            start_cost_cny=150_000.0,
            min_on_h=6.0,
            min_off_h=6.0,
            fuel_cost_cny_per_mwh=280.0,
            emission_t_per_mwh=0.9,
        ),
        **changes,
    )


def arc_furnace(**changes: Any) -> p.ArcFurnacePlate:
    return replace(
        p.ArcFurnacePlate(
            furnaces=2,
            tap_weight_t=100.0,
            melting_mw=70.0,
            refining_frac=0.4,
            heat_mwh=40.0,
            melting_energy_frac=0.65,
            power_on_s=2880.0,
            tap_to_tap_s=3540.0,
            auxiliary_mw=4.0,
            heats_per_day=38,
            sequence_heats_min=6,
            sequence_heats_max=8,
            sequence_gap_s=1500.0,
            hold_max_s=600.0,
            hold_price_cny_per_mwh=2000.0,
            late_heat_cny=20_000.0,
        ),
        **changes,
    )


def zinc(**changes: Any) -> p.ZincElectrowinningPlate:
    return replace(
        p.ZincElectrowinningPlate(
            rated_mw=120.0,
            min_frac=0.6,
            max_frac=1.05,
            quota_frac=0.96,
            protective_frac=0.1,
            ramp_frac_per_min=0.05,
            reduction_max_s=1800.0,
            reduction_price_cny_per_mwh=600.0,
            shortfall_cny_per_mwh=1500.0,
        ),
        **changes,
    )


def submerged_arc(**changes: Any) -> p.SubmergedArcPlate:
    return replace(
        p.SubmergedArcPlate(
            furnaces=4,
            furnace_mw=25.0,
            min_frac=0.8,
            max_frac=1.05,
            quota_frac=0.95,
            ramp_frac_per_min=0.1,
            hold_max_s=1800.0,
            recovery_s=14_400.0,
            hold_price_cny_per_mwh=1000.0,
            shortfall_cny_per_mwh=1200.0,
        ),
        **changes,
    )


def compute(**changes: Any) -> p.ComputePlate:
    return replace(
        p.ComputePlate(
            rated_mw=96.6,
            it_mw=84.0,
            pue_frac=1.15,
            idle_frac=0.25,
            mean_use_frac=0.75,
            deferrable_frac=0.35,
            job_classes=(
                p.JobClass(name="day", share_frac=0.45, slack_h=24.0, delay_cny_per_mwh=70.0, miss_cny_per_mwh=20_000.0),
                p.JobClass(name="hours", share_frac=0.25, slack_h=6.0, delay_cny_per_mwh=216.0, miss_cny_per_mwh=20_000.0),
                p.JobClass(name="days", share_frac=0.30, slack_h=72.0, delay_cny_per_mwh=30.0, miss_cny_per_mwh=20_000.0),
            ),
            tier_frac=(0.4, 0.2, 0.2, 0.2),
            tier_loss_frac=(0.0, 0.1, 0.3, 0.5),
            throughput_cny_per_mwh=4300.0,
            checkpoint_s=1200.0,
            cap_power_frac=(0.5, 0.625, 0.75, 0.875, 1.0),
            cap_throughput_frac=(0.78, 0.87, 0.93, 0.97, 1.0),
        ),
        **changes,
    )


def ev_charging(**changes: Any) -> p.EvChargingPlate:
    plate = p.EvChargingPlate(
        power_mw=6.0, swap_bays=40, energy_mwh_per_day=60.0, slack_h=4.0, delay_cny_per_mwh=50.0, miss_cny_per_mwh=3000.0
    )
    return replace(plate, **changes)


def feeder(**changes: Any) -> p.FeederPlate:
    plate = p.FeederPlate(power_mw=10.0, breaker_s=2.0, calls_per_year=20, hours_per_year=40.0, call_cny_per_mwh=3000.0)
    return replace(plate, **changes)


def flexible_load(**changes: Any) -> p.FlexibleLoadPlate:
    plate = p.FlexibleLoadPlate(
        rated_mw=4.0, min_frac=0.5, max_frac=1.0, quota_frac=0.8, ramp_frac_per_min=0.1, shortfall_cny_per_mwh=500.0
    )
    return replace(plate, **changes)


def copper_refining(**changes: Any) -> p.CopperRefiningPlate:
    plate = p.CopperRefiningPlate(
        rated_mw=60.0, min_frac=0.85, max_frac=1.05, quota_frac=0.95, ramp_frac_per_min=0.02, shortfall_cny_per_mwh=1500.0
    )
    return replace(plate, **changes)


def base_load(**changes: Any) -> p.BaseLoadPlate:
    return replace(p.BaseLoadPlate(mean_mw=110.0, winter_frac=0.04, weekend_frac=-0.1, night_frac=-0.15), **changes)


def wind(**changes: Any) -> p.WindPlate:
    return replace(p.WindPlate(capacity_mw=150.0, capacity_factor_frac=0.34), **changes)


def solar(**changes: Any) -> p.SolarPlate:
    return replace(p.SolarPlate(capacity_mw=330.0, capacity_factor_frac=0.185), **changes)


#: Plates of every kind, ordinary ones and ones at the edge of what a park file allows. A kind from outside adds its own.
EXAMPLE_PLATES: dict[str, list[Any]] = {
    "wind": [wind(), wind(capacity_mw=22.5, ramp_frac_per_min=0.01)],
    "solar": [solar(), solar(capacity_mw=20.0, ramp_frac_per_min=0.02)],
    "thermal_unit": [
        thermal_unit(),
        thermal_unit(fuel="biomass", units=1, unit_mw=30.0, heat_led=True),
        thermal_unit(units=5, start_h=0.2, min_on_h=0.5, min_off_h=0.0, off_by_default=True),
    ],
    "battery": [
        battery(),
        battery(round_trip_frac=1.0, auxiliary_frac=0.0),
        battery(power_mw=219.48, energy_mwh=219.48, round_trip_frac=0.5, auxiliary_frac=0.1),
    ],
    "compressed_air": [compressed_air(), compressed_air(start_s=0.0, min_power_frac=0.0), compressed_air(energy_mwh=30.0)],
    "electrolyser": [
        electrolyser(),
        electrolyser(stacks=1, min_on_h=0.0, min_off_h=0.0),
        electrolyser(load_frac=(0.5, 1.0), specific_kwh_per_nm3=(4.8, 5.0), min_load_frac=0.5, ramp_frac_per_s=0.0001),
    ],
    "ammonia_loop": [ammonia_loop(), ammonia_loop(buffer_kg=2000.0, ramp_frac_per_h=1.0), ammonia_loop(own_load_mw=0.0)],
    "arc_furnace": [arc_furnace(), arc_furnace(furnaces=1, hold_max_s=0.0), arc_furnace(furnaces=3, heat_mwh=5.0)],
    "zinc_electrowinning": [zinc(), zinc(reduction_max_s=0.0), zinc(ramp_frac_per_min=0.005, reduction_max_s=3600.0)],
    "copper_refining": [copper_refining(), copper_refining(min_frac=1.0, max_frac=1.0, quota_frac=1.0)],
    "submerged_arc": [submerged_arc(), submerged_arc(recovery_s=0.0), submerged_arc(ramp_frac_per_min=0.01)],
    "flexible_load": [flexible_load(), flexible_load(min_frac=0.0, quota_frac=0.0)],
    "compute": [compute(), compute(job_classes=compute().job_classes[:1], tier_loss_frac=(0.0, 0.0, 0.0, 0.0))],
    "ev_charging": [ev_charging(), ev_charging(power_mw=60.0)],
    "feeder": [feeder(), feeder(calls_per_year=0), feeder(hours_per_year=0.1)],
    "base_load": [base_load()],
}


def example_asset(kind: str, n: int = 0, area: str = "north") -> SimpleAsset:
    """The n-th example of a kind, placed."""
    plates = EXAMPLE_PLATES[kind]
    return SimpleAsset(AssetId(f"{kind}.n{n}"), kind, AreaId(area), plates[n % len(plates)])


#: What stands for "no limit" when a state is drawn.
OPEN_END = 100.0


def random_state(kind: AssetKind[Any, Any], plate: Any, rng: np.random.Generator) -> Any:
    """Any state inside its bounds, often at one of them, made consistent by the kind's entry in `FIT_STATE`."""
    bounds = kind.bounds(plate)
    drawn: dict[str, Any] = {}
    for f in fields(bounds.low):
        low, high = getattr(bounds.low, f.name), getattr(bounds.high, f.name)
        share = np.clip(rng.uniform(-0.3, 1.3, size=low.shape), 0.0, 1.0)
        drawn[f.name] = low + share * (np.where(np.isinf(high), OPEN_END, high) - low)
    state = type(bounds.low)(**drawn)
    return FIT_STATE.get(kind.name, lambda _plate, fitted: fitted)(plate, state)


def _fit_electrolyser(plate: Any, state: Any) -> Any:
    on = np.rint(state.stacks_on)
    warming = np.rint(np.minimum(state.stacks_warming, plate.stacks - on) * (state.stacks_warming > plate.stacks / 2))
    standby = np.rint(np.minimum(state.stacks_standby, plate.stacks - on - warming))
    return replace(
        state,
        stacks_on=on,
        stacks_warming=warming,
        stacks_standby=standby,
        warming_left_h=np.where(warming > 0, state.warming_left_h, 0.0),
        starts_today=np.floor(state.starts_today),
    )


def _fit_thermal(plate: Any, state: Any) -> Any:
    on = np.rint(state.units_on)
    starting = np.rint(np.minimum(state.units_starting, plate.units - on))
    return replace(
        state,
        units_on=on,
        units_starting=starting,
        start_left_h=np.where(starting > 0, state.start_left_h, 0.0),
        must_run_units=np.rint(np.minimum(state.must_run_units, on)),
    )


def _fit_compressed_air(plate: Any, state: Any) -> Any:
    mode = np.rint(state.mode)
    return replace(state, mode=mode, start_left_h=np.where(mode == 0.0, 0.0, state.start_left_h))


def _fit_feeder(plate: Any, state: Any) -> Any:
    closed = np.where(state.hours_left_h > 0.0, np.rint(state.closed), 1.0)
    return replace(state, closed=closed, calls_left=np.floor(state.calls_left))


def _fit_arc_furnace(plate: Any, state: Any) -> Any:
    running = state.heat_left_mwh > 0.2 * plate.heat_mwh[:, np.newaxis]
    return replace(
        state,
        heat_left_mwh=np.where(running, state.heat_left_mwh, 0.0),
        hold_left_h=np.where(running, state.hold_left_h, 0.0),
        ready_in_h=np.where(running, 0.0, state.ready_in_h),
        sequence_heats=np.rint(state.sequence_heats),
    )


def _fit_ammonia(plate: Any, state: Any) -> Any:
    load = np.where(state.load_frac < 0.1, 0.0, np.maximum(state.load_frac, plate.min_load_frac))
    intake = state.hydrogen_in_kg_per_h / OPEN_END * 1.5 * plate.hydrogen_kg_per_h
    return replace(state, load_frac=load, hydrogen_in_kg_per_h=intake)


def _fit_band_load(plate: Any, state: Any) -> Any:
    quarter_h = 0.25
    depth = plate.ramp_mw_per_h * np.minimum(state.excursion_left_h, quarter_h)
    power = np.maximum(state.power_mw, plate.low_mw - depth)
    below = power < plate.low_mw
    rested = np.where(state.recovery_left_h <= 0.0, plate.excursion_h, state.excursion_left_h)
    return replace(
        state,
        power_mw=power,
        recovery_left_h=np.where(below, plate.recovery_h, state.recovery_left_h),
        excursion_left_h=np.where(below, state.excursion_left_h, rested),
    )


#: What makes a state drawn field by field one that can be: counts whole, timers only where something is timed.
FIT_STATE: dict[str, Callable[[Any, Any], Any]] = {
    "electrolyser": _fit_electrolyser,
    "thermal_unit": _fit_thermal,
    "compressed_air": _fit_compressed_air,
    "feeder": _fit_feeder,
    "arc_furnace": _fit_arc_furnace,
    "ammonia_loop": _fit_ammonia,
    "zinc_electrowinning": _fit_band_load,
    "copper_refining": _fit_band_load,
    "submerged_arc": _fit_band_load,
    "flexible_load": _fit_band_load,
}


def _any_counts(plate: Any, state: Any, rng: np.random.Generator) -> Any:
    asked_on, asked_standby = rng.integers(0, plate.stacks + 1), rng.integers(0, plate.stacks + 1)
    return ASSET_KINDS["electrolyser"].with_counts(plate, state, asked_on, asked_standby)  # type: ignore[attr-defined]  # its own command


def _any_units(plate: Any, state: Any, rng: np.random.Generator) -> Any:
    return ASSET_KINDS["thermal_unit"].with_units(plate, state, rng.integers(0, plate.units + 1))  # type: ignore[attr-defined]  # its own command


def _any_mode(plate: Any, state: Any, rng: np.random.Generator) -> Any:
    mode = rng.integers(-1, 2, size=plate.power_mw.shape).astype(np.float64)
    return ASSET_KINDS["compressed_air"].with_mode(plate, state, mode)  # type: ignore[attr-defined]  # its own command


def _any_heats(plate: Any, state: Any, rng: np.random.Generator) -> Any:
    start = rng.uniform(size=plate.present.shape) < 0.7
    return ASSET_KINDS["arc_furnace"].start_heat(plate, state, start)  # type: ignore[attr-defined]  # its own command


#: Commands that a kind has beside power, given at random.
COMMANDS: dict[str, Callable[[Any, Any, np.random.Generator], Any]] = {
    "electrolyser": _any_counts,
    "thermal_unit": _any_units,
    "compressed_air": _any_mode,
    "arc_furnace": _any_heats,
}
