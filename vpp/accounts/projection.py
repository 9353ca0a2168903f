"""What a ratio will have come to when the year ends, with a band, by a method that can be said in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from vpp.accounts.ratios import Ratio
from vpp.units import FloatArray

__all__ = ["METHOD", "Projection", "project"]

#: Days whose means are carried on: about the length of a month, so that a season is followed.
_RECENT_DAYS: Final = 28
#: Weather comes in spells; days are drawn in runs of a week.
_BLOCK_DAYS: Final = 7
_DRAWS: Final = 400
_SEED: Final = 20_300
_LOW, _HIGH = 0.1, 0.9
#: Of a day that counts, at least this much was measured.
_MEASURED: Final = 0.5

METHOD: Final = (
    f"Sums to date, and each day to come as the mean of the last {_RECENT_DAYS} measured days. The band is the 10-90 % range "
    f"of {_DRAWS} courses drawn from them in runs of {_BLOCK_DAYS} days. What seasons they have not seen is not in the band."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A ratio at the end of the year.

    Args:
        low_frac: One course in ten ends below.
        mid_frac: If every day to come is like the mean of the recent ones.
        high_frac: One course in ten ends above.
        seen_days: How many measured days it stands on.
        left_days: How many are to come.
    """

    low_frac: float
    mid_frac: float
    high_frac: float
    seen_days: int
    left_days: int


def project(ratio: Ratio) -> Projection | None:
    """The end of the year that the last day is in; None with less than a week of measured days.

    Deterministic: the same days give the same band.
    """
    seen = np.flatnonzero((ratio.measured_frac >= _MEASURED) & (ratio.whole_mwh > 0.0))
    if seen.size < _BLOCK_DAYS:
        return None
    last = ratio.days[-1]
    left = (date(last.year, 12, 31) - last).days
    this_year = np.array([day.year == last.year for day in ratio.days], dtype=np.bool_)
    part, whole = float(np.sum(ratio.part_mwh[this_year])), float(np.sum(ratio.whole_mwh[this_year]))
    recent = seen[-_RECENT_DAYS:]
    parts, wholes = ratio.part_mwh[recent], ratio.whole_mwh[recent]
    mid_frac = (part + left * float(np.mean(parts))) / (whole + left * float(np.mean(wholes)))
    low, high = (mid_frac, mid_frac) if left == 0 else _band(part, whole, np.stack([parts, wholes]), left)
    return Projection(low_frac=low, mid_frac=mid_frac, high_frac=high, seen_days=int(seen.size), left_days=left)


def _band(part_mwh: float, whole_mwh: float, days: FloatArray, left: int) -> tuple[float, float]:
    """Quantiles over courses of the days to come, drawn in runs from days in a ring: part and whole, shape (2, n)."""
    rng = np.random.default_rng(_SEED)
    blocks = -(-left // _BLOCK_DAYS)
    first = rng.integers(0, days.shape[1], size=(_DRAWS, blocks, 1))
    drawn = ((first + np.arange(_BLOCK_DAYS)) % days.shape[1]).reshape(_DRAWS, -1)[:, :left]
    sums = days[:, drawn].sum(axis=2)
    low, high = np.quantile((part_mwh + sums[0]) / (whole_mwh + sums[1]), [_LOW, _HIGH])
    return float(low), float(high)
