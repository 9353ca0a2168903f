"""The rules' thresholds as they are frozen in `seeds`, with the record of the search that found them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import yaml

from controllers.planner.rules import RuleThresholds
from vpp.errors import ParkError

__all__ = ["RULES_FILE", "load_thresholds", "rule_file_of"]

#: In the seeds, in a folder of its own: whatever else lies there is the park.
RULES_FILE: Final = "policies/rules.yaml"
#: Counted, not measured.
_WHOLE: Final = frozenset({"stack_band"})


def rule_file_of(park_path: Path) -> Path:
    """Where the thresholds of a park are frozen: thresholds that suit one park are no good on another.

    Args:
        park_path: Its folder, with `policies/rules.yaml` in it, or its file, with `<name>.rules.yaml` beside it.
    """
    return park_path / RULES_FILE if park_path.is_dir() else park_path.with_suffix(".rules.yaml")


def load_thresholds(path: Path) -> RuleThresholds:
    """The thresholds of a file; those of `RuleThresholds` itself where there is no such file.

    Raises:
        ParkError: The file cannot be read, misses a threshold, or names one that is unknown or no number.
    """
    if not path.is_file():
        return RuleThresholds()
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParkError([f"{path}: {error}"]) from error
    values = said.get("thresholds") if isinstance(said, dict) else None
    if not isinstance(values, dict):
        raise ParkError([f"{path}: thresholds: is missing; write one number for each of {', '.join(_names())}"])
    faults = [f"{path}: thresholds.{name}: unknown; known are {', '.join(_names())}" for name in values if name not in _names()]
    faults += [f"{path}: thresholds.{name}: is missing" for name in _names() if name not in values]
    for name, value in values.items():
        whole = name in _WHOLE
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            faults.append(f"{path}: thresholds.{name}: {value!r}: must be a {'whole ' if whole else ''}number")
    if faults:
        raise ParkError(faults)
    said = {name: int(value) if name in _WHOLE else float(value) for name, value in values.items()}
    return RuleThresholds(**said)  # counts are whole, as was checked above


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(RuleThresholds))
