"""A run's quarter-hour registers as a file, so that a statement can be made from it (`vpp statement --from-run`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from controllers.statements import write_registers
from sim_harness.truth import Truth
from vpp.park.rating import rating
from vpp.units import FloatArray

__all__ = ["columns_of_truth", "write_truth"]


def columns_of_truth(truth: Truth) -> dict[tuple[str, str], tuple[FloatArray, FloatArray]]:
    """What a site's own meters would have kept of a run: means by subject and quantity, all measured, shape (T,) each."""
    step_h = truth.grid.step_h
    told: FloatArray = np.ones(truth.grid.n)
    columns: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    for row, asset_id in enumerate(truth.assets):
        columns[asset_id, "power_mw"] = truth.energy_mwh[row] / step_h, told
        if np.any(np.isfinite(truth.available_mwh[row])):
            columns[asset_id, "available_mw"] = truth.available_mwh[row] / step_h, told
        size = rating(truth.park.asset(asset_id))
        if size.role == "storage" and size.energy_mwh:
            after = truth.stored_mwh[row]
            before = np.concatenate([[truth.stock_first[asset_id]["stored_mwh"]], after[:-1]])
            columns[asset_id, "soc_frac"] = 0.5 * (before + after) / size.energy_mwh, told
    for row, connection_id in enumerate(truth.connections):
        columns[connection_id, "import_mw"] = truth.import_mwh[row] / step_h, told
        columns[connection_id, "export_mw"] = truth.export_mwh[row] / step_h, told
    return columns


def write_truth(path: Path, truth: Truth) -> None:
    """Writes the registers of a run; a last quarter that the run broke off is left out."""
    whole = int(np.sum(truth.grid.step_h >= truth.grid.step_h[0]))
    columns = {name: (mean[:whole], told[:whole]) for name, (mean, told) in columns_of_truth(truth).items()}
    write_registers(path, truth.grid.starts[:whole], columns)
