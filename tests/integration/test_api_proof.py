"""Ladder and proof as the service answers them, out of a real ledger and over a real broker, and as the commands show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from controllers.api.roles import Role
from controllers.cli import main
from controllers.dispatch.ladder import GUARD_KEY, GuardFacts, LadderFacts, Used, ladder_facts, ladder_of
from controllers.proof import Proof
from controllers.store.rows import EventRow, PlanRow, Reading
from tests.api_service import GRID, FieldTalk, RunningApi, running_api, until
from tests.console_builders import NOW
from vpp.ids import AreaId
from vpp.wire.messages import Ack

BESS = "bess.hongshan"
START = NOW - timedelta(hours=2)
END = START + timedelta(minutes=30)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("proof")) as service:
        FieldTalk(service).devices()
        _event(service)
        yield service


@pytest.fixture(scope="module")
def viewer(api: RunningApi) -> httpx.Client:
    return api.as_(Role.VIEWER)


class Said:
    """An ack as the recorder hands it over."""

    def __init__(self, asset_id: str, message: Ack, minutes: float) -> None:
        self.asset_id, self.message, self.at = asset_id, message, START + timedelta(minutes=minutes)


def _event(api: RunningApi) -> None:
    """100 MW as declared, 20 MW less in the event, 10 s after its start, all of it by the battery."""
    row = EventRow(
        event_id="peak.1", connection=GRID, kind="peak", target_mw=80.0, start=START, end=END, priority=0, note="",
        who="dispatch.centre", asked_at=START - timedelta(minutes=20), changed_at=END, state="delivered",
    )  # fmt: skip
    api.store.ask_event(row)
    rows = []
    for k in range(-3_600, 5_400, 10):
        at, inside = START + timedelta(seconds=k), 10 <= k < 1_800
        for subject, quantity, value in (
            (GRID, "import_mw", 80.0 if inside else 100.0),
            (BESS, "power_mw", -14.0 if inside else 6.0),
        ):
            rows.append(Reading(subject=subject, quantity=quantity, measured_at=at, received_at=at, value=value))
    api.store.write_readings(rows)
    edges = [(START + timedelta(minutes=15 * k - 60)).isoformat() for k in range(33)]
    facts = {
        "edges": edges,
        "connections": {GRID: {"import_mw": [100.0] * 32, "export_mw": [0.0] * 32}},
        "assets": {BESS: {"power_mw": [6.0] * 32}},
    }
    made = START - timedelta(hours=1)
    plan = PlanRow(plan_id="p1", made_at=made, source="mpc", gap_frac=0.0, cost_cny=0.0, facts=msgspec.json.encode(facts))
    api.store.save_plan(plan)
    # What was made after the call is no declaration.
    later = replace(plan, plan_id="p2", made_at=START, facts=msgspec.json.encode({**facts, "assets": {}, "connections": {}}))
    api.store.save_plan(later)
    acks = [(0.0, 6.0), (0.1, -14.0)]
    api.store.save_said(
        Said(BESS, Ack(epoch=1, seq=k + 1, acked_at=START, outcome="accepted", power_mw=mw), minutes)
        for k, (minutes, mw) in enumerate(acks)
    )


def test_a_proof_is_made_from_the_ledger(viewer: httpx.Client) -> None:
    answer = viewer.get("/v1/events/peak.1/proof")
    assert answer.status_code == 200, answer.text
    proof = Proof.from_json(answer.content)
    assert (proof.verdict, proof.rule) == ("kept", "declared")
    assert proof.reaction.response_s == pytest.approx(11.0)
    assert proof.settled is not None
    assert proof.settled.requested_mw == pytest.approx(20.0)
    assert proof.settled.by_minute_frac == pytest.approx(1.0, abs=0.02)
    battery = next(one for one in proof.assets if one.asset_id == BESS)
    assert battery.gave_mw == pytest.approx(20.0, abs=0.2)
    assert battery.confirmed_mw == pytest.approx(-13.9, abs=0.2)


def test_another_baseline_can_be_asked_for_and_one_without_days_is_refused(viewer: httpx.Client) -> None:
    assert viewer.get("/v1/events/peak.1/proof", params={"rule": "declared"}).json()["rule"] == "declared"
    answer = viewer.get("/v1/events/peak.1/proof", params={"rule": "jiangsu"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_proof")
    assert viewer.get("/v1/events/peak.9/proof").status_code == 404


def test_the_command_writes_the_page_and_the_facts(api: RunningApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, facts = tmp_path / "proof.html", tmp_path / "proof.json"
    words = ["event", "proof", "peak.1", "--url", api.address, "--token", api.token(Role.GRID)]
    assert main([*words, "--html", str(page), "--json", str(facts)]) == 0
    out = capsys.readouterr().out
    assert "kept 履约" in out
    assert "declared schedule 申报计划" in out
    assert Proof.from_json(facts.read_bytes()).event.event_id == "peak.1"
    assert "响应证明" in page.read_text(encoding="utf-8")
    assert main([*words[:2], "peak.9", *words[3:]]) == 1
    assert "no such event" in capsys.readouterr().err


def test_the_ladder_is_told_before_a_controller_has_armed_it(viewer: httpx.Client) -> None:
    [ladder] = viewer.get("/v1/guard/ladder").json()["ladders"]
    assert (ladder["area"], ladder["armed_at"], ladder["step"]) == ("hongshan", None, 0)
    battery = next(rung for rung in ladder["rungs"] if rung["asset_id"] == BESS)
    assert battery["step"] == 1
    assert battery["relief_mw"] > 0.0


def test_the_ladder_is_told_as_it_is_armed_with_who_is_left_out(
    api: RunningApi, viewer: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    area = AreaId("hongshan")
    names = [rung.asset_id for rung in ladder_of(api.park, area).rungs if rung.calls_per_year is not None]
    feeders = names or [ladder_of(api.park, area).rungs[-1].asset_id]
    used = {feeders[0]: Used(20, 3.5)}
    armed = LadderFacts(
        area=area,
        connections=(GRID,),
        armed_at=NOW,
        step=1,
        reason="grid.hongshan: e1 asks for 10 MW",
        rungs=ladder_facts(ladder_of(api.park, area, used, None if names else {feeders[0]: "maintenance"})),
    )
    api.store.remember(GUARD_KEY, msgspec.json.encode(GuardFacts(year=2030, used=dict(used), ladders=(armed,))))
    [told] = viewer.get("/v1/guard/ladder").json()["ladders"]
    assert (told["step"], told["reason"]) == (1, armed.reason)
    out = [rung for rung in told["rungs"] if not rung["step"]]
    assert [(rung["asset_id"], rung["calls"]) for rung in out] == [(feeders[0], 20)]
    assert out[0]["reason"]
    live = until(lambda: viewer.get(f"/v1/live/{BESS}").json()["power_mw"])
    battery = next(rung for rung in viewer.get("/v1/guard/ladder").json()["ladders"][0]["rungs"] if rung["asset_id"] == BESS)
    rated_mw = next(asset for asset in api.park.assets if asset.id == BESS).plate.power_mw
    assert battery["now_mw"] == pytest.approx(live + rated_mw)
    assert main(["ladder", "--url", api.address, "--token", api.token(Role.VIEWER)]) == 0
    shown = capsys.readouterr().out
    assert "切除阶梯" in shown
    assert "out 退出" in shown
    assert main(["ladder", "--url", api.address, "--token", api.token(Role.VIEWER), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ladders"][0]["area"] == "hongshan"


def test_the_grid_sees_no_ladder(api: RunningApi) -> None:
    assert api.as_(Role.GRID).get("/v1/guard/ladder").status_code == 403
