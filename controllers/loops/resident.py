"""A forecaster that lives in a process of its own: trained or read there, kept there, asked from here.

Dispatch never waits for LightGBM, and models and history do not travel with every question. When the process dies, the next one
reads the models from where the first has left them; what it had learnt since from its own errors is learnt anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from controllers.loops.forecast import Told
from controllers.loops.worker import ProcessWorker
from vpp.timegrid import TimeGrid

__all__ = ["Resident", "ResidentForecaster"]

log = structlog.get_logger(__name__)


class Resident(Protocol):
    """Who may live there."""

    def tell_now(self, grid: TimeGrid) -> Told:
        """As `Foreteller.tell`, at once."""
        ...


#: Training a whole park on two busy cores takes minutes; reading what was trained takes a second.
_TRAINING_S: Final = 3_600.0
_NAMES: Final = itertools.count()
#: In the worker's process: who lives there.
_RESIDENTS: Final[dict[int, Resident]] = {}


class ResidentForecaster:
    """A `Foreteller` beyond a `ProcessWorker`.

    Args:
        make: Makes the forecaster over there; a module-level function or a partial of one, because it travels.
        worker: Whose process it lives in.
    """

    def __init__(self, make: Callable[[], Resident], worker: ProcessWorker) -> None:
        self._make, self._worker = make, worker
        self._name = next(_NAMES)
        self._lives_in: tuple[int, ...] = ()

    async def tell(self, grid: TimeGrid) -> Told:
        """As `Foreteller.tell`; the first time, and after a new process, it is made before.

        Raises:
            ForecastError: History or weather that a forecast cannot stand on.
            WorkerError: The process died.
        """
        await self.prepare()
        return await self._worker.run(_ask, self._name, grid)

    async def prepare(self) -> None:
        """Makes it if it is not there; training takes as long as it takes, and is no forecast that came late.

        Raises:
            WorkerError: The process died.
        """
        if not self._lives_in or self._lives_in != self._worker.pids:
            log.info("forecast.preparing")
            await self._worker.within(_TRAINING_S, _move_in, self._name, self._make)
            self._lives_in = self._worker.pids
            log.info("forecast.ready")


def _move_in(name: int, make: Callable[[], Resident]) -> None:
    if name not in _RESIDENTS:
        _RESIDENTS[name] = make()


def _ask(name: int, grid: TimeGrid) -> Told:
    return _RESIDENTS[name].tell_now(grid)
