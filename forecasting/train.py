"""From known history to models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

import lightgbm as lgb

from forecasting.baselines import Climatology, fit_climatology, ignorance
from forecasting.dependence import Dependence
from forecasting.hindcast import hindcast_dependence
from forecasting.known import FarmKind, FarmSite, KnownDoor
from forecasting.parallel import Spread, one_by_one
from forecasting.quantile_model import BASE_FADES_H, COLUMNS, FADES_TRIED_H, KindModel, fit
from forecasting.settings import ForecastSettings
from forecasting.training_set import Past, TrainingSet, read_past, training_set
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import require_utc

__all__ = ["ForecastModels", "Lessons", "read_lessons", "train", "train_on"]

KINDS: Final[tuple[FarmKind, ...]] = ("wind", "solar", "load")


@dataclass(frozen=True, slots=True, eq=False)
class ForecastModels:
    """All that `predict` needs besides the door.

    Args:
        farms: The farms trained for; their order gives each its number in the models.
        kinds: One model for each kind that had a past to learn from.
        climatology: One for each farm.
        settings: As trained.
        known_at: What had been received by then was learnt (UTC).
        key: Hash of the rows, the settings and the LightGBM version.
        dependence: What hangs together in the errors; None if nothing was learnt of it.
        with_runs: Farms and loads whose weather runs were learnt from; None for all wind farms and nobody else.
    """

    farms: tuple[FarmSite, ...]
    kinds: tuple[KindModel, ...]
    climatology: tuple[Climatology, ...]
    settings: ForecastSettings
    known_at: datetime
    key: str
    dependence: Dependence | None = None
    with_runs: frozenset[AssetId] | None = None

    def needs_runs(self, farm: FarmSite) -> bool:
        """Whether a forecast without a weather run is a worse one."""
        return farm.kind == "wind" if self.with_runs is None else farm.asset_id in self.with_runs

    def of_kind(self, kind: FarmKind) -> KindModel | None:
        """The model of a kind, None if there was nothing to learn from."""
        return next((model for model in self.kinds if model.kind == kind), None)

    def with_loads(self, sites: Sequence[FarmSite]) -> ForecastModels:
        """With the loads that they were not trained for: the week's profile, or what was learnt of other loads, flagged."""
        known = {farm.asset_id for farm in self.farms}
        new = tuple(site for site in sites if site.kind == "load" and site.asset_id not in known)
        return replace(self, farms=(*self.farms, *new), climatology=(*self.climatology, *(ignorance() for _ in new)))

    def codes(self) -> dict[AssetId, int]:
        """The number each farm has in the models."""
        return {farm.asset_id: number for number, farm in enumerate(self.farms)}


@dataclass(frozen=True, slots=True)
class Lessons:
    """All that training reads, read: rows by kind, climatologies, and the hash of it all.

    Args:
        farms: The farms.
        sets: Rows of each kind; None where there is nothing to learn.
        climatology: One for each farm.
        known_at: When (UTC).
        key: The hash.
        pasts: What the rows were made of, one for each farm.
    """

    farms: tuple[FarmSite, ...]
    sets: tuple[tuple[FarmKind, TrainingSet | None], ...]
    climatology: tuple[Climatology, ...]
    known_at: datetime
    key: str
    pasts: tuple[Past, ...]


def train(
    door: KnownDoor,
    farms: Sequence[FarmSite],
    *,
    known_at: datetime,
    settings: ForecastSettings | None = None,
    spread: Spread = one_by_one,
) -> ForecastModels:
    """Train on all that was known at an instant.

    Args:
        door: History.
        farms: Farms of any kind; one without a past is forecast by climatology until it has one.
        known_at: What was received later is not seen (UTC).
        settings: None for the defaults.
        spread: Carries out the independent trainings; wherever it does, the models are the same.

    Raises:
        ForecastError: No farm is given or one twice, or the door's stamps are off the quarter hours.
    """
    chosen = settings or ForecastSettings()
    return train_on(read_lessons(door, farms, known_at=known_at, settings=chosen), chosen, spread)


def read_lessons(door: KnownDoor, farms: Sequence[FarmSite], *, known_at: datetime, settings: ForecastSettings) -> Lessons:
    """Everything training needs from the door, with the hash that names the models made of it."""
    require_utc(known_at, "known_at")
    if not farms:
        raise ForecastError("train: no farm given; it needs one or more")
    codes = {farm.asset_id: number for number, farm in enumerate(farms)}
    if len(codes) != len(farms):
        raise ForecastError(f"train: a farm is given twice among {[farm.asset_id for farm in farms]}; ids are unique")
    pasts = read_past(door, farms, known_at=known_at, span=settings.span)
    sets = tuple((kind, _rows(kind, pasts, codes, known_at, settings)) for kind in KINDS)
    climatology = tuple(fit_climatology(past.site, past.history) for past in pasts)
    return Lessons(tuple(farms), sets, climatology, known_at, _key(tuple(farms), sets, climatology, settings), pasts)


def train_on(lessons: Lessons, settings: ForecastSettings, spread: Spread = one_by_one) -> ForecastModels:
    """Fit the models, and learn from their past errors what hangs together in them.

    Args:
        lessons: What was read.
        settings: As the lessons were read with.
        spread: Carries out the independent trainings.
    """
    kinds = tuple(fit(kind, data, settings, spread) for kind, data in lessons.sets if data is not None)
    with_runs = frozenset(past.site.asset_id for past in lessons.pasts if past.runs.n)
    models = ForecastModels(lessons.farms, kinds, lessons.climatology, settings, lessons.known_at, lessons.key, None, with_runs)
    if not kinds:
        return models
    return replace(models, dependence=hindcast_dependence(kinds, lessons.pasts, lessons.known_at, settings))


def _rows(
    kind: FarmKind, pasts: Sequence[Past], codes: dict[AssetId, int], known_at: datetime, settings: ForecastSettings
) -> TrainingSet | None:
    of_kind = [past for past in pasts if past.site.kind == kind]
    return training_set(kind, of_kind, codes, known_at=known_at, settings=settings) if of_kind else None


def _key(
    farms: tuple[FarmSite, ...],
    sets: tuple[tuple[FarmKind, TrainingSet | None], ...],
    climatology: tuple[Climatology, ...],
    settings: ForecastSettings,
) -> str:
    bases = f"{sorted(BASE_FADES_H.items())} {FADES_TRIED_H}"
    digest = hashlib.sha256(f"{lgb.__version__} {farms} {asdict(settings)} {sorted(COLUMNS.items())} {bases}".encode())
    for kind, data in sets:
        digest.update(kind.encode())
        if data is not None:
            for array in (data.x, data.y, data.scale_frac, data.kept_out):
                digest.update(array.tobytes())
    for one in climatology:
        digest.update(one.quantile.tobytes() + one.mean.tobytes())
    return digest.hexdigest()
