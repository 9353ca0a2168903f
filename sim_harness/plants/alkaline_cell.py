"""One alkaline cell: its voltage, its current yield and the purity of its gas, as functions of current density and temperature.

The stack's own curve at its working temperature is on the plate; this module says how far a cell is from it when it is colder or
runs at another current, so the plate stays right where it was measured.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["RATED_A_CM2", "WORKING_C", "cell_voltage_v", "current_yield_frac", "impurity_factor", "specific_factor"]

#: Where the plate's curve holds, and the current density at rating (industrial alkaline stacks: 0.3-0.4 A/cm2).
WORKING_C: Final = 80.0
RATED_A_CM2: Final = 0.4
#: Voltage in the form of Ulleberg (2003), doi:10.1016/S0360-3199(02)00033-2: reversible, ohmic `(r1 + r2 T) j`, and activation
#: `s log10(t j + 1)`, r and s as published there for the PHOEBUS stack. [ohm cm2], [ohm cm2/K], [V]
OHMIC_OHM_CM2: Final = 0.805
OHMIC_PER_C: Final = -2.5e-3
TAFEL_V: Final = 0.185
#: `t` at the working temperature: set so that the cell has 1.88 V at rating, the 4.6 kWh/Nm3 (stack, DC) of the park's plates.
ACTIVATION_CM2_A: Final = 727.0
#: `t` falls as the electrodes grow more active: activation energy between cathode and anode of nickel. [J/mol]
ACTIVATION_J_MOL: Final = 22_000.0
GAS_J_MOL_K: Final = 8.314
#: Reversible voltage at 25 °C and its slope (Gibbs energy and entropy of liquid water).
REVERSIBLE_V: Final = 1.229
REVERSIBLE_V_PER_C: Final = -0.846e-3
#: Current yield `f2 j^2 / (f1 + j^2)`, Ulleberg (2003): f1 = 50 + 2.5 T in mA2/cm4 (here A2/cm4), f2 = 1 - 0.00025 T.
YIELD_F1: Final = (50e-6, 2.5e-6)
YIELD_F2: Final = (1.0, -2.5e-4)
#: Hydrogen in oxygen: what crosses is mostly hydrogen that circulates dissolved in the lye and hardly depends on the current, so
#: its share goes with 1/j (Trinke et al. 2018, J. Electrochem. Soc. 165 F502: mixing is 90 % of it); warm lye lets more pass.
CROSSING_PER_C: Final = 0.004
_KELVIN: Final = 273.15


def cell_voltage_v(current_a_cm2: float, temperature_c: float) -> float:
    """Voltage of a new cell.

    >>> round(cell_voltage_v(0.4, 80.0), 2)
    1.88
    """
    kelvin = temperature_c + _KELVIN
    slower = math.exp(ACTIVATION_J_MOL / GAS_J_MOL_K * (1.0 / kelvin - 1.0 / (WORKING_C + _KELVIN)))
    activation_v = TAFEL_V * math.log10(ACTIVATION_CM2_A * slower * current_a_cm2 + 1.0)
    ohmic_v = (OHMIC_OHM_CM2 + OHMIC_PER_C * temperature_c) * current_a_cm2
    return REVERSIBLE_V + REVERSIBLE_V_PER_C * (temperature_c - 25.0) + activation_v + ohmic_v


def current_yield_frac(current_a_cm2: float, temperature_c: float) -> float:
    """Share of the current that leaves as hydrogen; small currents are lost beside the cells."""
    square = current_a_cm2 * current_a_cm2
    return (YIELD_F2[0] + YIELD_F2[1] * temperature_c) * square / (YIELD_F1[0] + YIELD_F1[1] * temperature_c + square)


def specific_factor(load_frac: float, temperature_c: float) -> float:
    """Energy per hydrogen against that of the same stack at its working temperature and the same current.

    >>> specific_factor(1.0, 80.0)
    1.0
    """
    if temperature_c == WORKING_C:
        return 1.0
    current = RATED_A_CM2 * max(load_frac, 0.02)
    here = cell_voltage_v(current, temperature_c) / current_yield_frac(current, temperature_c)
    return here * current_yield_frac(current, WORKING_C) / cell_voltage_v(current, WORKING_C)


def impurity_factor(load_frac: float, temperature_c: float) -> float:
    """Hydrogen in oxygen in steady state, against that at rating and working temperature."""
    return (1.0 + CROSSING_PER_C * (temperature_c - WORKING_C)) / max(load_frac, 1e-3)
