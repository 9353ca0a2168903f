from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from tests.builders_accounts import accounts, grid_a, site, tie
from tests.world_builders import START
from vpp.accounts import Accounts, Ratio, join, project, ratios_of
from vpp.errors import AccountError
from vpp.ids import AreaId, AssetId
from vpp.park import Contract, Park, Target


def contract(metric: str, sense: str, value: float, area: str = "b", *assets: str) -> Contract:
    return Contract(
        id=f"c.{metric}",
        name=metric,
        name_zh=metric,
        metric=metric,
        sense=sense,  # type: ignore[arg-type]  # one of three words
        value=value,
        areas=(AreaId(area),) if area else (),
        assets=tuple(AssetId(a) for a in assets),
        settled_over="year",
    )


def target(metric: str, value: float, *kinds: str) -> Target:
    return Target(id=f"t.{metric}", name=metric, name_zh=metric, metric=metric, sense="at_least", value=value, kinds=kinds)


def with_duties(owner: Park, *duties: Contract | Target) -> Park:
    contracts = tuple(duty for duty in duties if isinstance(duty, Contract))
    return replace(owner, contracts=contracts, targets=tuple(duty for duty in duties if isinstance(duty, Target)))


def windy(*duties: Contract | Target) -> Accounts:
    """An hour of area b with 40 MW of wind, 20 MW of load and 10 MW of coal, that sends the rest to area a."""
    owner = with_duties(site(["wind.b", "coal.b", "base.b", "base.a"], grid_a(), tie("b", "a")), *duties)
    n = 4
    return accounts(
        owner,
        {
            "wind.b/power_mw": [-40.0] * n,
            "wind.b/available_mw": [50.0] * n,
            "coal.b/power_mw": [-10.0] * n,
            "base.b/power_mw": [20.0] * n,
            "base.a/power_mw": [60.0] * n,
            "tie.b/import_mw": [-30.0] * n,
            "grid.a/import_mw": [30.0] * n,
        },
    )


def reached(made: Accounts, which: str) -> float | None:
    return {ratio.id: ratio.reached_frac for ratio in ratios_of(made)}[which]


def test_own_use_is_generation_less_feed_in() -> None:
    made = windy(contract("own_use_of_generation_frac", "at_least", 0.6), contract("feed_in_of_generation_frac", "at_most", 0.2))
    assert reached(made, "c.own_use_of_generation_frac") == pytest.approx(10.0 / 40.0)
    assert reached(made, "c.feed_in_of_generation_frac") == pytest.approx(30.0 / 40.0)


def test_own_use_of_demand_counts_all_that_was_used_in_the_area() -> None:
    made = windy(contract("own_use_of_demand_frac", "at_least", 0.3))
    assert reached(made, "c.own_use_of_demand_frac") == pytest.approx(10.0 / 20.0)


def test_the_rule_of_an_area_is_shown_for_the_whole_park_beside_it() -> None:
    made = windy(contract("own_use_of_demand_frac", "at_least", 0.3))
    assert reached(made, "park.own_use_of_demand_frac") == pytest.approx(40.0 / 80.0)


def test_a_green_share_can_be_for_a_kind_for_named_assets_or_for_all_loads() -> None:
    made = windy(target("green_share_frac", 0.7), contract("green_share_frac", "at_least", 1.0, "", "base.b"))
    assert reached(made, "t.green_share_frac") == pytest.approx(40.0 / 80.0)
    assert reached(made, "c.green_share_frac") == pytest.approx(0.8)


def test_utilisation_is_generation_over_what_was_available() -> None:
    assert reached(windy(target("renewable_utilisation_frac", 0.9, "wind")), "t.renewable_utilisation_frac") == pytest.approx(0.8)


def test_a_ratio_of_nothing_is_open_and_not_missed() -> None:
    (ratio,) = ratios_of(windy(target("green_share_frac", 0.8, "compute")))
    assert ratio.reached_frac is None
    assert ratio.state_of(ratio.reached_frac) == "open"


@pytest.mark.parametrize(
    ("sense", "value", "state"), [("at_least", 0.2, "missed"), ("at_most", 0.2, "kept"), ("equal", 0.5, "kept")]
)
def test_a_bound_is_kept_on_its_own_side(sense: str, value: float, state: str) -> None:
    ratio = replace(days_of_ratio([0.5]), sense=sense, target_frac=0.5)  # type: ignore[arg-type]  # one of three words
    assert ratio.state_of(value) == state


def days_of_ratio(shares: list[float], first: date = date(2030, 10, 1), measured: float = 1.0) -> Ratio:
    n = len(shares)
    return Ratio(
        id="r",
        name="r",
        name_zh="r",
        metric="green_share_frac",
        sense="at_least",
        target_frac=0.5,
        binding=True,
        days=tuple(first + timedelta(days=d) for d in range(n)),
        part_mwh=np.array(shares) * 100.0,
        whole_mwh=np.full(n, 100.0),
        measured_frac=np.full(n, measured),
    )


def test_less_than_a_week_projects_nothing() -> None:
    assert project(days_of_ratio([0.5] * 6)) is None


def test_days_that_were_hardly_measured_do_not_count_for_a_projection() -> None:
    assert project(days_of_ratio([0.5] * 20, measured=0.4)) is None


def test_days_that_are_all_alike_go_on_like_that_to_the_years_end_without_a_band() -> None:
    found = project(days_of_ratio([0.6] * 20))
    assert found is not None
    assert (found.low_frac, found.mid_frac, found.high_frac) == pytest.approx((0.6, 0.6, 0.6))
    assert (found.seen_days, found.left_days) == (20, 72)


def test_the_year_to_date_weighs_by_its_days() -> None:
    # 300 days at 0.2 are behind us; the last 28 days of 0.8 go on for the 65 that are left.
    found = project(days_of_ratio([0.2] * 272 + [0.8] * 28, date(2030, 1, 1)))
    assert found is not None
    assert found.mid_frac == pytest.approx((272 * 0.2 + 28 * 0.8 + 65 * 0.8) / 365.0)


def test_the_band_holds_the_middle_and_is_the_same_again() -> None:
    rng = np.random.default_rng(5)
    ratio = days_of_ratio(list(rng.uniform(0.0, 1.0, 40)))
    found = project(ratio)
    assert found is not None
    assert found.low_frac < found.mid_frac < found.high_frac
    assert project(ratio) == found


def test_the_last_day_of_the_year_is_its_own_projection() -> None:
    ratio = days_of_ratio(list(np.linspace(0.2, 0.9, 31)), date(2030, 12, 1))
    found = project(ratio)
    assert found is not None
    assert found.low_frac == found.mid_frac == found.high_frac == pytest.approx(ratio.reached_frac)


def test_months_join_to_a_year_and_days_twice_are_refused() -> None:
    october, november = days_of_ratio([0.4] * 31), days_of_ratio([0.6] * 30, date(2030, 11, 1))
    (joined,) = join([(october,), (november,)])
    assert joined.reached_frac == pytest.approx((31 * 0.4 + 30 * 0.6) / 61.0)
    with pytest.raises(AccountError, match="overlap"):
        join([(october,), (october,)])


def test_a_day_belongs_to_park_time() -> None:
    made = windy(target("green_share_frac", 0.7))
    assert made.grid.start == START
    assert ratios_of(made)[0].days == (date(2030, 10, 1),)
