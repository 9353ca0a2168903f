"""Topics: names, their inverse, filters."""

from __future__ import annotations

import pytest

from vpp.errors import WireError
from vpp.wire.topics import ROOT, Channel, Topic, filter_of, matches, parse, topic_of


@pytest.mark.parametrize("channel", list(Channel))
def test_a_topic_taken_apart_and_built_again_is_the_same(channel: Channel) -> None:
    subject = "bess.hongshan" if channel.has_subject else ""
    name = topic_of("chifeng", channel, subject)
    assert parse(name) == Topic("chifeng", channel, subject)
    assert str(parse(name)) == name


@pytest.mark.parametrize("channel", list(Channel))
def test_the_filter_of_a_channel_takes_its_topics_and_no_others(channel: Channel) -> None:
    names = {c: topic_of("chifeng", c, "a.b" if c.has_subject else "") for c in Channel}
    assert [c for c, name in names.items() if matches(filter_of("chifeng", channel), name)] == [channel]


@pytest.mark.parametrize(
    ("channel", "subject"),
    [
        (Channel.ASSET_COMMAND, ""),
        (Channel.PLAN_CURRENT, "bess"),
        (Channel.ASSET_COMMAND, "bess/hongshan"),
        (Channel.ASSET_COMMAND, "+"),
        (Channel.ASSET_COMMAND, "bess hongshan"),
    ],
)
def test_an_id_that_cannot_travel_makes_no_topic(channel: Channel, subject: str) -> None:
    with pytest.raises(WireError):
        topic_of("chifeng", channel, subject)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ROOT,
        "vpp/v2/chifeng/plan/current",
        "vpp/v1/chifeng/asset/a/unknown",
        "vpp/v1/chifeng/asset/A/ack",
        "vpp/v1//plan/current",
        "vpp/v1/chifeng/plan/current/more",
    ],
)
def test_a_name_outside_the_contract_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        parse(name)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "taken"),
    [
        # The examples of MQTT 3.1.1, section 4.7.1.
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "anything/at/all", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
    ],
)
def test_filters_match_as_the_standard_says(topic_filter: str, topic: str, taken: bool) -> None:
    assert matches(topic_filter, topic) is taken
