from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sim_harness.plants.base import Ambient, PushOrder
from sim_harness.plants.base_load import BaseLoad, profile_mw
from tests.world_builders import BASE, START, asset
from vpp.wire.messages import Limit

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY_NOON = datetime(2030, 10, 7, 12, tzinfo=ZONE)


def base(seed: int = 1) -> BaseLoad:
    return BaseLoad(asset("base.a", "base_load", BASE, "a"), start=START, seed=seed, zone=ZONE)


def test_the_mean_of_a_year_is_that_of_the_plate() -> None:
    quarters = [datetime(2030, 1, 1, tzinfo=ZONE) + timedelta(minutes=15 * k) for k in range(365 * 96)]
    assert np.mean([profile_mw(BASE, at) for at in quarters]) == pytest.approx(BASE.mean_mw, rel=2e-3)


def test_nights_and_weekends_are_lower_by_the_shares_of_the_plate() -> None:
    noon_mw = profile_mw(BASE, MONDAY_NOON)
    scale_mw = BASE.mean_mw * 0.998  # a few tenths of a per cent of season in October
    assert profile_mw(BASE, MONDAY_NOON - timedelta(hours=10)) - noon_mw == pytest.approx(-0.15 * scale_mw, rel=0.02)
    assert profile_mw(BASE, MONDAY_NOON - timedelta(days=1)) - noon_mw == pytest.approx(-0.10 * scale_mw, rel=0.02)


def test_winter_is_higher_than_summer() -> None:
    winter_mw = profile_mw(BASE, datetime(2030, 1, 15, 12, tzinfo=ZONE))
    summer_mw = profile_mw(BASE, datetime(2030, 7, 16, 12, tzinfo=ZONE))
    assert winter_mw / summer_mw == pytest.approx(1.04 / 0.96, rel=1e-3)


def test_base_load_is_shed_last_and_takes_no_command() -> None:
    plant = base()
    intent = plant.intend(Ambient(START, 10.0, 10.0))
    assert (intent.order, intent.low_mw, intent.high_mw) == (PushOrder.SHEDDING, 0.0, intent.power_mw)
    assert plant.apply(Limit(max_power_mw=10.0), None).outcome == "rejected"


def test_what_was_shed_is_booked_as_unserved() -> None:
    plant, ambient = base(), Ambient(START, 900.0, 10.0)
    demand_mw = plant.intend(ambient).power_mw
    plant.settle(demand_mw - 40.0, ambient)
    assert plant.totals()["unserved_mwh"] == pytest.approx(10.0, abs=1e-12)


def test_the_same_seed_draws_the_same_load_and_another_does_not() -> None:
    first, same, other = (base(seed).intend(Ambient(START, 10.0, 10.0)).power_mw for seed in (1, 1, 2))
    assert first == same
    assert first != other
