"""The offer that is served: the promise while it is young, the bound of the machines before and after, told apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from controllers.api.offer import FRESH, ConnectionOffer, HorizonOffer, Offer, promised
from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable, Promise

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def cell(way: str, duration_h: float, sure_mw: float, start: datetime = NOW) -> OfferCell:
    powers = ((0.5, 2.0 * sure_mw), (0.9, 1.5 * sure_mw), (0.99, sure_mw))
    promises = tuple(
        Promise(confidence=c, power_mw=mw, import_mw=80.0 - mw, cost_cny=mw, cost_cny_per_mwh=1.0 / duration_h)
        for c, mw in powers
    )
    return OfferCell(direction=way, start=start, duration_h=duration_h, expected_import_mw=80.0, promises=promises)


def table(at: datetime = NOW) -> OfferTable:
    cells = [cell(way, h, 10.0 / h, at) for way in ("give", "take") for h in (0.25, 0.5, 1.0, 2.0, 4.0)]
    later = [cell("give", 1.0, 99.0, at + timedelta(hours=3))]
    meters = tuple(
        MeterOffer(connection=name, response_s={"give": 3.0, "take": None}, ramp_mw_per_min={"give": 9.0}, cells=(*later, *cells))
        for name in ("grid.a", "grid.b")
    )
    return OfferTable(
        at=at, courses=16, confidences=(0.5, 0.9, 0.99), worth_cny_per_mwh=3000.0, events=(), learnt_from="", meters=meters
    )


def bound() -> Offer:
    horizon = HorizonOffer(duration_h=1.0, give_mw=70.0, take_mw=30.0, give_limited_by="machines", take_limited_by="connection")
    rows = tuple(
        ConnectionOffer(
            connection=name,
            areas=("a",),
            shared_with=(),
            import_mw=80.0,
            planned_mw=None,
            horizons=(horizon,),
            counted=3,
            left_out=(),
        )
        for name in ("grid.a", "grid.b")
    )
    return Offer(at=NOW, basis="bound", connections=rows)


def test_what_is_promised_from_now_on_at_99_percent_takes_the_place_of_the_bound() -> None:
    found = promised(bound(), table(NOW - 5 * MINUTE))
    assert (found.source, found.made_at, found.age_s) == ("promise", NOW - 5 * MINUTE, 300.0)
    assert [(h.duration_h, h.give_mw, h.take_mw) for h in found.connections[0].horizons] == [
        (0.25, 40.0, 40.0), (1.0, 10.0, 10.0), (2.0, 5.0, 5.0), (4.0, 2.5, 2.5),
    ]  # fmt: skip
    assert found.connections[0].import_mw == 80.0


@pytest.mark.parametrize("known", [None, table(NOW - FRESH - MINUTE), table(NOW + MINUTE)])
def test_without_a_young_promise_the_bound_stays_and_says_that_it_is_none(known: OfferTable | None) -> None:
    found = promised(bound(), known)
    assert found == bound()
    assert (found.source, found.promise, found.made_at) == ("bound", None, None)


def test_one_connection_is_taken_out_of_both() -> None:
    found = promised(bound(), table()).only("grid.b")
    assert [row.connection for row in found.connections] == ["grid.b"]
    assert found.promise is not None
    assert [meter.connection for meter in found.promise.meters] == ["grid.b"]


def test_a_table_travels_as_json_also_where_a_response_is_slower_than_can_be_said() -> None:
    sent = msgspec.json.encode(table())
    assert msgspec.json.decode(sent, type=OfferTable) == table()


def test_the_promise_of_a_confidence_between_two_is_the_surer_one() -> None:
    one = cell("give", 1.0, 10.0)
    assert [one.at(c).confidence for c in (0.5, 0.7, 0.9, 0.95, 0.999)] == [0.5, 0.9, 0.9, 0.99, 0.99]
