"""A long run stood for by single days: chosen by what wind and sun gave, weighted by the days they stand for.

The run is cut into parts of equal length and the days of each part into classes of equal size by their mean wind and sun. From
every class the day nearest to the class's mean is run by itself, from the same starting stocks, and counts for the whole class.
What a chain of days has and single days have not (a month's peak, a tank that empties over a week) is lost; the whole run has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpp.units import FloatArray

__all__ = ["StratumDay", "choose_days", "merge_facts"]

#: Shares and what each refers to: their mean over days is weighted by it.
_SHARES: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("renewable_utilisation_frac",): ("available_mwh",),
    ("compute", "work_done_frac"): ("compute", "work_due_mwh"),
    ("compute", "green_share_frac"): ("compute", "energy_mwh"),
}
#: Groups in which every key is a share that refers to the same key of another group.
_SHARE_GROUPS: Final[Mapping[str, str]] = {"green_share_frac": "load_mwh"}
#: Taken at their largest, or as means over the days.
_LARGEST: Final = frozenset({"peak_import_mw", "ack_p99_ms", "nondeterministic", "gap_frac_max"})
_MEANS: Final = frozenset({"forecast", "gap_frac_mean"})
#: The machine's own time is not multiplied by the days a day stands for.
_AS_THEY_ARE: Final = frozenset({"wall_s", "faults_injected", "plans"})


@dataclass(frozen=True, slots=True)
class StratumDay:
    """A day that is run, or the first of a chain.

    Args:
        day: Days after the run's start.
        weight: Days that it stands for, itself included; chains of days where it begins one.
        days: Days that are run in one go from there.
    """

    day: int
    weight: float
    days: int = 1


def choose_days(power_frac: FloatArray, quarters: int, levels: int) -> tuple[StratumDay, ...]:
    """Days to run, in order.

    Args:
        power_frac: Mean wind and sun of each day, as a share of capacity, shape (D,).
        quarters: Parts of the run.
        levels: Classes within each part.

    >>> [(d.day, d.weight) for d in choose_days(np.array([0.1, 0.3, 0.2, 0.9, 0.8, 0.85]), 2, 1)]
    [(2, 3.0), (5, 3.0)]
    """
    chosen = []
    for part in np.array_split(np.arange(len(power_frac)), quarters):
        for group in np.array_split(part[np.argsort(power_frac[part], kind="stable")], levels):
            if len(group):
                nearest = group[int(np.argmin(np.abs(power_frac[group] - power_frac[group].mean())))]
                chosen.append(StratumDay(int(nearest), float(len(group))))
    return tuple(sorted(chosen, key=lambda one: one.day))


def merge_facts(runs: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """The facts of all days as those of the run they stand for: amounts add up, shares are means over what they refer to.

    Args:
        runs: As `--json` writes them, all of one scenario and policy.
        weights: Days that each stands for.
    """
    return {key: _merged((key,), [run[key] for run in runs], runs, weights) for key in runs[0]}


def _merged(path: tuple[str, ...], values: Sequence[Any], runs: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> Any:
    name = path[0]
    if all(isinstance(value, Mapping) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _merged((*path, key), [value.get(key) for value in values], runs, weights) for key in keys}
    if isinstance(values[0], list):
        return [one for value in values for one in value]
    known = [(value, weight, run) for value, weight, run in zip(values, weights, runs, strict=True) if value is not None]
    if not known:
        return None
    if name in _LARGEST or path[-1] in _LARGEST:
        return max(value for value, _, _ in known)
    if isinstance(known[0][0], str) or name == "seed":
        return known[0][0]
    if (base := _base(path)) is not None or name in _MEANS or path[-1] in _MEANS:
        sizes = [weight * (1.0 if base is None else _at(run, base)) for _, weight, run in known]
        whole = sum(sizes)
        return sum(value * size for (value, _, _), size in zip(known, sizes, strict=True)) / whole if whole else None
    return sum(value * (1.0 if name in _AS_THEY_ARE else weight) for value, weight, _ in known)


def _base(path: tuple[str, ...]) -> tuple[str, ...] | None:
    if path in _SHARES:
        return _SHARES[path]
    return (_SHARE_GROUPS[path[0]], *path[1:]) if path[0] in _SHARE_GROUPS else None


def _at(run: Mapping[str, Any], path: tuple[str, ...]) -> float:
    value: Any = run
    for key in path:
        value = value[key]
    return 0.0 if value is None else float(value)
