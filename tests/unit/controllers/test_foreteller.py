"""History out of the ledger, runs that a restart knows, and the rule by which the service trains itself."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.clock import WallClock
from controllers.forecast_settings import WeatherSettings
from controllers.foreteller import ForecastSetup, RunShelf, too_young
from controllers.foreteller.door import open_door
from controllers.foreteller.setup import place_of
from controllers.foreteller.standing import covering
from controllers.foreteller.training import due, half_measured_days, in_use
from controllers.loops.weather import WeatherDesk
from controllers.settings import load_settings
from controllers.store import Reading, RegisterRow, open_store
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.known import CheckedDoor, FarmSite
from forecasting.registry import TRIAL, Registry, Version
from forecasting.weather import Answer
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.park import load as load_park
from vpp.timegrid import TimeGrid

RECORDED = Path(__file__).parents[2] / "golden" / "weather"
START = datetime(2030, 10, 1, tzinfo=UTC)
QUARTER, MINUTE = timedelta(minutes=15), timedelta(minutes=1)
WIND, SUN = AssetId("wind.a"), AssetId("pv.a")
FARMS = (FarmSite(WIND, "wind", 42.3, 118.9), FarmSite(SUN, "solar", 42.3, 118.9))
PLACE = place_of(FARMS[0])


def setup_in(folder: Path) -> ForecastSetup:
    return ForecastSetup(
        farms=FARMS,
        capacity_mw={WIND: 200.0, SUN: 100.0},
        store_url=f"sqlite:///{folder / 'vpp.sqlite3'}",
        models_dir=folder / "models",
        weather_dir=folder / "weather",
        history_file=None,
        runs_file=None,
        enough=timedelta(days=30),
        train_every=timedelta(days=30),
    )


def register(k: int, mean: float, share: float = 1.0, received_at: datetime | None = None) -> RegisterRow:
    start = START + k * QUARTER
    return RegisterRow(
        subject=WIND,
        quantity="available_mw",
        start=start,
        mean=mean,
        measured_share=share,
        received_at=received_at or start + QUARTER,
    )


def reading(at: datetime, value: float, received_at: datetime | None = None) -> Reading:
    return Reading(
        subject=WIND, quantity="available_mw", measured_at=at, received_at=received_at or at + timedelta(seconds=1), value=value
    )


def power(setup: ForecastSetup, known_at: datetime) -> dict[datetime, float]:
    """What the checked door says of the wind farm since the start."""
    door = CheckedDoor(open_door(setup, training=True))
    series = door.power(WIND, known_at=known_at, start=START, end=known_at)
    times = [at.replace(tzinfo=UTC) for at in series.measured_at.tolist()]
    return dict(zip(times, series.value.tolist(), strict=True))


def test_registers_of_the_ledger_become_shares_of_capacity(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    with_store = open_store(setup.store_url)
    with_store.write_registers([register(0, 50.0), register(1, 100.0), register(2, 60.0, share=0.2)])
    told = power(setup, START + timedelta(hours=1))
    assert told[START] == 0.25
    assert told[START + QUARTER] == 0.5
    assert np.isnan(told[START + 2 * QUARTER]), "three minutes of a quarter hour say too little"
    with_store.close()


def test_a_register_is_not_known_before_it_was_received(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    store = open_store(setup.store_url)
    late = START + timedelta(hours=3)
    store.write_registers([register(0, 50.0), register(1, 100.0, received_at=late)])
    assert set(power(setup, late - MINUTE)) == {START}
    assert set(power(setup, late)) == {START, START + QUARTER}
    store.close()


def test_the_newest_quarter_hour_comes_out_of_readings_until_its_register_is_there(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    store = open_store(setup.store_url)
    store.write_registers([register(0, 50.0)])
    begin = START + QUARTER
    store.write_readings([reading(begin + k * MINUTE, 80.0 + k) for k in range(15)])
    at = begin + QUARTER
    assert power(setup, at) == pytest.approx({START: 0.25, begin: 87.0 / 200.0})
    # A reading that came later than now, and a quarter hour that still runs, are not in it.
    store.write_readings([reading(begin + 3 * MINUTE + timedelta(seconds=30), 900.0, received_at=at + MINUTE)])
    store.write_readings([reading(at + k * MINUTE, 10.0) for k in range(5)])
    assert power(setup, at) == pytest.approx({START: 0.25, begin: 87.0 / 200.0})
    store.close()


def test_a_load_is_what_its_users_asked_for_and_where_nobody_says_that_what_they_got(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    load = FarmSite(AssetId("shed.a"), "load", 42.3, 118.9)
    setup = replace(setup, farms=(*FARMS, load), capacity_mw={**setup.capacity_mw, load.asset_id: 10.0})
    store = open_store(setup.store_url)
    store.write_registers(
        [replace(register(k, mean), subject=load.asset_id, quantity="power_mw") for k, mean in enumerate((8.0, 0.0, 6.0))]
    )
    # The breaker was open in the second quarter hour; the third was written before demand was kept.
    store.write_registers(
        [replace(register(k, mean), subject=load.asset_id, quantity="demand_mw") for k, mean in enumerate((8.0, 9.0))]
    )
    end = START + timedelta(hours=1)
    told = CheckedDoor(open_door(setup, training=True)).power(load.asset_id, known_at=end, start=START, end=end)
    assert told.value.tolist() == pytest.approx([0.8, 0.9, 0.6])
    store.close()


def test_every_inflexible_load_of_the_park_is_forecast_and_none_counts_as_capacity() -> None:
    park = load_park(Path(__file__).parents[3] / "seeds", at=date(2030, 10, 1))
    setup = ForecastSetup.of(load_settings(environment={}), park)
    loads = {farm.asset_id for farm in setup.farms if farm.kind == "load"}
    assert loads == {a.id for kind in ("base_load", "feeder") for a in park.assets_of(kind)}
    assert set(setup.generating_mw()) == {farm.asset_id for farm in setup.farms} - loads
    assert setup.capacity_mw[AssetId("base.songshan")] == 2 * park.asset("base.songshan").plate.mean_mw
    assert setup.capacity_mw[AssetId("shed.songshan1")] == 8.0


def test_without_a_ledger_there_is_no_history_and_no_error(tmp_path: Path) -> None:
    assert power(setup_in(tmp_path), START) == {}
    assert not (tmp_path / "vpp.sqlite3").exists(), "whoever reads makes no ledger"


def test_kept_runs_are_known_after_a_restart_from_the_moment_they_came(tmp_path: Path) -> None:
    body = (RECORDED / "chifeng_20301001T0012Z.json").read_bytes()
    came = START + timedelta(minutes=12, seconds=5, microseconds=1)
    RunShelf(tmp_path / "weather").keep(PLACE, came, body)
    door = CheckedDoor(open_door(setup_in(tmp_path)))
    assert door.weather_runs(WIND, known_at=came).n == 0, "the fraction of a second counts as the next full one"
    runs = door.weather_runs(WIND, known_at=came + timedelta(seconds=1))
    assert runs.issued_at.tolist() == [datetime(2030, 10, 1)]  # noqa: DTZ001  numpy's stamps have no zone
    assert np.isfinite(runs.value[0, 1:40]).all()
    assert RunShelf(tmp_path / "weather").newest(PLACE) == START + timedelta(minutes=12, seconds=6)


def test_answers_that_cannot_be_read_or_say_nothing_do_not_hide_an_older_run(tmp_path: Path) -> None:
    shelf = RunShelf(tmp_path / "weather")
    shelf.keep(PLACE, START + timedelta(minutes=12), (RECORDED / "chifeng_20301001T0012Z.json").read_bytes())
    shelf.keep(PLACE, START + timedelta(hours=2), b"cut off")
    shelf.keep(PLACE, START + timedelta(hours=3), b'{"hourly": {"time": ["2030-10-01T03:00"]}}')
    runs = open_door(setup_in(tmp_path)).weather_runs(WIND, known_at=START + timedelta(hours=4))
    assert runs.n == 1


def test_a_folder_that_somebody_else_fills_is_read_too(tmp_path: Path) -> None:
    folder = tmp_path / "weather"
    folder.mkdir()
    shutil.copy(RECORDED / "chifeng_20301001T0012Z.json", folder / f"{PLACE}_20301001T0012Z.json")
    assert open_door(setup_in(tmp_path)).weather_runs(SUN, known_at=START + timedelta(hours=1)).n == 1


def test_a_history_file_that_is_gone_stops_a_training_and_no_forecast(tmp_path: Path) -> None:
    setup = replace(setup_in(tmp_path), history_file=tmp_path / "gone.csv")
    assert open_door(setup).power(WIND, known_at=START, start=START - QUARTER, end=START).value.size == 0
    with pytest.raises(ForecastError, match=r"gone\.csv"):
        open_door(setup, training=True)


def versions(*trained_at: datetime) -> tuple[Version, ...]:
    return tuple(
        Version(f"v{n}", (at - TRIAL).isoformat(), "", "", 0.1, None, None, at.isoformat()) for n, at in enumerate(trained_at)
    )


@pytest.mark.parametrize(
    ("trained_days_ago", "measured_days", "drifting", "unknown", "expected"),
    [
        (None, 29.9, (), (), ""),
        (None, 30.0, (), (), "no models yet"),
        (29, 400.0, (), (), ""),
        (30, 400.0, (), (), "the last training was 30 days ago"),
        (8, 400.0, (WIND,), (), "wind.a drifts"),
        (6, 400.0, (WIND,), (), ""),
        (8, 400.0, (), (SUN,), "pv.a is new"),
    ],
)
def test_a_training_is_due_by_the_rule(
    tmp_path: Path,
    trained_days_ago: int | None,
    measured_days: float,
    drifting: tuple[AssetId, ...],
    unknown: tuple[AssetId, ...],
    expected: str,
) -> None:
    at = START + timedelta(days=500)
    trained = () if trained_days_ago is None else versions(at - timedelta(days=trained_days_ago))
    registry = Registry(tmp_path, trained[0].name if trained else None, trained)
    measured = timedelta(days=measured_days)
    assert due(setup_in(tmp_path), registry, at, measured, drifting=drifting, unknown=unknown) == expected


def test_models_that_cannot_be_read_any_more_count_as_none_and_are_trained_anew(tmp_path: Path) -> None:
    (tmp_path / "v0").mkdir()
    (tmp_path / "v0" / "models.json").write_text('{"form": 1}', encoding="utf-8")
    registry, known = in_use(Registry(tmp_path, "v0", versions(START)))
    assert (registry.current, known) == (None, frozenset())
    assert due(setup_in(tmp_path), registry, START + timedelta(days=1), timedelta(days=30)) == "no models yet"


def test_a_large_farm_alone_is_half_of_the_capacity() -> None:
    assert half_measured_days({WIND: 40.0, SUN: 0.0}, {WIND: 200.0, SUN: 100.0}) == 40.0
    assert half_measured_days({WIND: 0.0, SUN: 40.0}, {WIND: 200.0, SUN: 100.0}) == 0.0


def test_a_young_ledger_is_not_read_whole(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    store = open_store(setup.store_url)
    store.write_registers([register(0, 50.0)])
    young = too_young(setup, START + timedelta(days=12))
    assert young is not None
    assert young.measured_days == 12.0
    assert too_young(setup, START + timedelta(days=30)) is None
    assert too_young(replace(setup, history_file=tmp_path / "past.csv"), START) is None
    store.close()


def test_a_farm_that_the_models_do_not_know_can_be_anything_and_is_flagged() -> None:
    grid = TimeGrid.regular(START, QUARTER, 8)
    quantile = np.tile(np.linspace(0.1, 0.7, len(QUANTILE_LEVELS)), (1, grid.n, 1))
    known = Forecast(grid, QUANTILE_LEVELS, (WIND,), quantile, np.full((1, grid.n), 0.4), START, ("fresh",), ((),))
    both = covering(known, FARMS)
    assert both.asset_ids == (WIND, SUN)
    np.testing.assert_array_equal(both.quantile_frac[0], quantile[0])
    assert both.quality == ("fresh", "climatology")
    assert both.flags_of(SUN) == ("history_missing",)


class Weather:
    """The other side: answers, or does not, or hangs."""

    def __init__(self, clock: WallClock) -> None:
        self.clock, self.mood = clock, "good"

    async def fetch_told(self, latitude_deg: float, longitude_deg: float) -> tuple[Answer, bytes] | None:
        if self.mood == "hangs":
            await asyncio.Event().wait()
        body = (RECORDED / "chifeng_20301001T0012Z.json").read_bytes()
        return None if self.mood == "away" else (Answer(self.clock.now(), np.array([], dtype="datetime64[us]"), {}), body)


async def test_after_failures_the_weather_is_asked_again_soon_and_then_ever_more_seldom(tmp_path: Path) -> None:
    clock = WallClock(1_000.0, START)
    world = Weather(clock)
    settings = WeatherSettings(url="http://weather.example", every_s=600.0, budget_s=30.0, late_s=3_600.0)
    desk = WeatherDesk(clock, settings, RunShelf(tmp_path), {PLACE: (42.3, 118.9)}, world)
    await desk.look()
    assert desk.pause_s() == 0.0, "nothing is known yet"
    await desk.fetch()
    assert 500.0 < desk.pause_s() <= 600.0
    pauses = []
    for world.mood in ("away", "hangs", "away", "away", "away"):
        await desk.fetch()
        pauses.append(desk.pause_s())
    assert pauses == [60.0, 120.0, 240.0, 480.0, 600.0]
    assert desk.newest is not None
    assert desk.conditions(desk.newest + timedelta(hours=1)) == {}
    assert list(desk.conditions(desk.newest + timedelta(hours=2))) == ["weather.late"]
    world.mood = "good"
    await desk.fetch()
    assert desk.failures == 0
    again = WeatherDesk(clock, settings, RunShelf(tmp_path), {PLACE: (42.3, 118.9)}, world)
    await again.look()
    assert again.pause_s() > 0.0, "a restart knows the run that was kept"
