"""What was forecast lately and what came of it: it goes on calibrating, weighs model against fall-back, and sees drift.

A journal is a value: the loop keeps the newest one and hands it on. It holds every forecast of the last two days at a few leads,
settles those whose outcome has come in through the same door as everything else, and knows three things of each farm and horizon
group: the stretches of its quantiles (`adaptive`), and the recent pinball of the model and of climatology.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.adaptive import Tracker
from forecasting.baselines import scale_frac
from forecasting.calibrate import HORIZON_EDGES_H, horizon_group
from forecasting.evaluate import means_between
from forecasting.forecast import MODEL_LEVELS, Flag, Forecast
from forecasting.history import PowerHistory
from forecasting.known import FarmSite, KnownDoor
from forecasting.predict import grid_middles
from forecasting.train import ForecastModels
from vpp.series import to_stamp
from vpp.units import FloatArray, hours

__all__ = ["DRIFT_RATIO", "FarmHealth", "Journal"]

GROUPS: Final = len(HORIZON_EDGES_H) + 1
#: Leads kept of each forecast: outcomes of neighbouring quarters say nearly the same.
LEADS_H: Final = (0.25, 0.75, 1.5, 3.0, 6.0, 10.0, 18.0, 30.0, 44.0)
KEPT: Final = timedelta(hours=50)
#: Pages are at least this far apart: forecasts of neighbouring quarters miss together, and would each count as news.
PAGE_EVERY: Final = timedelta(hours=1)
#: Step of a stretch at an outcome, by horizon group: half a day ahead and more, neighbouring outcomes say nearly the same. Chosen
#: on July to September of 2030.
RATE: Final = np.array([0.006, 0.006, 0.006, 0.004, 0.004, 0.004])
#: Weight of an outcome in the recent scores; some 200 outcomes, a day of a forecast every hour at all leads.
MEMORY: Final = 1.0 / 200.0
#: So many outcomes are needed before anything is said of a farm.
LEAST: Final = 100
#: A farm whose recent pinball is this much worse than climatology's usual share of it drifts.
DRIFT_RATIO: Final = 1.4
#: Where the model has been this much better than climatology it speaks alone; where it was this much worse, climatology does.
TRUSTED, DISTRUSTED = 0.9, 1.3
LOW, HIGH = MODEL_LEVELS.index(0.05), MODEL_LEVELS.index(0.95)


@dataclass(frozen=True, slots=True)
class FarmHealth:
    """How a farm's forecasts have fared lately.

    Args:
        pinball: Recent mean, share of capacity; NaN before enough outcomes.
        climatology_pinball: The same for climatology.
        first_pinball: Over the first outcomes after training: what it is compared with.
        coverage_frac: Of the 90 % interval.
        count: Outcomes in all.
    """

    pinball: float
    climatology_pinball: float
    first_pinball: float
    coverage_frac: float
    count: int

    @property
    def drift_ratio(self) -> float:
        """Recent pinball over that of the first outcomes, each as a share of climatology's; 1 means as good as ever."""
        return self.pinball / self.first_pinball if self.first_pinball > 0 else float("nan")

    @property
    def drifts(self) -> bool:
        """Whether the model has become so much worse that it wants training anew."""
        return self.count >= 2 * LEAST and self.drift_ratio > DRIFT_RATIO


@dataclass(frozen=True, slots=True)
class _Page:
    """One forecast at the leads kept: shapes (K,), (F, K, Q), (F, K, Q)."""

    issued_at: datetime
    edges: tuple[tuple[datetime, datetime], ...]
    quantile: FloatArray
    usual: FloatArray
    scale: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """The newest pages and what older ones taught.

    Args:
        farms: F farms, in the order of their forecasts.
        tracker: Group `farm * GROUPS + horizon group`.
        scores: Recent pinball of model and of climatology, and of the model at first, shape (F, 3).
        covered: Recent share inside the 90 % interval, shape (F,).
        count: Outcomes settled, shape (F,).
        pages: Not settled yet.
    """

    farms: tuple[FarmSite, ...]
    tracker: Tracker
    scores: FloatArray
    covered: FloatArray
    count: FloatArray
    pages: tuple[_Page, ...] = ()

    @classmethod
    def empty(cls, models: ForecastModels) -> Journal:
        """Nothing forecast yet."""
        n = len(models.farms)
        return cls(models.farms, Tracker.fresh(MODEL_LEVELS, n * GROUPS), np.zeros((n, 3)), np.full(n, np.nan), np.zeros(n), ())

    def with_forecast(self, forecast: Forecast, models: ForecastModels) -> Journal:
        """The journal with a page for a raw forecast, at `MODEL_LEVELS`, before `applied`; as it is while its last is young."""
        if self.pages and forecast.issued_at - self.pages[-1].issued_at < PAGE_EVERY:
            return self
        middle_h = forecast.grid.offset_h + forecast.grid.step_h / 2.0
        chosen = sorted({int(np.argmin(np.abs(middle_h - lead))) for lead in LEADS_H if lead < middle_h[-1] + 0.5})
        starts = [(forecast.grid.edges[t], forecast.grid.edges[t + 1]) for t in chosen]
        middle = grid_middles(forecast.grid)[chosen]
        scale = np.stack([scale_frac(site, middle) for site in self.farms])
        usual = np.stack([one.at(middle, s)[0] for one, s in zip(models.climatology, scale, strict=True)])
        page = _Page(forecast.issued_at, tuple(starts), forecast.quantile_frac[:, chosen], usual, scale)
        return replace(self, pages=(*self.pages, page))

    def settled(self, door: KnownDoor, known_at: datetime) -> Journal:
        """The journal after every outcome that has come in by now has taught what it had to teach."""
        if not self.pages:
            return self
        start = min(page.edges[0][0] for page in self.pages)
        pasts = [PowerHistory.of(door.power(site.asset_id, known_at=known_at, start=start, end=known_at)) for site in self.farms]
        now: Journal = self
        open_pages: list[_Page] = []
        for page in self.pages:
            ripe = [k for k, (_, end) in enumerate(page.edges) if end <= known_at]
            if ripe:
                now = now._learn(page, ripe, pasts)
            rest = [k for k in range(len(page.edges)) if k not in ripe]
            if rest and known_at - page.issued_at < KEPT:
                open_pages.append(_part(page, rest))
        return replace(now, pages=tuple(open_pages))

    def applied(self, forecast: Forecast, models: ForecastModels) -> Forecast:
        """A raw forecast stretched as outcomes taught, blended with climatology where that was better, drift flagged."""
        horizon_h = forecast.grid.offset_h + forecast.grid.step_h / 2.0
        group = horizon_group(horizon_h)
        middle = grid_middles(forecast.grid)
        quantiles, means, flags = forecast.quantile_frac.copy(), forecast.mean_frac.copy(), []
        for f, site in enumerate(self.farms):
            own = self.tracker.applied(quantiles[f], f * GROUPS + group)
            trust = self._trust(f)
            if trust < 1.0:
                usual, expected = models.climatology[f].at(middle, scale_frac(site, middle))
                own = trust * own + (1.0 - trust) * usual
                means[f] = trust * means[f] + (1.0 - trust) * expected
            quantiles[f] = own
            before: tuple[Flag, ...] = forecast.flags[f] if forecast.flags else ()
            flags.append((*before, "drift") if self.health(f).drifts else before)
        return replace(forecast, quantile_frac=quantiles, mean_frac=means, flags=tuple(flags))

    def health(self, farm: int) -> FarmHealth:
        """How a farm's forecasts have fared lately."""
        model, usual, first = self.scores[farm]
        return FarmHealth(model, usual, first, float(self.covered[farm]), int(self.count[farm]))

    def _trust(self, farm: int) -> float:
        """Weight of the model against climatology, 1 until enough outcomes are in."""
        model, usual, _ = self.scores[farm]
        if self.count[farm] < LEAST or usual <= 0:
            return 1.0
        return float(np.clip((DISTRUSTED - model / usual) / (DISTRUSTED - TRUSTED), 0.0, 1.0))

    def _learn(self, page: _Page, ripe: list[int], pasts: list[PowerHistory]) -> Journal:
        scores, covered, count, tracker = self.scores.copy(), self.covered.copy(), self.count.copy(), self.tracker
        lead_h = np.array([hours(a + (b - a) / 2 - page.issued_at) for a, b in page.edges])
        start, end = (np.array([to_stamp(page.edges[k][side]) for k in ripe]) for side in (0, 1))
        for f, history in enumerate(pasts):
            outcome = np.where(page.scale[f, ripe] > 0, means_between(history, start, end), np.nan)
            if np.isnan(outcome).all():
                continue
            group = f * GROUPS + horizon_group(lead_h[ripe])
            said = tracker.applied(page.quantile[f, ripe], group)
            tracker = tracker.learnt(page.quantile[f, ripe], group, outcome, RATE[group % GROUPS])
            kept = scores[f], covered[f], count[f]
            for k in np.flatnonzero(~np.isnan(outcome)):
                kept = _remember(kept, said[k], page.usual[f, ripe[k]], float(outcome[k]))
            scores[f], covered[f], count[f] = kept
        return replace(self, tracker=tracker, scores=scores, covered=covered, count=count)


def _remember(
    kept: tuple[FloatArray, float, float], said: FloatArray, usual: FloatArray, outcome: float
) -> tuple[FloatArray, float, float]:
    """Recent means after one more outcome: plain means at first, then with a fading memory."""
    scores, covered, count = kept
    weight = max(MEMORY, 1.0 / (count + 1.0))
    level = np.array(MODEL_LEVELS)
    loss = np.array([np.mean(np.maximum(level * (outcome - q), (level - 1.0) * (outcome - q))) for q in (said, usual)])
    recent = scores[:2] + weight * (loss - scores[:2])
    first = recent[0] if count < LEAST else scores[2]
    inside = float(said[LOW] <= outcome <= said[HIGH])
    return np.append(recent, first), inside if count == 0 else covered + weight * (inside - covered), count + 1


def _part(page: _Page, keep: list[int]) -> _Page:
    return _Page(
        page.issued_at,
        tuple(page.edges[k] for k in keep),
        page.quantile[:, keep],
        page.usual[:, keep],
        page.scale[:, keep],
    )
