"""A ledger that the controller cannot write, seen from outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controllers.api.unwritten import UNWRITTEN, unwritten

AT = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def health(age: timedelta) -> dict[str, object]:
    return {"at": (AT - age).isoformat(), "rows_written": 5}


def test_a_controller_that_works_and_writes_is_no_alarm() -> None:
    assert unwritten(health(MINUTE), AT, AT) is None


def test_one_that_works_and_does_not_write_is_an_alarm_from_when_it_was_missed() -> None:
    found = unwritten(health(30 * MINUTE), AT - MINUTE, AT)
    assert found is not None
    assert (found.key, found.number, found.raised_at) == (UNWRITTEN, 0, AT - 27 * MINUTE)
    assert found.text.startswith("the controller works, but has written nothing since 2030-01-01T11:30Z")
    assert "2030-01-01T11:30Z" in found.text_zh


def test_one_that_is_away_or_was_never_heard_is_another_alarm() -> None:
    assert unwritten(health(30 * MINUTE), AT - 10 * MINUTE, AT) is None
    assert unwritten(health(30 * MINUTE), None, AT) is None
    assert unwritten({}, AT, AT) is None
    # It went away together with its ledger, long ago.
    assert unwritten(health(30 * MINUTE), AT - 29 * MINUTE, AT) is None
