"""The controller as a process of its own: the only one that talks to devices."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Final

import structlog

from controllers.adapters.weather import OpenMeteo
from controllers.books import Books, open_books
from controllers.bus.mqtt import MqttBus, MqttSettings
from controllers.clock import Clock
from controllers.family import Call, Word
from controllers.flexibility.correction import Correction, correction_file_of, load_correction
from controllers.foreteller import ForecastSetup, StandingForeteller
from controllers.log import log_to
from controllers.loops.forecast import Foreteller
from controllers.loops.forecast_room import ForecastRoom
from controllers.loops.resident import ResidentForecaster
from controllers.loops.ticks import between
from controllers.loops.worker import ProcessWorker
from controllers.pauses import keep_pauses_short, run_tidy
from controllers.planner.rule_file import load_thresholds, rule_file_of
from controllers.planner.rules import RuleThresholds
from controllers.service import Controller, ControllerSettings
from controllers.settings import Settings
from controllers.supervisor import Loop
from forecasting.registry import Registry
from vpp.errors import ForecastError, VppError
from vpp.park import Park

__all__ = ["controller_process"]

log = structlog.get_logger(__name__)

#: Training waits for everybody else.
_TRAINER_NICE: Final = 15


def controller_process(
    settings: Settings, park: Park, url: str, make_forecaster: Call | None, tuned: Call | None, pipe: Pipe
) -> None:
    """Runs until it is asked to end (SIGTERM); the target of a child.

    Args:
        settings: Of the service, with its logs beside its state.
        park: What is in service.
        url: Of the broker.
        make_forecaster: Makes models and door in a worker's process, trained or read; None for a controller by rules.
        tuned: Makes other periods and budgets of the usual ones; None to leave them.
        pipe: To whoever started it.
    """
    log_to(settings.logs / "controller.log", "controller")
    try:
        how = ControllerSettings(control=settings.control, thresholds=_thresholds(settings), live=True)
        asyncio.run(_run(pipe, settings, (park, url), make_forecaster, how if tuned is None else tuned(how)))
    except VppError as error:
        log.exception("controller.failed")
        pipe.send(Word(ready=False, text=str(error)))
        raise SystemExit(1) from error


def _thresholds(settings: Settings) -> RuleThresholds:
    """Those frozen for the park that it controls."""
    return load_thresholds(rule_file_of(settings.park)) if settings.park is not None else RuleThresholds()


def _taught(settings: Settings) -> Correction:
    """What replayed offers of the park that it controls have taught."""
    return load_correction(correction_file_of(settings.park)) if settings.park is not None else Correction()


def _foreteller(settings: Settings, park: Park, make: Call | None, worker: ProcessWorker) -> Foreteller | None:
    """Who forecasts: whoever is given, as by a simulation, or the service by itself; nobody for a park without farms."""
    if make is not None:
        return ResidentForecaster(make, worker)
    setup = ForecastSetup.of(settings, park)
    return StandingForeteller(setup, worker) if settings.forecast.enabled and setup.farms else None


def _weather(settings: Settings, clock: Clock) -> OpenMeteo | None:
    told = settings.forecast.weather
    return None if told.url is None else OpenMeteo(told.url, clock, timeout_s=told.timeout_s)


def _about_models(foreteller: Foreteller | None) -> str:
    """What a person should know at the start; said once."""
    if not isinstance(foreteller, StandingForeteller):
        return ""
    setup = foreteller.setup
    try:
        current = Registry.open(setup.models_dir).current
    except ForecastError as error:  # a broken register is no reason to leave devices alone
        log.exception("forecast.register_unread")
        return f"forecast {error}"
    if current is not None:
        log.info("forecast.models", version=current)
        return f"forecast models {current}"
    log.warning("forecast.no_models", models_dir=str(setup.models_dir), enough_days=setup.enough.days, instead="rules")
    return f"forecast no models in {setup.models_dir} yet: by rules, until {setup.enough.days} days are measured and learnt"


async def _run(pipe: Pipe, settings: Settings, site: tuple[Park, str], make: Call | None, how: ControllerSettings) -> None:
    park, url = site
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bus = MqttBus(url, f"controller_{os.getpid()}", settings=MqttSettings(tls=settings.broker.tls()))
    clock = settings.clock.clock()
    books = Books(open_books(settings, f"{clock.now():%Y%m%dT%H%M%S}"), clock)
    workers = ProcessWorker("solver"), ProcessWorker("forecaster"), ProcessWorker("trainer", nice=_TRAINER_NICE)
    # Offers wait for everybody too, and nobody for them.
    offers = ProcessWorker("offers", nice=_TRAINER_NICE)
    with workers[0] as solver, workers[1] as forecaster, workers[2] as trainer, offers:
        foreteller = _foreteller(settings, park, make, forecaster)
        controller = Controller(park, bus, clock, how, foreteller, solver, before=books.remembered())
        controller.offer(offers, _taught(settings))
        loops = books.attach(controller, bus)
        if isinstance(foreteller, StandingForeteller):
            loops += ForecastRoom.of(settings, controller, foreteller, trainer, _weather(settings, clock)).loops()

        async def tidy() -> None:
            # Once in a second of the machine, whatever the speed.
            await run_tidy(between(clock, timedelta(seconds=max(settings.clock.speed, 1.0))))

        keep_pauses_short()
        log.info("controller.started", park=park.id, epoch=controller.commander.epoch, assets=len(park.assets))
        pipe.send(Word(ready=True, text=_about_models(foreteller)))
        try:
            await controller.run(Loop("bus", bus.run), Loop("tidy", tidy), *loops)
        except asyncio.CancelledError:
            log.info("controller.asked_to_end")
        finally:
            await books.close()
    log.info("controller.ended")
