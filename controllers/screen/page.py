"""The page itself: one for every browser that has been let in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import ui

from controllers.api.ledger_facts import AlarmFacts
from controllers.api.roles import Caller, Right
from controllers.screen.entrance import COOKIE
from controllers.screen.hand import Hand
from controllers.screen.model import ScreenModel
from controllers.screen.words import CATEGORY_WORDS, COLOURS, LANGUAGES, Language, word
from vpp.errors import VppError

__all__ = ["open_page"]

_STYLE: Final = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_TICK_S: Final = 1.0
_MOST_ALARMS: Final = 12
#: Tells which row was clicked; the rows themselves are made anew each second.
_ROW: Final = "(event) => { const row = event.target.closest('[data-asset]'); if (row) emit(row.dataset.asset) }"
_ASKED: Final = "(event) => { const row = event.target.closest('[data-override]'); if (row) emit(row.dataset.override) }"
_MANY_OVER: Final = 3
_LEVELS: Final = {"alarm": 0, "warning": 1, "note": 2}
#: Every so many ticks the credential is shown at the door again.
_ASK_AGAIN: Final = 30


def open_page(model: ScreenModel, default: Language) -> None:
    """Registers the page with NiceGUI."""

    @ui.page("/", title="VPP 虚拟电厂")
    async def page(request: Request, lang: str = "", theme: str = "dark") -> Response | None:
        address = request.client.host if request.client is not None else "unknown"
        try:
            caller = model.source.owner(request.cookies.get(COOKIE, ""), address)
        except VppError:
            return RedirectResponse("/login", status_code=303)
        if not caller.may(Right.READ):
            return RedirectResponse("/login", status_code=303)
        language: Language = next((one for one in LANGUAGES if one == lang), default)
        model.looked_at()
        if not model.words[language].number or not model.charts_number:
            await model.refresh()
        _Page(model, (request.cookies.get(COOKIE, ""), address), caller, (language, theme)).build()
        return None


class _Page:
    """What one browser has open.

    Args:
        model: What it shows.
        shown: The credential and the address it came from, to see now and then whether it still opens.
        caller: Who looks; what they may do is asked anew at each click.
        look: The language, and `dark` or `light`.
    """

    def __init__(self, model: ScreenModel, shown: tuple[str, str], caller: Caller, look: tuple[Language, str]) -> None:
        self._model, self._shown, self._caller = model, shown, caller
        self._language, self._theme = look
        self._ticks = 0
        self._number, self._charts_number = -1, -1
        self._parts: dict[str, ui.html] = {}
        self._charts: dict[str, ui.echart] = {}
        self._alarms: tuple[tuple[object, ...], ...] | None = None

    def build(self) -> None:
        """Puts everything in its place; a timer keeps it up to date."""
        ui.add_css(_STYLE)
        ui.dark_mode(self._theme != "light")
        self._head()
        self._parts["tiles"] = ui.html("", sanitize=False).classes("tiles")
        self._bell = ui.element("div").classes("bell")
        with ui.element("div").classes("top"):
            with ui.element("div").classes("curves"):
                self._chart("")
                with ui.element("div").classes("charts"):
                    for area in self._model.source.park.area_ids:
                        self._chart(area)
            # Beside the curves, so that a wall that nobody scrolls shows what was asked for.
            with ui.element("div").classes("side"):
                for name in ("overrides", "events", "forecasts"):
                    self._panel(name, "card")
        self._panel("assets", "card")
        hand = Hand(self._model.source, self._caller, self._language, self._model.look_at_asks)
        self._parts["assets"].on("click", lambda event: hand.open(str(event.args)), js_handler=_ROW)
        self._parts["overrides"].on("click", lambda event: self._open_override(hand, str(event.args)), js_handler=_ASKED)
        self._tick()
        ui.timer(_TICK_S, self._tick)

    def _open_override(self, hand: Hand, number: str) -> None:
        one = self._model.override(int(number)) if number.isdigit() else None
        if one is not None:
            hand.open_override(one)

    def _head(self) -> None:
        park, other = self._model.source.park, "en" if self._language == "zh" else "zh"
        name = park.site.name_zh if self._language == "zh" else park.name
        light = "dark" if self._theme == "light" else "light"
        with ui.element("div").classes("head"):
            ui.html(f"<h1>{escape(name)} · {escape(word('title', self._language))}</h1>", sanitize=False)
            self._parts["clock"] = ui.html("", sanitize=False).classes("clock")
            self._parts["chips"] = ui.html("", sanitize=False).classes("chips")
            ui.element("div").classes("grow")
            look = f"theme={self._theme}"
            ui.link("English" if other == "en" else "中文", f"?lang={other}&{look}").props('data-testid="language"')
            ui.link("☀" if light == "light" else "☾", f"?lang={self._language}&theme={light}").props('data-testid="theme"')
            out = escape(word("logout", self._language))
            ui.html(
                f'<form method="post" action="/logout" title="{escape(self._caller.name)}"><button>{out}</button></form>',
                sanitize=False,
            )

    def _chart(self, area: str) -> None:
        park = self._model.source.park
        one = next((a for a in park.areas if a.id == area), None)
        title = word("whole_park", self._language) if one is None else one.name_zh if self._language == "zh" else one.name
        with ui.element("div").classes("card" if area else "card wide"):
            ui.html(f"<h2>{escape(title)}</h2>", sanitize=False)
            self._charts[area] = ui.echart(self._model.charts[self._language].get(area, {})).classes("chart")
            if not area:
                self._parts["key"] = ui.html("", sanitize=False)

    def _key(self) -> str:
        place = LANGUAGES.index(self._language)
        shown = [series["name"] for series in self._model.charts[self._language].get("", {}).get("series", [])]
        entries = [
            f'<span><i style="background:{COLOURS[name]}"></i>{escape(words[place])}</span>'
            for name, words in CATEGORY_WORDS.items()
            if words[place] in shown
        ]
        entries += [
            f'<span><i class="dash"></i>{escape(word("supply", self._language))} ↑ / {escape(word("demand", self._language))} ↓ '
            f"{escape(word('planned', self._language))}</span>"
        ]
        return f'<div class="key">{"".join(entries)}</div>'

    def _panel(self, name: str, classes: str) -> None:
        with ui.element("div").classes(classes):
            ui.html(f"<h2>{escape(word(name, self._language))}</h2>", sanitize=False)
            self._parts[name] = ui.html("", sanitize=False).props(f'data-testid="{name}"')

    def _tick(self) -> None:
        model = self._model
        self._ticks += 1
        if not self._may_stay():
            ui.navigate.to("/login")
            return
        model.looked_at()
        self._parts["clock"].set_content(f"<span>{self._when(model.source.now())}</span>")
        words = model.words[self._language]
        if words.number != self._number:
            self._number = words.number
            for name in ("chips", "tiles", "assets", "events", "overrides", "forecasts"):
                self._parts[name].set_content(getattr(words, name))
        self._ring(model)
        if model.charts_number != self._charts_number:
            self._charts_number = model.charts_number
            self._parts["key"].set_content(self._key())
            for area, options in model.charts[self._language].items():
                chart = self._charts[area]
                chart.options.clear()
                chart.options.update(options)
                chart.update()

    def _may_stay(self) -> bool:
        """Not after its end, and not when it was taken back."""
        if not self._model.source.still(self._caller):
            return False
        if self._ticks % _ASK_AGAIN == 0:
            try:
                self._model.source.owner(*self._shown)
            except VppError:
                return False
        return True

    def _when(self, at: datetime) -> str:
        return f"{at.astimezone(self._model.source.park.zone):%Y-%m-%d %H:%M:%S}"

    def _ring(self, model: ScreenModel) -> None:
        """Alarms are built anew only when they change, so that a finger does not miss its button."""
        said = tuple((a.number, a.acknowledged_at, a.cleared_at, a.text) for a in model.alarms)
        if said == self._alarms:
            return
        self._alarms = said
        self._bell.clear()
        with self._bell:
            ranked = sorted(model.alarms, key=_gravity)
            for alarm in ranked[:_MOST_ALARMS]:
                self._alarm(alarm)
            self._rest(ranked)

    def _rest(self, ranked: Sequence[AlarmFacts]) -> None:
        """What is not shown, and one button for all that is over, so that what stands is not buried."""
        more, over = len(ranked) - _MOST_ALARMS, [a.number for a in ranked if a.cleared_at and not a.acknowledged_at]
        if more <= 0 and len(over) < _MANY_OVER:
            return
        with ui.element("div").classes("more"):
            if more > 0:
                ui.html(f'<span class="quiet">+ {more} {escape(word("alarms", self._language))}</span>', sanitize=False)
            if len(over) >= _MANY_OVER and self._caller.may(Right.ACKNOWLEDGE):
                click: Any = partial(self._acknowledge, *over)
                ui.button(f"{word('acknowledge_over', self._language)} ({len(over)})", on_click=click).props("dense flat")

    def _alarm(self, alarm: AlarmFacts) -> None:
        seen = alarm.acknowledged_at is not None
        notes = [self._when(alarm.raised_at)]
        if alarm.cleared_at is not None:
            notes.append(f"{word('cleared', self._language)} {self._when(alarm.cleared_at)}")
        if seen:
            notes.append(f"{word('acknowledged', self._language)} {alarm.acknowledged_by or ''}")
        with ui.element("div").classes(f"alarm {alarm.level} {'seen' if seen else ''}").props('data-testid="alarm"'):
            said = alarm.text_zh if self._language == "zh" and alarm.text_zh else alarm.text
            text = f"{escape(said)}<span>{escape(' · '.join(notes))}</span>"
            ui.html(text, sanitize=False).classes("text")
            if not seen and self._caller.may(Right.ACKNOWLEDGE):
                click: Any = partial(self._acknowledge, alarm.number)
                ui.button(word("acknowledge", self._language), on_click=click).props('dense unelevated color="deep-orange-9"')

    async def _acknowledge(self, *numbers: int) -> None:
        try:
            for number in numbers:
                await self._model.source.acknowledge(number, self._caller)
            await self._model.look_at_asks()
        except VppError as error:
            ui.notify(f"{word('failed', self._language)}: {error}", type="negative")
        self._ring(self._model)


def _gravity(alarm: AlarmFacts) -> tuple[bool, bool, int, datetime]:
    """What nobody has seen and what still stands comes first."""
    return alarm.acknowledged_at is not None, alarm.cleared_at is not None, _LEVELS.get(alarm.level, 0), alarm.raised_at
