"""What no file may contain: conversions outside their one home, the wall clock, addresses of registries, paths of a machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.unit.house.house_sources import files, sources

CONVERSIONS = (1000, 3600)
#: Module and source line of a 1000 or 3600 that converts nothing, and what it is.
NOT_A_CONVERSION = {
    ("forecasting/physics.py", "STANDARD_SUN_W_M2: Final = 1_000.0"): "irradiance of standard test conditions, in W/m2",
    ("controllers/bus/handlers.py", "_MAX_MALFORMED_TOPICS: Final = 1_000"): "how many topics are remembered",
    ("controllers/edge/edge.py", "buffer_size: int = 3_600"): "reports kept through an outage",
    ("controllers/api/bodies.py", 'priority: int = Field(0, ge=0, le=1000, description="the lower goes first")'): "a rank",
    ("controllers/api/bodies.py", "priority: int | None = Field(None, ge=0, le=1000)"): "a rank",
    ("controllers/api/process.py", "_CONNECTIONS_MAX: Final = 1_000"): "how many may listen at once",
    ("controllers/edge/config.py", "per_tick: Annotated[int, Meta(ge=1, le=1_000)] = 60"): "how many reports at once",
    ("controllers/edge/keep.py", "_SPARE: Final = 3_600"): "reports kept through an outage",
    ("controllers/loops/resident.py", "_TRAINING_S: Final = 3_600.0"): "a time limit",
    (
        "controllers/store/asks.py",
        "shortened = replace(row, who=row.who[:120], action=row.action[:120], "
        "subject=row.subject[:200], detail=row.detail[:1000])",
    ): "letters of a text",
    ("sim_harness/run.py", "_NO_GUARD_S: Final = 3_600.0"): "a time limit that shall never bind",
}
WALL_CLOCK = re.compile(r"\bdatetime\.(now|utcnow|today)\b|\bdate\.today\b|\btime\.(time|time_ns)\b")
#: Where time may enter.
CLOCKS = {"controllers/clock.py"}
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|--(extra-)?index-url[ =]\S|https?://[^\s\"')]*/simple\b|(artifactory|nexus|devpi)[.:/]",
    re.IGNORECASE,
)
#: Absolute folders that exist on one machine only; `/tmp` and `/dev` exist on all of them.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(home|root|Users|work|opt|mnt|srv)/\w")


def _number_lines() -> Iterator[tuple[str, str]]:
    for source in sources():
        if source.name == "vpp/units.py":
            continue
        lines = source.text.splitlines()
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in CONVERSIONS:
                yield source.name, lines[node.lineno - 1].strip()


def test_units_are_converted_in_one_place_only() -> None:
    elsewhere = [f"{name}: {line}" for name, line in _number_lines() if (name, line) not in NOT_A_CONVERSION]
    assert elsewhere == [], "use vpp.units, or list the line in NOT_A_CONVERSION with what it is"


def test_no_line_stays_on_the_list_of_exceptions_after_it_is_gone() -> None:
    assert set(NOT_A_CONVERSION) <= set(_number_lines())


def test_only_the_clock_asks_the_machine_for_the_time() -> None:
    asked = {
        f"{source.name}: {ast.unparse(node)}"
        for source in sources()
        if source.name not in CLOCKS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and WALL_CLOCK.search(ast.unparse(node))
    }
    assert asked == set()


def test_no_clock_hides_behind_an_imported_name() -> None:
    hidden = {
        f"{source.name}: from time import {alias.name}"
        for source in sources()
        if source.name not in CLOCKS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in ("time", "time_ns", "localtime", "gmtime")
    }
    assert hidden == set()


@pytest.mark.parametrize(("pattern", "what"), [(REGISTRY, "address of a registry"), (MACHINE_PATH, "path of a machine")])
def test_no_file_names_a_registry_or_a_folder_of_one_machine(pattern: re.Pattern[str], what: str) -> None:
    found = [
        f"{path.name}:{number}: {what}: {line.strip()[:80]}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line) and path.name != "test_house_text.py"
    ]
    assert found == []


def test_a_registry_and_a_path_of_a_machine_would_be_seen() -> None:
    assert REGISTRY.search("--index-url https://mirror.example/simple")
    assert MACHINE_PATH.search("data = '/home/somebody/park'")
    assert not MACHINE_PATH.search("docs/adr and ../shared/data and /tmp/x")
