"""From the jobs of a scheduler to the cluster's power at its meter."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.adapters.following.jobs import Job, Queue
from controllers.adapters.following.settings import PowerModel
from vpp.units import KW_PER_MW

__all__ = ["full_mw", "idle_mw", "job_kw", "job_mw", "power_mw"]


def job_kw(job: Job, model: PowerModel) -> float:
    """What a job adds while it runs: what it states in licences, else its GPUs. [kW]."""
    stated = sum(count for name, count in job.licences if name == model.licence) if model.licence else 0
    return float(stated) if stated else job.gpus * model.gpu_kw


def job_mw(job: Job, model: PowerModel) -> float:
    """The same at the meter. [MW]."""
    return job_kw(job, model) * model.pue / KW_PER_MW


def idle_mw(queue: Queue, model: PowerModel) -> float:
    """Nodes that are up, whatever runs. [MW]."""
    return queue.nodes_up * model.node_idle_kw * model.pue / KW_PER_MW


def full_mw(queue: Queue, model: PowerModel) -> float:
    """Every GPU busy. [MW]."""
    return idle_mw(queue, model) + queue.gpus * model.gpu_kw * model.pue / KW_PER_MW


def power_mw(queue: Queue, model: PowerModel, paused: Iterable[str] = ()) -> float:
    """What runs now, less what is about to be paused. [MW]."""
    gone = frozenset(paused)
    return idle_mw(queue, model) + sum(job_mw(job, model) for job in queue.running() if job.job_id not in gone)
