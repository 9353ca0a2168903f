"""The one home of every topic name: building, taking apart, and filters to subscribe with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from vpp.errors import IdError, WireError
from vpp.ids import check_id

__all__ = ["ROOT", "Channel", "Topic", "fence_topic", "filter_of", "matches", "parse", "topic_of"]

#: Major version of the contract: a change that an old receiver cannot read gets a new root.
ROOT: Final = "vpp/v1"
_SUBJECT: Final = "{id}"
#: Topics are few and travel often; a sender that makes up names must not fill the memory.
_TOPICS_KEPT: Final = 16_384


class Channel(Enum):
    """What a topic is about, as the tail of its name; `{id}` stands for an asset, ladder, cluster, connection or kind of ask."""

    ASSET_TELEMETRY = "asset/{id}/telemetry"
    ASSET_STATUS = "asset/{id}/status"
    ASSET_COMMAND = "asset/{id}/command"
    ASSET_ACK = "asset/{id}/ack"
    ASSET_ARM = "asset/{id}/arm"
    SHED = "shed/{id}"
    COMPUTE_SHIFT = "compute/{id}/shift"
    COMPUTE_BACKLOG = "compute/{id}/backlog"
    COMPUTE_BACKLOG_ANSWER = "compute/{id}/backlog_answer"
    COMPUTE_RESPONSE = "compute/{id}/response"
    COMPUTE_TELEMETRY = "compute/{id}/telemetry"
    GRID_MEASUREMENT = "grid/{id}/measurement"
    GRID_PRICE = "grid/{id}/price"
    GRID_EVENT = "grid/{id}/event"
    GRID_EVENT_ANSWER = "grid/{id}/event_answer"
    PLAN_CURRENT = "plan/current"
    FORECAST_CURRENT = "forecast/current"
    ASK = "ask/{id}"

    @property
    def has_subject(self) -> bool:
        """Whether the topic names one asset, ladder, cluster or connection."""
        return _SUBJECT in self.value


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart.

    Args:
        park: Id of the park.
        channel: What it is about.
        subject: Id of the asset, ladder, cluster or connection; empty where the channel has none.
    """

    park: str
    channel: Channel
    subject: str = ""

    def __str__(self) -> str:
        return f"{ROOT}/{self.park}/{self.channel.value.replace(_SUBJECT, self.subject)}"


@lru_cache(_TOPICS_KEPT)
def topic_of(park: str, channel: Channel, subject: str = "") -> str:
    """The name of a topic.

    Raises:
        WireError: An id cannot travel in a topic, is missing, or the channel has none.

    >>> topic_of("chifeng", Channel.ASSET_COMMAND, "bess.hongshan")
    'vpp/v1/chifeng/asset/bess.hongshan/command'
    """
    if channel.has_subject != bool(subject):
        rule = "needs an id" if channel.has_subject else f"takes no id, not {subject!r}"
        raise WireError(f"topic {channel.value}: {rule}")
    try:
        check_id(park)
        if subject:
            check_id(subject)
    except IdError as error:
        raise WireError(f"topic {channel.value}: {error}") from error
    return str(Topic(park, channel, subject))


def filter_of(park: str, channel: Channel) -> str:
    """The filter that takes this channel of every asset, ladder, cluster or connection.

    >>> filter_of("chifeng", Channel.ASSET_TELEMETRY)
    'vpp/v1/chifeng/asset/+/telemetry'
    """
    return f"{ROOT}/{check_id(park)}/{channel.value.replace(_SUBJECT, '+')}"


@lru_cache(_TOPICS_KEPT)
def parse(topic: str) -> Topic:
    """A topic's name taken apart; the inverse of `topic_of`.

    Raises:
        WireError: No channel has such a name, or an id in it is malformed.

    >>> parse("vpp/v1/chifeng/shed/east").subject
    'east'
    """
    head, _, rest = topic.removeprefix(f"{ROOT}/").partition("/")
    if not topic.startswith(f"{ROOT}/"):
        raise WireError(f"{topic!r}: a topic starts with {ROOT}/")
    words = rest.split("/")
    for channel in Channel:
        pattern = channel.value.split("/")
        if len(pattern) == len(words) and all(p in (w, _SUBJECT) for p, w in zip(pattern, words, strict=True)):
            subject = words[pattern.index(_SUBJECT)] if channel.has_subject else ""
            topic_of(head, channel, subject)
            return Topic(head, channel, subject)
    raise WireError(f"{topic!r}: no channel has this name")


def fence_topic(client: str) -> str:
    """The private topic over which a client learns that the broker has taken all it posted."""
    return f"{ROOT}-fence/{check_id(client)}"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter takes a topic: `+` is one level, a final `#` the rest (MQTT 3.1.1, section 4.7).

    >>> matches("vpp/v1/+/asset/#", "vpp/v1/chifeng/asset/bess.hongshan/ack")
    True
    """
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("+", g) for w, g in zip(wanted, given, strict=True))
