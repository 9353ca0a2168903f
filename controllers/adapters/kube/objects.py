"""What the API server says of nodes, pods and workloads, taken apart: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from lightkube.models.core_v1 import PodSpec
from lightkube.resources.core_v1 import Node, Pod
from lightkube.utils.quantity import parse_quantity

from controllers.adapters.following.jobs import Job, JobState, Queue
from controllers.adapters.kube.settings import KubeSettings
from vpp.errors import SchedulerError
from vpp.units import h_to_s

__all__ = ["DEADLINE", "HELD", "Object", "Seen", "Work", "see"]

#: A custom resource as JSON.
Object: TypeAlias = Mapping[str, Any]
#: Annotation on all that this adapter has changed; its value says for which cluster, and on a queue what was there before.
HELD: Final = "vpp.park/held"
#: Label with a deadline of the user's own, in seconds since 1970; Kueue copies it from a job where `labelKeysToCopy` names it.
DEADLINE: Final = "vpp.park/deadline"
#: Digits of a second in this millennium.
_LONGEST: Final = 10
#: Kueue puts one of them on the pods it has let start.
_OF_KUEUE: Final = frozenset({"kueue.x-k8s.io/podset", "kueue.x-k8s.io/managed"})


@dataclass(frozen=True, slots=True)
class Work:
    """One workload.

    Args:
        job: In the words of all schedulers.
        flavors: GPUs it holds, by resource flavor; empty while it holds none.
    """

    job: Job
    flavors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """A cluster at one moment.

    Args:
        queue: In the words of all schedulers; pods with GPUs that are not Kueue's are firm jobs in it.
        works: Kueue's workloads by the id of their job.
    """

    queue: Queue
    works: Mapping[str, Work]


def see(  # noqa: PLR0913  one cluster, kind of object by kind of object
    nodes: Iterable[Node],
    pods: Iterable[Pod],
    workloads: Iterable[Object],
    local_queues: Iterable[Object],
    settings: KubeSettings,
    now: datetime,
) -> Seen:
    """Everything that draws power or waits for it.

    Raises:
        SchedulerError: An object has another shape than its schema says; it is named.
    """
    up = [node for node in nodes if _is_ready(node)]
    resource = settings.gpu_resource
    gpus = sum(_count((node.status.allocatable if node.status else None) or {}, resource) for node in up)
    classes = {(_name(q)[0], _name(q)[1]): str(q["spec"].get("clusterQueue", "")) for q in local_queues}
    works = {}
    for workload in workloads:
        try:
            work = _work(workload, classes, settings, now)
        except (KeyError, TypeError, ValueError) as error:
            raise SchedulerError(f"workload {'/'.join(_name(workload))}: {error!r}") from error
        if work is not None:
            works[work.job.job_id] = work
    firm, of_kueue = _pods(pods, resource, now)
    admitted = sum(work.job.gpus for work in works.values() if work.job.state == "running")
    jobs = (*(work.job for work in works.values()), *firm)
    return Seen(Queue(jobs, len(up), gpus, lingering_gpus=max(of_kueue - admitted, 0)), works)


def _is_ready(node: Node) -> bool:
    conditions = (node.status.conditions if node.status else None) or []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def _pods(pods: Iterable[Pod], resource: str, now: datetime) -> tuple[list[Job], int]:
    """Running pods with GPUs that are nobody's but their owner's, as jobs; and the GPUs of those that Kueue started."""
    firm, of_kueue = [], 0
    for pod in pods:
        count = _pod_gpus(pod.spec, resource) if pod.status and pod.status.phase == "Running" else 0
        if not count or pod.metadata is None:
            continue
        if _OF_KUEUE & (pod.metadata.labels or {}).keys():
            of_kueue += count
        else:
            name = f"pod:{pod.metadata.namespace}/{pod.metadata.name}"
            firm.append(Job(name, "running", "", 1, count, (), now, now, None, 0.0, 0.0))
    return firm, of_kueue


def _pod_gpus(spec: PodSpec | None, resource: str) -> int:
    asked = [c.resources for c in (spec.containers if spec else ()) if c.resources is not None]
    return sum(_count(r.requests or {}, resource) or _count(r.limits or {}, resource) for r in asked)


def _work(workload: Object, classes: Mapping[tuple[str, str], str], settings: KubeSettings, now: datetime) -> Work | None:
    """None for what is finished, or was laid aside by somebody else."""
    namespace, name = _name(workload)
    spec, status = workload["spec"], workload.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    active, admission = spec.get("active", True), status.get("admission")
    ours = (workload["metadata"].get("annotations") or {}).get(HELD) == settings.cluster
    if _is_true(conditions.get("Finished")) or (not active and not ours):
        return None
    state: JobState = "suspended" if not active else "running" if admission else "pending"
    flavors = _flavors(admission, settings.gpu_resource) if admission and state == "running" else {}
    created = _instant(workload["metadata"]["creationTimestamp"])
    job = Job(
        job_id=f"{namespace}/{name}",
        state=state,
        job_class=str(admission["clusterQueue"]) if admission else classes.get((namespace, str(spec.get("queueName", ""))), ""),
        nodes=1,
        gpus=sum(flavors.values()) if flavors else _asked(spec["podSets"], settings.gpu_resource),
        licences=(),
        submitted_at=created,
        eligible_at=created,
        deadline=_deadline(workload["metadata"].get("labels") or {}),
        limit_s=float(spec.get("maximumExecutionTimeSeconds") or h_to_s(settings.run_h)),
        used_s=_used_s(status, conditions.get("Admitted") if state == "running" else None, now),
    )
    return Work(job, flavors)


def _used_s(status: Object, admitted: Object | None, now: datetime) -> float:
    # The field had a slip of the pen in its name for some versions.
    past_s = status.get("accumulatedPastExecutionTimeSeconds", status.get("accumulatedPastExexcutionTimeSeconds")) or 0
    if admitted is None or not _is_true(admitted):
        return float(past_s)
    return float(past_s) + max((now - _instant(admitted["lastTransitionTime"])) / timedelta(seconds=1), 0.0)


def _flavors(admission: Object, resource: str) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for assigned in admission.get("podSetAssignments") or ():
        flavor = (assigned.get("flavors") or {}).get(resource)
        if flavor is not None:
            found[flavor] += _count(assigned.get("resourceUsage") or {}, resource)
    return dict(found)


def _asked(pod_sets: Iterable[Object], resource: str) -> int:
    found = 0
    for pod_set in pod_sets:
        for container in pod_set["template"]["spec"].get("containers") or ():
            asked = container.get("resources") or {}
            each = _count(asked.get("requests") or {}, resource) or _count(asked.get("limits") or {}, resource)
            found += int(pod_set.get("count", 1)) * each
    return found


def _deadline(labels: Mapping[str, str]) -> datetime | None:
    """None where there is none, or one that nobody can read: a slip of a user's pen stops no cluster."""
    said = labels.get(DEADLINE, "")
    if not said.isdigit() or len(said) > _LONGEST:
        return None
    return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(seconds=int(said))


def _name(thing: Object) -> tuple[str, str]:
    return str(thing["metadata"].get("namespace", "")), str(thing["metadata"]["name"])


def _is_true(condition: Object | None) -> bool:
    return condition is not None and condition["status"] == "True"


def _count(resources: Mapping[str, Any], resource: str) -> int:
    return int(parse_quantity(str(resources.get(resource, 0))) or 0)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
