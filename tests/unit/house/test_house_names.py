"""Names: every number in the model says its unit, every package lists what it offers."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.house.house_sources import PACKAGES, ROOT, sources

UNIT = r"(mw|mwh|mva|kv|kg|g|nm3|t|cny|s|h|min|frac|hz|deg|c|km|ohm|pu)"
ENDS_WITH_UNIT = re.compile(rf"(^|_){UNIT}(_per_[a-z0-9_]+)?$")
NUMBER = re.compile(
    r"\b(float|int|FloatArray|IntArray|Positive|NonNegative|Fraction|PositiveFraction|Swing"
    r"|Count|Mw|MagnitudeMw|Seconds|Quantity|RampMwPerMin|LeaseSeconds)\b"
)
#: Numbers without a unit in their name, and why that is right.
NO_UNIT = {
    "a count says what is counted": {
        *("furnaces", "stacks", "units", "swap_bays", "circuits", "sequence_heats", "sequence_heats_min", "sequence_heats_max"),
        *("stacks_on", "stacks_standby", "stacks_warming", "starts_today", "starts_per_day", "heats_per_day"),
        *("units_on", "units_starting", "must_run_units", "calls_per_year", "calls_left", "hours_per_year"),
        *("on", "standby", "starting", "seen_days", "left_days", "accepted_items", "refused_items"),
    },
    "0 or 1 for each asset, or one of a few states": {"present", "closed", "heat_led", "off_by_default", "mode"},
    "an ordinal": {
        "priority",
        "tier",
        "step",
        "line",
        "sequence",
        "qos",
        "year",
        "months",
        "heat_bound_months",
        "number",
        "item",
    },
    "identity of a message": {"epoch", "seq", "applied_epoch", "applied_seq", "revision", "applied_revision", "schema_version"},
    "an index or a matrix of memberships": {"area", "membership", "index"},
    "the unit is in a field or key beside it (`metric`, `quantity`, `what`, the key of the dict)": {
        *("value", "amount", "state", "limits", "below", "above", "level_breaks"),
    },
    "MVA, of each of several units": {"mva_each"},
}


def _is_record(node: ast.ClassDef) -> bool:
    """Dataclasses, and the messages (structures of msgspec take `frozen` as a keyword)."""
    return any("dataclass" in ast.unparse(d) for d in node.decorator_list) or any(k.arg == "frozen" for k in node.keywords)


def _number_fields() -> Iterator[tuple[str, str]]:
    for source in sources("vpp"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and _is_record(node):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and NUMBER.search(ast.unparse(field.annotation)):
                        yield f"{source.name} {node.name}", ast.unparse(field.target)


def _public_packages() -> list[str]:
    folders = [init.parent for package in PACKAGES for init in sorted((ROOT / package).rglob("__init__.py"))]
    return [".".join(folder.relative_to(ROOT).parts) for folder in folders]


def test_every_number_of_the_model_ends_with_its_unit() -> None:
    allowed = set().union(*NO_UNIT.values())
    nameless = [f"{where}.{name}" for where, name in _number_fields() if name not in allowed and not ENDS_WITH_UNIT.search(name)]
    assert nameless == [], "name the unit (_mw, _kg, _frac ...), or add the field to NO_UNIT under its reason"


def test_no_name_stays_on_the_list_of_exceptions_after_it_is_gone() -> None:
    used = {name for _, name in _number_fields()}
    assert set().union(*NO_UNIT.values()) <= used


def test_a_field_without_a_unit_would_be_seen() -> None:
    found = dict.fromkeys(name for _, name in _number_fields())
    assert "power_mw" in found
    assert not ENDS_WITH_UNIT.search("power")
    assert not ENDS_WITH_UNIT.search("capacity_w")
    assert ENDS_WITH_UNIT.search("price_cny_per_mwh")


@pytest.mark.parametrize("package", _public_packages())
def test_a_package_that_offers_names_lists_them_sorted_and_has_them_all(package: str) -> None:
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", None)
    path = Path(str(module.__file__))
    imports = [
        n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ImportFrom) and n.module != "__future__"
    ]
    if listed is None:
        assert imports == [], f"{package} brings names in and lists none: write __all__"
    else:
        assert len(set(listed)) == len(listed)
        assert [name for name in listed if not hasattr(module, name)] == []


@pytest.mark.parametrize("source", [s.name for s in sources()])
def test_what_a_module_lists_it_has(source: str) -> None:
    module = importlib.import_module(source.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."))
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []
