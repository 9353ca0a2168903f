"""The screen as it runs: drawn anew twice a second, or one plain line now and then where there is no terminal."""

from __future__ import annotations

import asyncio
from typing import Final

from rich.console import Console
from rich.live import Live

from controllers.clock import Clock
from controllers.console.board import Board
from controllers.console.header import summary_line
from controllers.console.render import Screen

__all__ = ["LINE_EVERY_S", "watch"]

#: Without a terminal: one line in so many seconds of the reader's time.
LINE_EVERY_S: Final = 10.0
#: Over about so many drawings the speed of park time is averaged.
_SPEED_OVER: Final = 20
#: Real time by this little is only jitter.
_SAME_PACE: Final = 0.05


async def watch(board: Board, clock: Clock, *, refresh_s: float = 0.5, console: Console | None = None) -> None:
    """Shows the board until it is cancelled, and leaves the terminal as it was.

    Args:
        board: What to show.
        clock: Park time; how often the screen is drawn goes by the reader's own time, whatever the park's speed.
        refresh_s: Time between two drawings.
        console: Where to; None for standard output.
    """
    out = console if console is not None else Console()
    if out.is_terminal:
        await _draw(board, clock, refresh_s, out)
    else:
        await _tell(board, clock, out)


async def _draw(board: Board, clock: Clock, refresh_s: float, out: Console) -> None:
    pace = _Pace(clock)
    with Live(Screen(board.frame(clock.now())), console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Screen(board.frame(clock.now()), pace.measure()), refresh=True)
            await asyncio.sleep(refresh_s)


async def _tell(board: Board, clock: Clock, out: Console) -> None:
    while True:
        out.print(summary_line(board.frame(clock.now())), soft_wrap=True, highlight=False, markup=False)
        await asyncio.sleep(LINE_EVERY_S)


class _Pace:
    """Park seconds in a second, measured and not believed: a park that cannot keep up is seen to be slow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[tuple[float, float]] = []

    def measure(self) -> float | None:
        """Over the last drawings; None at real time and before there is anything to compare."""
        self._marks = [*self._marks[-_SPEED_OVER:], (asyncio.get_running_loop().time(), self._clock.monotonic_s())]
        (real_from, park_from), (real_to, park_to) = self._marks[0], self._marks[-1]
        if real_to <= real_from:
            return None
        speed = (park_to - park_from) / (real_to - real_from)
        return None if abs(speed - 1.0) < _SAME_PACE else speed
