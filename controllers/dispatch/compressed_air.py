"""Compressed air in dispatch: minutes to start, so what does not turn yet is no help within the second.

A machine that runs moves between its least and its most in the direction it runs in. One that rests, starts, or is to change its
direction is counted with what it draws now, and told where to go.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dispatch.guidance import StoreGuidance
from controllers.dispatch.snapshot import Reported
from vpp.park.plates import CompressedAirPlate

__all__ = ["AirBand", "air_band"]

#: Within this of its least power a machine counts as running.
_RUNS_FROM_FRAC = 0.9


@dataclass(frozen=True, slots=True)
class AirBand:
    """Between what it can move now, and where it is told to go if it cannot.

    Args:
        low_mw: Least it can draw now. [MW]
        high_mw: Most it can draw now. [MW]
        told_mw: What it is told while it cannot move; None where dispatch moves it. [MW]
    """

    low_mw: float
    high_mw: float
    told_mw: float | None


def air_band(plate: CompressedAirPlate, said: Reported, store: StoreGuidance, hold_h: float) -> AirBand:
    """What a compressed-air store can do now.

    Args:
        plate: Its nameplate.
        said: Its last word.
        store: What it is wanted for; without a planned power it rests.
        hold_h: It may not bid energy it could not keep up for this long.
    """
    wanted_mw = store.planned_mw or 0.0
    least_mw, now_mw = plate.min_power_frac * plate.power_mw, said.power_mw
    if abs(wanted_mw) < _RUNS_FROM_FRAC * least_mw:
        return AirBand(now_mw, now_mw, 0.0)
    if now_mw * wanted_mw <= 0.0 or abs(now_mw) < _RUNS_FROM_FRAC * least_mw:
        return AirBand(now_mw, now_mw, wanted_mw)
    stored_mwh = said.state.get("soc_frac", plate.soc_min_frac) * plate.energy_mwh
    if wanted_mw > 0.0:
        room_mw = max(0.0, plate.soc_max_frac * plate.energy_mwh - stored_mwh) / hold_h
        most_mw = min(plate.power_mw, room_mw)
        return AirBand(min(least_mw, most_mw), most_mw, None)
    left_mw = max(0.0, stored_mwh - plate.soc_min_frac * plate.energy_mwh) / hold_h
    most_mw = min(plate.power_mw, left_mw)
    return AirBand(-most_mw, -min(least_mw, most_mw), None)
