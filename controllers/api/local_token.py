"""A token made on the service's own machine, from the secret that only its owner may read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.clock import WallClock
from controllers.settings import load_settings
from controllers.token_secret import token_secret
from vpp.errors import AccessError

__all__ = ["local_token"]

_LONGEST: Final = timedelta(days=7)


def local_token(config: Path | None, role: str, name: str, life: timedelta, cluster: str | None) -> str:
    """The token.

    Args:
        config: Settings file of the service; environment without it.
        role: What it may do.
        name: What the audit calls its holder.
        life: How long it lives.
        cluster: For a scheduler.

    Raises:
        AccessError: A scheduler without a cluster, another role with one, or a life too long.
        SettingsError: The settings or the secret cannot be read.
    """
    if (role == Role.SCHEDULER) != (cluster is not None):
        raise AccessError("--cluster: a scheduler's token names its cluster, and no other token does")
    if not timedelta(0) < life <= _LONGEST:
        raise AccessError(f"--hours: {life}: a token lives for up to {_LONGEST.days} days; for longer make a key")
    settings = load_settings(config)
    return mint(token_secret(settings.state_dir), Caller(name, Role(role), cluster), WallClock().now(), life)
