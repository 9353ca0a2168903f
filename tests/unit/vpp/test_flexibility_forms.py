from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.builders import SimpleAsset, example_asset
from vpp.errors import AssetError, PlanError
from vpp.flexibility import Fleet, Heats, Tubes, split_by_deadline
from vpp.flexibility.aggregate import sustained
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.timegrid import TimeGrid

GRID = TimeGrid.regular(datetime(2030, 10, 1, tzinfo=UTC), timedelta(hours=1), 4)


def _heats() -> Heats:
    return Heats(
        earliest_start_h=np.array([0.0, 0.0, 0.0]),
        latest_tap_h=np.array([4.0, 4.0, 4.0]),
        duration_h=np.array([0.8, 0.8, 0.8]),
        energy_mwh=np.array([40.0, 40.0, 40.0]),
        sequence=np.array([0, 0, 1]),
        tap_gap_min_h=0.7,
        tap_gap_max_h=1.2,
    )


def test_a_job_is_released_at_the_next_edge_and_due_at_the_last_one_before() -> None:
    tubes = Tubes.of_jobs(GRID, np.array([6.0]), np.array([0.5]), np.array([3.5]), np.array([0]))
    assert tubes.high_mwh[0].tolist() == [0.0, 0.0, 6.0, 6.0, 6.0]
    assert tubes.low_mwh[0].tolist() == [0.0, 0.0, 0.0, 6.0, 6.0]


def test_a_job_due_beyond_the_grid_is_not_due() -> None:
    tubes = Tubes.of_jobs(GRID, np.array([6.0]), np.array([0.0]), np.array([9.0]), np.array([0]))
    assert tubes.low_mwh[0].tolist() == [0.0] * 5
    assert tubes.high_mwh[0, 1] == 6.0


def test_a_tube_whose_work_is_due_before_its_release_is_refused() -> None:
    with pytest.raises(PlanError, match="due before it is released"):
        Tubes(GRID, np.array([[0.0, 1, 1, 1, 1]]), np.array([[0.0, 0, 1, 1, 1]]), np.array([np.inf]))


def test_a_profile_that_misses_a_deadline_names_the_tube() -> None:
    tubes = Tubes.of_jobs(GRID, np.array([6.0, 1.0]), np.array([0.0, 0.0]), np.array([4.0, 2.0]), np.array([0, 1]))
    with pytest.raises(PlanError, match="tube 1 is 1.0 MWh short at edge 2"):
        split_by_deadline(tubes, np.array([0.0, 0.0, 3.0, 4.0]))


def test_the_limit_of_a_tube_is_kept_when_it_is_shared_out() -> None:
    tubes = Tubes.of_jobs(GRID, np.array([6.0, 6.0]), np.zeros(2), np.array([3.0, 4.0]), np.array([0, 1]))
    limited = replace(tubes, max_mw=np.array([2.0, 10.0]))
    shared_mw = split_by_deadline(limited, np.array([3.0, 3.0, 3.0, 3.0]))
    assert np.all(shared_mw[0] <= 2.0 + 1e-9)
    np.testing.assert_allclose(np.sum(shared_mw, axis=1), [6.0, 6.0])


def test_heats_of_one_sequence_tighten_each_other() -> None:
    tight = _heats().tightened()
    np.testing.assert_allclose(tight.earliest_start_h, [0.0, 0.7, 0.0])
    np.testing.assert_allclose(tight.latest_tap_h, [3.3, 4.0, 4.0])


def test_both_ends_of_a_tightened_window_belong_to_a_schedule() -> None:
    tight = _heats().tightened()
    assert tight.faults(tight.earliest_start_h) == ()
    assert tight.faults(tight.latest_tap_h - tight.duration_h) == ()


def test_heats_that_cannot_keep_their_gaps_are_refused() -> None:
    heats = replace(_heats(), latest_tap_h=np.array([4.0, 1.0, 4.0]))
    with pytest.raises(PlanError, match="heat"):
        heats.tightened()


def test_every_fault_of_a_heat_schedule_is_named() -> None:
    faults = _heats().faults(np.array([0.0, 2.0, 3.5]))
    assert len(faults) == 2
    assert "heat 2 is tapped" in faults[0]
    assert "heats 0 and 1" in faults[1]


def test_heats_reach_from_all_late_to_all_early() -> None:
    reach = _heats().tightened().reach(np.array([1.0, 4.0]))
    assert reach.low_mwh[0].tolist() == [0.0, 120.0]
    assert reach.high_mwh[0, 0] > 80.0


def test_an_unknown_kind_is_named_with_what_is_known() -> None:
    stranger = SimpleAsset(AssetId("flywheel.n1"), "flywheel", AreaId("north"), None)
    with pytest.raises(AssetError, match=r"flywheel.n1: kind 'flywheel' is not registered; known are .*battery"):
        Fleet.of([stranger], {})


def test_an_area_without_assets_has_nothing_to_move() -> None:
    fleet = Fleet.of([example_asset("battery", 0, "north")], {ConnectionId("tie"): [AreaId("south")]})
    assert fleet.areas == ("north", "south")
    assert fleet.membership.tolist() == [[0.0, 1.0]]


def test_a_horizon_between_the_prefixes_is_refused() -> None:
    with pytest.raises(AssetError, match="prefixes"):
        sustained(np.zeros((1, 2)), np.ones((1, 2)), np.array([1.0, 2.0]), np.array([1.5]))
