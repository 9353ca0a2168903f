"""Every job that is not long gone, as columns: arrays for questions about all of them, views for the one that moves."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np

from sim_harness.clusters.job_stream import NewJobs
from vpp.units import FloatArray, IntArray

__all__ = ["JobState", "JobTable"]

_FIRST_ROWS: Final = 4096
#: Cells of a column, read and written one by one; the stubs of numpy do not know its arrays as buffers.
_Cells: TypeAlias = Any


class JobState(IntEnum):
    """Where a job is. A job that missed its deadline goes on; that it did is counted beside this."""

    WAITING = 0
    RUNNING = 1
    #: Running, and to pause at its next checkpoint.
    LEAVING = 2
    PAUSED = 3
    DONE = 4


class JobTable:
    """Columns of jobs; a job's number is its row until `compact` drops the rows of old jobs.

    `left_s` is what a job needed when it last stood still, `end_v` the virtual second (see
    `discrete`) at which a running job will be done, `from_s` the second at which it began to make progress. The memoryviews write
    through to the arrays: reading one cell of an array by its index costs three times as much.
    """

    def __init__(self) -> None:
        self.n = 0
        self._floats: dict[str, FloatArray] = {}
        self._ints: dict[str, IntArray] = {}
        self._flags: dict[str, np.ndarray[tuple[int], np.dtype[np.int8]]] = {}
        self._make(_FIRST_ROWS)

    def _make(self, rows: int) -> None:
        old, self._floats, self._ints, self._flags = self._columns(), {}, {}, {}
        self._floats = {name: np.zeros(rows) for name in ("deadline_s", "checkpoint_s", "left_s", "end_v", "from_s")}
        self._ints = {name: np.zeros(rows, dtype=np.int64) for name in ("gpus", "job_class", "node")}
        self._flags = {name: np.zeros(rows, dtype=np.int8) for name in ("state", "missed", "resumed", "guest")}
        for name, column in self._columns().items():
            if name in old:
                column[: self.n] = old[name][: self.n]
        f, i, b = self._floats, self._ints, self._flags
        self.deadline_s, self.checkpoint_s, self.left_s = f["deadline_s"], f["checkpoint_s"], f["left_s"]
        self.end_v, self.from_s = f["end_v"], f["from_s"]
        self.gpus, self.job_class, self.state, self.missed = i["gpus"], i["job_class"], b["state"], b["missed"]
        self.guest = b["guest"]
        self.at_end_v, self.at_from_s, self.at_left_s = _cells(f["end_v"]), _cells(f["from_s"]), _cells(f["left_s"])
        self.at_deadline_s, self.at_checkpoint_s = _cells(f["deadline_s"]), _cells(f["checkpoint_s"])
        self.at_gpus, self.at_class, self.at_node = _cells(i["gpus"]), _cells(i["job_class"]), _cells(i["node"])
        self.at_state, self.at_missed, self.at_resumed = _cells(b["state"]), _cells(b["missed"]), _cells(b["resumed"])
        self.at_guest = _cells(b["guest"])

    def _columns(self) -> dict[str, Any]:
        return {**self._floats, **self._ints, **self._flags}

    def add(self, jobs: NewJobs) -> int:
        """Add waiting jobs; the row of the first."""
        first, count = self.n, jobs.gpus.size
        while first + count > self.state.size:
            self._make(2 * self.state.size)
        rows = slice(first, first + count)
        self.gpus[rows], self.job_class[rows] = jobs.gpus, jobs.job_class
        self.left_s[rows] = jobs.run_s
        self.deadline_s[rows], self.checkpoint_s[rows] = jobs.deadline_s, jobs.checkpoint_s
        for name in ("end_v", "from_s", "state", "missed", "resumed", "guest"):
            self._columns()[name][rows] = 0
        self.n = first + count
        return first

    def unfinished(self) -> IntArray:
        """Rows of all jobs that are not done."""
        return np.flatnonzero(self.state[: self.n] != JobState.DONE)

    def running(self) -> IntArray:
        """Rows of the jobs that run and are not about to pause."""
        return np.flatnonzero(self.state[: self.n] == JobState.RUNNING)

    def need_s(self, rows: IntArray, virtual_s: float) -> FloatArray:
        """Run time that jobs still need, warm-up after a pause included, shape (rows,)."""
        state = self.state[rows]
        runs = (state == JobState.RUNNING) | (state == JobState.LEAVING)
        need: FloatArray = np.where(runs, self.end_v[rows] - virtual_s, self.left_s[rows])
        return need

    def compact(self) -> int:
        """Drop done jobs at the head once they are more than half; how many rows went. Numbers kept elsewhere shift by it."""
        open_rows = self.unfinished()
        head = int(open_rows[0]) if open_rows.size else self.n
        if head <= self.n // 2 or head < _FIRST_ROWS // 2:
            return 0
        for column in self._columns().values():
            column[: self.n - head] = column[head : self.n].copy()
        self.n -= head
        return head


def _cells(column: Any) -> _Cells:
    return memoryview(column)
