"""Small parks with registers, for tests of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from tests.world_builders import BASE, BATTERY, CLUSTER, START, TARIFF, WIND, asset, connection, park
from vpp.accounts import Accounts, Registers, registers_of, settle, terms_of
from vpp.park import Asset, Connection, EmissionFactor, Park, Tariff
from vpp.park.plates import Plate, SolarPlate, ThermalUnitPlate
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

QUARTER = timedelta(minutes=15)
FACTOR = EmissionFactor(id="northeast_2023", name="Northeast", name_zh="东北", kg_per_kwh=0.5, year=2023, region="test")
COAL = ThermalUnitPlate(
    fuel="coal",
    units=1,
    unit_mw=100.0,
    min_load_frac=0.5,
    ramp_frac_per_min=0.1,
    start_h=1.0,
    start_cost_cny=0.0,
    min_on_h=1.0,
    min_off_h=1.0,
    fuel_cost_cny_per_mwh=300.0,
    emission_t_per_mwh=0.9,
)
PLATES: dict[str, tuple[str, Plate]] = {
    "wind": ("wind", WIND),
    "pv": ("solar", SolarPlate(capacity_mw=50.0, capacity_factor_frac=0.2)),
    "coal": ("thermal_unit", COAL),
    "bess": ("battery", BATTERY),
    "base": ("base_load", BASE),
    "compute": ("compute", CLUSTER),
}


@dataclass(frozen=True)
class Row:
    """A register as a store hands it out."""

    subject: str
    quantity: str
    start: datetime
    mean: float
    measured_share: float = 1.0


def site(ids: Sequence[str], *connections: Connection, tariff: Tariff = TARIFF) -> Park:
    """A park of assets like `wind.a`, whose word after the dot is their area."""
    assets: list[Asset] = [asset(i, *PLATES[i.split(".")[0]], i.split(".")[1]) for i in ids]
    return replace(park(assets, connections), emission_factors=(FACTOR,), tariffs=(tariff,))


def rows_of(values: Mapping[str, Sequence[float | None]], start: datetime = START) -> list[Row]:
    """Rows from `subject/quantity` and the mean of each quarter; None is no row."""
    return [
        Row(*name.split("/"), start + t * QUARTER, mean)  # type: ignore[arg-type]  # two words
        for name, means in values.items()
        for t, mean in enumerate(means)
        if mean is not None
    ]


def registers(owner: Park, values: Mapping[str, Sequence[float | None]], start: datetime = START) -> Registers:
    """Registers of a park, as many quarters as the longest row."""
    grid = TimeGrid.regular(start, QUARTER, max(len(row) for row in values.values()))
    return registers_of(owner, grid, rows_of(values, start))


def accounts(owner: Park, values: Mapping[str, Sequence[float | None]], start: datetime = START) -> Accounts:
    """Accounts of the same."""
    return settle(registers(owner, values, start), terms_of(owner))


def of(made: Accounts, party: str, values: FloatArray) -> FloatArray:
    """The rows of a party of an array (N, ...)."""
    row: FloatArray = values[[one.id for one in made.parties].index(party)]
    return row


def cost_of(made: Accounts, party: str, item: str) -> FloatArray:
    """A party's cost of one item, shape (T,)."""
    return of(made, party, made.cost_cny)[:, made.items.index(item)]


def grid_a(**changes: float) -> Connection:
    """The grid connection of area `a`."""
    return replace(connection("grid.a", "a"), **changes)  # type: ignore[arg-type]  # numbers of a connection


def tie(here: str, there: str) -> Connection:
    """A connection between two areas; import flows into the first."""
    return connection(f"tie.{here}", here, to=there)


def constant(value: float, n: int) -> list[float | None]:
    """The same mean n times."""
    return [float(x) for x in np.full(n, value)]
