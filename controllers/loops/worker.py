"""Where long computations run: beside the event loop in service, inside it in simulation, where order is everything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Thread
from time import sleep
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_FOR_PARENT_S = 1.0

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
    """One process of its own, so that dispatch never waits for the solver.

    Use it as `with ProcessWorker() as worker`.
    """

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=get_context("spawn"), initializer=_live_and_die_with, initargs=(os.getpid(),)
        )

    def __enter__(self) -> ProcessWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's value; it and its arguments travel by pickle."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _call, call, args, kwargs)


def _live_and_die_with(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever; an interrupt from the keyboard is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOK_FOR_PARENT_S)
    os._exit(0)


def _call(call: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    return call(*args, **kwargs)
