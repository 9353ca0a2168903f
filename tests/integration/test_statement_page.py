"""The statement in a real Chromium: it draws, complains about nothing and asks for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from controllers.cli_park import default_park_path
from controllers.statements import RegisterFile, build_statement, parse_span, statement_html, write_registers
from tests.builders_accounts import QUARTER
from tests.world_builders import START
from vpp.park import load
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

CHROMIUM: Final = shutil.which("chromium")
DAYS: Final = 9


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Statements of a month and a day of the whole park, from meters that one line of arithmetic each makes up."""
    folder = tmp_path_factory.mktemp("statement")
    write_registers(folder / "r.csv", TimeGrid.regular(START, QUARTER, DAYS * 96).starts, _columns(DAYS * 96))
    source, park_path = RegisterFile.read(folder / "r.csv"), default_park_path()
    zone = load(park_path, at=START.date()).zone
    made = {}
    for name, day in (("month", None), ("day", "3")):
        statement = build_statement(source, lambda on: load(park_path, at=on), parse_span("2030-10", day, zone))
        path: Path = folder / f"{name}.html"
        path.write_text(statement_html(statement), encoding="utf-8")
        made[name] = path.as_uri()
    return made


def _columns(n: int) -> dict[tuple[str, str], tuple[FloatArray, FloatArray]]:
    told, wave = np.ones(n), 0.5 + 0.5 * np.sin(np.arange(n) / 40.0)
    means: dict[tuple[str, str], FloatArray] = {}
    for asset in load(default_park_path(), at=START.date()).assets:
        if asset.kind in ("wind", "solar"):
            means[asset.id, "power_mw"] = -0.4 * asset.plate.capacity_mw * wave
            means[asset.id, "available_mw"] = 0.41 * asset.plate.capacity_mw * wave
        elif asset.kind == "base_load":
            means[asset.id, "power_mw"] = np.where(np.arange(n) % 300 < 5, np.nan, asset.plate.mean_mw)
    means["grid.d500", "import_mw"] = 400.0 * (1.0 - wave)
    return {name: (mean, told) for name, mean in means.items()}


@pytest.mark.parametrize("name", ["month", "day"])
@pytest.mark.parametrize("width_px", [1280, 390])
def test_a_statement_draws_without_a_word_on_the_console_and_fits_the_screen(
    browser: Browser, pages: dict[str, str], name: str, width_px: int
) -> None:
    page = browser.new_page(viewport={"width": width_px, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name])
    assert (said, asked) == ([], [pages[name]])
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    heights_px = page.evaluate("[...document.querySelectorAll('section > svg')].map(e => e.getBoundingClientRect().height)")
    assert len(heights_px) >= 3
    assert min(heights_px) > 60
    page.close()


def test_marks_of_a_plot_lie_inside_it(browser: Browser, pages: dict[str, str]) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(pages["month"])
    outside = page.evaluate(
        """() => [...document.querySelectorAll('section > svg')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('rect, path, text')].filter(mark => {
                const own = mark.getBoundingClientRect();
                return own.left < box.left - 1 || own.right > box.right + 1
                    || own.top < box.top - 1 || own.bottom > box.bottom + 1;
            }).map(mark => mark.outerHTML.slice(0, 80));
        })"""
    )
    assert outside == []
    page.close()
