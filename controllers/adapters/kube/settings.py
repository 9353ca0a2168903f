"""How an adapter beside a Kubernetes with Kueue is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controllers.adapters.following.settings import FollowSettings, Said, load_settings

__all__ = ["KubeSettings", "load_kube"]

_VERSIONS: Final = ("v1beta1", "v1beta2")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeSettings(FollowSettings):
    """One cluster's adapter; a class of jobs is a ClusterQueue.

    Args:
        kubeconfig: File with the way to the API server; empty for the pod's own account or `~/.kube/config`.
        gpu_resource: Name of the resource that draws the power.
        kueue_version: Of Kueue's API group.
        run_h: A workload that names no longest run time is taken to need this long. [h]
    """

    kubeconfig: str = ""
    gpu_resource: str = "nvidia.com/gpu"
    kueue_version: str = "v1beta1"
    run_h: float = 24.0


def load_kube(path: Path) -> KubeSettings:
    """Reads a TOML file.

    Raises:
        SchedulerError: It cannot be read or breaks the rules; all faults, one line each.
    """
    return load_settings(path, KubeSettings, "queues", _faults)


def _faults(said: Said) -> list[str]:
    found, power = [], said.get("power")
    if said.get("kueue_version", _VERSIONS[0]) not in _VERSIONS:
        found.append(f"kueue_version: {said['kueue_version']!r}: must be {' or '.join(_VERSIONS)}")
    if isinstance(power, dict) and power.get("licence"):
        found.append("power.licence: Kubernetes has no licences; leave it out")
    if isinstance(power, dict) and power.get("gpu_kw") == 0.0:
        found.append("power.gpu_kw: 0: a GPU that draws nothing cannot be capped")
    return found
