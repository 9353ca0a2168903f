"""`vpp serve` by itself: it learns from a history file, fetches weather, plans; and goes on when the weather service dies."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controllers.bus.broker import find_nats_server
from controllers.settings import ClockSettings
from forecasting.load_sites import load_sites
from forecasting.registry import Registry
from sim_harness.scenario import load, load_park_of
from sim_harness.site import farms_of
from sim_harness.weather.source import open_weather
from tests.serve_rig import Served, playing, serving, weather_service, write_history
from vpp.errors import BrokerError
from vpp.timegrid import floor_to

SPEED, CONTROL_S = 60.0, 10.0
PARK = Path(__file__).parents[2] / "seeds" / "parks" / "two_areas.yaml"


def config_of(folder: Path, start: datetime, began_s: float, history: tuple[Path, Path], url: str) -> Path:
    """As a person would write it, but for the clock."""
    path = folder / "vpp.toml"
    path.write_text(
        f"""
park = "{PARK}"
state_dir = "{folder / "state"}"
control_s = {CONTROL_S}
[api]
port = 0
[clock]
speed = {SPEED}
start = {start.isoformat()}
began_s = {began_s}
[forecast]
enough_days = 20
history_file = "{history[0]}"
runs_file = "{history[1]}"
[forecast.weather]
url = "{url}"
every_s = 600
late_s = 1200
timeout_s = 2
""",
        encoding="utf-8",
    )
    return path


def planned(served: Served) -> int:
    return len(served.rows("SELECT plan_id FROM plans WHERE source = 'mpc'"))


def farms_of_now(served: Served) -> dict[str, tuple[str, tuple[str, ...]]]:
    standing = served.asked("/v1/forecasts/standing")
    return {farm["id"]: (farm["quality"], tuple(farm["flags"])) for farm in standing["farms"]}


# A whole life of the service at sixty times the clock: training, plans, a dead weather service, and a restart 40 h later.
def test_the_service_learns_plans_and_goes_on_without_its_weather_service(tmp_path: Path) -> None:
    try:
        find_nats_server()
    except BrokerError as error:
        pytest.skip(f"no real broker here: {error}")
    scenario = replace(load("first-week"), days=3.0, control_step_s=CONTROL_S)
    park = load_park_of(scenario)
    weather = open_weather(None, farms_of(park), seed=1, start=scenario.start, end=scenario.end)
    history = write_history(tmp_path, park, weather, scenario.start, days=24)
    began_s = time.monotonic()
    clock = ClockSettings(speed=SPEED, start=scenario.start, began_s=began_s).clock()
    with weather_service(clock) as service:
        config = config_of(tmp_path, scenario.start, began_s, history, service.url)
        with (
            serving(config, tmp_path / "state") as served,
            playing(park, scenario, weather, served.said("broker"), clock, CONTROL_S),
        ):
            assert "no models" in served.line("forecast")
            served.until(lambda: planned(served) >= 1, "a plan by the solver")
            registry = Registry.open(tmp_path / "state" / "models")
            assert registry.current is not None
            assert served.asked("/v1/forecasts/standing")["version"] == registry.current
            told = farms_of_now(served)
            assert {told[farm.asset_id][0] for farm in farms_of(park)} <= {"fresh", "stale"}
            loads = set(told) - {farm.asset_id for farm in farms_of(park)}
            assert loads == {site.asset_id for site in load_sites(park)}
            # Nobody handed over what loads drew, and an hour of the ledger is no week.
            assert {told[load][0] for load in loads} == {"climatology"}
            service.die()
            before = planned(served)
            served.until(lambda: "weather.fetch_failed" in served.log(), "a fetch that fails")
            served.until(lambda: planned(served) > before, "plans after the weather service died")
            late = "SELECT text FROM alarms WHERE key = 'weather.late' AND cleared_at IS NULL"
            served.until(lambda: bool(served.rows(late)), "an alarm about the weather")
    kept = sorted((tmp_path / "state" / "weather").glob("*.json"))
    assert kept, "fetched runs are on disk"

    # The same service 40 hours later: the kept runs are known, too old, and said to be.
    later, began_s = floor_to(clock.now(), timedelta(hours=1)) + timedelta(hours=40), time.monotonic()
    config = config_of(tmp_path, later, began_s, history, service.url)
    clock = ClockSettings(speed=SPEED, start=later, began_s=began_s).clock()
    scenario = replace(scenario, start=later, days=1.0)
    with (
        serving(config, tmp_path / "state") as served,
        playing(park, scenario, weather, served.said("broker"), clock, CONTROL_S),
    ):
        assert registry.current in served.line("forecast")
        before = planned(served)
        served.until(lambda: planned(served) > before, "a plan on old weather")
        flagged = farms_of_now(served)
        assert all("run_late" in flags for farm, (_, flags) in flagged.items() if farm.startswith("wind")), flagged
        assert "fresh" not in {quality for farm, (quality, _) in flagged.items() if farm.startswith("wind")}
    assert sorted((tmp_path / "state" / "weather").glob("*.json")) == kept
