"""Every import contract is watched failing once: a wrong import is planted in a copy of the packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.house.house_sources import PACKAGES, ROOT

LINT = Path(sys.executable).parent / "lint-imports"


def copy_of_the_house(folder: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # The working folder comes first on the path, so that the copy is read and not what is installed.
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_house_keeps_its_contracts(tmp_path: Path) -> None:
    done = lint(copy_of_the_house(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "wrong", "contract"),
    [
        ("vpp/timegrid.py", "import controllers.clock", "layers point down"),
        ("forecasting/physics.py", "import sim_harness.cost", "layers point down"),
        ("controllers/dispatch/clear.py", "import asyncio", "the core is synchronous and offline"),
        ("controllers/planner/model.py", "import controllers.loops.mailbox", "the core is synchronous and offline"),
        ("sim_harness/plants/battery.py", "import vpp.assets.battery", "the world has its own physics"),
        ("sim_harness/grid/balance.py", "import controllers.planner.solve", "the world has its own physics"),
        ("controllers/edge/device.py", "import numpy", "edge and client are small enough to ship"),
        ("controllers/client.py", "import vpp.park", "edge and client are small enough to ship"),
    ],
)
def test_a_wrong_import_breaks_its_contract(tmp_path: Path, module: str, wrong: str, contract: str) -> None:
    target = copy_of_the_house(tmp_path) / module
    target.write_text(f"{target.read_text(encoding='utf-8')}\n{wrong}\n", encoding="utf-8")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_an_import_for_types_only_is_seen_too(tmp_path: Path) -> None:
    target = copy_of_the_house(tmp_path) / "vpp/timegrid.py"
    hidden = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import controllers.clock\n"
    target.write_text(f"{target.read_text(encoding='utf-8')}\n{hidden}", encoding="utf-8")
    assert "layers point down BROKEN" in lint(tmp_path).stdout
