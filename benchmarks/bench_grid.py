"""How long an operator waits until a call is on the park's disk: by REST, by OpenADR 3, and by IEC 60870-5-104.

The service runs as it is started by hand, each protocol a process of its own, with the small park and no devices. Wall time as
the caller sees it, one call after the other; it depends on the disk, which is waited for, and on what else the machine does.

    python benchmarks/bench_grid.py [--calls 30] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from controllers.adapters.iec104.points import Kind, address, points_of
from controllers.adapters.openadr3.vtn.settings import new_secret
from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.token_secret import token_secret
from vpp.park import load
from vpp.units import MS_PER_S

_PARK: Final = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
_GRID: Final = "grid.hongshan"
_PATIENCE_S: Final = 60.0


def main() -> None:
    """Starts the service, calls, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30, help="of each kind")
    parser.add_argument("--json", type=Path, help="the same figures for machines")
    told = parser.parse_args()
    secret, digest = new_secret()
    with tempfile.TemporaryDirectory() as folder:
        ports = _free_ports(3)
        config = _config(Path(folder), ports, digest)
        command = [sys.executable, "-m", "controllers.cli", "serve", "--park", str(_PARK), "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            _wait(process, {"screen", "openadr", "iec104"})
            figures = _figures(Path(folder), ports, secret, told.calls)
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE_S)
    for name, row in figures.items():
        print(f"{name:28}  p50 {row['p50_ms']:6.1f} ms   p99 {row['p99_ms']:6.1f} ms   of {row['calls']} calls")
    if told.json is not None:
        told.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _figures(folder: Path, ports: list[int], secret: str, calls: int) -> dict[str, dict[str, float]]:
    now = datetime.now(UTC)  # noqa: TID251  a benchmark stands outside the park
    span = {"start": (now + timedelta(hours=1)).isoformat(), "end": (now + timedelta(hours=2)).isoformat()}
    token = mint(token_secret(folder / "state"), Caller("bench", Role.GRID), now, timedelta(hours=1))
    rest = httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    url = f"http://127.0.0.1:{ports[1]}/openadr3/3.1.1"
    form = {"grant_type": "client_credentials", "client_id": "operator", "client_secret": secret}
    bearer = httpx.post(f"{url}/auth/token", data=form, trust_env=False).json()["access_token"]
    oadr = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {bearer}"}, trust_env=False)
    program = oadr.get("/programs").json()[0]["id"]

    def by_rest(i: int) -> None:
        body = {"event_id": f"bench-{i}", "connection": _GRID, "kind": "peak", "target_mw": 50.0, **span}
        rest.post("/v1/events", json=body).raise_for_status()

    def by_openadr(i: int) -> None:
        intervals = [{"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [50_000.0 + i]}]}]
        period = {"start": span["start"], "duration": "PT1H"}
        body = {"programID": program, "targets": [_GRID], "intervalPeriod": period, "intervals": intervals}
        oadr.post("/events", json=body).raise_for_status()

    with socket.create_connection(("127.0.0.1", ports[2])) as line:
        by_iec104 = _set_point(line)
        figures = {
            "REST, one call": _timed(by_rest, calls),
            "OpenADR 3, one event": _timed(by_openadr, calls),
            "IEC 104, set-point (2 calls)": _timed(by_iec104, calls),
        }
    rest.close()
    oadr.close()
    return figures


def _set_point(line: socket.socket) -> Callable[[int], None]:
    """Select and execute, each confirmed; frames by hand (IEC 60870-5-104, clause 5)."""
    where = address(points_of(load(_PARK, at=date(2030, 10, 7))), _GRID, "target_mw", Kind.SETPOINT)
    sent = got = 0
    rest = b""

    def confirmed() -> None:
        nonlocal rest, got
        while True:
            while len(rest) < 2 or len(rest) < 2 + rest[1]:
                rest += line.recv(4096)
            frame, rest = rest[: 2 + rest[1]], rest[2 + rest[1] :]
            got += not frame[2] & 1
            if frame[2] & 3 == 3 or (len(frame) > 8 and (frame[6], frame[8] & 0x3F) == (50, 7)):
                if len(frame) > 8 and frame[8] & 0x40:
                    raise RuntimeError("refused")
                return

    def call(i: int) -> None:
        nonlocal sent
        for qualifier in (0x80, 0):
            body = struct.pack("<BBBBH", 50, 1, 6, 0, 1) + where.to_bytes(3, "little") + struct.pack("<fB", 40.0 + i, qualifier)
            line.sendall(struct.pack("<BBHH", 0x68, 4 + len(body), sent << 1, got << 1) + body)
            sent += 1
            confirmed()

    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(struct.pack("<BBBBBB", 0x68, 4, 0x07, 0, 0, 0))
    confirmed()
    return call


def _timed(call: Callable[[int], None], calls: int) -> dict[str, float]:
    took = []
    for i in range(calls):
        began_s = time.perf_counter()
        call(i)
        took.append(MS_PER_S * (time.perf_counter() - began_s))
    took.sort()
    return {"calls": calls, "p50_ms": took[calls // 2], "p99_ms": took[min(calls - 1, int(0.99 * calls))]}


def _config(folder: Path, ports: list[int], digest: str) -> Path:
    client = f'[[clients]]\nid = "operator"\nrole = "bl"\nmay_call = true\nsecret_sha256 = "{digest}"\n'
    (folder / "vtn.toml").write_text(f'port = {ports[1]}\n{client}[[agreements]]\nconnection = "{_GRID}"\n', encoding="utf-8")
    (folder / "iec104.toml").write_text(f"port = {ports[2]}\n", encoding="utf-8")
    operators = f'[operators]\nopenadr_vtn = "{folder}/vtn.toml"\niec104 = "{folder}/iec104.toml"\n'
    path = folder / "serve.toml"
    path.write_text(f'state_dir = "{folder}/state"\n[api]\nport = {ports[0]}\n{operators}', encoding="utf-8")
    return path


def _free_ports(many: int) -> list[int]:
    found = [socket.socket() for _ in range(many)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports: list[int] = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


def _wait(process: subprocess.Popen[str], parts: set[str]) -> None:
    missing: set[Any] = set(parts)
    assert process.stdout is not None
    for line in process.stdout:
        missing -= {part for part in parts if line.startswith(part)}
        if not missing:
            return
    raise RuntimeError("the service did not start")


if __name__ == "__main__":
    main()
