import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace as changed

from controllers.api.live_state import AssetLive, AssetMode, CommandLive
from controllers.loops.commander import Stamp
from controllers.loops.forecast import forecast_message
from controllers.screen.curves import QUARTER, Matrix, PlanMemory, area_curves, columns_of, span_of
from controllers.screen.model import ScreenModel
from controllers.screen.options import chart_options
from controllers.screen.told import answer_of, mw, reason_of, setpoint_of
from controllers.screen.view import Seen, asset_rows, event_list, header_chips, park_tiles
from controllers.screen.words import LANGUAGES, Language, word
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from tests.builders_accounts import grid_a, site, tie
from tests.screen_server import ShownPark, shown_park
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray
from vpp.wire.messages import HeatStart, Limit, Reason, Setpoint, StackCounts, Target

NOW = datetime(2030, 10, 12, 2, 40, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
OWNER = site(["wind.b", "base.b", "base.a"], grid_a(), tie("b", "a"))
IDS = ("wind.b", "base.b", "base.a", "grid.a", "tie.b")


def matrix(*rows: list[float]) -> Matrix:
    return Matrix({subject: n for n, subject in enumerate(IDS)}, np.array(rows, dtype=np.float64))


#: A quarter that was measured and one that is planned.
MEASURED = matrix([-30.0, np.nan], [10.0, np.nan], [60.0, np.nan], [40.0, np.nan], [-20.0, np.nan])
PLANNED = matrix([-25.0, -28.0], [10.0, 12.0], [60.0, 61.0], [45.0, 45.0], [-15.0, -16.0])
COULD: FloatArray = np.array([[31.0, np.nan]])
EXPECTED: FloatArray = np.array([[np.nan, 33.0]])
AVAILABLE = (Matrix({"wind.b": 0}, COULD), Matrix({"wind.b": 0}, EXPECTED))


def test_behind_now_is_what_was_measured_and_ahead_is_the_plan() -> None:
    curves = area_curves(OWNER, "b", MEASURED, PLANNED, AVAILABLE, 1)
    assert curves.supply_mw["wind"].tolist() == [30.0, 28.0]
    assert curves.demand_mw["base"].tolist() == [10.0, 12.0]


def test_the_quarter_that_is_running_shows_its_mean_so_far_and_is_drawn_to_its_end() -> None:
    running = Matrix(MEASURED.subjects, np.array([[-30.0, -31.0, np.nan]] * 5))
    nothing = Matrix(MEASURED.subjects, np.full((5, 3), np.nan))
    could = Matrix({"wind.b": 0}, np.full((1, 3), np.nan))
    curves = area_curves(OWNER, "b", running, nothing, (could, could), 1)
    assert curves.supply_mw["wind"].tolist() == [30.0, 31.0, 31.0]


def test_what_an_area_sends_to_another_is_its_demand_and_the_others_supply() -> None:
    sender, taker = (area_curves(OWNER, area, MEASURED, PLANNED, AVAILABLE, 1) for area in ("b", "a"))
    assert sender.demand_mw["link"].tolist() == taker.supply_mw["link"].tolist() == [20.0, 16.0]


def test_in_the_whole_park_what_areas_send_each_other_is_nobodys() -> None:
    whole = area_curves(OWNER, None, MEASURED, PLANNED, AVAILABLE, 1)
    assert set(whole.supply_mw) == {"wind", "grid"}
    assert whole.planned_supply_mw.tolist() == [70.0, 73.0]


def test_supply_and_demand_of_the_plan_are_there_for_the_past_too() -> None:
    curves = area_curves(OWNER, "b", MEASURED, PLANNED, AVAILABLE, 1)
    assert curves.planned_demand_mw.tolist() == [25.0, 28.0]
    assert curves.available_mw.tolist() == [31.0, 33.0]


def test_a_quarter_that_nobody_measured_is_a_hole_and_not_zero() -> None:
    gap = Matrix(MEASURED.subjects, np.full((5, 2), np.nan))
    curves = area_curves(OWNER, "b", gap, PLANNED, AVAILABLE, 1)
    assert np.isnan(curves.supply_mw["wind"][0])
    options = chart_options(curves, [NOW, NOW + QUARTER], 1, SHANGHAI, "zh")
    assert next(one for one in options["series"] if one["name"] == "风电")["data"] == [None, 28.0]


def test_the_span_reaches_a_day_back_and_a_day_ahead_of_the_running_quarter() -> None:
    starts = span_of(NOW)
    assert (len(starts), starts[96]) == (192, datetime(2030, 10, 12, 2, 30, tzinfo=UTC))


def test_a_newer_plan_rules_from_its_own_beginning_on() -> None:
    memory, edges = PlanMemory(), [NOW.replace(minute=30) + t * QUARTER for t in range(5)]
    memory.take(edges, {"wind.b": [-1.0, -1.0, -1.0, -1.0]})
    memory.take(edges[2:], {"wind.b": [-2.0, -2.0]})
    assert memory.matrix(["wind.b"], edges[:4]).power_mw[0].tolist() == [-1.0, -1.0, -2.0, -2.0]


def test_a_plan_of_hours_is_spread_over_their_quarters() -> None:
    memory, start = PlanMemory(), NOW.replace(minute=0)
    memory.take([start, start + timedelta(hours=1)], {"wind.b": [-7.0]})
    assert memory.matrix(["wind.b"], [start + 3 * QUARTER, start + 4 * QUARTER]).power_mw[0, 0] == -7.0


def told(kind: str, setpoint: Setpoint, outcome: str | None = "accepted") -> AssetLive:
    command = CommandLive(
        setpoint=setpoint,
        issued_at=NOW,
        until=NOW + timedelta(seconds=15),
        plan_id="p",
        reason=Reason(code="mpc", price_cny_per_mwh=231.0),
        outcome=outcome,  # type: ignore[arg-type]  # one of three words
    )
    return AssetLive(id="x.a", kind=kind, area="a", mode=AssetMode.REMOTE, commands=(command,))


@pytest.mark.parametrize(
    ("kind", "setpoint", "zh", "en"),
    [
        ("battery", Target(power_mw=-12.0), "放电 12", "discharge 12"),
        ("battery", Target(power_mw=0.0), "静置", "rest"),
        ("zinc_electrowinning", Target(power_mw=100.0), "保持 100", "hold 100"),
        ("wind", Limit(max_power_mw=80.0), "不超过 80", "at most 80"),
        (
            "electrolyser",
            StackCounts(on=88, standby=12, power_mw=545.0),
            "545 · 88 槽运行 +12 热备",
            "545 · 88 stacks on +12 warm",
        ),
        ("arc_furnace", HeatStart(furnace="furnace.0", start_at=NOW + timedelta(minutes=12)), "开炉 10:52", "heat 10:52"),
    ],
)
def test_a_command_is_told_in_a_few_words_of_either_language(kind: str, setpoint: Setpoint, zh: str, en: str) -> None:
    asset = told(kind, setpoint)
    assert [setpoint_of(asset, NOW, SHANGHAI, one) for one in LANGUAGES] == [zh, en]


def test_a_refusal_says_why_and_stands_out() -> None:
    asset = told("battery", Target(power_mw=1.0), "rejected")
    refused = replace_answer(asset.commands[0])
    assert answer_of((refused,), NOW, "en") == ("REJECTED: soc floor · 15 s", "bad")


def replace_answer(command: CommandLive) -> CommandLive:
    return changed(command, answer=Reason(code="soc_floor"))


def test_a_reason_tells_price_and_limit() -> None:
    assert (
        reason_of(Reason(code="mpc", price_cny_per_mwh=231.4, limit="grid.d500.import"), "zh")
        == "按计划 · 价 231 · grid.d500.import"
    )


def test_what_is_not_known_is_a_dash() -> None:
    assert mw(None) == mw(float("nan")) == "–"


@pytest.fixture(scope="module")
def shown() -> ShownPark:
    return shown_park(NOW)


def seen(shown: ShownPark) -> Seen:
    return Seen(
        park=shown.park,
        state=shown.state(),
        plan=shown.plan(),
        stale_forecast=False,
        shifts=shown.shifts(),
        alarms=shown.held_alarms,
        events=shown.held_events,
        overrides=shown.held_overrides,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_asset_of_the_park_has_its_row(shown: ShownPark, language: Language) -> None:
    rows = asset_rows(seen(shown), language)
    for asset in shown.park.assets:
        assert asset.id in rows
        assert (asset.name_zh if language == "zh" else asset.name.split("'")[0]) in rows


def test_an_asset_that_was_not_heard_shows_a_dash_and_is_counted(shown: ShownPark) -> None:
    rows = asset_rows(seen(shown), "en").split("<tr")
    own = next(row for row in rows if "ccus.jiulian" in row)
    assert "<b>–</b>" in own
    assert "1 not heard" in park_tiles(seen(shown), "en")


def test_a_dead_bus_and_unseen_alarms_show_at_the_top(shown: ShownPark) -> None:
    now = seen(shown)
    chips = header_chips(replace(now, state=changed(now.state, connected=False)), "en")
    assert f'class="chip bad"><i></i>{word("bus", "en")} <b>DOWN</b>' in chips
    assert f'class="chip bad"><i></i>{word("alarms", "en")} <b>2</b>' in chips


@pytest.mark.parametrize(("language", "words"), [("zh", "现只能保证 431 MW"), ("en", "can be held now: 431 MW")])
def test_a_call_that_can_no_longer_be_held_shows_what_can_while_it_is_not_over(
    shown: ShownPark, language: Language, words: str
) -> None:
    now = seen(shown)
    [call] = now.events
    short = changed(call, possible_mw=431.0)
    assert words in event_list(replace(now, events=[short]), language)
    assert 'class="item accepted short"' in event_list(replace(now, events=[short]), language)
    for fine in (call, changed(short, state="delivered")):
        assert words not in event_list(replace(now, events=[fine]), language)


async def test_without_the_ledger_the_present_is_shown_and_the_loss_is_said(shown: ShownPark) -> None:
    model = ScreenModel(shown)
    shown.refusing = True
    try:
        model.looked_at()
        running = asyncio.create_task(model.run())
        for _ in range(400):
            if "DOWN" in model.words["en"].chips:
                break
            await asyncio.sleep(0.02)
    finally:
        shown.refusing = False
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "1,336" in model.words["en"].tiles
    assert "Ledger" in model.words["en"].chips


def test_what_is_published_of_a_farm_is_seen_in_mw() -> None:
    grid = TimeGrid.regular(span_of(NOW)[0], QUARTER, 2)
    quantiles = np.array([[np.linspace(0.1, 0.7, 7), np.linspace(0.2, 0.8, 7)]])
    farm = AssetId("wind.b")
    forecast = Forecast(grid, QUANTILE_LEVELS, (farm,), quantiles, quantiles[:, :, 3], NOW, ("fresh",))
    said = forecast_message(forecast, Stamp(1, 1, NOW), OWNER)
    seen = columns_of(said, grid.starts, OWNER)
    assert seen.of(farm) == pytest.approx(np.array([0.4, 0.5]) * OWNER.asset(farm).plate.capacity_mw)
