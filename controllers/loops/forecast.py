"""Every quarter of an hour: what wind and sun will give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import structlog

from controllers.loops.commander import Commander, Stamp
from controllers.loops.mailbox import Mailbox
from controllers.loops.worker import Worker
from forecasting.forecast import Forecast
from forecasting.known import KnownDoor
from forecasting.predict import predict
from forecasting.train import ForecastModels
from vpp.errors import ForecastError
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
    """Trained models, the door to what is known, and where prediction runs."""

    models: ForecastModels
    door: KnownDoor
    worker: Worker

    async def on(self, grid: TimeGrid) -> Forecast:
        """A forecast over a grid, with what is known at its start."""
        return await self.worker.run(predict, self.models, self.door, known_at=grid.start, grid=grid)


async def run_forecast(
    ticks: AsyncIterator[datetime],
    forecaster: Forecaster,
    horizon: Callable[[datetime], TimeGrid],
    box: Mailbox[Forecast],
    commander: Commander,
) -> None:
    """The loop: predict, keep, publish; a failure leaves the last forecast to age, and says so."""
    async for at in ticks:
        try:
            forecast = await forecaster.on(horizon(at))
        except ForecastError as error:
            log.warning("forecast.failed", reason=str(error), at=at.isoformat())
            continue
        box.value = forecast
        commander.publish(Channel.FORECAST_CURRENT, forecast_message(forecast, commander.stamp()))


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
