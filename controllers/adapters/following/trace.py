"""What the adapter holds, on disk before it is done, so that whoever comes after can give it back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controllers.adapters.following.moves import Held, Placed
from vpp.errors import SchedulerError

__all__ = ["Trace", "read_trace", "write_trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is held, and until when.

    Args:
        held: Jobs and classes; it may name some that were meant to be held and are not.
        lease_until_s: On the machine's monotonic clock, which all of its processes share. [s]
        watchdog: Process id of the watchdog that minds it.
    """

    held: Held
    lease_until_s: float
    watchdog: int


def read_trace(path: Path) -> Trace | None:
    """What was written last; None where nothing is.

    Raises:
        SchedulerError: The file is not one of ours.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SchedulerError(f"{path}: {error}; remove it once nothing of the park's is held") from error
    try:
        paused, closed, put_off = (frozenset(_names(said, key)) for key in ("paused", "closed", "put_off"))
        # What an adapter of before wrote down knows of no placed jobs.
        held = Held(paused, closed, put_off, frozenset(_placed(one) for one in said.get("placed", ())))
        return Trace(held, float(said["lease_until_s"]), int(said["watchdog"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchedulerError(f"{path}: {error!r}: not a file of this adapter; remove it once nothing is held") from error


def write_trace(path: Path, trace: Trace) -> None:
    """Whole or not at all, and on disk when it returns.

    Raises:
        SchedulerError: The disk is full or the folder cannot be written; then nothing may be held either.
    """
    held = {"paused": sorted(trace.held.paused), "closed": sorted(trace.held.closed), "put_off": sorted(trace.held.put_off)}
    rows = sorted(trace.held.placed, key=lambda one: one.job_id)
    placed = [[one.job_id, one.target, ",".join(one.before), one.until.isoformat()] for one in rows]
    text = json.dumps({**held, "placed": placed, "lease_until_s": trace.lease_until_s, "watchdog": trace.watchdog})
    half = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise SchedulerError(f"{path}: {error}; nothing is held that is not written down") from error


def _placed(said: Sequence[object]) -> Placed:
    job_id, target, before, until = map(str, said)
    return Placed(job_id, target, tuple(before.split(",")), datetime.fromisoformat(until))


def _names(said: Mapping[str, object], key: str) -> list[str]:
    found = said[key]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{key} is not a list of names")
    return found
