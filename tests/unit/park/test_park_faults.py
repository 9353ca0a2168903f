from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from controllers.cli_park import check
from vpp.park import load_record

Edited = Callable[..., Path]
Faults = Callable[[Path], tuple[str, ...]]

#: Name of the fault; edits (record, key, new line); what its one line must say.
FAULTS: list[tuple[str, list[tuple[str, str, str]], list[str]]] = [
    (
        "misspelt key",
        [("bess.hongshan", "energy_mwh", 'enegry_mwh: {fact: 66, source: "x"}')],
        ["bess.hongshan.enegry_mwh", "66", "unknown key; did you mean 'energy_mwh'?"],
    ),
    (
        "missing unit",
        [("wind.hongshan", "capacity_mw", 'capacity: {fact: 110, source: "x"}')],
        ["wind.hongshan.capacity:", "110", "missing unit: write capacity_mw"],
    ),
    (
        "bare value",
        [("wind.hongshan", "capacity_mw", "capacity_mw: 110")],
        ["wind.hongshan.capacity_mw: 110:", "without mark and source", "{fact: VALUE, source: TEXT}"],
    ),
    (
        "misspelt mark",
        [("wind.hongshan", "capacity_mw", 'capacity_mw: {fcat: 110, source: "x"}')],
        ["wind.hongshan.capacity_mw.fcat", "did you mean 'fact'?"],
    ),
    (
        "both marks",
        [("wind.hongshan", "capacity_mw", 'capacity_mw: {fact: 110, assumption: 100, source: "x"}')],
        ["wind.hongshan.capacity_mw", "both marks"],
    ),
    (
        "no source",
        [("wind.hongshan", "capacity_mw", "capacity_mw: {fact: 110}")],
        ["wind.hongshan.capacity_mw: 110:", "a value without source"],
    ),
    (
        "negative capacity",
        [("wind.hongshan", "capacity_mw", 'capacity_mw: {fact: -110, source: "x"}')],
        ["wind.hongshan.capacity_mw: -110: must be above 0"],
    ),
    (
        "text for a number",
        [("wind.hongshan", "capacity_mw", 'capacity_mw: {fact: "110 MW", source: "x"}')],
        ["wind.hongshan.capacity_mw: 110 MW: must be a number"],
    ),
    (
        "yes for a number",
        [("wind.hongshan", "capacity_mw", 'capacity_mw: {fact: yes, source: "x"}')],
        ["wind.hongshan.capacity_mw: True: must be a number"],
    ),
    (
        "key left out",
        [("bess.hongshan", "round_trip_frac", "")],
        ["bess.hongshan.round_trip_frac: missing"],
    ),
    (
        "unknown kind",
        [("bess.hongshan", "kind", "kind: batery")],
        ["bess.hongshan.kind: batery: unknown asset kind; did you mean 'battery'?"],
    ),
    (
        "dangling area",
        [("bess.hongshan", "area", "area: hongshann")],
        ["bess.hongshan.area: hongshann: not in section 'areas'; did you mean 'hongshan'?"],
    ),
    (
        "dangling bus",
        [("bess.hongshan", "bus", "bus: hs660")],
        ["bess.hongshan.bus: hs660: not in section 'buses'; did you mean 'hs66'?"],
    ),
    (
        "bus of another area",
        [("bess.hongshan", "bus", "bus: nh220")],
        ["bess.hongshan.bus: nh220: this bus lies in area island"],
    ),
    (
        "battery emptied within a step",
        [("bess.hongshan", "energy_mwh", 'energy_mwh: {fact: 4, source: "x"}')],
        ["bess.hongshan.energy_mwh: 4: less than one step of 15 min at power_mw 16.5; write at least 4.125"],
    ),
    (
        "state of charge upside down",
        [("bess.hongshan", "soc_min_frac", 'soc_min_frac: {assumption: 0.96, source: "x"}')],
        ["bess.hongshan.soc_min_frac: 0.96: not below soc_max_frac 0.95"],
    ),
    (
        "loads of an electrolyser out of order",
        [("h2.envision", "load_frac", 'load_frac: {assumption: [0.30, 0.60, 0.45, 0.80, 1.0, 1.05], source: "x"}')],
        ["h2.envision.load_frac: [0.3, 0.6, 0.45, 0.8, 1.0, 1.05]: loads must increase"],
    ),
    (
        "curve of an electrolyser too short",
        [("h2.envision", "specific_kwh_per_nm3", 'specific_kwh_per_nm3: {assumption: [4.9, 5.0], source: "x"}')],
        ["h2.envision.specific_kwh_per_nm3: 2 values: load_frac has 6"],
    ),
    (
        "electrolyser not convex",
        [
            (
                "h2.envision",
                "specific_kwh_per_nm3",
                'specific_kwh_per_nm3: {assumption: [4.95, 4.82, 4.78, 5.2, 5.0, 5.03], source: "x"}',
            )
        ],
        ["h2.envision.specific_kwh_per_nm3", "power is not convex in hydrogen at load 0.8"],
    ),
    (
        "job classes do not add up",
        [
            (
                "compute.aidc",
                "- {name",
                "- {name: slack_6h, share_frac: 0.15, slack_h: 6, delay_cny_per_mwh: 216, miss_cny_per_mwh: 9}",
            )
        ],
        ["compute.aidc.job_classes: shares add up to 0.9: share_frac of all job classes must add up to 1"],
    ),
    (
        "unknown key in a job class",
        [("compute.aidc", "- {name", "- {name: s, share: 0.25, slack_h: 6, delay_cny_per_mwh: 216, miss_cny_per_mwh: 9}")],
        ["compute.aidc.job_classes[0].share", "unknown key"],
    ),
    (
        "tiers do not add up",
        [("compute.aidc", "tier_frac", 'tier_frac: {assumption: [0.4, 0.2, 0.2, 0.1], source: "x"}')],
        ["compute.aidc.tier_frac: adds up to 0.9"],
    ),
    (
        "cap curve with an end missing",
        [("compute.aidc", "cap_throughput_frac", 'cap_throughput_frac: {fact: [0.5, 1.0], source: "x"}')],
        ["compute.aidc.cap_throughput_frac: 2 values: cap_power_frac has 6"],
    ),
    (
        "a heat that does not fit its power-on time",
        [("eaf.yuanlian", "heat_mwh", 'heat_mwh: {assumption: 60, source: "x"}')],
        ["eaf.yuanlian.heat_mwh: 60: a heat at full stage power takes"],
    ),
    (
        "tariff with a hole",
        [("mengdong_industrial", "- {name", "- {name: valley, hours: [[0, 5], [11, 14]]}")],
        ["mengdong_industrial.periods: no period covers 1 h from hour 5: periods must cover 24 h exactly once"],
    ),
    (
        "tariff covered twice",
        [("mengdong_industrial", "- {name", "- {name: valley, hours: [[0, 6.5], [11, 14]]}")],
        ["mengdong_industrial.periods: two periods cover 0.5 h from hour 6"],
    ),
    (
        "period without price",
        [
            (
                "mengdong_industrial",
                "import_cny_per_mwh",
                'import_cny_per_mwh: {assumption: {valley: 1, flat: 2, peak: 3}, source: "x"}',
            )
        ],
        ["mengdong_industrial.import_cny_per_mwh: sharp: a period without a price"],
    ),
    (
        "connection from an unknown area",
        [("grid.hongshan", "area", "area: songshan")],
        ["grid.hongshan.area: songshan: not in section 'areas'"],
    ),
    (
        "connection to an unknown area",
        [("grid.hongshan", "to", "to: gird")],
        ["grid.hongshan.to: gird: neither an area nor 'grid'"],
    ),
    (
        "unknown tariff",
        [("grid.hongshan", "tariff", "tariff: mengdong")],
        ["grid.hongshan.tariff: mengdong: not in section 'tariffs'; did you mean 'mengdong_industrial'?"],
    ),
    (
        "safe modes break a connection",
        [("grid.hongshan", "import_limit_mw", 'import_limit_mw: {assumption: 100, source: "x"}')],
        ["grid.hongshan.import_limit_mw: 100: safe modes of hongshan together draw up to 126.0 MW on 2026-01-01, above 100 MW"],
    ),
    (
        "contract and plate differ",
        [("island.ammonia", "value", 'value: {assumption: 0.9, source: "x"}')],
        ["island.ammonia.value: 0.9: the plate of nh3.envision says 0.85"],
    ),
    (
        "a day that is none",
        [("bess.hongshan", "in_service", 'in_service: {fact: soon, source: "x"}')],
        ["bess.hongshan.in_service: soon: not a day"],
    ),
    (
        "until before from",
        [("bess.hongshan", "in_service", 'in_service: {fact: 2027-01-01, until: 2026-06-30, source: "x"}')],
        ["bess.hongshan.in_service: 2026-06-30: ends before it begins"],
    ),
    (
        "time zone that is none",
        [("", "time_zone", 'time_zone: {fact: Asia/Chifeng, source: "x"}')],
        ["two_areas.time_zone: Asia/Chifeng: not a time zone"],
    ),
    (
        "key written twice",
        [("bess.hongshan", "energy_mwh", 'power_mw: {fact: 66, source: "x"}')],
        ["power_mw: this key is written twice"],
    ),
]


@pytest.mark.parametrize(("edits", "said"), [fault[1:] for fault in FAULTS], ids=[fault[0].replace(" ", "_") for fault in FAULTS])
def test_a_fault_is_told_in_one_line_with_file_line_key_value_and_rule(
    edited: Edited, faults_of: Faults, edits: list[tuple[str, str, str]], said: list[str]
) -> None:
    faults = faults_of(edited(*edits))

    told = [fault for fault in faults if all(part in fault for part in said)]
    assert len(told) == 1, faults
    assert told[0].startswith("park.yaml:")


@pytest.mark.parametrize("missing", ["h2.envision", "nh3.envision"])
def test_hydrogen_with_one_end_only_is_refused(edited: Edited, faults_of: Faults, missing: str) -> None:
    path = edited((missing, "hydrogen_node", 'hydrogen_node: {assumption: hydrogen.nowhere, source: "x"}'))

    faults = faults_of(path)

    assert len(faults) == 2
    assert any("hydrogen.nowhere" in fault and "other ends are hydrogen.island" in fault for fault in faults)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- id: bess.hongshan", "- id: bess.envision", "assets.id: bess.envision: an id that exists already at park.yaml:"),
        ("- id: bess.hongshan", "- id: Bess/Hongshan", "assets.id: Bess/Hongshan: not an id; use lower-case letters"),
        ("- id: bess.hongshan\n    kind", "- kind", "assets.id: missing"),
        ("\nareas:", "\naraes:", "araes: unknown section; did you mean 'areas'?"),
    ],
)
def test_ids_and_sections_are_checked_by_name(edited: Edited, faults_of: Faults, old: str, new: str, said: str) -> None:
    path = edited()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    assert sum(said in fault for fault in faults_of(path)) == 1


def test_what_must_run_is_held_against_the_export_limit(edited: Edited, faults_of: Faults, seeds: Path) -> None:
    supply = (seeds / "supply.yaml").read_text(encoding="utf-8")
    plant = supply[supply.index("  - id: thermal.captive") : supply.index("  - id: biomass.guoneng")]
    plant = plant.replace("area: dongshan", "area: hongshan").replace("bus: ds220", "bus: cd220").replace("135,", "270,")
    path = edited()
    text = path.read_text(encoding="utf-8").replace("\nnetwork:\n", f"{plant}\nnetwork:\n", 1)
    path.write_text(text, encoding="utf-8")

    faults = faults_of(path)

    # 2 x 270 MW at half load, less a base load of some 95 MW at night
    assert len(faults) == 1
    assert "grid.hongshan.export_limit_mw: 60: what must run in hongshan feeds up to 17" in faults[0]


def test_all_faults_of_a_file_come_in_one_go_and_the_status_is_two(edited: Edited, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(
        ("wind.hongshan", "capacity_mw", 'capacity: {fact: 110, source: "x"}'),
        ("bess.hongshan", "energy_mwh", 'energy_mwh: {fact: 4, source: "x"}'),
        ("bess.envision", "kind", "kind: batery"),
        ("eaf.yuanlian", "area", "area: nowhere"),
        ("pv.envision", "capacity_mw", 'capacity_mw: {assumption: -1, source: "x"}'),
        ("grid.hongshan", "import_limit_mw", 'import_limit_mw: {assumption: 10, source: "x"}'),
    )

    status = check(path)

    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    lines = said.err.splitlines()
    owners = ("wind.hongshan.capacity", "bess.hongshan.energy_mwh", "bess.envision.kind", "eaf.yuanlian.area")
    for owner in (*owners, "pv.envision.capacity_mw", "grid.hongshan.import_limit_mw"):
        assert sum(owner in line for line in lines) == 1, lines
    assert len(lines) == 6


def test_a_misspelt_key_is_told_once_and_not_as_a_missing_one_too(edited: Edited, faults_of: Faults) -> None:
    assert len(faults_of(edited(("bess.hongshan", "energy_mwh", 'enegry_mwh: {fact: 66, source: "x"}')))) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("areas: [\n", "not YAML"),
        ("", "empty file"),
        ("# only a remark\n", "empty file"),
        ("- a\n- b\n", "not a mapping"),
        ("just words\n", "not a mapping"),
        ("areas: {}\nzones: []\n", "areas: {}: not a list"),
        ("a: &x [*x]\n", "contains itself"),
    ],
)
def test_a_file_that_is_no_park_gets_one_clear_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "park.yaml"
    path.write_text(text, encoding="utf-8")

    assert check(path) == 2

    assert sum(said in line for line in capsys.readouterr().err.splitlines()) == 1


def test_a_missing_path_gets_one_clear_line_and_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "nowhere") == 2

    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / 'nowhere'}: no such file or folder; give a park file or a folder of them"
    ]


def test_one_broken_file_of_a_folder_does_not_hide_faults_of_the_others(
    tmp_path: Path, edited: Edited, faults_of: Faults
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    edited(("wind.hongshan", "capacity_mw", "capacity_mw: 110")).rename(folder / "a.yaml")
    (folder / "b.yaml").write_text("tariffs: [", encoding="utf-8")

    faults = faults_of(folder)

    assert any(fault.startswith("b.yaml:") and "not YAML" in fault for fault in faults)
    assert any(fault.startswith("a.yaml:") and "wind.hongshan.capacity_mw" in fault for fault in faults)


def test_the_unbroken_small_park_is_what_these_tests_start_from(edited: Edited) -> None:
    assert load_record(edited()).of("assets")
