"""What every asset kind must keep; runs by itself over `ASSET_KINDS`, and over a toy kind that is registered from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import COMMANDS, EXAMPLE_PLATES, random_state
from vpp.assets import ASSET_KINDS, AssetKind, EnergyAccount, EnergyReach, PowerBand, StateBounds, columns, register, unregister
from vpp.assets.base import accepted
from vpp.errors import AssetError
from vpp.units import FloatArray

STEPS_H = (1 / 3600, 1 / 60, 0.25, 1.0)
SEEDS = st.integers(0, 2**32 - 1)
Check = Callable[[AssetKind[Any, Any], Any, Any, np.random.Generator], None]


def _draw(kind: AssetKind[Any, Any], seed: int) -> tuple[Any, Any, np.random.Generator]:
    """Twelve machines of the kind, in any state."""
    rng = np.random.default_rng(seed)
    examples = EXAMPLE_PLATES[kind.name]
    plate = kind.plate([examples[i % len(examples)] for i in range(12)])
    return plate, random_state(kind, plate, rng), rng


def _any_power(band: PowerBand, rng: np.random.Generator) -> FloatArray:
    """Somewhere in the band, often at its edges."""
    share = np.clip(rng.uniform(-0.5, 1.5, size=band.low_mw.shape), 0.0, 1.0)
    return band.clip(band.low_mw + share * (band.high_mw - band.low_mw))


def _walk(
    kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator
) -> Iterator[tuple[Any, FloatArray, float, Any]]:
    """Steps of any length at any accepted power, the kind's own commands in between."""
    for _ in range(12):
        if kind.name in COMMANDS:
            state = COMMANDS[kind.name](plate, state, rng)
        step_h = float(rng.choice([1 / 60, 1 / 30, 0.1, 0.25, 0.5, 1.0]))
        power_mw = _any_power(kind.feasible(plate, state, step_h), rng)
        after = kind.step(plate, state, power_mw, step_h)
        yield state, power_mw, step_h, after
        state = after


def the_band_is_a_band(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    for step_h in STEPS_H:
        band = kind.feasible(plate, state, step_h)
        assert np.all(np.isfinite(band.low_mw))
        assert np.all(np.isfinite(band.high_mw))
        assert np.all(band.low_mw <= band.high_mw)


def a_power_outside_is_refused(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    band = kind.feasible(plate, state, 0.25)
    for wrong_mw in (band.high_mw + 0.1, band.low_mw - 0.1, np.full_like(band.low_mw, np.nan)):
        with pytest.raises(AssetError):
            kind.step(plate, state, wrong_mw, 0.25)


def no_state_leaves_its_bounds(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    bounds = kind.bounds(plate)
    for _, _, _, after in _walk(kind, plate, state, rng):
        for f in fields(after):
            value, low, high = getattr(after, f.name), getattr(bounds.low, f.name), getattr(bounds.high, f.name)
            slack = 1e-9 * (1.0 + np.abs(np.where(np.isinf(high), 0.0, high)))
            assert np.all(value >= low - slack), f.name
            assert np.all(value <= high + slack), f.name


def the_energy_account_closes(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    for before, power_mw, step_h, _ in _walk(kind, plate, state, rng):
        account = kind.account(plate, before, power_mw, step_h)
        np.testing.assert_allclose(account.taken_mwh, power_mw * step_h, atol=1e-9)
        open_mwh = account.taken_mwh - account.stored_mwh - account.used_mwh - account.lost_mwh
        assert np.all(np.abs(open_mwh) <= 1e-9 * (1.0 + np.abs(account.taken_mwh)))


def nothing_is_mutated(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    kept_plate, kept_state = deepcopy(plate), deepcopy(state)
    power_mw = _any_power(kind.feasible(plate, state, 0.25), rng)
    kind.step(plate, state, power_mw, 0.25)
    kind.account(plate, state, power_mw, 0.25)
    kind.reach(plate, state, np.array([0.25, 4.0]))
    for kept, now in ((kept_plate, plate), (kept_state, state)):
        for f in fields(kept):
            np.testing.assert_array_equal(getattr(kept, f.name), getattr(now, f.name))


def a_quarter_hour_is_fifteen_minutes(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    """Wherever every minute accepts the power that the quarter hour accepts."""
    if not kind.splits_exactly:
        return
    quarter, minute = kind.feasible(plate, state, 0.25), kind.feasible(plate, state, 1 / 60)
    power_mw = quarter.clip(minute.clip(_any_power(quarter, rng)))
    short, accepting = state, np.ones(power_mw.shape, dtype=bool)
    for _ in range(15):
        band = kind.feasible(plate, short, 1 / 60)
        slack = 1e-9 * (1.0 + np.abs(power_mw))
        accepting &= (power_mw >= band.low_mw - slack) & (power_mw <= band.high_mw + slack)
        short = kind.step(plate, short, band.clip(power_mw), 1 / 60)
    long = kind.step(plate, state, power_mw, 0.25)
    for f in fields(long):
        expected, found = getattr(long, f.name)[accepting], getattr(short, f.name)[accepting]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=f.name)


def the_safe_power_is_reached(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    reached = np.zeros(kind.safe_power_mw(plate, state).shape, dtype=bool)
    for _ in range(600):
        safe_mw = kind.safe_power_mw(plate, state)
        power_mw = kind.feasible(plate, state, 1 / 60).clip(safe_mw)
        reached |= np.abs(power_mw - safe_mw) <= 1e-6 * (1.0 + np.abs(safe_mw))
        if np.all(reached):
            return
        state = kind.step(plate, state, power_mw, 1 / 60)
    assert np.all(reached)


def the_reach_holds_every_schedule(kind: AssetKind[Any, Any], plate: Any, state: Any, rng: np.random.Generator) -> None:
    start, energy_mwh, now_h = state, 0.0, 0.0
    for _, power_mw, step_h, _ in _walk(kind, plate, state, rng):
        energy_mwh, now_h = energy_mwh + power_mw * step_h, now_h + step_h
        reach = kind.reach(plate, start, np.array([now_h]))
        assert reach.low_mwh.shape == reach.high_mwh.shape == (power_mw.shape[0], 1)
        slack = 1e-7 * (1.0 + np.abs(energy_mwh))
        assert np.all(energy_mwh >= reach.low_mwh[:, 0] - slack)
        assert np.all(energy_mwh <= reach.high_mwh[:, 0] + slack)


CONTRACT: tuple[Check, ...] = (
    the_band_is_a_band,
    a_power_outside_is_refused,
    no_state_leaves_its_bounds,
    the_energy_account_closes,
    nothing_is_mutated,
    a_quarter_hour_is_fifteen_minutes,
    the_safe_power_is_reached,
    the_reach_holds_every_schedule,
)


@pytest.mark.parametrize("name", sorted(ASSET_KINDS))
@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_every_kind_keeps_the_contract(check: Check, name: str, seed: int) -> None:
    kind = ASSET_KINDS[name]
    check(kind, *_draw(kind, seed))


@pytest.mark.parametrize("name", sorted(ASSET_KINDS))
def test_the_initial_state_is_inside_its_bounds(name: str) -> None:
    kind = ASSET_KINDS[name]
    plate = kind.plate(EXAMPLE_PLATES[name])
    state, bounds = kind.initial(plate), kind.bounds(plate)
    for f in fields(state):
        assert np.all(getattr(state, f.name) >= getattr(bounds.low, f.name))
        assert np.all(getattr(state, f.name) <= getattr(bounds.high, f.name))


@dataclass(frozen=True)
class HeaterPlate:
    power_mw: float
    tank_mwh: float


@dataclass(frozen=True)
class HeaterColumns:
    power_mw: FloatArray
    tank_mwh: FloatArray


@dataclass(frozen=True)
class HeaterState:
    heat_mwh: FloatArray


@dataclass(frozen=True)
class Heater:
    """A kind from outside: electric heat into a tank that only fills."""

    name: str = "toy_heater"
    splits_exactly: bool = True

    def plate(self, plates: Sequence[HeaterPlate]) -> HeaterColumns:
        return columns(HeaterColumns, plates)

    def initial(self, plate: HeaterColumns) -> HeaterState:
        return HeaterState(plate.tank_mwh / 2)

    def bounds(self, plate: HeaterColumns) -> StateBounds[HeaterState]:
        return StateBounds(HeaterState(0 * plate.tank_mwh), HeaterState(plate.tank_mwh))

    def feasible(self, plate: HeaterColumns, state: HeaterState, step_h: float) -> PowerBand:
        room_mwh = np.maximum(0.0, plate.tank_mwh - state.heat_mwh)
        return PowerBand(0 * plate.power_mw, np.minimum(plate.power_mw, room_mwh / step_h))

    def step(self, plate: HeaterColumns, state: HeaterState, power_mw: FloatArray, step_h: float) -> HeaterState:
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        return replace(state, heat_mwh=state.heat_mwh + power_mw * step_h)

    def account(self, plate: HeaterColumns, before: HeaterState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        after = self.step(plate, before, power_mw, step_h)
        return EnergyAccount(power_mw * step_h, after.heat_mwh - before.heat_mwh, 0 * power_mw, 0 * power_mw)

    def safe_power_mw(self, plate: HeaterColumns, state: HeaterState) -> FloatArray:
        return 0 * plate.power_mw

    def reach(self, plate: HeaterColumns, state: HeaterState, horizons_h: FloatArray) -> EnergyReach:
        most = np.minimum(plate.power_mw[:, None] * horizons_h, (plate.tank_mwh - state.heat_mwh)[:, None])
        return EnergyReach(0 * most, most)


@pytest.fixture
def toy_kind() -> Iterator[str]:
    register(Heater())
    EXAMPLE_PLATES["toy_heater"] = [HeaterPlate(5.0, 20.0), HeaterPlate(1.0, 0.1)]
    yield "toy_heater"
    del EXAMPLE_PLATES["toy_heater"]
    unregister("toy_heater")


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("seed", range(10))
def test_a_kind_registered_from_outside_keeps_the_contract(check: Check, seed: int, toy_kind: str) -> None:
    kind = ASSET_KINDS[toy_kind]
    check(kind, *_draw(kind, seed))


def test_a_kind_that_cheats_is_found_out() -> None:
    class Leaky(Heater):
        def step(self, plate: HeaterColumns, state: HeaterState, power_mw: FloatArray, step_h: float) -> HeaterState:
            return HeaterState(state.heat_mwh + 2 * power_mw * step_h)

    kind = Leaky()
    plate = kind.plate([HeaterPlate(5.0, 20.0)])
    with pytest.raises(AssertionError):
        the_energy_account_closes(kind, plate, HeaterState(np.array([0.0])), np.random.default_rng(1))


def test_a_name_is_registered_once(toy_kind: str) -> None:
    with pytest.raises(AssetError, match="toy_heater"):
        register(Heater())
