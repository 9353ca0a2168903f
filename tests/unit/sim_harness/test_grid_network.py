import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

from sim_harness.grid.network import STATION_PU, NetworkFlow, NetworkModel, pandapower_net, station_mva
from vpp.errors import ParkError
from vpp.ids import AssetId
from vpp.park import Park, load
from vpp.park.network import sensitivities
from vpp.park.rating import rating

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "network"
AT = datetime(2030, 1, 15, 10, tzinfo=UTC)
STATIONS = ("wind", "solar", "battery", "compressed_air", "thermal_unit")
Powers = Mapping[AssetId, float]


@cache
def seeds(year: int) -> Park:
    return load(ROOT / "seeds", at=date(year, 10, 1))


def of(park: Park, **by_kind: float) -> dict[AssetId, float]:
    """Powers as a share of each asset's rating, by kind; stations deliver."""
    return {a.id: by_kind.get(a.kind, 0.0) * rating(a).power_mw * (-1.0 if a.kind in STATIONS else 1.0) for a in park.assets}


def grid_mw(park: Park, powers: Powers, *areas: str) -> float:
    return sum(powers[a.id] for a in park.assets if not areas or a.area in areas)


def balanced(powers: dict[AssetId, float], asset_id: str, by_mw: float) -> None:
    powers[AssetId(asset_id)] += by_mw


ALL_LOADS = {
    "base_load": 1.15,
    "feeder": 1.0,
    "arc_furnace": 1.0,
    "zinc_electrowinning": 1.0,
    "copper_refining": 1.0,
    "submerged_arc": 1.0,
    "flexible_load": 1.0,
    "ev_charging": 1.0,
    "ammonia_loop": 1.0,
    "compute": 0.85,
}


def calm(park: Park, import_mw: float) -> dict[AssetId, float]:
    """All loads at full power and no wind; storage delivers what the contract does not let in."""
    powers = of(park, **ALL_LOADS)
    stores = [a for a in park.assets if a.kind in ("battery", "compressed_air") and (a.area != "island" or park.at.year >= 2030)]
    missing = grid_mw(park, powers, *(a for a in park.area_ids if a != "island" or park.at.year >= 2030)) - import_mw
    rated = sum(a.plate.power_mw for a in stores)
    for store in stores:
        powers[store.id] -= store.plate.power_mw * missing / rated
    return powers


def windy(park: Park) -> dict[AssetId, float]:
    """Wind at its most; every tie and the grid connection at its export limit."""
    powers = of(park, **{**ALL_LOADS, "arc_furnace": 0.0, "compute": 0.7, "base_load": 0.8}, wind=1.0)
    powers[AssetId("h2.envision")] = 900.0
    balanced(powers, "wind.envision", -400.0 - grid_mw(park, powers, "island"))
    balanced(powers, "wind.zhisuan", -400.0 - grid_mw(park, powers, "songshan"))
    balanced(powers, "wind.yuneng", -200.0 - grid_mw(park, powers))
    return powers


def flow(park: Park, powers: Powers, outages: frozenset[tuple[str, int]] = frozenset()) -> NetworkFlow:
    found = NetworkModel(park).flow(powers, AT, outages)
    assert found is not None
    return found


@pytest.mark.parametrize("year", [2026, 2030])
def test_the_seeds_say_what_the_network_study_says(year: int) -> None:
    network = seeds(year).network
    read = {
        name: list(csv.DictReader((GOLDEN / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("buses", "lines", "transformers")
    }
    assert [(r["bus"], float(r["kv"])) for r in read["buses"]] == [(b.id, b.kv) for b in network.buses]
    for row, line in zip(read["lines"], network.lines, strict=True):
        assert (row["id"], row["from"], row["to"], int(row["circuits"])) == (line.id, line.from_bus, line.to_bus, line.circuits)
        numbers = (line.kv, line.mva_each, line.limit_mw, line.km, line.r_ohm_km, line.x_ohm_km)
        assert tuple(float(row[key]) for key in ("kv", "mva_each", "limit_mw", "km", "r_ohm_km", "x_ohm_km")) == numbers
        assert (row[f"status_{year}"] == "closed") is line.closed
    for row, t in zip(read["transformers"], network.transformers, strict=True):
        assert (row["id"], row["hv_bus"], row["lv_bus"], int(row["units"])) == (t.id, t.hv_bus, t.lv_bus, t.units)
        assert (float(row["mva_each"]), float(row["uk_percent"]) / 100.0) == (t.mva_each, pytest.approx(t.uk_frac))


@pytest.mark.parametrize("hour", ["calm 2026", "calm 2030", "windy 2030"])
def test_the_most_loaded_hours_stay_in_the_band_of_the_network_study(hour: str) -> None:
    park = seeds(int(hour[-4:]))
    powers = windy(park) if hour.startswith("windy") else calm(park, 650.0 if hour.endswith("2026") else 800.0)
    found = flow(park, powers)
    assert min(found.voltage_pu.values()) >= 0.949
    assert max(found.voltage_pu.values()) <= 1.030 + 1e-9
    consumed = sum(p for p in powers.values() if p > 0.0)
    assert 0.005 < found.losses_mw / consumed < 0.03  # the study's mean over the year is 1.5 %


@pytest.mark.parametrize("case", ["calm", "windy", "one circuit out"])
def test_a_power_flow_is_the_one_pandapower_finds(case: str) -> None:
    park = seeds(2030)
    out = frozenset({("l.aq_ds", 1)}) if case == "one circuit out" else frozenset()
    powers = calm(park, 800.0) if case == "calm" else windy(park)
    ours = flow(park, powers, out)
    net, dark = pandapower_net(park, out)
    assert not dark
    bus_of = dict(zip(net.bus.name, net.bus.index, strict=True))
    stations = station_mva(park)
    tan = math.tan(math.acos(0.985))
    for bus, index in bus_of.items():
        here = [(a, powers[a.id] / len(a.buses)) for a in park.assets if bus in a.buses]
        for a, mw in here:
            if a.kind not in STATIONS:
                pp.create_load(net, index, p_mw=mw, q_mvar=mw * tan)
        if bus in stations:
            reactive = stations[bus] * math.tan(math.acos(0.95))
            delivered = -sum(mw for a, mw in here if a.kind in STATIONS)
            pp.create_gen(net, index, p_mw=delivered, vm_pu=STATION_PU, min_q_mvar=-reactive, max_q_mvar=reactive)
    pp.runpp(net, numba=False, enforce_q_lims=True, calculate_voltage_angles=True)
    theirs = dict(zip(net.bus.name, net.res_bus.vm_pu, strict=True))
    assert ours.voltage_pu == pytest.approx(theirs, abs=1e-6)
    names = [*net.line.name, *net.trafo.name]
    loading = [*net.res_line.loading_percent, *net.res_trafo.loading_percent]
    assert [ours.loading_frac[name] for name in names] == pytest.approx(np.array(loading) / 100.0, abs=1e-5)
    assert [ours.flow_mw[name] for name in names] == pytest.approx([*net.res_line.p_from_mw, *net.res_trafo.p_hv_mw], abs=1e-3)
    assert ours.grid_mw == pytest.approx(net.res_ext_grid.p_mw.sum(), abs=1e-3)
    assert ours.losses_mw == pytest.approx(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum(), abs=1e-3)


def test_in_2026_the_island_stands_apart_and_takes_nothing_from_the_main_grid() -> None:
    park = seeds(2026)
    powers = of(park)
    powers[AssetId("compute.aidc")], powers[AssetId("wind.envision")] = 40.0, -40.0
    found = flow(park, powers)
    # What its lines lose, the island's own battery delivers.
    assert found.flow_mw["l.ev_nh"] == pytest.approx(40.0, abs=0.1)
    assert found.grid_mw == pytest.approx(0.0, abs=1.0)
    assert "l.nh_yb" not in found.flow_mw
    assert {"wn1", "wn2", "zw220", "hy220", "ef66", "dp220"} == found.dark


def test_a_lost_circuit_loads_the_other_one_twice() -> None:
    park = seeds(2030)
    powers = windy(park)
    both, one = flow(park, powers), flow(park, powers, frozenset({("l.aq_ds", 1)}))
    assert one.loading_frac["l.aq_ds"] == pytest.approx(2.0 * both.loading_frac["l.aq_ds"], rel=0.05)
    assert one.voltage_pu != both.voltage_pu


def test_a_lost_line_leaves_what_is_behind_it_to_its_own_battery() -> None:
    park = seeds(2026)
    found = flow(park, of(park), frozenset({("l.ss_aq", 1)}))
    assert "l.ss_aq" not in found.flow_mw
    assert found.voltage_pu[park.asset("bess.songshan").bus] == pytest.approx(STATION_PU)


@pytest.mark.parametrize("year", [2026, 2030])
def test_the_linear_sensitivities_are_the_dc_power_flow_of_pandapower(year: int) -> None:
    park = seeds(year)
    linear = sensitivities(park)
    rng = np.random.default_rng(3)
    drawn = np.where(np.array(linear.buses) == linear.slack, 0.0, rng.uniform(-200.0, 300.0, len(linear.buses)))
    net, _ = pandapower_net(park)
    index = dict(zip(net.bus.name, net.bus.index, strict=True))
    for bus, mw in zip(linear.buses, drawn, strict=True):
        pp.create_load(net, index[bus], p_mw=mw)
    pp.rundcpp(net)
    theirs = dict(zip([*net.line.name, *net.trafo.name], [*net.res_line.p_from_mw, *net.res_trafo.p_hv_mw], strict=True))
    # pandapower takes the reactive part of a transformer's short-circuit voltage, we take all of it: the net is radial, and it
    # makes no difference here.
    assert dict(zip(linear.branches, linear.flow_mw(drawn), strict=True)) == pytest.approx(
        {name: theirs[name] for name in linear.branches}, abs=1e-6
    )


def test_in_a_ring_power_splits_by_reactance_as_in_pandapower() -> None:
    park = seeds(2030)
    lines = tuple(replace(line, closed=True) if line.id == "l.aq_cd" else line for line in park.network.lines)
    ring = replace(park, network=replace(park.network, lines=lines))
    linear = sensitivities(ring)
    net, _ = pandapower_net(ring)
    pp.create_load(net, net.bus.index[net.bus.name == "aq66"][0], p_mw=100.0)
    pp.rundcpp(net)
    ours = dict(zip(linear.branches, linear.ptdf_frac[:, linear.buses.index("aq66")] * 100.0, strict=True))
    theirs = dict(zip(net.line.name, net.res_line.p_from_mw, strict=True))
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-6)
    assert 0.0 < ours["l.aq_cd"] * -1.0 < 50.0


def test_area_sensitivities_weigh_buses_by_their_share() -> None:
    linear = sensitivities(seeds(2030))
    shares = {
        linear.buses[linear.buses.index("aq66")]: {"songshan": 0.25},
        linear.buses[linear.buses.index("zs220")]: {"songshan": 0.75},
    }
    by_area = linear.of_areas(shares, ("songshan", "hongshan"))
    row = linear.branches.index("l.aq_ds")
    assert by_area[row] == pytest.approx([-1.0, 0.0])
    assert by_area[linear.branches.index("l.zs_aq")] == pytest.approx([-0.75, 0.0])


def test_a_park_without_a_main_bus_has_no_power_flow_to_the_grid() -> None:
    park = load(ROOT / "seeds" / "parks" / "two_areas.yaml", at=date(2030, 10, 1))
    assert not NetworkModel(park).exists
    with pytest.raises(ParkError, match=r"network\.main_bus: None"):
        sensitivities(park)
