"""What accounts are made with beside the meters: tariffs, factors and the green shares that consumers owe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vpp.errors import AccountError
from vpp.ids import ConnectionId
from vpp.park.duties import EmissionFactor
from vpp.park.schema import Park
from vpp.park.tariff import Tariff

__all__ = ["EMISSION_FACTOR_ID", "GREEN_METRIC", "Terms", "terms_of"]

#: The factor of the grid that the park hangs on; every report names the one it used.
EMISSION_FACTOR_ID: Final = "northeast_2023"
GREEN_METRIC: Final = "green_share_frac"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms of one park on one day.

    Args:
        emission: Factor of imported energy; kg/kWh is t/MWh.
        tariff: Of each grid connection.
        ppa_cny_per_mwh: Price of own wind and sun between producers and consumers of the park. [CNY/MWh]
        certificate_cny_per_mwh: A green certificate. [CNY/MWh]
        carbon_cny_per_t: Of fuel burnt in the park. [CNY/t]
        green_frac: Green share that an asset's energy owes, the highest of all duties that name it.
        park_green_frac: Green share that all loads together owe; 0 without a target.
        power_factor_frac: Makes kVA of contract demand.
    """

    emission: EmissionFactor
    tariff: Mapping[ConnectionId, Tariff]
    ppa_cny_per_mwh: float
    certificate_cny_per_mwh: float
    carbon_cny_per_t: float
    green_frac: Mapping[str, float]
    park_green_frac: float = 0.0
    power_factor_frac: float = 1.0


def terms_of(park: Park, emission_id: str = EMISSION_FACTOR_ID) -> Terms:
    """The terms of a park's own file.

    Prices that belong to no connection (PPA, certificates, carbon) are those of its first grid connection's tariff, or of the
    first tariff of an island.

    Raises:
        AccountError: A grid connection without a tariff, no tariff at all, or an emission factor that the park does not have.
    """
    for connection in park.connections:
        if connection.is_grid and connection.tariff is None:
            raise AccountError(f"{connection.id}: has no tariff; its energy cannot be billed")
    tariffs = {c.id: park.tariff(c.tariff) for c in park.connections if c.is_grid and c.tariff is not None}
    first = next(iter(tariffs.values()), park.tariffs[0] if park.tariffs else None)
    if first is None:
        raise AccountError(f"{park.id}: has no tariff; nothing can be billed")
    factors = {factor.id: factor for factor in park.emission_factors}
    if emission_id not in factors:
        raise AccountError(f"{park.id}: no emission factor {emission_id!r}; the park has {', '.join(factors) or 'none'}")
    return Terms(
        emission=factors[emission_id],
        tariff=tariffs,
        ppa_cny_per_mwh=first.ppa_cny_per_mwh,
        certificate_cny_per_mwh=first.certificate_cny_per_mwh,
        carbon_cny_per_t=first.carbon_cny_per_t,
        green_frac=_green_frac(park),
        park_green_frac=_park_green_frac(park),
        power_factor_frac=park.network.basis.load_power_factor_frac,
    )


def _green_frac(park: Park) -> dict[str, float]:
    """What each asset owes by itself; a target of the whole park is nobody's own."""
    owed: dict[str, float] = {}
    for target in park.targets:
        if (target.kinds or target.areas) and target.metric == GREEN_METRIC and target.sense == "at_least":
            for kind in target.kinds or (None,):
                for area in target.areas or (None,):
                    _raise(owed, (asset.id for asset in park.assets_of(kind, area)), target.value)
    for contract in park.contracts:
        if contract.metric == GREEN_METRIC and contract.sense == "at_least":
            _raise(owed, contract.assets, contract.value)
    return owed


def _park_green_frac(park: Park) -> float:
    """What all loads together owe; 0 without a target."""
    targets = (t for t in park.targets if not t.kinds and not t.areas and t.metric == GREEN_METRIC and t.sense == "at_least")
    return max((target.value for target in targets), default=0.0)


def _raise(owed: dict[str, float], assets: Iterable[str], value: float) -> None:
    for asset_id in assets:
        owed[asset_id] = max(value, owed.get(asset_id, 0.0))
