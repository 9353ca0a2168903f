"""Puts the screen on an application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from nicegui import ui

from controllers.screen.entrance import SCREEN_PATH, entrance
from controllers.screen.model import ScreenModel
from controllers.screen.page import open_page
from controllers.screen.source import ScreenSource
from controllers.screen.words import Language

__all__ = ["dress_with"]


def dress_with(app: FastAPI, source: ScreenSource, language: Language = "zh") -> ScreenModel:
    """Adds the door, the page and what keeps it up to date; once in a process, as NiceGUI wants it.

    Args:
        app: The application; its own routes go first.
        source: What the screen shows.
        language: In which a page opens that names none.
    """
    model = ScreenModel(source)
    app.include_router(entrance(source))
    open_page(model, language)
    before = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(one: FastAPI) -> AsyncIterator[Any]:
        async with before(one) as state:
            keeping = asyncio.create_task(model.run())
            try:
                yield state
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    app.router.lifespan_context = lifespan
    ui.run_with(
        app,
        mount_path=SCREEN_PATH,
        title="VPP 虚拟电厂",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
    )
    return model
