"""A small net in plain numpy: weather at every grid point in, quantiles of every zone out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecasting.stack.arrays import Float32Array, IntArray
from forecasting.stack.settings import NetSettings
from vpp.units import FloatArray

__all__ = ["QuantileNet", "fit_net"]

ADAM_MEAN = 0.9
ADAM_SQUARE = 0.999
ADAM_EPSILON = 1e-8
LAST_RATE_FRAC = 0.05
#: Slope below zero. A plain ReLU lets units die, whose moments then fade into denormal numbers, which cost 100 times the time.
LEAK = np.float32(0.05)
Weights = list[Float32Array]


@dataclass(frozen=True, slots=True, eq=False)
class QuantileNet:
    """Two hidden layers with leaky ReLU.

    Args:
        weights: Matrix and bias of each layer in turn.
        shape: Zones and levels of the output.
    """

    weights: tuple[Float32Array, ...]
    shape: tuple[int, int]

    def predict(self, x: Float32Array) -> FloatArray:
        """Quantiles of each zone, never crossing, shape (N, Z, Q)."""
        out = _forward(x, list(self.weights))
        return np.sort(out.reshape(-1, *self.shape).astype(np.float64), axis=2)


def fit_net(x: Float32Array, y: FloatArray, levels: tuple[float, ...], settings: NetSettings, seed: int) -> QuantileNet:
    """Fit by Adam on the pinball loss, with decoupled weight decay; the result is the mean of the later weights.

    Args:
        x: Standardised inputs, shape (N, C).
        y: Power of each zone, NaN where unknown or not to be learnt, shape (N, Z).
        levels: Q levels.
        settings: Size and length of the fit.
        seed: Of the start and of the order of the rows.
    """
    random = np.random.default_rng(seed)
    level = np.array(levels, dtype=np.float32)
    target = y.astype(np.float32)
    weights = _start(x.shape[1], settings.hidden, y, levels, random)
    adam = _Adam(weights, [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights])
    average = [np.zeros_like(w) for w in weights]
    steps = settings.epochs * -(-x.shape[0] // settings.batch)
    first_kept = int(settings.average_from_frac * steps)
    for step, rows in enumerate(_batches(x.shape[0], settings, random)):
        gradient = _gradient(x[rows], target[rows], level, weights, settings.dropout, random)
        fall = LAST_RATE_FRAC + (1 - LAST_RATE_FRAC) * 0.5 * (1 + np.cos(np.pi * step / steps))
        adam.step(gradient, np.float32(settings.learning_rate * fall), step + 1, settings.weight_decay)
        if step >= first_kept:
            for kept, now in zip(average, weights, strict=True):
                kept += (now - kept) / np.float32(step - first_kept + 1)
    return QuantileNet(tuple(average), (y.shape[1], len(levels)))


def _batches(rows: int, settings: NetSettings, random: np.random.Generator) -> Iterator[IntArray]:
    """Rows of each step, every row once an epoch."""
    for _ in range(settings.epochs):
        order = random.permutation(rows)
        for place in range(0, rows, settings.batch):
            yield order[place : place + settings.batch]


def _start(inputs: int, hidden: int, y: FloatArray, levels: tuple[float, ...], random: np.random.Generator) -> Weights:
    """He's start; the last bias is the climatology, so that the net begins as a sane forecast."""
    sizes = [inputs, hidden, hidden, y.shape[1] * len(levels)]
    weights: Weights = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        weights += [(random.standard_normal((a, b)) * np.sqrt(2.0 / a)).astype(np.float32), np.zeros(b, dtype=np.float32)]
    weights[-2] *= np.float32(0.1)
    weights[-1][:] = np.nanquantile(y, levels, axis=0).T.ravel()
    return weights


def _forward(x: Float32Array, weights: Weights) -> Float32Array:
    hidden = _leaky(_leaky(x @ weights[0] + weights[1]) @ weights[2] + weights[3])
    return np.asarray(hidden @ weights[4] + weights[5])


def _leaky(value: Float32Array) -> Float32Array:
    bent: Float32Array = np.maximum(value, LEAK * value)
    return bent


def _slope(activated: Float32Array) -> Float32Array:
    return np.where(activated > 0, np.float32(1), LEAK)


def _gradient(
    x: Float32Array, y: Float32Array, level: Float32Array, weights: Weights, dropout: float, random: np.random.Generator
) -> Weights:
    keep = np.float32(1.0 - dropout)
    x = x * (random.random(x.shape, dtype=np.float32) < keep) / keep
    first = _leaky(x @ weights[0] + weights[1])
    mask = (random.random(first.shape, dtype=np.float32) < keep) / keep
    first = (first * mask).astype(np.float32)
    second = _leaky(first @ weights[2] + weights[3])
    out = (second @ weights[4] + weights[5]).reshape(*y.shape, level.size)
    slope = np.where(y[:, :, None] > out, -level, 1 - level)
    slope = np.where(np.isnan(y)[:, :, None], 0, slope).reshape(x.shape[0], -1).astype(np.float32)
    slope /= np.float32(x.shape[0])
    back2 = (slope @ weights[4].T) * _slope(second)
    back1 = (back2 @ weights[2].T) * _slope(first) * mask
    back1 = back1.astype(np.float32)
    return [x.T @ back1, back1.sum(0), first.T @ back2, back2.sum(0), second.T @ slope, slope.sum(0)]


@dataclass(frozen=True, slots=True, eq=False)
class _Adam:
    """Moments of the gradient; the weights change in place."""

    weights: Weights
    mean: Weights
    square: Weights

    def step(self, gradient: Weights, rate: np.float32, count: int, weight_decay: float) -> None:
        """One step, with the weight decay beside the gradient (Loshchilov and Hutter, 2019); `count` starts at 1."""
        unbias1, unbias2 = np.float32(1 - ADAM_MEAN**count), np.float32(1 - ADAM_SQUARE**count)
        for w, g, m, s in zip(self.weights, gradient, self.mean, self.square, strict=True):
            m += np.float32(1 - ADAM_MEAN) * (g - m)
            s += np.float32(1 - ADAM_SQUARE) * (g * g - s)
            if w.ndim > 1:
                w *= np.float32(1 - rate * weight_decay)
            w -= rate * (m / unbias1) / (np.sqrt(s / unbias2) + np.float32(ADAM_EPSILON))
