"""Ways to make a promise of a spread, on replays whose truth is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from benchmarks.bench_offers import Offers, judged, measure, ways_of
from controllers.flexibility.sure import Spread
from sim_harness.campaign import Offered

COURSES, OFFERS = 20, 2_000


def replays(wind_mw: float, own_mw: float) -> tuple[Offered, ...]:
    """Import varies with the wind, which cannot be steered, and by what is changed, which varies less."""
    rng = np.random.default_rng(7)
    found = []
    for k in range(OFFERS):
        wind = rng.normal(0.0, wind_mw, COURSES + 1)
        change = 100.0 + rng.normal(0.0, own_mw, COURSES + 1)
        gives = k % 2 == 0
        level = 300.0 + wind + (-change if gives else change)
        spread = Spread("give" if gives else "take", level[:-1], 650.0)
        found.append(Offered(spread, 300.0, float(level[-1]), 1.0, change[:-1], float(change[-1])))
    return tuple(found)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_every_way_is_kept_as_often_as_it_says_once_it_is_corrected(confidence: float) -> None:
    for way in ways_of(Offers.of(replays(30.0, 5.0))).values():
        kept, _ = judged(way, confidence)
        assert kept == pytest.approx(confidence, abs=0.02)


def test_a_change_promises_more_than_a_level_where_it_is_the_wind_that_varies() -> None:
    ways = measure(Offers.of(replays(30.0, 5.0)))["ways"]
    # What 20 draws tell of the next one: Student's t of 19 degrees of freedom, of wind and change together.
    beyond = t.ppf(0.99, COURSES - 1) * np.hypot(30.0, 5.0) * np.sqrt(1.0 + 1.0 / COURSES)
    assert ways["level, normal"]["p99"]["promised_mw"] == pytest.approx(100.0 - beyond, abs=4.0)
    # Of the change alone; its floor makes widths alike, so that the correction brings it to the normal tail.
    assert ways["change"]["p99"]["promised_mw"] == pytest.approx(100.0 - 2.33 * 5.0, abs=3.0)
    alike = measure(Offers.of(replays(0.0, 30.0)))["ways"]
    assert alike["change"]["p99"]["promised_mw"] == pytest.approx(alike["level, normal"]["p99"]["promised_mw"], abs=4.0)
