"""Which assets are inflexible loads to a forecaster, and what their shares are shares of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from forecasting.known import FarmSite
from vpp.ids import AssetId
from vpp.park import Asset, Park

__all__ = ["LOAD_KINDS", "load_sites", "reference_mw", "references_mw"]

#: Nobody moves a base load, and a feeder is only ever cut off. Charging, computing and quotas have planners of their own.
LOAD_KINDS: Final = ("base_load", "feeder")
#: Forecasts are shares between nothing and one: a base load stays below twice its yearly mean.
HEADROOM: Final = 2.0


def reference_mw(asset: Asset) -> float:
    """The power that a load's shares refer to: twice the mean of a base load, the contract of a feeder. [MW]."""
    return float(asset.plate.power_mw) if asset.kind == "feeder" else HEADROOM * float(asset.plate.mean_mw)


def load_sites(park: Park) -> tuple[FarmSite, ...]:
    """The park's inflexible loads; each stands where the park does."""
    site = park.site
    loads = [asset for kind in LOAD_KINDS for asset in park.assets_of(kind)]
    return tuple(FarmSite(asset.id, "load", site.latitude_deg, site.longitude_deg) for asset in loads)


def references_mw(park: Park) -> Mapping[AssetId, float]:
    """`reference_mw` of each inflexible load."""
    return {asset.id: reference_mw(asset) for kind in LOAD_KINDS for asset in park.assets_of(kind)}
