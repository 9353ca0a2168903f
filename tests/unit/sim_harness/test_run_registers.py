"""A statement made from a run's registers says the same as the run's score, where they mean the same."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.statements import RegisterFile, Statement, build_statement
from sim_harness.cost import comparable_cost
from sim_harness.green import attribute, registers_of_truth
from sim_harness.plants.base import PushOrder
from sim_harness.prices import FIXED
from sim_harness.registers import write_truth
from sim_harness.truth import Truth
from sim_harness.world import World
from tests.builders_accounts import FACTOR
from tests.world_builders import BASE, BATTERY, START, TARIFF, WIND, SteadyWeather, Stub, asset, connection, park, stub
from vpp.accounts import settle, terms_of
from vpp.park import Park, Tariff

DAYS = 2
SPLIT: Tariff = replace(TARIFF, network_cny_per_mwh=85.0, system_fees_cny_per_mwh=45.0)


def fixed(asset_id: str, area: str, power_mw: float) -> Stub:
    made = stub(asset_id, area, power_mw, power_mw, power_mw, PushOrder.NEVER)
    made.counters = {"unserved_mwh": 0.0, "available_mwh": 0.0, "discharged_mwh": 0.0}
    if asset_id.startswith("bess"):
        made.held = {"stored_mwh": 30.0}
    return made


@pytest.fixture(scope="module")
def run() -> Truth:
    """Two days of wind, two areas, a battery that turns every three hours, and a load that goes up and down."""
    wind, base, other, bess = (
        fixed("wind.b", "b", -30.0),
        fixed("base.a", "a", 60.0),
        fixed("base.b", "b", 10.0),
        fixed("bess.b", "b", 0.0),
    )
    plants = [wind, base, other, bess]
    kinds = {"wind": ("wind", WIND), "base": ("base_load", BASE), "bess": ("battery", BATTERY)}
    assets = [asset(p.asset_id, *kinds[p.asset_id.split(".")[0]], p.area) for p in plants]
    site = park(assets, [connection("grid.a", "a", import_mw=75.0), connection("tie.b", "b", to="a")])
    site = replace(site, tariffs=(SPLIT,), emission_factors=(replace(FACTOR, kg_per_kwh=FIXED.emission_t_per_mwh),))
    world = World(site, plants, SteadyWeather(), START)
    for t in range(DAYS * 96):
        wind.intent = fixed("wind.b", "b", -60.0 * (1.0 + np.sin(t / 17.0))).intent
        base.intent = fixed("base.a", "a", 50.0 + 30.0 * np.sin(t / 11.0)).intent
        charge_mw = -8.0 if (t // 12) % 2 else 8.0
        bess.intent = fixed("bess.b", "b", charge_mw).intent
        bess.held = {"stored_mwh": bess.held["stored_mwh"] + (0.94 * charge_mw if charge_mw > 0.0 else charge_mw / 0.94) * 0.25}
        world.step(START + timedelta(minutes=15 * t), 900.0)
    return world.truth()


@pytest.fixture(scope="module")
def made(run: Truth, tmp_path_factory: pytest.TempPathFactory) -> Statement:
    path = tmp_path_factory.mktemp("run") / "registers.csv"
    write_truth(path, run)

    def park_on(_: date) -> Park:
        return run.park

    return build_statement(RegisterFile.read(path), park_on, None)


def test_energy_costs_what_the_score_says_period_by_period(run: Truth, made: Statement) -> None:
    items = comparable_cost(run, attribute(run)).items
    bill = next(iter(made.accounts.bills.values()))
    for period in SPLIT.import_cny_per_mwh:
        assert bill.energy_all_in_cny(period) == pytest.approx(items[f"energy_{period}"], rel=1e-9)


@pytest.mark.parametrize("item", ["above_contract", "carbon", "certificates", "export"])
def test_items_that_both_have_are_the_same(run: Truth, made: Statement, item: str) -> None:
    assert made.totals.items_cny()[item] == pytest.approx(comparable_cost(run, attribute(run)).items[item], rel=1e-9, abs=1e-6)


def test_the_score_charges_the_runs_days_of_the_statements_demand_charge(run: Truth, made: Statement) -> None:
    scored = comparable_cost(run, attribute(run)).items["demand_charge"]
    assert scored == pytest.approx(made.totals.items_cny()["demand_charge"] * DAYS / 30.0, rel=1e-9)


def test_the_matched_green_share_is_the_scores_own(run: Truth) -> None:
    account = attribute(run)
    accounts = settle(registers_of_truth(run), terms_of(run.park))
    loads = accounts.rows("load", "own_use")
    share = accounts.green_mwh[loads].sum() / accounts.energy_mwh[loads].sum()
    assert share == pytest.approx(account.share_frac(np.ones(len(run.assets), dtype=np.bool_)), rel=1e-12)


def test_registers_kept_in_a_file_tell_nearly_the_same_green_share_as_the_run(run: Truth, made: Statement) -> None:
    # The file has mean states of charge; contents at the quarters' edges are read from them.
    loads = made.accounts.rows("load", "own_use")
    share = made.accounts.green_mwh[loads].sum() / made.accounts.energy_mwh[loads].sum()
    assert share == pytest.approx(attribute(run).share_frac(np.ones(len(run.assets), dtype=np.bool_)), abs=0.01)


def test_a_quarter_that_the_run_broke_off_is_left_out(run: Truth, tmp_path: Path) -> None:
    path = tmp_path / "registers.csv"
    write_truth(path, run)
    assert len(RegisterFile.read(path).starts) == DAYS * 96
