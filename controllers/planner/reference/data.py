"""Park-96 as data: sizes, prices, profiles and the state a horizon starts from."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from vpp.errors import PlanError
from vpp.units import FloatArray

__all__ = ["HORIZONS", "STEPS_PER_DAY", "STEP_H", "Job", "Park96", "Profiles", "Start", "Store", "read_profiles"]

STEP_H: Final = 0.25
STEPS_PER_DAY: Final = 96
#: Horizons with a published optimum, in steps.
HORIZONS: Final = (96, 288, 672)
_COLUMNS: Final = ("wind_mw", "pv_mw", "buy_cny_mwh", "sell_cny_mwh")


@dataclass(frozen=True, slots=True)
class Store:
    """A battery or compressed-air store."""

    power_mw: float
    energy_mwh: float
    round_trip_frac: float
    wear_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Job:
    """A daily job class: energy, the hours of its day between which it runs, most power."""

    energy_mwh: float
    release_h: float
    deadline_h: float
    max_mw: float


STORES: Final = (
    Store(30.0, 120.0, 0.92, 20.0),
    Store(16.5, 66.0, 0.92, 20.0),
    Store(83.0, 332.0, 0.92, 20.0),
    Store(170.0, 680.0, 0.92, 20.0),
    Store(100.0, 400.0, 0.65, 35.0),
)
JOBS: Final = (
    Job(240.0, 0.0, 24.0, 40.0),
    Job(180.0, 2.0, 10.0, 45.0),
    Job(320.0, 0.0, 24.0, 60.0),
    Job(150.0, 8.0, 18.0, 35.0),
    Job(90.0, 12.0, 23.0, 25.0),
    Job(220.0, 6.0, 20.0, 50.0),
)


@dataclass(frozen=True, slots=True)
class Profiles:
    """What comes from outside, each shape (steps,): available wind and sun [MW], prices of energy bought and sold [CNY/MWh]."""

    wind_mw: FloatArray
    pv_mw: FloatArray
    buy_cny_per_mwh: FloatArray
    sell_cny_per_mwh: FloatArray

    def between(self, first: int, steps: int) -> Profiles:
        """The part of `steps` steps from `first` on.

        Raises:
            PlanError: The profiles end before.
        """
        if first + steps > self.wind_mw.size:
            raise PlanError(f"park-96: the profiles have {self.wind_mw.size} steps, {first + steps} are asked for")
        cut = slice(first, first + steps)
        return Profiles(self.wind_mw[cut], self.pv_mw[cut], self.buy_cny_per_mwh[cut], self.sell_cny_per_mwh[cut])


@dataclass(frozen=True, slots=True)
class Park96:
    """The park: `groups` electrolyser groups of `modules` identical modules each, furnaces in groups likewise.

    Args:
        groups: 1 for the aggregated form, the number of modules for the module form.
        modules: Modules in each group.
        furnace_groups: 1 of two furnaces, or 2 of one.
    """

    groups: int
    modules: int
    furnace_groups: int
    electrolysis_mw: float = 400.0
    furnaces: int = 2

    @classmethod
    def counted(cls, stacks: int) -> Park96:
        """Identical machines as counts."""
        return cls(groups=1, modules=stacks, furnace_groups=1)

    @classmethod
    def listed(cls, stacks: int) -> Park96:
        """Every machine by itself."""
        return cls(groups=stacks, modules=1, furnace_groups=2)

    @property
    def module_mw(self) -> float:
        """Rating of one module."""
        return self.electrolysis_mw / (self.groups * self.modules)

    @property
    def furnaces_per_group(self) -> int:
        """Furnaces in each furnace group."""
        return self.furnaces // self.furnace_groups


@dataclass(frozen=True, slots=True)
class Start:
    """The state before step 0. Cumulative quantities count from midnight before it.

    Args:
        step: Steps since the first midnight of the profiles.
        on, standby, started: Modules by group, shape (groups,); `started` in the last step.
        above_mw: Power above minimum in three segments, shape (3, groups).
        stored_mwh: By store, shape (5,).
        tank_kg: Hydrogen.
        ammonia_t_per_h: The loop's last rate.
        recent_heats: Starts of the last three steps, the latest first, shape (3, furnace groups).
        made_t: Ammonia made since the first midnight.
        heats: Heats started since then, shape (furnace groups,).
        done_mwh: Job energy served since then, shape (6,).
    """

    step: int
    on: FloatArray
    standby: FloatArray
    started: FloatArray
    above_mw: FloatArray
    stored_mwh: FloatArray
    tank_kg: float = 8000.0
    ammonia_t_per_h: float = 19.2
    recent_heats: FloatArray = field(default_factory=lambda: np.zeros((3, 1)))
    made_t: float = 0.0
    heats: FloatArray = field(default_factory=lambda: np.zeros(1))
    done_mwh: FloatArray = field(default_factory=lambda: np.zeros(len(JOBS)))

    @classmethod
    def of(cls, park: Park96) -> Start:
        """Half of the modules on at half load, stores half full, nothing done yet."""
        half = park.groups * park.modules // 2
        on = np.clip(half - park.modules * np.arange(park.groups, dtype=float), 0.0, float(park.modules))
        above = np.zeros((3, park.groups))
        above[0] = 0.25 * park.module_mw * on
        return cls(
            step=0,
            on=on,
            standby=np.zeros(park.groups),
            started=np.zeros(park.groups),
            above_mw=above,
            stored_mwh=np.array([store.energy_mwh / 2.0 for store in STORES]),
            recent_heats=np.zeros((3, park.furnace_groups)),
            heats=np.zeros(park.furnace_groups),
        )


def read_profiles(path: Path) -> Profiles:
    """The profiles of a CSV file with one row a quarter of an hour.

    Raises:
        PlanError: No file, a column that is missing, or a value that is no number.
    """
    if not path.is_file():
        raise PlanError(f"{path}: no such file; give the folder of park96_profiles.csv with --data")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise PlanError(f"{path}: column {missing[0]} is missing; needed are {', '.join(_COLUMNS)}")
    try:
        table = np.array([[float(row[name]) for name in _COLUMNS] for row in rows])
    except (TypeError, ValueError) as error:
        raise PlanError(f"{path}: a value is no number: {error}") from error
    return Profiles(*table.T)
