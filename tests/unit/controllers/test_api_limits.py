from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from controllers.api.bodies import EventBody, OverrideBody
from controllers.api.limits import backlog_items, event_faults, override_faults, plate_band_mw
from tests.console_builders import two_areas
from vpp.wire.backlog import MOST_ITEMS

NOW = datetime(2030, 10, 7, 2, 15, tzinfo=UTC)
PARK = two_areas()


def _override(**said: Any) -> list[str]:
    body = TypeAdapter(OverrideBody).validate_python({"why": "boiler check", **said})
    return [fault.line() for fault in override_faults(PARK, body, NOW)]


def _pin(**said: Any) -> list[str]:
    return _override(**{"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 3.0, "end": NOW + timedelta(hours=2)} | said)


def _event(**said: Any) -> list[str]:
    call = {
        "event_id": "e1",
        "connection": "grid.hongshan",
        "kind": "peak",
        "target_mw": 50.0,
        "start": NOW + timedelta(minutes=10),
        "end": NOW + timedelta(hours=1),
    }
    return [fault.line() for fault in event_faults(PARK, EventBody.model_validate(call | said), NOW)]


def test_a_sound_pin_has_no_fault() -> None:
    assert _pin() == []


@pytest.mark.parametrize(
    ("asset_id", "power_mw", "rule"),
    [
        ("bess.hongshan", 1e4, "bess.hongshan runs between"),
        ("wind.hongshan", 5.0, "wind.hongshan runs between"),
        ("h2.envision", -1.0, "h2.envision runs between 0 and"),
        ("base.hongshan", 100.0, "only follows its users"),
    ],
)
def test_a_power_beyond_the_plate_is_refused_with_what_the_plate_allows(asset_id: str, power_mw: float, rule: str) -> None:
    (line,) = _pin(asset_id=asset_id, power_mw=power_mw)
    assert line.startswith(f"body.power_mw: {power_mw:g}: ")
    assert rule in line


def test_a_plate_that_allows_overload_allows_it_to_a_pin_too() -> None:
    low, high = plate_band_mw(PARK.asset("h2.envision"))
    plate = PARK.asset("h2.envision").plate
    assert (low, high) == (0.0, plate.stacks * plate.stack_mw * plate.max_load_frac)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"asset_id": "bess.nowhere"}, "body.asset_id: 'bess.nowhere': no such asset in two_areas"),
        ({"end": NOW - timedelta(hours=1)}, "must come after start"),
        ({"start": NOW - timedelta(hours=2), "end": NOW - timedelta(hours=1)}, "is past; in the park it is 2030-10-07T02:15"),
        ({"start": NOW - timedelta(hours=2)}, "body.start: 2030-10-07T00:15:00+00:00: is past"),
        ({"end": NOW + timedelta(days=8)}, "192 h after start; between 0 and 168 h are allowed"),
        ({"start": NOW + timedelta(days=400), "end": NOW + timedelta(days=401)}, "more than 366 days ahead"),
    ],
)
def test_an_absurd_override_is_refused_in_one_line(said: dict[str, Any], line: str) -> None:
    (found,) = _pin(**said)
    assert line in found


def test_local_control_may_last_until_it_is_released() -> None:
    assert _override(kind="local", asset_id="bess.hongshan") == []
    assert _override(kind="release", asset_id="bess.hongshan") == []


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 3.0},
        {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": float("nan"), "end": NOW},
        {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 1e9, "end": NOW},
        {"kind": "pin", "asset_id": "Bess Hongshan", "power_mw": 3.0, "end": NOW},
        {"kind": "pin", "asset_id": "bess.hongshan", "power_mw": 3.0, "end": NOW.replace(tzinfo=None)},
        {"kind": "pin", "asset_id": "bess.hongshan", "power_kw": 3.0, "power_mw": 3.0, "end": NOW},
        {"kind": "hold", "asset_id": "bess.hongshan"},
        {"kind": "local", "asset_id": "bess.hongshan", "why": "  "},
    ],
)
def test_what_is_no_override_never_gets_as_far(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _override(**said)


def test_a_sound_call_has_no_fault() -> None:
    assert _event() == []


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"connection": "grid.moon"}, "no such connection; there are grid.hongshan"),
        ({"target_mw": 1e4}, "grid.hongshan carries between -60 (export) and 300 MW (import)"),
        ({"target_mw": -61.0}, "grid.hongshan carries between"),
        ({"end": NOW + timedelta(minutes=5)}, "must come after start"),
        ({"start": NOW - timedelta(hours=1)}, "body.start: 2030-10-07T01:15:00+00:00: is past"),
        ({"end": NOW + timedelta(days=4)}, "after start; between"),
        ({"end": NOW + timedelta(minutes=10, seconds=1)}, "after start; between"),
    ],
)
def test_an_absurd_call_is_refused_in_one_line(said: dict[str, Any], line: str) -> None:
    (found,) = _event(**said)
    assert line in found


def test_a_call_that_was_a_few_minutes_under_way_is_taken() -> None:
    assert _event(kind="emergency", start=NOW - timedelta(minutes=5)) == []


def _item(**said: Any) -> dict[str, Any]:
    work = {
        "job_class": "day",
        "energy_mwh": 10.0,
        "release": NOW.isoformat(),
        "deadline": (NOW + timedelta(hours=8)).isoformat(),
        "max_mw": 5.0,
        "tier": 3,
        "preemptible": True,
    }
    return work | said


def test_each_item_of_a_backlog_is_taken_or_refused_by_itself() -> None:
    rows = [
        _item(),
        _item(deadline=(NOW - timedelta(hours=1)).isoformat(), release=(NOW - timedelta(hours=2)).isoformat()),
        _item(max_mw=1e4),
        _item(gpu_h=5.0),
        _item(tier=7, urgent=True),
        _item(energy_mwh=None, gpu_h=100.0),
    ]
    taken, faults = backlog_items(rows, 40.0, NOW)
    assert [item.gpu_h for item in taken] == [None, 100.0]
    assert [fault.where for fault in faults] == [
        "items.1.deadline",
        "items.2.max_mw",
        "items.3",
        "items.4.tier",
        "items.4.urgent",
    ]
    assert faults[1].line() == "items.2.max_mw: 10000: the cluster has 40 MW"


def test_an_item_whose_energy_does_not_fit_its_window_is_refused() -> None:
    taken, faults = backlog_items([_item(energy_mwh=41.0), _item(energy_mwh=43.0)], 40.0, NOW)
    assert [item.energy_mwh for item in taken] == [41.0]
    assert faults[0].line() == "items.1.energy_mwh: 43.0: 43 MWh do not fit between release and deadline at 5 MW: 42.5"


def test_of_a_flood_the_first_classes_count_and_each_one_beyond_is_named() -> None:
    taken, faults = backlog_items([_item(job_class=f"c{i}") for i in range(10_000)], 40.0, NOW)
    assert len(taken) == MOST_ITEMS
    assert [fault.where for fault in faults] == [f"items.{i}" for i in range(MOST_ITEMS, 10_000)]
