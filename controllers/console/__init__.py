"""The terminal view of the park: what is there now, what it was told and why, and what comes next."""

from __future__ import annotations

from controllers.console.board import Board
from controllers.console.frame import BoardFrame
from controllers.console.header import summary_line
from controllers.console.live import watch
from controllers.console.render import Screen

__all__ = ["Board", "BoardFrame", "Screen", "summary_line", "watch"]
