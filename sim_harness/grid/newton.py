"""Newton's method for the power flow of a small network, dense: for tens of buses nothing is faster.

Source:
    Zimmerman, Murillo-Sanchez: MATPOWER technical note 2 (AC power flows and their derivatives in complex form).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpp.units import BoolArray, FloatArray, IntArray

__all__ = ["Grid", "Solved", "solve_grid"]

ComplexArray = NDArray[np.complex128]
_TOLERANCE_PU: Final = 1e-8
_ITERATIONS: Final = 20
#: Rounds in which stations at the end of their reactive power let their voltage go.
_LIMIT_ROUNDS: Final = 6


@dataclass(frozen=True, slots=True)
class Grid:
    """Admittances in per unit and what each bus holds; n buses, m branches.

    Args:
        admittance: Of buses, shape (n, n).
        from_admittance: Currents at the first ends from voltages, shape (m, n).
        to_admittance: The same at the second ends, shape (m, n).
        from_bus: First bus of each branch, shape (m,).
        to_bus: Second bus of each branch, shape (m,).
        reference: Buses that hold voltage and angle, whatever it takes, shape (n,).
        held: Buses that hold their voltage while their reactive power lasts, shape (n,).
        voltage_pu: What they hold; 1 elsewhere, shape (n,).
        reactive_pu: Most reactive power of a held bus, either way, shape (n,).
    """

    admittance: ComplexArray
    from_admittance: ComplexArray
    to_admittance: ComplexArray
    from_bus: IntArray
    to_bus: IntArray
    reference: BoolArray
    held: BoolArray
    voltage_pu: FloatArray
    reactive_pu: FloatArray


@dataclass(frozen=True, slots=True)
class Solved:
    """Voltages, what every bus injects, and power and current at both ends of each branch, all in per unit."""

    voltage: ComplexArray
    injected: ComplexArray
    from_mva: ComplexArray
    to_mva: ComplexArray
    from_pu: FloatArray
    to_pu: FloatArray


def solve_grid(grid: Grid, injected: ComplexArray) -> Solved | None:
    """Voltages for what is injected; None if the iteration finds none.

    Always from the flat start, so that the answer does not depend on what was solved before.

    Args:
        grid: See `Grid`.
        injected: Complex power into each bus without the stations' reactive power, shape (n,). [pu]
    """
    held, wanted = grid.held.copy(), injected.copy()
    for _ in range(_LIMIT_ROUNDS):
        voltage = _newton(grid, wanted, held)
        if voltage is None:
            return None
        now = voltage * np.conj(grid.admittance @ voltage)
        reactive = now.imag - injected.imag
        beyond = held & (np.abs(reactive) > grid.reactive_pu + _TOLERANCE_PU)
        if not beyond.any():
            return _solved(grid, voltage, now)
        held &= ~beyond
        wanted = wanted + np.where(beyond, 1j * np.clip(reactive, -grid.reactive_pu, grid.reactive_pu), 0.0)
    return None


def _newton(grid: Grid, injected: ComplexArray, held: BoolArray) -> ComplexArray | None:
    free = np.flatnonzero(~(held | grid.reference))
    angles = np.flatnonzero(~grid.reference)
    magnitude = np.where(held | grid.reference, grid.voltage_pu, 1.0)
    angle = np.zeros(len(magnitude))
    n = len(angles)
    diagonal = np.arange(len(magnitude))
    for _ in range(_ITERATIONS):
        unit = np.exp(1j * angle)
        voltage: ComplexArray = magnitude * unit
        current = grid.admittance @ voltage
        wrong = voltage * np.conj(current) - injected
        residual = np.concatenate([wrong.real[angles], wrong.imag[free]])
        if np.abs(residual).max(initial=0.0) < _TOLERANCE_PU:
            return voltage
        by_magnitude = voltage[:, None] * np.conj(grid.admittance * unit[None, :])
        by_magnitude[diagonal, diagonal] += np.conj(current) * unit
        by_angle = -1j * voltage[:, None] * np.conj(grid.admittance * voltage[None, :])
        by_angle[diagonal, diagonal] += 1j * voltage * np.conj(current)
        by_angle_of, by_magnitude_of = by_angle[:, angles], by_magnitude[:, free]
        jacobian = np.block(
            [[by_angle_of.real[angles], by_magnitude_of.real[angles]], [by_angle_of.imag[free], by_magnitude_of.imag[free]]]
        )
        try:
            step = np.linalg.solve(jacobian, -residual)
        except np.linalg.LinAlgError:
            return None
        angle[angles] += step[:n]
        magnitude[free] += step[n:]
    return None


def _solved(grid: Grid, voltage: ComplexArray, injected: ComplexArray) -> Solved:
    sent, received = grid.from_admittance @ voltage, grid.to_admittance @ voltage
    return Solved(
        voltage=voltage,
        injected=injected,
        from_mva=voltage[grid.from_bus] * np.conj(sent),
        to_mva=voltage[grid.to_bus] * np.conj(received),
        from_pu=np.abs(sent),
        to_pu=np.abs(received),
    )
