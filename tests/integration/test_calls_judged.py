"""A call in the real ledger with the real planner behind it: judged on arrival, taken whole or in part, refused, changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.bus.broker import EmbeddedBroker
from controllers.bus.local import LocalBus
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from controllers.flexibility.assess import Verdict
from controllers.flexibility.correction import Correction
from controllers.loops.asks import AskDesk
from controllers.loops.call_rows import said_of
from controllers.loops.commander import Commander
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.offers import OfferDesk
from controllers.loops.plan import Known, PlanGuide
from controllers.loops.promises import JUDGE_EVERY, PromiseDesk
from controllers.loops.registers import PeakMeter
from controllers.loops.worker import InlineWorker
from controllers.store import EventRow, Store, open_store
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from tests.world_builders import BASE, BATTERY, START, WIND, asset, connection, park
from vpp.events import Event
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.wire.codec import decode
from vpp.wire.messages import GridEvent, GridEventAnswer, Reason
from vpp.wire.topics import Channel, filter_of

GRID = ConnectionId("grid.a")
HOUR = timedelta(hours=1)
WIND_ID = AssetId("wind.a")
PARK = park(
    [asset(WIND_ID, "wind", WIND, "a"), asset("bess.a", "battery", BATTERY, "a"), asset("base.a", "base_load", BASE, "a")],
    [connection("grid.a", "a")],
)


def forecast(mean_frac: float = 0.4) -> Forecast:
    """Two days of wind around a share of capacity."""
    grid = TimeGrid.regular(START, timedelta(minutes=15), 196)
    fresh: Quality = "fresh"
    spread = np.linspace(mean_frac - 0.1, mean_frac + 0.1, len(QUANTILE_LEVELS))
    quantiles = np.broadcast_to(spread, (1, grid.n, len(QUANTILE_LEVELS)))
    return Forecast(grid, QUANTILE_LEVELS, (WIND_ID,), quantiles.copy(), np.full((1, grid.n), mean_frac), START, (fresh,))


@dataclass
class Office:
    """A desk with all that it needs, and what it told the grid."""

    store: Store
    inbox: Inbox
    offers: OfferDesk
    now: datetime = START
    told: list[tuple[GridEvent, Reason | None, Verdict | None]] = field(default_factory=list)
    plans: int = 0

    @classmethod
    def on(cls, store: Store) -> Office:
        inbox = Inbox(LocalBus(), PARK.id, lambda: START)
        planner = PlanGuide(PARK, Known(Mailbox(forecast()), PeakMeter(PARK.zone)), InlineWorker())
        return cls(store, inbox, OfferDesk(planner, inbox, InlineWorker(), Correction({}, 0.0), courses=4))

    def desk(self) -> AskDesk:
        found = AskDesk(PARK, self.store, self.inbox, self._replan, lambda: self.now)
        found.judge, found.tell = self.offers.judge, lambda _, said, why, verdict: self.told.append((said, why, verdict))
        return found

    def _replan(self) -> None:
        self.plans += 1

    def state(self, event_id: str = "e1") -> EventRow:
        row = self.store.event(event_id)
        assert row is not None
        return row

    def bound(self) -> dict[str, float]:
        """Targets that plan and dispatch keep in mind."""
        return {event.event_id: event.target_mw for event in self.inbox.snapshot(self.now).events}


def row(**said: object) -> EventRow:
    values: dict[str, object] = {
        "event_id": "e1", "connection": GRID, "kind": "peak", "target_mw": 50.0, "start": START + 2 * HOUR,
        "end": START + 3 * HOUR, "who": "grid", "asked_at": START, "changed_at": START,
    }  # fmt: skip
    return EventRow(**values | said)  # type: ignore[arg-type]


async def settle(desk: AskDesk, looks: int = 6) -> None:
    """Looks until whatever waits for a verdict has one."""
    for _ in range(looks):
        await desk.look()
        await asyncio.sleep(0)


async def level_of(office: Office, kind: str = "peak", start_h: float = 2.0) -> Verdict:
    asked = Event("probe", kind, GRID, 0.0, START + start_h * HOUR, START + (start_h + 1.0) * HOUR, START, START)  # type: ignore[arg-type]
    return await office.offers.judge(asked, 0.99, START)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path / 'ledger.sqlite'}")) as ledger:
        yield ledger


@pytest.fixture
def office(store: Store) -> Office:
    return Office.on(store)


async def test_a_call_within_reach_is_accepted_whole_and_bound_at_its_target(office: Office, store: Store) -> None:
    target = (await level_of(office)).level_mw + 2.0
    store.ask_event(row(target_mw=target))
    await settle(office.desk())
    known = office.state()
    assert (known.state, known.held_mw, known.accepted_mw) == ("accepted", pytest.approx(target, abs=1e-3), known.asked_mw)
    assert known.accepted_mw is not None
    assert known.accepted_mw > 1.0
    assert office.bound() == {"e1": pytest.approx(target, abs=1e-3)}
    [(_, refused, verdict)] = office.told
    assert refused is None
    assert verdict is not None
    assert verdict.outcome == "accepted"
    assert office.plans > 0


async def test_a_call_beyond_reach_is_accepted_in_part_with_the_amount_and_the_reason(office: Office, store: Store) -> None:
    sure = await level_of(office)
    store.ask_event(row(target_mw=sure.level_mw - 30.0))
    await settle(office.desk())
    known = office.state()
    assert known.state == "accepted"
    assert known.accepted_mw == pytest.approx(sure.expected_mw - sure.level_mw, abs=0.01)
    assert known.asked_mw == pytest.approx(known.accepted_mw + 30.0, abs=0.01)
    assert "MW promised" in known.reason
    assert office.bound() == {"e1": pytest.approx(sure.level_mw, abs=0.01)}


async def test_of_two_calls_at_once_the_second_is_not_promised_what_the_first_got(office: Office, store: Store) -> None:
    sure = await level_of(office)
    store.ask_event(row(target_mw=sure.level_mw))
    store.ask_event(row(event_id="e2", target_mw=sure.level_mw - 20.0))
    await settle(office.desk(), looks=10)
    first, second = office.state("e1"), office.state("e2")
    assert first.state == "accepted"
    # Both together promise no more than there was.
    assert first.accepted_mw is not None
    promised = first.accepted_mw + (0.0 if second.state == "refused" else second.accepted_mw or 0.0)
    assert promised == pytest.approx(sure.expected_mw - sure.level_mw, abs=1.5)


async def test_a_change_that_cannot_be_kept_is_refused_and_the_terms_of_before_stand(office: Office, store: Store) -> None:
    sure = await level_of(office)
    desk = office.desk()
    store.ask_event(row(target_mw=sure.level_mw + 5.0))
    await settle(desk)
    # The whole of the next day at the level of an hour: no battery does that.
    changed = row(target_mw=0.0, end=START + 26 * HOUR, revision=2, number=office.state().number)
    store.ask_event(changed)
    office.offers.taught = replace(office.offers.taught, margin_frac=5.0)
    await settle(desk)
    known = office.state()
    assert (known.state, known.revision, known.target_mw) == ("accepted", 2, pytest.approx(sure.level_mw + 5.0))
    assert known.end == START + 3 * HOUR
    assert "what was accepted before stands" in known.reason
    assert office.bound() == {"e1": pytest.approx(sure.level_mw + 5.0, abs=1e-3)}


async def test_one_that_cannot_be_promised_is_refused_but_an_emergency_is_taken_as_far_as_it_goes(
    office: Office, store: Store
) -> None:
    office.offers.taught = replace(office.offers.taught, margin_frac=5.0)
    store.ask_event(row(target_mw=-10.0, start=START))
    store.ask_event(row(event_id="e2", kind="emergency", target_mw=-10.0, start=START))
    await settle(office.desk(), looks=10)
    assert (office.state("e1").state, office.state("e1").held_mw) == ("refused", None)
    taken = office.state("e2")
    assert (taken.state in ("accepted", "running"), taken.accepted_mw, taken.held_mw) == (True, 0.0, -10.0)
    assert office.bound() == {"e2": -10.0}


async def test_a_call_taken_back_while_it_is_judged_binds_nothing(office: Office, store: Store) -> None:
    desk = office.desk()
    number = store.ask_event(row())
    await desk.look()
    store.ask_event(row(number=number, revision=2, state="cancelled"))
    await settle(desk)
    assert office.state().state == "cancelled"
    assert office.bound() == {}
    # And the next one does not wait behind it.
    store.ask_event(row(event_id="e2"))
    await settle(desk)
    assert office.state("e2").state == "accepted"


async def test_another_controller_keeps_what_this_one_has_promised(office: Office, store: Store) -> None:
    sure = await level_of(office)
    store.ask_event(row(target_mw=sure.level_mw - 30.0))
    await settle(office.desk())
    after = Office.on(store)
    await settle(after.desk())
    assert after.bound() == {"e1": pytest.approx(sure.level_mw, abs=0.01)}
    assert after.told == []


async def test_without_a_forecast_a_call_is_taken_as_far_as_it_goes_and_nothing_is_promised(office: Office, store: Store) -> None:
    office.offers.planner.known.forecasts.value = None
    store.ask_event(row())
    await settle(office.desk())
    known = office.state()
    assert (known.state, known.accepted_mw, office.bound()) == ("accepted", None, {"e1": 50.0})
    assert "nothing is promised" in known.reason


async def test_a_call_beyond_the_plan_waits_and_is_judged_when_it_comes_within_reach(office: Office, store: Store) -> None:
    store.ask_event(row(start=START + 60 * HOUR, end=START + 61 * HOUR))
    await settle(office.desk())
    assert (office.state().state, office.bound()) == ("received", {})


async def test_the_whole_offer_is_there_for_whoever_asks(office: Office) -> None:
    made = []
    office.offers.on_table = made.append
    table = await office.offers.look(START)
    assert made == [table]
    meter = table.meter(GRID)
    assert meter is not None
    now = meter.now("give", 1.0)
    assert now is not None
    assert now.start == START
    assert now.at(0.99).power_mw <= now.at(0.5).power_mw


async def test_a_call_that_became_impossible_is_told_at_once_and_once_and_so_is_that_it_is_possible_again(
    office: Office, store: Store, broker: EmbeddedBroker
) -> None:
    sure = await level_of(office)
    store.ask_event(row(target_mw=sure.level_mw))
    await settle(office.desk())
    async with connected_bus(broker.url, "controller") as bus, connected_bus(broker.url, "grid") as grid:
        heard: list[GridEventAnswer] = []
        arrived = asyncio.Event()

        def hear(topic: str, payload: bytes) -> None:
            heard.append(decode(GridEventAnswer, topic, payload))
            arrived.set()

        grid.subscribe(filter_of(PARK.id, Channel.GRID_EVENT_ANSWER), hear, qos=1)
        await grid.flush()
        commander = Commander(bus, PARK.id, WallClock(start=START))
        desk = PromiseDesk(store, office.offers.again, commander.answer, failing=lambda _: ("wind.a",))
        at = START

        async def looked(wind_frac: float) -> int:
            """Another plan under other wind; how many answers there are then."""
            nonlocal at
            at += timedelta(minutes=1)
            office.offers.planner.known.forecasts.value = forecast(wind_frac)
            desk.planned()
            await desk.look(at)
            # What is said after it arrives after it: then all that was said has arrived.
            commander.answer(GRID, said_of(row(event_id=f"after.{at:%H%M}")), None)
            async with asyncio.timeout(5.0):
                while not heard or heard[-1].event_id != f"after.{at:%H%M}":
                    await arrived.wait()
                    arrived.clear()
            del heard[-1]
            return len(heard)

        assert await looked(0.4) == 0
        assert (office.state().possible_mw, desk.alarms(at)) == (None, {})
        assert await looked(0.33) == 1
        short, known = heard[-1], office.state()
        assert known.accepted_mw is not None
        assert short.accepted_mw is not None
        assert (short.event_id, short.outcome, short.held_mw) == ("e1", "accepted", pytest.approx(known.possible_mw))
        assert short.accepted_mw < 0.9 * known.accepted_mw
        assert short.reason is not None
        assert (short.reason.code, "not following: wind.a" in short.reason.text) == ("held_less", True)
        assert list(desk.alarms(at)) == ["promise.e1"]
        # What plan and dispatch aim at stays what was accepted.
        assert (known.state, known.held_mw, office.bound()) == ("accepted", pytest.approx(sure.level_mw), {"e1": known.held_mw})
        assert await looked(0.33) == 1
        assert await looked(0.4) == 1
        assert await looked(0.4) == 2
        assert heard[-1].reason is not None
        assert (heard[-1].reason.code, heard[-1].held_mw) == ("held_again", pytest.approx(sure.level_mw))
        assert (await looked(0.4), office.state().possible_mw, desk.alarms(at)) == (2, None, {})
    told = [line for line in store.audits(START, at + HOUR) if line.action == "event.possible"]
    assert len(told) == 2


async def test_what_was_told_stands_for_the_next_controller_and_nothing_is_judged_twice_within_a_quarter(
    office: Office, store: Store
) -> None:
    store.ask_event(row(target_mw=(await level_of(office)).level_mw))
    await settle(office.desk())
    office.offers.planner.known.forecasts.value = forecast(0.36)
    await PromiseDesk(store, office.offers.again, lambda *_: None).look(START)
    assert office.state().possible_mw is not None
    told: list[object] = []
    after = PromiseDesk(store, office.offers.again, lambda *said: told.append(said))
    await after.look(START)
    assert (told, list(after.alarms(START))) == ([], ["promise.e1"])
    office.offers.planner.known.forecasts.value = forecast(0.3)
    await after.look(START + JUDGE_EVERY / 2)
    assert told == []
    await after.look(START + JUDGE_EVERY)
    assert len(told) == 1
    # A change by the caller is another promise.
    store.ask_event(row(number=office.state().number, revision=2, target_mw=200.0))
    await settle(office.desk())
    assert office.state().possible_mw is None


async def test_an_accepted_call_for_more_is_not_called_impossible_for_the_demand_charge_that_it_brings_anyway(
    office: Office,
) -> None:
    more = Event("e1", "valley", GRID, 75.0, START, START + HOUR / 4, START, START)
    asked, again = await office.offers.judge(more, 0.5, START), await office.offers.again(more, 0.5, START)
    # A quarter of an hour is not worth a month's charge to whoever is asked; to whoever has accepted it is due.
    assert asked.level_mw + 4.0 < again.level_mw < 75.0
    less = replace(more, kind="peak", target_mw=50.0)
    assert (await office.offers.again(less, 0.99, START)).level_mw == (await office.offers.judge(less, 0.99, START)).level_mw


# Two writers, outages, restarts.


async def test_a_call_that_is_taken_back_while_it_is_looked_at_stays_taken_back(office: Office, store: Store) -> None:
    store.ask_event(row(target_mw=(await level_of(office)).level_mw))
    desk = office.desk()
    await settle(desk)
    seen = office.state()
    # The caller takes it back in another process, between what the desk reads and what it writes.
    store.ask_event(replace(seen, revision=2, state="cancelled"))
    for state in ("running", "delivered", "refused"):
        store.set_event_state(seen.number, state, "late", START + HOUR, seen=seen)
    store.ask_event(replace(seen, target_mw=0.0), seen)
    assert (office.state().state, office.state().revision, office.state().target_mw) == ("cancelled", 2, seen.target_mw)
    await settle(desk)
    assert office.bound() == {}
    assert not [line for line in store.audits(START, START + 2 * HOUR) if "late" in line.detail]


async def test_a_refused_call_that_is_repeated_to_the_next_controller_does_not_bind_and_is_refused_again(
    office: Office, store: Store
) -> None:
    office.offers.taught = replace(office.offers.taught, margin_frac=5.0)
    store.ask_event(row(target_mw=0.0))
    await settle(office.desk())
    assert office.state().state == "refused"
    after = Office.on(store)
    desk = after.desk()
    await desk.look()
    # The broker kept the call, or the grid says it once more.
    after.inbox.called(GRID, said_of(row(target_mw=0.0)))
    assert after.bound() != {}
    await desk.look()
    assert after.bound() == {}
    [(said, why, verdict)] = after.told
    assert (said.event_id, verdict) == ("e1", None)
    assert why is not None
    assert "can be held" in why.text
    await desk.look()
    assert len(after.told) == 1


async def test_what_an_outage_left_open_ends_and_what_nobody_judged_was_not_delivered(office: Office, store: Store) -> None:
    store.ask_event(row(event_id="never", target_mw=50.0))
    ran = row(event_id="ran", target_mw=50.0, start=START - 30 * HOUR, end=START - 29 * HOUR, state="running")
    store.ask_event(ran)
    office.now = START + 5 * HOUR
    await settle(office.desk())
    assert (office.state("never").state, office.state("never").reason) == ("refused", "it was over before it could be judged")
    assert office.state("ran").state == "delivered"
    assert store.events_open() == ()
