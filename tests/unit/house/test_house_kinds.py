"""An asset kind is one idea in three places, under one name."""

from __future__ import annotations

from controllers.planner.blocks import BLOCKS
from tests.unit.house.house_sources import ROOT
from vpp.assets import ASSET_KINDS
from vpp.park.plates import PLATES


def test_every_kind_that_a_park_file_may_name_has_a_model() -> None:
    assert set(ASSET_KINDS) == set(PLATES)


def test_every_kind_that_a_park_file_may_name_can_be_planned() -> None:
    assert set(BLOCKS) == set(PLATES)


def test_every_kind_lives_in_a_file_of_its_own_name() -> None:
    assert [kind for kind in PLATES if not (ROOT / "vpp" / "assets" / f"{kind}.py").is_file()] == []


def test_a_kind_is_registered_under_the_name_it_gives_itself() -> None:
    assert {name: kind.name for name, kind in ASSET_KINDS.items()} == {name: name for name in ASSET_KINDS}
