"""Where long computations run: beside the event loop in service, inside it in simulation, where order is everything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context
from threading import Thread
from time import sleep
from typing import Final, ParamSpec, Protocol, TypeVar

import structlog

from vpp.errors import WorkerError

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_FOR_PARENT_S = 1.0
#: A plan has a budget of its own far below; whoever needs longer hangs.
_PATIENCE_S: Final = 240.0

__all__ = ["InlineWorker", "ProcessWorker", "Worker"]


class Worker(Protocol):
    """Runs a pure function somewhere."""

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's value, or its exception."""
        ...


class InlineWorker:
    """Runs at once, in the caller's own turn: the same run gives the same order, bit by bit."""

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's value."""
        return call(*args, **kwargs)


class ProcessWorker:
    """One process of its own, so that dispatch never waits for the solver; a new one takes the place of one that died or hangs.

    Use it as `with ProcessWorker() as worker`.

    Args:
        name: For the log.
        patience_s: A call that takes longer is given up, and its process ended. [s of machine time]
        nice: How far behind the loops it stands in the queue for a processor.
    """

    def __init__(self, name: str = "worker", patience_s: float = _PATIENCE_S, nice: int = 5) -> None:
        self._name, self._patience_s, self._nice = name, patience_s, nice
        self._pool: ProcessPoolExecutor | None = None
        #: How often a process was replaced.
        self.replaced = 0

    def __enter__(self) -> ProcessWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the running process; empty before the first call."""
        processes = getattr(self._pool, "_processes", None) or {}
        return tuple(processes)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's value; it and its arguments travel by pickle.

        Raises:
            WorkerError: The process died, took too long or was ended meanwhile; the next call gets a new one.
        """
        return await self.within(self._patience_s, call, *args, **kwargs)

    async def within(self, patience_s: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, with a patience of its own, for what is known to take long."""
        pool = self._pool = self._pool or self._fresh()
        try:
            future = asyncio.get_running_loop().run_in_executor(pool, _call, call, args, kwargs)
            async with asyncio.timeout(patience_s):
                return await future
        except BrokenExecutor as error:
            self._replace(pool, "died")
            raise WorkerError(f"{self._name}: its process died; a new one takes its place") from error
        except TimeoutError as error:
            self._replace(pool, "hangs")
            raise WorkerError(f"{self._name}: no answer within {patience_s:g} s; a new process takes its place") from error
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            # The pool was ended and dropped what still waited in it. Passed on as it is, this would end the caller's loop in
            # silence: to its supervisor a cancellation is no failure.
            raise WorkerError(f"{self._name}: its process was ended before this call had its turn; ask again") from error

    def end(self) -> None:
        """Ends the process, whatever it is at."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _end(pool)

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1,
            mp_context=get_context("spawn"),
            initializer=_live_and_die_with,
            initargs=(os.getpid(), self._nice),
        )

    def _replace(self, pool: ProcessPoolExecutor, why: str) -> None:
        if self._pool is pool:
            self._pool = None
            self.replaced += 1
            log.error("worker.replaced", worker=self._name, why=why, replaced=self.replaced)
        _end(pool)


def _is_being_cancelled() -> bool:
    """Whether somebody has cancelled the task that runs now, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _end(pool: ProcessPoolExecutor) -> None:
    pids = tuple(getattr(pool, "_processes", None) or {})
    pool.shutdown(wait=False, cancel_futures=True)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _live_and_die_with(parent: int, nice: int) -> None:
    """A worker whose parent was killed would wait for work for ever; an interrupt from the keyboard is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its own place, and not so far behind that of its parent, which may stand before everybody.
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOK_FOR_PARENT_S)
    os._exit(0)


def _call(call: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    return call(*args, **kwargs)
