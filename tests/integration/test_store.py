"""The ledger on SQLite and on a real PostgreSQL: what was asked, what was measured, and what is kept for how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from controllers.store import AuditRow, EventRow, OverrideRow, Reading, RegisterRow, Store, open_store
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


def test_seconds_are_kept_for_two_days_minutes_for_ninety_and_quarters_for_ever(store: Store) -> None:
    _settled(store, NOW - QUARTER)
    _read(store, {NOW: 10.0, NOW + SECOND: 20.0})
    _read(store, {NOW + QUARTER: 0.0})
    for days in (2, 3, 91):
        _read(store, {NOW + timedelta(days=days): 0.0})
        _, seconds = store.series(BATTERY, "power_mw", NOW, NOW + MINUTE, SECOND)
        _, quarter = store.series(BATTERY, "power_mw", NOW, NOW + QUARTER, QUARTER)
        told = {2: 2, 3: 1, 91: 1}[days]
        assert np.isfinite(seconds).sum() == told
        assert quarter.tolist() == [15.0]


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
