"""How an adapter beside a Slurm is set up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from controllers.adapters.following.settings import FollowSettings, Said, load_settings

__all__ = ["Ahead", "SlurmSettings", "load_slurm"]

#: How a cap ahead of time is written into Slurm: as reserved licences, as reserved nodes, or not at all.
Ahead: TypeAlias = Literal["licences", "nodes", "off"]
_CLUSTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings(FollowSettings):
    """One Slurm's adapter; a class of jobs is a partition.

    Args:
        ahead: How caps of later intervals are written into Slurm.
        slurm_conf: Slurm's configuration file; empty for its default.
        slurm_cluster: This cluster's name in its federation; empty where there is none.
        peers: Slurm's name of other clusters of the federation, by their id in the park; only to these work is sent.
    """

    ahead: Ahead = "off"
    slurm_conf: str = ""
    slurm_cluster: str = ""
    peers: Mapping[str, str] = field(default_factory=dict)


def load_slurm(path: Path) -> SlurmSettings:
    """Reads a TOML file.

    Raises:
        SchedulerError: It cannot be read or breaks the rules; all faults, one line each.
    """
    return load_settings(path, SlurmSettings, "partitions", _faults)


def _faults(said: Said) -> list[str]:
    found, power = [], said.get("power")
    if said.get("ahead", "off") not in ("licences", "nodes", "off"):
        found.append(f"ahead: {said['ahead']!r}: must be 'licences', 'nodes' or 'off'")
    if said.get("ahead") == "licences" and not (isinstance(power, dict) and power.get("licence")):
        found.append("ahead: 'licences' needs power.licence, the name of the counted licence")
    peers = said.get("peers", {})
    if isinstance(peers, dict):
        found += [
            f"peers.{name}: {value!r}: must be the name of a cluster of the federation, as `sacctmgr show federation` has it"
            for name, value in peers.items()
            if not isinstance(value, str) or not _CLUSTER.fullmatch(value) or value == said.get("slurm_cluster")
        ]
        if peers and not said.get("slurm_cluster"):
            found.append("peers: need slurm_cluster, this cluster's own name in the federation")
    return found
