"""Register maps: what bits mean, and what a map may not say."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from controllers.edge.modbus_link import spans_of
from controllers.edge.register_map import DeviceMap, Number, Reads, load_map
from vpp.errors import AssetError

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "edge" / "battery.yaml"


@pytest.mark.parametrize(
    ("number", "words", "value"),
    [
        (Number(register=0, type="int16", scale=0.1), (0xFF9C,), -10.0),
        (Number(register=0, type="uint16", scale=0.1), (0xFF9C,), 6543.6),
        (Number(register=0, type="int32", scale=0.001), (0xFFFF, 0xFC18), -1.0),
        (Number(register=0, type="int32", word_order="little", scale=0.001), (0xFC18, 0xFFFF), -1.0),
        (Number(register=0, type="uint32"), (1, 2), 65_538.0),
        (Number(register=0, type="float32"), struct.unpack(">2H", struct.pack(">f", 12.5)), 12.5),
        (Number(register=0, type="int16", flip=True, offset=5.0), (10,), -15.0),
    ],
)
def test_words_become_a_quantity_and_the_quantity_the_same_words(number: Number, words: tuple[int, ...], value: float) -> None:
    assert number.value(words, "big") == pytest.approx(value)
    assert number.encoded(value, "big") == words


def test_what_the_device_does_not_know_is_no_number() -> None:
    assert math.isnan(Number(register=0, missing=-32_768).value((0x8000,), "big"))


def test_a_value_that_does_not_fit_names_register_number_and_type() -> None:
    with pytest.raises(AssetError, match="register 7: 500 is 50000 counts, which does not fit int16"):
        Number(register=7, scale=0.01).encoded(500.0, "big")


def test_the_example_is_read_in_as_few_questions_as_the_device_allows() -> None:
    device_map = load_map(EXAMPLE)
    assert spans_of(device_map) == (("holding", 10, 1), ("input", 0, 5), ("input", 20, 2))


def test_a_question_never_asks_for_more_than_the_standard_allows() -> None:
    state = {f"n{i}": Number(register=i) for i in range(1, 200)}
    wide = DeviceMap(read=Reads(power_mw=Number(register=0), state=state))
    assert spans_of(wide) == (("holding", 0, 125), ("holding", 125, 75))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("read: {power_mw: {register: 65535, type: int32}}", "read.power_mw.register: 65535 leaves no room for int32"),
        ("read: {power_mw: {register: 70000}}", r"Expected `int` <= 65535 - at `\$.read.power_mw.register`"),
        ("read: {power_mw: {register: 0, scale: 0}}", "read.power_mw.scale: 0; give the size of one count"),
        ("read: {power_mw: {register: 0, min: 5, max: 1}}", "read.power_mw.min: 5 is above max 1"),
        ("read: {power_mw: {register: 0, sing: -1}}", "unknown field `sing`"),
        ("read: {power_mw: {register: 0}, mode: {register: 1, values: {0: local}}}", "no number stands for remote"),
        ("read: {power_mw: {register: 0}}\nwrite: {target_mw: {register: 1, table: input}}", "input registers cannot be written"),
        ("read: {power_mw: [", "no YAML"),
        ("", "Expected `object`, got `null`"),
    ],
)
def test_a_map_that_cannot_be_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(text)
    with pytest.raises(AssetError, match=fault) as refused:
        load_map(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


def test_a_map_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="nowhere.yaml: No such file"):
        load_map(tmp_path / "nowhere.yaml")
