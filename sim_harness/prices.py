"""Fixed published prices: what makes two runs comparable although they end with different stocks and different debts.

Tariffs and the price of hydrogen come from the park, prices of wear, starts, output and delay from nameplates; what neither of
them says stands here, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from vpp.park import Park

__all__ = ["FIXED", "FixedPrices", "PublishedPrice", "price_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPrices:
    """Prices that are the same for every park, policy and run; `SOURCES` says where each comes from."""

    stored_cny_per_mwh: float = 277.0
    pending_work_cny_per_mwh: float = 480.0
    emission_t_per_mwh: float = 0.5122
    unserved_cny_per_mwh: float = 10_000.0


FIXED: Final = FixedPrices()

#: Name of the emission factor that every report of emissions must carry.
EMISSION_FACTOR: Final = "Northeast grid 2023, 0.5122 kg CO2/kWh, location-based"

SOURCES: Final[dict[str, str]] = {
    "stored_cny_per_mwh": "replacement: valley price 260 over one-way efficiency sqrt(0.88); a valley is never a day away",
    "pending_work_cny_per_mwh": "year study: flat price, for energy that waiting work and unfinished heats still need",
    "unserved_cny_per_mwh": "engineering estimate: value of lost load, as on the plates of base loads",
    "emission_t_per_mwh": "Northeast grid 2023 (0.5122 kg CO2/kWh), imported energy",
}

#: Prices on nameplates that the comparable cost uses, by kind.
PLATE_PRICES: Final[dict[str, tuple[str, ...]]] = {
    "battery": ("wear_cny_per_mwh",),
    "electrolyser": ("cold_start_cny", "warm_start_cny"),
    "ammonia_loop": ("netback_cny_per_t", "shortfall_cny_per_t", "trip_cny_per_t", "vent_cny_per_kg"),
    "arc_furnace": ("late_heat_cny",),
    "compute": ("throughput_cny_per_mwh",),
    "base_load": ("unserved_cny_per_mwh",),
    "compressed_air": ("wear_cny_per_mwh", "start_cost_cny"),
    "thermal_unit": ("fuel_cost_cny_per_mwh", "start_cost_cny"),
    "zinc_electrowinning": ("shortfall_cny_per_mwh", "reduction_price_cny_per_mwh"),
    "copper_refining": ("shortfall_cny_per_mwh",),
    "submerged_arc": ("shortfall_cny_per_mwh", "hold_price_cny_per_mwh"),
    "flexible_load": ("shortfall_cny_per_mwh",),
    "ev_charging": ("delay_cny_per_mwh", "miss_cny_per_mwh"),
    "feeder": ("call_cny_per_mwh",),
}
#: Parts of a tariff that the comparable cost uses, beside the energy price of each period.
TARIFF_PRICES: Final = (
    "export_cny_per_mwh",
    "demand_charge_cny_per_kw_month",
    "above_contract_cny_per_mwh",
    "certificate_cny_per_mwh",
    "carbon_cny_per_t",
)


@dataclass(frozen=True, slots=True)
class PublishedPrice:
    """One line of the published table.

    Args:
        name: With its unit at the end, as everywhere in the house.
        value: In that unit.
        source: Where it is written.
    """

    name: str
    value: float
    source: str


def price_table(park: Park, prices: FixedPrices = FIXED) -> tuple[PublishedPrice, ...]:
    """Every price that the comparable cost of a park uses."""
    return (*_fixed(prices), *_inside(park), *_tariffs(park), *_plates(park))


def _fixed(prices: FixedPrices) -> Iterator[PublishedPrice]:
    for one in fields(prices):
        yield PublishedPrice(one.name, getattr(prices, one.name), SOURCES[one.name])


def _inside(park: Park) -> Iterator[PublishedPrice]:
    yield PublishedPrice("hydrogen_cny_per_kg", park.prices.hydrogen_cny_per_kg, "prices inside the park")


def _tariffs(park: Park) -> Iterator[PublishedPrice]:
    used = {connection.tariff for connection in park.connections if connection.is_grid}
    for tariff in park.tariffs:
        if tariff.id not in used:
            continue
        source = f"tariff {tariff.id}"
        for period, price in tariff.import_cny_per_mwh.items():
            yield PublishedPrice(f"{tariff.id}.{period}_cny_per_mwh", price, source)
        for name in TARIFF_PRICES:
            yield PublishedPrice(f"{tariff.id}.{name}", getattr(tariff, name), source)


def _plates(park: Park) -> Iterator[PublishedPrice]:
    for asset in park.assets:
        source = f"plate of {asset.id}"
        for name in PLATE_PRICES.get(asset.kind, ()):
            yield PublishedPrice(f"{asset.id}.{name}", getattr(asset.plate, name), source)
        for job_class in asset.plate.job_classes if asset.kind == "compute" else ():
            for name in ("delay_cny_per_mwh", "miss_cny_per_mwh"):
                yield PublishedPrice(f"{asset.id}.{job_class.name}.{name}", getattr(job_class, name), source)
