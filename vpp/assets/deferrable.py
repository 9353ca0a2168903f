"""Work that waits, arrives and is due: the queue behind computing jobs and vehicle charging.

Columns are classes of work in the order in which they are served, the most urgent first. Rates come from outside and hold until
they are told anew: what arrives, and what must be served lest a deadline be missed (the slope of the tube's lower edge).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.units import FloatArray

__all__ = ["Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """Shape (assets, classes) each.

    Args:
        waiting_mwh: Released and not served. [MWh]
        arriving_mw: Released per hour from now on. [MW]
        due_mw: To be served now lest a deadline be missed. [MW]
    """

    waiting_mwh: FloatArray
    arriving_mw: FloatArray
    due_mw: FloatArray

    def most_mw(self, step_h: float) -> FloatArray:
        """Mean power that serves all there is in a step, shape (assets,)."""
        most_mw: FloatArray = np.sum(self._available_mw(step_h), axis=1)
        return most_mw

    def least_mw(self, step_h: float) -> FloatArray:
        """Mean power that serves what is due in a step, shape (assets,)."""
        least_mw: FloatArray = np.sum(self._due_mw(step_h), axis=1)
        return least_mw

    def served_mw(self, power_mw: FloatArray, step_h: float) -> FloatArray:
        """A power shared over the classes: what is due first, then in order of urgency, shape (assets, classes)."""
        due_mw = self._due_mw(step_h)
        due_served_mw = _fill(due_mw, power_mw)
        rest_mw = np.maximum(0.0, power_mw - np.sum(due_mw, axis=1))
        return due_served_mw + _fill(self._available_mw(step_h) - due_mw, rest_mw)

    def after(self, power_mw: FloatArray, step_h: float) -> FloatArray:
        """What waits after a step, shape (assets, classes)."""
        left_mwh = self.waiting_mwh + (self.arriving_mw - self.served_mw(power_mw, step_h)) * step_h
        # Below zero only by rounding.
        return np.maximum(0.0, left_mwh)

    def reach_mwh(self, room_mw: FloatArray, horizons_h: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and most energy served within each horizon through `room_mw`, shape (assets, horizons) each.

        A class with rate r set aside for it has been served at least `min(r t, waiting + arriving t)` by t: either its queue
        never emptied, or all that had come was served when it last did. Classes before it take at most their own due rates.
        """
        tau_h = horizons_h[np.newaxis, :]
        before_mw = np.cumsum(self.due_mw, axis=1) - self.due_mw
        least = np.zeros((room_mw.shape[0], horizons_h.shape[0]))
        most = np.zeros_like(least)
        for j in range(self.due_mw.shape[1]):  # over classes, of which there are a few
            come_mwh = self.waiting_mwh[:, j, np.newaxis] + self.arriving_mw[:, j, np.newaxis] * tau_h
            kept_mw = np.minimum(self.due_mw[:, j], np.maximum(0.0, room_mw - before_mw[:, j]))
            least = least + np.minimum(kept_mw[:, np.newaxis] * tau_h, come_mwh)
            most = most + come_mwh
        return least, np.minimum(room_mw[:, np.newaxis] * tau_h, most)

    def _available_mw(self, step_h: float) -> FloatArray:
        return self.waiting_mwh / step_h + self.arriving_mw

    def _due_mw(self, step_h: float) -> FloatArray:
        return np.minimum(self.due_mw, self._available_mw(step_h))


def _fill(room_mw: FloatArray, power_mw: FloatArray) -> FloatArray:
    """A power poured into columns from the first on, shape (assets, classes)."""
    before_mw = np.cumsum(room_mw, axis=1) - room_mw
    return np.clip(power_mw[:, np.newaxis] - before_mw, 0.0, room_mw)
