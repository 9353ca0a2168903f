"""Where forecasts stand, as the controller last noted it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from vpp.errors import StoreError

__all__ = ["FarmStanding", "ForecastStanding", "LastTraining", "standing_of"]


class FarmStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The last forecast of one farm, or of one inflexible load.

    Args:
        id: Which.
        quality: fresh, stale, persistence or climatology.
        flags: What its input lacked.
        load: Whether it is a load.
    """

    id: str
    quality: str
    flags: tuple[str, ...] = ()
    load: bool = False


class LastTraining(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the last look at the models.

    Args:
        at: When it was looked.
        measured_days: So much have farms of half the capacity measured. [days]
        reason: Why it was trained; empty if it was not.
        version: What was made.
        promoted: Whether it came into use.
        pinball: On the newest fortnight, share of capacity.
        rival_pinball: Of the models in use before.
    """

    at: datetime
    measured_days: float
    reason: str = ""
    version: str = ""
    promoted: bool = False
    pinball: float | None = None
    rival_pinball: float | None = None


class ForecastStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where forecasts stand; empty where the service does not forecast by itself.

    Args:
        given: A forecaster was handed in that sees to its models and its weather itself, as in a simulated park.
        weather: Where runs come from: service, folder, or none.
        weather_failures: Rounds in a row that brought no run.
        run_received_at: When the newest run came; null before the first.
        issued_at: Of the last forecast; null before the first.
        version: Of the models in use; empty without any.
        learnt_until: What had been received by then was learnt.
        farms: Farms, and inflexible loads beside them, each with quality and flags.
        trains: Whether it trains by itself.
        enough_days: Days to measure before the first training. [days]
        training_since: When a training began that has not ended; null for none.
        training: What became of the last look.
        training_failure: Why the last look failed; empty if it did not.
    """

    given: bool = False
    weather: str = "none"
    weather_failures: int = 0
    run_received_at: datetime | None = None
    issued_at: datetime | None = None
    version: str = ""
    learnt_until: datetime | None = None
    farms: tuple[FarmStanding, ...] = ()
    trains: bool = False
    enough_days: int = 0
    training_since: datetime | None = None
    training: LastTraining | None = None
    training_failure: str = ""


def standing_of(health: Mapping[str, Any]) -> ForecastStanding:
    """Out of the controller's note of itself; nothing before the first.

    Raises:
        StoreError: Another version wrote it.
    """
    try:
        return msgspec.convert(health.get("forecast", {}), ForecastStanding)
    except msgspec.ValidationError as error:
        raise StoreError(f"the controller's note on forecasts cannot be read: {error}") from error
