from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.builders_accounts import QUARTER, START, Row, accounts, cost_of, grid_a, of, registers, site, tie
from vpp.accounts import Origin, check_accounts, registers_of, settle, terms_of, totals_of
from vpp.errors import AccountError
from vpp.park import Park
from vpp.timegrid import TimeGrid


def test_a_load_that_imports_is_as_green_as_its_areas_pool() -> None:
    made = accounts(
        site(["wind.a", "base.a"], grid_a()), {"wind.a/power_mw": [-30.0], "base.a/power_mw": [40.0], "grid.a/import_mw": [10.0]}
    )
    origin = of(made, "base.a", made.origin_mwh)[0]
    assert origin[[Origin.WIND, Origin.GRID]] == pytest.approx([7.5, 2.5], abs=1e-12)
    assert of(made, "base.a", made.green_mwh) == pytest.approx([7.5], abs=1e-12)


def test_what_a_store_gives_back_has_the_origin_of_what_it_was_charged_with() -> None:
    values = {
        "wind.a/power_mw": [-20.0, 0.0, 0.0],
        "base.a/power_mw": [0.0, 0.0, 16.0],
        "bess.a/power_mw": [20.0, 0.0, -16.0],
        "bess.a/soc_frac": [0.0, 0.0, 0.0],
        "grid.a/import_mw": [0.0, 0.0, 0.0],
    }
    owner = site(["wind.a", "base.a", "bess.a"], grid_a())
    told = registers(owner, values)
    # Contents as a run tells them, instead of those between two means.
    row = told.assets.index("bess.a")
    told.before_mwh[row], told.after_mwh[row] = [0.0, 4.5, 4.5], [4.5, 4.5, 0.0]
    made = settle(told, terms_of(owner))
    assert of(made, "base.a", made.origin_mwh)[2, Origin.WIND] == pytest.approx(4.0, abs=1e-12)
    assert of(made, "base.a", made.through_store_mwh)[2] == pytest.approx(4.0, abs=1e-12)


def test_the_price_of_a_stores_losses_is_paid_by_whoever_uses_what_it_gives() -> None:
    owner = site(["base.a", "bess.a"], grid_a())
    told = registers(
        owner,
        {
            "base.a/power_mw": [0.0, 16.0],
            "bess.a/power_mw": [20.0, -16.0],
            "bess.a/soc_frac": [0.0, 0.0],
            "grid.a/import_mw": [20.0, 0.0],
        },
    )
    row = told.assets.index("bess.a")
    told.before_mwh[row], told.after_mwh[row] = [0.0, 4.5], [4.5, 0.0]
    made = settle(told, terms_of(owner))
    # 5 MWh of the valley at 260, of which 4 MWh come out again.
    assert cost_of(made, "base.a", "energy_valley")[1] == pytest.approx(5.0 * 260.0, rel=1e-12)
    assert cost_of(made, "bess.a", "energy_valley") == pytest.approx([1300.0, -1300.0], rel=1e-12)


def test_what_a_store_held_before_anybody_looked_is_of_unknown_origin() -> None:
    values = {"base.a/power_mw": [8.0], "bess.a/power_mw": [-8.0], "bess.a/soc_frac": [0.5], "grid.a/import_mw": [0.0]}
    made = accounts(site(["base.a", "bess.a"], grid_a()), values)
    assert of(made, "base.a", made.origin_mwh)[0, Origin.UNKNOWN] == pytest.approx(2.0, abs=1e-12)
    assert of(made, "base.a", made.green_mwh)[0] == 0.0


def test_a_neighbour_gets_the_mix_and_the_price_of_the_sender() -> None:
    owner = site(["wind.b", "base.b", "base.a"], grid_a(), tie("b", "a"))
    values = {
        "wind.b/power_mw": [-30.0],
        "base.b/power_mw": [10.0],
        "base.a/power_mw": [60.0],
        "tie.b/import_mw": [-20.0],
        "grid.a/import_mw": [40.0],
    }
    made = accounts(owner, values)
    assert of(made, "base.a", made.origin_mwh)[0, [Origin.WIND, Origin.GRID]] == pytest.approx([5.0, 10.0], abs=1e-12)
    assert cost_of(made, "base.a", "energy_valley")[0] == pytest.approx(10.0 * 260.0, rel=1e-12)


def test_energy_that_only_goes_round_between_two_areas_is_nobodys() -> None:
    owner = site(["base.a", "base.b"], tie("a", "b"))
    values = {"base.a/power_mw": [0.0], "base.b/power_mw": [0.0], "tie.a/import_mw": [5.0], "tie.a/export_mw": [5.0]}
    made = accounts(owner, values)
    check_accounts(made)
    assert float(np.abs(made.energy_mwh).sum()) == 0.0


def test_imports_that_are_green_by_contract_count_as_green_but_not_as_direct() -> None:
    owner = site(["base.a"], grid_a(green_origin_frac=0.25))
    made = accounts(owner, {"base.a/power_mw": [40.0], "grid.a/import_mw": [40.0]})
    assert of(made, "base.a", made.green_mwh)[0] == pytest.approx(2.5)
    assert of(made, "base.a", made.direct_green_mwh)[0] == 0.0


def test_coal_is_neither_green_nor_free_and_has_its_own_carbon() -> None:
    made = accounts(
        site(["coal.a", "base.a"], grid_a()), {"coal.a/power_mw": [-40.0], "base.a/power_mw": [40.0], "grid.a/import_mw": [0.0]}
    )
    assert of(made, "base.a", made.origin_mwh)[0, Origin.THERMAL] == pytest.approx(10.0)
    assert cost_of(made, "base.a", "fuel")[0] == pytest.approx(3000.0)
    assert cost_of(made, "base.a", "carbon_fuel")[0] == pytest.approx(10.0 * 0.9 * 90.0)
    assert of(made, "base.a", made.emission_t)[0] == pytest.approx(9.0)


@pytest.fixture
def gappy() -> Park:
    return site(["wind.a", "base.a", "compute.a"], grid_a())


def test_a_silent_load_is_a_gap_and_shows_as_what_no_meter_saw(gappy: Park) -> None:
    values = {
        "wind.a/power_mw": [-30.0, -30.0],
        "base.a/power_mw": [20.0, 20.0],
        "compute.a/power_mw": [20.0, None],
        "grid.a/import_mw": [10.0, 10.0],
    }
    made = accounts(gappy, values)
    total = {one.party.id: one for one in totals_of(made).parties}
    assert total["compute.a"].energy_mwh == pytest.approx(5.0)
    assert total["compute.a"].measured_frac == 0.5
    assert total["unmetered.a"].energy_mwh == pytest.approx(5.0)


def test_a_silent_farm_leaves_energy_of_unknown_origin_and_never_green(gappy: Park) -> None:
    values = {"wind.a/power_mw": [None], "base.a/power_mw": [20.0], "compute.a/power_mw": [20.0], "grid.a/import_mw": [10.0]}
    made = accounts(gappy, values)
    check_accounts(made)
    assert of(made, "base.a", made.origin_mwh)[0, [Origin.GRID, Origin.UNKNOWN]] == pytest.approx([1.25, 3.75])
    assert of(made, "base.a", made.green_mwh)[0] == 0.0


def test_a_quarter_that_was_measured_for_less_than_half_is_a_gap(gappy: Park) -> None:
    rows = [Row("base.a", "power_mw", START, 20.0, 0.4), Row("base.a", "power_mw", START + QUARTER, 20.0, 0.6)]
    told = registers_of(gappy, TimeGrid.regular(START, QUARTER, 2), rows)
    assert np.isnan(told.energy_mwh[1]).tolist() == [True, False]
    assert told.asset_measured_frac[1].tolist() == [0.4, 0.6]


def test_an_asset_that_is_not_yet_in_service_is_no_gap() -> None:
    owner = site(["base.a", "compute.a"], grid_a())
    later = replace(owner.assets[1], in_service_from=date(2030, 10, 2))
    owner = replace(owner, assets=(owner.assets[0], later))
    made = accounts(owner, {"base.a/power_mw": [10.0], "grid.a/import_mw": [10.0]})
    assert {one.party.id: one.measured_frac for one in totals_of(made).parties}["compute.a"] is None


def test_a_connection_without_a_tariff_cannot_be_billed() -> None:
    owner = site(["base.a"], replace(grid_a(), tariff=None))
    with pytest.raises(AccountError, match="grid.a: has no tariff"):
        terms_of(owner)


def test_an_emission_factor_that_the_park_does_not_have_is_named() -> None:
    with pytest.raises(AccountError, match="no emission factor 'moon'; the park has northeast_2023"):
        terms_of(site(["base.a"], grid_a()), "moon")
