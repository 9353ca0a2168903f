"""The codec: strict on the way out, tolerant on the way in, one line for every fault."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from vpp.errors import WireError
from vpp.wire import messages as m
from vpp.wire.codec import MAX_PAYLOAD_BYTES, MESSAGE_OF, decode, decode_any, encode
from vpp.wire.topics import Channel, topic_of

AT = datetime(2030, 10, 1, 2, 0, tzinfo=UTC)
TOPIC = topic_of("chifeng", Channel.ASSET_TELEMETRY, "bess.hongshan")


def telemetry(**changes: Any) -> m.Telemetry:
    facts: dict[str, Any] = {"measured_at": AT, "power_mw": -12.5}
    return m.Telemetry(**(facts | changes))


def shift(**changes: Any) -> m.ComputeShift:
    interval = m.ShiftInterval(
        start=AT,
        end=AT + timedelta(minutes=15),
        cap_mw=50.0,
        target_mw=40.0,
        floor_mw=10.0,
        green_share_frac=0.9,
        carbon_kg_per_mwh=60.0,
        price_cny_per_mwh=-50.0,
        confidence_frac=0.8,
    )
    facts: dict[str, Any] = {"epoch": 1, "seq": 1, "issued_at": AT, "cluster": "compute.zhisuan1", "revision": 1}
    facts |= {"valid_until": AT + timedelta(minutes=2), "cap_now_mw": 50.0, "intervals": (interval,)}
    return m.ComputeShift(**(facts | changes))


def test_every_channel_has_its_message() -> None:
    assert set(MESSAGE_OF) == set(Channel)


def test_a_message_is_found_by_its_topic() -> None:
    assert decode_any(TOPIC, encode(telemetry())) == telemetry()


def test_the_measuring_time_travels_as_t() -> None:
    assert json.loads(encode(telemetry()))["t"] == "2030-10-01T02:00:00Z"


@pytest.mark.parametrize(
    "changes",
    [
        {"power_mw": math.nan},
        {"power_mw": math.inf},
        {"available_mw": math.nan},
        {"available_mw": -1.0},
        {"state": {"soc_frac": math.nan}},
        {"measured_at": datetime(2030, 10, 1)},  # noqa: DTZ001  a naive time is the point
        {"power_mw": 500_000.0},
        {"quality": "splendid"},
        {"applied_seq": -1},
    ],
)
def test_an_invalid_value_never_leaves(changes: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="Telemetry: "):
        encode(telemetry(**changes))


def test_a_nan_in_an_optional_field_is_named_not_turned_into_missing() -> None:
    with pytest.raises(WireError, match=r"\$\.available_mw: nan would arrive as None"):
        encode(telemetry(available_mw=math.nan))


def test_unknown_fields_are_ignored() -> None:
    payload = json.loads(encode(telemetry())) | {"colour": "red", "nested": {"deep": [1, 2]}}
    assert decode(m.Telemetry, TOPIC, json.dumps(payload).encode()) == telemetry()


def test_a_newer_schema_version_is_read() -> None:
    payload = json.loads(encode(telemetry())) | {"schema_version": 7}
    assert decode(m.Telemetry, TOPIC, json.dumps(payload).encode()).power_mw == -12.5


def test_a_time_in_another_zone_becomes_utc() -> None:
    payload = json.loads(encode(telemetry())) | {"t": "2030-10-01T10:00:00+08:00"}
    assert decode(m.Telemetry, TOPIC, json.dumps(payload).encode()).measured_at.tzinfo is UTC
    assert telemetry(measured_at=AT.astimezone(timezone(timedelta(hours=8)))).measured_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xfe", "malformed"),
        (b'{"power_mw": 1}', "missing required field `t`"),
        (b'{"t": "2030-10-01T02:00:00Z", "power_mw": NaN}', "malformed"),
        (b'{"t": "2030-10-01T02:00:00Z", "power_mw": 1e999}', "$.power_mw: Number out of range"),
        (b'{"t": "2030-10-01T02:00:00Z", "power_mw": "1"}', "$.power_mw: Expected `float`, got `str`"),
        (b'{"t": "2030-10-01T02:00:00", "power_mw": 1}', "$.t: Expected `datetime` with a timezone"),
        (b'{"t": "0001-01-01T00:00:00+14:00", "power_mw": 1}', "out of range"),
        (b'{"t": "2030-10-01T02:00:00Z", "power_mw": 1, "quality": "a\\nb"}', "$.quality: Invalid enum value"),
        (b'{"x": ' + b"[" * 100_000, "recursion"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), f"{MAX_PAYLOAD_BYTES} are allowed"),
    ],
)
def test_a_malformed_payload_gives_one_line_with_topic_field_and_rule(payload: bytes, rule: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(m.Telemetry, TOPIC, payload)
    line = str(caught.value)
    assert line.startswith(f"{TOPIC}: ")
    assert rule in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"target_mw": 60.0}, "floor_mw <= target_mw <= cap_mw"),
        ({"end": AT}, "does not come after start"),
        ({"green_share_frac": 1.2}, "<= 1.0"),
    ],
)
def test_a_shift_that_contradicts_itself_never_leaves(change: dict[str, Any], rule: str) -> None:
    good = shift().intervals[0]
    facts = {f: getattr(good, f) for f in good.__struct_fields__}
    with pytest.raises(WireError, match=rule):
        encode(shift(intervals=(m.ShiftInterval(**(facts | change)),)))


def test_intervals_with_a_gap_between_them_are_refused() -> None:
    first = shift().intervals[0]
    with pytest.raises(WireError, match=r"intervals\[1\]\.start: is not the end"):
        encode(shift(intervals=(first, first)))


def test_quantiles_that_cross_are_refused() -> None:
    series = m.ForecastSeries(id="wind.songshan", quantity="available_mw", values=((1.0, 2.0, 3.0, 2.5, 4.0, 5.0, 6.0),))
    forecast = m.ForecastCurrent(
        epoch=1,
        seq=1,
        issued_at=AT,
        edges=(AT, AT + timedelta(minutes=15)),
        levels=(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        series=(series,),
    )
    with pytest.raises(WireError, match=r"series\[0\]\.values\[0\]: quantiles cross"):
        encode(forecast)


def test_a_plan_whose_series_has_another_length_is_refused() -> None:
    plan = m.PlanCurrent(
        epoch=1,
        seq=1,
        issued_at=AT,
        plan_id="p1",
        source="mpc",
        edges=(AT, AT + timedelta(minutes=15)),
        assets=(m.PlannedPower(id="bess.hongshan", power_mw=(1.0, 2.0)),),
        connections=(),
    )
    with pytest.raises(WireError, match="2 values for 1 intervals"):
        encode(plan)


def test_a_refusal_without_a_reason_never_leaves() -> None:
    with pytest.raises(WireError, match="rejected must say why"):
        encode(m.Ack(epoch=1, seq=1, acked_at=AT, outcome="rejected", power_mw=0.0))


def test_a_backlog_item_needs_exactly_one_measure_of_work() -> None:
    item = m.BacklogItem(job_class="train", release=AT, deadline=AT + timedelta(hours=4), max_mw=5.0, tier=2, preemptible=True)
    with pytest.raises(WireError, match="needs one of energy_mwh and gpu_h"):
        encode(m.Backlog(cluster="compute.zhisuan1", reported_at=AT, fast_band_mw=0.0, items=(item,)))


def test_an_id_with_a_line_break_at_its_end_is_refused() -> None:
    with pytest.raises(WireError, match=r"\$\.cluster"):
        encode(shift(cluster="compute.zhisuan1\n"))
