from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from controllers.api.door import Attempts, Door, LockedError
from controllers.api.keys import KeyBook
from controllers.api.roles import RIGHTS, Caller, Right, Role
from controllers.api.tokens import TokenDesk, mint
from vpp.errors import AccessError

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
SECRET = b"s" * 32
HOME = "10.0.0.1"
LIFE = timedelta(minutes=15)


@dataclass
class Shelf:
    """Keeps small things as the store does."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def remember(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    def recall(self, key: str) -> bytes | None:
        return self.kept.get(key)


@dataclass
class House:
    shelf: Shelf = field(default_factory=Shelf)
    at: datetime = NOW

    def __post_init__(self) -> None:
        self.keys = KeyBook(self.shelf)
        self.tokens = TokenDesk(SECRET, self.keys, self.shelf)
        self.door = Door(self.keys, self.tokens, Attempts(3), lambda: self.at)

    def key(self, role: Role = Role.OPERATOR, **more: Any) -> str:
        text, _ = self.keys.create("li", role, by="admin", at=self.at, **more)
        return text

    def token(self, key: str | None = None) -> str:
        caller = self.door.caller(f"Bearer {key or self.key()}", HOME)
        return self.tokens.issue(caller, self.at, LIFE)[0]

    def shown(self, text: str, address: str = HOME) -> Caller:
        return self.door.caller(f"Bearer {text}", address)


@pytest.fixture
def house() -> House:
    return House()


def test_a_key_opens_and_of_it_only_a_hash_is_kept(house: House) -> None:
    key = house.key()
    caller = house.shown(key)
    assert (caller.name, caller.role) == ("li", Role.OPERATOR)
    assert key.encode() not in b"".join(house.shelf.kept.values())
    assert len(key.split("_", 2)[2]) == 43  # 256 bit as base64


def test_keys_outlive_the_process(house: House) -> None:
    key = house.key()
    assert House(house.shelf).shown(key).name == "li"


def test_a_key_with_one_letter_changed_opens_nothing(house: House) -> None:
    key = house.key()
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    with pytest.raises(AccessError, match="this key is unknown"):
        house.shown(wrong)


def test_an_expired_key_and_a_revoked_one_are_named(house: House) -> None:
    key = house.key(expires_at=NOW + timedelta(hours=1))
    house.at += timedelta(hours=1)
    with pytest.raises(AccessError, match="is expired"):
        house.shown(key)
    other = house.key()
    house.keys.revoke(house.keys.all()[-1].id, NOW)
    with pytest.raises(AccessError, match="is revoked"):
        house.shown(other)


def test_a_schedulers_key_names_its_cluster_and_no_other_key_does(house: House) -> None:
    with pytest.raises(AccessError, match="names its cluster"):
        house.key(Role.SCHEDULER)
    with pytest.raises(AccessError, match="names its cluster"):
        house.key(Role.VIEWER, cluster="compute.aidc")


def test_a_token_says_who_and_for_which_cluster(house: House) -> None:
    caller = house.shown(house.token(house.key(Role.SCHEDULER, cluster="compute.aidc")))
    assert (caller.role, caller.cluster) == (Role.SCHEDULER, "compute.aidc")


def test_a_token_ends_with_its_life(house: House) -> None:
    token = house.token()
    house.at += LIFE - timedelta(seconds=1)
    assert house.shown(token).role is Role.OPERATOR
    house.at += timedelta(seconds=1)
    with pytest.raises(AccessError, match="expired"):
        house.shown(token)


def test_a_token_ends_with_the_key_it_was_got_by(house: House) -> None:
    token = house.token()
    house.keys.revoke(house.keys.all()[0].id, NOW)
    with pytest.raises(AccessError, match="key behind this token"):
        house.shown(token)


def test_a_token_never_outlives_its_key(house: House) -> None:
    token = house.token(house.key(expires_at=NOW + timedelta(minutes=5)))
    assert house.shown(token).until_s == (NOW + timedelta(minutes=5)).timestamp()


def test_a_token_that_was_taken_back_is_refused_also_after_a_restart(house: House) -> None:
    token = house.token()
    house.tokens.take_back(house.shown(token), NOW)
    for again in (house, House(house.shelf)):
        with pytest.raises(AccessError, match="taken back"):
            again.shown(token)


def test_what_was_taken_back_is_forgotten_when_it_would_have_ended(house: House) -> None:
    first = house.shown(house.token())
    house.tokens.take_back(first, NOW)
    later = NOW + LIFE
    house.at = later
    house.tokens.take_back(house.shown(house.token()), later)
    assert first.credential.removeprefix("token:").encode() not in house.shelf.kept["api.tokens_revoked"]


def _claims(**changes: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    return {"iss": "vpp", "aud": "vpp.api", "sub": "li", "role": "admin", "jti": "1", "iat": at, "exp": at + 60} | changes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (jwt.encode(_claims(), b"x" * 32, algorithm="HS256"), "not ours"),
        (jwt.encode(_claims(), None, algorithm="none"), "not ours"),
        (jwt.encode(_claims(), SECRET * 2, algorithm="HS512"), "not ours"),
        (jwt.encode(_claims(aud="elsewhere"), SECRET), "another service"),
        (jwt.encode(_claims(iss="someone"), SECRET), "not ours"),
        (jwt.encode(_claims(role="emperor"), SECRET), "malformed"),
        (jwt.encode({k: v for k, v in _claims().items() if k != "exp"}, SECRET), "not ours"),
        (jwt.encode(_claims(iat=int(NOW.timestamp()) + 3600, exp=int(NOW.timestamp()) + 7200), SECRET), "from the future"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.", "not ours"),
        ("nonsense", "not ours"),
        ("ü" * 40, "not ours"),
    ],
)
def test_a_token_that_is_not_ours_opens_nothing(house: House, text: str, why: str) -> None:
    with pytest.raises(AccessError, match=why):
        house.shown(text)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token abc"])
def test_who_shows_nothing_is_told_what_to_show_and_is_no_attacker(house: House, header: str | None) -> None:
    for _ in range(10):
        with pytest.raises(AccessError, match="Authorization: Bearer") as caught:
            house.door.caller(header, HOME)
        assert not isinstance(caught.value, LockedError)


def _knock(house: House, times: int, text: str = "vpp_000000000000_" + "A" * 43) -> list[bool]:
    """Whether each wrong key closed the door."""
    found = []
    for _ in range(times):
        with pytest.raises(AccessError) as caught:
            house.shown(text)
        found.append(isinstance(caught.value, LockedError) and caught.value.first)
    return found


def test_the_door_closes_at_the_third_wrong_key_and_says_so_once(house: House) -> None:
    assert _knock(house, 5) == [False, False, True, False, False]


def test_behind_a_closed_door_no_key_is_looked_at_until_the_minute_is_over(house: House) -> None:
    key = house.key()
    _knock(house, 3)
    with pytest.raises(LockedError) as caught:
        house.shown(key)
    assert 0 < caught.value.retry_s <= 61
    house.at += timedelta(seconds=caught.value.retry_s)
    assert house.shown(key).name == "li"


def test_a_closed_door_is_closed_for_one_address_and_never_for_our_own_tokens(house: House) -> None:
    key, token = house.key(), house.token()
    _knock(house, 3)
    assert house.shown(key, "10.0.0.2").name == "li"
    assert house.shown(token).name == "li"


def test_guessed_tokens_close_the_door_as_keys_do(house: House) -> None:
    assert _knock(house, 4, "a.b.c") == [False, False, True, False]


def test_a_flood_from_made_up_addresses_does_not_fill_the_memory() -> None:
    attempts = Attempts(3)
    for i in range(10_500):
        attempts.wrong(f"10.0.{i // 256}.{i % 256}", NOW)
    assert len(attempts._wrong) <= 10_000


def test_a_command_on_the_services_own_machine_makes_a_token_from_the_secret(house: House) -> None:
    text = mint(SECRET, Caller("console", Role.ADMIN), NOW, LIFE)
    assert house.shown(text).role is Role.ADMIN


def test_each_role_has_the_rights_of_its_work_and_no_more() -> None:
    assert Right.OVERRIDE not in RIGHTS[Role.VIEWER]
    assert RIGHTS[Role.SCHEDULER] == {Right.OWN_TOKEN, Right.SHIFT, Right.BACKLOG}
    assert Right.CALL not in RIGHTS[Role.OPERATOR]
    assert Right.READ not in RIGHTS[Role.GRID]
    assert RIGHTS[Role.ADMIN] == set(Right)


def test_a_scheduler_speaks_for_its_own_cluster_alone() -> None:
    scheduler = Caller("s", Role.SCHEDULER, "compute.aidc")
    assert scheduler.may(Right.BACKLOG, "compute.aidc")
    assert not scheduler.may(Right.BACKLOG, "compute.other")
    assert Caller("a", Role.ADMIN).may(Right.BACKLOG, "compute.other")
