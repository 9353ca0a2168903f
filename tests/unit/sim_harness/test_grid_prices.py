from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.planner.rule_facts import RuleFacts, SpotTable
from sim_harness.grid.prices import open_market, with_spot
from tests.world_builders import BASE, START, TARIFF, asset, connection, park
from vpp.errors import ScenarioError
from vpp.ids import ConnectionId
from vpp.park import load
from vpp.spot import SpotPrices, spot_or_mean
from vpp.timegrid import TimeGrid

ROOT = Path(__file__).resolve().parents[3]
HOUR = timedelta(hours=1)
PARK = park([asset("base.a", "base_load", BASE, "a")], (connection("grid.a", "a"),))
YEAR = START + timedelta(days=365)


def test_a_generated_market_lies_between_floor_and_cap_and_has_the_level_of_the_tariff() -> None:
    market = open_market(PARK, START, YEAR, seed=1)
    for price in (market.day_ahead_cny_per_mwh, market.realised_cny_per_mwh):
        assert price.min() >= TARIFF.spot_floor_cny_per_mwh
        assert price.max() <= TARIFF.spot_cap_cny_per_mwh
        assert price.mean() == pytest.approx(TARIFF.import_cny_per_mwh["flat"], rel=0.1)
    by_hour = market.day_ahead_cny_per_mwh.reshape(-1, 24).mean(axis=0)
    assert by_hour[18] > 1.5 * by_hour[3] > 1.5 * by_hour[12]  # evening peak, night, valley of the sun


def test_the_same_seed_makes_the_same_market_and_real_time_misses_the_day_ahead_curve() -> None:
    one, again, other = (open_market(PARK, START, YEAR, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.realised_cny_per_mwh, again.realised_cny_per_mwh)
    assert not np.array_equal(one.realised_cny_per_mwh, other.realised_cny_per_mwh)
    error = one.realised_cny_per_mwh - one.day_ahead_cny_per_mwh
    assert 0.05 < error.std() / one.day_ahead_cny_per_mwh.mean() < 0.2


def test_tomorrow_is_published_at_six_in_the_evening_and_not_before() -> None:
    market = open_market(PARK, START, YEAR, seed=1)
    assert market.known_until(START + 17 * HOUR) == START + 24 * HOUR
    assert market.known_until(START + 18 * HOUR) == START + 48 * HOUR
    assert market.next_publication(START) == START + 18 * HOUR
    assert market.next_publication(START + 18 * HOUR) == START + 42 * HOUR
    grid, price = market.published(START + 20 * HOUR)
    assert (grid.start, grid.n, len(price)) == (START, 48, 48)


def test_beyond_what_is_published_the_same_hour_of_the_last_day_is_expected() -> None:
    spot = SpotPrices(TimeGrid.regular(START, HOUR, 24), tuple(float(h) for h in range(24)))
    assert spot.at(START + 5 * HOUR) == 5.0
    assert spot.at(START + 77 * HOUR) == 5.0
    assert spot.at(START - 3 * HOUR) == 21.0
    grid = TimeGrid.regular(START + 22 * HOUR, HOUR / 2, 8)
    assert spot.on(grid).tolist() == [22.0, 22.0, 23.0, 23.0, 0.0, 0.0, 1.0, 1.0]


def test_before_the_first_word_energy_is_taken_to_cost_what_the_tariff_costs_in_the_mean() -> None:
    grid = TimeGrid.regular(START, HOUR, 2)
    assert spot_or_mean(None, TARIFF, grid) == pytest.approx(np.mean([260.0, 480.0, 760.0]))


def test_the_rules_look_at_the_market_only_where_a_tariff_is_on_spot_prices() -> None:
    spot = {ConnectionId("grid.a"): SpotPrices(TimeGrid.regular(START, HOUR, 24), (200.0,) * 12 + (900.0,) * 12)}
    on_tariff = RuleFacts(PARK)
    assert on_tariff.at_prices(spot) is on_tariff
    facts = RuleFacts(with_spot(PARK)).at_prices(spot)
    table = facts.tables[TARIFF.id]
    assert isinstance(table, SpotTable)
    assert (table.import_cny_per_mwh(START), table.import_cny_per_mwh(START + 13 * HOUR)) == (200.0, 900.0)
    assert table.first_at_or_below(300.0, START + 13 * HOUR, 96) == START + 24 * HOUR


def test_a_market_needs_a_tariff_to_be_scaled_to() -> None:
    alone = park([asset("base.a", "base_load", BASE, "a")])
    with pytest.raises(ScenarioError, match="prices: spot: no connection to the grid has a tariff"):
        open_market(alone, START, YEAR, seed=1)


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"day_ahead_price\.parquet: no such file"):
        open_market(PARK, START, YEAR, seed=1, data_dir=tmp_path)


def test_measured_shapes_keep_the_weekday_and_the_bounds() -> None:
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "day_ahead_price.parquet").is_file():
        pytest.skip(f"{folder}: no measured prices")
    chifeng = load(ROOT / "seeds", at=date(2030, 10, 1))
    start = datetime(2030, 10, 5, 16, tzinfo=UTC)
    market = open_market(chifeng, start, start + timedelta(days=28), seed=1, data_dir=folder)
    weekday = market.day_ahead_cny_per_mwh[: 28 * 24].reshape(-1, 24).mean(axis=1)
    sundays, others = weekday[0::7].mean(), np.delete(weekday, np.s_[0::7]).mean()
    assert sundays < others
    assert market.day_ahead_cny_per_mwh.min() >= -50.0
    assert market.day_ahead_cny_per_mwh.max() <= 1_500.0
