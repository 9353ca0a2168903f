"""When the service trains by itself, and the training itself, in a process of its own.

The rule: without models, as soon as farms that hold half of the park's wind and solar capacity have each measured so many days
(`enough`, 30 by default) of quarter hours; with models, when the last training is `train_every` (30 days) old, or, at most once a
week, when a farm drifts or is one that they do not know. A challenger takes the place of the models in use only if it is better
on the newest fortnight (`forecasting.registry.challenge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from controllers.foreteller.door import open_door
from controllers.foreteller.ledger_power import LedgerPower
from controllers.foreteller.setup import ForecastSetup
from forecasting.known import CheckedDoor
from forecasting.registry import TRIAL, Registry, challenge
from forecasting.settings import ForecastSettings
from vpp.errors import ForecastError, StoreError
from vpp.ids import AssetId

__all__ = ["Training", "due", "half_measured_days", "look_and_train", "too_young"]

log = structlog.get_logger(__name__)

_DRIFT_APART: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What became of a look at the models.

    Args:
        at: When it was looked.
        measured_days: So much have farms of half the capacity measured. [days]
        reason: Why it was trained; empty if it was not.
        version: What was made; empty for nothing.
        promoted: Whether it is in use now.
        pinball: Of the new models on the newest fortnight, share of capacity; None for nothing.
        rival_pinball: Of those in use before.
    """

    at: datetime
    measured_days: float
    reason: str = ""
    version: str = ""
    promoted: bool = False
    pinball: float | None = None
    rival_pinball: float | None = None


def too_young(setup: ForecastSetup, at: datetime) -> Training | None:
    """A look that needs no history read: nothing can have been measured for long enough; None where it may have been.

    Raises:
        ForecastError: Register or ledger cannot be read.
    """
    if setup.history_file is not None or Registry.open(setup.models_dir).current is not None:
        return None
    try:
        first = LedgerPower.at(setup.store_url).first_at(setup.generating_mw())
    except StoreError:
        first = None
    age = timedelta(0) if first is None else at - first
    return Training(at=at, measured_days=age / timedelta(days=1)) if age < setup.enough else None


def look_and_train(setup: ForecastSetup, at: datetime, drifting: Sequence[AssetId] = ()) -> Training:
    """Trains where a training is due; made for a process of its own, where it may take minutes.

    Args:
        setup: Whose farms.
        at: Now (UTC).
        drifting: Farms whose forecasts have become worse.

    Raises:
        ForecastError: History cannot be read.
    """
    door = open_door(setup, training=True)
    registry = Registry.open(setup.models_dir)
    generating_mw = setup.generating_mw()
    days = half_measured_days({farm: door.measured_days(farm, at) for farm in generating_mw}, generating_mw)
    registry, known = in_use(registry)
    unknown = tuple(farm.asset_id for farm in setup.farms if registry.current is not None and farm.asset_id not in known)
    reason = due(setup, registry, at, timedelta(days=days), drifting=drifting, unknown=unknown)
    if not reason:
        return Training(at=at, measured_days=days)
    _, decision = challenge(registry, CheckedDoor(door), setup.farms, known_at=at, settings=ForecastSettings(threads=1))
    version = decision.version
    return Training(
        at=at,
        measured_days=days,
        reason=reason,
        version=version.name,
        promoted=decision.promoted,
        pinball=version.pinball,
        rival_pinball=version.rival_pinball,
    )


def in_use(registry: Registry) -> tuple[Registry, frozenset[AssetId]]:
    """The register and the farms that its models know; models that cannot be read, as after an upgrade, count as none."""
    if registry.current is None:
        return registry, frozenset()
    try:
        return registry, frozenset(farm.asset_id for farm in registry.models().farms)
    except ForecastError as error:
        log.warning("training.models_unread", version=registry.current, reason=str(error))
        return replace(registry, current=None), frozenset()


def due(
    setup: ForecastSetup,
    registry: Registry,
    at: datetime,
    measured: timedelta,
    *,
    drifting: Sequence[AssetId] = (),
    unknown: Sequence[AssetId] = (),
) -> str:
    """Why a training is due; empty if none is.

    Args:
        setup: The rule's lengths of time.
        registry: What has been trained.
        at: Now.
        measured: What farms of half the capacity have measured.
        drifting: Farms whose forecasts have become worse.
        unknown: Farms that the models in use do not know.
    """
    if registry.current is None:
        return "no models yet" if measured >= setup.enough else ""
    # A version that was not better counts too: the same history again would make the same models.
    last = max(datetime.fromisoformat(one.known_at) for one in registry.versions) + TRIAL
    if at - last >= setup.train_every:
        return f"the last training was {(at - last).days} days ago"
    if at - last >= _DRIFT_APART:
        if drifting:
            return f"{', '.join(drifting)} drifts"
        if unknown:
            return f"{', '.join(unknown)} is new"
    return ""


def half_measured_days(measured_days: Mapping[AssetId, float], capacity_mw: Mapping[AssetId, float]) -> float:
    """The days that farms of at least half the capacity have measured each.

    >>> half_measured_days({"a": 40.0, "b": 3.0}, {"a": 100.0, "b": 90.0})
    40.0
    >>> half_measured_days({"a": 40.0, "b": 3.0}, {"a": 90.0, "b": 100.0})
    3.0
    """
    half, held = sum(capacity_mw.values()) / 2.0, 0.0
    for farm in sorted(measured_days, key=lambda one: -measured_days[one]):
        held += capacity_mw[farm]
        if held >= half:
            return measured_days[farm]
    return 0.0
