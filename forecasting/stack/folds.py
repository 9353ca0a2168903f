"""Cross-fitting: which part of the training time every hour belongs to."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.stack.arrays import IntArray
from vpp.series import StampArray

__all__ = ["deal_blocks"]

SHIFT_DAYS: Final = 2


def deal_blocks(start: StampArray, block_days: int, folds: int, deal: int = 0) -> IntArray:
    """Part of each hour, 0 .. folds - 1, shape (T,).

    Blocks of `block_days` are dealt in turn, so that every part sees every season; within a block hours stay together because
    neighbouring hours nearly repeat each other and would leak. Later deals cut the blocks elsewhere and shuffle each round.
    """
    day = (start - start[0]).astype("timedelta64[D]").astype(np.int64)
    block = (day + SHIFT_DAYS * deal) // block_days
    if deal == 0:
        return np.asarray(block % folds)
    random = np.random.default_rng(deal)
    rounds = [random.permutation(folds) for _ in range(int(block[-1]) // folds + 1)]
    return np.asarray(np.concatenate(rounds)[block])
