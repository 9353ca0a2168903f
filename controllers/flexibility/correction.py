"""What replayed offers have taught: how much more careful an offer must be to be kept as often as it says.

Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al. 2018): each replay tells how far the level that could really
be held lay beyond the raw offer, in widths of the offer's own spread; the correction of a confidence is the order statistic of
rank ceil((n + 1) confidence) of these. It promises the confidence on average over windows like those it was learnt from, no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from controllers.flexibility.sure import CONFIDENCES, Spread
from controllers.flexibility.window import Direction
from vpp.errors import ParkError, PlanError

__all__ = ["CORRECTION_FILE", "Correction", "Replay", "correction_file_of", "learnt", "load_correction", "write_correction"]

#: In the seeds, in a folder of its own: whatever else lies there is the park.
CORRECTION_FILE: Final = "policies/flexibility.yaml"
#: Losses, auxiliaries, and what moves inside a quarter of an hour: assumptions, without replays and with them.
MARGIN_FRAC: Final = 0.03
LEARNT_MARGIN_FRAC: Final = 0.01
_DIRECTIONS: Final[tuple[Direction, ...]] = ("give", "take")
#: Fewer replays than this teach nothing.
_LEAST: Final = 10
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Replay:
    """An offer that was made once, and what could really be held."""

    spread: Spread
    level_mw: float


@dataclass(frozen=True, slots=True)
class Correction:
    """Shifts by direction and confidence, in widths of an offer's spread; positive is more careful.

    Args:
        shift: By direction, in the order of `CONFIDENCES`; a direction that is missing has none.
        margin_frac: Share of the import limit that levels surer than 90 % are moved besides, for what the plan's model lacks:
            replays are of the same model, and cannot tell.
        learnt_from: What it was learnt from, in words: scenarios, seeds, span, number of replays.
    """

    shift: Mapping[Direction, tuple[float, ...]] = field(default_factory=dict)
    margin_frac: float = MARGIN_FRAC
    learnt_from: str = ""

    def of(self, spread: Spread, confidence: float) -> float:
        """The shift of an offer, in widths; between two confidences the one of the next higher."""
        shifts = self.shift.get(spread.direction, ())
        own = 0.0
        if shifts:
            own = next((s for c, s in zip(CONFIDENCES, shifts, strict=True) if confidence <= c), shifts[-1])
        return own if confidence <= CONFIDENCES[-2] else own + self.margin_frac * spread.limit_mw / spread.width_mw


def learnt(replays: Sequence[Replay], learnt_from: str, margin_frac: float = LEARNT_MARGIN_FRAC) -> Correction:
    """The correction that replays teach.

    Args:
        replays: Of both directions; one with fewer than ten stays uncorrected.
        learnt_from: In words.
        margin_frac: See `Correction`.
    """
    found: dict[Direction, tuple[float, ...]] = {}
    for direction in _DIRECTIONS:
        mine = [replay for replay in replays if replay.spread.direction == direction]
        if len(mine) < _LEAST:
            continue
        shifts = []
        for confidence in CONFIDENCES:
            beyond = sorted(replay.spread.missed_by(replay.level_mw, confidence) for replay in mine)
            rank = min(math.ceil((len(beyond) + 1) * confidence), len(beyond))
            shifts.append(round(beyond[rank - 1], _DIGITS))
        found[direction] = tuple(shifts)
    return Correction(found, margin_frac, learnt_from)


def correction_file_of(park_path: Path) -> Path:
    """Where the correction of a park is frozen: beside the thresholds of its rules."""
    return park_path / CORRECTION_FILE if park_path.is_dir() else park_path.with_suffix(".flexibility.yaml")


def load_correction(path: Path) -> Correction:
    """The correction of a file; none where there is no such file.

    Raises:
        ParkError: The file cannot be read, or says something else.
    """
    if not path.is_file():
        return Correction()
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        shift = {d: tuple(float(v) for v in said["shift"][d]) for d in _DIRECTIONS if d in said["shift"]}
        found = Correction(shift, float(said["margin_frac"]), str(said["learnt_from"]))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParkError([f"{path}: {' '.join(str(error).split())}"]) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ParkError([f"{path}: {error!r}: needs shift (by give and take), margin_frac and learnt_from"]) from error
    faults = [f"{path}: shift.{d}: {len(v)} numbers for confidences {CONFIDENCES}" for d, v in shift.items() if len(v) != 3]
    if faults:
        raise ParkError(faults)
    return found


def write_correction(path: Path, correction: Correction) -> None:
    """Freezes a correction.

    Raises:
        PlanError: The file cannot be written.
    """
    said = {
        "learnt_from": correction.learnt_from,
        "confidences": list(CONFIDENCES),
        "shift": {direction: list(values) for direction, values in correction.shift.items()},
        "margin_frac": correction.margin_frac,
    }
    head = "# What replayed offers have taught (docs/peak_response.md); written by `vpp-sim campaign --learn`.\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{path}: cannot be written: {error.strerror}") from error
