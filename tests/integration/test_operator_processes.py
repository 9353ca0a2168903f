"""The service with its operators' protocols, as it is started by hand: every part a process of its own, all ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from controllers.bus.broker import find_nats_server
from tests.api_service import PARK_PATH, until
from tests.iec104_master import Master
from tests.openadr_rig import SECRETS
from vpp.errors import BrokerError

pytest.importorskip("c104", reason="c104 is not installed (extra iec104)")


def _ports(many: int) -> list[int]:
    found = [socket.socket() for _ in range(many)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in found]
    for one in found:
        one.close()
    return ports


def test_the_service_starts_keeps_and_ends_its_stations(tmp_path: Path) -> None:
    """It starts five processes with all that they import, which takes its seconds."""
    try:
        find_nats_server()
    except BrokerError as error:
        pytest.skip(f"no real broker here: {error}")
    api, vtn, station = _ports(3)
    digest = SECRETS["operator"][1]
    client = f'[[clients]]\nid = "operator"\nrole = "bl"\nmay_call = true\nsecret_sha256 = "{digest}"\n'
    (tmp_path / "vtn.toml").write_text(f'port = {vtn}\n{client}[[agreements]]\nconnection = "grid.hongshan"\n', encoding="utf-8")
    (tmp_path / "iec104.toml").write_text(f"port = {station}\n", encoding="utf-8")
    operators = f'[operators]\nopenadr_vtn = "{tmp_path / "vtn.toml"}"\niec104 = "{tmp_path / "iec104.toml"}"\n'
    config = tmp_path / "serve.toml"
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n[api]\nport = {api}\n{operators}', encoding="utf-8")
    command = [sys.executable, "-m", "controllers.cli", "serve", "--park", PARK_PATH, "--config", config]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    assert process.stdout is not None
    out = process.stdout
    reader = threading.Thread(target=lambda: lines.extend(out), daemon=True)
    reader.start()
    try:
        for part in ("screen", "openadr", "iec104"):
            until(lambda part=part: any(line.startswith(part) for line in list(lines)), 60.0)  # type: ignore[misc]
        form = {"grant_type": "client_credentials", "client_id": "operator", "client_secret": SECRETS["operator"][0]}
        url = f"http://127.0.0.1:{vtn}/openadr3/3.1.1"
        token = httpx.post(f"{url}/auth/token", data=form).json()["access_token"]
        programs = httpx.get(f"{url}/programs", headers={"Authorization": f"Bearer {token}"}).json()
        assert [one["programName"] for one in programs] == ["park"]
        master = Master(station)
        master.start()
        assert master.interrogate()
        master.close()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30.0) == 0, "".join(lines)
        reader.join(5.0)
        out.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", station), timeout=1.0)
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _is_of(pid, str(tmp_path))]  # noqa: PTH208  names are enough


def _is_of(pid: str, folder: str) -> bool:
    try:
        return folder in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return False
