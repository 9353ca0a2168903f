"""What the meters of connections show: the truth, with the error that their class allows.

Source:
    IEC 62053-22:2020 (GB/T 17215.322), class 0.2 S: at most 0.2 % from 5 % of the nominal current up, 0.4 % below, at unity power
    factor. A meter is wrong by nearly the same share all its life; what flickers is its display.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sim_harness.plants.drift import seeded
from vpp.ids import ConnectionId

__all__ = ["Meters"]

_CLASS_FRAC: Final = 0.002
#: Meters leave the factory well inside their class: two standard deviations are its limit, and none is beyond.
_SPREAD_FRAC: Final = _CLASS_FRAC / 2.0
#: What the display flickers by, relative to the reading.
_FLICKER_FRAC: Final = 0.000_2
_KEPT: Final = 4096


class Meters:
    """One meter a connection; the 15-min registers that money is made from stay exact.

    Args:
        connections: Where they hang.
        seed: Of the run; None for meters without error.
    """

    def __init__(self, connections: Iterable[ConnectionId], seed: int | None) -> None:
        self._gain: dict[ConnectionId, float] = {}
        self._flicker: list[float] = []
        self._drawn = 0
        self._random = None if seed is None else seeded(seed, "grid.meters")
        for connection in connections:
            own = None if seed is None else seeded(seed, f"{connection}.meter")
            error = 0.0 if own is None else float(own.normal(0.0, _SPREAD_FRAC))
            self._gain[connection] = min(max(error, -_CLASS_FRAC), _CLASS_FRAC)

    def shown_mw(self, connection: ConnectionId, true_mw: float) -> float:
        """What a meter shows for a true power. [MW]."""
        if self._random is None:
            return true_mw
        if self._drawn == len(self._flicker):
            self._flicker, self._drawn = self._random.normal(0.0, _FLICKER_FRAC, _KEPT).tolist(), 0
        flicker = self._flicker[self._drawn]
        self._drawn += 1
        return true_mw * (1.0 + min(max(self._gain[connection] + flicker, -_CLASS_FRAC), _CLASS_FRAC))
