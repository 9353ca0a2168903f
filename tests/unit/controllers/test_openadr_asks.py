"""What events of OpenADR 3 mean to the park, without a wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.adapters.openadr3.asks import Agreement, Reading, Unreadable, read_event
from controllers.adapters.openadr3.reports import Facts, Sample, report_body
from controllers.adapters.openadr3.times import FOR_EVER, duration_of, instant_of
from controllers.adapters.openadr3.words import Event, Program, Report
from controllers.api.ledger_facts import EventFacts
from controllers.api.offer import ConnectionOffer, HorizonOffer

NOW = datetime(2030, 10, 7, 2, 15, tzinfo=UTC)
ONE = (Agreement(connection="grid.a", simple_mw=(40.0, 20.0), emergency_mw=5.0),)
TWO = (*ONE, Agreement(connection="grid.b"))


def _event(*intervals: dict[str, Any], **more: Any) -> Event:
    period = {"start": "2030-10-07T03:00:00Z", "duration": "PT30M"}
    return Event.model_validate({"programID": "p", "intervalPeriod": period, "intervals": list(intervals), **more})


def _says(i: int, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": i, "payloads": [{"type": kind, "values": [value]}], **more}


def _read(event: Event, agreed: tuple[Agreement, ...] = ONE, program: Program | None = None) -> Reading:
    found = read_event("e", event, program, agreed, NOW)
    assert isinstance(found, Reading), str(found)
    return found


def test_intervals_follow_each_other_and_each_is_a_call() -> None:
    calls = _read(_event(_says(0, "IMPORT_CAPACITY_LIMIT", 30_000), _says(1, "IMPORT_CAPACITY_LIMIT", 20_000))).calls
    assert [(c.target_mw, c.start.hour, c.start.minute) for c in calls] == [(30.0, 3, 0), (20.0, 3, 30)]
    assert all(c.end - c.start == timedelta(minutes=30) for c in calls)
    assert len({c.event_id for c in calls}) == 2


def test_an_interval_of_its_own_time_is_where_it_says() -> None:
    own = {"start": "2030-10-07T12:00:00+08:00", "duration": "PT5M"}
    (call,) = _read(_event(_says(0, "EXPORT_CAPACITY_LIMIT", 1_000, intervalPeriod=own))).calls
    assert (call.start, call.end - call.start, call.target_mw) == (
        datetime(2030, 10, 7, 4, 0, tzinfo=UTC),
        timedelta(minutes=5),
        -1.0,
    )


def test_an_event_longer_than_its_intervals_repeats_them() -> None:
    calls = _read(_event(_says(0, "SIMPLE", 1), _says(1, "SIMPLE", 2), duration="PT2H")).calls
    assert [c.target_mw for c in calls] == [40.0, 20.0, 40.0, 20.0]
    assert calls[-1].end == datetime(2030, 10, 7, 5, 0, tzinfo=UTC)
    assert len({c.event_id for c in calls}) == 4


def test_what_is_over_is_not_called_and_what_runs_is_called_from_now() -> None:
    period = {"start": "2030-10-07T01:15:00Z", "duration": "PT45M"}
    (call,) = _read(_event(_says(0, "SIMPLE", 1), _says(1, "SIMPLE", 2), intervalPeriod=period)).calls
    assert (call.target_mw, call.start, call.end) == (20.0, NOW, datetime(2030, 10, 7, 2, 45, tzinfo=UTC))


def test_a_target_names_the_connection_and_without_one_there_must_be_but_one() -> None:
    event = _event(_says(0, "IMPORT_CAPACITY_LIMIT", 1_000))
    assert isinstance(read_event("e", event, None, TWO, NOW), Unreadable)
    named = _event(_says(0, "IMPORT_CAPACITY_LIMIT", 1_000), targets=["grid.b"])
    assert [c.connection for c in _read(named, TWO).calls] == ["grid.b"]
    program = Program.model_validate({"programName": "p", "targets": ["grid.a"]})
    assert [c.connection for c in _read(event, TWO, program).calls] == ["grid.a"]


def test_a_target_that_names_a_cluster_calls_its_own_meter_for_less_alone() -> None:
    agreed = (*ONE, Agreement(connection="grid.a", asset="compute.a", simple_mw=(30.0,)))
    (limit,) = _read(_event(_says(0, "IMPORT_CAPACITY_LIMIT", 20_000), targets=["compute.a"]), agreed).calls
    assert (limit.connection, limit.asset, limit.kind, limit.target_mw) == ("grid.a", "compute.a", "import_limit", 20.0)
    assert limit.body()["asset"] == "compute.a"
    both = _read(_event(_says(0, "SIMPLE", 1), targets=["compute.a", "grid.a"]), agreed).calls
    assert {(c.asset, c.target_mw) for c in both} == {("compute.a", 30.0), (None, 40.0)}
    assert len({c.event_id for c in both}) == 2
    refused = read_event("e", _event(_says(0, "DISPATCH_SETPOINT", 20_000), targets=["compute.a"]), None, agreed, NOW)
    assert "compute.a is called by its most alone" in str(refused)


def test_units_come_from_the_event_else_from_the_program() -> None:
    rows = [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "MW"}]
    program = Program.model_validate({"programName": "p", "payloadDescriptors": rows})
    assert _read(_event(_says(0, "IMPORT_CAPACITY_LIMIT", 30)), program=program).calls[0].target_mw == 30.0
    assert _read(_event(_says(0, "IMPORT_CAPACITY_LIMIT", 30))).calls[0].target_mw == pytest.approx(0.03)


def test_prices_and_emissions_are_told_and_call_nothing() -> None:
    read = _read(_event(_says(0, "PRICE", 0.31), _says(1, "GHG", 512.0)))
    assert read.calls == ()
    assert [(s.type, s.value) for s in read.signals] == [("PRICE", 0.31), ("GHG", 512.0)]


def test_every_reason_is_said_at_once() -> None:
    found = read_event("e", _event(_says(0, "SIMPLE", 3), _says(1, "SIMPLE", 9), _says(2, "X", 1)), None, ONE, NOW)
    assert isinstance(found, Unreadable)
    assert len(found.reasons) == 3


def test_two_intervals_of_one_id_are_refused() -> None:
    found = read_event("e", _event(_says(0, "SIMPLE", 1), _says(0, "SIMPLE", 2)), None, ONE, NOW)
    assert "same id" in str(found)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_the_beginning_of_the_calendar_means_now(text: str) -> None:
    assert instant_of(text, NOW) == NOW


def test_durations_of_the_specification() -> None:
    assert duration_of("P9999Y") == FOR_EVER
    assert duration_of("PT1H30M") == timedelta(minutes=90)
    with pytest.raises(ValueError, match="ISO 8601"):
        duration_of("1 h")


_TEXTS = st.sampled_from(["0001-01-01T00:00:00Z", "2030-10-07T03:00:00Z", "9999-12-31T23:59:59-12:00", "2020-02-29T12:00:60Z"])
_LENGTHS = st.sampled_from(["PT1H", "PT0S", "-PT5M", "P9999Y", "PT0.5S", "P1M", "PT15M"])
_PERIODS = st.none() | st.fixed_dictionaries({}, optional={"start": _TEXTS, "duration": _LENGTHS})
_KINDS = st.sampled_from(
    ["SIMPLE", "PRICE", "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT", "ALERT_GRID_EMERGENCY", "OTHER"]
)
_VALUES = st.lists(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5) | st.booleans(), max_size=2
)
_PAYLOADS = st.lists(st.fixed_dictionaries({"type": _KINDS, "values": _VALUES}), max_size=2)
_INTERVALS = st.lists(
    st.fixed_dictionaries({"id": st.integers(-5, 5), "payloads": _PAYLOADS}, optional={"intervalPeriod": _PERIODS}), max_size=4
)


@given(intervals=_INTERVALS, period=_PERIODS, length=st.none() | _LENGTHS, priority=st.none() | st.integers(0, 10**9))
def test_whatever_comes_is_read_or_refused_and_calls_are_sound(
    intervals: list[dict[str, Any]], period: dict[str, Any] | None, length: str | None, priority: int | None
) -> None:
    words = {"programID": "p", "intervals": intervals, "intervalPeriod": period, "duration": length, "priority": priority}
    found = read_event("e", Event.model_validate(words), None, ONE, NOW)
    if isinstance(found, Unreadable):
        assert found.reasons
        assert all(found.reasons)
        return
    assert len({call.event_id for call in found.calls}) == len(found.calls)
    for call in found.calls:
        assert NOW - timedelta(minutes=10) <= call.start < call.end
        assert 0 <= call.priority <= 1_000


def _facts(state: str, kind: str = "peak") -> EventFacts:
    return EventFacts(
        number=1,
        event_id="x",
        connection="grid.a",
        kind=kind,
        target_mw=20.0,
        start=NOW,
        end=NOW + timedelta(hours=1),
        priority=0,
        note="",
        revision=1,
        state=state,
        reason="",
        by="op",
        asked_at=NOW,
        changed_at=NOW,
    )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("running",), "RUNNING_CURTAILED"),
        (("accepted",), "NORMAL"),
        (("refused",), "IDLE_OPTED_OUT"),
        (("cancelled",), "NORMAL"),
        (("refused", "accepted"), "NORMAL"),
    ],
)
def test_the_state_is_what_becomes_of_the_calls(states: tuple[str, ...], said: str) -> None:
    body = report_body("e", "park", ["OPERATING_STATE"], [Facts("grid.a", tuple(_facts(state) for state in states))])
    assert body["resources"][0]["intervals"][0]["payloads"] == [{"type": "OPERATING_STATE", "values": [said]}]


def test_energy_is_the_mean_power_over_its_interval_and_what_was_not_measured_is_left_out() -> None:
    step = timedelta(minutes=15)
    samples = (Sample(NOW, step, 40.0, 60.0), Sample(NOW + step, step, None, 60.0))
    horizon = HorizonOffer(duration_h=1.0, give_mw=7.0, take_mw=3.0, give_limited_by="machines", take_limited_by="machines")
    offer = ConnectionOffer(
        connection="grid.a",
        areas=(),
        shared_with=(),
        import_mw=40.0,
        planned_mw=None,
        horizons=(horizon,),
        counted=1,
        left_out=(),
    )
    wanted = ["USAGE", "BASELINE", "LOAD_SHED_DELTA_AVAILABLE", "LOAD_TAKE_DELTA_AVAILABLE", "UNKNOWN"]
    body = report_body("e", "park", wanted, [Facts("grid.a", (_facts("running"),), samples, offer, NOW)])
    Report.model_validate(body)
    first, second = body["resources"][0]["intervals"]
    assert {p["type"]: p["values"] for p in first["payloads"]} == {"USAGE": [10_000.0], "BASELINE": [15_000.0]}
    assert [p["type"] for p in second["payloads"]] == ["BASELINE"]
    room = {p["type"]: p["values"][0] for p in body["resources"][1]["intervals"][0]["payloads"]}
    assert room == {"LOAD_SHED_DELTA_AVAILABLE": -7_000.0, "LOAD_TAKE_DELTA_AVAILABLE": 3_000.0}
