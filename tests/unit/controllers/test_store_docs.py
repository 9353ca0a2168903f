"""What the page about the ledger says is what the program has."""

from __future__ import annotations

import re

from controllers.loops import batch
from controllers.store.bulk import AHEAD
from controllers.store.migrations import FIRST, HEAD
from controllers.store.readings import MINUTES_KEPT, SECONDS_KEPT
from controllers.store.said import SAID_KEPT
from controllers.store.schema import METADATA
from tests.unit.house.house_sources import ROOT

PAGE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")


def test_every_table_is_there_with_all_its_columns_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
    told = {table: set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", columns))) for table, columns in rows}
    assert told == {name: {column.name for column in table.columns} for name, table in METADATA.tables.items()}


def test_what_is_kept_for_how_long_is_as_it_says() -> None:
    assert (SECONDS_KEPT.total_seconds() / 60 / 60, MINUTES_KEPT.days, SAID_KEPT.days, AHEAD.seconds) == (48, 90, 90, 60)
    for line in ("| 48 h, then", "| 90 days |", "| 90 days; a command", "more than a minute ahead"):
        assert line in PAGE


def test_the_bounds_are_as_it_says() -> None:
    bounds = (
        f"{batch._READINGS:,} readings, {batch._SAID:,} commands and acks, {batch._PLANS} plans, {batch._FORECASTS} forecasts"
    )
    assert bounds in PAGE
    assert round(batch._READINGS / (60 * 5) / 60) == int(re.findall(r"readings in (\d+) minutes", PAGE)[0])


def test_every_version_is_there() -> None:
    told = re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)
    assert told == [f"{n:04d}" for n in range(int(FIRST), int(HEAD) + 1)]
