"""A document that is generated from the code and kept in `docs`: written anew, or held against what lies there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["keep_published"]


def keep_published(module: str, what: str, document: Path, render: Callable[[], str], words: Sequence[str] | None) -> int:
    """The command of a generated document.

    Args:
        module: Its own, as `python -m` takes it.
        what: In a few words, for `--help`.
        document: Where it lies unless `--path` says else.
        render: Makes the text.
        words: Of the command line; None for the process's own.

    Returns:
        The exit status: 1 when `--check` finds the file stale.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when the file is stale")
    parser.add_argument("--path", type=Path, default=document)
    told = parser.parse_args(words)
    text = render()
    if told.check:
        fresh = told.path.is_file() and told.path.read_text(encoding="utf-8") == text
        if not fresh:
            sys.stderr.write(f"{told.path} is stale: run python -m {module}\n")
        return 0 if fresh else 1
    told.path.parent.mkdir(parents=True, exist_ok=True)
    told.path.write_text(text, encoding="utf-8")
    return 0
