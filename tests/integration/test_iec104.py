"""The station as a dispatch centre meets it: a master written by hand, a real service behind, Wireshark's dissector as judge."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers.adapters.grid_door import door_of
from controllers.adapters.iec104.hands import share_out
from controllers.adapters.iec104.points import PARK, Kind, address, as_csv, points_of
from controllers.adapters.iec104.settings import StationSettings, TlsFiles
from controllers.api.roles import Role
from tests.api_service import GRID, FieldTalk, RunningApi, until
from tests.console_builders import NOW
from tests.iec104_master import ACT_CON, ACT_TERM, INTERROGATED, M_ME, M_SP, SPONTANEOUS, Master
from vpp.wire.messages import GridMeasurement
from vpp.wire.topics import Channel

c104 = pytest.importorskip("c104", reason="c104 is not installed (extra iec104)")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class _Running:
    def __init__(self, api: RunningApi, **more: Any) -> None:
        from controllers.adapters.iec104.station import Station

        words: dict[str, Any] = {"port": _free_port(), "scan_s": 0.1, "emergency_mw": {GRID: 5.0}, **more}
        self.settings = StationSettings(api_url=api.address, state_dir=api.settings.state_dir, **words)
        self.api, self._up = api, threading.Event()
        self.station: Station
        self._serving = api.in_loop(self._run(Station))
        assert self._up.wait(20.0), self._serving.exception(0) if self._serving.done() else "the station is not up"

    async def _run(self, make: Any) -> None:
        door = door_of(self.api.address, self.api.settings.state_dir)
        self.station = make(self.api.park, self.settings, door)
        self._task = asyncio.ensure_future(self.station.run(self._up.set))
        await asyncio.wait({self._task})
        await door.client.aclose()

    def stop(self) -> None:
        self.api._loop.call_soon_threadsafe(self._task.cancel)
        self._serving.result(20.0)


@contextmanager
def _station(api: RunningApi, **more: Any) -> Iterator[_Running]:
    running = _Running(api, **more)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def station(api: RunningApi) -> Iterator[_Running]:
    with _station(api) as running:
        yield running


@pytest.fixture
def master(station: _Running) -> Iterator[Master]:
    one = Master(station.settings.port, originator=7)
    one.start()
    yield one
    one.close()


def _at(api: RunningApi, name: str, kind: Kind, subject: str = GRID) -> int:
    return address(points_of(api.park), subject, name, kind)


def _calls(api: RunningApi) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.as_(Role.GRID).get("/v1/events").json()["events"]
    return [row for row in rows if row["event_id"].startswith("iec104.") and row["state"] not in ("cancelled", "refused")]


def _operate(master: Master, where: int, value: float) -> bool:
    """Select, then execute; whether both were confirmed."""
    selected = master.set_point(where, value, select=True)
    assert (selected.cause, selected.value, selected.select) == (ACT_CON, pytest.approx(value), True)
    done = master.set_point(where, value, select=False)
    return not selected.negative and not done.negative


def _switch(master: Master, where: int, *, on: bool = True) -> bool:
    selected, done = master.command(where, on=on, select=True), master.command(where, on=on, select=False)
    return not selected.negative and not done.negative


def test_a_general_interrogation_tells_every_point_once_with_its_value(api: RunningApi, master: Master) -> None:
    told = master.interrogate()
    seen = [one for one in told if one.type in (M_SP, M_ME) and one.cause == INTERROGATED]
    wanted = {p.address for p in points_of(api.park) if p.kind in (Kind.SIGNAL, Kind.MEASURED)}
    assert {one.address for one in seen} == wanted
    assert len(seen) == len(wanted)
    assert told[-1].cause == ACT_TERM
    live = api.as_(Role.VIEWER).get("/v1/live").json()["connections"]
    grid = next(row for row in live if row["id"] == GRID)
    values = {one.address: one for one in seen}
    assert values[_at(api, "import_mw", Kind.MEASURED)].value == pytest.approx(grid["import_mw"])
    assert values[_at(api, "import_limit_mw", Kind.MEASURED, PARK)].value == pytest.approx(grid["import_limit_mw"])
    # Nobody has called: a target is not zero, it is not there.
    assert values[_at(api, "target_mw", Kind.MEASURED)].invalid


def test_a_value_that_changes_is_told_by_itself(api: RunningApi, master: Master) -> None:
    where = _at(api, "import_mw", Kind.MEASURED)
    FieldTalk(api).post(Channel.GRID_MEASUREMENT, GridMeasurement(measured_at=NOW + timedelta(seconds=5), import_mw=97.5), GRID)
    told = master.until(lambda one: one.address == where and one.value == pytest.approx(97.5))
    assert told[-1].cause == SPONTANEOUS


def test_nothing_is_done_without_a_selection(api: RunningApi, master: Master) -> None:
    before = len(_calls(api))
    assert master.set_point(_at(api, "target_mw", Kind.SETPOINT), 30.0, select=False).negative
    assert len(_calls(api)) == before


def test_a_selection_does_not_hold_for_ever(api: RunningApi) -> None:
    with _station(api, select_s=0.2) as running:
        master = Master(running.settings.port)
        master.start()
        where = _at(api, "target_mw", Kind.SETPOINT)
        assert not master.set_point(where, 30.0, select=True).negative
        threading.Event().wait(0.5)
        assert master.set_point(where, 30.0, select=False).negative
        master.close()


def test_a_set_point_is_called_changed_and_given_back_at_the_one_door(api: RunningApi, master: Master) -> None:
    where = _at(api, "target_mw", Kind.SETPOINT)
    assert _operate(master, where, 30.0)
    first = {row["kind"]: row for row in _calls(api)}
    assert {kind: row["target_mw"] for kind, row in first.items()} == {"peak": 30.0, "valley": 30.0}
    assert {row["by"] for row in first.values()} == {"iec104.master.7"}
    assert _operate(master, where, 25.0)
    second = {row["kind"]: row for row in _calls(api)}
    assert {row["event_id"] for row in second.values()} == {row["event_id"] for row in first.values()}
    assert {row["target_mw"] for row in second.values()} == {25.0}
    audit = api.as_(Role.OPERATOR).get("/v1/audit", params={"who": "iec104.master.7"}).json()["rows"]
    assert any(row["action"] == "event.ask" and "25 MW" in row["detail"] for row in audit)
    # A change that is refused leaves what is held as it is.
    assert not _operate(master, where, 10_000.0)
    assert {row["target_mw"] for row in _calls(api)} == {25.0}
    assert _switch(master, _at(api, "stop", Kind.COMMAND))
    assert _calls(api) == []
    assert _operate(master, where, 20.0)
    assert {row["target_mw"] for row in _calls(api)} == {20.0}
    assert _switch(master, _at(api, "stop", Kind.COMMAND))


def test_a_call_that_the_controller_refuses_later_is_told(api: RunningApi, master: Master) -> None:
    assert _operate(master, _at(api, "target_mw", Kind.SETPOINT), 30.0)
    refused = _at(api, "refused", Kind.SIGNAL)
    for row in _calls(api):
        api.store.set_event_state(row["number"], "refused", "the furnace is down", api.settings.clock.start)  # type: ignore[arg-type]
    master.until(lambda one: one.address == refused and one.value == 1.0)
    assert _operate(master, _at(api, "target_mw", Kind.SETPOINT), 31.0)
    assert {row["target_mw"] for row in _calls(api)} == {31.0}
    assert _switch(master, _at(api, "stop", Kind.COMMAND))


def test_an_absurd_set_point_is_confirmed_negatively_told_and_audited(api: RunningApi, master: Master) -> None:
    assert not _operate(master, _at(api, "target_mw", Kind.SETPOINT), 10_000.0)
    refused = _at(api, "refused", Kind.SIGNAL)
    master.until(lambda one: one.address == refused and one.value == 1.0)
    assert not _operate(master, _at(api, "hold_min", Kind.SETPOINT), 0.0)
    assert not _operate(master, _at(api, "target_mw", Kind.SETPOINT, PARK), -10_000.0)

    def audited(word: str) -> bool:
        rows = api.as_(Role.OPERATOR).get("/v1/audit", params={"who": "iec104.master.7"}).json()["rows"]
        return any(word in row["detail"] for row in rows if row["outcome"] == "refused")

    # A station that had to wait too long for the API has said no before the line was written.
    assert until(lambda: audited("carries between"))
    assert until(lambda: audited("hold of 0 min"))
    assert _calls(api) == []


def test_start_holds_the_last_set_point_where_one_alone_does_not(api: RunningApi) -> None:
    with _station(api, setpoint_starts=False) as running:
        master = Master(running.settings.port)
        master.start()
        assert not _switch(master, _at(api, "start", Kind.COMMAND))
        assert _operate(master, _at(api, "hold_min", Kind.SETPOINT), 30.0)
        assert _operate(master, _at(api, "target_mw", Kind.SETPOINT), 40.0)
        assert _calls(api) == []
        assert _switch(master, _at(api, "start", Kind.COMMAND))
        rows = _calls(api)
        assert [row["target_mw"] for row in rows] == [40.0, 40.0]
        spans = {datetime.fromisoformat(row["end"]) - datetime.fromisoformat(row["start"]) for row in rows}
        assert spans == {timedelta(minutes=30)}
        master.close()
    # The station that comes after gives back what this one had called.
    with _station(api) as running:
        master = Master(running.settings.port)
        master.start()
        assert _switch(master, _at(api, "stop", Kind.COMMAND, PARK))
        assert _calls(api) == []
        master.close()


def test_the_emergency_step_is_called_and_ended(api: RunningApi, master: Master) -> None:
    where = _at(api, "emergency", Kind.COMMAND)
    assert _switch(master, where)
    (row,) = _calls(api)
    assert (row["kind"], row["target_mw"]) == ("emergency", 5.0)
    api.store.set_event_state(row["number"], "running", "test", api.settings.clock.start)  # type: ignore[arg-type]
    running = _at(api, "emergency", Kind.SIGNAL)
    master.until(lambda one: one.address == running and one.value == 1.0)
    assert _switch(master, where, on=False)
    master.until(lambda one: one.address == running and one.value == 0.0)
    assert _calls(api) == []


def test_an_address_or_a_type_that_is_not_there_is_refused(api: RunningApi, master: Master) -> None:
    assert master.set_point(9_999, 1.0, select=True).negative
    assert master.unknown_type(_at(api, "start", Kind.COMMAND)).negative


def test_a_clock_that_differs_is_confirmed_and_kept_in_mind(station: _Running, master: Master) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=90)  # noqa: TID251  the master's own clock
    assert not master.synchronise(ahead).negative
    offset_s = until(lambda: station.station.offset_s)
    assert offset_s == pytest.approx(90.0, abs=5.0)


def test_who_is_not_a_master_is_not_served(api: RunningApi) -> None:
    with _station(api, masters=("127.0.0.9",)) as running:
        master = Master(running.settings.port)
        with pytest.raises(ConnectionError):
            master.start()
        master.close()


def test_a_service_that_is_away_makes_values_invalid(api: RunningApi) -> None:
    with _station(api) as running:
        master = Master(running.settings.port)
        master.start()
        where = _at(api, "import_mw", Kind.MEASURED)
        running.station.door.client.base_url = "http://127.0.0.1:1"
        master.until(lambda one: one.address == where and one.invalid)
        assert not _operate(master, _at(api, "target_mw", Kind.SETPOINT), 30.0)
        master.close()


def test_tls_lets_nobody_in_without_a_certificate(api: RunningApi, tmp_path: Path) -> None:
    files = _certificates(tmp_path)
    with _station(
        api, tls=TlsFiles(certificate_file=files["station"], key_file=files["station.key"], ca_file=files["ca"])
    ) as running:
        context = ssl.create_default_context(cafile=files["ca"])
        context.check_hostname = False
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _started(running.settings.port, context)
        context.load_cert_chain(files["master"], files["master.key"])
        assert _started(running.settings.port, context)[2] == 0x0B


def _started(port: int, context: ssl.SSLContext) -> bytes:
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5.0)) as line:
        line.sendall(bytes([0x68, 4, 7, 0, 0, 0]))
        found = line.recv(6)
        if not found:
            raise ConnectionError("closed")
        return found


def _certificates(folder: Path) -> dict[str, Path]:
    """A small authority, and a certificate of each side by it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")

    def run(*words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    found = {name: folder / name for name in ("ca", "ca.key", "station", "station.key", "master", "master.key")}
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *curve, "-keyout", found["ca.key"], "-out", found["ca"], "-subj", "/CN=ca", "-days", 2)
    for name in ("station", "master"):
        run("req", *curve, "-keyout", found[f"{name}.key"], "-out", folder / "request", "-subj", f"/CN={name}")
        signed = ("-CA", found["ca"], "-CAkey", found["ca.key"], "-CAcreateserial", "-days", 2)
        run("x509", "-req", "-in", folder / "request", *signed, "-out", found[name])
    return found


@pytest.mark.skipif(shutil.which("tshark") is None or shutil.which("text2pcap") is None, reason="no tshark here")
def test_another_decoder_reads_the_same_exchange(api: RunningApi, master: Master, tmp_path: Path) -> None:
    """What went over the line, as Wireshark's own dissector reads it; it shares nothing with the station or the master."""
    where, stop = _at(api, "target_mw", Kind.SETPOINT), _at(api, "stop", Kind.COMMAND)
    told = {one.address: one for one in master.interrogate() if one.cause == INTERROGATED}
    assert _operate(master, where, 30.0)
    assert _switch(master, stop)
    hexes, capture = tmp_path / "line.txt", tmp_path / "line.pcap"
    hexes.write_text("".join(f"{way}\n000000 {data.hex(' ')}\n\n" for way, data in master.bytes), encoding="ascii")
    subprocess.run(["text2pcap", "-q", "-D", "-T", "2404,40000", hexes, capture], check=True, capture_output=True)
    fields = ("iec60870_asdu.typeid", "iec60870_asdu.causetx", "iec60870_asdu.nega", "iec60870_asdu.ioa", "iec60870_asdu.float")
    words = [word for field in fields for word in ("-e", field)]
    out = subprocess.run(
        ["tshark", "-r", capture, "-Y", "iec60870_asdu", "-T", "fields", *words], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    interrogated: dict[int, float] = {}
    for kind, cause, _, places, values in rows:
        if (kind, cause) == ("13", "20"):
            interrogated |= dict(zip(map(int, places.split(",")), map(float, values.split(",")), strict=True))
    assert interrogated == {a: pytest.approx(one.value) for a, one in told.items() if one.type == M_ME}
    orders = [(kind, cause, nega, int(place)) for kind, cause, nega, place, _ in rows if kind in ("45", "50")]
    for one in (("50", "6", "0", where), ("50", "7", "0", where), ("45", "6", "0", stop), ("45", "7", "0", stop)):
        assert orders.count((one[0], one[1], _said(rows, one[2]), one[3])) == 2
    malformed = subprocess.run(
        ["tshark", "-r", capture, "-Y", "_ws.malformed"], check=True, capture_output=True, text=True
    ).stdout
    assert malformed == ""


def _said(rows: list[list[str]], negative: str) -> str:
    """Versions of the dissector write a flag as 0 or as False."""
    return "False" if any(row[2] in ("True", "False") for row in rows) else negative


def test_the_point_list_is_the_parks_own(api: RunningApi) -> None:
    points = points_of(api.park)
    assert len({p.address for p in points}) == len(points)
    assert {p.subject for p in points} == {PARK, *(c.id for c in api.park.connections if c.is_grid)}
    assert min(p.address for p in points if p.kind is Kind.MEASURED) == 0x4001
    lines = as_csv(points).splitlines()
    assert len(lines) == len(points) + 1
    assert lines[1] == "1,0x0001,遥信,M_SP_NA_1,vpp,measured,,the meter is heard and fresh,量测有效"


def test_a_target_of_the_whole_park_is_shared_by_what_each_could_move() -> None:
    shares = share_out(170.0, {"a": 100.0, "b": 100.0}, {"a": 40.0, "b": 20.0}, {"a": 9.0, "b": 9.0})
    assert shares == {"a": 80.0, "b": 90.0}
    assert "more than the 60.0 MW" in str(share_out(100.0, {"a": 100.0, "b": 100.0}, {"a": 40.0, "b": 20.0}, {}))
