"""Every message arrives as it was sent; anything else is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.errors import WireError
from vpp.wire import messages as m
from vpp.wire.codec import MESSAGE_OF, decode, encode
from vpp.wire.topics import Channel, topic_of

type_of = {kind.__name__: kind for kind in MESSAGE_OF.values()}

zones = st.sampled_from([UTC, timezone(timedelta(hours=8))])
instants = st.tuples(st.timedeltas(timedelta(0), timedelta(days=36_500)), zones).map(
    lambda moment: (datetime(2000, 1, 1, tzinfo=UTC) + moment[0]).astimezone(moment[1])
)
mw = st.floats(-1e5, 1e5)
size_mw = st.floats(0.0, 1e5)
ramp = st.floats(1e-3, 1e5)
frac = st.floats(0.0, 1.0)
number = st.floats(-1e12, 1e12)
seconds = st.floats(0.0, 1e7)
count = st.integers(0, 2**53)
ids = st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[a-z0-9_]{1,8})?", fullmatch=True)
text = st.text(max_size=20)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
quantities = st.dictionaries(text, number, max_size=3)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def rows(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=most).map(tuple)


reasons = st.builds(m.Reason, code=ids, text=text, price_cny_per_mwh=maybe(number), limit=maybe(text))
issued = {"epoch": count, "seq": count, "issued_at": instants}
setpoints = st.one_of(
    st.builds(m.Target, power_mw=mw),
    st.builds(m.Limit, max_power_mw=size_mw),
    st.builds(m.HeatStart, furnace=ids, start_at=instants),
    st.builds(m.StackCounts, on=count, standby=count, power_mw=size_mw),
    st.builds(m.Switch, closed=st.booleans()),
)


@st.composite
def rising(draw: st.DrawFn, least: int = 2) -> tuple[datetime, ...]:
    start = draw(instants)
    steps = draw(st.lists(st.integers(1, 240), min_size=least - 1, max_size=least + 3))
    edges = [start]
    for minutes in steps:
        edges.append(edges[-1] + timedelta(minutes=minutes))
    return tuple(edges)


@st.composite
def grid_events(draw: st.DrawFn) -> m.GridEvent:
    edges = draw(rising())
    event = st.builds(
        m.GridEvent,
        event_id=names,
        revision=st.integers(1, 2**53),
        kind=st.sampled_from(["peak", "valley", "import_limit", "export_limit", "emergency"]),
        target_mw=mw,
        change_mw=maybe(size_mw),
        start=st.just(edges[0]),
        end=st.just(edges[-1]),
        issued_at=instants,
        priority=count,
        confidence=st.floats(0.5, 0.999),
        cancelled=st.booleans(),
    )
    return draw(event)


@st.composite
def grid_prices(draw: st.DrawFn) -> m.GridPrice:
    edges = draw(rising())
    prices = draw(st.lists(number, min_size=len(edges) - 1, max_size=len(edges) - 1))
    return m.GridPrice(issued_at=draw(instants), edges=edges, energy_cny_per_mwh=tuple(prices))


@st.composite
def fallbacks(draw: st.DrawFn) -> m.FallbackProfile:
    after_s = sorted(draw(st.sets(st.floats(0.0, 1e5), max_size=4)))
    points = tuple(m.FallbackPoint(after_s=s, power_mw=draw(mw)) for s in after_s)
    safe_after_s = (after_s[-1] if after_s else 0.0) + draw(st.floats(0.0, 1e5))
    return m.FallbackProfile(
        points=points,
        safe_after_s=safe_after_s,
        safe_power_mw=draw(maybe(mw)),
        safe_ramp_mw_per_min=draw(ramp),
    )


@st.composite
def shifts(draw: st.DrawFn) -> m.ComputeShift:
    intervals = []
    for start, end in pairwise(draw(rising())):
        floor_mw, target_mw, cap_mw = sorted(draw(st.tuples(size_mw, size_mw, size_mw)))
        intervals.append(
            m.ShiftInterval(
                start=start,
                end=end,
                cap_mw=cap_mw,
                target_mw=target_mw,
                floor_mw=floor_mw,
                green_share_frac=draw(frac),
                carbon_kg_per_mwh=draw(size_mw),
                price_cny_per_mwh=draw(number),
                confidence_frac=draw(frac),
            )
        )
    event = maybe(st.builds(m.ShiftEvent, event_id=ids | st.just("Call-7:a"), start=instants, end=instants, reason=reasons))
    head = st.builds(
        m.ComputeShift,
        **issued,
        cluster=ids,
        revision=count,
        valid_until=instants,
        cap_now_mw=size_mw,
        intervals=st.just(tuple(intervals)),
        event=event,
    )
    return draw(head)


@st.composite
def backlog_items(draw: st.DrawFn) -> m.BacklogItem:
    release, deadline = draw(rising())[:2]
    work = draw(st.sampled_from(["energy_mwh", "gpu_h"]))
    return m.BacklogItem(
        job_class=draw(st.text(min_size=1, max_size=20)),
        **{work: draw(size_mw)},
        release=release,
        deadline=deadline,
        max_mw=draw(size_mw),
        tier=draw(st.integers(0, 3)),
        preemptible=draw(st.booleans()),
        checkpoint_s=draw(maybe(seconds)),
    )


@st.composite
def plans(draw: st.DrawFn) -> m.PlanCurrent:
    edges = draw(rising())
    power = st.lists(mw, min_size=len(edges) - 1, max_size=len(edges) - 1).map(tuple)
    series = rows(st.builds(m.PlannedPower, id=ids, power_mw=power))
    head = {"plan_id": text, "source": text, "gap_frac": maybe(frac), "unmet": rows(reasons)}
    return draw(st.builds(m.PlanCurrent, **issued, **head, edges=st.just(edges), assets=series, connections=series))


@st.composite
def forecasts(draw: st.DrawFn) -> m.ForecastCurrent:
    edges = draw(rising())
    row = st.lists(number, min_size=7, max_size=7).map(lambda values: tuple(sorted(values)))
    values = st.lists(row, min_size=len(edges) - 1, max_size=len(edges) - 1).map(tuple)
    levels = st.sets(frac, min_size=7, max_size=7).map(lambda found: tuple(sorted(found)))
    series = rows(st.builds(m.ForecastSeries, id=ids, quantity=text, values=values))
    head = {"levels": levels, "series": series, "stale": st.booleans()}
    return draw(st.builds(m.ForecastCurrent, **issued, **head, edges=st.just(edges)))


def acks() -> st.SearchStrategy[m.Ack]:
    head = {"epoch": count, "seq": count, "acked_at": instants, "power_mw": maybe(mw)}
    yes = st.builds(m.Ack, **head, outcome=st.just("accepted"), reason=maybe(reasons))
    return yes | st.builds(m.Ack, **head, outcome=st.sampled_from(["clamped", "rejected"]), reason=reasons)


def arms() -> st.SearchStrategy[m.Arm]:
    bounds = st.tuples(number, maybe(number)) | st.tuples(maybe(number), number)
    reflexes = st.tuples(bounds, text, seconds, seconds, setpoints).map(
        lambda r: m.Reflex(quantity=r[1], below=r[0][0], above=r[0][1], after_s=r[2], hold_s=r[3], then=r[4])
    )
    places = st.builds(m.LadderPlace, ladder=ids, step=st.integers(1, 99), then=setpoints)
    return st.builds(m.Arm, **issued, reflexes=rows(reflexes), places=rows(places))


def responses() -> st.SearchStrategy[m.ShiftResponse]:
    interval = st.builds(m.AcceptedInterval, start=instants, end=instants, power_mw=size_mw)
    head = {"cluster": ids, "revision": count, "responded_at": instants, "note": text}
    whole = st.builds(m.ShiftResponse, **head, accepted=st.sampled_from(["all", "none"]), intervals=st.just(()))
    some = st.lists(interval, min_size=1, max_size=3).map(tuple)
    return whole | st.builds(m.ShiftResponse, **head, accepted=st.just("part"), intervals=some)


quality = st.sampled_from(["good", "questionable", "invalid"])
mode = st.sampled_from(["remote", "local", "fault"])
STRATEGIES: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "Telemetry": lambda: st.builds(
        m.Telemetry,
        measured_at=instants,
        power_mw=mw,
        available_mw=maybe(size_mw),
        state=quantities,
        applied_epoch=count,
        applied_seq=count,
        quality=quality,
    ),
    "Status": lambda: st.builds(m.Status, online=st.booleans(), mode=mode, limits=quantities, changed_at=maybe(instants)),
    "Command": lambda: st.builds(
        m.Command,
        **issued,
        command=setpoints,
        ramp_mw_per_min=maybe(ramp),
        lease_s=st.floats(1e-3, 1e5),
        fallback=fallbacks(),
        plan_id=text,
        reason=reasons,
    ),
    "Ack": acks,
    "Arm": arms,
    "Shed": lambda: st.builds(m.Shed, **issued, ladder=ids, step=count, until=instants, reason=reasons),
    "ComputeShift": shifts,
    "Backlog": lambda: st.builds(m.Backlog, cluster=ids, reported_at=instants, fast_band_mw=size_mw, items=rows(backlog_items())),
    "BacklogAnswer": lambda: st.builds(
        m.BacklogAnswer,
        cluster=ids,
        reported_at=instants,
        accepted_items=count,
        refused_items=count,
        reasons=rows(st.builds(m.RefusedItem, item=count, where=st.just("max_mw"), rule=st.just("above the rating"))),
    ),
    "ShiftResponse": responses,
    "ComputeTelemetry": lambda: st.builds(
        m.ComputeTelemetry,
        cluster=ids,
        measured_at=instants,
        power_mw=size_mw,
        throughput_frac=maybe(frac),
        cap_mw=maybe(size_mw),
        applied_revision=count,
        state=quantities,
    ),
    "GridMeasurement": lambda: st.builds(
        m.GridMeasurement,
        measured_at=instants,
        frequency_hz=maybe(st.floats(0.0, 100.0)),
        import_mw=mw,
        voltage_kv=maybe(size_mw),
        quality=quality,
    ),
    "GridPrice": grid_prices,
    "GridEvent": grid_events,
    "GridEventAnswer": lambda: st.builds(
        m.GridEventAnswer,
        **issued,
        event_id=names,
        revision=st.integers(1, 2**53),
        outcome=st.sampled_from(["acknowledged", "accepted", "refused"]),
        asked_mw=maybe(size_mw),
        accepted_mw=maybe(size_mw),
        held_mw=maybe(mw),
        confidence=maybe(st.floats(0.5, 0.999)),
        reason=maybe(reasons),
    ),
    "PlanCurrent": plans,
    "ForecastCurrent": forecasts,
    "Ask": lambda: st.builds(m.Ask, kind=st.sampled_from(["override", "event"]), number=count, asked_at=instants),
}
TOPIC = topic_of("chifeng", Channel.ASSET_COMMAND, "bess.hongshan")


def test_every_message_of_the_contract_is_tried() -> None:
    assert set(STRATEGIES) == set(type_of)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@settings(max_examples=40)  # of each kind
@given(data=st.data())
def test_a_message_arrives_as_it_was_sent(name: str, data: st.DataObject) -> None:
    message = data.draw(STRATEGIES[name]())
    assert decode(type_of[name], "topic", encode(message)) == message


@given(payload=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_one_line(payload: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode(m.Command, TOPIC, payload)
    assert str(caught.value).startswith(f"{TOPIC}: ")
    assert len(str(caught.value).splitlines()) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@settings(max_examples=40)  # of each of thirteen kinds
@given(data=st.data())
def test_a_message_with_one_field_spoilt_is_read_or_refused_in_one_line(name: str, data: st.DataObject) -> None:
    fields = json.loads(encode(data.draw(STRATEGIES[name]())))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(json_values)
    line = f"{TOPIC}: "
    try:
        decode(type_of[name], TOPIC, json.dumps(fields).encode())
    except WireError as error:
        line = str(error)
    assert line.startswith(f"{TOPIC}: ")
    assert len(line.splitlines()) == 1
