"""Who may say and hear what on the broker: one user for each device, cluster and gateway; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vpp.wire.topics import ROOT, Channel, fence_topic, filter_of, topic_of

__all__ = ["API", "CONTROLLER", "Right", "rights_of"]

CONTROLLER: Final = "controller"
API: Final = "api"


@dataclass(frozen=True, slots=True)
class Right:
    """What one user may do; whatever is not named is forbidden.

    Args:
        user: Its name, and the id of its client where no name is given.
        says: Topic filters it may publish under.
        hears: Topic filters it may subscribe to, and narrower ones.
    """

    user: str
    says: tuple[str, ...]
    hears: tuple[str, ...]


def rights_of(
    park: str,
    *,
    assets: Iterable[str],
    clusters: Iterable[str],
    gateways: Mapping[str, Iterable[str]],
    viewers: Iterable[str] = ("viewer",),
) -> tuple[Right, ...]:
    """The rights of everybody in a park.

    A device says its own telemetry, status and ack and hears what is for it; a scheduler has its cluster, a gateway its
    connections; the controller everything; the API rings the doorbell and hands on what schedulers sent it; viewers hear.

    Args:
        park: Id of the park.
        assets: Ids of what an edge stands beside.
        clusters: Ids of clusters, which a scheduler's client stands beside.
        gateways: Ids of connections by name of the gateway that measures them.
        viewers: Names.
    """
    everything = f"{ROOT}/{park}/#"
    rights = [
        _right(CONTROLLER, (everything,), (everything,)),
        _right(API, _all_of(park, Channel.ASK, Channel.COMPUTE_BACKLOG, Channel.COMPUTE_RESPONSE), (everything,)),
    ]
    rights += [_device(park, asset) for asset in assets]
    rights += [_scheduler(park, cluster) for cluster in clusters]
    rights += [_gateway(park, name, tuple(connections)) for name, connections in gateways.items()]
    rights += [_right(viewer, (), (everything,)) for viewer in viewers]
    return tuple(rights)


def _device(park: str, asset: str) -> Right:
    said = (Channel.ASSET_TELEMETRY, Channel.ASSET_STATUS, Channel.ASSET_ACK)
    heard = (Channel.ASSET_COMMAND, Channel.ASSET_ARM)
    return _right(f"asset.{asset}", _own(park, asset, *said), (*_own(park, asset, *heard), *_all_of(park, Channel.SHED)))


def _scheduler(park: str, cluster: str) -> Right:
    said = (Channel.COMPUTE_BACKLOG, Channel.COMPUTE_RESPONSE, Channel.COMPUTE_TELEMETRY)
    heard = (Channel.COMPUTE_SHIFT, Channel.COMPUTE_BACKLOG_ANSWER)
    return _right(f"scheduler.{cluster}", _own(park, cluster, *said), _own(park, cluster, *heard))


def _gateway(park: str, name: str, connections: tuple[str, ...]) -> Right:
    said = (Channel.GRID_MEASUREMENT, Channel.GRID_PRICE, Channel.GRID_EVENT)
    says = tuple(topic for connection in connections for topic in _own(park, connection, *said))
    hears = tuple(topic for connection in connections for topic in _own(park, connection, Channel.GRID_EVENT_ANSWER))
    return _right(f"gateway.{name}", says, hears)


def _right(user: str, says: tuple[str, ...], hears: tuple[str, ...]) -> Right:
    """With the fence of its own, over which a client learns what the broker has taken."""
    fence = fence_topic(user)
    return Right(user, (*says, fence), (*hears, fence))


def _own(park: str, subject: str, *channels: Channel) -> tuple[str, ...]:
    return tuple(topic_of(park, channel, subject) for channel in channels)


def _all_of(park: str, *channels: Channel) -> tuple[str, ...]:
    return tuple(filter_of(park, channel) for channel in channels)
