"""What a person has decided about an asset, in one period of dispatch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.dispatch.guidance import ConnectionGuidance, Guidance, ShiftGuidance, StoreGuidance
from controllers.dispatch.orders import LeaseTimes
from controllers.dispatch.overrides import OVERRIDE, with_pinned_clusters
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.dispatch import decide
from tests.world_builders import BASE, BATTERY, START, WIND, asset, connection, park
from vpp.events import Override, Pin, PinLimit, PinLocal, PinOut, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import Target

BESS, LOAD, FARM, GRID = AssetId("bess.a"), AssetId("base.a"), AssetId("wind.a"), ConnectionId("grid.a")
ASSETS = [asset(BESS, "battery", BATTERY, "a"), asset(LOAD, "base_load", BASE, "a"), asset(FARM, "wind", WIND, "a")]
PARK = park(ASSETS, [connection(GRID, "a")])
GUIDANCE = Guidance(
    "plan.1", "mpc", {GRID: ConnectionGuidance(700.0, 150.0, 200.0, 30_000.0)}, stores={BESS: StoreGuidance(300.0, 600.0)}
)
SEEN = Snapshot(
    START,
    {
        BESS: Reported(START, 0.0, None, {"soc_frac": 0.5}, online=True),
        LOAD: Reported(START, 60.0, None, {}, online=True),
        FARM: Reported(START, -40.0, 40.0, {}, online=True),
    },
    {},
    {GRID: 20.0},
)


def decided(asset_id: AssetId, pin: Pin, **more: object) -> Snapshot:
    facts = {"start": START, "end": None, "who": "Li", "why": "inspection", "issued_at": START, "received_at": START, **more}
    return replace(SEEN, overrides=(Override(asset_id=asset_id, pin=pin, **facts),))  # type: ignore[arg-type]


def order_of(asset_id: AssetId, snapshot: Snapshot) -> list[tuple[object, str]]:
    return [(o.setpoint, o.reason.code) for o in decide(PARK, snapshot, GUIDANCE, LeaseTimes()).orders if o.asset_id == asset_id]


def test_a_pinned_battery_is_told_its_power_and_why_whatever_the_price_says() -> None:
    assert order_of(BESS, SEEN)[0][0] != Target(power_mw=5.0)
    assert order_of(BESS, decided(BESS, PinPower(5.0))) == [(Target(power_mw=5.0), OVERRIDE)]


def test_a_pin_beyond_the_rating_is_held_at_the_rating() -> None:
    assert order_of(BESS, decided(BESS, PinPower(500.0))) == [(Target(power_mw=BATTERY.power_mw), OVERRIDE)]


def test_a_farm_is_pinned_below_what_is_there_and_never_above() -> None:
    assert order_of(FARM, decided(FARM, PinPower(-25.0))) == [(Target(power_mw=-25.0), OVERRIDE)]
    assert order_of(FARM, decided(FARM, PinPower(-90.0))) == [(Target(power_mw=-40.0), OVERRIDE)]


def test_a_band_leaves_the_rest_to_dispatch() -> None:
    ((setpoint, code),) = order_of(BESS, decided(BESS, PinLimit(-3.0, 2.0)))
    assert isinstance(setpoint, Target)
    assert -3.0 <= setpoint.power_mw <= 2.0
    assert code == OVERRIDE


@pytest.mark.parametrize("pin", [PinLocal(), PinOut()])
def test_an_asset_in_somebody_elses_hand_is_told_nothing_and_counted_with_its_meter(pin: Pin) -> None:
    assert order_of(BESS, decided(BESS, pin)) == []
    # The others go on.
    assert order_of(FARM, decided(BESS, pin)) != []


def test_an_override_binds_only_inside_its_span() -> None:
    later = decided(BESS, PinPower(5.0), start=START + timedelta(hours=1))
    over = decided(BESS, PinPower(5.0), start=START - timedelta(hours=1), end=START)
    assert order_of(BESS, later) == order_of(BESS, over) == order_of(BESS, SEEN)


def test_of_two_the_later_word_counts() -> None:
    both = decided(BESS, PinPower(5.0)).overrides
    newer = replace(both[0], pin=PinPower(-1.0), received_at=START + timedelta(seconds=1))
    assert order_of(BESS, replace(SEEN, overrides=(newer, *both)))[0][0] == Target(power_mw=-1.0)


def test_a_pinned_cluster_is_asked_for_its_power_and_capped_there_while_the_pin_holds() -> None:
    cluster = AssetId("compute.a")
    edges = tuple(START + k * timedelta(minutes=15) for k in range(4))
    flat = (30.0, 30.0, 30.0)
    shift = ShiftGuidance(edges, flat, (20.0,) * 3, (15.0,) * 3, flat, flat, flat, flat)
    (pin,) = decided(cluster, PinPower(10.0), end=edges[1]).overrides
    (held,) = with_pinned_clusters({cluster: shift}, [pin]).values()
    assert (held.cap_mw, held.target_mw, held.floor_mw) == ((10.0, 30.0, 30.0), (10.0, 20.0, 20.0), (10.0, 15.0, 15.0))
    (local,) = decided(cluster, PinLocal()).overrides
    assert with_pinned_clusters({cluster: shift}, [local]) == {}
