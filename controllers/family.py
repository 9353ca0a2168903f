"""Processes that one process starts, keeps and ends: a child that dies comes back, one whose parent dies goes too."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import connection
from multiprocessing.connection import Connection
from threading import Thread
from time import sleep
from typing import Any, Final

import structlog

from controllers.bus.broker import EmbeddedBroker
from controllers.supervisor import BackOff
from vpp.errors import BrokerError, VppError

__all__ = ["Call", "Child", "Family", "Word"]

log = structlog.get_logger(__name__)

_LOOK_FOR_PARENT_S: Final = 0.5
_PATIENCE_S: Final = 15.0
#: A fresh interpreter, which imports what it is to run and nothing of what its parent is.
_BEGIN: Final = "import sys; from controllers.family import begin; begin(int(sys.argv[1]), int(sys.argv[2]))"
#: A child that dies again and again is begun again this often a minute at most.
_BACK_OFF: Final = BackOff(first_s=0.2, longest_s=30.0, forget_s=60.0)


@dataclass(frozen=True, slots=True)
class Call:
    """A function by its place and its first arguments; it travels to another process, which imports it only there.

    Args:
        where: As in `controllers.serve:api_process`.
        args: They travel too.
    """

    where: str
    args: tuple[Any, ...] = ()

    def __call__(self, *more: Any) -> Any:
        """Imports and calls."""
        module, _, name = self.where.partition(":")
        return getattr(import_module(module), name)(*self.args, *more)


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
        target: What it runs; its last argument is the pipe to us.
        vital: Whether everything ends when it ends by itself.
    """

    name: str
    target: Call
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
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

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

    def restart(self, name: str) -> None:
        """Asks a child to end, so that it is begun again."""
        process = self._running.get(name)
        if process is not None and process.returncode is None:
            process.terminate()

    async def end(self) -> None:
        """Ends all children, gently first; returns when none is left."""
        running = [process for process in self._running.values() if process.returncode is None]
        for process in running:
            process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                for process in running:
                    await process.wait()
        except TimeoutError:
            for name, process in self._running.items():
                if process.returncode is None:
                    log.error("process.killed", process=name)  # noqa: TRY400  one line says it all
                    process.kill()
                    await process.wait()
        self._running.clear()

    async def _once(self, child: Child, on_word: Callable[[Word], None]) -> Word | None:
        """One life of a child; returns its first word when it has ended."""
        loop = asyncio.get_running_loop()
        ours, theirs = connection.Pipe()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _BEGIN,
            str(theirs.fileno()),
            str(os.getpid()),
            child.name,
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C in the terminal is for us: we end the others in order.
            start_new_session=True,
        )
        theirs.close()
        self._running[child.name] = process
        self.pids[child.name] = process.pid
        said = asyncio.Event()
        word: Word | None = None
        try:
            ours.send_bytes(pickle.dumps(child.target))
            loop.add_reader(ours.fileno(), said.set)
            await _first(said.wait(), process.wait())
            loop.remove_reader(ours.fileno())
            word = _heard(ours)
            if word is not None:
                on_word(word)
            await process.wait()
        except BrokenPipeError:
            await process.wait()
        finally:
            loop.remove_reader(ours.fileno())
            ours.close()
        return word


def _heard(pipe: Connection) -> Word | None:
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


def begin(line: int, parent: int) -> None:
    """What a child runs: hears over its line what it is to do, and does it.

    When the parent was killed, nobody would end us.
    """
    Thread(target=_watch, args=(parent,), daemon=True).start()
    pipe = Connection(line)
    target: Call = pickle.loads(pipe.recv_bytes())  # what our own parent has written for us alone
    target(pipe)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(_LOOK_FOR_PARENT_S)
    os._exit(0)
