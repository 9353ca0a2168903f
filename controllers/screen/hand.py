"""A person's hand on one asset: take it to local, hold it at a power, give it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any, Final

from nicegui import ui
from pydantic import ValidationError

from controllers.api.bodies import LocalBody, OverrideBody, PinBody, ReleaseBody
from controllers.api.live_state import AssetLive
from controllers.api.roles import Caller, Right
from controllers.screen.source import ScreenSource
from controllers.screen.told import mw, reason_of, setpoint_of
from controllers.screen.words import LANGUAGES, MODES, Language, kind_words, word
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.park import Asset

__all__ = ["Hand"]

_PIN_MIN: Final = 30
_PIN_MOST_MIN: Final = 24 * 60


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
            length = ui.number(word("minutes", self.language), value=_PIN_MIN, min=1, max=_PIN_MOST_MIN, precision=0)
            for one in (power, length):
                one.props("outlined dense")

        def local() -> OverrideBody:
            return LocalBody(kind="local", asset_id=asset_id, start=None, end=None, why=why.value or "")

        def pin() -> OverrideBody:
            end = self.source.now() + timedelta(minutes=float(length.value or 0.0))
            return PinBody(
                kind="pin", asset_id=asset_id, power_mw=float(power.value or 0.0), start=None, end=end, why=why.value or ""
            )

        def release() -> OverrideBody:
            return ReleaseBody(kind="release", asset_id=asset_id, why=why.value or "")

        with ui.element("div").classes("pair"):
            for name, make in (("pin", pin), ("local", local), ("release", release)):
                click: Any = self._asking(dialog, make)
                ui.button(word(name, self.language), on_click=click).props(f'unelevated dense data-testid="{name}"')

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
