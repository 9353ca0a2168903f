"""How good the forecasts on the wire were, judged by what was really available."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from controllers.bus.base import Bus
from forecasting.scores import nrmse_frac, pinball
from sim_harness.truth import Truth
from vpp.ids import AssetId
from vpp.series import to_stamps
from vpp.units import FloatArray
from vpp.wire.codec import decode
from vpp.wire.messages import ForecastCurrent
from vpp.wire.topics import Channel, filter_of

__all__ = ["ForecastEar"]

_KINDS = ("wind", "solar")


class ForecastEar:
    """Listens to what the controller publishes and keeps it for the end of the run.

    Args:
        bus: Where it listens.
        park: The park's id.
    """

    def __init__(self, bus: Bus, park: str) -> None:
        self._heard: list[ForecastCurrent] = []
        bus.subscribe(filter_of(park, Channel.FORECAST_CURRENT), self._on_forecast)

    def skill(self, truth: Truth) -> Mapping[str, float | None]:
        """Normalised error of the median and mean pinball, by kind, over every forecast and every lead time the run covers."""
        found: dict[str, float | None] = {}
        for kind in _KINDS:
            pairs = [pair for asset in truth.park.assets_of(kind) for pair in self._pairs(truth, asset.id)]
            said = np.concatenate([q for q, _ in pairs]) if pairs else np.empty((0, 7))
            true = np.concatenate([y for _, y in pairs]) if pairs else np.empty(0)
            found[f"{kind}_nrmse_frac"] = nrmse_frac(true, said[:, said.shape[1] // 2]) if len(true) else None
            found[f"{kind}_pinball"] = pinball(true, said, self._heard[0].levels) if len(true) else None
        return found

    def _pairs(self, truth: Truth, asset_id: AssetId) -> list[tuple[FloatArray, FloatArray]]:
        """Forecast quantiles and true shares of capacity for the intervals that both know."""
        capacity_mw = float(truth.park.asset(asset_id).plate.capacity_mw)
        true = truth.available_mwh[truth.assets.index(asset_id)] / truth.grid.step_h / capacity_mw
        stamps = to_stamps(truth.grid.starts)
        pairs = []
        for message in self._heard:
            series = next((s for s in message.series if s.id == asset_id), None)
            if series is None:
                continue
            _, here, there = np.intersect1d(stamps, to_stamps(message.edges[:-1]), return_indices=True)
            pairs.append((np.array(series.values)[there], true[here]))
        return pairs

    def _on_forecast(self, topic: str, payload: bytes) -> None:
        self._heard.append(decode(ForecastCurrent, topic, payload))
