"""The life of models: versions in one folder, each with its span, settings and scores; one of them is in use.

A new version takes its place only if it scores better than the one in use on the newest days, which neither has learnt from, or
if there is none. A version is never overwritten; the register is one JSON file, replaced as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from forecasting.evaluate import Evaluation, evaluate
from forecasting.known import FarmSite, KnownDoor
from forecasting.model_store import load_models, save_models
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, train
from vpp.errors import ForecastError

__all__ = ["Decision", "Registry", "Version", "challenge"]

FILE_NAME: Final = "register.json"
#: Newest days that decide; two weeks hold calm and wind, cloud and sun.
TRIAL: Final = timedelta(days=14)

Train = Callable[[KnownDoor, Sequence[FarmSite], datetime, ForecastSettings], ForecastModels]


@dataclass(frozen=True, slots=True)
class Version:
    """One set of models.

    Args:
        name: Its folder.
        known_at: What had been received by then was learnt.
        first_day: Start of the span it learnt from.
        key: Hash of rows and settings.
        pinball: On its trial.
        rival: The version it was tried against; None for the first.
        rival_pinball: That one's score on the same days.
        promoted_at: When it came into use; None if it never did.
    """

    name: str
    known_at: str
    first_day: str
    key: str
    pinball: float
    rival: str | None
    rival_pinball: float | None
    promoted_at: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a challenger.

    Args:
        version: The new one.
        promoted: Whether it is in use now.
        scores: Its own.
        rival_scores: Of the one it was tried against.
    """

    version: Version
    promoted: bool
    scores: Evaluation
    rival_scores: Evaluation | None


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in a folder.

    Args:
        folder: Made if absent.
        current: Name of the version in use, None before the first.
        versions: All, oldest first.
    """

    folder: Path
    current: str | None
    versions: tuple[Version, ...]

    @classmethod
    def open(cls, folder: Path) -> Registry:
        """The register of a folder, an empty one if there is none.

        Raises:
            ForecastError: The register cannot be read.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return cls(folder, None, ())
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder, told["current"], tuple(Version(**one) for one in told["versions"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ForecastError(f"{path}: not a register of ours ({error})") from error

    def models(self) -> ForecastModels:
        """The models in use.

        Raises:
            ForecastError: There are none yet, or a file was changed.
        """
        if self.current is None:
            raise ForecastError(f"{self.folder}: no models in use; run `vpp forecast train` first")
        return load_models(self.folder / self.current)

    def with_version(self, version: Version, models: ForecastModels) -> Registry:
        """The register with a new version, models and register on disk."""
        if not (self.folder / version.name).exists():
            save_models(models, self.folder / version.name)
        current = version.name if version.promoted_at is not None else self.current
        others = tuple(one for one in self.versions if one.name != version.name)
        changed = replace(self, current=current, versions=(*others, version))
        plain: dict[str, Any] = {"current": changed.current, "versions": [asdict(one) for one in changed.versions]}
        draft = self.folder / f"{FILE_NAME}.draft"
        draft.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.folder / FILE_NAME)
        return changed


def challenge(
    registry: Registry,
    door: KnownDoor,
    farms: Sequence[FarmSite],
    *,
    known_at: datetime,
    settings: ForecastSettings,
    trainer: Train | None = None,
) -> tuple[Registry, Decision]:
    """Train on all but the newest days, try on these against the version in use, promote if better.

    Args:
        registry: What there is.
        door: History.
        farms: All farms to forecast.
        known_at: Now (UTC).
        settings: Of training.
        trainer: Where the work is done; None for here.

    Returns:
        The register as it is now, and what was decided.
    """
    begin = known_at - TRIAL
    make = trainer or _train_here
    models = make(door, farms, begin, settings)
    scores = evaluate(models, door, begin, known_at)
    rival = None if registry.current is None else registry.models()
    rival_scores = None if rival is None else evaluate(rival, door, begin, known_at)
    promoted = rival_scores is None or _shared(scores, rival_scores) < _shared(rival_scores, scores)
    version = Version(
        name=f"{begin:%Y%m%dT%H%M}Z-{models.key[:10]}",
        known_at=begin.isoformat(),
        first_day=(begin - settings.span).isoformat(),
        key=models.key,
        pinball=scores.pinball,
        rival=registry.current,
        rival_pinball=None if rival_scores is None else rival_scores.pinball,
        promoted_at=known_at.isoformat() if promoted else None,
    )
    return registry.with_version(version, models), Decision(version, promoted, scores, rival_scores)


def _train_here(door: KnownDoor, farms: Sequence[FarmSite], known_at: datetime, settings: ForecastSettings) -> ForecastModels:
    return train(door, farms, known_at=known_at, settings=settings)


def _shared(one: Evaluation, other: Evaluation) -> float:
    """Mean pinball of the farms that both know; a version that does not know a farm is not better for it."""
    known = {farm.asset_id for farm in other.farms}
    scores = [farm.pinball for farm in one.farms if farm.asset_id in known]
    return sum(scores) / len(scores) if scores else float("inf")
