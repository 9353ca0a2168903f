"""Accounts: who used what, of which origin, at what cost, every quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from vpp.accounts.bill import Booking, ConnectionBill, Metered, connection_bill
from vpp.accounts.origins import DIRECT_GREEN, GREEN, Origin, Pools, Traced, pools_of, trace
from vpp.accounts.registers import Registers
from vpp.accounts.terms import Terms
from vpp.ids import AreaId, ConnectionId
from vpp.park.rating import rating
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray

__all__ = ["CARBON_FUEL", "EXPORT", "FUEL", "PPA", "Accounts", "Party", "PartyRole", "settle"]

PPA: Final = "ppa"
FUEL: Final = "fuel"
CARBON_FUEL: Final = "carbon_fuel"
EXPORT: Final = "export"

PartyRole: TypeAlias = Literal["load", "own_use", "store", "export", "unmetered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whoever energy went to.

    Args:
        id: Of the asset or the connection; `unmetered.` and the area where no meter saw it.
        kind: The asset's kind, or the role.
        role: A load; a source's own use; a store, net; export to the grid; what was not metered.
    """

    id: str
    area: AreaId
    kind: str
    name: str
    name_zh: str
    role: PartyRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts of N parties over T intervals, O origins and K items.

    For every interval the parties' energies sum to what was supplied, their costs to what supply cost.

    Args:
        registers: What they were made from.
        terms: The terms they were made with.
        parties: Whoever energy went to, the rows of arrays (N, ...).
        items: Names of the items of cost.
        energy_mwh: Energy of each party; a store is net, negative while it gives, shape (N, T). [MWh]
        origin_mwh: The same by origin, shape (N, T, O). [MWh]
        through_store_mwh: Of the energy of a party, what came through a store, shape (N, T). [MWh]
        cost_cny: By item, income negative, shape (N, T, K). [CNY]
        emission_t: CO2 of imported energy and fuel, shape (N, T). [t]
        measured_frac: Share of each interval that the party's meter told; NaN where none was due, shape (N, T).
        supply_mwh: What came in by generation and grid imports, by area and origin, shape (Z, T, O). [MWh]
        given_mwh: Discharge of stores, by area and origin of what they had been charged with, shape (Z, T, O). [MWh]
        between_mwh: What an area (first axis) took from another, shape (Z, Z, T). [MWh]
        bills: Of each grid connection.
    """

    registers: Registers
    terms: Terms
    parties: tuple[Party, ...]
    items: tuple[str, ...]
    energy_mwh: FloatArray
    origin_mwh: FloatArray
    through_store_mwh: FloatArray
    cost_cny: FloatArray
    emission_t: FloatArray
    measured_frac: FloatArray
    supply_mwh: FloatArray
    given_mwh: FloatArray
    between_mwh: FloatArray
    bills: Mapping[ConnectionId, ConnectionBill]

    @property
    def grid(self) -> TimeGrid:
        """The intervals."""
        return self.registers.grid

    @property
    def green_mwh(self) -> FloatArray:
        """Matched green energy of each party, shape (N, T). [MWh]."""
        green: FloatArray = self.origin_mwh[:, :, list(GREEN)].sum(axis=2)
        return green

    @property
    def direct_green_mwh(self) -> FloatArray:
        """Of it, what came from the park's own farms, shape (N, T). [MWh]."""
        green: FloatArray = self.origin_mwh[:, :, list(DIRECT_GREEN)].sum(axis=2)
        return green

    @property
    def owed_frac(self) -> FloatArray:
        """Green share each party owes by itself, 0 where none, shape (N,)."""
        return np.array([self.terms.green_frac.get(p.id, 0.0) if p.role == "load" else 0.0 for p in self.parties])

    @property
    def short_mwh(self) -> FloatArray:
        """Certificates that each quarter would need if every quarter had to be matched by itself, shape (N, T). [MWh]."""
        return np.maximum(self.owed_frac[:, np.newaxis] * self.energy_mwh - self.green_mwh, 0.0)

    def rows(self, *roles: PartyRole, area: str | None = None) -> BoolArray:
        """Which parties have one of these roles, and, where named, are in an area."""
        return np.array([p.role in roles and area in (None, p.area) for p in self.parties], dtype=np.bool_)

    def window(self, first: int, last: int) -> Accounts:
        """The same accounts of the intervals `first` to `last` (no longer inside)."""
        cut = slice(first, last)
        registers, bills = self.registers, self.bills
        arrays = ("energy_mwh", "available_mwh", "before_mwh", "after_mwh", "import_mwh", "export_mwh")
        kept = {name: getattr(registers, name)[:, cut] for name in (*arrays, "asset_measured_frac", "connection_measured_frac")}
        spot = registers.spot_cny_per_mwh
        grid = TimeGrid(registers.grid.edges[first : last + 1])
        return replace(
            self,
            registers=replace(registers, grid=grid, spot_cny_per_mwh=None if spot is None else spot[cut], **kept),
            bills={
                connection: ConnectionBill(
                    items_cny={name: item[cut] for name, item in bill.items_cny.items()},
                    period=bill.period[cut],
                    income_cny=bill.income_cny[cut],
                )
                for connection, bill in bills.items()
            },
            between_mwh=self.between_mwh[:, :, cut],
            **{name: getattr(self, name)[:, cut] for name in _BY_PARTY_OR_AREA},
        )


_BY_PARTY_OR_AREA: Final = (
    *("energy_mwh", "origin_mwh", "through_store_mwh", "cost_cny", "emission_t", "measured_frac"),
    *("supply_mwh", "given_mwh"),
)


def settle(
    registers: Registers, terms: Terms, booking: Booking = "month", peaks_before_mw: Mapping[ConnectionId, float] | None = None
) -> Accounts:
    """Accounts from registers; pure, so the same registers give the same accounts at any time.

    Args:
        registers: The meters.
        terms: Prices, factors and duties.
        booking: Where the demand charge is booked: on the month's peak, or as each day accrues it.
        peaks_before_mw: The first month's highest import before the first interval, by connection; 0 where it is not named. [MW]

    Raises:
        SeriesError: A spot tariff without prices, or prices for a tariff that has none.
    """
    bills = {
        c: connection_bill(
            _metered(registers, terms, row, c),
            terms.emission.kg_per_kwh,
            terms.power_factor_frac,
            booking,
            (peaks_before_mw or {}).get(c, 0.0),
        )
        for row, c in enumerate(registers.connections)
        if c in terms.tariff
    }
    pools = pools_of(registers)
    items = (*dict.fromkeys(name for bill in bills.values() for name in bill.items_cny), PPA, FUEL, CARBON_FUEL)
    charged = _charged(registers, terms, pools, bills, items)
    traced = trace(registers, charged, pools)
    return _accounts(registers, terms, traced, bills, (*items, EXPORT))


def _metered(registers: Registers, terms: Terms, row: int, connection_id: ConnectionId) -> Metered:
    return Metered(
        connection=registers.park.connection(connection_id),
        tariff=terms.tariff[connection_id],
        grid=registers.grid,
        zone=registers.park.zone,
        import_mwh=registers.import_mwh[row],
        export_mwh=registers.export_mwh[row],
        spot_cny_per_mwh=registers.spot_cny_per_mwh,
    )


def _charged(
    registers: Registers, terms: Terms, pools: Pools, bills: Mapping[ConnectionId, ConnectionBill], items: tuple[str, ...]
) -> FloatArray:
    """What each area's generation and imports cost by item, and in the last column their CO2, shape (Z, T, K + 1)."""
    zones, n = pools.supply_mwh.shape
    at = {name: k for k, name in enumerate(items)}
    charged: FloatArray = np.zeros((zones, n, len(items) + 1))
    for connection_id, bill in bills.items():
        z = registers.areas.index(registers.park.connection(connection_id).area)
        for name, item in bill.items_cny.items():
            charged[z, :, at[name]] += item
        imported = registers.import_mwh[registers.connections.index(connection_id)]
        charged[z, :, -1] += np.nan_to_num(imported) * terms.emission.kg_per_kwh
    charged[:, :, at[PPA]] = pools.origin_mwh[:, :, list(DIRECT_GREEN)].sum(axis=2) * terms.ppa_cny_per_mwh
    for row, asset_id in enumerate(registers.assets):
        asset = registers.park.asset(asset_id)
        if rating(asset).role == "thermal":
            plate: Any = asset.plate
            made_mwh = np.maximum(-np.nan_to_num(registers.energy_mwh[row]), 0.0)
            emitted_t = made_mwh * plate.emission_t_per_mwh
            charged[pools.area[row], :, at[FUEL]] += made_mwh * plate.fuel_cost_cny_per_mwh
            charged[pools.area[row], :, at[CARBON_FUEL]] += emitted_t * terms.carbon_cny_per_t
            charged[pools.area[row], :, -1] += emitted_t
    return charged


@dataclass(slots=True)
class _Row:
    """One party's arrays before they are stacked."""

    party: Party
    energy_mwh: FloatArray
    origin_mwh: FloatArray
    stored_mwh: FloatArray
    charged_cny: FloatArray
    measured_frac: FloatArray


def _accounts(
    registers: Registers, terms: Terms, traced: Traced, bills: Mapping[ConnectionId, ConnectionBill], items: tuple[str, ...]
) -> Accounts:
    rows = [*_asset_rows(registers, traced), *_export_rows(registers, traced, bills), *_unmetered_rows(registers, traced)]
    pools, given = traced.pools, np.zeros((*traced.pools.supply_mwh.shape, len(Origin)))
    np.add.at(given, pools.area[pools.is_store], traced.flow.given_mwh)
    money = np.stack([row.charged_cny for row in rows])
    return Accounts(
        registers=registers,
        terms=terms,
        parties=tuple(row.party for row in rows),
        items=items,
        energy_mwh=np.stack([row.energy_mwh for row in rows]),
        origin_mwh=np.stack([row.origin_mwh for row in rows]),
        through_store_mwh=np.stack([row.stored_mwh for row in rows]),
        # The column of CO2 makes place for the income of export.
        cost_cny=np.concatenate([money[:, :, :-1], np.stack([_income(row, bills) for row in rows])[:, :, np.newaxis]], axis=2),
        emission_t=money[:, :, -1],
        measured_frac=np.stack([row.measured_frac for row in rows]),
        supply_mwh=pools.origin_mwh,
        given_mwh=given,
        between_mwh=pools.between_mwh,
        bills=bills,
    )


def _income(row: _Row, bills: Mapping[ConnectionId, ConnectionBill]) -> FloatArray:
    if row.party.role == "export":
        return -bills[ConnectionId(row.party.id)].income_cny
    return np.zeros_like(row.energy_mwh)


def _drawn(traced: Traced, z: int, party: Party, energy: FloatArray, measured: FloatArray) -> _Row:
    """Energy that a pool gave, with the pool's mix and price."""
    column = energy[:, np.newaxis]
    return _Row(
        party=party,
        energy_mwh=energy,
        origin_mwh=column * traced.mix_frac[z],
        stored_mwh=energy * traced.flow.stored_frac[z].sum(axis=1),
        charged_cny=column * traced.flow.price_cny_per_mwh[z],
        measured_frac=measured,
    )


def _asset_rows(registers: Registers, traced: Traced) -> Iterator[_Row]:
    pools, store = traced.pools, 0
    energy = np.nan_to_num(registers.energy_mwh)
    for row, asset_id in enumerate(registers.assets):
        asset = registers.park.asset(asset_id)
        source = rating(asset).role in ("wind", "solar", "thermal")
        role: PartyRole = "store" if pools.is_store[row] else "own_use" if source else "load"
        party = Party(id=asset_id, area=asset.area, kind=asset.kind, name=asset.name, name_zh=asset.name_zh, role=role)
        drawn = _drawn(traced, pools.area[row], party, np.maximum(energy[row], 0.0), registers.asset_measured_frac[row])
        if pools.is_store[row]:
            drawn.energy_mwh = energy[row]
            drawn.origin_mwh = drawn.origin_mwh - traced.flow.given_mwh[store]
            drawn.charged_cny = drawn.charged_cny - traced.flow.given_cny[store]
            drawn.stored_mwh = np.zeros_like(drawn.stored_mwh)
            store += 1
        if role != "own_use" or np.any(drawn.energy_mwh > 0.0):
            yield drawn


def _export_rows(registers: Registers, traced: Traced, bills: Mapping[ConnectionId, ConnectionBill]) -> Iterator[_Row]:
    for connection_id in bills:
        row = registers.connections.index(connection_id)
        connection = registers.park.connection(connection_id)
        party = Party(
            id=connection_id, area=connection.area, kind="export", name=connection.name, name_zh=connection.name_zh, role="export"
        )
        exported, measured = np.nan_to_num(registers.export_mwh[row]), registers.connection_measured_frac[row]
        yield _drawn(traced, registers.areas.index(connection.area), party, exported, measured)


def _unmetered_rows(registers: Registers, traced: Traced) -> Iterator[_Row]:
    for z, area in enumerate(registers.areas):
        lost = traced.pools.unmetered_mwh[z]
        if np.any(lost > 0.0):
            party = Party(
                id=f"unmetered.{area}",
                area=area,
                kind="unmetered",
                name="Losses and what no meter saw",
                name_zh="损耗及未计量",
                role="unmetered",
            )
            yield _drawn(traced, z, party, lost, np.full(registers.grid.n, np.nan))
