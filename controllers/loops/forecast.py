"""Every quarter of an hour: what wind and sun will give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import structlog

from controllers.loops.commander import Commander, Stamp
from controllers.loops.mailbox import Mailbox
from controllers.loops.worker import Worker
from forecasting.forecast import Forecast
from forecasting.journal import Journal
from forecasting.known import KnownDoor
from forecasting.predict import Ask, finished, predict_raw
from forecasting.train import ForecastModels
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.wire.messages import ForecastCurrent, ForecastSeries
from vpp.wire.topics import Channel

__all__ = ["Forecaster", "forecast_message", "run_forecast"]

log = structlog.get_logger(__name__)
#: Published quantiles are rounded to this many digits of capacity, far below any forecast error.
_DIGITS: Final = 4
_AGED: Final = ("persistence", "climatology")


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Trained models, the door to what is known, where prediction runs, and what a forecast shall hold."""

    models: ForecastModels
    door: KnownDoor
    worker: Worker
    ask: Ask = field(default_factory=Ask)

    async def on(self, grid: TimeGrid, journal: Journal) -> tuple[Forecast, Journal]:
        """A forecast over a grid, with what is known at its start, and the journal as it is then."""
        return await self.worker.run(_on, self.models, self.door, grid, journal, self.ask)


def _on(models: ForecastModels, door: KnownDoor, grid: TimeGrid, journal: Journal, ask: Ask) -> tuple[Forecast, Journal]:
    """Outcomes first, then the forecast that they have taught; pure, for the worker."""
    journal = journal.settled(door, grid.start)
    raw = predict_raw(models, door, known_at=grid.start, grid=grid)
    return finished(models, journal.applied(raw, models), ask), journal.with_forecast(raw, models)


async def run_forecast(
    ticks: AsyncIterator[datetime],
    forecaster: Forecaster,
    horizon: Callable[[datetime], TimeGrid],
    box: Mailbox[Forecast],
    commander: Commander,
) -> None:
    """The loop: predict, keep, publish; a failure leaves the last forecast to age, and says so."""
    journal = Journal.empty(forecaster.models)
    drifting: frozenset[AssetId] = frozenset()
    async for at in ticks:
        try:
            forecast, journal = await forecaster.on(horizon(at), journal)
        except ForecastError as error:
            log.warning("forecast.failed", reason=str(error), at=at.isoformat())
            continue
        drifting = _watch_drift(journal, drifting)
        box.value = forecast
        commander.publish(Channel.FORECAST_CURRENT, forecast_message(forecast, commander.stamp()))


def _watch_drift(journal: Journal, before: frozenset[AssetId]) -> frozenset[AssetId]:
    """Farms that drift; each is said once when it begins and once when it ends."""
    now: set[AssetId] = set()
    for number, farm in enumerate(journal.farms):
        health = journal.health(number)
        if health.drifts:
            now.add(farm.asset_id)
        if health.drifts != (farm.asset_id in before):
            log.warning(
                "forecast.drift" if health.drifts else "forecast.drift_ended",
                asset_id=farm.asset_id,
                ratio=round(health.drift_ratio, 3),
                pinball=round(health.pinball, 4),
                climatology_pinball=round(health.climatology_pinball, 4),
                coverage_frac=round(health.coverage_frac, 3),
            )
    return frozenset(now)


def forecast_message(forecast: Forecast, stamp: Stamp) -> ForecastCurrent:
    """The forecast as it travels: shares of capacity, rounded, each row rising."""
    rounded = np.round(forecast.quantile_frac, _DIGITS)
    return ForecastCurrent(
        epoch=stamp.epoch,
        seq=stamp.seq,
        issued_at=stamp.issued_at,
        edges=forecast.grid.edges,
        levels=forecast.quantile_levels,
        series=tuple(
            ForecastSeries(id=asset_id, quantity="available_frac", values=tuple(map(tuple, rows.tolist())))
            for asset_id, rows in zip(forecast.asset_ids, rounded, strict=True)
        ),
        stale=any(quality in _AGED for quality in forecast.quality),
    )
