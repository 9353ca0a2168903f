"""Processes that one process starts, keeps and ends: a child that dies comes back, one whose parent dies goes too."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from threading import Thread
from time import sleep
from typing import Any, Final

import structlog

from controllers.bus.broker import EmbeddedBroker
from controllers.supervisor import BackOff
from vpp.errors import BrokerError, VppError

__all__ = ["Child", "Family", "Word", "live_and_die_with_parent"]

log = structlog.get_logger(__name__)

_LOOK_FOR_PARENT_S: Final = 0.5
_PATIENCE_S: Final = 8.0
#: A child that dies again and again is begun again this often a minute at most.
_BACK_OFF: Final = BackOff(first_s=0.2, longest_s=30.0, forget_s=60.0)


@dataclass(frozen=True, slots=True)
class Word:
    """What a child says over its pipe: that it is ready and where, or what is wrong with what it was given."""

    ready: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A process by its name.

    Args:
        name: For the log.
        target: What it runs; a module-level function, whose first argument is the pipe to us.
        args: Further arguments; they travel.
        vital: Whether everything ends when it ends by itself.
    """

    name: str
    target: Callable[..., None]
    args: tuple[Any, ...] = ()
    vital: bool = False


@dataclass(slots=True)
class Family:
    """All processes of one service.

    Args:
        restarts: How often each was begun again.
        pids: Of those that run.
    """

    restarts: dict[str, int] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    _running: dict[str, BaseProcess] = field(default_factory=dict)

    async def keep(self, child: Child, on_word: Callable[[Word], None]) -> None:
        """Runs a child until cancelled; begins it again when it dies.

        Args:
            child: Which.
            on_word: Told of what it says first, each time.

        Raises:
            VppError: It was not content with what it was given, the first time.
        """
        loop, failures, heard = asyncio.get_running_loop(), 0, False
        while True:
            began_s = loop.time()
            word = await self._once(child, on_word)
            if word is not None and not word.ready and not heard:
                raise VppError(word.text)
            if child.vital:
                return
            heard = heard or word is not None
            failures = 1 if loop.time() - began_s > _BACK_OFF.forget_s else failures + 1
            self.restarts[child.name] = self.restarts.get(child.name, 0) + 1
            pause_s = _BACK_OFF.pause_s(failures)
            log.error("process.died", process=child.name, restarts=self.restarts[child.name], pause_s=pause_s)
            await asyncio.sleep(pause_s)

    async def keep_broker(self, broker: EmbeddedBroker, may_run: asyncio.Event) -> None:
        """Begins the broker again when it dies and may run; it keeps its port."""
        failures = 0
        while True:
            self.pids["broker"] = broker.pid or 0
            await broker.wait()
            self.restarts["broker"] = self.restarts.get("broker", 0) + 1
            log.error("process.died", process="broker", restarts=self.restarts["broker"])
            await may_run.wait()
            failures += 1
            await asyncio.sleep(_BACK_OFF.pause_s(min(failures, 6)))
            try:
                await broker.start()
            except BrokerError as error:
                log.error("broker.not_started", reason=str(error))  # noqa: TRY400  one line says it all
                continue
            failures = 0

    async def end(self) -> None:
        """Ends all children, gently first; returns when none is left."""
        for process in self._running.values():
            process.terminate()
        for name, process in list(self._running.items()):
            await asyncio.to_thread(process.join, _PATIENCE_S)
            if process.is_alive():
                log.error("process.killed", process=name)
                process.kill()
                await asyncio.to_thread(process.join, _PATIENCE_S)
        self._running.clear()

    async def _once(self, child: Child, on_word: Callable[[Word], None]) -> Word | None:
        """One life of a child; returns its first word when it has ended."""
        context, loop = get_context("spawn"), asyncio.get_running_loop()
        ours, theirs = context.Pipe()
        process = context.Process(target=_begin, args=(os.getpid(), child.target, theirs, *child.args), name=child.name)
        process.start()
        theirs.close()
        self._running[child.name] = process
        self.pids[child.name] = process.pid or 0
        ended, said = asyncio.Event(), asyncio.Event()
        loop.add_reader(process.sentinel, ended.set)
        loop.add_reader(ours.fileno(), said.set)
        word: Word | None = None
        try:
            await _first(said.wait(), ended.wait())
            loop.remove_reader(ours.fileno())
            word = _heard(ours)
            if word is not None:
                on_word(word)
            await ended.wait()
        finally:
            loop.remove_reader(process.sentinel)
            loop.remove_reader(ours.fileno())
            ours.close()
        return word


def _heard(pipe: Pipe) -> Word | None:
    try:
        word = pipe.recv() if pipe.poll() else None
    except (EOFError, OSError):
        return None
    return word if isinstance(word, Word) else None


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _begin(parent: int, target: Callable[..., None], *args: Any) -> None:
    live_and_die_with_parent(parent)
    target(*args)


def live_and_die_with_parent(parent: int) -> None:
    """An interrupt from the keyboard is the parent's affair, who then ends us; when the parent was killed, nobody would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOK_FOR_PARENT_S)
    os._exit(0)
