"""An emergency call from end to end: real broker, the shipped controller in its own process, edges, plants; then kill -9.

One story, because every process that starts costs seconds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from controllers.bus.mqtt import connected_bus
from tests.live_rig import GRID, live_rig
from vpp.wire.codec import decode, encode
from vpp.wire.messages import GridEvent, Shed
from vpp.wire.topics import Channel, filter_of, topic_of

RATED_MW, LESS_MW = 16.5, 8.0


@dataclass
class Story:
    """What was seen."""

    sheds: list[Shed] = field(default_factory=list)
    before_mw: float = 0.0
    at_once: list[Shed] = field(default_factory=list)
    shed_mw: float = 0.0
    without_controller_mw: float = 0.0
    with_the_next_mw: float = 0.0
    epochs: list[int] = field(default_factory=list)


async def told(folder: Path) -> Story:
    story = Story()
    async with live_rig(folder) as rig, connected_bus(rig.broker.url, "dispatch_centre") as centre:
        centre.subscribe(filter_of(rig.park.id, Channel.SHED), lambda topic, said: story.sheds.append(decode(Shed, topic, said)))
        await centre.flush()
        await rig.until(lambda: rig.epoch > 0 and len(rig.import_mw) > 2, "a first command")
        at, story.before_mw = rig.clock.now(), rig.power_mw()
        call = GridEvent(
            event_id="emergency.1",
            revision=1,
            kind="emergency",
            target_mw=rig.import_mw[-1] - LESS_MW,
            start=at,
            end=at + timedelta(hours=2),
            issued_at=at,
        )
        centre.post(topic_of(rig.park.id, Channel.GRID_EVENT, GRID), encode(call), qos=1, retain=True)
        await rig.until(lambda: rig.power_mw() < -RATED_MW + 0.1, "the battery is shed")
        story.shed_mw, story.at_once = rig.power_mw(), list(story.sheds)
        said = len(story.sheds)
        await rig.until(lambda: len(story.sheds) > said, "the broadcast is said again")
        epoch = rig.epoch
        rig.kill("controller")
        seen = len(rig.import_mw)
        await rig.until(lambda: len(rig.import_mw) > seen + 4, "some steps without a controller")
        story.without_controller_mw = rig.power_mw()
        await rig.until(lambda: story.sheds[-1].epoch > epoch, "the next controller says what stands")
        story.with_the_next_mw = rig.power_mw()
        story.epochs = sorted({shed.epoch for shed in story.sheds})
    return story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(told(tmp_path_factory.mktemp("emergency")))


def test_one_broadcast_sheds_what_the_call_takes(story: Story) -> None:
    assert story.before_mw > -RATED_MW + 0.1
    assert story.at_once[0].step >= 1
    assert story.at_once[0].reason.code == "emergency"
    assert story.shed_mw == pytest.approx(-RATED_MW, abs=0.1)


def test_what_was_shed_stays_out_though_the_controller_is_killed(story: Story) -> None:
    assert story.without_controller_mw == pytest.approx(-RATED_MW, abs=0.1)


def test_the_next_controller_goes_on_from_the_step_that_stands(story: Story) -> None:
    assert len(story.epochs) == 2
    first = next(shed for shed in story.sheds if shed.epoch == story.epochs[1])
    assert first.step == story.at_once[-1].step
    assert story.with_the_next_mw == pytest.approx(-RATED_MW, abs=0.1)
