"""Which waiting jobs of a Slurm federation go to another cluster because the park has placed their work there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controllers.adapters.following.backlog import latest_start
from controllers.adapters.following.jobs import Job, Queue
from controllers.adapters.following.moves import Ask, Contract, Placed
from controllers.adapters.following.power import job_mw
from vpp.units import s_to_h
from vpp.wire.messages import Placement

__all__ = ["to_send"]


def to_send(
    asked: Sequence[Placement], queue: Queue, contract: Contract, ask: Ask, peers: Mapping[str, str]
) -> tuple[Placed, ...]:
    """Jobs of a placement's class that may wait, the most slack first, no more energy than was placed.

    A job goes only where its user lets it begin: the target must be among its own clusters in the federation already. What must
    begin soon to be in time stays, and so do tasks of arrays, which Slurm keeps together.

    Args:
        asked: Placements to send.
        queue: Of this cluster.
        contract: What may wait.
        ask: What the park asks for at this moment.
        peers: Slurm's names of clusters, by the park's.
    """
    found: list[Placed] = []
    gone: set[str] = set()
    for one in asked:
        target, left_mwh = peers.get(one.peer, ""), one.energy_mwh
        could = [job for job in queue.jobs if job.job_id not in gone and _may_go(job, one, target, contract, ask)]
        for job in sorted(could, key=lambda job: (latest_start(job, contract.rule(job)), job.job_id), reverse=True):
            energy_mwh = job_mw(job, contract.power) * s_to_h(job.left_s)
            if 0.0 < energy_mwh <= left_mwh:
                until = min(one.until, latest_start(job, contract.rule(job)) - ask.hold)
                found.append(Placed(job.job_id, target, job.clusters, until))
                gone.add(job.job_id)
                left_mwh -= energy_mwh
    return tuple(found)


def _may_go(job: Job, placement: Placement, target: str, contract: Contract, ask: Ask) -> bool:
    rule = contract.rule(job)
    waits = job.state == "pending" and job.job_class == placement.job_class and rule.may_wait and "_" not in job.job_id
    # Half a lease more, so that it is not brought back before its new cluster has looked at it.
    return waits and bool(target) and target in job.clusters and latest_start(job, rule) - 1.5 * ask.hold > ask.now
