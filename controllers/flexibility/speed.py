"""How fast an offer is there: what machines reach by themselves in seconds and minutes from their present states. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpp.assets import ASSET_KINDS, state_from_facts
from vpp.errors import AssetError
from vpp.ids import AssetId
from vpp.park import Park
from vpp.units import FloatArray, s_to_h

__all__ = ["Speed", "speed_of"]

#: When it is looked.
_AT_S: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
_MINUTE: Final = _AT_S.index(60.0)
#: A response is there at this share of it.
_THERE_FRAC: Final = 0.9
#: From a call to the last device: one round of dispatch and its acknowledgement. [s]
_ROUND_S: Final = 1.0
_LEAST_MW: Final = 0.05
#: What is planned as batches: less of it is a batch that begins later.
_NOT_BEGUN: Final = ("arc_furnace",)


@dataclass(frozen=True, slots=True)
class Speed:
    """How a response grows.

    Args:
        response_s: Until 90 % of it; None where a quarter of an hour is not enough. [s]
        ramp_mw_per_min: What the first minute brings. [MW/min]
    """

    response_s: float | None
    ramp_mw_per_min: float


def speed_of(
    park: Park,
    states: Mapping[AssetId, Mapping[str, float]],
    ids: Sequence[AssetId],
    before_mw: FloatArray,
    change_mw: FloatArray,
) -> Speed:
    """The speed of a change that assets make together, from the powers that they would else have.

    Args:
        park: Their plates.
        states: Their present states.
        ids: Which assets.
        before_mw: Power without the change, shape (A,). [MW]
        change_mw: What each is to add to it, shape (A,). [MW]
    """
    wanted = float(change_mw.sum())
    if abs(wanted) < _LEAST_MW:
        return Speed(0.0, 0.0)
    reached = np.zeros(len(_AT_S))
    for asset_id, before, mw in zip(ids, before_mw.tolist(), change_mw.tolist(), strict=True):
        if abs(mw) >= _LEAST_MW:
            told = {**states.get(asset_id, {}), "power_mw": before}
            reached += _reached_mw(park, told, asset_id, mw)
    share = reached / wanted
    there = np.flatnonzero(share >= _THERE_FRAC)
    response_s = _AT_S[int(there[0])] + _ROUND_S if there.size else None
    return Speed(response_s, abs(float(reached[_MINUTE])))


def _reached_mw(park: Park, told: Mapping[str, float], asset_id: AssetId, change_mw: float) -> FloatArray:
    """How much of a change one asset makes within each of the times, shape (times,)."""
    asset = park.asset(asset_id)
    kind = ASSET_KINDS[asset.kind]
    plate = kind.plate([asset.plate])
    present = told["power_mw"]
    if asset.kind in _NOT_BEGUN and change_mw < 0.0:
        # A batch that is not begun draws nothing from its first second on; one that runs is not in what can change.
        return np.full(len(_AT_S), change_mw)
    facts: Mapping[str, Any] = {"demand_mw": present, **told}
    found = np.zeros(len(_AT_S))
    try:
        state = state_from_facts(type(kind.initial(plate)), [facts], kind.initial(plate))
        for k, at_s in enumerate(_AT_S):
            band = kind.feasible(plate, state, s_to_h(at_s))
            target = min(max(present + change_mw, float(band.low_mw[0])), float(band.high_mw[0]))
            found[k] = target - present
    except AssetError:
        # A state that cannot be is no power that can be counted on.
        return np.zeros(len(_AT_S))
    low, high = min(0.0, change_mw), max(0.0, change_mw)
    reached: FloatArray = np.clip(found, low, high)
    return reached
