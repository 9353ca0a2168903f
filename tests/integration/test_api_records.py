"""What was measured, planned, expected and billed, as the API tells it from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from controllers.api.roles import Role
from controllers.store import ForecastRow, PlanRow, Reading, RegisterRow
from tests.api_service import GRID, RunningApi, running_api
from tests.console_builders import NOW
from vpp.wire import messages as m
from vpp.wire.codec import encode

QUARTER = timedelta(minutes=15)
#: Midnight in the park.
MIDNIGHT = datetime.fromisoformat("2030-10-07T00:00:00+08:00")
POWER_MW = {
    "wind.hongshan": -30.0,
    "pv.roofs_hongshan": 0.0,
    "bess.hongshan": 0.0,
    "eaf.yuanlian": 60.0,
    "base.hongshan": 110.0,
    "wind.envision": -300.0,
    "pv.envision": 0.0,
    "bess.envision": 0.0,
    "h2.envision": 250.0,
    "nh3.envision": 20.0,
    "compute.aidc": 25.0,
    "base.island": 5.0,
}
PLAN: dict[str, Any] = {
    "plan_id": "plan.20301007T020000",
    "edges": [NOW.isoformat(), (NOW + QUARTER).isoformat()],
    "assets": {"bess.hongshan": {"kind": "battery", "area": "hongshan", "power_mw": [-12.0]}},
    "connections": {GRID: {"import_mw": [150.0], "export_mw": [0.0]}},
    "cost_items_cny": {"energy": 41_000.0, "wear": 900.0, "green_income": -2_000.0},
    "unmet": [{"where": "nh3.envision", "what": "ammonia_t", "amount": 3.2, "reason": "no wind until noon"}],
    "binding": [{"start": NOW.isoformat(), "where": GRID, "what": "import", "limit": 300.0, "worth_cny": 80.0, "words": "grid"}],
    "value_curves": {"bess.hongshan": {"level_breaks": [], "value": [310.0]}},
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    with running_api(tmp_path_factory.mktemp("records")) as service:
        _fill(service)
        yield service


@pytest.fixture(scope="module")
def viewer(api: RunningApi) -> httpx.Client:
    return api.as_(Role.VIEWER)


@dataclass(frozen=True)
class Said:
    """What a recorder hands to the ledger."""

    asset_id: str
    message: m.Command | m.Ack
    at: datetime


def _fill(service: RunningApi) -> None:
    store = service.store
    readings = [
        Reading(
            subject="bess.hongshan",
            quantity="power_mw",
            measured_at=NOW - timedelta(seconds=s),
            received_at=NOW - timedelta(seconds=s),
            value=float(s % 2),
        )
        for s in range(1, 121)
    ]
    store.write_readings(readings)
    registers = [
        RegisterRow(subject=name, quantity="power_mw", start=MIDNIGHT + t * QUARTER, mean=mw, measured_share=1.0)
        for name, mw in POWER_MW.items()
        for t in range(40)
    ]
    flow = [
        RegisterRow(subject=GRID, quantity="import_mw", start=MIDNIGHT + t * QUARTER, mean=140.0, measured_share=1.0)
        for t in range(40)
    ]
    store.write_registers([*registers, *flow])
    facts = msgspec.json.encode(PLAN)
    for n, source in enumerate(("rules", "mpc")):
        plan_id = f"plan.20301007T0{1 + n}0000"
        made_at = NOW - timedelta(minutes=30 - 15 * n)
        store.save_plan(PlanRow(plan_id=plan_id, made_at=made_at, source=source, gap_frac=0.004, cost_cny=39_900.0, facts=facts))
    for hours in (2, 1):
        store.save_forecast(_forecast(NOW - timedelta(hours=hours), 0.1 * hours))


def _forecast(issued_at: datetime, least: float) -> ForecastRow:
    series = m.ForecastSeries(id="wind.hongshan", quantity="available_frac", values=(tuple(least + 0.05 * q for q in range(7)),))
    said = m.ForecastCurrent(
        epoch=1,
        seq=1,
        issued_at=issued_at,
        edges=(issued_at, issued_at + QUARTER),
        levels=(0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98),
        series=(series,),
    )
    return ForecastRow(issued_at=issued_at, message=encode(said))


def _series(viewer: httpx.Client, **asked: Any) -> httpx.Response:
    return viewer.get("/v1/measurements", params={"subject": "bess.hongshan"} | asked)


def test_a_series_is_means_over_steps_and_null_where_nothing_was_measured(viewer: httpx.Client) -> None:
    start, end = (NOW - timedelta(minutes=4)).isoformat(), NOW.isoformat()
    (row,) = _series(viewer, start=start, end=end, step_s=60).json()["series"]
    assert row["values"] == [None, None, 0.5, 0.5]
    assert len(row["times"]) == 4


def test_several_subjects_come_in_one_answer(viewer: httpx.Client) -> None:
    said = viewer.get("/v1/measurements", params={"subject": ["bess.hongshan", "wind.hongshan"]}).json()
    assert [row["subject"] for row in said["series"]] == ["bess.hongshan", "wind.hongshan"]


@pytest.mark.parametrize(
    ("asked", "status", "line"),
    [
        ({"step_s": 1, "start": "2028-10-01T00:00:00Z"}, 422, "at most 100,000 are answered"),
        ({"subject": "bess.moon"}, 404, "no such asset or connection"),
        ({"start": NOW.isoformat(), "end": NOW.isoformat()}, 422, "must come before end"),
        ({"start": "yesterday"}, 422, "query.start"),
        ({"step_s": 0}, 422, "query.step_s"),
    ],
)
def test_an_absurd_question_is_one_clear_line(viewer: httpx.Client, asked: dict[str, Any], status: int, line: str) -> None:
    said = _series(viewer, **asked)
    assert said.status_code == status
    assert line in said.json()["detail"]


def test_what_an_asset_was_told_comes_with_the_reason_and_the_answer(api: RunningApi, viewer: httpx.Client) -> None:
    reason = m.Reason(code="mpc", text="charged while the wind is free", price_cny_per_mwh=212.0)
    told = m.Command(
        epoch=1,
        seq=4,
        issued_at=NOW,
        command=m.Target(power_mw=-12.0),
        lease_s=15.0,
        fallback=m.FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=1.0),
        plan_id="plan.20301007T020000",
        reason=reason,
    )
    ack = m.Ack(epoch=1, seq=4, acked_at=NOW, outcome="clamped", power_mw=-10.0, reason=m.Reason(code="soc_floor"))
    api.store.save_said([Said("bess.hongshan", told, NOW), Said("bess.hongshan", ack, NOW + timedelta(milliseconds=9))])
    (row,) = viewer.get("/v1/commands/bess.hongshan").json()["commands"]
    assert (row["command"]["reason"]["text"], row["ack"]["outcome"]) == (reason.text, "clamped")
    assert viewer.get("/v1/commands/bess.moon").status_code == 404
    assert viewer.get("/v1/commands/bess.hongshan", params={"start": "2030-01-01T00:00:00Z"}).status_code == 422


def test_plans_are_listed_newest_first_and_each_is_explained(viewer: httpx.Client) -> None:
    heads = viewer.get("/v1/plans").json()["plans"]
    assert [(head["source"], head["cost_cny"], head["unmet"]) for head in heads] == [("mpc", 39_900.0, 1), ("rules", 39_900.0, 1)]
    plan = viewer.get(f"/v1/plans/{heads[0]['plan_id']}").json()
    assert [item["item"] for item in plan["cost_items"]] == ["energy", "green_income", "wear"]
    assert plan["unmet"][0]["text"] == "nh3.envision: ammonia_t 3.2: no wind until noon"
    assert plan["binding"][0]["worth_cny"] == 80.0
    assert plan["connections"] == [{"id": GRID, "power_mw": [150.0]}]
    assert plan["more"]["value_curves"]["bess.hongshan"]["value"] == [310.0]


def test_a_plan_that_was_never_made_is_not_found(viewer: httpx.Client) -> None:
    assert viewer.get("/v1/plans/plan.moon").status_code == 404
    assert viewer.get("/v1/plans/current").json()["detail"].startswith("no plan was published yet")


def test_a_forecast_is_told_as_it_was_known_at_a_moment(viewer: httpx.Client) -> None:
    def least(at: datetime) -> Any:
        return viewer.get("/v1/forecasts", params={"issued_before": at.isoformat()})

    assert least(NOW).json()["series"][0]["values"][0][0] == 0.1
    assert least(NOW - timedelta(minutes=90)).json()["series"][0]["values"][0][0] == 0.2
    assert least(NOW - timedelta(days=1)).status_code == 404


def test_the_statement_of_a_running_day_adds_up_and_says_that_it_is_not_final(viewer: httpx.Client) -> None:
    said = viewer.get("/v1/accounts", params={"day": "2030-10-07"}).json()["statement"]
    assert said["span"]["final"] is False
    assert sum(said["cost_items_cny"].values()) == pytest.approx(said["cost_cny"])
    used = {row["id"]: row["energy_mwh"] for row in said["parties"]}
    assert used["base.hongshan"] == pytest.approx(1_100.0)


def test_accounts_by_quarter_say_who_used_what_of_which_origin_at_what_cost(viewer: httpx.Client) -> None:
    said = viewer.get("/v1/accounts/quarters").json()
    assert (said["day"], len(said["edges"])) == ("2030-10-07", 41)
    rows = {row["id"]: row for row in said["parties"]}
    assert rows["h2.envision"]["energy_mwh"] == [62.5] * 40
    assert rows["h2.envision"]["green_mwh"] == pytest.approx([62.5] * 40)
    assert sum(rows["base.hongshan"]["cost_cny"]) == pytest.approx(sum(rows["base.hongshan"]["cost_items_cny"].values()))
    green = {area["id"]: area["supply_mwh"] for area in said["areas"]}
    assert sum(green["island"]["wind"]) == pytest.approx(3_000.0)


@pytest.mark.parametrize(
    ("asked", "status", "line"),
    [
        ({"day": "2031-01-01"}, 404, "no registers"),
        ({"day": "monday"}, 422, "not a day"),
        ({"month": "2030-13"}, 422, "not a month"),
    ],
)
def test_accounts_of_a_day_that_is_none_are_refused(viewer: httpx.Client, asked: dict[str, str], status: int, line: str) -> None:
    said = viewer.get("/v1/accounts", params=asked)
    assert said.status_code == status
    assert line in said.json()["detail"]
