"""The screen in a real Chromium, against a park whose meters run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM: Final = shutil.which("chromium")
ROOT: Final = Path(__file__).resolve().parents[2]
UP_WITHIN_S: Final = 60.0
SOON_MS: Final = 15_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a process of its own, as the API is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tests.screen_server", str(port)], cwd=ROOT)
    url, end_s = f"http://127.0.0.1:{port}", time.monotonic() + UP_WITHIN_S
    while not _answers(url):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < end_s, "the server did not come up"
        time.sleep(0.1)
    yield url
    server.terminate()
    server.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/login", timeout=2):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1920, "height": 1080})
    made.set_default_timeout(SOON_MS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def wall(browser: Browser, address: str) -> Iterator[Page]:
    """One page that stays open, as on a wall, and is only looked at."""
    made = browser.new_context(viewport={"width": 1920, "height": 1080})
    made.set_default_timeout(SOON_MS)
    yield opened(made, address, "viewer", "?lang=en")
    made.close()


def opened(context: BrowserContext, address: str, role: str, query: str = "") -> Page:
    page = context.new_page()
    page.goto(f"{address}/?token={role}")
    if query:
        page.goto(f"{address}/screen/{query}")
    page.wait_for_selector("canvas")
    return page


def test_without_a_token_there_is_only_a_form(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    page.goto(f"{address}/screen/")
    assert page.url == f"{address}/login"
    page.fill("#token", "guessed")
    page.click("button")
    expect(page.locator(".fault")).to_have_text("this key or token opens nothing")
    page.fill("#token", "viewer")
    page.click("button")
    page.wait_for_selector("canvas")
    assert page.url == f"{address}/screen/"


@pytest.mark.parametrize("role", ["scheduler", "grid"])
def test_who_may_not_read_the_park_sees_nothing_of_it(context: BrowserContext, address: str, role: str) -> None:
    page = context.new_page()
    page.goto(f"{address}/?token={role}")
    expect(page.locator(".fault")).to_contain_text("may not see the park")
    page.goto(f"{address}/screen/")
    assert page.url == f"{address}/login"


def test_the_token_does_not_stay_in_the_address_nor_where_scripts_can_read_it(context: BrowserContext, address: str) -> None:
    page = opened(context, address, "operator")
    assert page.url == f"{address}/screen/"
    assert page.evaluate("document.cookie") == ""
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_the_screen_draws_every_area_and_every_asset_without_a_word_on_the_console(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/?token=operator")
    expect(page.locator(".chart canvas")).to_have_count(6)
    expect(page.locator("table.assets tr:not(.group):not(.names)")).to_have_count(53)
    expect(page.locator(".tile")).to_have_count(6)
    assert said == []
    assert {url.split("/")[2] for url in asked if url.startswith(("http", "ws"))} == {address.removeprefix("http://")}


def test_the_present_moves_by_itself(wall: Page) -> None:
    before = wall.locator(".clock").inner_text()
    expect(wall.locator(".clock")).not_to_have_text(before)


def test_text_from_outside_stays_text(wall: Page) -> None:
    expect(wall.locator("[data-testid=alarm]").filter(has_text="silent for 65 s <b>")).to_have_count(1)


@pytest.mark.parametrize(("width_px", "height_px"), [(390, 844), (1080, 1920), (1920, 1080)])
def test_nothing_hangs_over_the_edge_of_any_screen(wall: Page, width_px: int, height_px: int) -> None:
    wall.set_viewport_size({"width": width_px, "height": height_px})
    expect(wall.locator(".tile").first).to_contain_text("MW")
    # A chart is drawn anew a moment after its room has changed.
    wall.wait_for_function(
        """width => { const chart = document.querySelector(".chart").getBoundingClientRect().width;
            return document.documentElement.scrollWidth <= width && 0.5 * width < chart && chart < width; }""",
        arg=width_px,
        timeout=10_000,
    )


def test_an_operator_acknowledges_an_alarm_and_everybody_sees_who(wall: Page, context: BrowserContext, address: str) -> None:
    expect(wall.locator("[data-testid=alarm] button")).to_have_count(0)
    page = opened(context, address, "operator", "?lang=en")
    alarms = page.locator("[data-testid=alarm]")
    expect(alarms).to_have_count(2)
    alarms.filter(has_text="ccus.jiulian").get_by_role("button").click()
    expect(page.locator("[data-testid=alarm] button")).to_have_count(1)
    expect(wall.locator("[data-testid=alarm]").filter(has_text="ccus.jiulian")).to_contain_text("acknowledged by operator.test")


def test_an_operator_holds_an_asset_at_a_power_and_absurd_powers_are_refused(
    wall: Page, context: BrowserContext, address: str
) -> None:
    wall.locator("[data-asset='bess.songshan']").click()
    expect(wall.locator("[data-testid=hand]")).to_contain_text("Songshan battery")
    expect(wall.locator("[data-testid=pin]")).to_have_count(0)
    page = opened(context, address, "operator", "?lang=en")
    page.locator("[data-asset='bess.songshan']").click()
    page.get_by_label("power, MW").fill("5000")
    page.get_by_label("why (needed)").fill("inverter test")
    page.locator("[data-testid=pin]").click()
    expect(page.locator(".q-notification")).to_contain_text("5000")
    page.get_by_label("power, MW").fill("-12")
    page.locator("[data-testid=pin]").click()
    expect(page.locator("[data-testid=overrides]")).to_contain_text("Hold power −12 MW")
    expect(page.locator("[data-testid=overrides]")).to_contain_text("operator.test: inverter test · bess.songshan")


def test_an_operator_books_a_maintenance_window_sees_it_on_the_coming_day_and_ends_it(
    wall: Page, context: BrowserContext, address: str
) -> None:
    page = opened(context, address, "operator", "?lang=en")
    page.locator("[data-asset='wind.envision']").click()
    page.get_by_label("why (needed)").fill("gearbox oil")
    page.get_by_label("for, min").fill("180")
    page.locator("[data-testid=maintenance]").click()
    expect(page.locator(".q-notification")).to_contain_text("say when the maintenance begins")
    page.get_by_label("from (empty: now)").fill("2030-10-12T20:00")
    page.locator("[data-testid=maintenance]").click()
    booked = page.locator(".item.asked").filter(has_text="gearbox oil")
    expect(booked).to_contain_text("20:00–23:00", timeout=SOON_MS)
    left, width = booked.locator(".bar i").evaluate("bar => [parseFloat(bar.style.left), parseFloat(bar.style.width)]")
    # In the park it is 10:40 and goes on by a second each second: nine hours and a third ahead, three hours long.
    assert left == pytest.approx(100.0 * (9.0 + 1.0 / 3.0) / 24.0, abs=1.0)
    assert width == pytest.approx(100.0 * 3.0 / 24.0, abs=0.1)
    wall.keyboard.press("Escape")
    expect(wall.locator("[data-testid=hand]")).to_have_count(0)
    seen = wall.locator(".item.asked").filter(has_text="gearbox oil")
    seen.click()
    expect(wall.locator("[data-testid=asked]")).to_contain_text("operator.test: gearbox oil")
    expect(wall.locator("[data-testid=end-it]")).to_have_count(0)
    booked.click()
    page.locator("[data-testid=end-it]").click()
    expect(booked).to_have_count(0, timeout=SOON_MS)
    expect(seen).to_have_count(0, timeout=SOON_MS)


def test_the_screen_says_where_forecasts_stand_and_what_a_farm_lacks(wall: Page) -> None:
    panel = wall.locator("[data-testid=forecasts]")
    expect(panel).to_contain_text("20300920T1600Z-0f1e2d3c4b")
    expect(panel).to_contain_text("(7.0 h) · fetch failed ×3")
    expect(panel.locator(".item")).to_have_count(1)
    expect(panel.locator(".item")).to_contain_text("weather run is late")
    expect(wall.locator(".chips")).to_contain_text("input incomplete")


def test_an_alarm_is_read_in_the_language_of_the_page(context: BrowserContext, address: str) -> None:
    page = opened(context, address, "viewer", "?lang=zh")
    late = page.locator("[data-testid=alarm]").filter(has_text="天气预报迟到")
    expect(late).to_have_count(1)
    page.goto(f"{address}/screen/?lang=en")
    expect(page.locator("[data-testid=alarm]").filter(has_text="the newest weather run came 7 h ago")).to_have_count(1)


def test_both_languages_are_there_and_logging_out_closes_the_door(context: BrowserContext, address: str) -> None:
    page = opened(context, address, "viewer")
    expect(page.locator("h1")).to_contain_text("虚拟电厂")
    page.locator("[data-testid=language]").click()
    expect(page.locator("h1")).to_contain_text("Virtual power plant")
    expect(page.locator(".tile").first).to_contain_text("Demand")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{address}/login")
    page.goto(f"{address}/screen/")
    assert page.url == f"{address}/login"
