from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from forecasting.registry import Registry, challenge
from forecasting.train import train
from vpp.errors import ForecastError


@pytest.fixture(scope="module")
def first(toy_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    now = toy_world.start + timedelta(days=66)
    return challenge(Registry.open(folder), toy_world.door, toy_world.farms, known_at=now, settings=toy_world.settings)


def test_the_first_version_comes_into_use_with_its_span_settings_and_scores(first, toy_world) -> None:
    registry, decision = first
    assert decision.promoted
    again = Registry.open(registry.folder)
    assert again.current == decision.version.name
    assert again.models().settings == toy_world.settings
    assert again.versions[0].pinball == pytest.approx(decision.scores.pinball)


def test_a_worse_challenger_is_kept_and_not_used(first, toy_world) -> None:
    registry, before = first
    now = toy_world.start + timedelta(days=66)
    blind = replace(toy_world.settings, rounds=1)
    after, decision = challenge(registry, toy_world.door, toy_world.farms, known_at=now, settings=blind)
    assert not decision.promoted
    assert after.current == before.version.name
    assert len(Registry.open(registry.folder).versions) == 2
    assert decision.scores.pinball > decision.rival_scores.pinball


def test_a_trial_trains_on_nothing_of_the_days_it_is_tried_on(first, toy_world) -> None:
    registry, decision = first
    assert decision.scores.start == registry.models().known_at
    assert decision.scores.end == toy_world.start + timedelta(days=66)


def test_a_register_that_is_none_is_named(tmp_path) -> None:
    (tmp_path / "register.json").write_text(json.dumps({"versions": 3}))
    with pytest.raises(ForecastError, match=r"register\.json: not a register of ours"):
        Registry.open(tmp_path)


def test_without_a_version_in_use_the_way_out_is_named(tmp_path) -> None:
    with pytest.raises(ForecastError, match="run `vpp forecast train` first"):
        Registry.open(tmp_path).models()


def test_training_learns_what_hangs_together(toy_world) -> None:
    models = train(toy_world.door, toy_world.farms, known_at=toy_world.start + timedelta(days=60), settings=toy_world.settings)
    assert models.dependence is not None
    assert models.dependence.asset_ids == tuple(farm.asset_id for farm in toy_world.farms)
