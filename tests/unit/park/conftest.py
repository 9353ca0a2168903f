from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vpp.errors import ParkError
from vpp.park import load_record

ROOT = Path(__file__).resolve().parents[3]

Edit = tuple[str, str, str]


@pytest.fixture
def seeds() -> Path:
    return ROOT / "seeds"


@pytest.fixture
def small_park() -> Path:
    return ROOT / "seeds" / "parks" / "two_areas.yaml"


@pytest.fixture
def edited(tmp_path: Path, small_park: Path) -> Callable[..., Path]:
    """The small park with lines changed: each edit is (id of the record, the key's line to replace, the new line)."""

    def edit(*edits: Edit) -> Path:
        text = small_park.read_text(encoding="utf-8")
        for owner, key, line in edits:
            start = text.index(f"- id: {owner}\n") if owner else 0
            found = re.compile(rf"^ *(- )?{re.escape(key)}: .*\n", re.MULTILINE).search(text, start)
            assert found is not None, (owner, key)
            indent = found.group(0)[: len(found.group(0)) - len(found.group(0).lstrip())]
            text = text[: found.start()] + (f"{indent}{line}\n" if line else "") + text[found.end() :]
        path = tmp_path / "park.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return edit


@pytest.fixture
def faults_of() -> Callable[[Path], tuple[str, ...]]:
    """The faults of a park that must not load."""

    def read(path: Path) -> tuple[str, ...]:
        with pytest.raises(ParkError) as caught:
            load_record(path)
        assert all("\n" not in fault for fault in caught.value.faults)
        return caught.value.faults

    return read
