"""What must not be learnt as available power: found, counted and left out, never repaired in silence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from forecasting.features import ONE_HOUR, STEPS_PER_DAY, newest_run, solar_yield_frac, speed100_m_s
from forecasting.history import STEP, STEP_US, PowerHistory
from forecasting.known import FarmSite, WeatherRuns
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["Cleaned", "clean_power", "clock_shift_h", "find_cut_off", "find_standstills", "find_stuck"]

GOOD_WIND_M_S: Final = 8.0
STANDSTILL: Final = timedelta(hours=6)
#: Equal readings in a row, in steps: near zero a farm's resolution repeats itself for hours by nature.
STUCK_STEPS: Final = timedelta(hours=6) // STEP
STUCK_STEPS_NEAR_ZERO: Final = timedelta(hours=18) // STEP
NEAR_ZERO_FRAC: Final = 0.01
#: At its rating a farm may well stand still.
RATED_FRAC: Final = 0.97
#: A farm cannot give more than this share of its capacity, nor draw more.
POSSIBLE_FRAC: Final = (-0.05, 1.2)
#: A load that draws nothing in more than this share of the time rests by itself.
RESTS_FRAC: Final = 0.05
#: Days that show where the sun's noon lies in the newest readings, and before them.
NEW_DAYS: Final = 3
OLD_DAYS: Final = 7
#: A clock that is off by an hour, not a morning fog.
SHIFTED_H: Final = 0.7
FIRST_LIGHT_FRAC: Final = 0.01
#: A record with holes at the ends of the day tells no noon.
LEAST_LIGHT_FRAC: Final = 0.6


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A farm's metered past with what is no available power left out, and how much of it there was.

    Args:
        history: With NaN where nothing can be learnt.
        stuck: Steps at which the meter stood still.
        standing: Steps of zero power in good wind, or of a load that was cut off.
        impossible: Steps beyond what the farm can give.
        stuck_now: The newest reading is one of the stuck ones.
        shift_h: By how much the newest days' noon is off the earlier days', zero where it cannot be told. [h]
    """

    history: PowerHistory
    stuck: int
    standing: int
    impossible: int
    stuck_now: bool
    shift_h: float

    def facts(self) -> tuple[str, ...]:
        """One line for each thing found."""
        found = (
            (self.stuck, "meter stood still at one reading"),
            (self.standing, "zero power in good wind, or a load cut off"),
            (self.impossible, "outside what the farm can give"),
        )
        lines = [f"{count} steps of power left out: {why}" for count, why in found if count]
        if abs(self.shift_h) >= SHIFTED_H:
            lines.append(f"the newest days' noon is {self.shift_h:+.1f} h off: its clock was changed")
        return tuple(lines)

    @property
    def shifted(self) -> bool:
        """Whether the meter's clock seems to have been changed by an hour or more."""
        return abs(self.shift_h) >= SHIFTED_H


def clean_power(site: FarmSite, history: PowerHistory, runs: WeatherRuns) -> Cleaned:
    """Marks taken off a farm's history.

    Args:
        site: The farm.
        history: As metered.
        runs: The runs of its place.
    """
    value = history.value
    impossible = (value < POSSIBLE_FRAC[0]) | (value > POSSIBLE_FRAC[1])
    stuck = find_stuck(value)
    stood = np.zeros(value.shape, dtype=np.bool_)
    if site.kind == "wind":
        stood = find_standstills(history, runs)
    elif site.kind == "load":
        stood = find_cut_off(value)
    kept = np.where(impossible | stuck | stood, np.nan, np.clip(value, 0.0, 1.0))
    cleaned = PowerHistory(history.start, history.received_at, kept)
    shift_h = clock_shift_h(cleaned, site) if site.kind == "solar" else 0.0
    return Cleaned(cleaned, int(stuck.sum()), int(stood.sum()), int(impossible.sum()), bool(stuck.size and stuck[-1]), shift_h)


def find_stuck(value: FloatArray) -> BoolArray:
    """True where a reading other than zero and the rating stood still for hours, shape (T,)."""
    if value.size == 0:
        return np.zeros(0, dtype=np.bool_)
    starts, lengths = _runs(value)
    first = value[starts]
    needed = np.where(first > NEAR_ZERO_FRAC, STUCK_STEPS, STUCK_STEPS_NEAR_ZERO)
    stuck = (first > 0) & (first < RATED_FRAC) & (lengths >= needed)
    return np.repeat(stuck, lengths)


def find_standstills(history: PowerHistory, runs: WeatherRuns) -> BoolArray:
    """True where zero power went on while six hours or more of good wind were forecast, shape (T,).

    Args:
        history: Metered power.
        runs: The runs of the same place; the newest run of each quarter hour tells its wind.
    """
    zero: BoolArray = np.asarray(history.value == 0.0, dtype=np.bool_)
    if not zero.any():
        return zero
    speed = speed100_m_s(runs, newest_run(runs, history.measured_at), history.measured_at + STEP_US // 2)
    starts = np.concatenate(([0], np.flatnonzero(zero[1:] != zero[:-1]) + 1))
    windy = np.add.reduceat((speed > GOOD_WIND_M_S).astype(np.int64), starts)
    stood = np.repeat(windy >= STANDSTILL // STEP, np.diff(np.append(starts, zero.size)))
    return np.asarray(stood & zero, dtype=np.bool_)


def find_cut_off(value: FloatArray) -> BoolArray:
    """True where a load that never rests drew nothing, shape (T,): a breaker was open, nobody had less to do."""
    nothing = np.asarray(value <= 0.0, dtype=np.bool_)
    if nothing.any() and float(np.nanquantile(value, RESTS_FRAC)) <= NEAR_ZERO_FRAC:
        return np.zeros(value.shape, dtype=np.bool_)
    return nothing


def clock_shift_h(history: PowerHistory, site: FarmSite) -> float:
    """By how many hours the newest days lie later than the days before; zero if unknown.

    The middle between the first and the last light of some days is the sun's noon, whatever the clouds did between them.
    """
    days = NEW_DAYS + OLD_DAYS
    if history.value.size < days * STEPS_PER_DAY:
        return 0.0
    recent = history.value[-days * STEPS_PER_DAY :].reshape(days, STEPS_PER_DAY)
    middle = history.measured_at[-STEPS_PER_DAY:] + STEP_US // 2
    sky = solar_yield_frac(middle, site)
    if not sky.any():
        return 0.0
    # Hours from the sky's own middle, around the clock, so that midnight in UTC may fall into the day.
    noon = int(np.argmax(sky))
    from_noon_h = (np.arange(STEPS_PER_DAY) - noon + STEPS_PER_DAY // 2) % STEPS_PER_DAY - STEPS_PER_DAY // 2
    noons: list[float] = []
    for part in (recent[:OLD_DAYS], recent[OLD_DAYS:]):
        light = from_noon_h[np.max(np.nan_to_num(part), axis=0) > FIRST_LIGHT_FRAC]
        if light.size < LEAST_LIGHT_FRAC * np.count_nonzero(sky):
            return 0.0
        noons.append((light.min() + light.max()) / 2.0)
    return float((noons[1] - noons[0]) * (STEP_US / ONE_HOUR))


def _runs(value: FloatArray) -> tuple[IntArray, IntArray]:
    """First index and length of each row of equal values; a NaN is a row of its own."""
    starts = np.concatenate(([0], np.flatnonzero(value[1:] != value[:-1]) + 1)).astype(np.int64)
    return starts, np.diff(np.append(starts, value.size)).astype(np.int64)
