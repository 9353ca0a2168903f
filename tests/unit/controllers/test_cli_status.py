"""`vpp status` about forecasts and alarms: what a person reads who has only a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.console import Console

from controllers.api.forecast_facts import FarmStanding, ForecastStanding, LastTraining, standing_of
from controllers.cli_service_tables import in_zone, show_status
from controllers.screen.view import worst_quality
from vpp.errors import StoreError

AT = datetime(2030, 10, 7, 4, 0, tzinfo=UTC)
LIVE: dict[str, Any] = {
    "park": "two_areas", "at": AT.isoformat(), "connected": True, "controller_heard_at": None, "plan_id": None,
    "areas": [], "connections": [], "assets": [],
}  # fmt: skip
NEW = ForecastStanding(
    trains=True, enough_days=30, weather="service", weather_failures=2, training=LastTraining(at=AT, measured_days=3.25)
)
OLD = ForecastStanding(
    trains=True,
    enough_days=30,
    weather="service",
    run_received_at=datetime(2030, 10, 6, 22, 0, tzinfo=UTC),
    issued_at=datetime(2030, 10, 7, 3, 45, tzinfo=UTC),
    version="v7",
    farms=(FarmStanding(id="wind.a", quality="stale", flags=("run_late",)), FarmStanding(id="pv.a", quality="fresh")),
    training=LastTraining(at=AT, measured_days=90.0, reason="wind.a drifts", version="v8", promoted=False),
)
GIVEN = ForecastStanding(given=True, issued_at=OLD.issued_at, farms=OLD.farms)


def shown(standing: ForecastStanding, *alarms: dict[str, Any]) -> str:
    answer = {"live": LIVE, "alarms": list(alarms), "forecasts": msgspec.to_builtins(standing, builtin_types=())}
    console = Console(width=140, record=True, file=StringIO())
    show_status(console, in_zone(answer, ZoneInfo("Asia/Shanghai")))
    return console.export_text()


@pytest.mark.parametrize(
    ("standing", "parts"),
    [
        (ForecastStanding(), ("does not forecast by itself",)),
        (GIVEN, ("10-07 11:45:00 (0.2 h)", "by a forecaster of their own", "wind.a stale: run_late")),
        (NEW, ("by rules", "按规则运行", "x2", "after 30 measured days, 3.2 are there")),
        (OLD, ("v7", "10-07 11:45:00 (0.2 h)", "10-07 06:00:00 (6.0 h)", "wind.a stale: run_late", "v8 not better", "1 fresh")),
    ],
)
def test_a_person_reads_how_old_and_how_good_forecasts_are(standing: ForecastStanding, parts: tuple[str, ...]) -> None:
    out = shown(standing)
    assert [part for part in parts if part not in out] == []


def test_loads_are_counted_beside_farms_and_do_not_make_a_forecast_worse() -> None:
    week = FarmStanding(id="base.a", quality="persistence", load=True)
    with_load = msgspec.structs.replace(OLD, farms=(*OLD.farms, week))
    assert "farms 场站 1 stale" in shown(with_load)
    assert "loads 负荷 1 " in shown(with_load)
    assert worst_quality(with_load) == worst_quality(OLD) == "stale"


def test_an_alarm_stands_there_in_both_languages() -> None:
    alarm = {"number": 4, "level": "alarm", "text": "wind.a is silent", "text_zh": "甲风电场失联", "acknowledged_at": None}
    lines = shown(OLD, alarm).splitlines()
    place = next(n for n, line in enumerate(lines) if "wind.a is silent" in line)
    assert lines[place + 1].strip() == "甲风电场失联"


def test_a_note_of_another_version_is_said_and_nothing_is_made_up() -> None:
    assert standing_of({}) == ForecastStanding()
    with pytest.raises(StoreError, match="forecasts"):
        standing_of({"forecast": {"farms": 7}})
