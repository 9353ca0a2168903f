"""Every alarm that the service can raise has its Chinese line, its row in the handbook, and no figure gets lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controllers.alarm_words import ALARM_KEYS, alarm_zh
from tests.unit.house.house_sources import ROOT

#: Where alarms are raised, as they stand in the sources: a call, or an entry of what holds.
RAISED = re.compile(r"(?:trouble\(|\.alarm\(|found\[|return \{|key[^=\n]* = )\s*f?\"([a-z_]+\.(?:[a-z_]+\"|\{))")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PLACES = ("loops", "books.py", "supervisor.py", "service.py", "api/unwritten.py")
NAMES = {"wind.a": "甲风电场", "grid.a": "甲变电站"}


def sources() -> str:
    paths = [ROOT / "controllers" / place for place in PLACES]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.glob("*.py")))]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_alarm_of_the_sources_has_chinese_words() -> None:
    raised = {key.rstrip('{".') for key in RAISED.findall(sources())}
    assert {"broker.away", "silent", "plan.missing", "store.lost", "weather.late", "clock"} <= raised
    assert {key for key in raised if key not in ALARM_KEYS} == set()


def test_no_words_are_kept_for_an_alarm_that_nobody_raises() -> None:
    text = sources()
    assert [key for key in ALARM_KEYS if f'"{key}"' not in text and f'"{key}.{{' not in text] == []


def test_the_handbook_says_of_every_alarm_what_it_means_and_what_to_do() -> None:
    handbook = Path(ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    assert [key for key in ALARM_KEYS if f"| `{key}" not in handbook] == []


@pytest.mark.parametrize(
    ("key", "text", "parts"),
    [
        ("silent.wind.a", "wind.a is silent; it is left out", ("甲风电场", "wind.a", "失联")),
        ("plan.missing", "there is no new plan; last_plan in force", ("上一计划",)),
        ("ladder.grid.a", "grid.a: 12.5 MW beyond its limit, step 2", ("甲变电站", "12.5 MW", "第 2 级")),
        ("loop.plan", "plan failed (KeyError: 'x'); begins again in 4 s", ("plan", "KeyError: 'x'", "4 秒")),
        (
            "forecast.no_models",
            "no forecast models yet: the park runs by rules; it trains by itself when farms of half the capacity have measured "
            "30 days, 3.2 are there",
            ("按规则运行", "满 30 天", "现有 3.2 天"),
        ),
        ("weather.late", "the newest weather run came at 2030-10-01T00:12:00+00:00; forecasts get wider as it ages", ("00:12",)),
        ("overrun.plan", "something was said in other words", ("超时", "in other words")),
    ],
)
def test_the_chinese_line_keeps_names_and_figures(key: str, text: str, parts: tuple[str, ...]) -> None:
    said = alarm_zh(key, text, NAMES)
    assert CHINESE.search(said)
    assert "–" not in said
    for part in parts:
        assert part in said


def test_an_alarm_from_elsewhere_keeps_its_line() -> None:
    assert alarm_zh("somebody.elses", "a line", {}) == "a line"
