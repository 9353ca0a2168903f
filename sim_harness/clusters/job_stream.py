"""Jobs one by one: what a quarter hour brings as work, cut into gangs with run times, deadlines and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from sim_harness.clusters.arrivals import QUARTER_S, Arrivals, TraceHours
from sim_harness.clusters.hardware import Hardware
from sim_harness.clusters.job_sizes import (
    NODES_FILE,
    PODS_FILE,
    TRACE_FIRST_DAY,
    TRACE_LAST_DAY,
    JobSizes,
    fitted_sizes,
    read_pods,
    sizes_of,
)
from vpp.errors import ScenarioError
from vpp.park.plates import ComputePlate
from vpp.units import HOURS_PER_DAY, SECONDS_PER_HOUR, FloatArray, IntArray, h_to_s

__all__ = ["JobStream", "NewJobs", "Trace", "open_trace", "sizes_or_fitted", "widest_gpus"]

#: Checkpoints come every 15-30 min (DESIGN section 11): each job has its own interval, in this band around the plate's.
CHECKPOINT_BAND: Final = (0.75, 1.5)
#: The trace has no wall clock. Its quiet hours lie around hour 13 of its own day; they are laid on 3 at night, park time.
QUIET_TRACE_HOUR: Final = 13
QUIET_PARK_HOUR: Final = 3


@dataclass(frozen=True, slots=True)
class NewJobs:
    """Jobs released in one quarter hour, in order of time; all shapes (jobs,).

    Args:
        release_s: Second of the run.
        gpus: Width.
        run_s: Run time without a cap.
        deadline_s: The run time and the whole slack of the class after the release.
        job_class: Index of the class.
        checkpoint_s: Time between two checkpoints.
    """

    release_s: FloatArray
    gpus: IntArray
    run_s: FloatArray
    deadline_s: FloatArray
    job_class: IntArray
    checkpoint_s: FloatArray


@dataclass(frozen=True, slots=True)
class Trace:
    """What the harness takes from the public job trace: sizes, hours, and how large its cluster was."""

    sizes: JobSizes
    share: FloatArray
    gpus: int

    def hours_for(self, hardware: Hardware) -> TraceHours:
        """The hours of arrival for a cluster: a large one serves as many tenants as it holds clusters of the trace's size."""
        return TraceHours(self.share, max(1, round(hardware.gpus / self.gpus)))


def open_trace(data_dir: Path) -> Trace | None:
    """The trace in a folder of measured series; None where the folder has none.

    Raises:
        ScenarioError: One of its two files is missing or is something else.
    """
    if not (data_dir / PODS_FILE).is_file() and not (data_dir / NODES_FILE).is_file():
        return None
    pods, nodes = read_pods(data_dir), _read_nodes(data_dir)
    days = TRACE_LAST_DAY - TRACE_FIRST_DAY
    hour = (pods["created_s"].to_numpy() // SECONDS_PER_HOUR).astype(np.int64)
    count = np.bincount(hour, minlength=days * int(HOURS_PER_DAY)).reshape(days, int(HOURS_PER_DAY)).astype(np.float64)
    share = np.roll(count / count.mean(), QUIET_PARK_HOUR - QUIET_TRACE_HOUR, axis=1)
    return Trace(sizes_of(pods), share, nodes)


def _read_nodes(data_dir: Path) -> int:
    path = data_dir / NODES_FILE
    try:
        return int(pd.read_parquet(path, columns=["num_gpu"])["num_gpu"].sum())
    except FileNotFoundError as error:
        raise ScenarioError([f"{path}: no such file; the job trace needs it beside {PODS_FILE}"]) from error
    except (ValueError, KeyError, OSError) as error:
        raise ScenarioError([f"{path}: is not the trace's list of nodes (needs num_gpu): {error}"]) from error


class JobStream:
    """Draws the jobs of one cluster quarter by quarter, at the work that `Arrivals` says.

    Args:
        plate: Classes and slacks, time between checkpoints.
        hardware: The machines; no job is wider than a quarter of them.
        arrivals: Work of each quarter and class.
        sizes: The table to draw from.
        rng: Its own stream.
    """

    def __init__(
        self, plate: ComputePlate, hardware: Hardware, arrivals: Arrivals, sizes: JobSizes, rng: np.random.Generator
    ) -> None:
        self.sizes = JobSizes(np.minimum(sizes.gpus, widest_gpus(hardware)), sizes.run_s, sizes.source)
        self.arrivals = arrivals
        self._plate, self._rng = plate, rng
        self._slack_s = np.array([h_to_s(c.slack_h) for c in plate.job_classes])
        self._job_mw_s = self.sizes.mean_gpu_s * hardware.mw_per_gpu

    def running_at_start(self) -> NewJobs:
        """Jobs that began before the run and go on in it, with what is left of them; released at second 0."""
        mean_mw = np.array(self.arrivals.work_mean_mw)
        # As many are met running as arrive in a mean run time.
        counts = self._rng.poisson(mean_mw * np.mean(self.sizes.run_s) / self._job_mw_s)
        job_class = np.repeat(np.arange(counts.size), counts)
        gpus, run_s = self.sizes.draw_running(job_class.size, self._rng)
        return self._jobs(np.zeros(job_class.size), gpus, run_s * self._rng.random(job_class.size), job_class)

    def quarter(self, index: int) -> NewJobs:
        """The jobs that a quarter releases; quarters are asked for once each, in order."""
        work_mw = np.array(self.arrivals.quarter(index).work_mw)
        begin_s = self.arrivals.begin_s(index)
        length_s = QUARTER_S + min(0.0, begin_s)
        counts = self._rng.poisson(work_mw * length_s / self._job_mw_s)
        n = int(counts.sum())
        release_s = np.sort(max(0.0, begin_s) + length_s * self._rng.random(n))
        job_class = self._rng.permutation(np.repeat(np.arange(counts.size), counts))
        gpus, run_s = self.sizes.draw(n, self._rng)
        return self._jobs(release_s, gpus, run_s, job_class)

    def _jobs(self, release_s: FloatArray, gpus: IntArray, run_s: FloatArray, job_class: IntArray) -> NewJobs:
        low, high = CHECKPOINT_BAND
        checkpoint_s = self._plate.checkpoint_s * (low + (high - low) * self._rng.random(gpus.size))
        deadline_s = release_s + run_s + self._slack_s[job_class]
        return NewJobs(release_s, gpus, run_s, deadline_s, job_class, checkpoint_s)


def widest_gpus(hardware: Hardware) -> int:
    """No job is wider than a quarter of the nodes."""
    return max(8, hardware.nodes // 4 * 8)


def sizes_or_fitted(trace: Trace | None) -> JobSizes:
    """The trace's own jobs, or without it those fitted to it."""
    return fitted_sizes() if trace is None else trace.sizes
