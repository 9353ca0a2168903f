"""Who may do what: five roles and the rights of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["RIGHTS", "Caller", "Right", "Role"]


class Role(StrEnum):
    """As what somebody comes."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SCHEDULER = "scheduler"
    GRID = "grid"
    ADMIN = "admin"


class Right(StrEnum):
    """What a route asks for."""

    READ = "read"
    FLEXIBILITY = "flexibility"
    EVENTS = "events"
    SHIFT = "shift"
    BACKLOG = "backlog"
    OVERRIDE = "override"
    ACKNOWLEDGE = "acknowledge"
    CALL = "call"
    AUDIT = "audit"
    KEYS = "keys"
    OWN_TOKEN = "own_token"


_OWN: Final = frozenset({Right.OWN_TOKEN})
_VIEWER: Final = _OWN | {Right.READ, Right.FLEXIBILITY, Right.EVENTS, Right.SHIFT}

#: Each role and its rights. A scheduler sees its own cluster and nothing else; the grid sees what it called and could call.
RIGHTS: Final = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.OPERATOR: _VIEWER | {Right.OVERRIDE, Right.ACKNOWLEDGE, Right.AUDIT},
        Role.SCHEDULER: _OWN | {Right.SHIFT, Right.BACKLOG},
        Role.GRID: _OWN | {Right.FLEXIBILITY, Right.EVENTS, Right.CALL},
        Role.ADMIN: frozenset(Right),
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has shown a key or a token.

    Args:
        name: What the audit calls them.
        role: See `Role`.
        cluster: The only cluster a scheduler speaks for; None for all other roles.
        credential: What was shown, by its public part: `key:<id>` or `token:<id>`.
        until_s: When the credential ends, in seconds since 1970; None for one without an end.
    """

    name: str
    role: Role
    cluster: str | None = None
    credential: str = ""
    until_s: float | None = None

    def may(self, right: Right, cluster: str | None = None) -> bool:
        """Whether the role holds a right, and, for a scheduler, over this cluster."""
        if right not in RIGHTS[self.role]:
            return False
        return self.role is not Role.SCHEDULER or cluster is None or cluster == self.cluster
