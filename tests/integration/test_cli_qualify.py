"""`vpp qualify --live` against a real API on a real ledger, whose park time runs fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from controllers.api.roles import Role
from controllers.cli import main
from controllers.cli_qualify_live import LiveTest, called
from controllers.cli_service import AskError, Service
from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable, Promise
from controllers.loops.offers import OFFER_KEY
from controllers.proof.qualification import Qualification, Tested, TestStep, certify, read_qualification
from controllers.settings import ClockSettings, client_settings
from controllers.store.rows import PromiseRow, Reading
from sim_harness.scenario import SEEDS
from tests.api_service import GRID, FieldTalk, RunningApi, until
from tests.console_builders import NOW

CHINA = SEEDS / "qualification" / "china.yaml"
STEPS = (
    TestStep(id="up", kind="peak", start_h=0.05, duration_h=0.1, share_frac=1.0),
    TestStep(id="down", kind="valley", start_h=0.2, duration_h=0.1, share_frac=0.5),
)
METERED_MW, PLANNED_MW = 100.0, 150.0


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """A minute of the park in a tenth of a second."""
    service = RunningApi(tmp_path_factory.mktemp("qualify"))
    service.settings = replace(service.settings, clock=ClockSettings(start=NOW, speed=600.0))
    service.start()
    until(lambda: planned(service))
    rows = []
    for k in range(-3_600, 14_400, 10):
        at = NOW + timedelta(seconds=k)
        rows.append(Reading(subject=GRID, quantity="import_mw", measured_at=at, received_at=at, value=METERED_MW))
    service.store.write_readings(rows)
    yield service
    service.stop()


def planned(api: RunningApi) -> bool:
    """Says a plan, and whether the service knows it: what is said before it listens is lost."""
    FieldTalk(api).plan()
    known = service_of(api, Role.GRID).ask("GET", "/v1/flexibility")["connections"]
    return any(one["planned_mw"] is not None for one in known)


@pytest.fixture
def test() -> Qualification:
    return replace(read_qualification(CHINA), steps=STEPS)


def service_of(api: RunningApi, role: Role) -> Service:
    return Service(client_settings(api.address, api.token(role)))


def offering(api: RunningApi, role: Role) -> Service:
    """A service whose offer is of this moment of the fast clock: an hour of it is over soon."""
    service = service_of(api, role)
    offer = msgspec.structs.replace(an_offer(40.0, 30.0), at=service.now("/v1/events"))
    api.store.remember(OFFER_KEY, msgspec.json.encode(offer))
    return service


def an_offer(give_mw: float, take_mw: float) -> OfferTable:
    def cell(direction: str, hour: float, power_mw: float) -> OfferCell:
        sure = [
            Promise(confidence=c, power_mw=mw, import_mw=0.0, cost_cny=0.0, cost_cny_per_mwh=None)
            for c, mw in ((0.5, 2 * power_mw), (0.9, power_mw), (0.99, power_mw / 2))
        ]
        start = NOW + timedelta(hours=hour)
        return OfferCell(direction=direction, start=start, duration_h=0.25, expected_import_mw=0.0, promises=tuple(sure))

    cells = (cell("give", 0.0, give_mw), cell("give", 0.25, 0.8 * give_mw), cell("take", 0.0, take_mw), cell("give", 4.0, 0.0))
    meter = MeterOffer(connection=GRID, response_s={}, ramp_mw_per_min={}, cells=cells)
    return OfferTable(
        at=NOW, courses=20, confidences=(0.5, 0.9, 0.99), worth_cny_per_mwh=3e3, events=(), learnt_from="", meters=(meter,)
    )


def test_without_an_offer_somebody_has_to_say_what_is_declared(api: RunningApi, test: Qualification) -> None:
    with pytest.raises(AskError, match="--up-mw: say what the park declares; there is no offer yet"):
        LiveTest.of(service_of(api, Role.GRID), test, GRID, (None, 5.0), 0.9)


@pytest.mark.parametrize("role", [Role.GRID, Role.ADMIN])
def test_each_step_is_called_judged_and_certified_and_a_refused_one_gave_nothing(
    api: RunningApi, test: Qualification, role: Role
) -> None:
    live = replace(LiveTest.of(offering(api, role), test, GRID, (20.0, 10.0), 0.9), look_s=0.05)
    said: list[str] = []

    def answered(line: str) -> None:
        """What a controller makes of each call."""
        said.append(line)
        name = line.split(":")[0]
        row = api.store.event(name)
        assert row is not None
        if row.state == "received" and row.kind == "peak":
            api.store.set_event_state(row.number, "refused", "too much", NOW)
        elif row.state == "received":
            promised = PromiseRow(revision=1, asked_mw=5.0, accepted_mw=5.0, held_mw=row.target_mw)
            api.store.set_event_state(row.number, "delivered", "", NOW, promised)

    proofs = called(live, test, answered)
    up, down = (api.store.event(proof.event.event_id) for proof in proofs)
    assert up is not None
    assert down is not None
    assert (up.target_mw, down.target_mw, up.confidence) == (
        pytest.approx(PLANNED_MW - 20.0),
        pytest.approx(PLANNED_MW + 5.0),
        0.9,
    )
    # A clock this fast has gone some seconds beyond the start before the call is there.
    assert timedelta(minutes=5) < up.end - up.start <= timedelta(minutes=6) < down.start - up.start
    assert any(line.endswith("refused: too much") for line in said)
    found = certify(test, Tested(where="here", declared_mw=live.declared_mw, normal_load_mw=None), proofs)
    first, second = found.steps
    assert (first.refused, first.delivered_mw, first.answered, first.response_s) == ("too much", 0.0, False, None)
    assert second.refused == ""
    assert {one.threshold.id: one.measured for one in found.criteria}["capacity_of_load_frac"] is None


def test_a_test_that_is_broken_off_takes_its_step_back(api: RunningApi, test: Qualification) -> None:
    live = replace(LiveTest.of(offering(api, Role.GRID), test, GRID, (20.0, 10.0), 0.9), look_s=0.05)
    names: list[str] = []

    def interrupted(line: str) -> None:
        names.append(line.split(":")[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        called(live, test, interrupted)
    row = api.store.event(names[0])
    assert row is not None
    assert row.state == "cancelled"


def test_the_grid_tests_by_the_offer_alone_and_declares_the_least_of_it(api: RunningApi, test: Qualification) -> None:
    service = offering(api, Role.GRID)
    live = LiveTest.of(service, test, GRID, (None, None), 0.9)
    assert (live.declared_mw, live.may_read, live.load_mw()) == ((32.0, 60.0), False, None)
    assert live.expected_mw(NOW, NOW + timedelta(minutes=15)) == PLANNED_MW
    assert LiveTest.of(service, test, GRID, (None, 5.0), 0.95).declared_mw == (16.0, 5.0)


def test_who_may_not_call_is_told_before_anything_is_called(api: RunningApi, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["qualify", "--live", "--url", api.address, "--token", api.token(Role.OPERATOR), "--up-mw", "5", "--down-mw", "5"]
    assert main(words) == 2
    assert "the role may not call; take a token of role admin" in capsys.readouterr().err
