from __future__ import annotations

import csv
from dataclasses import MISSING, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vpp.park import Park, load, load_record, plate_types
from vpp.park.yaml_marks import MARKS

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "park_facts"
PARKS = (ROOT / "seeds", ROOT / "seeds" / "parks" / "two_areas.yaml")


@cache
def park_in(year: int) -> Park:
    return load(ROOT / "seeds", at=date(year, 7, 1))


def rows(name: str) -> list[dict[str, str]]:
    with (GOLDEN / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value_of(park: Park, owner: str, key: str) -> Any:
    singles = {"prices": park.prices, "network": park.network.basis}
    if owner in singles:
        return getattr(singles[owner], key)
    lists = (park.connections, park.tariffs, park.network.lines, park.targets, park.contracts, park.coal_rates)
    for record in (record for records in lists for record in records):
        if record.id == owner:
            return getattr(record, key)
    return getattr(park.asset(owner).plate, key)


@pytest.mark.parametrize("row", rows("values.csv"), ids=lambda row: f"{row['id']}.{row['key']}.{row['year']}")
def test_a_figure_of_the_fact_sheet_is_in_the_park_with_its_mark(row: dict[str, str]) -> None:
    park = park_in(int(row["year"]))

    assert value_of(park, row["id"], row["key"]) == pytest.approx(float(row["value"]))
    assert park.provenance[row["id"], row["key"]].mark == {"F": "fact", "A": "assumption"}[row["mark"]]


@pytest.mark.parametrize("year", [2026, 2030])
def test_the_scenario_years_have_the_assets_of_the_fact_sheet(year: int) -> None:
    expected = {row["id"] for row in rows("sets.csv") if int(row["from_year"]) <= year}

    assert {asset.id for asset in park_in(year).assets} == expected


def test_the_hydrogen_island_comes_with_its_scenario_only() -> None:
    with_it = load(ROOT / "seeds", at=date(2030, 7, 1), scenarios=("h2_island",))

    assert with_it.asset("h2.island").scenario == "h2_island"
    assert "h2.island" not in {asset.id for asset in park_in(2030).assets}


@pytest.mark.parametrize(("year", "roofs_mw"), [(2026, 20.0), (2030, 60.0)])
def test_roofs_of_all_areas_add_up_to_the_fact_sheet(year: int, roofs_mw: float) -> None:
    roofs = [asset.plate.capacity_mw for asset in park_in(year).assets_of("solar") if asset.id.startswith("pv.roofs_")]

    assert sum(roofs) == pytest.approx(roofs_mw)


@pytest.mark.parametrize(("area", "mean_mw"), [("songshan", 90), ("hongshan", 110), ("dongshan", 80), ("yuanbaoshan", 70)])
def test_base_load_and_feeders_of_an_area_are_together_what_the_fact_sheet_says(area: str, mean_mw: float) -> None:
    park = park_in(2026)
    feeders_mw = sum(asset.plate.power_mw for asset in park.assets_of("feeder", area))

    assert park.asset(f"base.{area}").plate.mean_mw + feeders_mw == pytest.approx(mean_mw)


def test_there_are_twelve_feeders_of_five_to_fifteen_megawatts() -> None:
    feeders = park_in(2026).assets_of("feeder")

    assert len(feeders) == 12
    assert all(5 <= asset.plate.power_mw <= 15 for asset in feeders)


def test_job_classes_are_those_of_the_fact_sheet() -> None:
    classes = park_in(2030).asset("compute.zhisuan1").plate.job_classes

    assert [(job.slack_h, job.share_frac, job.delay_cny_per_mwh) for job in classes] == [
        (6, 0.25, 216),
        (24, 0.45, 70),
        (72, 0.3, 30),
    ]


def test_the_captive_plant_is_off_by_default_from_2030() -> None:
    assert not park_in(2026).asset("thermal.captive").plate.off_by_default
    assert park_in(2030).asset("thermal.captive").plate.off_by_default


def test_the_island_has_no_connection_in_2026_and_one_in_2030() -> None:
    assert park_in(2026).connections_of("island") == ()
    assert [connection.id for connection in park_in(2030).connections_of("island")] == ["tie.island"]


def test_electrolysis_is_best_at_sixty_per_cent_load_by_the_ratio_of_the_fact_sheet() -> None:
    plate = park_in(2026).asset("h2.envision").plate
    energy = dict(zip(plate.load_frac, plate.specific_kwh_per_nm3, strict=True))

    assert energy[1.0] == pytest.approx(5.0)
    assert min(energy, key=lambda load_frac: energy[load_frac]) == pytest.approx(0.6)
    assert energy[0.6] / energy[1.0] == pytest.approx(0.956)


@pytest.mark.parametrize("path", PARKS, ids=["chifeng", "two_areas"])
def test_every_value_and_statement_carries_a_mark_and_a_source(path: Path) -> None:
    record = load_record(path)
    known = [value.provenance for _, _, value in record.values()] + [statement.provenance for statement in record.sentences()]

    assert len(known) > 200
    assert all(provenance.mark in MARKS and len(provenance.source) > 5 for provenance in known)


@pytest.mark.parametrize("path", PARKS, ids=["chifeng", "two_areas"])
def test_no_value_of_a_plate_is_a_hidden_default(path: Path) -> None:
    for record in load_record(path).of("assets"):
        shape = plate_types()[record.identity["kind"]]
        with_default = {field.name for field in fields(shape) if field.default is not MISSING}
        assert with_default <= set(record.values), record.id


@pytest.mark.parametrize("path", PARKS, ids=["chifeng", "two_areas"])
@pytest.mark.parametrize("year", [2026, 2030])
def test_the_closed_network_joins_every_asset_of_an_area_to_its_connections(path: Path, year: int) -> None:
    park = load(path, at=date(year, 7, 1))
    joined = {bus.id: {bus.id} for bus in park.network.buses}
    pairs = [(line.from_bus, line.to_bus) for line in park.network.lines if line.closed]
    pairs += [(unit.hv_bus, unit.lv_bus) for unit in park.network.transformers]
    for left, right in pairs:
        together = joined[left] | joined[right]
        for bus in together:
            joined[bus] = together

    for area in park.area_ids:
        used = {bus for asset in park.assets_of(area=area) for bus in asset.buses}
        assert len({frozenset(joined[bus]) for bus in used}) == 1, area
    tied = {frozenset((c.area, c.to)) for c in park.connections if not c.is_grid}
    for pair in tied:
        buses = [next(bus.id for bus in park.network.buses if bus.area == area and bus.kv == 220) for area in pair]
        assert joined[buses[0]] == joined[buses[1]], pair


def test_an_island_is_cut_off_in_the_network_too() -> None:
    closed = [line for line in park_in(2026).network.lines if line.closed]
    area_of = {bus.id: bus.area for bus in park_in(2026).network.buses}

    assert not [line.id for line in closed if (area_of[line.from_bus] == "island") != (area_of[line.to_bus] == "island")]


def test_what_is_not_modelled_and_what_contradicts_itself_is_named() -> None:
    park = park_in(2026)
    named = " ".join(statement.text for statement in park.not_modelled)
    torn = " ".join(statement.text for statement in park.contradictions)

    for word in (
        "Waste-heat",
        "heat storage",
        "Flow batteries",
        "methanol",
        "metallurgy",
        "CPECC",
        "aluminium",
        "biomanufacturing",
        "1 GW",
    ):
        assert word in named
    for word in ("1,500 P", "134,900 P", "Mengxi", "1.53", "one park, four zones"):
        assert word in torn


def test_emission_factors_have_the_published_values_of_2023() -> None:
    factors = {factor.id: factor.kg_per_kwh for factor in park_in(2026).emission_factors}

    assert (factors["national_2023"], factors["northeast_2023"], factors["residual_2023"]) == (0.5306, 0.5122, 0.6096)
    assert (factors["coal_displaced_low"], factors["coal_displaced_high"]) == (0.87, 0.92)
