"""The published contract is the one that the code speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpp.wire.asyncapi import document, main, render
from vpp.wire.topics import Channel

PUBLISHED = Path(__file__).parents[3] / "docs" / "asyncapi.yaml"


def test_the_published_document_is_not_stale() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == render()


def test_the_check_tells_a_stale_file_from_a_fresh_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "asyncapi.yaml"
    assert main(["--check", "--path", str(path)]) == 1
    assert main(["--path", str(path)]) == 0
    assert main(["--check", "--path", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("retain: true", "retain: false", 1), encoding="utf-8")
    assert main(["--check", "--path", str(path)]) == 1
    assert "stale" in capsys.readouterr().err


def test_every_channel_is_published_and_every_reference_leads_somewhere() -> None:
    published = document()
    assert set(published["channels"]) == {channel.name.lower() for channel in Channel}
    references = _references(published)
    assert len(references) > 50
    for reference in references:
        node = published
        for word in reference.removeprefix("#/").split("/"):
            node = node[word]


def test_a_property_says_what_it_is() -> None:
    properties = document()["components"]["schemas"]["Telemetry"]["properties"]
    assert "positive when consuming" in properties["power_mw"]["description"]
    assert properties["t"]["format"] == "date-time"


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [r for value in node.values() for r in _references(value)]
    return [r for value in node for r in _references(value)] if isinstance(node, list) else []
