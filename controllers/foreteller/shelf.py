"""Weather answers on disk, each under the moment at which it was received, so that a restart knows what was known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from forecasting.known import FarmKind, WeatherRuns
from forecasting.weather import LEADS_H, SUN_RUN_FEATURES, WIND_RUN_FEATURES, fetched_at, parse_answer, run_of
from vpp.errors import ForecastError

__all__ = ["RunShelf", "conformed", "stacked"]

log = structlog.get_logger(__name__)
#: Training looks 450 days back.
_KEPT: Final = timedelta(days=460)
_SECOND: Final = timedelta(seconds=1)


@dataclass(slots=True)
class RunShelf:
    """A folder of answers, named `PLACE_YYYYMMDDTHHMMSSZ.json`.

    Args:
        folder: Made when the first answer is kept.
    """

    folder: Path
    #: What was read stays: a kept answer never changes. None for one that cannot be read.
    _read: dict[tuple[str, FarmKind], WeatherRuns | None] = field(default_factory=dict)
    _pruned: datetime | None = None

    def keep(self, place: str, received_at: datetime, body: bytes) -> Path:
        """Puts an answer on disk, whole or not at all; a fraction of a second counts as the next full one.

        Raises:
            OSError: It cannot be written.
        """
        whole = received_at.replace(microsecond=0)
        at = whole if whole == received_at else whole + _SECOND
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{place}_{at:%Y%m%dT%H%M%S}Z.json"
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self._prune(received_at)
        return path

    def newest(self, place: str) -> datetime | None:
        """When the last answer for a place was received; None before the first."""
        return max((at for at, _ in self._answers(place)), default=None)

    def runs(self, place: str, kind: FarmKind, *, since: datetime, until: datetime) -> WeatherRuns:
        """The runs received within a span; an answer that cannot be read is said once and left out."""
        found = [self._run(path, at, kind) for at, path in self._answers(place) if since <= at <= until]
        return stacked((run for run in found if run is not None), kind)

    def _answers(self, place: str) -> list[tuple[datetime, Path]]:
        """Oldest first."""
        if not self.folder.is_dir():
            return []
        named = ((fetched_at(path.name, place), path) for path in self.folder.glob(f"{place}_*.json"))
        return sorted((at, path) for at, path in named if at is not None)

    def _run(self, path: Path, at: datetime, kind: FarmKind) -> WeatherRuns | None:
        key = path.name, kind
        if key not in self._read:
            try:
                run = run_of(parse_answer(path.read_bytes(), at), kind)
                # A run without a single value would stand before an older one that has them.
                self._read[key] = run if np.isfinite(run.value).any() else None
            except (OSError, ForecastError) as error:
                log.warning("weather.answer_unread", file=path.name, reason=str(error))
                self._read[key] = None
        return self._read[key]

    def _prune(self, now: datetime) -> None:
        """Once a day what nobody learns from any more goes."""
        if self._pruned is not None and now - self._pruned < timedelta(days=1):
            return
        self._pruned = now
        for path in self.folder.glob("*.json"):
            at = fetched_at(path.name)
            if at is not None and now - at > _KEPT:
                path.unlink(missing_ok=True)


def stacked(runs: Iterable[WeatherRuns], kind: FarmKind) -> WeatherRuns:
    """Many runs as one table, oldest issue first; of one issue the last received stands."""
    by_issue = {}
    for run in sorted((run for run in runs if run.n), key=lambda run: run.received_at[0]):
        for k in range(run.n):
            by_issue[run.issued_at[k]] = run, k
    features = _features(kind)
    if not by_issue:
        return WeatherRuns.none(features)
    ordered = [by_issue[issue] for issue in sorted(by_issue)]
    return WeatherRuns(
        np.array(sorted(by_issue), dtype="datetime64[us]"),
        np.array([run.received_at[k] for run, k in ordered], dtype="datetime64[us]"),
        LEADS_H,
        features,
        np.stack([run.value[k] for run, k in ordered]),
    )


def conformed(runs: WeatherRuns, kind: FarmKind) -> WeatherRuns:
    """Runs out of a table on the leads and quantities of fetched ones: lines between leads, NaN where nothing is told."""
    features = _features(kind)
    value = np.full((runs.n, LEADS_H.size, len(features)), np.nan)
    if runs.n == 0:
        return WeatherRuns.none(features)
    for k, name in enumerate(features):
        if name in runs.features:
            column = runs.value[:, :, runs.features.index(name)]
            for r in range(runs.n):
                value[r, :, k] = np.interp(LEADS_H, runs.lead_h, column[r], left=np.nan, right=np.nan)
    return WeatherRuns(runs.issued_at, runs.received_at, LEADS_H, features, value)


def _features(kind: FarmKind) -> tuple[str, ...]:
    return WIND_RUN_FEATURES if kind == "wind" else SUN_RUN_FEATURES
