"""A person's hand on one asset: take it to local, hold it at a power, book a maintenance window, give it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Final

from nicegui import ui
from pydantic import ValidationError

from controllers.api.bodies import LocalBody, MaintenanceBody, OverrideBody, PinBody, ReleaseBody
from controllers.api.ledger_facts import OverrideFacts
from controllers.api.live_state import AssetLive
from controllers.api.roles import Caller, Right
from controllers.screen.source import ScreenSource
from controllers.screen.told import mw, reason_of, setpoint_of
from controllers.screen.words import LANGUAGES, MODES, Language, kind_words, word
from vpp.errors import PlanError, VppError
from vpp.ids import AssetId
from vpp.park import Asset

__all__ = ["Hand"]

_PIN_MIN: Final = 30
#: A week, as long as a maintenance window may be booked here; a pin is judged more strictly where it is written.
_MOST_MIN: Final = 7 * 24 * 60


@dataclass(slots=True)
class Hand:
    """The dialog of one page.

    Args:
        source: Where an asset is looked up and an override is written.
        caller: Whose hand.
        language: Of the words.
        after: Called when something was written.
    """

    source: ScreenSource
    caller: Caller
    language: Language
    after: Callable[[], Awaitable[None]]

    def open(self, asset_id: str) -> None:
        """Shows one asset, and what may be done with it."""
        live = next((one for one in self.source.state().assets if one.id == asset_id), None)
        if live is None:
            return
        asset = self.source.park.asset(AssetId(asset_id))
        with ui.dialog() as dialog, ui.card().classes("hand").props('data-testid="hand"'):
            ui.html(self._facts(asset, live), sanitize=False)
            if self.caller.may(Right.OVERRIDE):
                self._form(dialog, asset_id, live)
            ui.button(word("close", self.language), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _form(self, dialog: ui.dialog, asset_id: str, live: AssetLive) -> None:
        why = ui.input(word("why", self.language)).props('outlined dense data-testid="why"').classes("line")
        with ui.element("div").classes("pair"):
            power = ui.number(word("power", self.language), value=round(live.power_mw or 0.0, 1), format="%.1f")
            length = ui.number(word("minutes", self.language), value=_PIN_MIN, min=1, max=_MOST_MIN, precision=0)
            for one in (power, length):
                one.props("outlined dense")
        start = ui.input(word("from", self.language)).classes("line")
        start.props('outlined dense type="datetime-local" stack-label data-testid="start"')

        def begins() -> datetime | None:
            return self._instant(start.value or "")

        def ends(begin: datetime | None) -> datetime:
            return (begin or self.source.now()) + timedelta(minutes=float(length.value or 0.0))

        def local() -> OverrideBody:
            return LocalBody(kind="local", asset_id=asset_id, start=begins(), end=None, why=why.value or "")

        def pin() -> OverrideBody:
            begin, at_mw = begins(), float(power.value or 0.0)
            return PinBody(kind="pin", asset_id=asset_id, power_mw=at_mw, start=begin, end=ends(begin), why=why.value or "")

        def maintenance() -> OverrideBody:
            begin = begins()
            if begin is None:
                raise PlanError(word("needs_start", self.language))
            return MaintenanceBody(kind="maintenance", asset_id=asset_id, start=begin, end=ends(begin), why=why.value or "")

        def release() -> OverrideBody:
            return ReleaseBody(kind="release", asset_id=asset_id, why=why.value or "")

        with ui.element("div").classes("pair"):
            made = (("pin", pin), ("local", local), ("maintenance", maintenance), ("release", release))
            for name, make in made:
                click: Any = self._asking(dialog, make)
                ui.button(word(name, self.language), on_click=click).props(f'unelevated dense data-testid="{name}"')

    def open_override(self, one: OverrideFacts) -> None:
        """Shows one decision that stands or is to come, and the way to end it."""
        zone = self.source.park.zone
        end = word("until_released", self.language) if one.end is None else f"{one.end.astimezone(zone):%m-%d %H:%M}"
        rows = [
            (word("from", self.language).split("（")[0].split(" (")[0], f"{one.start.astimezone(zone):%m-%d %H:%M} – {end}"),
            (word("why", self.language).split("（")[0].split(" (")[0], f"{escape(one.by)}: {escape(one.why)}"),
        ]
        rows += [] if one.power_mw is None else [(word("power", self.language), mw(one.power_mw))]
        with ui.dialog() as dialog, ui.card().classes("hand").props('data-testid="asked"'):
            head = f"{escape(word(one.kind, self.language))} · {escape(one.asset_id)}"
            body = "".join(f"<tr><th>{escape(what)}</th><td>{value}</td></tr>" for what, value in rows)
            ui.html(f'<h2>{head}</h2><table class="facts">{body}</table>', sanitize=False)
            if self.caller.may(Right.OVERRIDE):
                click: Any = self._closing(dialog, one.number)
                ui.button(word("end_it", self.language), on_click=click).props('unelevated dense data-testid="end-it"')
            ui.button(word("close", self.language), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _closing(self, dialog: ui.dialog, number: int) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            try:
                await self.source.close_override(number, self.caller)
            except VppError as error:
                ui.notify(f"{word('failed', self.language)}: {error}", type="negative")
                return
            dialog.close()
            await self.after()

        return close

    def _instant(self, text: str) -> datetime | None:
        """What was picked, which is park time; None for nothing.

        Raises:
            PlanError: It is no time.
        """
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=self.source.park.zone).astimezone(UTC)
        except ValueError as error:
            raise PlanError(f"{word('bad_start', self.language)}: {text}") from error

    def _asking(self, dialog: ui.dialog, make: Callable[[], OverrideBody]) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            try:
                faults = await self.source.override(make(), self.caller)
            except ValidationError as error:
                faults = tuple(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            except VppError as error:
                faults = (f"{word('failed', self.language)}: {error}",)
            if faults:
                ui.notify("\n".join(faults), type="negative", multi_line=True)
                return
            dialog.close()
            await self.after()

        return ask

    def _facts(self, asset: Asset, live: AssetLive) -> str:
        name = asset.name_zh if self.language == "zh" else asset.name
        mark, *words = MODES[live.mode]
        rows = [
            (word("power", self.language), mw(live.power_mw)),
            (word("planned", self.language), mw(live.planned_mw)),
            *((escape(key), f"{value:,.3g}") for key, value in {**live.limits, **live.state}.items()),
            (word("command", self.language), escape(setpoint_of(live, self.source.now(), self.source.park.zone, self.language))),
        ]
        rows += [(word("reason", self.language), escape(reason_of(one.reason, self.language))) for one in live.commands[:1]]
        body = "".join(f"<tr><th>{what}</th><td>{value}</td></tr>" for what, value in rows)
        mode = words[LANGUAGES.index(self.language)]
        head = f"{mark} {escape(mode)} · {escape(kind_words(asset.kind, self.language))} · {escape(asset.id)}"
        return f'<h2>{escape(name)}</h2><p class="quiet">{head}</p><table class="facts">{body}</table>'
