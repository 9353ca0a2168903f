from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.builders_accounts import QUARTER, accounts, constant, cost_of, grid_a, registers, site
from tests.world_builders import START, TARIFF
from vpp.accounts import Metered, connection_bill, days_of, demand_charge_cny, invoice_lines, settle, terms_of, totals_of
from vpp.errors import SeriesError
from vpp.ids import ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

ZONE = site(["base.a"], grid_a()).zone
SPLIT = replace(TARIFF, network_cny_per_mwh=85.0, system_fees_cny_per_mwh=45.0)
HOURLY = timedelta(hours=1)


def metered(import_mw: FloatArray, tariff: object = SPLIT, start: datetime = START, **connection: float) -> Metered:
    grid = TimeGrid.regular(start, HOURLY, import_mw.shape[0])
    owner = replace(grid_a(), **connection)  # type: ignore[arg-type]  # numbers of a connection
    return Metered(
        connection=owner, tariff=tariff, grid=grid, zone=ZONE, import_mwh=import_mw, export_mwh=np.zeros_like(import_mw)
    )  # type: ignore[arg-type]  # a tariff


def test_network_and_fees_are_parts_of_the_all_in_price() -> None:
    bill = connection_bill(metered(np.full(24, 10.0)), 0.5)
    assert bill.items_cny["energy_valley"].sum() == pytest.approx(9 * 10.0 * (260.0 - 130.0))
    assert bill.items_cny["network_energy"].sum() == pytest.approx(240.0 * 85.0)
    assert bill.items_cny["system_fees"].sum() == pytest.approx(240.0 * 45.0)
    assert bill.energy_all_in_cny("peak") == pytest.approx(5 * 10.0 * 760.0)


def test_network_by_capacity_is_charged_on_the_contract_and_spread_over_the_month() -> None:
    tariff = replace(SPLIT, network_capacity_cny_per_kva_month=20.0, demand_charge_cny_per_kw_month=0.0)
    bill = connection_bill(metered(np.zeros(31 * 24), tariff, contract_demand_mw=90.0), 0.5, power_factor_frac=0.9)
    assert bill.items_cny["network_capacity"].sum() == pytest.approx(100_000.0 * 20.0)  # 100 MVA


def test_import_above_contract_is_charged_by_the_quarter() -> None:
    bill = connection_bill(metered(np.array([90.0, 120.0]), contract_demand_mw=100.0), 0.5)
    assert bill.items_cny["above_contract"] == pytest.approx([0.0, 20.0 * 3000.0])


def test_a_spot_tariff_charges_the_markets_price_with_network_and_fees_on_top() -> None:
    tariff = replace(SPLIT, pricing="spot")
    one = replace(metered(np.full(3, 10.0), tariff), spot_cny_per_mwh=np.array([-50.0, 100.0, 400.0]))
    bill = connection_bill(one, 0.5)
    assert bill.items_cny["energy_spot"] == pytest.approx([-500.0, 1000.0, 4000.0])
    assert bill.items_cny["network_energy"].sum() == pytest.approx(30.0 * 85.0)


def test_a_spot_tariff_without_prices_is_refused() -> None:
    with pytest.raises(SeriesError, match="spot prices go with a spot tariff"):
        connection_bill(metered(np.full(3, 10.0), replace(SPLIT, pricing="spot")), 0.5)


def month(import_mw: FloatArray, booking: str, start: datetime = START) -> FloatArray:
    grid = TimeGrid.regular(start, HOURLY, import_mw.shape[0])
    return demand_charge_cny(import_mw, days_of(grid, ZONE), grid.step_h, 33_000.0, booking)  # type: ignore[arg-type]  # one of two words


def test_the_months_highest_quarter_carries_the_months_demand_charge() -> None:
    import_mw = np.full(31 * 24, 10.0)
    import_mw[500] = 80.0
    charge = month(import_mw, "month")
    assert charge[500] == 80.0 * 33_000.0
    assert charge.sum() == charge[500]


def test_what_days_accrue_of_the_demand_charge_sums_to_the_months() -> None:
    rng = np.random.default_rng(1)
    import_mw = rng.uniform(0.0, 200.0, 31 * 24)
    assert month(import_mw, "day").sum() == pytest.approx(month(import_mw, "month").sum(), rel=1e-12)


def test_a_steady_import_accrues_the_same_every_day() -> None:
    charge = month(np.full(31 * 24, 10.0), "day").reshape(31, 24).sum(axis=1)
    assert charge == pytest.approx(np.full(31, 10.0 * 33_000.0 / 31.0))


def test_a_new_peak_accrues_what_the_days_before_it_had_not() -> None:
    import_mw = np.full(2 * 24, 10.0)
    import_mw[30] = 20.0
    first, second = month(import_mw, "day").reshape(2, 24).sum(axis=1)
    assert first == pytest.approx(10.0 * 33_000.0 / 31.0)
    assert second == pytest.approx(20.0 * 33_000.0 * 2.0 / 31.0 - first)


def test_a_new_month_starts_without_the_last_ones_peak() -> None:
    start = datetime(2030, 10, 30, 16, tzinfo=UTC)  # the last day of October in the park
    import_mw = np.concatenate([np.full(24, 90.0), np.full(24, 30.0)])
    charge = month(import_mw, "month", start)
    assert [charge[:24].sum(), charge[24:].sum()] == pytest.approx([90.0 * 33_000.0, 30.0 * 33_000.0])


def test_the_demand_charge_falls_on_whoever_drew_from_the_grid_in_the_peak_quarter() -> None:
    owner = site(["base.a", "compute.a"], grid_a())
    made = accounts(owner, {"base.a/power_mw": [10.0, 10.0], "compute.a/power_mw": [0.0, 30.0], "grid.a/import_mw": [10.0, 40.0]})
    assert cost_of(made, "compute.a", "demand_charge").sum() == pytest.approx(30.0 * 33_000.0)
    assert cost_of(made, "base.a", "demand_charge").sum() == pytest.approx(10.0 * 33_000.0)


def test_export_is_the_income_of_the_connection_and_nobody_elses() -> None:
    owner = site(["wind.a", "base.a"], grid_a())
    made = accounts(owner, {"wind.a/power_mw": [-40.0], "base.a/power_mw": [20.0], "grid.a/import_mw": [-20.0]})
    assert cost_of(made, "grid.a", "export")[0] == pytest.approx(-5.0 * 150.0)
    assert cost_of(made, "base.a", "export")[0] == 0.0


def test_own_wind_costs_its_users_the_ppa_price() -> None:
    owner = site(["wind.a", "base.a"], grid_a(), tariff=replace(TARIFF, ppa_cny_per_mwh=280.0))
    made = accounts(owner, {"wind.a/power_mw": [-40.0], "base.a/power_mw": [40.0], "grid.a/import_mw": [0.0]})
    assert cost_of(made, "base.a", "ppa")[0] == pytest.approx(2800.0)


def test_the_lines_of_an_invoice_are_its_total() -> None:
    owner = site(["base.a"], grid_a(green_origin_frac=0.5), tariff=SPLIT)
    made = accounts(owner, {"base.a/power_mw": constant(30.0, 96), "grid.a/import_mw": constant(30.0, 96)})
    lines = invoice_lines(made, ConnectionId("grid.a"))
    assert sum(line.cost_cny for line in lines) == pytest.approx(float(made.cost_cny.sum()), rel=1e-9)
    demand = next(line for line in lines if line.item == "demand_charge")
    assert (demand.amount, demand.price) == (30.0, 33_000.0)


def test_a_meter_that_was_not_read_is_not_billed_and_says_so() -> None:
    owner = site(["base.a"], grid_a())
    made = accounts(owner, {"base.a/power_mw": [30.0, 30.0], "grid.a/import_mw": [30.0, None]})
    (peak,) = totals_of(made).peaks
    assert (peak.import_mwh, peak.missing_h, peak.measured_frac) == (7.5, 0.25, 0.5)


def test_a_month_of_accounts_is_the_sum_of_its_days_but_for_the_demand_charge() -> None:
    owner = site(["wind.a", "base.a"], grid_a())
    rng = np.random.default_rng(3)
    wind, load = rng.uniform(0.0, 80.0, 192), rng.uniform(20.0, 60.0, 192)
    net = load - wind
    told = registers(owner, {"wind.a/power_mw": list(-wind), "base.a/power_mw": list(load), "grid.a/import_mw": list(net)})
    whole = settle(told, terms_of(owner))
    days = [settle(told, terms_of(owner), "day").window(96 * d, 96 * d + 96) for d in range(2)]
    keep = [k for k, name in enumerate(whole.items) if name != "demand_charge"]
    assert sum(day.cost_cny[:, :, keep].sum() for day in days) == pytest.approx(whole.cost_cny[:, :, keep].sum(), rel=1e-12)
    assert days[1].grid.start == START + 96 * QUARTER
