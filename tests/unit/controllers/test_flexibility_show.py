"""An offer as people read it."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

from rich.console import Console

from controllers.flexibility.show import show_offer
from controllers.flexibility.sure import CONFIDENCES
from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable, Promise

AT = datetime(2030, 10, 1, tzinfo=UTC)


def cell(direction: str, power_mw: float) -> OfferCell:
    promises = tuple(
        Promise(confidence=c, power_mw=power_mw, import_mw=100.0 - power_mw, cost_cny=0.0, cost_cny_per_mwh=None)
        for c in CONFIDENCES
    )
    return OfferCell(direction=direction, start=AT, duration_h=1.0, expected_import_mw=100.0, promises=promises)


def shown(give_mw: float, take_mw: float) -> str:
    meter = MeterOffer(
        connection="grid.a",
        response_s={"give": 3.0, "take": 3.0},
        ramp_mw_per_min={"give": 9.0, "take": 9.0},
        cells=(cell("give", give_mw), cell("take", take_mw)),
    )
    table = OfferTable(
        at=AT, courses=20, confidences=CONFIDENCES, worth_cny_per_mwh=3000.0, events=(), learnt_from="", meters=(meter,)
    )
    console = Console(width=140, file=StringIO(), record=True)
    show_offer(console, table, ZoneInfo("Asia/Shanghai"))
    return console.export_text()


def test_what_is_promised_stands_in_a_table_by_start_and_duration() -> None:
    lines = shown(12.0, 7.0).splitlines()
    assert next(line.split() for line in lines if line.startswith("10-01 08:00"))[2:] == ["100", "12", "(12,", "12)"]
    assert "nothing can be promised" not in shown(12.0, 7.0)


def test_a_way_that_promises_nothing_is_one_sentence_and_no_table_of_zeros() -> None:
    found = shown(0.2, 7.0)
    assert found.count("nothing can be promised in the next 24 h") == 1
    assert found.count("10-01 08:00") == 2  # the offer's own time, and the other way's table
