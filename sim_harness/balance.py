"""Checks at the end of every run: what does not add up is an error, never a footnote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from sim_harness.truth import Truth
from vpp.errors import BalanceError
from vpp.ids import AreaId
from vpp.units import FloatArray

__all__ = ["RELATIVE_TOLERANCE", "check_energy", "check_money", "check_plants", "energy_residual_mwh"]

#: Of the size of what was added up.
RELATIVE_TOLERANCE: Final = 1e-6
#: Sums smaller than this are rounding whatever they are compared with.
_ABSOLUTE: Final = 1e-9


def energy_residual_mwh(truth: Truth) -> tuple[FloatArray, FloatArray]:
    """What the meters of each area do not explain: supply and import less demand and export.

    Returns:
        Residual and size (sum of all meters), each of shape (Z, T). [MWh]
    """
    index: dict[AreaId, int] = {area: z for z, area in enumerate(truth.areas)}
    residual = np.zeros((len(index), truth.grid.n))
    size = np.zeros_like(residual)
    for row, asset_id in enumerate(truth.assets):
        z = index[truth.park.asset(asset_id).area]
        residual[z] -= truth.energy_mwh[row]
        size[z] += np.abs(truth.energy_mwh[row])
    for row, connection_id in enumerate(truth.connections):
        connection = truth.park.connection(connection_id)
        net = truth.import_mwh[row] - truth.export_mwh[row]
        residual[index[connection.area]] += net
        size[index[connection.area]] += np.abs(net)
        if not connection.is_grid:
            residual[index[AreaId(connection.to)]] -= net
            size[index[AreaId(connection.to)]] += np.abs(net)
    return residual, size


def check_energy(truth: Truth) -> None:
    """Nothing, if every area's energy closes in every interval.

    Raises:
        BalanceError: It does not; the worst area and interval are named.
    """
    residual, size = energy_residual_mwh(truth)
    broken = np.abs(residual) > RELATIVE_TOLERANCE * size + _ABSOLUTE
    if np.any(broken):
        z, t = np.unravel_index(int(np.argmax(np.where(broken, np.abs(residual), 0.0))), residual.shape)
        raise BalanceError(
            f"energy of area {truth.areas[z]}: {residual[z, t]:.9g} MWh of {size[z, t]:.6g} MWh unexplained in the interval "
            f"from {truth.grid.edges[t].isoformat()} ({int(np.sum(broken))} intervals in all)"
        )


def check_plants(truth: Truth) -> None:
    """Nothing, if every conservation law of every plant holds.

    Raises:
        BalanceError: Some do not; each is named.
    """
    lines = [
        f"{law.name} of {asset_id}: {law.residual:.9g} {law.unit} of {law.size:.6g} {law.unit} unexplained"
        for asset_id, laws in truth.balances.items()
        for law in laws
        if not abs(law.residual) <= RELATIVE_TOLERANCE * abs(law.size) + _ABSOLUTE
    ]
    if lines:
        raise BalanceError("\n".join(lines))


def check_money(items: Mapping[str, float], total_cny: float) -> None:
    """Nothing, if the items of a bill are its total.

    Raises:
        BalanceError: They are not, or an item is no number.
    """
    size = sum(abs(item) for item in items.values())
    residual = total_cny - sum(items.values())
    if not abs(residual) <= RELATIVE_TOLERANCE * size + _ABSOLUTE:
        raise BalanceError(f"money: items sum to {sum(items.values()):.9g} CNY, the total says {total_cny:.9g} CNY")
