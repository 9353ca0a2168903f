"""Gives back what the adapter of a Slurm holds when the adapter cannot.

python -m controllers.adapters.slurm.watchdog TRACE [SLURM_CONF]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from controllers.adapters.following.watchdog import mind
from controllers.adapters.slurm.hands import undo
from controllers.adapters.slurm.slurm import Slurm

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Minds one trace."""
    path, *conf = list(sys.argv[1:] if words is None else words)
    slurm = Slurm(conf[0] if conf else "")
    return mind(Path(path), lambda held: undo(slurm, held))


if __name__ == "__main__":
    sys.exit(main())
