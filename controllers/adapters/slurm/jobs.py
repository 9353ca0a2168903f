"""What Slurm says of its jobs, taken apart; no field that a user can write into is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from controllers.adapters.following.jobs import Job, JobState
from vpp.errors import SchedulerError
from vpp.units import HOURS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

__all__ = ["FORMAT", "STATES", "parse_jobs", "parse_nodes"]

#: For `squeue --states`.
STATES: Final = "PENDING,RUNNING,SUSPENDED"
_FIELDS: Final = (
    ("JobID", 24),
    ("State", 16),
    ("Partition", 64),
    ("NumNodes", 16),
    ("NumTasks", 16),
    ("tres-per-job", 80),
    ("tres-per-node", 80),
    ("tres-per-task", 80),
    ("Licenses", 80),
    ("SubmitTime", 24),
    ("EligibleTime", 24),
    ("Deadline", 24),
    ("TimeLimit", 24),
    ("TimeUsed", 24),
    ("Origin", 64),
    ("SiblingsViable", 200),
)
#: For `squeue --Format`: each field as wide as it may be, with a bar behind it.
FORMAT: Final = ",".join(f"{name}:{width}|" for name, width in _FIELDS)
_GPUS: Final = re.compile(r"gres[:/]gpu(?:[:/][A-Za-z][\w.-]*)?[:=](\d+)")
_GPU_WITHOUT_COUNT: Final = re.compile(r"gres[:/]gpu(?:[:/][A-Za-z][\w.-]*)?(?=,|$)")
_SPAN: Final = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_DAY_S: Final = HOURS_PER_DAY * SECONDS_PER_HOUR
#: A job without a time limit is taken to need this long. [s]
_ENDLESS_S: Final = 7 * _DAY_S


def parse_jobs(text: str) -> tuple[Job, ...]:
    """The answer of `squeue --Format` with `FORMAT`.

    Raises:
        SchedulerError: A line has another shape; it is quoted.
    """
    return tuple(_jobs(text))


def _jobs(text: str) -> Iterator[Job]:
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|")]
        if not line.strip():
            continue
        if len(words) != len(_FIELDS) + 1:
            raise SchedulerError(f"squeue: {line.strip()[:120]!r}: {len(words) - 1} fields instead of {len(_FIELDS)}")
        said = dict(zip((name for name, _ in _FIELDS), words, strict=False))
        try:
            yield _job(said)
        except (ValueError, KeyError) as error:
            raise SchedulerError(f"squeue: job {said['JobID']}: {error}") from error


def _job(said: dict[str, str]) -> Job:
    states: dict[str, JobState] = {"PENDING": "pending", "RUNNING": "running", "SUSPENDED": "suspended"}
    submitted_at = _instant(said["SubmitTime"])
    if submitted_at is None:
        raise ValueError(f"submit time {said['SubmitTime']!r}")
    return Job(
        job_id=said["JobID"],
        state=states[said["State"]],
        job_class=said["Partition"].split(",")[0],
        nodes=_least(said["NumNodes"]),
        gpus=_gpus(said),
        licences=tuple(_licences(said["Licenses"])),
        submitted_at=submitted_at,
        eligible_at=_instant(said["EligibleTime"]) or submitted_at,
        deadline=_instant(said["Deadline"]),
        limit_s=_span_s(said["TimeLimit"]),
        used_s=_span_s(said["TimeUsed"]),
        home=next(iter(_names(said["Origin"])), ""),
        clusters=_names(said["SiblingsViable"]),
    )


def _gpus(said: dict[str, str]) -> int:
    """GPUs may be asked for by job, node or task; Slurm shows what was asked."""
    nodes, tasks = _least(said["NumNodes"]), _least(said["NumTasks"])
    for field, times in (("tres-per-job", 1), ("tres-per-node", nodes), ("tres-per-task", tasks)):
        found = sum(int(count) for count in _GPUS.findall(said[field])) + len(_GPU_WITHOUT_COUNT.findall(said[field]))
        if found:
            return found * times
    return 0


def _licences(text: str) -> Iterator[tuple[str, int]]:
    for one in text.split(","):
        name, _, count = one.partition(":")
        if name and name not in ("(null)", "N/A"):
            yield name.split("@")[0], int(count) if count else 1


def _names(text: str) -> tuple[str, ...]:
    """Clusters of a federation; nothing where Slurm says in one of its ways that there is none."""
    return () if text in ("NA", "N/A", "(null)", "") else tuple(text.split(","))


def _least(text: str) -> int:
    """`4`, or the lower end of `2-4`."""
    return int(text.split("-")[0])


def _instant(text: str) -> datetime | None:
    if text in ("N/A", "NONE", "Unknown", "None", ""):
        return None
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _span_s(text: str) -> float:
    if text in ("UNLIMITED", "NOT_SET", "INVALID", "N/A"):
        return _ENDLESS_S if text == "UNLIMITED" else 0.0
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"length of time {text!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * _DAY_S + hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE + seconds


def parse_nodes(text: str) -> tuple[int, int]:
    r"""Nodes that draw power and their GPUs, from `sinfo --noheader --Node --format=%N|%T|%G`.

    >>> parse_nodes("gpu1|mixed|gpu:8\ngpu1|mixed|gpu:8\ngpu2|powered_down|gpu:8\ngpu3|idle|gpu:a100:4(S:0)\n")
    (2, 12)
    """
    up: dict[str, int] = {}
    for line in text.splitlines():
        name, state, gres = (line.split("|") + ["", ""])[:3]
        if name and not re.search(r"down|power|fail|unk|future", state):
            up[name] = sum(int(count) for count in _GPUS.findall(",".join(f"gres:{g}" for g in gres.split(","))))
    return len(up), sum(up.values())
