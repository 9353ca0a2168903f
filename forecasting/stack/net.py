"""A small net in plain numpy: weather at every grid point in, quantiles of every zone out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.stack.arrays import Float32Array
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
    shape = (y.shape[1], len(levels))
    weights = _start(x.shape[1], settings.hidden, y, levels, random)
    mean = [np.zeros_like(w) for w in weights]
    square = [np.zeros_like(w) for w in weights]
    average = [np.zeros_like(w) for w in weights]
    level = np.array(levels, dtype=np.float32)
    target = y.astype(np.float32)
    per_epoch = -(-x.shape[0] // settings.batch)
    steps = per_epoch * settings.epochs
    averaged = 0
    for step in range(steps):
        if step % per_epoch == 0:
            order = random.permutation(x.shape[0])
        place = step % per_epoch * settings.batch
        rows = order[place : place + settings.batch]
        gradient = _gradient(x[rows], target[rows], level, weights, settings.dropout, random)
        rate = settings.learning_rate * (LAST_RATE_FRAC + (1 - LAST_RATE_FRAC) * 0.5 * (1 + np.cos(np.pi * step / steps)))
        _adam(weights, gradient, mean, square, np.float32(rate), step + 1, settings.weight_decay)
        if step >= settings.average_from_frac * steps:
            averaged += 1
            for kept, now in zip(average, weights, strict=True):
                kept += (now - kept) / np.float32(averaged)
    return QuantileNet(tuple(average), shape)


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
    return hidden @ weights[4] + weights[5]


def _leaky(value: Float32Array) -> Float32Array:
    return np.maximum(value, LEAK * value)


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


def _adam(
    weights: Weights, gradient: Weights, mean: Weights, square: Weights, rate: np.float32, step: int, weight_decay: float
) -> None:
    """One step in place: Adam with the weight decay beside the gradient (Loshchilov and Hutter, 2019)."""
    unbias1, unbias2 = 1 - ADAM_MEAN**step, 1 - ADAM_SQUARE**step
    for w, g, m, s in zip(weights, gradient, mean, square, strict=True):
        m += np.float32(1 - ADAM_MEAN) * (g - m)
        s += np.float32(1 - ADAM_SQUARE) * (g * g - s)
        if w.ndim == 2:
            w *= np.float32(1 - rate * weight_decay)
        w -= rate * (m / np.float32(unbias1)) / (np.sqrt(s / np.float32(unbias2)) + np.float32(ADAM_EPSILON))
