from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import ammonia_loop
from vpp.assets.ammonia_loop import AMMONIA_LOOP, AmmoniaLoopState

FULL_KG_PER_H = 45.0 * 178.0


@settings(max_examples=60, deadline=None)
@given(
    buffer_kg=st.floats(0.0, 120_000.0),
    load=st.floats(0.3, 1.0),
    intake=st.floats(0.3, 1.2),
    shares=st.lists(st.floats(0.0, 1.0), min_size=40, max_size=40),
)
def test_a_loop_whose_intake_carries_its_minimum_never_breaks_its_ramp_or_trips(
    buffer_kg: float, load: float, intake: float, shares: list[float]
) -> None:
    plate = AMMONIA_LOOP.plate([ammonia_loop()])
    # A state that the loop's own rules lead to: what is above the intake can be ramped down out of the buffer.
    load = min(load, max(0.3, intake) + np.sqrt(2 * 0.2 * buffer_kg / FULL_KG_PER_H))
    state = AmmoniaLoopState(np.array([buffer_kg]), np.array([load]), np.array([intake * FULL_KG_PER_H]))
    for share in shares:
        band = AMMONIA_LOOP.feasible(plate, state, 0.25)
        after = AMMONIA_LOOP.step(plate, state, band.low_mw + share * (band.high_mw - band.low_mw), 0.25)
        assert abs(after.load_frac[0] - state.load_frac[0]) <= 0.05 + 1e-9
        assert after.load_frac[0] >= 0.3 - 1e-9
        assert after.buffer_kg[0] >= 0.0
        state = after


@settings(max_examples=100, deadline=None)
@given(buffer_kg=st.floats(0.0, 120_000.0), load=st.floats(0.3, 1.0), intake=st.floats(0.0, 1.5), share=st.floats(0.0, 1.0))
def test_the_hydrogen_balance_closes(buffer_kg: float, load: float, intake: float, share: float) -> None:
    plate = AMMONIA_LOOP.plate([ammonia_loop()])
    state = AmmoniaLoopState(np.array([buffer_kg]), np.array([load]), np.array([intake * FULL_KG_PER_H]))
    band = AMMONIA_LOOP.feasible(plate, state, 0.25)
    power_mw = band.low_mw + share * (band.high_mw - band.low_mw)
    balance = AMMONIA_LOOP.hydrogen(plate, state, power_mw, 0.25)
    open_kg = balance.taken_kg - balance.stored_kg - balance.used_kg - balance.vented_kg
    assert abs(open_kg[0]) <= 1e-9 * 120_000.0
