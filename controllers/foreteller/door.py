"""The service's door to history: its own ledger, files of the time before it, and the weather that it has kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
import structlog

from controllers.foreteller.ledger_power import LedgerPower
from controllers.foreteller.setup import ForecastSetup, place_of
from controllers.foreteller.shelf import RunShelf, conformed, stacked
from forecasting.archive import read_power, read_runs
from forecasting.history import STEP
from forecasting.known import FarmSite, WeatherRuns
from vpp.errors import ForecastError, StoreError
from vpp.ids import AssetId
from vpp.series import Series

__all__ = ["ServiceDoor", "merged", "open_door"]

log = structlog.get_logger(__name__)

#: A prediction looks at the runs of the last days; training at all of them.
PREDICTING: Final = timedelta(days=14)
TRAINING: Final = timedelta(days=450)


@dataclass(slots=True)
class ServiceDoor:
    """A `forecasting.known.KnownDoor`.

    Args:
        setup: Whose farms.
        ledger: Where they have been measured; None while there is none.
        past: Metered power of the time before.
        past_runs: Weather runs of that time, on the leads of fetched ones.
        shelf: Fetched ones.
        runs_back: How far back fetched runs are read.
        tolerant: A ledger that cannot be read leaves a forecast without measurements, which is flagged, instead of none.
    """

    setup: ForecastSetup
    ledger: LedgerPower | None
    past: Mapping[AssetId, Series]
    past_runs: Mapping[AssetId, WeatherRuns]
    shelf: RunShelf
    runs_back: timedelta = PREDICTING
    tolerant: bool = True
    _farms: dict[AssetId, FarmSite] = field(init=False)
    _last_runs: dict[tuple[str, str], tuple[datetime, WeatherRuns]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._farms = {farm.asset_id: farm for farm in self.setup.farms}

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """As the protocol; where ledger and file both know a quarter hour, the ledger's word stands.

        Raises:
            ForecastError: The ledger cannot be read, and this door is not tolerant.
        """
        empty = np.array([], dtype="datetime64[us]")
        before = self.past.get(farm_id, Series("available_frac", empty, empty, np.array([]))).known(known_at).between(start, end)
        if self.ledger is None or farm_id not in self._farms:
            return before
        try:
            own = self._measured(self.ledger, self._farms[farm_id], known_at, start, end)
        except ForecastError as error:
            if not self.tolerant:
                raise
            log.warning("forecast.ledger_unread", asset_id=farm_id, reason=str(error))
            return before
        return merged(before, own)

    def _measured(self, ledger: LedgerPower, farm: FarmSite, known_at: datetime, start: datetime, end: datetime) -> Series:
        """What the ledger says; of a load what its users asked for, where nobody says that what they got."""
        size_mw = self.setup.capacity_mw[farm.asset_id]
        ask = partial(ledger.available, farm.asset_id, size_mw, known_at=known_at, start=start, end=end)
        return merged(ask(quantity="power_mw"), ask(quantity="demand_mw")) if farm.kind == "load" else ask()

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """As the protocol: runs of the farm's place, out of the file and out of what was fetched."""
        farm = self._farms.get(farm_id)
        if farm is None:
            return WeatherRuns.none()
        place = place_of(farm)
        at, fetched = self._last_runs.get((place, farm.kind), (None, None))
        if fetched is None or at != known_at:  # farms of one place ask one after another
            fetched = self.shelf.runs(place, farm.kind, since=known_at - self.runs_back, until=known_at)
            self._last_runs[place, farm.kind] = known_at, fetched
        past = self.past_runs.get(farm_id)
        both = fetched if past is None else stacked((past.known(known_at), fetched), farm.kind)
        return both.known(known_at)

    def measured_days(self, farm_id: AssetId, known_at: datetime) -> float:
        """How many days of quarter hours a farm has measured within the training span."""
        start = known_at - TRAINING
        told = self.power(farm_id, known_at=known_at, start=start, end=known_at)
        return float(np.isfinite(told.value).sum()) * (STEP / timedelta(days=1))


def open_door(setup: ForecastSetup, *, training: bool = False) -> ServiceDoor:
    """The door on what is there now; a ledger that is not there yet leaves the files.

    Args:
        setup: Whose farms.
        training: All runs are read, and a ledger that fails is an error.

    Raises:
        ForecastError: Training, and a file is none of ours; a forecast goes on without it.
    """
    try:
        ledger: LedgerPower | None = LedgerPower.at(setup.store_url)
    except StoreError:
        ledger = None
    kinds = {farm.asset_id: farm.kind for farm in setup.farms}
    past: Mapping[AssetId, Series] = {}
    told: Mapping[AssetId, WeatherRuns] = {}
    try:
        past = {} if setup.history_file is None else read_power(setup.history_file)
        told = {} if setup.runs_file is None else read_runs(setup.runs_file)
    except ForecastError as error:
        if training:
            raise
        log.warning("forecast.file_unread", reason=str(error))
    past_runs = {farm: conformed(runs, kinds[farm]) for farm, runs in told.items() if farm in kinds}
    back = TRAINING if training else PREDICTING
    return ServiceDoor(setup, ledger, past, past_runs, RunShelf(setup.weather_dir), back, not training)


def merged(before: Series, own: Series) -> Series:
    """Two series as one; where both have a stamp, the second's value stands unless it says nothing."""
    if before.value.size == 0 or own.value.size == 0:
        return own if before.value.size == 0 else before
    told = own.measured_at[np.isfinite(own.value)]
    keep = ~np.isin(before.measured_at, told)
    spare = ~np.isin(own.measured_at, before.measured_at[keep])
    at = np.concatenate((before.measured_at[keep], own.measured_at[spare]))
    order = np.argsort(at, kind="stable")
    received = np.concatenate((before.received_at[keep], own.received_at[spare]))[order]
    return Series(before.name, at[order], received, np.concatenate((before.value[keep], own.value[spare]))[order])
