"""Energy that deferrable work drew in another quarter hour than it would have as it came."""

from __future__ import annotations

from sim_harness.clusters.arrivals import Arrivals

__all__ = ["Shifted"]


class Shifted:
    """Half the sum over quarters of what was drawn too much and too little against work as it comes.

    By quarters, so that a job which waits some seconds for its scheduler shifts nothing.

    Args:
        arrivals: Knows where quarters begin.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._mwh = self._open_mwh = 0.0
        self._quarter = 0

    @property
    def mwh(self) -> float:
        """Shifted so far, the quarter that is not over included. [MWh]."""
        return self._mwh + abs(self._open_mwh) / 2.0

    def add(self, time_s: float, drawn_mwh: float, comes_mwh: float) -> None:
        """A step that began at a second of the run."""
        quarter = self._arrivals.index(time_s)
        if quarter != self._quarter:
            self._quarter = quarter
            self._mwh += abs(self._open_mwh) / 2.0
            self._open_mwh = 0.0
        self._open_mwh += drawn_mwh - comes_mwh
