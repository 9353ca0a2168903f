"""Whoever listens beside the controller, as a recorder does: told of each word after it was read, never in its way."""

from __future__ import annotations

from typing import Protocol

from vpp.ids import AssetId, ConnectionId
from vpp.wire.messages import Ack, Command, ComputeTelemetry, GridEvent, GridMeasurement, Message, Status, Telemetry
from vpp.wire.topics import Channel

__all__ = ["Deaf", "Ear", "Mouth", "Mute"]


class Ear(Protocol):
    """Told of what was heard; short and synchronous, like a handler of the bus."""

    def telemetry(self, asset_id: AssetId, said: Telemetry) -> None:
        """A reading, also one that was buffered and comes late."""

    def cluster(self, cluster: AssetId, said: ComputeTelemetry) -> None:
        """A cluster's reading."""

    def measured(self, connection: ConnectionId, said: GridMeasurement) -> None:
        """A connection's reading."""

    def status(self, asset_id: AssetId, said: Status) -> None:
        """A device's status."""

    def acknowledged(self, asset_id: AssetId, said: Ack) -> None:
        """An answer to a command."""

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        """A call of the grid, each time that it is said."""


class Mouth(Protocol):
    """Told of what was said."""

    def sent(self, asset_id: AssetId, command: Command) -> None:
        """A command went out."""

    def published(self, channel: Channel, message: Message) -> None:
        """Something went out for anyone to follow: plan, forecast, a signal to a cluster."""


class Deaf:
    """Nobody listens."""

    def telemetry(self, asset_id: AssetId, said: Telemetry) -> None:
        """Nothing."""

    def cluster(self, cluster: AssetId, said: ComputeTelemetry) -> None:
        """Nothing."""

    def measured(self, connection: ConnectionId, said: GridMeasurement) -> None:
        """Nothing."""

    def status(self, asset_id: AssetId, said: Status) -> None:
        """Nothing."""

    def acknowledged(self, asset_id: AssetId, said: Ack) -> None:
        """Nothing."""

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        """Nothing."""


class Mute:
    """Nobody notes what was said."""

    def sent(self, asset_id: AssetId, command: Command) -> None:
        """Nothing."""

    def published(self, channel: Channel, message: Message) -> None:
        """Nothing."""
