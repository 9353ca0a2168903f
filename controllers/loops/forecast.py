"""Every quarter of an hour: what wind and sun will give, and what inflexible loads will draw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import numpy as np
import structlog

from controllers.loops.commander import Commander, Stamp
from controllers.loops.mailbox import Mailbox
from forecasting.forecast import Forecast
from forecasting.journal import FarmHealth, Journal
from forecasting.known import KnownDoor
from forecasting.load_sites import references_mw
from forecasting.predict import Ask, finished, predict_raw
from forecasting.train import ForecastModels
from vpp.errors import ForecastError, WorkerError
from vpp.ids import AreaId, AssetId
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray
from vpp.wire.messages import ForecastCurrent, ForecastSeries
from vpp.wire.topics import Channel

__all__ = [
    "Basis",
    "ForecastDesk",
    "Forecaster",
    "Foreteller",
    "Told",
    "area_load_mw",
    "farm_facts",
    "forecast_message",
    "run_forecast",
]

log = structlog.get_logger(__name__)
#: Published quantiles are rounded to this many digits of capacity, and loads to this many of a MW, far below any forecast error.
_DIGITS: Final = 4
_LOAD_DIGITS: Final = 2
_AGED: Final = ("persistence", "climatology")


class Foreteller(Protocol):
    """Who knows what wind and sun will give and loads will draw."""

    async def tell(self, grid: TimeGrid) -> Told | None:
        """A forecast over a grid, with what is known at its start; None while there is nobody to make one.

        Raises:
            VppError: There is none now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Basis:
    """What a forecast stands on; instants in ISO form.

    Args:
        version: Of the models.
        learnt_until: What had been received by then was learnt.
        run_received_at: When the newest weather run came; empty for none.
    """

    version: str
    learnt_until: str
    run_received_at: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A forecast, how the forecasts of each farm have fared lately, and what it stands on where that is kept."""

    forecast: Forecast
    health: Mapping[AssetId, FarmHealth]
    basis: Basis | None = None


@dataclass(slots=True)
class Forecaster:
    """Trained models, the door to what is known, and what a forecast shall hold; keeps its journal."""

    models: ForecastModels
    door: KnownDoor
    ask: Ask = field(default_factory=Ask)
    journal: Journal | None = None

    async def tell(self, grid: TimeGrid) -> Told:
        """As `Foreteller.tell`, at once and in the caller's own turn."""
        return self.tell_now(grid)

    def tell_now(self, grid: TimeGrid) -> Told:
        """Outcomes first, then the forecast that they have taught."""
        journal = (self.journal or Journal.empty(self.models)).settled(self.door, grid.start)
        raw = predict_raw(self.models, self.door, known_at=grid.start, grid=grid)
        forecast = finished(self.models, journal.applied(raw, self.models), self.ask)
        self.journal = journal.with_forecast(raw, self.models)
        health = {farm.asset_id: self.journal.health(number) for number, farm in enumerate(self.journal.farms)}
        return Told(forecast, health)


@dataclass(frozen=True, slots=True)
class ForecastDesk:
    """Where forecasts go.

    Args:
        box: Where plans find the newest one.
        commander: Publishes it.
        told: Where it stands with its health and its basis; None where nobody asks.
        park: Whose areas have loads; None where there are none to publish.
    """

    box: Mailbox[Forecast]
    commander: Commander
    told: Mailbox[Told] | None = None
    park: Park | None = None


async def run_forecast(
    ticks: AsyncIterator[datetime],
    foreteller: Foreteller,
    horizon: Callable[[datetime], TimeGrid],
    desk: ForecastDesk,
) -> None:
    """The loop: predict, keep, publish; a failure leaves the last forecast to age, and says so."""
    drifting: frozenset[AssetId] = frozenset()
    async for at in ticks:
        try:
            told = await foreteller.tell(horizon(at))
        except (ForecastError, WorkerError) as error:
            log.warning("forecast.failed", reason=str(error), at=at.isoformat())
            continue
        if told is None:
            continue
        if desk.told is not None:
            desk.told.value = told
        drifting = _watch_drift(told.health, drifting)
        desk.box.value = told.forecast
        message = forecast_message(told.forecast, desk.commander.stamp(), desk.park)
        desk.commander.publish(Channel.FORECAST_CURRENT, message)


def farm_facts(told: Told) -> list[dict[str, object]]:
    """The last forecast of each farm and load: how good it is, and what its input lacked."""
    forecast = told.forecast
    return [
        {"id": asset, "quality": quality, "flags": list(forecast.flags_of(asset)), "load": asset in forecast.loads}
        for asset, quality in zip(forecast.asset_ids, forecast.quality, strict=True)
    ]


def area_load_mw(forecast: Forecast, park: Park) -> dict[AreaId, FloatArray]:
    """Quantiles of each area's inflexible load, shape (T, Q); its loads are taken to err together, the cautious case. [MW]."""
    size_mw = references_mw(park)
    found: dict[AreaId, FloatArray] = {}
    for load in forecast.asset_ids:
        if load in forecast.loads and load in size_mw:
            own_mw = forecast.quantile_frac[forecast.row(load)] * size_mw[load]
            area = park.asset(load).area
            found[area] = found[area] + own_mw if area in found else own_mw
    return found


def _watch_drift(healths: Mapping[AssetId, FarmHealth], before: frozenset[AssetId]) -> frozenset[AssetId]:
    """Farms that drift; each is said once when it begins and once when it ends."""
    now: set[AssetId] = set()
    for asset_id, health in healths.items():
        if health.drifts:
            now.add(asset_id)
        if health.drifts != (asset_id in before):
            log.warning(
                "forecast.drift" if health.drifts else "forecast.drift_ended",
                asset_id=asset_id,
                ratio=round(health.drift_ratio, 3),
                pinball=round(health.pinball, 4),
                climatology_pinball=round(health.climatology_pinball, 4),
                coverage_frac=round(health.coverage_frac, 3),
            )
    return frozenset(now)


def forecast_message(forecast: Forecast, stamp: Stamp, park: Park | None = None) -> ForecastCurrent:
    """The forecast as it travels, rounded, each row rising.

    Farms as shares of capacity, one by one; loads in MW by area, because each for itself is more than a message carries.
    """
    rounded = np.round(forecast.quantile_frac, _DIGITS)
    farms = [(i, row) for i, row in zip(forecast.asset_ids, rounded, strict=True) if i not in forecast.loads]
    loads = {} if park is None else area_load_mw(forecast, park)
    named: list[tuple[str, str, FloatArray]] = [(i, "available_frac", rows) for i, rows in farms]
    named += [(area, "load_mw", np.round(rows, _LOAD_DIGITS)) for area, rows in loads.items()]
    return ForecastCurrent(
        epoch=stamp.epoch,
        seq=stamp.seq,
        issued_at=stamp.issued_at,
        edges=forecast.grid.edges,
        levels=forecast.quantile_levels,
        series=tuple(
            ForecastSeries(id=subject, quantity=quantity, values=tuple(map(tuple, rows.tolist())))
            for subject, quantity, rows in named
        ),
        # A load's week, or its calendar, is nearly as good as any forecast of it: that is no reason for an alarm.
        stale=any(q in _AGED and i not in forecast.loads for i, q in zip(forecast.asset_ids, forecast.quality, strict=True)),
    )
