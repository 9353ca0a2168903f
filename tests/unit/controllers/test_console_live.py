"""The screen lives until it is cancelled, and leaves the terminal as it found it."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from controllers.clock import WallClock
from controllers.console import watch
from tests.console_builders import NOW, Talk

ENTER, LEAVE, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


async def watched(talk: Talk, console: Console, out: io.StringIO, word: str, times: int) -> None:
    """Watches until a word has been said so many times, then cancels."""
    task = asyncio.ensure_future(watch(talk.board, WallClock(1.0, NOW), refresh_s=0.001, console=console))
    async with asyncio.timeout(10.0):
        while out.getvalue().count(word) < times:  # noqa: ASYNC110  the writer is a terminal: nobody sets an event
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_on_a_terminal_it_draws_on_a_screen_of_its_own_and_gives_the_terminal_back() -> None:
    talk, out = Talk(), io.StringIO()
    talk.everything()
    await watched(talk, Console(file=out, force_terminal=True, width=100, height=32), out, "赤峰高新区两区示例", 3)
    text = out.getvalue()
    assert text.startswith(ENTER)
    assert text.index(ENTER) < text.rindex("wind") < text.rindex(LEAVE)
    assert SHOW_CURSOR in text[text.rindex("wind") :]


async def test_without_a_terminal_it_says_one_plain_line() -> None:
    talk, out = Talk(), io.StringIO()
    talk.everything()
    await watched(talk, Console(file=out, width=80), out, "\n", 1)
    assert out.getvalue().startswith("10:15 wind 445 sun 126")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
