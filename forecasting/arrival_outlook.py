"""Work that the coming hours bring to a cluster, as whoever plans reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from vpp.units import FloatArray

__all__ = ["LEADS_H", "LEVELS", "ArrivalOutlook"]

#: Sums are forecast over the next so many hours. [h]
LEADS_H: Final = (1, 3, 6, 12, 24, 48)
LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalOutlook:
    """Work that the coming hours bring, summed from now.

    Args:
        at: From here on. (UTC)
        quantile: By class, lead and level, not falling with either, shape (C, L, Q).
        mean: Expected, shape (C, L).
    """

    at: datetime
    quantile: FloatArray
    mean: FloatArray

    def by(self, hours: FloatArray, level: float | None = None) -> FloatArray:
        """Work that has come by so many hours from now, shape (C, len(hours)).

        Args:
            hours: From now; beyond the last lead it goes on at the last lead's rate.
            level: So likely it is not more; None for the expected value. Levels between those that were learnt are interpolated.
        """
        if level is None:
            at_leads = self.mean
        else:
            at_leads = np.stack([[np.interp(level, LEVELS, row) for row in rows] for rows in self.quantile])
        leads = np.array((0.0, *LEADS_H))
        sums = np.concatenate([np.zeros((at_leads.shape[0], 1)), np.maximum.accumulate(at_leads, axis=1)], axis=1)
        rate = sums[:, -1] / leads[-1]
        inside = np.stack([np.interp(hours, leads, row) for row in sums])
        beyond: FloatArray = inside + np.maximum(hours - leads[-1], 0.0) * rate[:, np.newaxis]
        return beyond
