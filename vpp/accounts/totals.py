"""Accounts summed over their span: what a statement prints of each party, area and connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from vpp.accounts.origins import DIRECT_GREEN, GREEN, Origin
from vpp.accounts.settle import Accounts, Party
from vpp.errors import BalanceError
from vpp.ids import AreaId, ConnectionId
from vpp.units import FloatArray

__all__ = ["AreaTotal", "PartyTotal", "PeakTotal", "Totals", "check_accounts", "totals_of"]

#: What must add up, adds up to this share of its size.
TOLERANCE_FRAC: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyTotal:
    """One party over the span.

    Args:
        energy_mwh: Used; a store: charged less discharged. [MWh]
        origin_mwh: By origin. [MWh]
        through_store_mwh: Of it, what came through a store. [MWh]
        items_cny: Cost by item, income negative. [CNY]
        emission_t: CO2. [t]
        owed_frac: Green share that it owes; 0 where none.
        certificate_mwh: Certificates that its share over the span needs; one is 1 MWh. [MWh]
        strict_mwh: Certificates if every quarter had to be matched by itself. [MWh]
        certificate_cny: What the former would cost. [CNY]
        measured_frac: Share of its time that was measured; None where no meter stands.
    """

    party: Party
    energy_mwh: float
    origin_mwh: Mapping[Origin, float]
    through_store_mwh: float
    items_cny: Mapping[str, float]
    emission_t: float
    owed_frac: float
    certificate_mwh: float
    strict_mwh: float
    certificate_cny: float
    measured_frac: float | None

    @property
    def green_mwh(self) -> float:
        """Matched green energy. [MWh]."""
        return sum(self.origin_mwh[origin] for origin in GREEN)

    @property
    def direct_green_mwh(self) -> float:
        """Of it, from the park's own farms. [MWh]."""
        return sum(self.origin_mwh[origin] for origin in DIRECT_GREEN)

    @property
    def grid_mwh(self) -> float:
        """What of its energy was imported from the grid. [MWh]."""
        return self.origin_mwh[Origin.GRID] + self.origin_mwh[Origin.GRID_GREEN]

    @property
    def green_frac(self) -> float | None:
        """Matched green share; None where nothing was used."""
        return self.green_mwh / self.energy_mwh if self.energy_mwh > 0.0 else None

    @property
    def cost_cny(self) -> float:
        """All items, certificates still to buy included. [CNY]."""
        return sum(self.items_cny.values()) + self.certificate_cny

    @property
    def price_cny_per_mwh(self) -> float | None:
        """Cost over energy; None where nothing was used."""
        return self.cost_cny / self.energy_mwh if self.energy_mwh > 0.0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaTotal:
    """One area's supply and use over the span; what comes in is what goes out.

    Args:
        supply_mwh: Generation and grid imports by origin. [MWh]
        given_mwh: Discharge of stores by the origin of what they were charged with. [MWh]
        taken_mwh: From other areas. [MWh]
        used_mwh: By loads and by sources themselves. [MWh]
        charged_mwh: By stores. [MWh]
        exported_mwh: To the grid. [MWh]
        handed_mwh: To other areas. [MWh]
        unmetered_mwh: What no meter saw leave. [MWh]
        green_frac: Matched green share of what its loads used; None where nothing was used.
    """

    area: AreaId
    supply_mwh: Mapping[Origin, float]
    given_mwh: Mapping[Origin, float]
    taken_mwh: float
    used_mwh: float
    charged_mwh: float
    exported_mwh: float
    handed_mwh: float
    unmetered_mwh: float
    green_frac: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakTotal:
    """A grid connection over the span.

    Args:
        import_mwh: Energy in. [MWh]
        export_mwh: Energy out. [MWh]
        peak_mw: Highest import of a quarter. [MW]
        peak_at: Start of that quarter (UTC).
        measured_frac: Share of the time that was measured.
        missing_h: How long it was not. [h]
    """

    connection: ConnectionId
    import_mwh: float
    export_mwh: float
    peak_mw: float
    peak_at: datetime
    measured_frac: float
    missing_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Everything over the span.

    Args:
        park_certificate_mwh: Certificates that the whole park's own target needs beyond those of its parties. [MWh]
    """

    parties: tuple[PartyTotal, ...]
    areas: tuple[AreaTotal, ...]
    peaks: tuple[PeakTotal, ...]
    park_certificate_mwh: float
    park_certificate_cny: float

    def loads(self) -> tuple[PartyTotal, ...]:
        """Those who use energy, the largest first."""
        chosen = (one for one in self.parties if one.party.role in ("load", "own_use"))
        return tuple(sorted(chosen, key=lambda one: -one.energy_mwh))

    def items_cny(self) -> dict[str, float]:
        """Cost of the park by item: the sum over all parties, and last the certificates still to buy."""
        names = self.parties[0].items_cny if self.parties else {}
        items = {name: sum(one.items_cny[name] for one in self.parties) for name in names}
        items["green_shortfall"] = sum(one.certificate_cny for one in self.parties) + self.park_certificate_cny
        return items


def totals_of(accounts: Accounts) -> Totals:
    """Sums over the span, checked.

    Raises:
        BalanceError: Energy or money does not add up.
    """
    check_accounts(accounts)
    price = accounts.terms.certificate_cny_per_mwh
    parties = tuple(_party(accounts, row, price) for row in range(len(accounts.parties)))
    loads = [one for one in parties if one.party.role == "load"]
    used, green = sum(one.energy_mwh for one in loads), sum(one.green_mwh for one in loads)
    own = sum(one.certificate_mwh for one in parties)
    further = max(0.0, accounts.terms.park_green_frac * used - green - own)
    return Totals(
        parties=parties,
        areas=tuple(_area(accounts, z) for z in range(len(accounts.registers.areas))),
        peaks=tuple(_peak(accounts, connection) for connection in accounts.bills),
        park_certificate_mwh=further,
        park_certificate_cny=further * price,
    )


def check_accounts(accounts: Accounts) -> None:
    """Nothing, if parties' energies are the supply of every interval, origins their energies, and costs what supply cost.

    Raises:
        BalanceError: They are not; what, when and by how much.
    """
    supplied = accounts.supply_mwh.sum(axis=(0, 2))
    used = accounts.energy_mwh.sum(axis=0)
    size = np.maximum(np.abs(accounts.energy_mwh).sum(axis=0), 1.0)
    _close(accounts, "energy of all parties against supply", used - supplied, size)
    by_origin = np.abs(accounts.origin_mwh.sum(axis=2) - accounts.energy_mwh).max(axis=0)
    _close(accounts, "origins of a party against its energy", by_origin, size)
    due: FloatArray = sum(
        (item for bill in accounts.bills.values() for item in bill.items_cny.values()), np.zeros(accounts.grid.n)
    )
    due = due - sum((bill.income_cny for bill in accounts.bills.values()), np.zeros(accounts.grid.n))
    grid = [k for k, name in enumerate(accounts.items) if name not in ("ppa", "fuel", "carbon_fuel")]
    paid = accounts.cost_cny[:, :, grid].sum(axis=(0, 2))
    # An area that nothing went into in a quarter has nobody to carry a charge for it.
    money = np.maximum(np.abs(accounts.cost_cny).sum(axis=(0, 2)), 1.0)
    _close(accounts, "cost of all parties against the grid's bill", np.where(supplied > 0.0, paid - due, 0.0), money)


def _close(accounts: Accounts, what: str, residual: FloatArray, size: FloatArray) -> None:
    broken = np.abs(residual) > TOLERANCE_FRAC * size
    if np.any(broken):
        t = int(np.argmax(np.where(broken, np.abs(residual), 0.0)))
        raise BalanceError(
            f"{what}: {residual[t]:.9g} of {size[t]:.6g} unexplained in the quarter from {accounts.grid.edges[t].isoformat()}"
        )


def _by_origin(values: FloatArray) -> dict[Origin, float]:
    return {origin: float(values[origin]) for origin in Origin}


def _party(accounts: Accounts, row: int, certificate_cny_per_mwh: float) -> PartyTotal:
    party, energy = accounts.parties[row], accounts.energy_mwh[row]
    owed_frac = float(accounts.owed_frac[row])
    origin = _by_origin(accounts.origin_mwh[row].sum(axis=0))
    used, green = float(energy.sum()), sum(origin[one] for one in GREEN)
    needed = max(0.0, owed_frac * used - green) if owed_frac else 0.0
    measured = accounts.measured_frac[row]
    due = np.isfinite(measured)
    return PartyTotal(
        party=party,
        energy_mwh=used,
        origin_mwh=origin,
        through_store_mwh=float(accounts.through_store_mwh[row].sum()),
        items_cny=dict(zip(accounts.items, accounts.cost_cny[row].sum(axis=0).tolist(), strict=True)),
        emission_t=float(accounts.emission_t[row].sum()),
        owed_frac=owed_frac,
        certificate_mwh=needed,
        strict_mwh=float(accounts.short_mwh[row].sum()) if owed_frac else 0.0,
        certificate_cny=needed * certificate_cny_per_mwh,
        measured_frac=float(measured[due].mean()) if np.any(due) else None,
    )


def _area(accounts: Accounts, z: int) -> AreaTotal:
    area = accounts.registers.areas[z]
    loads, exports = accounts.rows("load", "own_use", area=area), accounts.rows("export", area=area)
    lost, stores = accounts.rows("unmetered", area=area), accounts.rows("store", area=area)
    given = accounts.given_mwh[z].sum(axis=0)
    used = float(accounts.energy_mwh[loads].sum())
    return AreaTotal(
        area=area,
        supply_mwh=_by_origin(accounts.supply_mwh[z].sum(axis=0)),
        given_mwh=_by_origin(given),
        taken_mwh=float(accounts.between_mwh[z].sum()),
        used_mwh=used,
        charged_mwh=float(accounts.energy_mwh[stores].sum() + given.sum()),
        exported_mwh=float(accounts.energy_mwh[exports].sum()),
        handed_mwh=float(accounts.between_mwh[:, z].sum()),
        unmetered_mwh=float(accounts.energy_mwh[lost].sum()),
        green_frac=float(accounts.green_mwh[loads].sum()) / used if used > 0.0 else None,
    )


def _peak(accounts: Accounts, connection: ConnectionId) -> PeakTotal:
    registers = accounts.registers
    row = registers.connections.index(connection)
    imported, measured = registers.import_mwh[row], registers.connection_measured_frac[row]
    mean_mw = np.nan_to_num(imported) / registers.grid.step_h
    at = int(np.argmax(mean_mw))
    return PeakTotal(
        connection=connection,
        import_mwh=float(np.nansum(imported)),
        export_mwh=float(np.nansum(registers.export_mwh[row])),
        peak_mw=float(mean_mw[at]),
        peak_at=registers.grid.edges[at],
        measured_frac=float(measured.mean()),
        missing_h=float(registers.grid.step_h[np.isnan(imported)].sum()),
    )
