import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controllers.cli import main
from controllers.statements import (
    RegisterFile,
    Statement,
    StoreRegisters,
    build_statement,
    month_span,
    parse_span,
    statement_facts,
    statement_html,
    write_registers,
    write_sheet,
)
from controllers.statements.source import RegisterStore
from controllers.statements.svg import nice_step
from tests.builders_accounts import QUARTER, Row, grid_a, site
from tests.world_builders import START
from vpp.errors import AccountError
from vpp.park import Park, Target

SHANGHAI = ZoneInfo("Asia/Shanghai")
GREEN = Target(id="green", name="Green share", name_zh="绿电占比", metric="green_share_frac", sense="at_least", value=0.7)
OWNER = replace(site(["wind.a", "base.a", "bess.a"], grid_a()), targets=(GREEN,))
DAY = 96


def park_on(_: date) -> Park:
    return OWNER


def rows(days: float, gap: range = range(0), start: datetime = START) -> list[Row]:
    """Wind that comes and goes, a steady load, an idle battery; the load's meter is silent in `gap`."""
    out = []
    for t in range(round(days * DAY)):
        at, wind = start + t * QUARTER, 40.0 * (1.0 + np.sin(t / 30.0))
        told = {
            ("wind.a", "power_mw"): -wind,
            ("wind.a", "available_mw"): wind + 1.0,
            ("base.a", "power_mw"): 50.0,
            ("bess.a", "power_mw"): 0.0,
            ("bess.a", "soc_frac"): 0.5,
            ("grid.a", "import_mw"): 50.0 - wind,
        }
        out += [Row(*name, at, mean) for name, mean in told.items() if not (t in gap and name[0] == "base.a")]
    return out


class Kept(RegisterStore):
    """A store that holds rows in memory: what any store is to a statement."""

    def __init__(self, held: list[Row]) -> None:
        self.held = held

    def registers(self, start: datetime, end: datetime) -> list[Row]:
        return [row for row in self.held if start <= row.start < end]


def october(held: list[Row]) -> Statement:
    return build_statement(StoreRegisters(Kept(held)), park_on, month_span(date(2030, 10, 1), SHANGHAI))


def sheet(made: Statement, step: str) -> list[dict[str, str]]:
    stream = io.StringIO()
    write_sheet(stream, made, step)  # type: ignore[arg-type]  # one of three words
    return list(csv.DictReader(io.StringIO(stream.getvalue().lstrip("\ufeff"))))


def test_a_month_begins_at_midnight_of_the_park() -> None:
    span = parse_span("2030-10", None, SHANGHAI)
    assert span is not None
    assert (span.start, span.end) == (datetime(2030, 9, 30, 16, tzinfo=UTC), datetime(2030, 10, 31, 16, tzinfo=UTC))


def test_a_day_can_be_named_within_its_month_or_in_full() -> None:
    assert parse_span("2030-10", "2", SHANGHAI) == parse_span(None, "2030-10-02", SHANGHAI)


@pytest.mark.parametrize(
    ("month", "day", "fault"),
    [
        ("2030-13", None, "--month: 2030-13: not a month"),
        ("October", None, "--month: October: not a month"),
        ("2030-10", "32", "--day: 32: not a day of 2030-10"),
        (None, "12", "--day: 12: not a day"),
        ("2030-10", "2030-11-01", "not in the month 2030-10"),
    ],
)
def test_a_span_that_is_none_is_refused_in_one_line(month: str | None, day: str | None, fault: str) -> None:
    with pytest.raises(AccountError, match=fault):
        parse_span(month, day, SHANGHAI)


def test_a_running_month_is_provisional_and_says_how_much_of_it_is_there() -> None:
    made = october(rows(6.2))
    assert not made.complete
    assert made.covered_frac == pytest.approx(6.2 / 31.0, abs=1e-3)
    assert "provisional" in statement_html(made)


def test_a_whole_month_is_final() -> None:
    assert october(rows(31)).complete


def test_a_months_statement_is_the_same_when_it_is_made_again_a_month_later() -> None:
    held = rows(31)
    later = held + rows(20, start=START + 31 * DAY * QUARTER)
    assert statement_facts(october(held)) == statement_facts(october(later))


def test_days_of_a_month_sum_to_the_months_cost() -> None:
    held = rows(31)
    source = StoreRegisters(Kept(held))
    spans = [parse_span("2030-10", str(day), SHANGHAI) for day in (1, 2, 17, 31)]
    whole = october(held)
    by_day = {row["start"]: 0.0 for row in sheet(whole, "day")}
    for row in sheet(whole, "day"):
        by_day[row["start"]] += float(row["cost_cny"] or 0.0) - float(row["demand_charge_cny"] or 0.0)
    for span in spans:
        assert span is not None
        made = build_statement(source, park_on, span)
        items = {name: cost for name, cost in made.totals.items_cny().items() if name not in ("demand_charge", "green_shortfall")}
        assert sum(items.values()) == pytest.approx(by_day[span.label], rel=1e-9)
        assert made.totals.items_cny()["demand_charge"] == pytest.approx(
            float(whole.demand_cny[int(span.label[-2:]) - 1]), rel=1e-9
        )


def test_the_ratios_of_a_statement_count_the_year_to_date() -> None:
    held = rows(31, start=START - 31 * DAY * QUARTER) + rows(2)
    made = build_statement(StoreRegisters(Kept(held)), park_on, parse_span("2030-10", "2", SHANGHAI))
    assert made.year_from == date(2030, 8, 31)


def test_a_gap_is_shown_with_its_length_and_share_and_is_empty_in_the_sheet() -> None:
    made = october(rows(2, gap=range(10, 20)))
    (load,) = [one for one in made.totals.parties if one.party.id == "base.a"]
    assert load.measured_frac == pytest.approx(1.0 - 10 / 192)
    assert load.energy_mwh == pytest.approx(50.0 * 0.25 * 182)
    page = statement_html(made)
    assert "10-01 02:30 – 10-01 05:00" in page
    silent = [row for row in sheet(made, "quarter") if row["party"] == "base.a"][10:20]
    assert {row["energy_mwh"] for row in silent} == {""}
    assert {row["measured_frac"] for row in silent} == {"0"}


@pytest.mark.parametrize("step", ["quarter", "day", "span"])
def test_the_lines_of_a_sheet_sum_to_the_statement(step: str) -> None:
    made = october(rows(3))
    lines = sheet(made, step)
    assert sum(float(row["cost_cny"]) for row in lines) == pytest.approx(float(made.accounts.cost_cny.sum()), rel=1e-8)
    load = [row for row in lines if row["party"] == "base.a"]
    assert sum(float(row["energy_mwh"]) for row in load) == pytest.approx(50.0 * 72.0, rel=1e-9)
    assert len(load) == {"quarter": 288, "day": 3, "span": 1}[step]


def test_a_page_needs_no_network_and_names_everything_in_two_languages() -> None:
    page = statement_html(october(rows(31)))
    assert "http" not in page
    assert "<script" not in page
    for word in ("月度结算单", "Monthly statement", "需量电费", "demand charge", "绿电占比", "最大需量", "计量缺口"):
        assert word in page


def test_a_name_that_looks_like_markup_stays_text() -> None:
    assets = tuple(replace(asset, name="<b>&", name_zh="<i>") for asset in OWNER.assets)
    made = build_statement(
        StoreRegisters(Kept(rows(1))), lambda _: replace(OWNER, assets=assets), month_span(date(2030, 10, 1), SHANGHAI)
    )
    page = statement_html(made)
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_facts_are_plain_json_and_close() -> None:
    facts = json.loads(json.dumps(statement_facts(october(rows(8)))))
    assert facts["cost_cny"] == pytest.approx(sum(facts["cost_items_cny"].values()))
    certificates = facts["park_certificate_mwh"] * OWNER.tariffs[0].certificate_cny_per_mwh
    assert sum(party["cost_cny"] for party in facts["parties"]) + certificates == pytest.approx(facts["cost_cny"], rel=1e-9)


def test_a_store_without_registers_has_nothing_to_state() -> None:
    with pytest.raises(AccountError, match="no registers between 2030-09-30T16:00:00"):
        october([])


def test_registers_of_another_park_are_refused() -> None:
    with pytest.raises(AccountError, match="name no asset of the park test"):
        october([Row("wind.elsewhere", "power_mw", START, -1.0)])


def test_a_statement_of_a_store_must_name_its_span() -> None:
    with pytest.raises(AccountError, match="--month YYYY-MM"):
        build_statement(StoreRegisters(Kept(rows(1))), park_on, None)


def test_a_file_of_registers_reads_as_it_was_written_gaps_included(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    mean = np.array([1.5, np.nan, -2.0])
    write_registers(path, [START + t * QUARTER for t in range(3)], {("wind.a", "power_mw"): (mean, np.ones(3))})
    found = RegisterFile.read(path)
    assert np.array_equal(found.values["wind.a", "power_mw"], mean, equal_nan=True)
    told = found.registers(OWNER, START, START + timedelta(days=1))
    assert told is not None
    assert told.asset_measured_frac[0].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no registers"),
        ("time,wind.a/power_mw\n2030-10-01T00:00:00+00:00,1\n", "the first line must be `start`"),
        ("start,wind.a\n2030-10-01T00:00:00+00:00,1\n", "column 'wind.a' must be subject and quantity"),
        ("start,wind.a/power_mw\nyesterday,1\n", "line 2: no instant"),
        ("start,wind.a/power_mw\n2030-10-01T00:00:00,1\n", "names no zone"),
        ("start,wind.a/power_mw\n2030-10-01T00:00:00+00:00,1,2\n", "line 2: 2 values for 1 columns"),
        ("start,wind.a/power_mw\n2030-10-01T00:00:00+00:00,much\n", "line 2: .*much.*an empty cell is a gap"),
        ("start,wind.a/power_mw\n2030-10-01T00:15:00+00:00,1\n2030-10-01T00:00:00+00:00,1\n", "line 3: .* does not come after"),
        ("start,wind.a/power_mw\n2030-10-01T00:00:00+00:00,1\n2030-10-01T00:07:00+00:00,1\n", "full quarter"),
    ],
)
def test_a_file_that_is_no_registers_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(AccountError, match=fault) as refused:
        RegisterFile.read(path).registers(OWNER, START - timedelta(days=9), START + timedelta(days=9))
    assert "\n" not in str(refused.value)


def test_the_command_writes_page_sheet_and_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = {("base.hongshan", "power_mw"): 110.0, ("tie.hongshan", "import_mw"): 110.0, ("grid.d500", "import_mw"): 110.0}
    columns = {name: (np.full(DAY, mean), np.ones(DAY)) for name, mean in held.items()}
    write_registers(tmp_path / "r.csv", [START + t * QUARTER for t in range(DAY)], columns)
    options = [f"--{kind}={tmp_path / f'out.{kind}'}" for kind in ("html", "csv", "json")]
    status = main(
        ["statement", "--from-run", str(tmp_path / "r.csv"), "--month", "2030-10", "--day", "1", "--csv-step", "day", *options]
    )
    out = capsys.readouterr().out
    assert status == 0
    assert "需量电费" in out
    assert "日结算单" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["span"]["kind"] == "day"
    assert (tmp_path / "out.csv").read_text(encoding="utf-8-sig").startswith("start,party")


def test_bad_input_of_the_command_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statement", "--from-run", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "typo.sqlite3"
    assert main(["statement", "--store", f"sqlite:///{place}", "--month", "2030-10"]) == 2
    assert "no such file" in capsys.readouterr().err
    assert not place.exists()


def test_a_scale_has_three_to_six_steps() -> None:
    for span in (0.013, 0.9, 7.0, 872.0, 1.4e6):
        assert 2.4 < span / nice_step(span) <= 5.0 + 1e-9
