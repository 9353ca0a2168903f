"""The park's side of the bus, for the tests of a scheduler's adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controllers.adapters.following.follower import Follower
from controllers.adapters.following.hands import Hands
from controllers.adapters.following.settings import FollowSettings
from controllers.bus.mqtt import MqttBus, connected_bus
from controllers.clock import WallClock
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Backlog, ComputeShift, ComputeTelemetry, Message, Placement, ShiftInterval, ShiftResponse
from vpp.wire.topics import Channel, topic_of

__all__ = ["CLUSTER", "PARK", "ParkSide", "config_text", "following", "park_side"]

PARK, CLUSTER = "chifeng", "compute.zhisuan1"


@dataclass
class ParkSide:
    """Posts signals, and hears what comes back."""

    bus: MqttBus
    heard: list[Message] = field(default_factory=list)
    revision: int = 0

    def signal(  # noqa: PLR0913  a signal is these
        self,
        cap_mw: float,
        *,
        valid_s: float = 60.0,
        later_mw: float = 1.0,
        target_mw: float | None = None,
        placements: tuple[Placement, ...] = (),
    ) -> int:
        """Posts a new revision: a cap for the hour that has just begun, another for the hour after it, and what is placed."""
        self.revision += 1
        now = WallClock().now()
        start = now.replace(second=0, microsecond=0)
        facts = {"green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 300.0, "confidence_frac": 0.9}
        targets = [cap_mw if target_mw is None else target_mw, later_mw, 1.0]
        intervals = tuple(
            ShiftInterval(
                start=start + timedelta(hours=i),
                end=start + timedelta(hours=i + 1),
                cap_mw=cap,
                target_mw=t,
                floor_mw=0.0,
                **facts,
            )
            for i, (cap, t) in enumerate(zip([cap_mw, later_mw, 1.0], targets, strict=True))
        )
        shift = ComputeShift(
            epoch=1, seq=self.revision, issued_at=now, cluster=CLUSTER, revision=self.revision,
            valid_until=now + timedelta(seconds=valid_s), cap_now_mw=cap_mw, intervals=intervals, placements=placements,
        )  # fmt: skip
        self.bus.post(topic_of(PARK, Channel.COMPUTE_SHIFT, CLUSTER), encode(shift), qos=1, retain=True)
        return self.revision

    def of(self, kind: type[Message]) -> list[Any]:
        """What was heard of a kind, the newest last."""
        return [said for said in self.heard if isinstance(said, kind)]

    def answers(self, revision: int) -> list[Any]:
        """What was answered to a revision."""
        return [said for said in self.of(ShiftResponse) if said.revision == revision]


@asynccontextmanager
async def park_side(broker_url: str) -> AsyncIterator[ParkSide]:
    """Connected while inside."""
    async with connected_bus(broker_url, "park") as bus:
        found = ParkSide(bus)
        kinds = (
            (Channel.COMPUTE_TELEMETRY, ComputeTelemetry),
            (Channel.COMPUTE_BACKLOG, Backlog),
            (Channel.COMPUTE_RESPONSE, ShiftResponse),
        )
        for channel, kind in kinds:
            topic = topic_of(PARK, channel, CLUSTER)
            bus.subscribe(topic, lambda topic, payload, kind=kind: found.heard.append(decode(kind, topic, payload)))
        yield found


async def following(settings: FollowSettings, hands: Hands, act: Callable[[], Awaitable[None]]) -> None:
    """The adapter in this process while something is done."""
    async with connected_bus(settings.broker_url, "adapter") as bus:
        task = asyncio.create_task(Follower(settings, hands, bus, WallClock()).run())
        try:
            await act()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def config_text(settings: FollowSettings, own: str, after_power: str = "") -> str:
    """An adapter's configuration file: what all of them say, with a kind's own keys before and after the power of its nodes."""
    return f"""
park = "{settings.park}"
cluster = "{settings.cluster}"
broker_url = "{settings.broker_url}"
fallback_cap_mw = 1.0
state_dir = "{settings.state_dir}"
lease_s = {settings.lease_s}
period_s = {settings.period_s}
{own}
[power]
node_idle_kw = 1.0
gpu_kw = 1.0
pue = 1.25
{after_power}
"""
