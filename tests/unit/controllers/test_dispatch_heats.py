"""Heats that are told to start now, and the room that dispatch keeps for them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.dispatch.guidance import HeatOrder
from controllers.dispatch.heats import starting_mw
from controllers.dispatch.snapshot import Reported
from tests.world_builders import FURNACES, START

QUARTER = timedelta(minutes=15)


def said(**furnaces: float) -> Reported:
    """Both furnaces idle and free, but for what is said, as in `free_0=600`."""
    state = {f"furnace.{i}.{name}": 0.0 for i in range(2) for name in ("in_heat_s", "free_in_s")}
    state |= {f"furnace.{key[-1]}.{key[:-2]}": seconds for key, seconds in furnaces.items()}
    return Reported(START, 5.0, None, state, online=True)


@pytest.mark.parametrize(("count", "heats"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_a_heat_that_is_due_now_draws_its_melting_power_if_a_furnace_is_free(count: int, heats: int) -> None:
    assert starting_mw(FURNACES, said(), HeatOrder(((START, count),)), START) == heats * FURNACES.melting_mw


def test_a_heat_of_a_later_interval_draws_nothing_yet() -> None:
    assert starting_mw(FURNACES, said(), HeatOrder(((START + QUARTER, 1),)), START) == 0.0


def test_a_furnace_that_is_not_free_cannot_start() -> None:
    busy = said(free_in_s_0=600.0, in_heat_s_0=3000.0, free_in_s_1=900.0, in_heat_s_1=2000.0)
    assert starting_mw(FURNACES, busy, HeatOrder(((START, 1),)), START) == 0.0


def test_a_heat_that_has_begun_is_measured_and_not_counted_again() -> None:
    later = START + timedelta(minutes=5)
    begun = said(free_in_s_0=3000.0, in_heat_s_0=300.0)
    assert starting_mw(FURNACES, begun, HeatOrder(((START, 1),)), later) == 0.0
    assert starting_mw(FURNACES, begun, HeatOrder(((START, 2),)), later) == FURNACES.melting_mw
