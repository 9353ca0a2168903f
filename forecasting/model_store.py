"""Models on disk: LightGBM's own text beside one JSON of facts, each file checked by its hash; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from forecasting.baselines import Climatology
from forecasting.dependence import Dependence
from forecasting.forecast import MODEL_LEVELS
from forecasting.known import FarmSite, KnownDoor
from forecasting.quantile_model import BASE_FADES_H, KindModel
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, read_lessons, train_on
from vpp.errors import ForecastError
from vpp.ids import AssetId

__all__ = ["load_models", "save_models", "train_cached"]

FACTS_FILE: Final = "models.json"
FORM: Final = 2
SPAN_SUFFIX: Final = "_s"


def train_cached(
    door: KnownDoor,
    farms: Sequence[FarmSite],
    *,
    known_at: datetime,
    directory: Path,
    settings: ForecastSettings | None = None,
) -> ForecastModels:
    """As `train`, but models already made from the very same rows and settings are read instead.

    Args:
        door: History.
        farms: Farms of any kind.
        known_at: What was received later is not seen (UTC).
        directory: Where the models of all keys live; made if absent.
        settings: None for the defaults.

    Raises:
        ForecastError: As `train`, or a stored file was changed.
    """
    chosen = settings or ForecastSettings()
    lessons = read_lessons(door, farms, known_at=known_at, settings=chosen)
    folder = directory / lessons.key
    if (folder / FACTS_FILE).is_file():
        return load_models(folder)
    models = train_on(lessons, chosen)
    try:
        save_models(models, folder)
    except ForecastError:
        # Another process made the very same models meanwhile.
        if not (folder / FACTS_FILE).is_file():
            raise
    return models


def save_models(models: ForecastModels, folder: Path) -> None:
    """Write the models into a new folder; a crash half way leaves none.

    Raises:
        ForecastError: The folder exists.
    """
    if folder.exists():
        raise ForecastError(f"{folder}: is there already; models are never overwritten, choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".draft", dir=folder.parent))
    draft.chmod(0o755)
    texts = {name: text for model in models.kinds for name, text in _texts(model).items()}
    for name, text in texts.items():
        (draft / name).write_text(text, encoding="utf-8")
    facts = {
        "form": FORM,
        "key": models.key,
        "known_at": models.known_at.isoformat(),
        "lightgbm": lgb.__version__,
        "settings": _settings_to_json(models.settings),
        "farms": [asdict(farm) for farm in models.farms],
        "climatology": [{"quantile": c.quantile.tolist(), "mean": c.mean.tolist()} for c in models.climatology],
        "kinds": [
            {"kind": m.kind, "threads": m.threads, "shifts": m.shifts.tolist(), "fades_h": m.fades_h.tolist()}
            for m in models.kinds
        ],
        "dependence": _dependence_to_json(models.dependence),
        "with_runs": None if models.with_runs is None else sorted(models.with_runs),
        "sha256": {name: _sha256(text) for name, text in texts.items()},
    }
    (draft / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    try:
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise ForecastError(f"{folder}: {error.strerror or error}; models are never overwritten") from error


def load_models(folder: Path) -> ForecastModels:
    """Read models back.

    Raises:
        ForecastError: A file is missing, was changed, or is of another form.
    """
    path = folder / FACTS_FILE
    if not path.is_file():
        raise ForecastError(f"{folder}: no {FACTS_FILE}; it holds no models")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["form"] != FORM:
            raise ForecastError(f"{path}: form {facts['form']}, this program reads {FORM}; train again")
        return ForecastModels(
            tuple(FarmSite(**farm) for farm in facts["farms"]),
            tuple(_read_kind(folder, kind, facts["sha256"]) for kind in facts["kinds"]),
            tuple(Climatology(np.array(c["quantile"]), np.array(c["mean"])) for c in facts["climatology"]),
            _settings_from_json(facts["settings"]),
            datetime.fromisoformat(facts["known_at"]),
            facts["key"],
            _dependence_from_json(facts["dependence"]),
            None if facts["with_runs"] is None else frozenset(map(AssetId, facts["with_runs"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ForecastError(f"{path}: not a models file of ours ({error}); delete the folder and train again") from error


def _texts(model: KindModel) -> dict[str, str]:
    boosters = zip(_names(model.kind), (*model.quantiles, model.mean), strict=True)
    return {name: booster.model_to_string() for name, booster in boosters}


def _names(kind: str) -> list[str]:
    return [f"{kind}.q{level:.2f}.txt" for level in MODEL_LEVELS] + [f"{kind}.mean.txt"]


def _read_kind(folder: Path, kind: Mapping[str, Any], sha256: Mapping[str, str]) -> KindModel:
    boosters = [_read_booster(folder / name, sha256[name]) for name in _names(kind["kind"])]
    # Models of before loads were forecast have one time for all farms of a kind.
    fades_h = np.array(kind.get("fades_h", [BASE_FADES_H[kind["kind"]]]))
    return KindModel(kind["kind"], tuple(boosters[:-1]), boosters[-1], np.array(kind["shifts"]), kind["threads"], fades_h)


def _read_booster(path: Path, sha256: str) -> lgb.Booster:
    if not path.is_file():
        raise ForecastError(f"{path}: is missing; delete the folder and train again")
    text = path.read_text(encoding="utf-8")
    if _sha256(text) != sha256:
        raise ForecastError(f"{path}: its hash is not the one in {FACTS_FILE}; delete the folder and train again")
    return lgb.Booster(model_str=text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _dependence_to_json(one: Dependence | None) -> dict[str, Any] | None:
    if one is None:
        return None
    arrays = {name: getattr(one, name).tolist() for name in ("correlation", "fast_h", "slow_h", "slow_frac")}
    return {"asset_ids": list(one.asset_ids), **arrays}


def _dependence_from_json(plain: Mapping[str, Any] | None) -> Dependence | None:
    if plain is None:
        return None
    arrays = (np.array(plain[name]) for name in ("correlation", "fast_h", "slow_h", "slow_frac"))
    return Dependence(tuple(map(AssetId, plain["asset_ids"])), *arrays)


def _settings_to_json(settings: ForecastSettings) -> dict[str, Any]:
    """Spans become seconds, under a name that says so."""
    plain: dict[str, Any] = {}
    for name, value in asdict(settings).items():
        is_span = isinstance(value, timedelta)
        plain[name + SPAN_SUFFIX if is_span else name] = value.total_seconds() if is_span else value
    return plain


def _settings_from_json(plain: Mapping[str, Any]) -> ForecastSettings:
    values: dict[str, Any] = {}
    for name, value in plain.items():
        is_span = name.endswith(SPAN_SUFFIX)
        values[name.removesuffix(SPAN_SUFFIX)] = timedelta(seconds=value) if is_span else value
    return ForecastSettings(**values)
