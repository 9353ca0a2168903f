"""Slurm's own commands, as few as it needs; each has a time limit and one clear error."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controllers.adapters.following.jobs import Queue
from controllers.adapters.slurm.ahead import PREFIX, Reservation
from controllers.adapters.slurm.jobs import FORMAT, STATES, parse_jobs, parse_nodes
from controllers.adapters.slurm.settings import Ahead
from vpp.errors import SchedulerError
from vpp.units import SECONDS_PER_MINUTE

__all__ = ["Slurm", "find_slurm"]

#: Ids in one command; its line must stay short of what a kernel takes.
_CHUNK: Final = 500


def find_slurm() -> bool:
    """Whether this machine has Slurm's commands."""
    return all(shutil.which(program) for program in ("squeue", "sinfo", "scontrol"))


@dataclass(frozen=True, slots=True)
class Slurm:
    """One cluster, by its command-line tools: the REST daemon has neither suspend nor requeue.

    Args:
        conf: Slurm's configuration file; empty for its default.
        timeout_s: Longest wait for a command. [s]
    """

    conf: str = ""
    timeout_s: float = 20.0

    async def queue(self) -> Queue:
        """All jobs and nodes.

        Raises:
            SchedulerError: Slurm does not answer, or says what nobody can read.
        """
        jobs, nodes = await asyncio.gather(
            self._run("squeue", "--local", "--noheader", "--all", "--array", f"--states={STATES}", f"--Format={FORMAT}"),
            self._run("sinfo", "--local", "--noheader", "--Node", "--format=%N|%T|%G"),
        )
        up, gpus = parse_nodes(nodes)
        return Queue(parse_jobs(jobs), up, gpus)

    async def pause(self, job_ids: Sequence[str]) -> None:
        """Suspends running jobs; they keep their GPUs. One that has ended meanwhile is no fault."""
        await self._each_chunk("suspend", job_ids)

    async def resume(self, job_ids: Sequence[str]) -> None:
        """Lets paused jobs go on."""
        await self._each_chunk("resume", job_ids)

    async def close(self, partitions: Iterable[str]) -> None:
        """Nothing more starts there; what runs goes on."""
        for name in partitions:
            await self._run("scontrol", "update", f"partitionname={name}", "state=DOWN")

    async def open(self, partitions: Iterable[str]) -> None:
        """Jobs may start there again."""
        for name in partitions:
            await self._run("scontrol", "update", f"partitionname={name}", "state=UP")

    async def put_off(self, job_ids: Sequence[str], until: datetime) -> None:
        """Waiting jobs may start at that moment, by themselves."""
        await self._update(job_ids, f"starttime={until:%Y-%m-%dT%H:%M:%S}")

    async def let_start(self, job_ids: Sequence[str]) -> None:
        """Waiting jobs may start now."""
        await self._update(job_ids, "starttime=now")

    async def restrict(self, job_ids: Sequence[str], clusters: Sequence[str]) -> None:
        """Waiting jobs of a federation may begin in these clusters and no other; one that has begun stays where it is."""
        await self._update(job_ids, f"clusters={','.join(clusters)}")

    async def reservations(self) -> frozenset[str]:
        """Names of those that are ours."""
        with suppress(SchedulerError):  # `No reservations in the system` ends with an error in some versions
            said = await self._run("scontrol", "--oneliner", "show", "reservations")
            names = (line.split()[0].partition("=")[2] for line in said.splitlines() if line.startswith("ReservationName="))
            return frozenset(name for name in names if name.startswith(f"{PREFIX}_"))
        return frozenset()

    async def reserve(self, wanted: Reservation, ahead: Ahead, licence: str) -> None:
        """Makes one.

        Raises:
            SchedulerError: Slurm refuses it.
        """
        minutes = round((wanted.end - wanted.start).total_seconds() / SECONDS_PER_MINUTE)
        what = (
            ("flags=LICENSE_ONLY", f"licenses={licence}:{wanted.count}")
            if ahead == "licences"
            else ("flags=MAINT,IGNORE_JOBS", f"nodecnt={wanted.count}")
        )
        start = f"starttime={wanted.start:%Y-%m-%dT%H:%M:%S}"
        await self._run(
            "scontrol",
            "create",
            "reservation",
            f"reservationname={wanted.name}",
            start,
            f"duration={minutes}",
            "users=root",
            *what,
        )

    async def unreserve(self, names: Iterable[str]) -> None:
        """Deletes some; one that has ended meanwhile is no fault."""
        for name in names:
            await self._run("scontrol", "delete", f"reservation={name}", ok_words=("not found", "Requested reservation"))

    async def _each_chunk(self, verb: str, job_ids: Sequence[str]) -> None:
        for first in range(0, len(job_ids), _CHUNK):
            some = ",".join(job_ids[first : first + _CHUNK])
            # Jobs end and are cancelled at any time; the next look at the queue shows what is true.
            await self._run("scontrol", verb, some, ok_words=("Job/step", "Invalid job id", "Job is", "not running", "finished"))

    async def _update(self, job_ids: Sequence[str], change: str) -> None:
        for first in range(0, len(job_ids), _CHUNK):
            some = ",".join(job_ids[first : first + _CHUNK])
            words = ("Job/step", "Invalid job id", "Job is no longer pending", "finished")
            await self._run("scontrol", "update", f"jobid={some}", change, ok_words=words)

    async def _run(self, *words: str, ok_words: Sequence[str] = ()) -> str:
        """Its output; times are UTC.

        Raises:
            SchedulerError: The command is missing, fails for another reason than those named, or takes too long.
        """
        said = {**os.environ, "TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
        if self.conf:
            said["SLURM_CONF"] = self.conf
        try:
            process = await asyncio.create_subprocess_exec(
                *words, env=said, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except FileNotFoundError as error:
            raise SchedulerError(f"{words[0]} is not installed on this machine, or not on the search path") from error
        try:
            async with asyncio.timeout(self.timeout_s):
                output, fault = await process.communicate()
        except BaseException as error:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise SchedulerError(f"{' '.join(words[:2])}: no answer within {self.timeout_s:g} s") from error
            raise
        if process.returncode != 0:
            lines = [line for line in fault.decode(errors="replace").splitlines() if line.strip()]
            if not lines or not all(any(word in line for word in ok_words) for line in lines):
                raise SchedulerError(f"{' '.join(words)[:200]}: {lines[-1] if lines else f'status {process.returncode}'}")
        return output.decode(errors="replace")
