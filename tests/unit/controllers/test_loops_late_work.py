"""Work that a plan sees missing its deadline is an alarm, by cluster, with the time from which it is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controllers.alarm_words import alarm_zh
from controllers.loops.late_work import late_work
from controllers.planner.result import Unmet

AT = datetime(2030, 10, 1, tzinfo=UTC)


def late(amount: float, what: str = "late_mwh_h.slack_6h", hours: float = 5.0) -> Unmet:
    return Unmet("compute.aidc", what, amount, "", AT + timedelta(hours=hours))


def test_work_that_will_be_late_is_named_with_its_hour() -> None:
    found = late_work((late(12.5), late(3.0, "late_mwh_h.slack_24h", 9.0)), AT)
    text = found["deadline.compute.aidc"]
    assert text == (
        "work on compute.aidc will miss its deadline from 2030-10-01T05:00Z on: slack_6h 12.5 MWh h, slack_24h 3.0 MWh h"
    )
    assert alarm_zh("deadline.compute.aidc", text, {}) == (
        "compute.aidc的部分作业预计无法按期完成（自 2030-10-01T05:00Z 起）：slack_6h 12.5 MWh h, slack_24h 3.0 MWh h"
    )


def test_rounding_and_other_promises_are_no_alarm() -> None:
    assert not late_work((late(0.3), late(50.0, "ammonia_t")), AT)


def test_what_is_late_already_counts_from_now() -> None:
    assert "from 2030-10-01T00:00Z on" in late_work((late(2.0, hours=-3.0),), AT)["deadline.compute.aidc"]
