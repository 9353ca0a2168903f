"""What stands at the chargers, in the order of its deadlines: plain lists, because they are short and change all the time."""

from __future__ import annotations

import math
from bisect import insort
from typing import Final

from vpp.units import s_to_h

__all__ = ["CAR_MW", "PACK_MW", "Parking"]

#: What a car and a pack take at most. Assumptions: 60 kW on average over a charge, 240 kW in a bay.
CAR_MW: Final = 0.06
PACK_MW: Final = 0.24
_NOTHING_MWH: Final = 1e-12


class _Place:
    """One vehicle or pack."""

    __slots__ = ("is_pack", "leaves_s", "left_mwh", "max_mw")

    def __init__(self, left_mwh: float, leaves_s: float, *, is_pack: bool) -> None:
        self.left_mwh, self.leaves_s, self.is_pack = left_mwh, leaves_s, is_pack
        self.max_mw = PACK_MW if is_pack else CAR_MW

    def __lt__(self, other: _Place) -> bool:
        return self.leaves_s < other.leaves_s


class Parking:
    """A queue by deadline.

    Args:
        power_mw: Of all chargers together.
    """

    def __init__(self, power_mw: float) -> None:
        self._power_mw = power_mw
        self._places: list[_Place] = []
        self.waiting_mwh = 0.0
        self.packs = 0

    @property
    def count(self) -> int:
        """Vehicles and packs that are not full."""
        return len(self._places)

    @property
    def first_leaves_s(self) -> float:
        """The nearest deadline; infinite if nobody waits."""
        return self._places[0].leaves_s if self._places else math.inf

    def park(self, energy_mwh: float, leaves_s: float, *, is_pack: bool) -> None:
        """Somebody comes."""
        insort(self._places, _Place(energy_mwh, leaves_s, is_pack=is_pack))
        self.waiting_mwh += energy_mwh
        self.packs += is_pack

    def most_mw(self, dt_s: float) -> float:
        """Mean power that everybody can take over a step."""
        dt_h = s_to_h(dt_s)
        most_mw = 0.0
        for place in self._places:
            most_mw += min(place.max_mw, place.left_mwh / dt_h)
        return most_mw

    def due_mw(self, now_s: float, dt_s: float) -> float:
        """Mean power that must flow over a step lest a deadline be missed: each by its own charger, all by the station's."""
        dt_h, end_s = s_to_h(dt_s), now_s + dt_s
        due_mwh = together_mwh = by_station_mwh = 0.0
        for place in self._places:
            later_h = max(0.0, s_to_h(place.leaves_s - end_s))
            due_mwh += max(0.0, min(place.left_mwh - place.max_mw * later_h, place.max_mw * dt_h))
            together_mwh += place.left_mwh
            by_station_mwh = max(by_station_mwh, together_mwh - self._power_mw * later_h)
        return max(due_mwh, by_station_mwh) / dt_h

    def charge(self, energy_mwh: float, now_s: float, dt_s: float, *, scarce: bool) -> int:
        """Share energy out by deadline; where it is scarce, what is due goes first to whom it is due. Packs that became full."""
        dt_h, left_mwh, full = s_to_h(dt_s), energy_mwh, 0
        room_mwh = [min(place.left_mwh, place.max_mw * dt_h) for place in self._places]
        if scarce:
            left_mwh = self._charge_due(left_mwh, now_s + dt_s, room_mwh)
        done = False
        for place, room in zip(self._places, room_mwh, strict=True):
            given_mwh = min(room, left_mwh)
            place.left_mwh -= given_mwh
            left_mwh -= given_mwh
            done |= place.left_mwh <= _NOTHING_MWH
        self.waiting_mwh -= energy_mwh - left_mwh
        if done:
            full = sum(p.is_pack for p in self._places if p.left_mwh <= _NOTHING_MWH)
            self._places = [p for p in self._places if p.left_mwh > _NOTHING_MWH]
            self.packs -= full
        return full

    def _charge_due(self, left_mwh: float, end_s: float, room_mwh: list[float]) -> float:
        """Give everybody what no later hour can make up, and take it off their room; energy that is left."""
        for i, place in enumerate(self._places):
            later_h = max(0.0, s_to_h(place.leaves_s - end_s))
            given_mwh = min(max(0.0, place.left_mwh - place.max_mw * later_h), room_mwh[i], left_mwh)
            place.left_mwh -= given_mwh
            room_mwh[i] -= given_mwh
            left_mwh -= given_mwh
        return left_mwh

    def leave(self, now_s: float) -> tuple[float, int]:
        """Cars whose time is up go with what they have; packs stay, and are late. Energy that lacks, and how many cars."""
        short_mwh, count, kept = 0.0, 0, []
        for place in self._places:
            if place.leaves_s <= now_s and not place.is_pack:
                short_mwh += place.left_mwh
                count += 1
            else:
                kept.append(place)
        if count:
            self._places = kept
            self.waiting_mwh -= short_mwh
        return short_mwh, count
