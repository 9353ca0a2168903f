"""What the API server would take of the objects that the adapter touches.

Nodes and pods are held against the types of lightkube, which are made from Kubernetes' OpenAPI. Kueue's three kinds are written
down here by hand after its CustomResourceDefinitions (kueue.x-k8s.io v1beta1, as they stood in 2025): names, types, enumerations,
patterns, limits, required fields and validation rules of the parts that are used. It is stricter in one thing: a field that is
not written down here is refused, where a real server knows many more and drops what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator
from lightkube.models.core_v1 import Node, Pod

__all__ = ["faults"]

_WORD: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME: Final = {"type": "string", "maxLength": 253, "pattern": rf"^{_WORD}(\.{_WORD})*$"}
_NUMBER: Final = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY: Final = {
    "type": ["integer", "string"],
    "pattern": rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$",
}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def _list(items: Mapping[str, Any], least: int = 0, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, **({} if most is None else {"maxItems": most})}


_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT: Final = {"type": "integer", "minimum": 0}
_META: Final = _object(
    "name",
    name=_NAME,
    namespace=_NAME,
    uid={"type": "string"},
    resourceVersion={"type": "string"},
    generation=_COUNT,
    creationTimestamp={"type": "string"},
    labels=_TEXTS,
    annotations=_TEXTS,
    ownerReferences={"type": "array"},
)
_CONDITIONS: Final = _list(
    _object(
        "lastTransitionTime message reason status type",
        type={"type": "string", "maxLength": 316},
        status={"enum": ["True", "False", "Unknown"]},
        reason={"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
        message={"type": "string", "maxLength": 32768},
        lastTransitionTime={"type": "string"},
        observedGeneration=_COUNT,
    )
)
_QUOTA: Final = _object(
    "name nominalQuota", name={"type": "string"}, nominalQuota=_QUANTITY, borrowingLimit=_QUANTITY, lendingLimit=_QUANTITY
)
_GROUP: Final = _object(
    "coveredResources flavors",
    coveredResources=_list({"type": "string"}, 1, 16),
    flavors=_list(_object("name resources", name=_NAME, resources=_list(_QUOTA, 1, 16)), 1, 16),
)
_SELECTOR: Final = {"type": "object"}
_CLUSTER_QUEUE: Final = _object(
    cohort=_NAME,
    namespaceSelector=_SELECTOR,
    preemption={"type": "object"},
    queueingStrategy={"enum": ["StrictFIFO", "BestEffortFIFO"]},
    resourceGroups=_list(_GROUP, 0, 16),
    stopPolicy={"enum": ["None", "Hold", "HoldAndDrain"]},
)
_POD_SET: Final = _object(
    "count template",
    name={"type": "string", "maxLength": 63},
    count=_COUNT,
    minCount={"type": "integer", "minimum": 1},
    template={"type": "object", "required": ["spec"]},
)
_WORKLOAD: Final = _object(
    "podSets",
    active={"type": "boolean"},
    maximumExecutionTimeSeconds={"type": "integer", "minimum": 1},
    podSets=_list(_POD_SET, 1, 8),
    priority={"type": "integer"},
    priorityClassName=_NAME,
    priorityClassSource={"enum": ["kueue.x-k8s.io/workloadpriorityclass", "scheduling.k8s.io/priorityclass", ""]},
    queueName=_NAME,
)
_ASSIGNMENT: Final = _object(
    "name",
    name={"type": "string", "maxLength": 63},
    count=_COUNT,
    flavors={"type": "object", "additionalProperties": _NAME},
    resourceUsage={"type": "object", "additionalProperties": _QUANTITY},
)
_ADMISSION: Final = _object("clusterQueue podSetAssignments", clusterQueue=_NAME, podSetAssignments=_list(_ASSIGNMENT, 0, 8))
_WORKLOAD_STATUS: Final = _object(accumulatedPastExecutionTimeSeconds=_COUNT, admission=_ADMISSION, conditions=_CONDITIONS)
_LOCAL_QUEUE: Final = _object(clusterQueue=_NAME, stopPolicy={"enum": ["None", "Hold", "HoldAndDrain"]})


def _whole(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Draft202012Validator:
    kinds = {"apiVersion": {"const": "kueue.x-k8s.io/v1beta1"}, "kind": {"type": "string"}}
    return Draft202012Validator(_object("metadata spec", metadata=_META, spec=spec, status=status, **kinds))


_KUEUE: Final = {
    "clusterqueues": _whole(_CLUSTER_QUEUE, _object(conditions=_CONDITIONS, admittedWorkloads=_COUNT, pendingWorkloads=_COUNT)),
    "localqueues": _whole(_LOCAL_QUEUE, _object(conditions=_CONDITIONS)),
    "workloads": _whole(_WORKLOAD, _WORKLOAD_STATUS),
}
_CORE: Final[dict[str, type]] = {"nodes": Node, "pods": Pod}


def faults(plural: str, thing: Mapping[str, Any], before: Mapping[str, Any] | None) -> Iterator[str]:
    """Why the server would refuse it."""
    if plural in _CORE:
        yield from _core(thing, _CORE[plural])
        return
    for fault in _KUEUE[plural].iter_errors(thing):
        yield f"{fault.json_path.removeprefix('$.')}: {fault.message}"
    if plural == "clusterqueues":
        yield from _rules(thing.get("spec") or {})
    spec, was = thing.get("spec") or {}, (before or {}).get("spec") or {}
    if plural == "workloads" and before is not None and spec.get("podSets") != was.get("podSets"):
        yield "spec.podSets: field is immutable"


def _rules(spec: Mapping[str, Any]) -> Iterator[str]:
    for group in spec.get("resourceGroups") or ():
        for flavor in group["flavors"]:
            names = [quota["name"] for quota in flavor["resources"]]
            if names != list(group["coveredResources"]):
                yield "spec.resourceGroups.flavors: must list the resources in coveredResources, in the same order"
            for quota in flavor["resources"]:
                if "borrowingLimit" in quota and not spec.get("cohort"):
                    yield "spec: borrowingLimit must be nil when cohort is empty"
                if str(quota.get("nominalQuota", "")).startswith("-"):
                    yield "spec.resourceGroups: nominalQuota must be greater than or equal to 0"


def _core(thing: Mapping[str, Any], kind: type) -> Iterator[str]:
    try:
        typed = msgspec.convert(thing, kind)
    except msgspec.ValidationError as error:
        yield str(error)
        return
    lost = _missing(thing, msgspec.to_builtins(typed))
    yield from (f"{path}: unknown field" for path in lost)


def _missing(said: Any, kept: Any, at: str = "$") -> Iterator[str]:
    if isinstance(said, Mapping):
        for key, value in said.items():
            if not isinstance(kept, Mapping) or key not in kept:
                yield f"{at}.{key}"
            else:
                yield from _missing(value, kept[key], f"{at}.{key}")
    elif isinstance(said, list):
        for i, value in enumerate(said):
            yield from _missing(value, kept[i], f"{at}[{i}]")
