"""The ledger on SQLite and on a real PostgreSQL: what was asked, what was measured, and what is kept for how long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select, text

from controllers.cli import main
from controllers.store import (
    AuditRow,
    EventRow,
    ForecastRow,
    OverrideRow,
    PlanRow,
    Reading,
    RegisterRow,
    Store,
    open_store,
)
from controllers.store.schema import METADATA
from vpp.errors import StoreError
from vpp.wire import messages as m

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
SECOND, MINUTE, QUARTER = timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=15)
BATTERY = "bess.hongshan"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as ledger:
        yield ledger


def _pin(**said: object) -> OverrideRow:
    values = {"asset_id": BATTERY, "kind": "pin", "power_mw": 3.0, "start": NOW, "end": NOW + 2 * timedelta(hours=1)}
    return OverrideRow(**values | {"who": "li", "why": "test", "asked_at": NOW} | said)  # type: ignore[arg-type]


def _event(**said: object) -> EventRow:
    values = {
        "event_id": "e1",
        "connection": "grid.hongshan",
        "kind": "peak",
        "target_mw": 50.0,
        "start": NOW,
        "end": NOW + QUARTER,
    }
    return EventRow(**values | {"who": "grid", "asked_at": NOW, "changed_at": NOW} | said)  # type: ignore[arg-type]


def _read(store: Store, values: dict[datetime, float], received_at: datetime | None = None, subject: str = BATTERY) -> None:
    rows = [
        Reading(subject=subject, quantity="power_mw", measured_at=at, received_at=received_at or at, value=value)
        for at, value in values.items()
    ]
    store.write_readings(rows)


def _minutes(store: Store, start: datetime, n: int) -> list[float]:
    _, values = store.series(BATTERY, "power_mw", start, start + n * MINUTE, MINUTE)
    found: list[float] = values.tolist()
    return found


def _settled(store: Store, start: datetime) -> None:
    """Whoever settles has written the first quarter."""
    store.write_registers([RegisterRow(subject=BATTERY, quantity="power_mw", start=start, mean=0.0, measured_share=1.0)])


def test_an_ask_comes_back_as_it_was_written_to_the_microsecond(store: Store) -> None:
    row = _pin(start=NOW + timedelta(microseconds=7), end=None)
    number = store.ask_override(row)
    (found,) = store.overrides_open(NOW)
    assert (found.number, found.start, found.end) == (number, row.start, None)


def test_a_release_ends_all_that_holds_its_asset_and_nothing_else(store: Store) -> None:
    store.ask_override(_pin())
    store.ask_override(_pin(kind="local", power_mw=None, end=None))
    other = store.ask_override(_pin(asset_id="h2.envision"))
    store.ask_override(_pin(kind="release", power_mw=None))
    assert [row.number for row in store.overrides_open(NOW)] == [other]


def test_asks_are_told_in_their_order_each_change_as_one_more(store: Store) -> None:
    first = store.ask_override(_pin())
    event = store.ask_event(_event())
    seen = store.last_ask()
    assert store.ask_event(_event(revision=2, target_mw=60.0)) == event
    store.close_override(first, "li", NOW)
    store.close_override(first, "zhao", NOW)
    assert [(ask.kind, ask.row) for ask in store.asks_after(0)] == [
        ("override", first),
        ("event", event),
        ("event", event),
        ("override", first),
    ]
    assert len(store.asks_after(seen)) == 2
    closed = store.override(first)
    assert closed is not None
    assert closed.closed_by == "li"


def test_an_alarm_raised_again_stays_one_until_it_is_over_and_seen(store: Store) -> None:
    number = store.raise_alarm("broker", level="warning", text="away", at=NOW)
    assert store.raise_alarm("broker", level="alarm", text="still away", at=NOW + MINUTE) == number
    store.clear_alarm("broker", NOW + QUARTER)
    assert [alarm.text for alarm in store.alarms_open()] == ["still away"]
    store.acknowledge_alarm(number, "li", NOW + QUARTER)
    assert store.alarms_open() == ()
    assert store.raise_alarm("broker", level="warning", text="away", at=NOW + 2 * QUARTER) != number


def test_the_audit_is_newest_first_and_of_a_span(store: Store) -> None:
    for n in range(3):
        store.audit(AuditRow(at=NOW + n * MINUTE, who="li", action=f"a{n}", subject="", outcome="done", detail=""))
    assert [row.action for row in store.audits(NOW, NOW + 2 * MINUTE)] == ["a1", "a0"]


def test_what_is_remembered_outlives_the_store(url: str) -> None:
    for value in (b"1", b"2"):
        with closing(open_store(url)) as ledger:
            ledger.remember("epoch", value)
    with closing(open_store(url)) as ledger:
        assert (ledger.recall("epoch"), ledger.recall("nothing")) == (b"2", None)


def test_a_reading_that_comes_twice_counts_once_and_an_old_one_is_not_the_latest(store: Store) -> None:
    _read(store, {NOW: 1.0, NOW + 2 * SECOND: 3.0})
    _read(store, {NOW + SECOND: 2.0, NOW: 1.0}, received_at=NOW + MINUTE)
    assert store.latest()[BATTERY, "power_mw"].value == 3.0
    times, values = store.series(BATTERY, "power_mw", NOW, NOW + 4 * SECOND, SECOND)
    assert times[0] == NOW
    np.testing.assert_array_equal(values, [1.0, 2.0, 3.0, np.nan])


def test_a_quarter_is_the_mean_of_its_measured_minutes_however_often_each_was_read(store: Store) -> None:
    _settled(store, NOW - QUARTER)
    # Sixty readings in the first minute, one in the second, none in the others.
    _read(store, {NOW + s * SECOND: 10.0 for s in range(60)} | {NOW + MINUTE: 40.0})
    _read(store, {NOW + QUARTER: 0.0})
    (row,) = store.registers(NOW, NOW + QUARTER)
    assert (row.mean, row.measured_share) == (25.0, pytest.approx(2 / 15))


def test_what_an_edge_had_buffered_finds_its_way_into_a_closed_quarter(store: Store) -> None:
    _settled(store, NOW - QUARTER)
    _read(store, {NOW: 10.0})
    _read(store, {NOW + QUARTER: 0.0})
    _read(store, {NOW + n * MINUTE: 10.0 for n in range(1, 15)}, received_at=NOW + QUARTER + MINUTE)
    _read(store, {NOW + 2 * QUARTER: 0.0})
    (row,) = store.registers(NOW, NOW + QUARTER)
    assert (row.mean, row.measured_share) == (10.0, 1.0)
    assert _minutes(store, NOW, 3) == [10.0, 10.0, 10.0]


def test_a_series_that_nobody_settles_has_minutes_and_no_quarters(store: Store) -> None:
    _read(store, {NOW: 10.0})
    _read(store, {NOW + QUARTER: 0.0})
    assert store.registers(NOW, NOW + QUARTER) == ()
    assert _minutes(store, NOW, 1) == [10.0]


def test_what_a_killed_process_left_undone_is_rolled_up_by_the_next(url: str) -> None:
    with closing(open_store(url)) as killed:
        _settled(killed, NOW - QUARTER)
        _read(killed, {NOW: 10.0})
    with closing(open_store(url)) as fresh:
        _read(fresh, {NOW + QUARTER: 0.0}, subject="wind.hongshan")
        assert [row.mean for row in fresh.registers(NOW, NOW + QUARTER)] == [10.0]


def test_late_readings_that_a_killed_process_did_not_roll_up_are_rolled_up_by_the_next(url: str) -> None:
    with closing(open_store(url)) as killed:
        _settled(killed, NOW - QUARTER)
        _read(killed, {NOW: 10.0})
        _read(killed, {NOW + QUARTER: 0.0})
        _read(killed, {NOW + n * MINUTE: 40.0 for n in range(1, 15)}, received_at=NOW + QUARTER + MINUTE)
    with closing(open_store(url)) as fresh:
        _read(fresh, {NOW + 2 * QUARTER: 0.0})
        (row,) = fresh.registers(NOW, NOW + QUARTER)
    assert (row.mean, row.measured_share) == (38.0, 1.0)


@pytest.mark.parametrize("name", ["x" * 61, "power\x00mw"])
def test_a_reading_that_no_column_can_hold_is_left_out_and_counted(store: Store, name: str) -> None:
    store.write_readings([Reading(subject=BATTERY, quantity=name, measured_at=NOW, received_at=NOW, value=1.0)])
    _read(store, {NOW: 5.0, NOW + SECOND: float("nan")})
    assert store.unfit == 2
    assert {series: row.value for series, row in store.latest().items()} == {(BATTERY, "power_mw"): 5.0}


def _rows_of(store: Store, table: str) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table} WHERE subject = '{BATTERY}'")) or 0


def _kept(store: Store, later: timedelta) -> tuple[int, int, int]:
    """Rows of seconds, minutes and quarters of the first quarter, so much later; another series keeps the ledger going."""
    _settled(store, NOW - QUARTER)
    _read(store, {NOW + n * SECOND: float(n) for n in range(120)})
    _read(store, {NOW + later: 0.0}, subject="wind.hongshan")
    return _rows_of(store, "readings"), _rows_of(store, "minutes"), _rows_of(store, "registers") - 1


@pytest.mark.parametrize(("hours", "seconds"), [(48.0, 120), (48.25, 0)])
def test_seconds_are_kept_for_48_hours_and_rolled_up_before_they_go_also_when_nobody_was_there_meanwhile(
    store: Store, hours: float, seconds: int
) -> None:
    assert _kept(store, timedelta(hours=hours)) == (seconds, 2, 1)


@pytest.mark.parametrize(("days", "minutes"), [(90, 2), (91, 0)])
def test_minutes_are_kept_for_90_days(store: Store, days: int, minutes: int) -> None:
    _kept(store, QUARTER)
    assert _kept(store, timedelta(days=days)) == (0, minutes, 1)


def test_quarters_are_kept_for_ever(store: Store) -> None:
    _kept(store, QUARTER)
    assert _kept(store, timedelta(days=3_650)) == (0, 0, 1)
    _, quarter = store.series(BATTERY, "power_mw", NOW, NOW + QUARTER, QUARTER)
    assert quarter.tolist() == [59.5]


def test_a_span_is_read_from_what_is_still_kept_of_it(store: Store) -> None:
    _settled(store, NOW - QUARTER)
    _read(store, {NOW: 10.0, NOW + SECOND: 20.0})
    _read(store, {NOW + QUARTER: 0.0})
    for days, told in ((2, 2), (3, 1), (91, 1)):
        _read(store, {NOW + timedelta(days=days): 0.0})
        _, seconds = store.series(BATTERY, "power_mw", NOW, NOW + MINUTE, SECOND)
        _, quarter = store.series(BATTERY, "power_mw", NOW, NOW + QUARTER, QUARTER)
        assert np.isfinite(seconds).sum() == told
        assert quarter.tolist() == [15.0]


def test_a_clock_that_is_an_hour_ahead_does_not_stop_the_latest_and_its_readings_count_when_they_came(store: Store) -> None:
    hour = timedelta(hours=1)
    _settled(store, NOW - QUARTER)
    for n in range(3):
        _read(store, {NOW + hour + n * MINUTE: float(n)}, received_at=NOW + n * MINUTE)
    assert store.latest()[BATTERY, "power_mw"].measured_at == NOW + 2 * MINUTE
    _read(store, {NOW + 3 * MINUTE: 3.0})
    assert store.latest()[BATTERY, "power_mw"].value == 3.0
    assert store.ahead == {BATTERY: 3}
    _read(store, {NOW + QUARTER: 0.0})
    (row,) = store.registers(NOW, NOW + QUARTER)
    assert (row.mean, row.measured_share) == (1.5, pytest.approx(4 / 15))
    _read(store, {NOW + hour + QUARTER: 0.0})
    assert store.registers(NOW + hour, NOW + hour + QUARTER) == ()


def test_a_clock_that_is_some_seconds_ahead_is_believed(store: Store) -> None:
    _read(store, {NOW + 5 * SECOND: 1.0}, received_at=NOW)
    assert store.latest()[BATTERY, "power_mw"].measured_at == NOW + 5 * SECOND
    assert store.ahead == {}


def test_minutes_and_quarters_say_when_the_last_of_them_was_heard(store: Store) -> None:
    _settled(store, NOW - QUARTER)
    _read(store, {NOW + n * MINUTE: 1.0 for n in range(5)})
    _read(store, {NOW + QUARTER: 0.0})
    late = NOW + 2 * QUARTER + SECOND
    assert [row.received_at for row in store.registers(NOW, NOW + QUARTER)] == [NOW + 4 * MINUTE]
    _read(store, {NOW + 7 * MINUTE: 1.0}, received_at=late)
    assert [row.received_at for row in store.registers(NOW, NOW + QUARTER)] == [late]
    with store.engine.connect() as connection:
        minutes = METADATA.tables["minutes"].c
        first = select(minutes.received_at).where(minutes.measured_at < NOW + QUARTER).order_by(minutes.measured_at)
        told = connection.execute(first).scalars().all()
    assert told == [*(NOW + n * MINUTE for n in range(5)), late]


def _plan(name: str, made_at: datetime, facts: bytes, received_at: datetime | None = None) -> PlanRow:
    return PlanRow(
        plan_id=name, made_at=made_at, source="mpc", gap_frac=None, cost_cny=None, facts=facts, received_at=received_at
    )


def test_it_can_be_asked_which_plan_was_known_at_a_time(store: Store) -> None:
    store.save_plan(_plan("a", NOW, b"1"))
    store.save_plan(_plan("b", NOW + QUARTER, b"2", received_at=NOW + QUARTER + MINUTE))
    store.save_plan(_plan("a", NOW, b"3", received_at=NOW + 2 * QUARTER))
    before, after = NOW - SECOND, NOW + 3 * QUARTER
    asked = [store.newest_plan(at) for at in (before, NOW, NOW + QUARTER, NOW + QUARTER + MINUTE, after)]
    assert [None if row is None else (row.plan_id, row.facts) for row in asked] == [
        None,
        ("a", b"1"),
        ("a", b"1"),
        ("b", b"2"),
        ("b", b"2"),
    ]
    assert [row.facts for row in store.plans(NOW, after)] == [b"2", b"3"]
    assert [row.facts for row in store.plans(NOW, after, known_at=NOW + QUARTER)] == [b"1"]
    now, then = store.plan("a"), store.plan("a", known_at=NOW + QUARTER)
    assert now is not None
    assert then is not None
    assert (now.facts, then.facts, then.received_at) == (b"3", b"1", NOW)
    assert store.plan("b", known_at=NOW) is None


def test_it_can_be_asked_which_forecast_was_known_at_a_time(store: Store) -> None:
    store.save_forecast(ForecastRow(issued_at=NOW, message=b"1"))
    store.save_forecast(ForecastRow(issued_at=NOW + QUARTER, message=b"2", received_at=NOW + 2 * QUARTER))
    store.save_forecast(ForecastRow(issued_at=NOW, message=b"3", received_at=NOW + 3 * QUARTER))
    after = NOW + 4 * QUARTER

    def known(known_at: datetime, issued_before: datetime = after) -> bytes | None:
        row = store.forecast(issued_before, known_at)
        return None if row is None else row.message

    assert [known(NOW + k * QUARTER) for k in (-1, 0, 1, 2, 4)] == [None, b"1", b"1", b"2", b"2"]
    assert [known(NOW + k * QUARTER, issued_before=NOW) for k in (2, 3)] == [b"1", b"3"]
    newest = store.forecast(NOW)
    assert newest is not None
    assert newest.message == b"3"


def test_what_is_written_twice_after_a_failure_is_there_once(store: Store) -> None:
    for _ in range(2):
        store.save_plan(_plan("a", NOW, b"1"))
        store.save_forecast(ForecastRow(issued_at=NOW, message=b"1", received_at=NOW + SECOND))
    with store.engine.connect() as connection:
        counts = [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("plans", "forecasts")]
    assert counts == [1, 1]


def _audited(store: Store, n: int) -> None:
    for k in range(n):
        detail = f"{k}: 试验 \x01 'quoted' \U0001f600"
        store.audit(AuditRow(at=NOW + k * SECOND, who="li", action=f"a{k}", subject="x", outcome="done", detail=detail))


_TAMPER = {
    "altered": ("UPDATE audit SET who = 'zhao' WHERE number = 3", ["audit entry 3 was altered"]),
    "removed": ("DELETE FROM audit WHERE number = 4", ["audit entry 4 was removed"]),
    "cut off": ("DELETE FROM audit WHERE number > 4", ["audit entries 5 to 6 were removed from the end"]),
    "reordered": (
        "UPDATE audit SET number = CASE number WHEN 2 THEN -5 WHEN 5 THEN -2 END WHERE number IN (2, 5);"
        "UPDATE audit SET number = -number WHERE number < 0",
        ["audit entry 2 was reordered: it was written as 5", "audit entry 5 was reordered: it was written as 2"],
    ),
}


@pytest.mark.parametrize("how", _TAMPER)
def test_whoever_changes_the_audit_is_found_and_the_entry_named(
    store: Store, url: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _audited(store, 6)
    assert list(store.chain_faults()) == []
    change, told = _TAMPER[how]
    with store.engine.begin() as connection:
        for statement in change.split(";"):
            connection.execute(text(statement))
    assert list(store.chain_faults()) == told
    assert main(["store", "check", "--store", url]) == 1
    assert capsys.readouterr().out.splitlines() == told


_AUDITOR = """
import sys
from datetime import UTC, datetime
from controllers.store import AuditRow, open_store
store = open_store(sys.argv[1])
for k in range(25):
    row = AuditRow(at=datetime(2030, 1, 1, tzinfo=UTC), who=sys.argv[2], action=str(k), subject="", outcome="done", detail="")
    store.audit(row)
"""


def test_two_processes_that_write_the_audit_at_once_make_one_chain(store: Store, url: str) -> None:
    words = [sys.executable, "-c", _AUDITOR, url]
    both = [subprocess.Popen([*words, who], stderr=subprocess.PIPE, text=True) for who in ("api", "controller")]
    assert [process.communicate(timeout=60)[1] for process in both] == ["", ""]
    assert store.chain_end().number == 50
    assert list(store.chain_faults()) == []


@dataclass(frozen=True)
class Word:
    """What a recorder hands over."""

    asset_id: str
    message: m.Command | m.Ack
    at: datetime


def _told(seq: int, power_mw: float) -> Word:
    command = m.Command(
        epoch=1,
        seq=seq,
        issued_at=NOW,
        command=m.Target(power_mw=power_mw),
        lease_s=15.0,
        fallback=m.FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=1.0),
        plan_id="p1",
        reason=m.Reason(code="mpc"),
    )
    return Word(BATTERY, command, NOW + seq * SECOND)


def _answered(seq: int, outcome: m.Outcome = "accepted") -> Word:
    why = None if outcome == "accepted" else m.Reason(code="local")
    return Word(BATTERY, m.Ack(epoch=1, seq=seq, acked_at=NOW, outcome=outcome, reason=why), NOW + seq * SECOND)


def test_commands_are_kept_with_their_acks_and_renewals_are_no_news(store: Store) -> None:
    store.save_said([_told(1, 3.0), _answered(1), _told(2, 3.0), _answered(2), _told(3, 3.0), _answered(3, "rejected")])
    store.save_said([_told(4, 5.0), _answered(4), _answered(4)])
    found = store.said(BATTERY, NOW, NOW + MINUTE)
    assert [(row.word, row.seq) for row in found] == [("command", 1), ("ack", 1), ("ack", 3), ("command", 4), ("ack", 4)]


def test_a_store_that_cannot_be_opened_is_one_line_without_a_password() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql+psycopg://u:hush@127.0.0.1:9/none?connect_timeout=1")
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
