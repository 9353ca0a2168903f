"""What docs/connect_grid.md tells an operator to type is typed here, in its order, against a running service."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers.adapters.iec104.points import as_table, points_of
from controllers.adapters.iec104.settings import load_station
from controllers.adapters.openadr2.bridge import load_bridge
from controllers.adapters.openadr3.ven.settings import load_ven
from controllers.adapters.openadr3.vtn.settings import load_vtn
from controllers.api.roles import Role
from tests.api_service import RunningApi
from tests.console_builders import NOW, two_areas
from tests.openadr_rig import SECRETS, running_vtn

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "connect_grid.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) + "\n" for indent, text in found]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_every_command_of_the_page_does_what_it_says(api: RunningApi) -> None:
    blocks = _blocks("sh")
    assert sum(block.count("curl ") for block in blocks) >= 10
    with running_vtn(api, look_s=0.1) as vtn:
        words = {
            "VPP": api.address,
            "KEY": api.token(Role.GRID, "the.operator"),
            "OADR": vtn.url,
            "SECRET": SECRETS["operator"][0],
            "START": (NOW + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "END": (NOW + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "PAUSE": "2",
            "PATH": "/usr/bin:/bin",
        }
        script = "set -euo pipefail\n" + "\n".join(f"{block}\necho" for block in blocks)
        ran = subprocess.run(["bash", "-c", script], env=words, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr + ran.stdout[-2000:]
    assert '"give_mw"' in ran.stdout
    assert "carries between" in ran.stdout
    assert '"OPERATING_STATE"' in ran.stdout
    rows: list[dict[str, Any]] = api.as_(Role.GRID).get("/v1/events").json()["events"]
    called = {row["event_id"]: row for row in rows}
    peak = called.pop("evening-peak-1")
    assert (peak["target_mw"], peak["revision"], peak["state"], peak["by"]) == (50.0, 3, "cancelled", "the.operator")
    (limit,) = called.values()
    assert (limit["kind"], limit["target_mw"], limit["state"], limit["by"]) == (
        "import_limit",
        60.0,
        "cancelled",
        "openadr.operator",
    )
    audit = api.as_(Role.OPERATOR).get("/v1/audit", params={"who": "the.operator"}).json()["rows"]
    assert any(row["subject"] == "wrong-unit-1" and row["outcome"] == "refused" for row in audit)


def test_every_settings_file_of_the_page_is_one(tmp_path: Path) -> None:
    for kind, load in (("vtn", load_vtn), ("ven", load_ven), ("old", load_bridge), ("iec104", load_station)):
        (text,) = _blocks(f"toml {kind}")
        path = tmp_path / f"{kind}.toml"
        path.write_text(text, encoding="utf-8")
        load(path)


def test_the_points_of_the_page_are_the_small_parks() -> None:
    table = as_table(points_of(two_areas())).splitlines()
    (shown,) = _blocks("points")
    assert set(shown.splitlines()) <= set(table)
