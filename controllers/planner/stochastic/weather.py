"""Joint courses of wind and sun for a plan: the forecast's own, or drawn from its quantiles where it brings none."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.dependence import Dependence, scenarios
from forecasting.forecast import Forecast
from vpp.errors import PlanError
from vpp.ids import AssetId
from vpp.park import Park
from vpp.units import FloatArray

__all__ = ["available_scenarios"]

#: How far errors of two farms of one kind go together where nobody has learnt it: the park lies within some tens of kilometres.
#: An assumption; farms apart from one another would make the park's total too sure.
SAME_KIND: Final = 0.6
#: Memory of errors where nobody has learnt it: fast part, slow part, and the slow one's share of the variance. [h]
FAST_H, SLOW_H, SLOW_FRAC = 3.0, 12.0, 0.5


def available_scenarios(park: Park, forecast: Forecast, count: int, seed: int = 0) -> dict[AssetId, FloatArray]:
    """Available power of every farm in each of `count` scenarios, equally likely, shape (S, T) each. [MW].

    The same forecast, count and seed give the same scenarios.

    Args:
        park: Whose farms.
        forecast: With quantiles, and scenarios of its own if it has at least so many.
        count: S, at least 2.
        seed: Of chance.

    Raises:
        PlanError: Fewer than 2 scenarios.
    """
    if count < 2:
        raise PlanError(f"{count} scenarios: at least 2 are needed to plan over them")
    # A load errs by a fiftieth of its mean and wind by a fifth of its capacity: loads stand at their expected value.
    farms = {asset_id: row for row, asset_id in enumerate(forecast.asset_ids) if asset_id not in forecast.loads}
    drawn = forecast.scenario_frac
    if drawn is None or drawn.shape[0] < count:
        rng = np.random.default_rng([seed, int(forecast.issued_at.timestamp())])
        together = _together(park, forecast, tuple(farms))
        quantile = forecast.quantile_frac[list(farms.values())]
        drawn = scenarios(together, quantile, forecast.quantile_levels, forecast.grid.step_h, count, rng)
        farms = {farm: row for row, farm in enumerate(farms)}
    return {
        farm: np.asarray(drawn[:count, row] * park.asset(farm).plate.capacity_mw, dtype=np.float64) for farm, row in farms.items()
    }


def _together(park: Park, forecast: Forecast, asset_ids: tuple[AssetId, ...]) -> Dependence:
    """What was learnt where it was learnt of all of them; a farm that is new would make the park's total too sure."""
    learnt = forecast.dependence
    if learnt is not None and set(asset_ids) <= set(learnt.asset_ids):
        return learnt.of(asset_ids)
    return _assumed(park, asset_ids)


def _assumed(park: Park, asset_ids: tuple[AssetId, ...]) -> Dependence:
    kinds = np.array([park.asset(asset_id).kind for asset_id in asset_ids])
    correlation = np.where(kinds[:, None] == kinds[None, :], SAME_KIND, 0.0)
    np.fill_diagonal(correlation, 1.0)
    n = len(asset_ids)
    return Dependence(asset_ids, correlation, np.full(n, FAST_H), np.full(n, SLOW_H), np.full(n, SLOW_FRAC))
