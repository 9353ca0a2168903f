"""What no policy can beat under the model's own physics: the linear program over a whole run, in the currency of its bill."""

from __future__ import annotations

from dataclasses import replace

from controllers.loops.plan import Made
from controllers.planner import solve
from sim_harness.prices import FIXED, FixedPrices
from sim_harness.truth import Truth

__all__ = ["lp_bound_cny"]


def lp_bound_cny(first: Made, truth: Truth, prices: FixedPrices = FIXED) -> float | None:
    """The first window's linear program, counts and batches relaxed, with the stocks of the start set against it.

    It covers what a plan covers: energy, carbon, demand charge, wear, starts, ammonia, waiting and missed work, heats, quotas,
    fuel, calls on feeders, and what is left at the end at the bill's prices. It leaves out what plants add by chance or by
    physics of their own: noise and delays of furnaces, failed starts, losses at part load, spoilt cathodes, green shortfall.

    Args:
        first: The perfect policy's first plan.
        truth: Of the run.
        prices: Of the bill.

    Returns:
        CNY; None where one window does not hold the whole run.
    """
    if first.result.grid.start > truth.grid.start or first.result.grid.end < truth.grid.end:
        return None
    park = truth.park
    held = 0.0
    for asset in park.assets:
        stock = truth.stock_first.get(asset.id, {})
        match asset.kind:
            case "battery" | "compressed_air":
                held += stock["stored_mwh"] * prices.stored_cny_per_mwh
            case "ammonia_loop":
                held += stock["hydrogen_kg"] * park.prices.hydrogen_cny_per_kg
            case "compute" | "ev_charging":
                held -= stock["waiting_mwh"] * prices.pending_work_cny_per_mwh
    # A reserve keeps plants from tripping; the model's own cannot, and the bill does not know it.
    return solve(replace(first.problem, reserves={})).bound_cny + held
