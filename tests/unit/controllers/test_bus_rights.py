"""Rights as files: NATS' own names, Mosquitto's hashes, passwords that stay."""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from controllers.bus.acl import (
    kept_passwords,
    mosquitto_acl,
    mosquitto_passwords,
    nats_authorization,
    nats_subjects,
    write_private,
)
from controllers.bus.nats_config import PROBE, password_in
from controllers.bus.rights import rights_of
from controllers.cli_acl import acl, add_acl_command
from vpp.errors import BrokerError

PARK = Path(__file__).resolve().parents[3] / "seeds" / "parks" / "two_areas.yaml"
RIGHTS = rights_of("p", assets=["bess.one"], clusters=["compute.one"], gateways={"main": ["grid.one", "grid.two"]})
BY_USER = {right.user: right for right in RIGHTS}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_acl_command(parser.add_subparsers())
    return acl(parser.parse_args(["acl", "--park", str(PARK), *words]))


def test_dots_of_ids_become_double_slashes_and_wildcards_nats_own() -> None:
    assert nats_subjects("vpp/v1/p/asset/+/telemetry") == ("vpp.v1.p.asset.*.telemetry",)
    assert nats_subjects("vpp/v1/p/asset/bess.one/arm") == ("vpp.v1.p.asset.bess//one.arm",)


def test_a_device_may_say_three_things_and_hear_three_beside_its_fence() -> None:
    device, fence = BY_USER["asset.bess.one"], "vpp/v1-fence/asset.bess.one"
    assert device.says == (*(f"vpp/v1/p/asset/bess.one/{tail}" for tail in ("telemetry", "status", "ack")), fence)
    assert device.hears == ("vpp/v1/p/asset/bess.one/command", "vpp/v1/p/asset/bess.one/arm", "vpp/v1/p/shed/+", fence)


def test_a_gateway_has_all_its_connections() -> None:
    assert {topic.split("/")[4] for topic in BY_USER["gateway.main"].says[:-1]} == {"grid.one", "grid.two"}


def test_mosquitto_s_file_names_each_user_once_and_no_pattern_for_all() -> None:
    text = mosquitto_acl(RIGHTS)
    assert re.findall(r"^user (.+)$", text, re.MULTILINE) == [right.user for right in RIGHTS]
    assert "pattern" not in text
    assert "topic write vpp/v1/p/asset/bess.one/telemetry" in text


def test_mosquitto_s_hash_is_pbkdf2_of_the_password() -> None:
    user, _, hashed = mosquitto_passwords(RIGHTS[:1], {RIGHTS[0].user: "word"}).strip().partition(":")
    _, kind, rounds, salt, digest = hashed.split("$")
    made = hashlib.pbkdf2_hmac("sha512", b"word", base64.b64decode(salt), int(rounds))
    assert (user, kind, base64.b64decode(digest)) == ("controller", "7", made)


def test_a_second_run_keeps_every_password_and_the_files_are_private(tmp_path: Path) -> None:
    out = tmp_path / "rights.conf"
    assert run("--out", str(out)) == 0
    first = out.read_text()
    assert run("--out", str(out)) == 0
    files = sorted(tmp_path.iterdir())
    assert out.read_text() == first
    assert [(file.name, file.stat().st_mode & 0o777) for file in files] == [
        (out.name, 0o600),
        (f"{out.name}.passwords.toml", 0o600),
    ]
    assert tomllib.loads(files[1].read_text())["controller"] == password_in(out, "controller")


def test_a_file_of_passwords_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passwords.toml"
    file.write_text('controller = "word"\n')
    file.chmod(0o644)
    with pytest.raises(BrokerError, match="others may read it .mode 644.; chmod 600 it"):
        kept_passwords(file, ["controller"])


def test_a_file_for_certificates_holds_no_password() -> None:
    assert "password:" not in nats_authorization(RIGHTS, None)


def test_the_probe_may_do_nothing() -> None:
    passwords = dict.fromkeys([*BY_USER, PROBE], "word")
    line = next(line for line in nats_authorization(RIGHTS, passwords).splitlines() if f'"{PROBE}"' in line)
    assert line.endswith('permissions: {publish: {deny: [">"]}, subscribe: {deny: [">"]}}}')


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--gateway", "main"), "--gateway main: names no connection"),
        (("--gateway", "main=grid.nowhere"), "grid.nowhere is no connection of the park"),
        (("--viewer", "controller"), "--viewer controller: is the name of somebody who may speak"),
        (("--at", "soon"), "--at: soon: not a day"),
        (("--broker", "mosquitto", "--certificates"), "--certificates: Mosquitto takes names"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], fault: str
) -> None:
    assert run("--out", str(tmp_path / "acl"), *words) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_written_the_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="give a file in a folder that can be written"):
        write_private(tmp_path / "file" / "acl", "x")
