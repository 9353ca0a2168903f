"""Rules of machines that run in a band, on a park day of three prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controllers.dispatch.snapshot import Reported
from controllers.planner.rule_facts import PriceTable
from controllers.planner.rule_loads import QuotaRule, feeder_band, quota_band, thermal_band
from tests import builders
from tests.world_builders import TARIFF, asset

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime(2026, 5, 31, 16, tzinfo=UTC)
TABLE = PriceTable(TARIFF, ZONE)
#: The builders' tariff is dear from 17 to 22 h.
RULE = QuotaRule(dear_above_cny_per_mwh=700.0, zone=ZONE)
ZINC = asset("smelter.zhongse", "zinc_electrowinning", builders.zinc(rated_mw=120.0, min_frac=0.6, max_frac=1.05), "a")


def said(power_mw: float = 0.0, **state: float) -> Reported:
    return Reported(MIDNIGHT, power_mw, None, state, True)


def wanted_mw(hour: float, quota_left_mwh: float) -> float:
    band = quota_band(ZINC, said(quota_left_mwh=quota_left_mwh), MIDNIGHT + timedelta(hours=hour), TABLE, RULE)
    assert band.high_mw == pytest.approx(126.0)
    return band.low_mw + band.segments[0][0]


def test_in_dear_hours_a_smelter_runs_at_its_least_if_the_rest_of_the_day_can_make_the_quota() -> None:
    # Two hours at 126 MW after 22:00 make 252 MWh.
    assert wanted_mw(17.0, 252.0) == pytest.approx(72.0)


def test_in_dear_hours_it_makes_what_the_rest_of_the_day_cannot() -> None:
    # 252 MWh fit after 22:00; the other 500 MWh need 100 MW over the five dear hours.
    assert wanted_mw(17.0, 752.0) == pytest.approx(100.0)


def test_in_cheap_hours_it_makes_up_for_the_dear_ones() -> None:
    # 19 cheap hours, and 5 at 72 MW: (2,764.8 - 360) / 19 = 126.6, cut to the band's top.
    assert wanted_mw(0.0, 0.96 * 120.0 * 24.0) == pytest.approx(126.0)


def test_a_smelter_that_has_made_its_quota_runs_at_its_least() -> None:
    assert wanted_mw(23.0, 0.0) == pytest.approx(72.0)


def test_an_island_knows_no_dear_hours() -> None:
    band = quota_band(ZINC, said(quota_left_mwh=1_000.0), MIDNIGHT + timedelta(hours=14), None, RULE)
    assert band.low_mw + band.segments[0][0] == pytest.approx(100.0)


def test_less_than_wanted_costs_more_than_any_energy_and_more_is_worth_little() -> None:
    band = quota_band(ZINC, said(quota_left_mwh=2_400.0), MIDNIGHT, TABLE, RULE)
    assert band.segments[0][1] > max(TARIFF.import_cny_per_mwh.values())
    assert 0.0 < band.segments[1][1] < TARIFF.export_cny_per_mwh


def test_units_that_run_follow_the_price_of_their_fuel() -> None:
    plant = asset("thermal.a", "thermal_unit", builders.thermal_unit(unit_mw=135.0, min_load_frac=0.5), "a")
    heated = thermal_band(plant, said(units_on=2.0, least_frac=0.6, most_frac=0.9))
    assert heated is not None
    assert (heated.low_mw, heated.high_mw) == pytest.approx((-243.0, -162.0))
    band = thermal_band(plant, said(units_on=2.0))
    assert band is not None
    assert (band.low_mw, band.high_mw) == (-270.0, -135.0)
    assert band.segments[0][1] == plant.plate.fuel_cost_cny_per_mwh


def test_units_that_do_not_run_or_follow_steam_are_left_alone() -> None:
    plant = asset("thermal.a", "thermal_unit", builders.thermal_unit(), "a")
    steam = asset("biomass.a", "thermal_unit", builders.thermal_unit(heat_led=True), "a")
    assert thermal_band(plant, said(units_on=0.0)) is None
    assert thermal_band(steam, said(units_on=1.0)) is None


def test_a_feeder_is_opened_last_and_closed_again_when_power_is_cheap() -> None:
    feeder = asset("shed.a1", "feeder", builders.feeder(call_cny_per_mwh=3_000.0), "a")
    shut = feeder_band(feeder, said(closed=1.0, demand_mw=8.0, calls_left=3.0, hours_left_h=5.0), 900.0)
    opened = feeder_band(feeder, said(closed=0.0, demand_mw=8.0, calls_left=2.0, hours_left_h=4.0), 900.0)
    assert shut is not None
    assert opened is not None
    assert shut.segments == ((8.0, 3_900.0),)
    assert opened.segments == ((8.0, 900.0),)
    assert shut.switched


def test_a_feeder_whose_year_is_used_up_stays_closed() -> None:
    feeder = asset("shed.a1", "feeder", builders.feeder(), "a")
    assert feeder_band(feeder, said(closed=1.0, calls_left=0.0), 900.0) is None
