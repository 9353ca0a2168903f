"""The controller as a process of its own: the only one that talks to devices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import structlog

from controllers.books import Books, open_books
from controllers.bus.mqtt import MqttBus, MqttSettings
from controllers.family import Word
from controllers.log import log_to
from controllers.loops.forecast import Forecaster
from controllers.loops.resident import ResidentForecaster
from controllers.loops.worker import ProcessWorker
from controllers.service import Controller, ControllerSettings
from controllers.settings import Settings
from controllers.supervisor import Loop
from vpp.errors import VppError
from vpp.park import Park

__all__ = ["ControllerOptions", "controller_process"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """How the controller's process runs beside the settings of the service.

    Args:
        make_forecaster: Makes models and door in a worker's process, trained or read; None for a controller by rules.
        controller: Periods and budgets; `control` comes from the settings.
    """

    make_forecaster: Callable[[], Forecaster] | None = None
    controller: ControllerSettings = field(default_factory=lambda: ControllerSettings(live=True))


def controller_process(  # noqa: PLR0913  what travels to a process of its own
    pipe: Pipe, settings: Settings, park: Park, url: str, options: ControllerOptions, logs: Path
) -> None:
    """Runs until it is asked to end (SIGTERM); the target of a child.

    Args:
        pipe: To whoever started it.
        settings: Of the service.
        park: What is in service.
        url: Of the broker.
        options: See there.
        logs: Where its log is written.
    """
    log_to(logs / "controller.log", "controller")
    try:
        asyncio.run(_run(pipe, settings, park, url, options))
    except VppError as error:
        log.exception("controller.failed")
        pipe.send(Word(ready=False, text=str(error)))
        raise SystemExit(1) from error


async def _run(pipe: Pipe, settings: Settings, park: Park, url: str, options: ControllerOptions) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bus = MqttBus(url, f"controller_{os.getpid()}", settings=MqttSettings(tls=settings.broker.tls()))
    clock = settings.clock.clock()
    books = Books(open_books(settings, f"{clock.now():%Y%m%dT%H%M%S}"), clock)
    with ProcessWorker("solver") as solver, ProcessWorker("forecaster") as forecaster:
        make = options.make_forecaster
        foreteller = None if make is None else ResidentForecaster(make, forecaster)
        how = replace(options.controller, control=settings.control, live=True)
        controller = Controller(park, bus, clock, how, foreteller, solver, before=books.remembered())
        loops = books.attach(controller, bus)
        log.info("controller.started", park=park.id, epoch=controller.commander.epoch, assets=len(park.assets))
        pipe.send(Word(ready=True))
        try:
            await controller.run(Loop("bus", bus.run), *loops)
        except asyncio.CancelledError:
            log.info("controller.asked_to_end")
        finally:
            await books.close()
    log.info("controller.ended")
