"""Weather runs: what of them had been published when, and how the measured 24-h runs are carried on.

Made up, and to be said beside every figure: the public runs end after 24 h. The hours beyond are blended from the *runs* of
the following days (never from measured power) and noise:

    carried = mean + rho(lead) * (later run - mean) + sqrt(1 - rho(lead)^2) * sd * n(lead)

with rho falling from 1 at 24 h to 0.72 at 96 h, and n an AR(1) noise of unit variance over lead, one part of it shared by
all zones. Mean and sd are the zone's over all its runs. Variance is kept, and the error against the later run grows with
the lead. What a run says beyond 24 h is fixed when it is issued: asking later does not sharpen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.known import WeatherRuns
from sim_harness.weather.fine import unit_ar1
from vpp.series import StampArray, to_stamp
from vpp.units import FloatArray

__all__ = ["CARRIED_LEAD", "MEASURED_LEADS", "PUBLICATION_DELAY", "RunArchive", "carry_on"]

#: A global model's run is out about four hours after its start (ECMWF's 00 UTC: 4-7 h).
PUBLICATION_DELAY: Final = timedelta(hours=4)
#: A daily run four hours late is 28 h old at worst; a plan of 48 h and a forecast of 68 h still fit into it.
CARRIED_LEAD: Final = timedelta(hours=96)
MEASURED_LEADS: Final = 24
#: rho falls by this much for each further hour; 1 at 24 h.
RHO_LOSS_PER_H: Final = 0.28 / 72.0
NOISE_MEMORY_H: Final = 12.0
#: Share of the noise's variance that all zones have in common.
SHARED_NOISE_FRAC: Final = 0.6


def carry_on(runs: FloatArray, shared: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Daily 24-h runs carried on to `CARRIED_LEAD` by the following days' runs and noise.

    Args:
        runs: One run a day without gaps, hourly leads 1..24, shape (R, 24, K).
        shared: Unit white noise that all zones share, shape (R, L - 24, K).
        rng: Source of the zone's own noise.

    Returns:
        Runs with hourly leads 1..L, NaN where the following days' runs do not exist, shape (R, L, K).
    """
    n, _, k = runs.shape
    beyond = shared.shape[1]
    later = np.full((n, beyond, k), np.nan)
    for day in range(beyond // MEASURED_LEADS):
        span = slice(day * MEASURED_LEADS, (day + 1) * MEASURED_LEADS)
        later[: n - day - 1, span] = runs[day + 1 :]
    mean, sd = runs.mean(axis=(0, 1)), runs.std(axis=(0, 1))
    own = rng.standard_normal(shared.shape)
    white = SHARED_NOISE_FRAC**0.5 * shared + (1.0 - SHARED_NOISE_FRAC) ** 0.5 * own
    noise = np.moveaxis(unit_ar1(np.moveaxis(white, 1, -1), NOISE_MEMORY_H), -1, 1)
    rho = (1.0 - RHO_LOSS_PER_H * np.arange(1, beyond + 1))[:, None]
    carried = mean + rho * (later - mean) + np.sqrt(1.0 - rho**2) * sd * noise
    return np.concatenate((runs, carried), axis=1)


@dataclass(frozen=True, slots=True)
class RunArchive:
    """Daily runs by name of their cell, all issued at the same times.

    Args:
        issued_at: Start of each run (UTC), increasing, shape (R,).
        value: By cell, shape (R, L, K).
        features: By cell, K names.
    """

    issued_at: StampArray
    value: Mapping[str, FloatArray]
    features: Mapping[str, tuple[str, ...]]

    def since(self, first: np.datetime64) -> RunArchive:
        """Only the runs issued from `first` on; views, no copies."""
        n = int(np.searchsorted(self.issued_at, first))
        return RunArchive(self.issued_at[n:], {cell: runs[n:] for cell, runs in self.value.items()}, self.features)

    def known(self, cell: str | None, known_at: datetime) -> WeatherRuns:
        """The runs of a cell received by `known_at`, none for a cell nobody knows; views, no copies."""
        if cell is None or cell not in self.value:
            return WeatherRuns.none()
        received_at = self.issued_at + np.timedelta64(PUBLICATION_DELAY)
        n = min(int(np.searchsorted(received_at, to_stamp(known_at), side="right")), self.value[cell].shape[0])
        lead_h = np.arange(1.0, self.value[cell].shape[1] + 1.0)
        return WeatherRuns(self.issued_at[:n], received_at[:n], lead_h, self.features[cell], self.value[cell][:n])
