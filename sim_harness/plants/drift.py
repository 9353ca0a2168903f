"""Slow random error, the same in every run of a seed."""

from __future__ import annotations

import math
import zlib
from typing import Final

import numpy as np

from vpp.units import h_to_s

__all__ = ["Drift", "seeded"]

_BLOCK: Final = 256


def seeded(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each name, so that adding a plant changes no other plant's luck."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


class Drift:
    """A first-order autoregressive error: mean zero, a given spread, forgotten over hours.

    Args:
        spread: Standard deviation in the long run.
        memory_h: Time over which it forgets (to 1/e). [h]
        random: Where its luck comes from.
    """

    def __init__(self, spread: float, memory_h: float, random: np.random.Generator) -> None:
        self._spread, self._memory_s, self._random = spread, h_to_s(memory_h), random
        self._dt_s = self._keep = self._kick = 0.0
        self._luck: list[float] = []
        self.value = float(random.normal(0.0, spread))

    def step(self, dt_s: float) -> float:
        """The error after `dt_s` seconds."""
        if dt_s != self._dt_s:  # the exact discrete form, so that the spread does not depend on the step
            self._dt_s, self._keep = dt_s, math.exp(-dt_s / self._memory_s)
            self._kick = self._spread * math.sqrt(1.0 - self._keep * self._keep)
        if not self._luck:
            # Drawn in blocks: one number at a time costs more than all else that a plant does in a step.
            self._luck = self._random.standard_normal(_BLOCK).tolist()
        self.value = self._keep * self.value + self._kick * self._luck.pop()
        return self.value
