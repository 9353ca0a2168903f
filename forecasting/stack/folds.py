"""Cross-fitting: which part of the training time every hour belongs to."""

from __future__ import annotations

import numpy as np

from forecasting.stack.arrays import IntArray
from vpp.series import StampArray

__all__ = ["deal_blocks"]


def deal_blocks(start: StampArray, block_days: int, folds: int) -> IntArray:
    """Part of each hour, 0 .. folds - 1, shape (T,).

    Blocks of `block_days` are dealt in turn, so that every part sees every season; within a block hours stay together because
    neighbouring hours nearly repeat each other and would leak.
    """
    day = (start - start[0]).astype("timedelta64[D]").astype(np.int64)
    return np.asarray(day // block_days % folds)
