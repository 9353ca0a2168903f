"""The meters of inflexible loads as a forecaster sees them: what they read before the run, and in it as far as it has come.

Both are made a second time from the world's own plants, as the oracle's future is: nothing of the running world is touched, and
it may run in another process. In the run the plants have its luck and its steps, so that the meters agree with it to the last
digit; only after a call that a breaker refused do the whims of a feeder's customers go another way. The time before has the luck
of a seed of its own, the same for every run of a park that begins on that day, so that models trained on it serve all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.known import KnownDoor, WeatherRuns
from forecasting.load_sites import LOAD_KINDS, references_mw
from sim_harness.plants.base import Ambient, Plant
from sim_harness.scenario import Scenario
from sim_harness.site import plant_of
from sim_harness.weather.base import STEP
from vpp.ids import AssetId
from vpp.park import Park
from vpp.series import Series, StampArray, to_stamp
from vpp.units import FloatArray

__all__ = ["LoadDoor", "metered_mw"]

#: Sixteen weeks before a run: the profile's six, and the rest to learn what it misses.
PAST: Final = timedelta(weeks=16)
PAST_SEED: Final = 20_260_101
STEP_US: Final = np.timedelta64(STEP).astype("timedelta64[us]")


def metered_mw(park: Park, scenario: Scenario, n: int, seed: int, start: datetime) -> dict[AssetId, FloatArray]:
    """What each load draws in `n` quarter hours from an instant, each looked at once, shape (n,). [MW].

    Args:
        park: Whose base loads and feeders.
        scenario: Gives what else a plant is made from.
        n: How many.
        seed: Of the loads' whims.
        start: Of the first quarter hour (UTC).
    """
    world = replace(scenario, seed=seed, start=start)
    plants = _plants(park, world)
    found = np.empty((len(plants), n))
    dt_s = STEP.total_seconds()
    for t in range(n):
        ambient = Ambient(start + t * STEP, dt_s, 0.0)
        found[:, t] = [plant.intend(ambient).power_mw for plant in plants]
    return {plant.asset_id: found[row] for row, plant in enumerate(plants)}


@dataclass(slots=True)
class LoadDoor:
    """A `forecasting.known.KnownDoor` that knows loads, in front of one that knows farms.

    Args:
        farms: The door behind.
        park: Whose loads.
        scenario: The run.
        step_s: Of the run's world. [s]
    """

    farms: KnownDoor
    park: Park
    scenario: Scenario
    step_s: float
    _plants: tuple[Plant, ...] = field(init=False)
    _row: dict[AssetId, int] = field(init=False)
    _reference_mw: FloatArray = field(init=False)
    _past_steps: int = field(init=False)
    _value: FloatArray = field(init=False)
    _at: StampArray = field(init=False)
    _known: int = field(init=False)

    def __post_init__(self) -> None:
        start = self.scenario.start
        self._plants = _plants(self.park, self.scenario)
        self._row = {plant.asset_id: row for row, plant in enumerate(self._plants)}
        of_load = references_mw(self.park)
        self._reference_mw = np.array([of_load[plant.asset_id] for plant in self._plants])
        self._past_steps = self._known = PAST // STEP
        past_mw = metered_mw(self.park, self.scenario, self._past_steps, PAST_SEED, start - PAST)
        run_steps = -(-(self.scenario.end - start) // STEP)
        self._value = np.full((len(self._plants), self._past_steps + run_steps), np.nan)
        for load, row in self._row.items():
            self._value[row, : self._past_steps] = past_mw[load] / self._reference_mw[row]
        self._at = to_stamp(start - PAST) + np.arange(self._value.shape[1]) * STEP_US

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """Of a load what its users asked for in the quarter hours that are over; else as the door behind."""
        row = self._row.get(farm_id)
        if row is None:
            return self.farms.power(farm_id, known_at=known_at, start=start, end=end)
        self._live(known_at)
        over = int((to_stamp(known_at) - self._at[0]) // STEP_US)
        first, last = np.searchsorted(self._at, (to_stamp(start), to_stamp(end)))
        part = slice(int(first), max(int(first), min(int(last), over, self._known)))
        return Series("load_frac", self._at[part], self._at[part] + STEP_US, self._value[row, part])

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """As the door behind; the world's loads do not feel the weather, and none is told for them."""
        return WeatherRuns.none() if farm_id in self._row else self.farms.weather_runs(farm_id, known_at=known_at)

    def _live(self, known_at: datetime) -> None:
        """Lets the quarter hours pass that are over by an instant, step by step as the world does."""
        per_quarter, step = round(STEP.total_seconds() / self.step_s), timedelta(seconds=self.step_s)
        over = min(int((to_stamp(known_at) - self._at[0]) // STEP_US), self._value.shape[1])
        at = self.scenario.start + (self._known - self._past_steps) * STEP
        for t in range(self._known, over):
            total = np.zeros(len(self._plants))
            for k in range(per_quarter):
                ambient = Ambient(at + k * step, self.step_s, 0.0)
                total += [plant.intend(ambient).power_mw for plant in self._plants]
            self._value[:, t] = total / per_quarter / self._reference_mw
            at += STEP
        self._known = max(self._known, over)


def _plants(park: Park, scenario: Scenario) -> tuple[Plant, ...]:
    return tuple(plant_of(park, scenario, asset, None) for kind in LOAD_KINDS for asset in park.assets_of(kind))
