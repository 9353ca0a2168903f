from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Node, Pod

from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.kube.objects import DEADLINE, HELD, see
from controllers.adapters.kube.quota import Limit, change, is_held
from controllers.adapters.kube.settings import KubeSettings, load_kube
from tests.kube_schema import faults
from tests.kube_server import GPU, cluster_queue, node, pod, workload
from vpp.errors import SchedulerError

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
CLUSTER = "compute.zhisuan1"
LOCAL = ({"metadata": {"name": "flex", "namespace": "default"}, "spec": {"clusterQueue": "flex"}},)


def settings() -> KubeSettings:
    return KubeSettings(
        park="chifeng",
        cluster=CLUSTER,
        broker_url="mqtt://127.0.0.1:1883",
        fallback_cap_mw=1.0,
        rules={"flex": JobRule(tier=3, preemptible=True)},
        power=PowerModel(node_idle_kw=1.0, gpu_kw=1.0),
        state_dir=Path("state"),
    )


def stored(thing: dict[str, Any]) -> dict[str, Any]:
    """As the API server hands it out."""
    made = deepcopy(thing)
    made["metadata"] |= {"resourceVersion": "7", "creationTimestamp": "2030-10-01T07:00:00Z"}
    if "resourceGroups" in made["spec"]:
        made["spec"].setdefault("stopPolicy", "None")
    return made


def merged(thing: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    after = deepcopy(thing)
    after["spec"] |= patch["spec"]
    notes = {**after["metadata"].get("annotations", {}), **patch["metadata"]["annotations"]}
    after["metadata"]["annotations"] = {key: value for key, value in notes.items() if value is not None}
    if not after["metadata"]["annotations"]:
        del after["metadata"]["annotations"]
    return after


def admitted(name: str, gpus: int, since: str = "2030-10-01T07:30:00Z", **status: Any) -> dict[str, Any]:
    thing = stored(workload(name, "flex", gpus))
    condition = {"type": "Admitted", "status": "True", "reason": "Admitted", "message": "", "lastTransitionTime": since}
    assigned = {"name": "main", "count": 1, "flavors": {GPU: "a"}, "resourceUsage": {GPU: str(gpus)}}
    admission = {"clusterQueue": "flex", "podSetAssignments": [assigned]}
    return {**thing, "status": {"admission": admission, "conditions": [condition], **status}}


def test_run_time_counts_what_was_run_before_a_pause() -> None:
    for name in ("accumulatedPastExecutionTimeSeconds", "accumulatedPastExexcutionTimeSeconds"):
        (job,) = see([], [], [admitted("a", 4, **{name: 600})], LOCAL, settings(), NOW).queue.jobs
        assert (job.state, job.gpus, job.used_s, job.left_s) == ("running", 4, 2400.0, 4800.0)


def test_a_deadline_of_the_users_own_is_read_and_a_slip_of_the_pen_is_none() -> None:
    due = NOW + timedelta(hours=3)
    for said, found in ((str(int(due.timestamp())), due), ("tomorrow", None), ("9" * 40, None)):
        (job,) = see([], [], [stored(workload("a", "flex", 4, labels={DEADLINE: said}))], LOCAL, settings(), NOW).queue.jobs
        assert job.deadline == found


def test_only_ready_nodes_count_and_pods_of_others_are_firm() -> None:
    nodes = [Node.from_dict(node("up", 8)), Node.from_dict(node("down", 8, ready=False))]
    pods = [Pod.from_dict(pod("service", 2)), Pod.from_dict(pod("ending", 4, labels={"kueue.x-k8s.io/podset": "main"}))]
    queue = see(nodes, pods, [], LOCAL, settings(), NOW).queue
    assert (queue.nodes_up, queue.gpus, queue.lingering_gpus) == (1, 8, 4)
    assert [(job.job_class, job.gpus) for job in queue.jobs] == [("", 2)]


def test_what_somebody_else_laid_aside_is_no_work_of_ours() -> None:
    theirs, ours = stored(workload("theirs", "flex", 4)), stored(workload("ours", "flex", 4))
    for thing in (theirs, ours):
        thing["spec"]["active"] = False
    ours["metadata"]["annotations"] = {HELD: CLUSTER}
    assert [(j.job_id, j.state) for j in see([], [], [theirs, ours], LOCAL, settings(), NOW).queue.jobs] == [
        ("default/ours", "suspended")
    ]


def test_a_workload_of_another_shape_is_named() -> None:
    broken = stored(workload("odd", "flex", 4))
    del broken["spec"]["podSets"]
    with pytest.raises(SchedulerError, match="default/odd"):
        see([], [], [broken], LOCAL, settings(), NOW)


def test_a_queue_in_a_cohort_may_not_borrow_what_was_taken_from_it() -> None:
    queue = stored(cluster_queue("flex", {"a": 16}, cohort="all"))
    patch = change(queue, CLUSTER, GPU, Limit(8, {"a": 4}))
    assert patch is not None
    (quota,) = patch["spec"]["resourceGroups"][0]["flavors"][0]["resources"]
    assert (quota["nominalQuota"], quota["borrowingLimit"]) == ("8", "0")


def test_a_queue_that_its_owner_has_stopped_stays_stopped() -> None:
    queue = stored(cluster_queue("flex", {"a": 16}))
    queue["spec"]["stopPolicy"] = "HoldAndDrain"
    limited = merged(queue, change(queue, CLUSTER, GPU, Limit(stop=True)) or {})
    given_back = merged(limited, change(limited, CLUSTER, GPU, Limit()) or {})
    assert given_back["spec"]["stopPolicy"] == "HoldAndDrain"


def test_the_mark_of_another_cluster_is_left_alone() -> None:
    queue = stored(cluster_queue("flex", {"a": 16}))
    other = merged(queue, change(queue, "compute.aidc", GPU, Limit(stop=True)) or {})
    assert not is_held(other, CLUSTER)


limits = st.builds(
    Limit,
    st.one_of(st.none(), st.integers(0, 60)),
    st.fixed_dictionaries({"a": st.integers(0, 24), "b": st.integers(0, 24)}),
    st.booleans(),
)


@given(
    steps=st.lists(limits, min_size=1, max_size=4),
    cohort=st.sampled_from(["", "all"]),
    owned=st.tuples(*[st.integers(0, 24)] * 2),
)
def test_whatever_is_done_to_a_queue_is_valid_and_can_be_undone(steps: list[Limit], cohort: str, owned: tuple[int, int]) -> None:
    first = stored(cluster_queue("flex", dict(zip("ab", owned, strict=True)), cohort=cohort))
    queue = first
    for limit in [*steps, Limit()]:
        patch = change(queue, CLUSTER, GPU, limit)
        queue = queue if patch is None else merged(queue, patch)
        assert not [fault for fault in faults("clusterqueues", _whole(queue), None)]
        assert change(queue, CLUSTER, GPU, limit) is None  # a second look changes nothing
        if limit.gpus is not None and not limit.stop:
            given_to = [int(f["resources"][0]["nominalQuota"]) for f in queue["spec"]["resourceGroups"][0]["flavors"]]
            assert sum(given_to) <= max(limit.gpus, sum((limit.used or {}).values()))
            assert all(now <= was for now, was in zip(given_to, owned, strict=True))
    assert queue == first


def _whole(queue: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "ClusterQueue", **queue}


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda spec: spec.update(stopPolicy="Pause"), "stopPolicy"),
        (lambda spec: spec.update(stoppolicy="Hold"), "stoppolicy"),
        (lambda spec: spec["resourceGroups"][0]["flavors"][0]["resources"][0].update(nominalQuota="-1"), "greater than or equal"),
        (lambda spec: spec["resourceGroups"][0]["flavors"][0]["resources"][0].update(nominalQuota="many"), "nominalQuota"),
        (lambda spec: spec["resourceGroups"][0]["flavors"][0]["resources"][0].update(borrowingLimit="0"), "cohort is empty"),
        (lambda spec: spec["resourceGroups"][0].update(coveredResources=["cpu"]), "same order"),
    ],
)
def test_the_double_refuses_what_the_real_server_would(spoil: Any, word: str) -> None:
    queue = _whole(stored(cluster_queue("flex", {"a": 16})))
    assert list(faults("clusterqueues", queue, None)) == []
    spoil(queue["spec"])
    assert any(word in fault for fault in faults("clusterqueues", queue, None))


GOOD = """
park = "chifeng"
cluster = "compute.zhisuan1"
broker_url = "mqtt://127.0.0.1:1883"
fallback_cap_mw = 1.0
state_dir = "state"
[power]
node_idle_kw = 2.0
gpu_kw = 1.0
[queues.flex]
tier = 3
"""


def test_settings_are_read_from_a_file_and_a_wrong_one_is_named_with_its_rule(tmp_path: Path) -> None:
    path = tmp_path / "kube.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_kube(path).rules["flex"].may_wait
    spoiled = GOOD.replace("gpu_kw = 1.0", "gpu_kw = 0.0").replace("queues.flex", "partitions.flex")
    path.write_text('kueue_version = "v1"\n' + spoiled, encoding="utf-8")
    with pytest.raises(SchedulerError) as caught:
        load_kube(path)
    for word in ("kueue_version: 'v1'", "power.gpu_kw: 0", "partitions: unknown", "queues: is missing"):
        assert word in str(caught.value)
