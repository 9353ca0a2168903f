"""The best course of one machine that runs in one of two directions, when energy has a price in every interval.

A relaxed plan lets such a machine run half in each direction, which says nothing about when a whole one should turn round.
Against the relaxation's own prices its best course is found over a grid of levels, in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp.units import FloatArray, IntArray

__all__ = ["IN", "OUT", "REST", "TwoWay", "best_course"]

#: Levels of the store that are told apart.
LEVELS: Final = 81
REST, IN, OUT = range(3)


@dataclass(frozen=True, slots=True)
class TwoWay:
    """A store whose machine charges, discharges or rests.

    Args:
        power_mw: Most in either direction.
        least_mw: Least while it runs.
        one_way_frac: Efficiency of one direction.
        run_frac: Part of each interval that a start leaves, shape (T,).
        start_cost_cny: Of each start.
        wear_cny_per_mwh: On what is discharged.
        room_mwh: Least and most that is stored.
        stored_mwh: Stored now.
        mode: `REST`, `IN` or `OUT` now.
        end_cny: Worth of equal parts of the room at the end, the lowest first. [CNY/MWh]
    """

    power_mw: float
    least_mw: float
    one_way_frac: float
    run_frac: FloatArray
    start_cost_cny: float
    wear_cny_per_mwh: float
    room_mwh: tuple[float, float]
    stored_mwh: float
    mode: int
    end_cny: tuple[float, ...]


def best_course(machine: TwoWay, price_cny_per_mwh: FloatArray, step_h: FloatArray) -> IntArray:
    """Direction in every interval, shape (T,); its powers are left to the plan.

    Args:
        machine: See `TwoWay`.
        price_cny_per_mwh: What a MWh is worth where it stands, shape (T,).
        step_h: Length of each interval, shape (T,).
    """
    low, high = machine.room_mwh
    n, width = step_h.size, (high - low) / (LEVELS - 1)
    if width <= 0.0:
        return np.zeros(n, dtype=np.int64)
    later = np.tile(-_end_worth(machine, width), (3, 1))
    # From the last interval back: the mode to go to and by how many levels, from each mode and level.
    modes, moves = np.zeros((2, n, 3, LEVELS), dtype=np.int64)
    for t in range(n - 1, -1, -1):
        price, whole = float(price_cny_per_mwh[t]), float(step_h[t])
        ways = {REST: (later[REST], np.zeros(LEVELS, dtype=np.int64))}
        begun = {REST: ways[REST]}
        for mode in (IN, OUT):
            ways[mode] = _best(_moves(machine, mode, price, (whole, 1.0), width), later[mode])
            cost, by = _best(_moves(machine, mode, price, (whole, float(machine.run_frac[t])), width), later[mode])
            begun[mode] = cost + machine.start_cost_cny, by
        cost = np.empty((3, LEVELS))
        for before in (REST, IN, OUT):
            costs, steps = (
                np.array(part) for part in zip(*(ways[m] if m == before else begun[m] for m in range(3)), strict=True)
            )
            modes[t, before] = costs.argmin(axis=0)
            moves[t, before] = steps[modes[t, before], np.arange(LEVELS)]
            cost[before] = costs.min(axis=0)
        later = cost
    return _followed(machine, modes, moves, round((np.clip(machine.stored_mwh, low, high) - low) / width))


def _followed(machine: TwoWay, modes: IntArray, moves: IntArray, level: int) -> IntArray:
    found = np.zeros(modes.shape[0], dtype=np.int64)
    mode = machine.mode
    for t in range(found.size):
        chosen = int(modes[t, mode, level])
        level += int(moves[t, mode, level])
        found[t] = mode = chosen
    return found


def _end_worth(machine: TwoWay, width: float) -> FloatArray:
    """Of each level at the end."""
    part_mwh = width * (LEVELS - 1) / len(machine.end_cny)
    stored = width * np.arange(LEVELS)[:, np.newaxis]
    parts = np.clip(stored - part_mwh * np.arange(len(machine.end_cny)), 0.0, part_mwh)
    worth: FloatArray = parts @ np.array(machine.end_cny)
    return worth


def _moves(
    machine: TwoWay, mode: int, price_cny_per_mwh: float, step: tuple[float, float], width: float
) -> tuple[IntArray, FloatArray]:
    """By how many levels an interval in one direction may move, and what each costs; the interval's hours and the part run."""
    step_h, run_frac = step
    per_mw = machine.one_way_frac * step_h if mode == IN else step_h / machine.one_way_frac
    least_mw, most_mw = run_frac * machine.least_mw, run_frac * machine.power_mw
    # One level at least: the grid has nothing between.
    levels = np.arange(max(1, round(least_mw * per_mw / width)), max(1, int(most_mw * per_mw / width + 1e-9)) + 1)
    mwh = np.clip(levels * width / per_mw, least_mw, most_mw) * step_h
    if mode == IN:
        return levels, price_cny_per_mwh * mwh
    return -levels, (machine.wear_cny_per_mwh - price_cny_per_mwh) * mwh


def _best(moves: tuple[IntArray, FloatArray], later: FloatArray) -> tuple[FloatArray, IntArray]:
    """Cost to the end from every level, and the move taken, shape (LEVELS,) each."""
    steps, costs = moves
    target = np.arange(LEVELS) + steps[:, np.newaxis]
    inside = (target >= 0) & (target < LEVELS)
    cost = np.where(inside, later[np.clip(target, 0, LEVELS - 1)] + costs[:, np.newaxis], np.inf)
    best = cost.argmin(axis=0)
    return cost[best, np.arange(LEVELS)], steps[best]
