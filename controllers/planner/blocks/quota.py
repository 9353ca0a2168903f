"""Loads in a band with a daily quota: electrowinning, refining, submerged arc, carbon capture.

The quota sits in bounds of the cumulative energy at each day's end. Below the band a load may go for a short time at a price
(zinc down to its protective current, a submerged-arc furnace held): only in intervals that are no longer than such an excursion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from controllers.planner.blocks.base import BuildContext, Planned
from controllers.planner.model import Term, first_since, lagged, spread, term
from controllers.planner.problem import BandNeed
from vpp.assets import copper_refining, flexible_load, submerged_arc, zinc_electrowinning
from vpp.assets.band_load import BandLimits
from vpp.assets.ramp import RAMP_WINDOW_H
from vpp.park import Asset
from vpp.units import FloatArray

__all__ = ["BAND_KINDS", "add_quota_load", "band_limits"]

_LIMITS: Final[dict[str, Callable[[Any], BandLimits]]] = {
    "zinc_electrowinning": zinc_electrowinning.limits,
    "copper_refining": copper_refining.limits,
    "submerged_arc": submerged_arc.limits,
    "flexible_load": flexible_load.limits,
}
BAND_KINDS = tuple(_LIMITS)
#: Price of power outside the band that a measured state forces for a moment. [CNY/MWh]
FORCED_CNY_PER_MWH = 5_000.0


def band_limits(asset: Asset) -> BandLimits:
    """The band of a load, whatever its kind."""
    return _LIMITS[asset.kind](asset.plate)


def add_quota_load(ctx: BuildContext, asset: Asset) -> Planned:
    """Power in the band within its ramp; what a day's quota lacks is a priced shortfall."""
    limits = band_limits(asset)
    b, n, h = ctx.builder, ctx.n, ctx.step_h
    power = b.columns(n, low=limits.low_mw if limits.excursion_h <= 0.0 else limits.floor_mw, high=limits.high_mw)
    terms: dict[str, Term] = {"power": term(power)}
    if limits.excursion_h > 0.0:
        _allow_excursions(ctx, asset, limits, terms)
    _keep_ramp(ctx, asset, limits, terms["power"])
    need = ctx.problem.bands.get(asset.id) or _over_the_horizon(ctx, asset, limits)
    made = b.columns(n)
    store = b.rows(n, term(made), lagged(made, 1, -1.0), term(power, -h), low=0.0, high=0.0)
    # Each day owes by itself: what one lacks the next does not make good, so a shortfall counts once and is carried on. When and
    # how much is owed stands in bounds only.
    short = b.columns(n, cost=asset.plate.shortfall_cny_per_mwh * h, item="quota_shortfall")
    carried = b.columns(n)
    b.rows(n, term(carried), lagged(carried, 1, -1.0), term(short, -h), low=0.0, high=0.0)
    owed = np.full(n, -np.inf)
    owed[list(need.day_ends)] = np.cumsum(np.array(need.owed_mwh))
    b.rows(n, term(made), term(carried), low=owed)
    ctx.draw(asset.area, term(power))
    return Planned(asset.id, power=(term(power),), quantities={"power_mw": power}, store_rows=store, unmet={"quota_mwh": short})


def _over_the_horizon(ctx: BuildContext, asset: Asset, limits: BandLimits) -> BandNeed:
    owed = limits.quota_mw * float(ctx.step_h.sum()) + ctx.problem.fact(asset.id, "owed_mwh", 0.0)
    return BandNeed((ctx.n - 1,), (owed,))


def _allow_excursions(ctx: BuildContext, asset: Asset, limits: BandLimits, terms: dict[str, Term]) -> None:
    """What is missing of the band's bottom, priced; over one excursion and its recovery no more than one excursion's worth."""
    plate, h = asset.plate, ctx.step_h
    price: float = getattr(plate, "hold_price_cny_per_mwh", 0.0) or getattr(plate, "reduction_price_cny_per_mwh", 0.0)
    rested = ctx.problem.grid.offset_h >= ctx.problem.fact(asset.id, "recovery_left_h", 0.0) - 1e-9
    room: FloatArray = np.where((h <= limits.excursion_h + 1e-9) & rested, limits.low_mw - limits.floor_mw, 0.0)
    below = ctx.builder.columns(ctx.n, high=room, cost=price * h, item="excursions")
    ctx.builder.rows(ctx.n, terms["power"], term(below), low=limits.low_mw)
    first = first_since(ctx.problem.grid.offset_h, limits.excursion_h + limits.recovery_h)
    rows, columns, ones = spread(below, first)
    most = (limits.low_mw - limits.floor_mw) * limits.excursion_h
    ctx.builder.rows(ctx.n, (rows, columns, ones * h[columns - below[0]]), high=most)


def _keep_ramp(ctx: BuildContext, asset: Asset, limits: BandLimits, power: Term) -> None:
    n, h = ctx.n, ctx.step_h
    apart_h = np.minimum(h, RAMP_WINDOW_H)
    apart_h[1:] = np.minimum(0.5 * (h[1:] + h[:-1]), h[1:])
    ramp = limits.ramp_mw_per_h * apart_h
    if float(ramp.min()) >= limits.high_mw - limits.floor_mw:
        return
    _, columns, _ = power
    now = float(np.clip(ctx.problem.fact(asset.id, "power_mw", limits.quota_mw), limits.floor_mw, limits.high_mw))
    first = np.zeros(n)
    first[0] = now
    forced = ctx.builder.columns(n, cost=FORCED_CNY_PER_MWH * h, item="hasty")
    ctx.builder.rows(n, term(columns), lagged(columns, 1, -1.0), term(forced, -1.0), high=first + ramp)
    ctx.builder.rows(n, term(columns), lagged(columns, 1, -1.0), term(forced), low=first - ramp)
