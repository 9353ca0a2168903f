"""Who solves the scenarios: this process alone, or this one and others with a share each. The answer is the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final

import numpy as np

from controllers.planner.stochastic.recourse import Answers, Evaluation, Recourse
from controllers.planner.stochastic.split import TwoStage
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Crew", "serve"]

_GUARD_S: Final = 600.0
_END_S: Final = 2.0
_MATE: Final = "import sys; from controllers.planner.stochastic.crew import serve; serve(int(sys.argv[1]))"


@dataclass(slots=True)
class _Mate:
    process: subprocess.Popen[bytes]
    wire: Connection


@dataclass(slots=True)
class Crew:
    """The kept scenario programs of one cut model, dealt out over processes; use it as `with Crew(...) as crew`.

    Args:
        processes: How many work, this one among them. The others start once and stay, as a kept model does.
    """

    processes: int = 1
    _mates: list[_Mate] = field(default_factory=list)
    _own: Recourse | None = None
    _told: TwoStage | None = None

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise PlanError(f"a crew of {self.processes} processes; at least one must work")
        for _ in range(self.processes - 1):
            here, there = Pipe()
            # A bare interpreter that loads the planner alone; a spawned one would load the whole command again first.
            told = [sys.executable, "-c", _MATE, str(there.fileno())]
            process = subprocess.Popen(told, pass_fds=(there.fileno(),), stdin=subprocess.DEVNULL)  # noqa: S603  # our own words
            there.close()
            self._mates.append(_Mate(process, here))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the other processes."""
        for mate in self._mates:
            mate.wire.close()
            try:
                mate.process.wait(timeout=_END_S)
            except subprocess.TimeoutExpired:
                mate.process.kill()
                mate.process.wait()
        self._mates.clear()

    def hand_over(self, problem: TwoStage) -> bool:
        """Takes a problem; True if the one before was the same cut of as many scenarios, so that bases were kept."""
        before, self._told = self._told, problem
        kept = before is not None and before.links is problem.links and before.scenarios.count == problem.scenarios.count
        shares = self._shares(problem.scenarios.count)
        for mate, share in zip(self._mates, shares[1:], strict=True):
            mate.wire.send(("numbers", (problem.scenarios, problem.model)) if kept else ("problem", (problem, share)))
        if kept and self._own is not None:
            self._own.retell(problem)
        else:
            self._own = Recourse(problem, shares[0])
        for mate in self._mates:
            self._receive(mate)
        return kept

    def evaluate(self, first: FloatArray) -> Evaluation:
        """What a first stage (its columns' values) costs in every scenario, in their order."""
        told, own = self._ready()
        linked = told.links.define @ first
        parts: list[Evaluation] = self._together("evaluate", linked, lambda: own.evaluate(linked))
        order = np.argsort(np.concatenate([part.which for part in parts]))
        return Evaluation(
            np.arange(order.size),
            np.concatenate([part.cost_cny for part in parts])[order],
            np.concatenate([part.slope for part in parts])[order],
        )

    def answers(self) -> Answers:
        """What every scenario does at the first stage evaluated last, in their order."""
        _, own = self._ready()
        parts: list[Answers] = self._together("answers", None, own.answers)
        order = np.argsort(np.concatenate([part.which for part in parts]))
        x, rows, columns = (
            np.concatenate([getattr(part, name) for part in parts])[order] for name in ("x", "row_dual", "column_dual")
        )
        return Answers(np.arange(order.size), x, rows, columns)

    def cpu_s(self) -> float:
        """CPU time of all processes since they began, this one's included."""
        for mate in self._mates:
            mate.wire.send(("cpu", None))
        return time.process_time() + sum(float(self._receive(mate)) for mate in self._mates)

    def _ready(self) -> tuple[TwoStage, Recourse]:
        if self._told is None or self._own is None:
            raise PlanError("a crew was asked before it was handed a problem")
        return self._told, self._own

    def _shares(self, count: int) -> list[IntArray]:
        return [np.arange(k, count, self.processes) for k in range(self.processes)]

    def _together(self, word: str, told: Any, own: Callable[[], Any]) -> list[Any]:
        for mate in self._mates:
            mate.wire.send((word, told))
        try:
            mine = own()
        finally:
            theirs = [self._receive(mate) for mate in self._mates]
        return [mine, *theirs]

    def _receive(self, mate: _Mate) -> Any:
        if not mate.wire.poll(_GUARD_S):
            raise PlanError(f"a process that solves scenarios said nothing for {_GUARD_S:.0f} s")
        try:
            said = mate.wire.recv()
        except EOFError as error:
            raise PlanError("a process that solves scenarios has ended") from error
        if isinstance(said, PlanError):
            raise said
        return said


def serve(handle: int) -> None:
    """Answers until the wire closes, which it also does when the parent dies; an interrupt is the parent's affair.

    Args:
        handle: Of the wire's open end.
    """
    wire = Connection(handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own: Recourse | None = None
    while True:
        try:
            word, told = wire.recv()
        except (EOFError, OSError):
            return
        try:
            own, said = _answer(word, told, own)
        except PlanError as error:
            said = error
        wire.send(said)


def _answer(word: str, told: Any, own: Recourse | None) -> tuple[Recourse | None, Any]:
    if word == "problem":
        return Recourse(*told), True
    if word == "cpu":
        return own, time.process_time()
    if own is None:
        raise PlanError("a process that solves scenarios was asked before it was handed any")
    if word == "numbers":
        scenarios, model = told
        own.retell(own.problem.retold(scenarios, model))
        return own, True
    return own, own.evaluate(told) if word == "evaluate" else own.answers()
