from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from vpp.errors import SeriesError
from vpp.park import Tariff, load, tariff_prices
from vpp.timegrid import TimeGrid

SEEDS = Path(__file__).resolve().parents[3] / "seeds"
SHANGHAI = ZoneInfo("Asia/Shanghai")


@cache
def tariff() -> Tariff:
    return load(SEEDS, at=date(2026, 7, 1)).tariff("mengdong_industrial")


def expected_period(hour: int, month: int) -> str:
    """The hours of the fact sheet: valley 0-6 and 11-14, peak 17-22, sharp 18-20 in January, July, August and December."""
    if hour < 6 or 11 <= hour < 14:
        return "valley"
    if month in (1, 7, 8, 12) and 18 <= hour < 20:
        return "sharp"
    return "peak" if 17 <= hour < 22 else "flat"


def test_every_hour_of_a_year_falls_into_the_period_of_the_fact_sheet() -> None:
    grid = TimeGrid.regular(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), 8760)
    price_of = {"valley": 260, "flat": 480, "peak": 760, "sharp": 912}

    prices = tariff_prices(tariff(), grid, SHANGHAI)

    local = [start.astimezone(SHANGHAI) for start in grid.starts]
    expected = [expected_period(at.hour, at.month) for at in local]
    assert list(prices.period) == expected
    assert prices.import_cny_per_mwh.tolist() == pytest.approx([price_of[name] for name in expected])


def test_an_interval_across_two_periods_carries_the_mean_over_its_time() -> None:
    # 05:00-08:00 in Shanghai: one hour of valley, two of flat
    grid = TimeGrid.regular(datetime(2026, 4, 1, 21, tzinfo=UTC), timedelta(hours=3), 1)

    prices = tariff_prices(tariff(), grid, SHANGHAI)

    assert prices.import_cny_per_mwh[0] == pytest.approx((260 + 480 + 480) / 3)
    assert prices.period == ("valley",)


def test_a_grid_that_starts_beside_the_quarter_is_weighted_by_minutes() -> None:
    # 05:50-06:10 in Shanghai
    grid = TimeGrid.regular(datetime(2026, 4, 1, 21, 50, tzinfo=UTC), timedelta(minutes=20), 1)

    assert tariff_prices(tariff(), grid, SHANGHAI).import_cny_per_mwh[0] == pytest.approx((260 + 480) / 2)


def test_a_zone_with_summer_time_reads_its_own_clock() -> None:
    # 29 March 2026 in Berlin: 04:59 UTC is 06:59 by the clock, an hour after the valley's end
    grid = TimeGrid.regular(datetime(2026, 3, 28, 4, 30, tzinfo=UTC), timedelta(hours=24), 2)

    quarters = tariff_prices(tariff(), TimeGrid.regular(grid.start, timedelta(minutes=15), 98), ZoneInfo("Europe/Berlin"))

    assert quarters.period[0] == "valley"  # 05:30 by the clock, before the change
    assert quarters.period[96] == "flat"  # 06:30 by the clock, after it


def test_a_spot_tariff_adds_network_and_fees_to_the_spot_price() -> None:
    spot = replace(tariff(), pricing="spot")
    grid = TimeGrid.regular(datetime(2026, 4, 1, tzinfo=UTC), timedelta(hours=1), 3)

    prices = tariff_prices(spot, grid, SHANGHAI, np.array([-50.0, 0.0, 1500.0]))

    added = spot.network_cny_per_mwh + spot.system_fees_cny_per_mwh
    assert prices.import_cny_per_mwh.tolist() == [-50.0 + added, added, 1500.0 + added]


def test_spot_prices_without_a_spot_tariff_are_refused() -> None:
    grid = TimeGrid.regular(datetime(2026, 4, 1, tzinfo=UTC), timedelta(hours=1), 3)

    with pytest.raises(SeriesError, match="pricing is time_of_use"):
        tariff_prices(tariff(), grid, SHANGHAI, np.zeros(3))


def test_the_demand_charge_comes_in_the_unit_of_the_house() -> None:
    grid = TimeGrid.regular(datetime(2026, 4, 1, tzinfo=UTC), timedelta(hours=1), 1)

    assert tariff_prices(tariff(), grid, SHANGHAI).demand_charge_cny_per_mw_month == pytest.approx(33_000)


def test_curtailment_export_hydrogen_and_valley_keep_the_order_that_makes_the_park_interesting() -> None:
    park = load(SEEDS, at=date(2026, 7, 1))
    hydrogen_cny_per_mwh = 12 * 0.0899 / 4.78 * 1000  # at the best load, 0.0899 kg/Nm3

    order = [park.prices.curtailment_cny_per_mwh, tariff().export_cny_per_mwh, hydrogen_cny_per_mwh]
    order += [tariff().import_cny_per_mwh[name] for name in ("valley", "flat", "peak", "sharp")]

    assert order == sorted(order)
