"""The secret that tokens are signed with, a file among what is the service's own."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from vpp.errors import SettingsError

__all__ = ["token_secret"]

_SECRET_BYTES: Final = 32
_SECRET_FILE: Final = "token.secret"


def token_secret(state_dir: Path) -> bytes:
    """The secret that tokens are signed with: made once, readable by its owner alone.

    Two processes that ask at the same moment get the same one.

    Raises:
        SettingsError: The folder cannot be written, or the file is open to others or too short to be a secret.
    """
    path = state_dir / _SECRET_FILE
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_secret(path)
        mode = path.stat().st_mode
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsError([f"state_dir: {path}: {error.strerror}; give a folder that can be written"]) from error
    if mode & 0o077:
        raise SettingsError([f"{path}: others may read it (mode {mode & 0o777:o}); chmod 600 it, or delete it for a new one"])
    if len(secret) < _SECRET_BYTES:
        raise SettingsError([f"{path}: {len(secret)} bytes are no secret; delete it, a new one is made"])
    return secret


def _write_secret(path: Path) -> None:
    """The whole file appears at once or not at all; who comes second leaves the first one's in place."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
