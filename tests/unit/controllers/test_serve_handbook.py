"""The handbook of the service shows every setting, with the value that it has when it is left out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from controllers.forecast_settings import PlaceSettings
from controllers.settings import Settings, load_settings
from tests.unit.house.house_sources import ROOT

HANDBOOK = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
TOML = HANDBOOK.split("```toml\n")[1].split("```")[0]
#: With what stands behind a `#` too, but for words.
WHOLE = re.sub(r"^# (?=\[|[a-z_0-9]+ = )", "", TOML, flags=re.MULTILINE)


def defaults(part: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for one in fields(part):
        value = getattr(part, one.name)
        if is_dataclass(value):
            yield from defaults(value, (*before, one.name))
        elif one.name != "places":
            yield (*before, one.name), value


def at(table: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys[:-1]:
        table = table.get(key, {})
    return table.get(keys[-1], MISSING)


def test_every_setting_is_in_the_handbook_with_its_default() -> None:
    shown, whole = tomllib.loads(TOML), tomllib.loads(WHOLE)
    for keys, value in defaults(Settings()):
        if value is None:
            assert at(whole, keys) is not MISSING, keys
            assert at(shown, keys) is MISSING, keys
        else:
            told = at(shown, keys)
            assert type(value)(told) == value, keys
    place = whole["forecast"]["places"]["wind.songshan"]
    assert set(place) == {one.name for one in fields(PlaceSettings)}


def test_the_handbooks_file_can_be_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "vpp.toml"
    path.write_text(TOML, encoding="utf-8")
    assert load_settings(path, environment={}) == Settings()
    path.write_text(WHOLE, encoding="utf-8")
    assert load_settings(path, environment={}).forecast.places["wind.songshan"].latitude_deg == 42.1
