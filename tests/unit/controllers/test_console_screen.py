"""The screen is understood at a glance, fits, and never shows what was not heard."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from controllers.console import Screen, summary_line
from controllers.console.text import fit
from tests.console_builders import NOW, Talk, shown
from vpp.park import load
from vpp.wire import messages as m

SIZES = [(80, 24), (100, 32), (120, 30), (140, 45), (200, 60), (40, 8)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def busy() -> Talk:
    talk = Talk()
    talk.everything()
    return talk


def row(talk: Talk, word: str, width: int = 140, later_s: float = 0.0) -> str:
    """The line of the first asset whose name holds the word."""
    lines = shown(talk.frame(NOW + timedelta(seconds=later_s)), width)
    return next(line for line in lines if "▌" in line and word in line)


def test_the_wind_power_of_an_area_is_a_number_beside_its_bar(busy: Talk) -> None:
    lines = shown(busy.frame())
    assert any(re.search(r"wind 风 +412 █+", line) for line in lines)


def test_on_a_narrow_screen_supply_and_demand_are_one_bar_each_with_their_totals(busy: Talk) -> None:
    lines = shown(busy.frame(), 100, 32)
    assert any(re.search(r"supply 供 +532 .*wind 风 412.*sun 光 120", line) for line in lines)
    assert any(re.search(r"demand 需 +532 .*electrolysis 氢 430", line) for line in lines)


def test_the_head_says_park_time_plan_and_acks(busy: Talk) -> None:
    head = shown(busy.frame())[:2]
    assert "赤峰高新区两区示例" in head[0]
    assert "Mon 2030-10-07 10:15:00 Asia/Shanghai" in head[0]
    assert "by mpc plan.20301007T020000 gap 0.40 %" in head[1]
    assert "acks 100 % in 8 ms" in head[1]


def test_an_area_says_its_green_share_and_price(busy: Talk) -> None:
    titles = [line for line in shown(busy.frame()) if "╭─" in line]
    assert "远景零碳氢氨园区 · green 绿电 100 % · price 电价 312 CNY/MWh" in titles[0]
    assert "红山产业园 · green 绿电 19 %" in titles[1]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("▌wind", ("out  412", "at most 412", "plan @312", "● online", "✓ 15s", "cut 108 of 520")),
        ("▌sun", ("out  120", "run free", "all it can")),
        ("▌battery", ("in   35", "charge 35", "63%")),
        ("▌hydrogen", ("in  430", "430: 88 on 12 warm", "88 on, 12 warm")),
        ("▌ammonia", ("hold 28", "H2 ███░░░ 50%")),
        ("▌compute", ("in   34", "cap 38, target 30", "plan @216", "✓ r3", "142 MWh wait")),
        ("▌furnace", ("in  104", "heats 10:25 later", "heat 14/38")),
        ("▌base", ("in  5.0", "–")),
    ],
)
def test_a_row_says_power_order_reason_and_state(busy: Talk, kind: str, words: tuple[str, ...]) -> None:
    line = row(busy, kind, 160)
    assert [word for word in words if word not in line] == []


def test_a_battery_told_only_its_own_use_rests() -> None:
    talk = Talk()
    talk.devices()
    talk.command("bess.envision", m.Target(power_mw=0.85))
    assert " rest " in row(talk, "远景储能", 160)


def test_a_lease_says_whether_it_was_taken_and_how_long_it_holds() -> None:
    talk = Talk()
    talk.devices()
    told = talk.command("bess.envision", m.Target(power_mw=5.0))
    assert "… 15s" in row(talk, "远景储能")
    talk.ack("bess.envision", told)
    assert "✓ 5s" in row(talk, "远景储能", later_s=10.0)
    assert "✓ over" in row(talk, "远景储能", later_s=16.0)


def test_a_clamped_and_a_rejected_command_look_different_from_a_taken_one() -> None:
    talk = Talk()
    talk.devices()
    why = m.Reason(code="limit")
    talk.ack("bess.envision", talk.command("bess.envision", m.Target(power_mw=5.0)), "clamped", why)
    assert "~ 15s" in row(talk, "远景储能")
    talk.ack("bess.envision", talk.command("bess.envision", m.Target(power_mw=6.0)), "rejected", why)
    assert "✗ 15s" in row(talk, "远景储能")


def test_a_silent_device_has_no_power_and_a_mark_of_its_own(busy: Talk) -> None:
    later = NOW + timedelta(seconds=60)
    busy.devices(later, but=frozenset({"bess.envision"}))
    line = row(busy, "远景储能", 160, later_s=60.0)
    assert "? silent" in line
    assert "heard 10:15:00" in line
    assert " in " not in line
    assert any("≥" in line for line in shown(busy.frame(later)))


def test_a_park_that_has_said_nothing_yet_shows_no_number_at_all() -> None:
    text = "\n".join(shown(Talk().frame()))
    assert "no plan yet" in text
    assert text.count("· awaited") == 12
    assert "no controller has been heard yet" in text
    assert "supply 供            – MW" in text


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_line_is_longer_than_the_screen_and_no_screen_taller(busy: Talk, width: int, height: int) -> None:
    for frame in (busy.frame(), Talk().frame(), busy.frame(NOW + timedelta(hours=3))):
        lines = shown(frame, width, height)
        assert [line for line in lines if cell_len(line) > width] == []
        assert len(lines) <= height


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 32), (140, 45), (200, 60)])
def test_chinese_characters_keep_frames_and_columns_aligned(busy: Talk, width: int, height: int) -> None:
    lines = shown(busy.frame(), width, height)
    framed = [line for line in lines if line[0] in "╭│╰"]
    assert {cell_len(line) for line in framed} == {width}
    at = [cell_len(line[: line.index("● online")]) for line in lines if "● online" in line]
    assert len(set(at)) == 1


def test_on_80_columns_the_columns_for_reason_and_lease_give_way(busy: Talk) -> None:
    wide, narrow = ("\n".join(shown(busy.frame(), width, 24)) for width in (100, 80))
    assert "why @CNY/MWh" in wide
    assert "why @CNY/MWh" not in narrow
    assert [word for word in ("kind", "name", "MW", "told", "mode", "state") if word not in narrow] == []


def test_where_rows_are_short_assets_in_trouble_and_steered_ones_stay(busy: Talk) -> None:
    busy.status("base.island", online=False, mode="fault")
    text = "\n".join(shown(busy.frame(), 80, 20))
    assert "氢氨园区" in text
    assert "红山基础" not in text
    assert "more" in text


def test_numbers_are_never_nan(busy: Talk) -> None:
    frames = [Talk().frame(), busy.frame(), busy.frame(NOW + timedelta(days=3))]
    assert "nan" not in "\n".join(line for frame in frames for line in shown(frame)).lower()


def test_the_hours_ahead_show_forecast_and_plan_beside_what_was_measured(busy: Talk) -> None:
    lines = shown(busy.frame())
    wind_and_sun = next(line for line in lines if "wind+sun 风光" in line)
    measured, _, expected = wind_and_sun.partition("┃")
    assert set(measured.split()[-1]) == {"▅"}  # 571 of 1,051 MW all night
    assert expected.strip().startswith("▄")
    assert list(expected.split()[0]) == sorted(expected.split()[0])  # a forecast that rises
    # 3/10 of 1,560 MW of wind and sun at first, and 0.004 of it more with each quarter of an hour
    assert "468–1051" in expected
    assert "30–30" in next(line for line in lines if "compute 算力" in line)


def test_labels_of_the_hours_stand_at_their_cells(busy: Talk) -> None:
    lines = shown(busy.frame())
    axis, now = next(line for line in lines if "park time" in line), next(line for line in lines if "wind+sun" in line)
    cells = [cell_len(now[: now.index("┃")]) + 1 + 2 * (12 - 10), cell_len(axis[: axis.rindex("12:00")])]
    assert cells[0] == cells[1]  # half-hour cells; the first one ahead is 10:00


def test_where_something_was_not_heard_the_past_is_blank_and_not_less() -> None:
    talk = Talk()
    talk.devices(NOW - timedelta(hours=2))
    talk.devices(NOW - timedelta(hours=1), but=frozenset({"wind.hongshan"}))
    measured = next(line for line in shown(talk.frame()) if "wind+sun 风光" in line).partition("┃")[0]
    assert len(re.findall("[▁-█]", measured)) == 1


def test_a_park_of_many_areas_fits_too() -> None:
    talk = Talk(load(ROOT / "seeds", at=date(2030, 10, 1)))
    for asset in talk.park.assets:
        talk.status(asset.id)
        talk.telemetry(asset.id, 1234.5)
    for width, height in ((80, 24), (100, 32), (140, 45)):
        lines = shown(talk.frame(), width, height)
        assert [line for line in lines if cell_len(line) > width] == []
        assert len(lines) <= height


def test_without_colours_every_mode_and_level_still_has_its_word(busy: Talk) -> None:
    busy.status("bess.envision", mode="local")
    busy.status("wind.envision", online=False, mode="fault")
    out = io.StringIO()
    Console(file=out, width=140, height=45, no_color=True).print(Screen(busy.frame()))
    text = out.getvalue()
    assert [word for word in ("◐ local", "○ offline", "✖ alarm", "! warning") if word not in text] == []


def test_an_instant_in_a_device_s_own_words_is_read_in_park_time(busy: Talk) -> None:
    told = busy.command("eaf.yuanlian", m.Target(power_mw=1.0))
    why = m.Reason(code="late", text="starts by 2030-10-07T02:45:37.733801+00:00 at the latest")
    busy.ack("eaf.yuanlian", told, "clamped", why)
    assert "starts by 10:45:37 at the latest" in "\n".join(shown(busy.frame()))


def test_the_plain_line_names_the_powers_of_the_park(busy: Talk) -> None:
    line = summary_line(busy.frame())
    assert line.startswith("10:15 wind 445 sun 126 discharge 12 import 164 | loads 712 (hydrogen 430 compute 34 furnaces 104)")
    assert "green island 100 %, hongshan 19 % | by mpc alarms 0" in line


def test_the_plain_line_leaves_out_a_sum_that_misses_a_part(busy: Talk) -> None:
    busy.status("wind.envision", online=False, mode="fault")
    assert "wind – sun 126" in summary_line(busy.frame())


def test_speed_is_shown_where_it_is_not_one() -> None:
    out = io.StringIO()
    Console(file=out, width=100, height=32).print(Screen(Talk().frame(), 60.2))
    assert "Asia/Shanghai ×60" in out.getvalue()


def test_a_cut_text_ends_on_a_whole_character() -> None:
    for cells in range(1, 12):
        assert cell_len(fit("远景零碳 zero 氢氨园区", cells)) == cells


def test_a_kind_that_the_screen_does_not_know_is_shown_under_its_own_name() -> None:
    talk = Talk()
    first, *others = talk.park.assets
    strange = Talk(replace(talk.park, assets=(replace(first, kind="heat_pump"), *others)))
    strange.telemetry(first.id, 7.0)
    assert "▌heat pu" in "\n".join(shown(strange.frame(), 160))
