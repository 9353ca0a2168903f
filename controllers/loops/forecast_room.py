"""All that makes the service forecast by itself, put together: weather, training, and where forecasts stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from controllers.foreteller import ForecastSetup, RunShelf, StandingForeteller
from controllers.loops.forecast import farm_facts
from controllers.loops.training import TrainingDesk, run_training, training_ticks
from controllers.loops.weather import ToldSource, WeatherDesk, run_weather, weather_ticks
from controllers.loops.worker import ProcessWorker
from controllers.service import Controller
from controllers.settings import Settings
from controllers.supervisor import Loop

__all__ = ["ForecastRoom"]

#: Alarms of this room.
NO_MODELS: Final = "forecast.no_models"
FAILED: Final = "forecast.failed"
TRAINING_FAILED: Final = "forecast.training_failed"
_TRAINING_BUDGET_S: Final = 21_600.0


@dataclass(slots=True)
class ForecastRoom:
    """Beside one controller.

    Args:
        settings: Of the service.
        setup: What forecasters are told.
        controller: Who plans on the forecasts.
        foreteller: Who makes them.
        weather: Fetches runs.
        training: Makes models.
    """

    settings: Settings
    setup: ForecastSetup
    controller: Controller
    foreteller: StandingForeteller
    weather: WeatherDesk
    training: TrainingDesk

    @classmethod
    def of(
        cls,
        settings: Settings,
        controller: Controller,
        foreteller: StandingForeteller,
        trainer: ProcessWorker,
        source: ToldSource | None,
    ) -> ForecastRoom:
        """Put together; the controller says from now on where its forecasts stand.

        Args:
            settings: Of the service.
            controller: Who plans on the forecasts.
            foreteller: Who makes them.
            trainer: Where models are made.
            source: Who is asked for weather; None where nobody is.
        """
        part, setup = settings.forecast, foreteller.setup
        weather = WeatherDesk(controller.clock, part.weather, RunShelf(settings.weather_dir), setup.places(), source)
        training = TrainingDesk(setup, trainer, controller.told, controller.forecast_wakes.bell.ring)
        room = cls(settings, setup, controller, foreteller, weather, training)
        controller.also_watch.append(room.conditions)
        controller.forecast_facts = room.facts
        return room

    def loops(self) -> tuple[Loop, ...]:
        """What runs beside the controller's own."""
        found = [Loop("weather", self._weather)] if self.weather.is_fed else []
        if self.settings.forecast.train:
            found.append(Loop("training", self._training))
        return tuple(found)

    def conditions(self, at: datetime) -> dict[str, str]:
        """What someone should look at."""
        found = self.weather.conditions(at)
        if self.foreteller.has_models is False:
            found |= {NO_MODELS: f"no forecast models yet: the park runs by rules; {self._until()}"}
        if self.foreteller.failure:
            found[FAILED] = f"no new forecast: {self.foreteller.failure}"
        if self.training.failure:
            found[TRAINING_FAILED] = f"forecast models could not be trained: {self.training.failure}"
        return found

    def facts(self) -> dict[str, Any]:
        """Where forecasts stand, for whoever asks from another process."""
        told, last = self.controller.told.value, self.training.last
        basis = None if told is None else told.basis
        newest = self.weather.newest
        return {
            "weather": "service" if self.weather.source is not None else "folder" if self.weather.is_fed else "none",
            "weather_failures": self.weather.failures,
            "run_received_at": None if newest is None else newest.isoformat(),
            "issued_at": None if told is None else told.forecast.issued_at.isoformat(),
            "version": "" if basis is None else basis.version,
            "learnt_until": None if basis is None else basis.learnt_until,
            "farms": [] if told is None else farm_facts(told),
            "enough_days": self.setup.enough.days,
            "trains": self.settings.forecast.train,
            "training_since": None if self.training.busy_since is None else self.training.busy_since.isoformat(),
            "training": None if last is None else {**asdict(last), "at": last.at.isoformat()},
            "training_failure": self.training.failure,
        }

    def _until(self) -> str:
        if not self.settings.forecast.train:
            return f"train models into {self.setup.models_dir} with `vpp forecast train`"
        if self.training.busy_since is not None:
            return "models may be in training now"
        last = self.training.last
        measured = "" if last is None else f", {last.measured_days:.1f} are there"
        return f"it trains by itself when farms of half the capacity have measured {self.setup.enough.days} days{measured}"

    async def _weather(self) -> None:
        ticks = weather_ticks(self.controller.clock, self.weather)
        await run_weather(self._watched("weather", ticks, 2.0 * self.weather.settings.budget_s), self.weather)

    async def _training(self) -> None:
        zone = self.settings.zone_of(self.controller.park)
        ticks = training_ticks(self.controller.clock, zone, self.settings.forecast.train_at_hour)
        await run_training(self._watched("training", ticks, _TRAINING_BUDGET_S), self.training)

    def _watched(self, name: str, ticks: AsyncIterator[datetime], budget_s: float) -> AsyncIterator[datetime]:
        return self.controller.supervisor.watched(ticks, name, budget_s)
