"""How an adapter beside a Slurm is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from controllers.adapters.following.settings import FollowSettings, Said, load_settings

__all__ = ["Ahead", "SlurmSettings", "load_slurm"]

#: How a cap ahead of time is written into Slurm: as reserved licences, as reserved nodes, or not at all.
Ahead: TypeAlias = Literal["licences", "nodes", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings(FollowSettings):
    """One Slurm's adapter; a class of jobs is a partition.

    Args:
        ahead: How caps of later intervals are written into Slurm.
        slurm_conf: Slurm's configuration file; empty for its default.
    """

    ahead: Ahead = "off"
    slurm_conf: str = ""


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
    return found
