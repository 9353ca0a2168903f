"""How one cluster's adapter is set up: a TOML file beside its scheduler."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from vpp.errors import IdError, SchedulerError
from vpp.ids import check_id

__all__ = ["FollowSettings", "JobRule", "PowerModel", "Said", "load_settings"]

#: A file as it was read.
Said: TypeAlias = Mapping[str, Any]
SettingsT = TypeVar("SettingsT", bound="FollowSettings")
_TIERS: Final = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRule:
    """What the park may do with the jobs of one class: a partition of Slurm, a ClusterQueue of Kueue.

    Args:
        tier: 0 is never touched; 1 neither; 2 may be held before it starts; 3 may be paused as well, if `preemptible`.
        slack_h: A job without a deadline of its own is due this long after its longest run time. [h]
        preemptible: Whether its jobs stand a pause.
        checkpoint_s: Time between checkpoints; None where there are none. [s]
    """

    tier: int
    slack_h: float = 0.0
    preemptible: bool = False
    checkpoint_s: float | None = None

    @property
    def may_pause(self) -> bool:
        """Whether running jobs may be paused."""
        return self.preemptible and self.tier == _TIERS[-1]

    @property
    def may_wait(self) -> bool:
        """Whether jobs may be kept from starting."""
        return self.tier >= _TIERS[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """From what runs to the cluster's power at its meter.

    Args:
        node_idle_kw: A node that is up and idle. [kW]
        gpu_kw: What a busy GPU adds, with its share of the node. [kW]
        pue: Power at the meter over power of the machines.
        licence: Counted licence in which jobs state their draw in kW, where the cluster has one.
    """

    node_idle_kw: float
    gpu_kw: float
    pue: float = 1.2
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSettings:
    """What every adapter is told.

    Args:
        park: Id of the park.
        cluster: Id of the cluster.
        broker_url: Of the park's broker.
        fallback_cap_mw: The contracted cap when the park is silent. [MW]
        rules: What may be done with each class of jobs; one that is not named is never touched.
        power: Power of what runs.
        state_dir: Where it writes down what it holds.
        fast_band_mw: Band for modulation in seconds; no scheduler has such means, so 0 unless something else does it. [MW]
        lease_s: Nothing stays held longer than this after the adapter or the park has gone. [s]
        period_s: How often it looks, beside at once on a new signal. [s]
        backlog_s: How often it reports its work. [s]
        command_s: Longest wait for an answer of the scheduler. [s]
        margin_frac: Kept free under the cap, as a share of it, so that it is not touched by every start.
    """

    park: str
    cluster: str
    broker_url: str
    fallback_cap_mw: float
    rules: Mapping[str, JobRule]
    power: PowerModel
    state_dir: Path
    fast_band_mw: float = 0.0
    lease_s: float = 120.0
    period_s: float = 5.0
    backlog_s: float = 60.0
    command_s: float = 20.0
    margin_frac: float = 0.0

    @property
    def trace_path(self) -> Path:
        """Where it is written what is held."""
        return self.state_dir / f"{self.cluster}.json"


def load_settings(path: Path, kind: type[SettingsT], rules_key: str, more: Callable[[Said], list[str]]) -> SettingsT:
    """Reads a TOML file.

    Args:
        path: The file.
        kind: What it becomes.
        rules_key: How the table of rules is called there, by the scheduler's own word.
        more: Faults that only this kind can have.

    Raises:
        SchedulerError: It cannot be read or breaks the rules; all faults, one line each.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SchedulerError(f"{path}: {error}") from error
    faults = [*_faults(said, kind, rules_key), *more(said)]
    if faults:
        raise SchedulerError("\n".join(f"{path}: {fault}" for fault in faults))
    rules = {name: JobRule(**rule) for name, rule in said.pop(rules_key).items()}
    power = PowerModel(**said.pop("power"))
    state_dir = (path.parent / said.pop("state_dir")).resolve()
    return kind(**said, rules=rules, power=power, state_dir=state_dir)


def _faults(said: Said, kind: type, rules_key: str) -> list[str]:
    renamed = {"rules" if key == rules_key else key: value for key, value in said.items() if key != "rules"}
    found = [fault.replace("rules", rules_key) for fault in _shape("", renamed, kind, {"rules": dict, "power": dict})]
    rules = said.get(rules_key)
    for name, rule in rules.items() if isinstance(rules, dict) else ():
        at = f"{rules_key}.{name}."
        found += _shape(at, rule, JobRule) if isinstance(rule, dict) else [f"{at[:-1]}: must be a table"]
        if isinstance(rule, dict) and rule.get("tier") not in _TIERS:
            found.append(f"{at}tier: {rule.get('tier')}: must be 0, 1, 2 or 3")
    power = said.get("power")
    found += _shape("power.", power, PowerModel) if isinstance(power, dict) else []
    if isinstance(power, dict) and _is_number(power.get("pue")) and power["pue"] < 1.0:
        found.append(f"power.pue: {power['pue']}: cannot be below 1, the machines themselves are part of it")
    for key in ("park", "cluster"):
        try:
            check_id(str(said.get(key, "")))
        except IdError as error:
            found.append(f"{key}: {error}")
    return found


def _shape(at: str, said: Said, kind: type, tables: Mapping[str, type] | None = None) -> list[str]:
    """Unknown and missing keys, wrong types, numbers out of range."""
    known = {field.name: field for field in fields(kind)}
    required = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    found = [f"{at}{key}: unknown; known are {', '.join(known)}" for key in said if key not in known]
    found += [f"{at}{key}: is missing" for key in known if key in required and key not in said]
    for key, value in said.items():
        if key not in known:
            continue
        wanted = (tables or {}).get(key) or _type_of(str(known[key].type))
        if wanted is float:
            if not _is_number(value) or value < 0.0 or value != value:
                found.append(f"{at}{key}: {value!r}: must be a number, 0 or more")
        elif not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            found.append(f"{at}{key}: {value!r}: must be {wanted.__name__}")
    return found


def _type_of(text: str) -> type:
    known: dict[str, type] = {"Mapping[str, str]": dict, "int": int, "bool": bool, "float": float, "float | None": float}
    return known.get(text, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
