"""Carrying out independent trainings: one by one, over the cores of this machine, or over a Dask cluster, with the same result.

A training is a function of frozen arrays that returns LightGBM's text, so that it does not matter where it ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from vpp.errors import ForecastError

__all__ = ["Spread", "one_by_one", "over_cores", "over_dask"]

J = TypeVar("J")


class Spread(Protocol):
    """Applies a pure function to each of some jobs, answers in the order of the jobs."""

    def __call__(self, work: Callable[[J], str], jobs: Sequence[J]) -> list[str]:
        """The answers."""
        ...


def one_by_one(work: Callable[[J], str], jobs: Sequence[J]) -> list[str]:
    """In this process, in order."""
    return [work(job) for job in jobs]


def over_cores(processes: int) -> Spread:
    """Over processes of this machine, by joblib."""
    # Both are of use to a few commands only, and slow to load.
    from joblib import Parallel, delayed

    def spread(work: Callable[[J], str], jobs: Sequence[J]) -> list[str]:
        return list(Parallel(n_jobs=processes)(delayed(work)(job) for job in jobs))

    return spread


@contextmanager
def over_dask(address: str, timeout_s: float = 30.0) -> Iterator[Spread]:
    """Over the workers of a Dask cluster.

    Args:
        address: Of its scheduler, as in `tcp://10.0.0.5:8786`.
        timeout_s: For the first answer.

    Raises:
        ForecastError: No scheduler answers there, or no worker is there.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ForecastError(f"no Dask scheduler answers at {address} ({error}); give --scheduler tcp://HOST:PORT") from error
    try:
        if not client.scheduler_info()["workers"]:
            raise ForecastError(f"the Dask scheduler at {address} has no worker; start one with `dask worker {address}`")

        def spread(work: Callable[[J], str], jobs: Sequence[J]) -> list[str]:
            # The function carries its arrays: sent once to each worker, not once with each job.
            sent: Any = client.scatter(work, broadcast=True, hash=False)
            answers: list[str] = client.gather([client.submit(_call, sent, job, pure=False) for job in jobs])
            return answers

        yield spread
    finally:
        client.close()


def _call(work: Callable[[J], str], job: J) -> str:
    return work(job)
