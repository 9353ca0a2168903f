from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from forecasting.parallel import over_cores, over_dask
from forecasting.predict import predict
from forecasting.train import train
from vpp.errors import ForecastError
from vpp.timegrid import TimeGrid


def test_the_models_are_the_same_wherever_they_were_trained(toy_world) -> None:
    distributed = pytest.importorskip("distributed")
    at = toy_world.start + timedelta(days=50)
    small = replace(toy_world.settings, rounds=4)
    here = train(toy_world.door, toy_world.farms, known_at=at, settings=small)
    cores = train(toy_world.door, toy_world.farms, known_at=at, settings=small, spread=over_cores(2))
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        over_dask(cluster.scheduler_address) as spread,
    ):
        cluster_made = train(toy_world.door, toy_world.farms, known_at=at, settings=small, spread=spread)
    grid = TimeGrid.regular(at, timedelta(minutes=15), 96)
    said = [predict(models, toy_world.door, known_at=at, grid=grid).quantile_frac for models in (here, cores, cluster_made)]
    assert np.array_equal(said[0], said[1])
    assert np.array_equal(said[0], said[2])
    assert here.key == cores.key == cluster_made.key


def test_an_address_where_no_scheduler_answers_is_named() -> None:
    with (
        pytest.raises(ForecastError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        over_dask("tcp://127.0.0.1:9", 1.0),
    ):
        pass
