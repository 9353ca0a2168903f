"""The `vpp-slurm` command: the daemon that stands beside a Slurm cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from controllers.adapters.following.cli import Daemon, run_daemon
from controllers.adapters.slurm.hands import SlurmHands
from controllers.adapters.slurm.settings import load_slurm

__all__ = ["main"]

_WHAT: Final = "A Slurm cluster follows the park's compute-shift signal."
_DAEMON: Final = Daemon("vpp-slurm", _WHAT, "docs/connect_scheduler.md", load_slurm, SlurmHands.of)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; 2 for bad input, with one line that says what and where."""
    return run_daemon(_DAEMON, words)


if __name__ == "__main__":
    sys.exit(main())
