"""The embedded broker's own file: what it listens to, who is let in, and where it keeps what is retained."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpp.errors import BrokerError

__all__ = ["PROBE", "BrokerTls", "config_text", "password_in"]

#: The user that may do nothing but knock: by it the embedded broker learns that it is up.
PROBE: Final = "probe"

#: Each line was learnt the hard way: without `server_name` there is no MQTT; with the default sync a crash loses minutes
#: of retained messages; with the default consumers the 1,000th QoS 1 subscription is refused. A client that
#: does not read is given up at the size or after the time here; it comes back and gets what is retained.
_CONFIG: Final = """\
server_name: vpp_embedded
listen: "{host}:-1"
max_pending: 32MB
write_deadline: "10s"
jetstream {{
  store_dir: "{store}"
  sync_interval: "1s"
  limits: {{ default_max_consumers: -1 }}
}}
mqtt {{
  listen: "{host}:{port}"
  ack_wait: "2s"
  max_ack_pending: 1000
{inner_tls}}}
{outer_tls}{rights}"""


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """How the embedded broker shows who it is, and asks others.

    Args:
        certificate_file: The broker's certificate, for `127.0.0.1`.
        key_file: Its private key.
        context: How our own clients connect to it, with a certificate of `controller` where users are mapped.
        client_ca_file: Who signs the certificates of clients, each of which then needs one; None: passwords alone.
        maps_users: Whether a client is the user that its certificate names as its DNS name. The rights file is then one
            without passwords.
    """

    certificate_file: Path
    key_file: Path
    context: ssl.SSLContext
    client_ca_file: Path | None = None
    maps_users: bool = False


def config_text(listen: tuple[str, int], state_dir: Path, tls: BrokerTls | None, rights_file: Path | None) -> str:
    """The whole file.

    Args:
        listen: Host and port for MQTT.
        state_dir: The folder that the file will lie in.
        tls: None: in plain text.
        rights_file: As `vpp acl` writes it; None: everybody may do everything.
    """
    store = (state_dir / "store").absolute().as_posix()
    # The server reads a path after `include` from the folder of the file that names it, also one that begins at the root.
    rights = "" if rights_file is None else f'include "{os.path.relpath(rights_file, state_dir)}"\n'
    # The server's own protocol gets the same lock: else a user without a password would walk in there.
    inner, outer = _tls_text(tls, "  "), _tls_text(tls, "")
    return _CONFIG.format(host=listen[0], port=listen[1], store=store, inner_tls=inner, outer_tls=outer, rights=rights)


def password_in(rights_file: Path, user: str) -> str:
    """The password of a user in a file that `vpp acl` wrote.

    Raises:
        BrokerError: The file cannot be read, or knows no such user.
    """
    try:
        text = rights_file.read_text(encoding="utf-8")
    except OSError as error:
        raise BrokerError(f"{rights_file}: {error.strerror}; write it with vpp acl") from error
    found = re.search(rf'user: "{re.escape(user)}", password: "([^"]+)"', text)
    if found is None:
        raise BrokerError(f"{rights_file}: no user {user!r}; write it with vpp acl --broker nats")
    return found.group(1)


def _tls_text(tls: BrokerTls | None, indent: str) -> str:
    if tls is None:
        return ""
    lines = [f'cert_file: "{tls.certificate_file.absolute()}"', f'key_file: "{tls.key_file.absolute()}"', "timeout: 5"]
    if tls.client_ca_file is not None:
        lines += [f'ca_file: "{tls.client_ca_file.absolute()}"', "verify_and_map: true" if tls.maps_users else "verify: true"]
    return "".join(f"{indent}{line}\n" for line in ("tls {", *(f"  {line}" for line in lines), "}"))
