"""What each machine bids, and who gives way first once all bids are cleared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.dispatch.bids import MARGIN_CNY_PER_MWH, TIE_CNY_PER_MWH, Machine, bids_of, machines, powers, ties_of
from controllers.dispatch.clear import Tie, clear
from controllers.dispatch.guidance import BandGuidance, ConnectionGuidance, Guidance, StackOrder, StoreGuidance
from controllers.dispatch.snapshot import ClusterReport, Reported, Snapshot
from tests.world_builders import BASE, BATTERY, CLUSTER, STACKS, START, WIND, asset, connection, park
from vpp.events import Event
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.park.plates import FlexibleLoadPlate

WIND_ID, BESS, LOAD, H2, DC = (AssetId(i) for i in ("wind.a", "bess.a", "base.a", "h2.a", "compute.a"))
GRID = ConnectionId("grid.a")
TERMS = ConnectionGuidance(import_cny_per_mwh=500.0, export_cny_per_mwh=150.0, free_import_mw=80.0, above_cny_per_mwh=30_000.0)
PARK = park(
    [
        asset(WIND_ID, "wind", WIND, "a"),
        asset(BESS, "battery", BATTERY, "a"),
        asset(LOAD, "base_load", BASE, "a"),
        asset(H2, "electrolyser", STACKS, "a"),
        asset(DC, "compute", CLUSTER, "a"),
    ],
    [connection(GRID, "a")],
)
#: Two areas on one tie.
TIED = park([asset("base.a", "base_load", BASE, "a"), asset("base.b", "base_load", BASE, "b")], [connection("tie.ab", "a", "b")])
#: Charges under 300, discharges over 600, and has no plan to stay at.
STORE = StoreGuidance(300.0, 600.0)


def said(power_mw: float, available_mw: float | None = None, *, online: bool = True, **state: float) -> Reported:
    return Reported(START, power_mw, available_mw, state, online)


def guidance(store: StoreGuidance = STORE, terms: ConnectionGuidance = TERMS, **stacks: StackOrder) -> Guidance:
    return Guidance(
        "plan.1", "mpc", {GRID: terms}, stores={BESS: store}, stacks={AssetId(f"{k}.a"): order for k, order in stacks.items()}
    )


def snapshot(reports: Mapping[AssetId, Reported], cluster_mw: float | None = None) -> Snapshot:
    clusters = {} if cluster_mw is None else {DC: ClusterReport(START, cluster_mw, {}, (), 0.0)}
    return Snapshot(START, reports, clusters, {})


def bid_of(name: str, reports: Mapping[AssetId, Reported], told: Guidance, cluster_mw: float | None = None) -> Machine:
    return next(m for m in machines(PARK, snapshot(reports, cluster_mw), told) if m.name == name)


def dispatch(reports: Mapping[AssetId, Reported], told: Guidance, of: Park = PARK) -> Mapping[AssetId, float]:
    bidders = machines(of, snapshot(reports), told)
    return powers(bidders, clear(bids_of(bidders, of.area_ids), len(of.area_ids)).power_mw)


def band(machine: Machine) -> tuple[float, float]:
    return machine.base_mw, machine.base_mw + sum(width for width, _ in machine.segments)


AUX_MW = BATTERY.auxiliary_frac * BATTERY.power_mw


def test_a_full_battery_does_not_bid_to_charge() -> None:
    low, high = band(bid_of(BESS, {BESS: said(0.0, soc_frac=BATTERY.soc_max_frac)}, guidance()))
    assert high == pytest.approx(AUX_MW)
    assert low == pytest.approx(AUX_MW - BATTERY.power_mw)


def test_an_empty_battery_does_not_bid_to_discharge_and_charges_to_its_rating_at_the_meter() -> None:
    low, high = band(bid_of(BESS, {BESS: said(0.0, soc_frac=BATTERY.soc_min_frac)}, guidance()))
    assert low == pytest.approx(AUX_MW)
    assert high == pytest.approx(BATTERY.power_mw)


def test_a_battery_outside_its_band_bids_the_way_back_only() -> None:
    low, high = band(bid_of(BESS, {BESS: said(0.0, soc_frac=BATTERY.soc_max_frac + 0.03)}, guidance()))
    assert high == pytest.approx(AUX_MW)
    assert low == pytest.approx(AUX_MW - BATTERY.power_mw)


def test_a_battery_that_does_not_say_what_it_holds_is_not_counted_on_to_deliver() -> None:
    assert band(bid_of(BESS, {BESS: said(0.0)}, guidance()))[0] == pytest.approx(AUX_MW)


def test_a_store_gives_up_discharging_last_and_charging_first() -> None:
    worths = [worth for _, worth in bid_of(BESS, {BESS: said(0.0, soc_frac=0.5)}, guidance()).segments]
    assert worths == [600.0, 300.0]


def test_a_planned_power_splits_the_band_and_keeps_worths_falling() -> None:
    planned = bid_of(BESS, {BESS: said(0.0, soc_frac=0.5)}, guidance(replace(STORE, planned_mw=5.0 + AUX_MW)))
    taken = [segment for segment in planned.segments if segment[0] > 0]
    assert taken == [
        (BATTERY.power_mw, 600.0 + TIE_CNY_PER_MWH),
        (pytest.approx(5.0), 300.0 + TIE_CNY_PER_MWH),
        (pytest.approx(BATTERY.power_mw - AUX_MW - 5.0), 300.0 - TIE_CNY_PER_MWH),
    ]


def test_a_store_stays_at_its_plan_where_its_worth_ties_with_the_price() -> None:
    tied = replace(TERMS, import_cny_per_mwh=300.0)
    reports = {BESS: said(0.0, soc_frac=0.5), LOAD: said(20.0)}
    power = dispatch(reports, guidance(replace(STORE, planned_mw=7.0), tied))
    assert power[BESS] == pytest.approx(7.0)
    assert power[AssetId(GRID)] == pytest.approx(-27.0)


def test_a_battery_charges_when_import_is_cheaper_than_its_threshold() -> None:
    reports = {BESS: said(0.0, soc_frac=0.5), LOAD: said(20.0)}
    assert dispatch(reports, guidance(terms=replace(TERMS, import_cny_per_mwh=200.0)))[BESS] == pytest.approx(BATTERY.power_mw)


def test_a_battery_discharges_when_import_is_dearer_than_its_threshold() -> None:
    reports = {BESS: said(0.0, soc_frac=0.5), LOAD: said(50.0)}
    assert dispatch(reports, guidance(terms=replace(TERMS, import_cny_per_mwh=700.0)))[BESS] == pytest.approx(
        AUX_MW - BATTERY.power_mw
    )


def test_a_battery_discharges_before_the_months_peak_grows() -> None:
    reports = {BESS: said(0.0, soc_frac=0.5), LOAD: said(90.0)}
    power = dispatch(reports, guidance())
    assert power[AssetId(GRID)] == pytest.approx(-TERMS.free_import_mw)
    assert power[BESS] == pytest.approx(-10.0)


def test_import_above_the_free_peak_is_the_dearest_of_a_connection() -> None:
    segments = bid_of(GRID, {}, guidance()).segments
    assert segments == ((4.0, 30_000.0), (116.0, 30_000.0), (80.0, 500.0), (50.0, 150.0))


def test_the_last_share_of_a_connection_is_left_to_noise_even_where_no_peak_grows() -> None:
    unbounded = replace(TERMS, free_import_mw=200.0, above_cny_per_mwh=500.0)
    assert bid_of(GRID, {}, guidance(terms=unbounded)).segments[0] == (4.0, 500.0 + MARGIN_CNY_PER_MWH)


@pytest.mark.parametrize(("free_mw", "dear_mw"), [(-5.0, 196.0), (900.0, 0.0)])
def test_a_free_import_beyond_the_limits_of_the_connection_does_not_widen_it(free_mw: float, dear_mw: float) -> None:
    machine = bid_of(GRID, {}, guidance(terms=replace(TERMS, free_import_mw=free_mw)))
    assert machine.segments[1][0] == pytest.approx(dear_mw)
    assert band(machine) == pytest.approx((-200.0, 50.0))


def test_wind_is_curtailed_only_after_storage_and_export_are_full() -> None:
    reports = {WIND_ID: said(-100.0, 100.0), BESS: said(0.0, soc_frac=0.5), LOAD: said(20.0)}
    power = dispatch(reports, guidance())
    taken_mw = 20.0 + 50.0 + BATTERY.power_mw
    assert power[BESS] == pytest.approx(BATTERY.power_mw)
    assert power[AssetId(GRID)] == pytest.approx(50.0)
    assert power[WIND_ID] == pytest.approx(-taken_mw)


def test_export_at_a_price_below_that_of_waste_comes_after_curtailment() -> None:
    reports = {WIND_ID: said(-100.0, 100.0), LOAD: said(20.0)}
    power = dispatch(reports, guidance(terms=replace(TERMS, export_cny_per_mwh=-80.0)))
    assert power[WIND_ID] == pytest.approx(-20.0)
    assert power[AssetId(GRID)] == pytest.approx(0.0)


def test_a_silent_asset_does_not_bid() -> None:
    names = {m.name for m in machines(PARK, snapshot({LOAD: said(20.0)}), guidance())}
    assert names == {LOAD, GRID}


@pytest.mark.parametrize(("asset_id", "report"), [(WIND_ID, said(-60.0, 100.0, online=False)), (BESS, said(4.0, online=False))])
def test_a_device_that_does_not_listen_bids_its_measured_power_as_it_is(asset_id: AssetId, report: Reported) -> None:
    machine = bid_of(asset_id, {asset_id: report}, guidance())
    assert (machine.base_mw, machine.segments) == (report.power_mw, ())


def test_a_cluster_bids_its_measured_power_as_it_is() -> None:
    machine = bid_of(DC, {}, guidance(), cluster_mw=31.0)
    assert (machine.base_mw, machine.segments) == (31.0, ())


def test_stacks_that_run_move_between_minimum_and_maximum_load() -> None:
    running = said(20.0, stacks_on=5.0, load_frac=0.8)
    low, high = band(bid_of(H2, {H2: running}, guidance(h2=StackOrder(5, 0, 12.0))))
    assert low == pytest.approx(5 * 0.3 * 5.0)
    assert high == pytest.approx(5 * 1.05 * 5.0)


def test_stacks_that_are_still_cold_are_not_counted_on() -> None:
    running = said(10.0, stacks_on=2.0, load_frac=1.0)
    assert band(bid_of(H2, {H2: running}, guidance(h2=StackOrder(8, 0, 12.0))))[1] == pytest.approx(2 * 1.05 * 5.0)


def test_the_power_of_warm_standby_stays_whatever_the_price() -> None:
    standing_by = said(1.5, stacks_on=0.0, load_frac=0.0)
    assert band(bid_of(H2, {H2: standing_by}, guidance(h2=StackOrder(0, 10, 12.0)))) == pytest.approx((1.5, 1.5))


def test_the_worth_of_hydrogen_falls_along_the_load_of_a_stack() -> None:
    running = said(20.0, stacks_on=5.0, load_frac=0.8)
    worths = [worth for _, worth in bid_of(H2, {H2: running}, guidance(h2=StackOrder(5, 0, 12.0, planned_mw=18.0))).segments]
    assert len(worths) == 4
    assert worths == sorted(worths, reverse=True)


def test_stacks_that_came_on_too_lately_to_be_parked_stay_in_the_band() -> None:
    running = said(20.0, stacks_on=5.0, stacks_locked_on=4.0, load_frac=0.8)
    assert band(bid_of(H2, {H2: running}, guidance(h2=StackOrder(1, 0, 12.0))))[0] == pytest.approx(4 * 0.3 * 5.0)


def test_the_minimum_load_of_warm_stacks_on_their_way_is_kept_free() -> None:
    running = said(10.0, stacks_on=2.0, stacks_standby=3.0, load_frac=1.0)
    low, high = band(bid_of(H2, {H2: running}, guidance(h2=StackOrder(4, 0, 12.0))))
    coming_mw = 2 * (0.3 - STACKS.standby_frac) * 5.0
    assert low == pytest.approx(2 * 0.3 * 5.0 + coming_mw)
    assert high == pytest.approx(2 * 1.05 * 5.0 + coming_mw)


def test_a_connection_between_areas_is_a_tie_within_its_limits_less_a_margin_for_what_moves_between_two_periods() -> None:
    assert ties_of(TIED, Snapshot(START, {}, {}, {})) == (Tie(0, 1, 0.98 * 200.0, 0.98 * 50.0),)


def test_commands_that_are_far_apart_leave_more_of_a_limit_to_what_moves_between_them() -> None:
    [often], [seldom] = (ties_of(TIED, Snapshot(START, {}, {}, {}), hold_s) for hold_s in (10.0, 300.0))
    assert (often.import_limit_mw, seldom.import_limit_mw) == (0.98 * 200.0, 0.95 * 200.0)


def test_an_event_on_a_tie_narrows_it() -> None:
    event = Event("e", "capacity", ConnectionId("tie.ab"), 30.0, START, START + timedelta(hours=1), START, START)
    [tie] = ties_of(TIED, Snapshot(START, {}, {}, {}, events=(event,)))
    assert (tie.import_limit_mw, tie.export_limit_mw) == (30.0, 0.98 * 50.0)


def test_what_a_silent_device_draws_is_what_the_meters_see_beside_all_that_was_heard() -> None:
    seen = Snapshot(START, {}, {}, {ConnectionId("tie.ab"): 12.0}, silent=frozenset({AssetId("base.a")}))
    [unheard] = machines(TIED, seen, Guidance("plan.1", "mpc", {}))
    assert (unheard.area, unheard.base_mw, unheard.segments) == ("a", 12.0, ())


def test_a_machine_in_a_band_bids_each_mw_at_its_worth() -> None:
    band_of_base = BandGuidance(5.0, ((3.0, 900.0), (2.0, 50.0)))
    seen = Snapshot(START, {AssetId("base.a"): said(6.0)}, {}, {})
    [machine] = machines(TIED, seen, Guidance("plan.1", "rules", {}, bands={AssetId("base.a"): band_of_base}))
    assert (machine.base_mw, machine.segments) == (5.0, ((3.0, 900.0), (2.0, 50.0)))


#: 20 MW, two of them a minute.
SLOW = FlexibleLoadPlate(
    rated_mw=20.0, min_frac=0.2, max_frac=1.0, quota_frac=0.5, ramp_frac_per_min=0.1, shortfall_cny_per_mwh=900.0
)
CCUS = AssetId("ccus.a")


@pytest.mark.parametrize(
    ("power_mw", "held_mw", "counted_mw"),
    [
        # A quarter of a minute on the ramp, either way.
        (6.0, 18.0, 6.5),
        (18.0, 6.0, 17.5),
        (6.0, 6.3, 6.3),
    ],
)
def test_a_machine_on_its_ramp_is_counted_where_it_is_soon_and_not_where_it_was_told_to_go(
    power_mw: float, held_mw: float, counted_mw: float
) -> None:
    of = park([asset(CCUS, "flexible_load", SLOW, "a")], [connection(GRID, "a")])
    told = replace(guidance(), held_mw={CCUS: held_mw})
    [machine] = (m for m in machines(of, snapshot({CCUS: said(power_mw)}), told) if m.name == CCUS)
    assert (machine.base_mw, machine.segments) == (pytest.approx(counted_mw), ())


def test_where_commands_are_far_apart_a_machine_is_counted_half_way_between_two() -> None:
    of = park([asset(CCUS, "flexible_load", SLOW, "a")], [connection(GRID, "a")])
    told = replace(guidance(), held_mw={CCUS: 18.0})
    [machine] = (m for m in machines(of, snapshot({CCUS: said(6.0)}), told, hold_s=300.0) if m.name == CCUS)
    assert machine.base_mw == pytest.approx(6.0 + 2.0 * 2.5)


def test_a_battery_that_the_plan_lets_give_more_than_was_called_for_stops_at_the_target() -> None:
    of = park([asset(LOAD, "base_load", BASE, "a"), asset(BESS, "battery", BATTERY, "a")], [connection(GRID, "a")])
    called = Event("p1", "peak", GRID, 35.0, START, START + timedelta(hours=1), START, START)
    seen = replace(snapshot({LOAD: said(40.0), BESS: said(0.0, soc_frac=0.5)}), events=(called,))
    # Stored energy is worth what import costs; the plan has the battery give 12 MW, 5 are needed.
    tied = StoreGuidance(TERMS.import_cny_per_mwh, TERMS.import_cny_per_mwh, planned_mw=-12.0)
    bidders = machines(of, seen, replace(guidance(), stores={BESS: tied}))
    found = powers(bidders, clear(bids_of(bidders, of.area_ids), len(of.area_ids)).power_mw)
    assert found[BESS] == pytest.approx(-5.0)


def test_while_a_load_comes_up_its_ramp_the_battery_keeps_the_import_that_was_called_for() -> None:
    of = park([asset(CCUS, "flexible_load", SLOW, "a"), asset(BESS, "battery", BATTERY, "a")], [connection(GRID, "a")])
    called = Event("v1", "valley", GRID, 20.0, START, START + timedelta(hours=1), START, START)
    seen = replace(snapshot({CCUS: said(6.0), BESS: said(0.0, soc_frac=0.5)}), events=(called,))
    bidders = machines(of, seen, replace(guidance(), held_mw={CCUS: 18.0}))
    found = powers(bidders, clear(bids_of(bidders, of.area_ids), len(of.area_ids)).power_mw)
    assert found[BESS] == pytest.approx(20.0 - 6.5)
