from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

import vpp.park
from vpp.errors import ParkError
from vpp.park import areas_behind, load, load_record, register_plate

Edited = Callable[..., Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpPlate:
    rated_mw: float


def test_dated_values_are_those_of_the_day(seeds: Path) -> None:
    assert load(seeds, at=date(2026, 1, 1)).asset("h2.envision").plate.stacks == 130
    assert load(seeds, at=date(2029, 12, 31)).asset("h2.envision").plate.stacks == 130
    assert load(seeds, at=date(2030, 1, 1)).asset("h2.envision").plate.stacks == 180


def test_an_asset_is_there_from_its_first_to_its_last_day(edited: Edited) -> None:
    path = edited(("bess.hongshan", "in_service", 'in_service: {fact: 2026-03-01, until: 2026-09-30, source: "x"}'))

    seen = {
        day: "bess.hongshan" in {a.id for a in load(path, at=day).assets} for day in _days("02-28", "03-01", "09-30", "10-01")
    }

    assert list(seen.values()) == [False, True, True, False]


def _days(*month_days: str) -> list[date]:
    return [date.fromisoformat(f"2026-{month_day}") for month_day in month_days]


def test_a_fault_that_shows_on_a_later_day_is_found_on_any_day(edited: Edited) -> None:
    later = 'import_limit_mw: [{from: 2026-01-01, assumption: 300, source: "x"}, {from: 2031-01-01, assumption: 20, source: "x"}]'

    with pytest.raises(ParkError, match=r"draw up to 126.0 MW on 2031-01-01, above 20 MW"):
        load(edited(("grid.hongshan", "import_limit_mw", later)), at=date(2026, 7, 1))


def test_dated_values_out_of_order_are_refused(edited: Edited) -> None:
    turned = (
        'import_limit_mw: [{from: 2027-01-01, assumption: 300, source: "x"}, {from: 2026-01-01, assumption: 280, source: "x"}]'
    )

    with pytest.raises(ParkError, match="dated values must stand in the order of 'from'"):
        load_record(edited(("grid.hongshan", "import_limit_mw", turned)))


def test_a_value_that_begins_after_its_asset_is_missed(edited: Edited) -> None:
    late = 'power_mw: [{from: 2027-01-01, fact: 16.5, source: "x"}]'

    with pytest.raises(ParkError, match="bess.hongshan.power_mw: missing"):
        load_record(edited(("bess.hongshan", "power_mw", late)))


def test_a_day_before_the_park_opens_is_refused(small_park: Path) -> None:
    with pytest.raises(ParkError, match="2025-12-31 is before 2026-01-01"):
        load(small_park, at=date(2025, 12, 31))


def test_an_unknown_scenario_is_refused_with_those_that_exist(seeds: Path) -> None:
    with pytest.raises(ParkError, match="scenario 'h2': unknown; known are h2_island"):
        load(seeds, at=date(2030, 1, 1), scenarios=("h2",))


def test_a_tariff_that_has_ended_is_told(edited: Edited) -> None:
    path = edited(("mengdong_industrial", "valid_from", 'valid_from: {assumption: 2027-01-01, source: "x"}'))

    with pytest.raises(ParkError, match="grid.hongshan.tariff: mengdong_industrial: this tariff is not valid on 2026-01-01"):
        load(path, at=date(2026, 7, 1))


def test_a_folder_is_read_without_its_sub_folders(seeds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    shutil.copytree(seeds, folder)
    (folder / "parks" / "broken.yaml").write_text("areas: [", encoding="utf-8")

    assert len(load(folder, at=date(2026, 7, 1)).areas) == 5


def test_a_value_remembers_its_mark_source_and_place(small_park: Path) -> None:
    known = load(small_park, at=date(2026, 7, 1)).provenance["wind.hongshan", "capacity_mw"]

    assert (known.mark, known.source, known.place.file) == ("fact", "white paper ch. 5 s. 1.2", "two_areas.yaml")
    line = small_park.read_text(encoding="utf-8").splitlines()[known.place.line - 1]
    assert line.strip().startswith("capacity_mw: {fact: 110")


def test_the_small_park_is_a_true_island_and_an_area_on_the_grid(small_park: Path) -> None:
    park = load(small_park, at=date(2026, 7, 1))

    assert park.area_ids == ("island", "hongshan")
    assert park.connections_of("island") == ()
    assert [(c.id, c.import_limit_mw, c.export_limit_mw) for c in park.connections] == [("grid.hongshan", 300, 60)]
    assert {asset.id for asset in park.assets_of(area="hongshan")} == {
        "wind.hongshan",
        "bess.hongshan",
        "pv.roofs_hongshan",
        "eaf.yuanlian",
        "base.hongshan",
    }
    assert {asset.id for asset in park.assets_of(area="island")} == {
        "wind.envision",
        "pv.envision",
        "bess.envision",
        "h2.envision",
        "nh3.envision",
        "compute.aidc",
        "base.island",
    }


def test_all_areas_hang_on_the_grid_connection_and_the_island_on_its_tie(seeds: Path) -> None:
    park = load(seeds, at=date(2030, 7, 1))

    assert areas_behind(park, park.connection("grid.d500")) == set(park.area_ids)
    assert areas_behind(park, park.connection("tie.yuanbaoshan")) == {"yuanbaoshan", "island"}
    assert areas_behind(park, park.connection("tie.island")) == {"island"}


def test_a_farm_of_two_stations_hangs_on_both(seeds: Path) -> None:
    assert load(seeds, at=date(2030, 7, 1)).asset("wind.wengniute").buses == ("wn1", "wn2")


def test_a_kind_from_outside_is_read_while_it_is_registered(edited: Edited) -> None:
    path = edited()
    pump = (
        "  - id: pump.hongshan\n    kind: heat_pump\n    area: hongshan\n    bus: cd66\n    name: Pump\n    name_zh: 热泵\n"
        '    in_service: {assumption: 2026-01-01, source: "x"}\n    rated_mw: {assumption: 3, source: "x"}\n'
    )
    path.write_text(path.read_text(encoding="utf-8").replace("\nnetwork:\n", f"{pump}\nnetwork:\n", 1), encoding="utf-8")

    with register_plate("heat_pump", HeatPumpPlate):
        assert load(path, at=date(2026, 7, 1)).asset("pump.hongshan").plate == HeatPumpPlate(rated_mw=3.0)
    with pytest.raises(ParkError, match="pump.hongshan.kind: heat_pump: unknown asset kind"):
        load(path, at=date(2026, 7, 1))


def test_a_kind_is_registered_once(small_park: Path) -> None:
    with pytest.raises(ParkError, match="kind 'battery' is registered already"):
        register_plate("battery", HeatPumpPlate)


def test_the_package_exports_what_it_lists() -> None:
    assert [name for name in vpp.park.__all__ if not hasattr(vpp.park, name)] == []
    assert list(vpp.park.__all__) == sorted(vpp.park.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
