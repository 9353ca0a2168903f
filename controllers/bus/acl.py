"""Rights as the files that brokers read, and the passwords that go with them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from controllers.bus.nats_config import PROBE
from controllers.bus.rights import Right
from vpp.errors import BrokerError

__all__ = [
    "kept_passwords",
    "mosquitto_acl",
    "mosquitto_passwords",
    "nats_authorization",
    "nats_subjects",
    "passwords_text",
    "write_private",
]

_PASSWORD_BYTES: Final = 24
_SALT_BYTES: Final = 12
#: What `mosquitto_passwd` uses; a random password of 192 bits needs no more.
_ROUNDS: Final = 101
_OTHERS: Final = 0o077


def nats_subjects(topic_filter: str) -> tuple[str, ...]:
    """What NATS makes of an MQTT filter; one that ends in `#` also takes the level above it, and so is two.

    >>> nats_subjects("vpp/v1/chifeng/asset/bess.hongshan/command")
    ('vpp.v1.chifeng.asset.bess//hongshan.command',)
    >>> nats_subjects("vpp/v1/chifeng/#")
    ('vpp.v1.chifeng', 'vpp.v1.chifeng.>')
    """
    levels = [{"+": "*", "#": ">"}.get(level, level.replace(".", "//")) for level in topic_filter.split("/")]
    subject = ".".join(levels)
    return (".".join(levels[:-1]), subject) if levels[-1] == ">" else (subject,)


def nats_authorization(rights: Iterable[Right], passwords: Mapping[str, str] | None) -> str:
    """The `authorization` block of a NATS server; passwords in plain, so the file is for its owner's eyes alone.

    Args:
        rights: Of everybody.
        passwords: By user, those of `rights` and of the probe; None: for a server that knows users by their certificates
            (`verify_and_map`), and for no other.
    """
    users = {right.user: f"publish: {_nats_list(right.says)}, subscribe: {_nats_list(right.hears)}" for right in rights}
    if passwords is None:
        warning = "It holds no passwords: use it only where TLS with verify_and_map knows users by their certificates."
    else:
        warning = "It holds passwords: keep it readable by the broker alone."
        users[PROBE] = 'publish: {deny: [">"]}, subscribe: {deny: [">"]}'
    lines = []
    for user, permissions in users.items():
        secret = "" if passwords is None else f'password: "{passwords[user]}", '
        lines.append(f'    {{user: "{user}", {secret}permissions: {{{permissions}}}}}\n')
    return f"# Written by vpp acl. {warning}\nauthorization {{\n  users: [\n{''.join(lines)}  ]\n}}\n"


def mosquitto_acl(rights: Iterable[Right]) -> str:
    """The file for Mosquitto's `acl_file`."""
    blocks = ["# Written by vpp acl. Whoever is not named here may do nothing; set allow_anonymous false beside it."]
    for right in rights:
        both = [topic for topic in right.says if topic in right.hears]
        lines = [f"user {right.user}"]
        lines += [f"topic readwrite {topic}" for topic in both]
        lines += [f"topic write {topic}" for topic in right.says if topic not in both]
        lines += [f"topic read {topic}" for topic in right.hears if topic not in both]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def mosquitto_passwords(rights: Iterable[Right], passwords: Mapping[str, str]) -> str:
    """The file for Mosquitto's `password_file`: hashes (PBKDF2 of SHA-512), each with a salt of its own."""
    return "".join(f"{right.user}:{_hashed(passwords[right.user])}\n" for right in rights)


def kept_passwords(path: Path, users: Iterable[str]) -> dict[str, str]:
    """A password for each user: the one in the file, so that a new device changes nobody else's, or a new random one.

    Raises:
        BrokerError: The file is open to others, or no TOML of names and passwords.
    """
    known = _read_passwords(path) if path.exists() else {}
    return {user: known.get(user) or secrets.token_urlsafe(_PASSWORD_BYTES) for user in users}


def passwords_text(passwords: Mapping[str, str]) -> str:
    """The file from which people hand out passwords."""
    lines = (f'"{user}" = "{password}"' for user, password in passwords.items())
    return (
        "# Written by vpp acl: user = password. Hand each one out once; delete a line for a new one.\n" + "\n".join(lines) + "\n"
    )


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read; it appears whole or not at all.

    Raises:
        BrokerError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise BrokerError(f"{path}: {error.strerror}; give a file in a folder that can be written") from error


def _nats_list(filters: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{subject}"' for f in filters for subject in nats_subjects(f)) + "]"


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _read_passwords(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrokerError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrokerError(f"{path}: no TOML: {error}") from error
    if mode & _OTHERS:
        raise BrokerError(f"{path}: others may read it (mode {mode & 0o777:o}); chmod 600 it, or delete it for new passwords")
    wrong = [user for user, password in values.items() if not isinstance(password, str) or '"' in password]
    if wrong:
        raise BrokerError(f"{path}: {wrong[0]}: a password is text without quotes; delete the line for a new one")
    return values
