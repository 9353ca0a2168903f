from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.loops.arrivals import ArrivalsWatch
from controllers.planner.expect import arriving_mw, arriving_work
from forecasting.arrival_outlook import LEADS_H, LEVELS
from forecasting.arrivals import ArrivalHistory, fit_arrivals, outlook
from forecasting.scores import pinball
from tests.builders import compute
from tests.world_builders import asset, park
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray
from vpp.wire.messages import ComputeTelemetry

START = datetime(2030, 10, 7, tzinfo=UTC)
DAY_H = 24
MEDIAN, HIGH = LEVELS.index(0.5), LEVELS.index(0.9)


def days(count: int, seed: int = 1, lag_h: int = 0) -> ArrivalHistory:
    """Work by day and little at night in two classes, and noise; the second class has twice the first's."""
    rng = np.random.default_rng(seed)
    hour = np.arange(count * DAY_H) % DAY_H
    shape = np.where((hour >= 8) & (hour < 20), 9.0, 1.0) * np.array([[1.0], [2.0]])
    work = shape * rng.lognormal(0.0, 0.3, shape.shape)
    return ArrivalHistory(START, work, work, lag_h)


def test_the_hour_of_the_day_is_learnt_and_sums_grow_with_the_lead() -> None:
    history = days(14)
    found = outlook(fit_arrivals(history), history)
    assert found.at == START + timedelta(days=14)
    # Midnight: three quiet hours, then by noon the day has begun.
    assert 1.5 < found.quantile[0, LEADS_H.index(3), MEDIAN] < 6.0
    assert found.quantile[0, LEADS_H.index(24), MEDIAN] == pytest.approx(120.0 * np.exp(0.045), rel=0.15)
    assert found.quantile[1, :, MEDIAN] == pytest.approx(2.0 * found.quantile[0, :, MEDIAN], rel=0.25)
    assert (np.diff(found.quantile, axis=1) >= 0.0).all()
    assert (np.diff(found.quantile, axis=2) >= 0.0).all()


def test_it_is_better_than_a_rate_that_knows_no_clock_and_covers_what_it_says() -> None:
    whole = days(35)
    ours, flat, came = [], [], []
    model = fit_arrivals(whole.until(21 * DAY_H))
    mean = whole.work[:, : 21 * DAY_H].mean(axis=1)
    for hour in range(21 * DAY_H, 33 * DAY_H):
        ours.append(outlook(model, whole.until(hour)).quantile[:, LEADS_H.index(6)])
        flat.append(np.repeat(6.0 * mean[:, np.newaxis], len(LEVELS), axis=1))
        came.append(whole.work[:, hour : hour + 6].sum(axis=1))
    assert pinball(np.array(came), np.array(ours), LEVELS) < 0.5 * pinball(np.array(came), np.array(flat), LEVELS)
    assert 0.8 < float((np.array(came) <= np.array(ours)[..., HIGH]).mean()) < 0.99


@given(st.integers(8, 20), st.integers(0, 2**32 - 1))
def test_what_is_not_known_yet_changes_nothing(day: int, seed: int) -> None:
    lagged = days(22, lag_h=DAY_H).until(day * DAY_H)
    spoilt = lagged.work.copy()
    spoilt[:, -DAY_H:] = np.random.default_rng(seed).random((2, DAY_H)) * 1e6
    other = ArrivalHistory(START, spoilt, lagged.pulse, DAY_H)
    one, two = (outlook(fit_arrivals(h, trees=False), h) for h in (lagged, other))
    assert np.array_equal(one.quantile, two.quantile)


def test_less_than_a_week_is_too_little() -> None:
    with pytest.raises(ForecastError, match="a week is needed"):
        fit_arrivals(days(6))


CLUSTER = AssetId("compute.a")
PARK = park([asset("compute.a", "compute", compute(), "north")], areas=["north"])


def tell(watch: ArrivalsWatch, work: FloatArray, start: datetime = START, begun: float = 0.0) -> None:
    """A cluster that reports four times an hour."""
    total = np.full(work.shape[0], begun)
    for hour in range(work.shape[1]):
        for quarter in range(4):
            total = total + work[:, hour] / 4.0
            at = start + timedelta(hours=hour, minutes=15 * quarter + 14)
            state = {f"arrived_mwh.{j}": float(total[j]) for j in range(work.shape[0])}
            watch.heard(CLUSTER, ComputeTelemetry(cluster=CLUSTER, measured_at=at, power_mw=1.0, state=state))


def test_counters_of_telemetry_become_an_outlook_after_a_week_and_not_before() -> None:
    classes = len(PARK.assets_of("compute")[0].plate.job_classes)
    watch = ArrivalsWatch(PARK)
    work = np.repeat(np.where(np.arange(10 * DAY_H) % DAY_H < 12, 2.0, 0.0)[np.newaxis], classes, axis=0)
    tell(watch, work[:, : 6 * DAY_H])
    assert watch.outlook(CLUSTER, START + timedelta(days=6)) is None
    watch = ArrivalsWatch(PARK)
    tell(watch, work)
    found = watch.outlook(CLUSTER, START + timedelta(days=9, hours=23, minutes=59))
    assert found is not None
    assert found.mean[:, LEADS_H.index(24)] == pytest.approx(np.full(classes, 24.0), rel=0.05)


def test_a_scheduler_that_begins_its_counters_anew_has_sent_no_negative_work() -> None:
    classes = len(PARK.assets_of("compute")[0].plate.job_classes)
    watch, work = ArrivalsWatch(PARK), np.ones((classes, 9 * DAY_H))
    tell(watch, work, begun=1e6)
    tell(watch, work, START + timedelta(days=9))
    found = watch.outlook(CLUSTER, START + timedelta(days=18))
    assert found is not None
    assert found.mean[:, LEADS_H.index(24)] == pytest.approx(np.full(classes, 24.0), rel=0.05)


def test_the_reserve_is_what_may_come_beyond_the_expected_and_sums_to_the_quantile() -> None:
    plate = PARK.assets_of("compute")[0].plate
    grid = TimeGrid.regular(START + timedelta(days=14), timedelta(minutes=15), 4 * 24)
    history = days(14)
    work = np.repeat(history.work[:1], len(plate.job_classes), axis=0)
    history = ArrivalHistory(START, work, work)
    found = outlook(fit_arrivals(history, trees=False), history)
    expected, reserved = (arriving_work(plate, grid, found, level) for level in (None, 0.95))
    last = 24.0 - 0.25
    for level, items in ((None, expected), (0.95, reserved)):
        total = sum(item.energy_mwh for item in items if item.job_class == plate.job_classes[0].name)
        assert total == pytest.approx(float(found.by(np.array([last]), level)[0, 0]), rel=1e-6)
    assert sum(i.energy_mwh for i in reserved) > sum(i.energy_mwh for i in expected)


def test_without_an_outlook_work_comes_at_the_plates_mean_rate() -> None:
    plate = PARK.assets_of("compute")[0].plate
    grid = TimeGrid.regular(START, timedelta(minutes=15), 8)
    items = arriving_work(plate, grid)
    assert items[0].energy_mwh == pytest.approx(arriving_mw(plate, plate.job_classes[0].share_frac) * 0.25)
    assert [round(i.release_h, 6) for i in items[:7]] == [0.25 * (k + 1) for k in range(7)]
