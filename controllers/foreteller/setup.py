"""What a forecaster of the service must be told; it travels to the process where the forecaster lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from controllers.settings import Settings
from forecasting.known import FarmKind, FarmSite
from forecasting.load_sites import load_sites, references_mw
from vpp.ids import AssetId
from vpp.park import Park

__all__ = ["ForecastSetup", "place_of"]

_KINDS: Final[tuple[FarmKind, ...]] = ("wind", "solar")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSetup:
    """Farms, and where everything about them is.

    Args:
        farms: All wind and PV farms of the park, and its inflexible loads.
        capacity_mw: Of each; of a load the power that its shares refer to.
        store_url: The ledger.
        models_dir: Versions of models.
        weather_dir: Answers of the weather service.
        history_file: Metered power of the time before the ledger; None for none.
        runs_file: Weather runs of that time; None for none.
        enough: Time that farms of half the capacity must have measured before the first training.
        train_every: Between two trainings.
    """

    farms: tuple[FarmSite, ...]
    capacity_mw: Mapping[AssetId, float]
    store_url: str
    models_dir: Path
    weather_dir: Path
    history_file: Path | None
    runs_file: Path | None
    enough: timedelta
    train_every: timedelta

    @classmethod
    def of(cls, settings: Settings, park: Park) -> ForecastSetup:
        """As the settings say; a farm stands where the park does, unless they say another place."""
        part = settings.forecast
        farms, capacity_mw = [], {}
        for kind in _KINDS:
            for asset in park.assets_of(kind):
                place = part.places.get(asset.id) or park.site
                farms.append(FarmSite(asset.id, kind, place.latitude_deg, place.longitude_deg))
                capacity_mw[asset.id] = float(asset.plate.capacity_mw)
        return cls(
            farms=(*farms, *load_sites(park)),
            capacity_mw={**capacity_mw, **references_mw(park)},
            store_url=settings.store_url,
            models_dir=settings.models_dir,
            weather_dir=settings.weather_dir,
            history_file=part.history_file,
            runs_file=part.runs_file,
            enough=timedelta(days=part.enough_days),
            train_every=timedelta(days=part.train_every_days),
        )

    def generating_mw(self) -> Mapping[AssetId, float]:
        """Capacity of wind and sun alone."""
        return {farm.asset_id: self.capacity_mw[farm.asset_id] for farm in self.farms if farm.kind != "load"}

    def places(self) -> Mapping[str, tuple[float, float]]:
        """Each place once, by the name under which its weather is kept: latitude and longitude in degrees."""
        return {place_of(farm): (farm.latitude_deg, farm.longitude_deg) for farm in self.farms}


def place_of(farm: FarmSite) -> str:
    """The name of a farm's place.

    >>> place_of(FarmSite(AssetId("wind.a"), "wind", 42.3, 118.9))
    '42.3000_118.9000'
    """
    return f"{farm.latitude_deg:.4f}_{farm.longitude_deg:.4f}"
