"""A call of the grid at the meter of one computing cluster: a ceiling there, nothing at the connection, named in the signal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controllers.dispatch.caps import kept_caps, lowering
from controllers.dispatch.events import EventBook, judge
from controllers.dispatch.guidance import ShiftGuidance
from controllers.dispatch.overrides import with_pinned_clusters
from tests.builders import compute
from tests.world_builders import BASE, START, asset, connection, park
from vpp.errors import WireError
from vpp.events import PinLimit
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import decode, encode
from vpp.wire.messages import GridEvent, ShiftInterval

DC, GRID, MINUTE = AssetId("compute.a"), ConnectionId("grid.a"), timedelta(minutes=1)
PARK = park([asset(DC, "compute", compute(rated_mw=40.0), "a"), asset("base.a", "base_load", BASE, "a")], [connection(GRID, "a")])


def said(**changes: Any) -> GridEvent:
    facts: dict[str, Any] = {
        "event_id": "dr-1", "revision": 1, "kind": "peak", "target_mw": 20.0, "asset": DC, "start": START + 20 * MINUTE,
        "end": START + 50 * MINUTE, "issued_at": START,
    }  # fmt: skip
    return GridEvent(**{**facts, **changes})


def flat(minutes: int = 15, n: int = 4) -> ShiftGuidance:
    edges = tuple(START + k * minutes * MINUTE for k in range(n + 1))
    rows = {name: (30.0,) * n for name in ("cap_mw", "target_mw")} | {"floor_mw": (25.0,) * n}
    facts = ("green_share_frac", "carbon_kg_per_mwh", "price_cny_per_mwh", "confidence_frac")
    return ShiftGuidance(edges=edges, **rows, **{name: (0.5,) * n for name in facts})


def test_it_is_a_ceiling_on_the_cluster_and_binds_no_connection() -> None:
    book = EventBook({}).taken(said(), GRID, START)
    assert book.open_at(START) == ()
    [ceiling] = book.pins_at(START)
    assert (ceiling.asset_id, ceiling.pin, ceiling.event_id) == (DC, PinLimit(0.0, 20.0), "dr-1")
    assert book.pins_at(START) == (ceiling,)  # the same again: a plan is not woken by it
    assert book.pins_at(START + 50 * MINUTE) == ()
    assert book.taken(said(revision=2, cancelled=True), GRID, START).pins_at(START) == ()


def test_the_signal_is_cut_at_the_edges_of_the_call_and_asks_for_nothing_outside() -> None:
    (shift,) = with_pinned_clusters({DC: flat()}, EventBook({}).taken(said(), GRID, START).pins_at(START)).values()
    assert [(at - START) / MINUTE for at in shift.edges] == [0, 15, 20, 30, 45, 50, 60]
    assert shift.cap_mw == shift.target_mw == (30.0, 30.0, 20.0, 20.0, 20.0, 30.0)
    assert shift.floor_mw == (25.0, 25.0, 20.0, 20.0, 20.0, 25.0)
    assert len(shift.confidence_frac) == 6


def test_a_promised_cap_may_fall_in_it_and_the_signal_names_the_call_of_the_grid() -> None:
    pins = EventBook({}).taken(said(), GRID, START).pins_at(START)
    allowed = lowering((), pins, DC, START)
    assert allowed is not None
    assert (allowed.name, allowed.reason.code, allowed.start, allowed.end) == (
        "dr-1", "grid_event", START + 20 * MINUTE, START + 50 * MINUTE,
    )  # fmt: skip
    assert lowering((), pins, AssetId("compute.b"), START) is None
    before = [interval(START, START + 60 * MINUTE, 30.0)]
    wanted = [interval(START + 20 * MINUTE, START + 50 * MINUTE, 20.0), interval(START + 50 * MINUTE, START + 60 * MINUTE, 20.0)]
    assert [i.cap_mw for i in kept_caps(wanted, before, START, allowed)] == [20.0, 30.0]


def interval(start: Any, end: Any, cap_mw: float) -> ShiftInterval:
    return ShiftInterval(
        start=start, end=end, cap_mw=cap_mw, target_mw=cap_mw, floor_mw=0.0, green_share_frac=0.0, carbon_kg_per_mwh=0.0,
        price_cny_per_mwh=0.0, confidence_frac=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"asset": "base.a"}, "unknown_asset"), ({"target_mw": -1.0}, "absurd"), ({"target_mw": 5_000.0}, "absurd"), ({}, None)],
)
def test_a_call_that_no_cluster_could_mean_is_refused_by_name(changes: dict[str, Any], code: str | None) -> None:
    refused = judge(PARK, said(**changes), GRID, START)
    assert (refused.code if refused is not None else None) == code


def test_more_cannot_be_asked_of_a_single_meter() -> None:
    topic = "vpp/v1/test/grid/grid.a/event"
    assert decode(GridEvent, topic, encode(said())) == said()
    with pytest.raises(WireError, match="valley is called on a connection"):
        encode(said(kind="valley"))
