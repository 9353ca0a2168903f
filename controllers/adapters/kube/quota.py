"""What of a ClusterQueue is changed, and how it is found again: pure.

Beside what is set, an annotation keeps what stood there before. A value that is no longer the one we set was changed by somebody
else meanwhile: theirs counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from lightkube.utils.quantity import parse_quantity

from controllers.adapters.kube.objects import HELD, Object

__all__ = ["Limit", "change", "is_held"]

_STOP: Final = "stopPolicy"
_NONE, _HOLD = "None", "Hold"


@dataclass(frozen=True, slots=True)
class Limit:
    """What may run in a queue.

    Args:
        gpus: So many in all; None for as many as its owner gave it.
        used: What runs there now, by flavor; never below that, since Kueue does not take back what it has given.
        stop: Nothing starts at all.
    """

    gpus: int | None = None
    used: Mapping[str, int] | None = None
    stop: bool = False


def is_held(queue: Object, cluster: str) -> bool:
    """Whether this adapter has changed it."""
    return _note(queue, cluster) is not None


def change(queue: Object, cluster: str, resource: str, limit: Limit) -> dict[str, Any] | None:
    """A merge patch that makes the queue so, guarded by its version; None where it is so already.

    Args:
        queue: As the API server has it.
        cluster: In whose name.
        resource: Whose quota is changed.
        limit: What may run; the default gives everything back.
    """
    spec = _original(queue, cluster)
    was, note = deepcopy(spec), {}
    if limit.stop:
        spec[_STOP] = _HOLD
        note[_STOP] = [was.get(_STOP, _NONE), _HOLD]
    elif limit.gpus is not None:
        note |= _lower(spec, resource, limit.gpus, limit.used or {})
    told = json.dumps({"cluster": cluster, **note}, sort_keys=True) if note else None
    annotations = queue["metadata"].get("annotations") or {}
    if told == annotations.get(HELD) and spec == queue["spec"]:
        return None
    metadata = {"resourceVersion": queue["metadata"]["resourceVersion"], "annotations": {HELD: told}}
    touched = {_STOP: spec.get(_STOP, _NONE), "resourceGroups": spec.get("resourceGroups") or []}
    return {"metadata": metadata, "spec": touched}


def _lower(spec: dict[str, Any], resource: str, gpus: int, used: Mapping[str, int]) -> dict[str, Any]:
    """Lowers the quotas of a resource to so many in all; tells what it changed."""
    quotas = {flavor: quota for flavor, quota in _quotas(spec, resource)}
    room = gpus - sum(used.values())
    in_cohort = bool(spec.get("cohort") or spec.get("cohortName"))
    note: dict[str, Any] = {}
    for flavor, quota in quotas.items():
        owned, held = int(parse_quantity(str(quota["nominalQuota"])) or 0), used.get(flavor, 0)
        given = min(max(room, 0), max(owned - held, 0))
        room -= given
        if held + given >= owned:
            continue  # never more than its owner gave it
        entry = {"nominalQuota": [quota["nominalQuota"], str(held + given)]}
        if in_cohort:
            # Else what is taken from its own quota is borrowed from its neighbours.
            entry["borrowingLimit"] = [quota.get("borrowingLimit"), "0"]
        for key, (_, ours) in entry.items():
            quota[key] = ours
        note[f"{resource} {flavor}"] = entry
    return note


def _original(queue: Object, cluster: str) -> dict[str, Any]:
    """Its specification without our changes."""
    spec: dict[str, Any] = deepcopy(dict(queue["spec"]))
    note = _note(queue, cluster) or {}
    for place, said in note.items():
        if place == _STOP:
            if spec.get(_STOP, _NONE) == said[1]:
                spec[_STOP] = said[0]
            continue
        resource, _, flavor = place.partition(" ")
        quota = dict(_quotas(spec, resource)).get(flavor)
        if quota is None:
            continue
        for key, (was, ours) in said.items():
            if str(quota.get(key)) != ours:
                continue
            if was is None:
                del quota[key]
            else:
                quota[key] = was
    return spec


def _quotas(spec: Mapping[str, Any], resource: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (flavor["name"], quota)
        for group in spec.get("resourceGroups") or ()
        for flavor in group["flavors"]
        for quota in flavor["resources"]
        if quota["name"] == resource
    ]


def _note(queue: Object, cluster: str) -> dict[str, Any] | None:
    """What was written down; None where nothing is, or it is another cluster's or not ours at all."""
    try:
        said = json.loads((queue["metadata"].get("annotations") or {}).get(HELD, "null"))
    except ValueError:
        return None
    if not isinstance(said, dict) or said.pop("cluster", None) != cluster:
        return None
    return said
