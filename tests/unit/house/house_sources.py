"""The project's own files, for the tests that guard them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PACKAGES: Final = ("vpp", "forecasting", "controllers", "sim_harness")
#: What tools and runs leave behind; none of it is committed.
NOT_OURS: Final = frozenset({"out", "build", "dist", "__pycache__"})
#: Plots of the docs hold no text to guard.
PICTURES: Final = frozenset({".png"})


@dataclass(frozen=True, slots=True)
class Source:
    """One module, parsed."""

    name: str
    text: str
    tree: ast.Module


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    """Every module of some packages (of all without a name)."""
    found = []
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def files() -> Iterator[Path]:
    """Every text that could be committed: no environment, no cache, no output, no picture."""
    yield from _under(ROOT)


def _under(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in NOT_OURS and (not path.name.startswith(".") or path.name == ".ci"):
                yield from _under(path)
        elif path.name != ".coverage" and path.suffix not in PICTURES:
            yield path
