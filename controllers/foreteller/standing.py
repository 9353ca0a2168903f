"""The forecaster of the service: the models in use, read anew when better ones have taken their place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from controllers.foreteller.door import ServiceDoor, open_door
from controllers.foreteller.setup import ForecastSetup
from controllers.loops.forecast import Basis, Forecaster, Told
from controllers.loops.resident import ResidentForecaster
from controllers.loops.worker import ProcessWorker
from forecasting.baselines import ignorance, scale_frac
from forecasting.forecast import MODEL_LEVELS, Forecast
from forecasting.known import CheckedDoor, FarmSite
from forecasting.predict import grid_middles
from forecasting.registry import Registry
from vpp.errors import ForecastError, WorkerError
from vpp.timegrid import TimeGrid

__all__ = ["StandingForecaster", "StandingForeteller", "covering", "standing_forecaster"]


@dataclass(slots=True)
class StandingForecaster:
    """Lives in a worker's process.

    Args:
        setup: Whose farms, and where everything is.
        door: To what is known.
    """

    setup: ForecastSetup
    door: ServiceDoor
    _forecaster: Forecaster | None = None
    _basis: Basis = field(default_factory=lambda: Basis("", ""))

    def tell_now(self, grid: TimeGrid) -> Told:
        """A forecast of every farm of the park; what a farm lacks is flagged.

        Raises:
            ForecastError: There are no models, or they cannot be read.
        """
        registry = Registry.open(self.setup.models_dir)
        if registry.current is None:
            raise ForecastError(f"{self.setup.models_dir}: no models in use")
        if self._forecaster is None or registry.current != self._basis.version:
            learnt = next(one.known_at for one in registry.versions if one.name == registry.current)
            # What the journal of the older models had learnt of their errors says nothing of the new ones.
            models = registry.models().with_loads(self.setup.farms)
            self._forecaster = Forecaster(models, CheckedDoor(self.door))
            self._basis = Basis(registry.current, learnt)
        told = self._forecaster.tell_now(grid)
        received = [self.door.weather_runs(farm.asset_id, known_at=grid.start).received_at for farm in self.setup.farms]
        newest = max((times.max() for times in received if times.size), default=None)
        basis = replace(self._basis, run_received_at="" if newest is None else f"{newest.astype('datetime64[s]')}+00:00")
        return Told(covering(told.forecast, self.setup.farms), told.health, basis)


def standing_forecaster(setup: ForecastSetup) -> StandingForecaster:
    """Makes it, in the process where it is to live."""
    return StandingForecaster(setup, open_door(setup))


class StandingForeteller:
    """A `Foreteller` that has nothing to tell until there are models.

    Args:
        setup: Whose farms.
        worker: In whose process the forecaster lives.
    """

    def __init__(self, setup: ForecastSetup, worker: ProcessWorker) -> None:
        self.setup = setup
        #: Whether there were models when it was last asked; None before.
        self.has_models: bool | None = None
        #: Why the last forecast failed; empty if it did not.
        self.failure = ""
        self._resident = ResidentForecaster(partial(standing_forecaster, setup), worker)

    async def tell(self, grid: TimeGrid) -> Told | None:
        """As `Foreteller.tell`; None as long as there are no models.

        Raises:
            ForecastError: The models cannot be read.
            WorkerError: The process died.
        """
        try:
            registry = await asyncio.to_thread(Registry.open, self.setup.models_dir)
            self.has_models = registry.current is not None
            told = await self._resident.tell(grid) if self.has_models else None
        except (ForecastError, WorkerError) as error:
            self.failure = str(error)
            raise
        self.failure = ""
        return told


def covering(forecast: Forecast, farms: tuple[FarmSite, ...]) -> Forecast:
    """A forecast of exactly these farms: one that is too new for the models can be anything, and is flagged."""
    ids = tuple(farm.asset_id for farm in farms)
    if forecast.asset_ids == ids:
        return forecast
    middle = grid_middles(forecast.grid)
    shown = [MODEL_LEVELS.index(level) for level in forecast.quantile_levels]
    rows = []
    for farm in farms:
        if farm.asset_id in forecast.asset_ids:
            k = forecast.row(farm.asset_id)
            flags = forecast.flags_of(farm.asset_id)
            rows.append((forecast.quantile_frac[k], forecast.mean_frac[k], forecast.quality[k], flags))
        else:
            quantile, mean = ignorance().at(middle, scale_frac(farm, middle))
            rows.append((quantile[:, shown], mean, "climatology", ("history_missing",)))
    quantiles, means, quality, flags_of = zip(*rows, strict=True)
    return Forecast(
        forecast.grid,
        forecast.quantile_levels,
        ids,
        np.stack(quantiles),
        np.stack(means),
        forecast.issued_at,
        quality,
        flags_of,
        loads=frozenset(farm.asset_id for farm in farms if farm.kind == "load"),
        dependence=forecast.dependence,
    )
